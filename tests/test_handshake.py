"""Handshake: exactly one colleague gets the card, and it closes by itself."""

from dataclasses import replace

from gateway.core.handshake import MAX_WAITING, Handshake, Handshakes

ASKED = Handshake("h1", "m1", "Mia", "wine", "tap", 1_000, 121_000)


def test_exactly_one_of_two_accepts_wins() -> None:
    queue = Handshakes()
    assert queue.ask(ASKED)
    assert queue.accept("h1", "tablet-a", 400_000) == "open"
    assert queue.accept("h1", "tablet-b", 400_000) == "taken"
    assert queue.accept("h1", "tablet-a", 400_000) == "open"
    assert queue.accept("h2", "tablet-a", 400_000) == "gone"
    assert queue.get("h1").tablet == "tablet-a"


def test_what_is_open_on_a_tablet() -> None:
    queue = Handshakes()
    queue.ask(ASKED)
    assert queue.at("tablet-a") is None
    queue.accept("h1", "tablet-a", 400_000)
    assert queue.at("tablet-a").handshake_id == "h1"
    assert queue.at("tablet-b") is None
    assert queue.is_busy("tablet-a")


def test_a_tablet_that_is_left_holds_nothing_more() -> None:
    queue = Handshakes()
    for number, tablet in ((1, "tablet-a"), (2, "tablet-a"), (3, "tablet-b"), (4, None)):
        queue.ask(replace(ASKED, handshake_id=f"h{number}", member_id=f"m{number}"))
        if tablet is not None:
            queue.accept(f"h{number}", tablet, 400_000)
    assert [one.handshake_id for one in queue.leave("tablet-a")] == ["h1", "h2"]
    assert queue.members == {"m3", "m4"}
    assert queue.leave("tablet-a") == []


def test_a_member_waits_once() -> None:
    queue = Handshakes()
    assert queue.ask(ASKED)
    assert not queue.ask(replace(ASKED, handshake_id="h2"))
    assert queue.has("m1")
    assert not queue.has("m2")


def test_the_queue_is_bounded() -> None:
    queue = Handshakes()
    for number in range(MAX_WAITING):
        assert queue.ask(replace(ASKED, handshake_id=f"h{number}", member_id=f"m{number}"))
    assert not queue.ask(replace(ASKED, handshake_id="late", member_id="late"))


def test_only_the_tablet_that_holds_it_closes_it() -> None:
    queue = Handshakes()
    queue.ask(ASKED)
    queue.accept("h1", "tablet-a", 400_000)
    assert queue.close("h1", "tablet-b") is None
    assert queue.close("h1", "tablet-a").handshake_id == "h1"
    assert queue.close("h1") is None


def test_waiting_and_open_cards_expire_by_their_own_time() -> None:
    queue = Handshakes()
    queue.ask(ASKED)
    queue.ask(replace(ASKED, handshake_id="h2", member_id="m2"))
    queue.accept("h1", "tablet-a", 400_000)
    assert [h.handshake_id for h in queue.expire(121_000)] == ["h2"]
    assert queue.expire(399_999) == []
    assert [h.tablet for h in queue.expire(400_000)] == ["tablet-a"]


def test_forgetting_a_member_ends_theirs_only() -> None:
    queue = Handshakes()
    queue.ask(ASKED)
    queue.ask(replace(ASKED, handshake_id="h2", member_id="m2"))
    assert [h.handshake_id for h in queue.forget("m1")] == ["h1"]
    assert [entry.handshake_id for entry in queue.entries()] == ["h2"]


def test_tablets_see_the_queue_oldest_first_and_no_member_id() -> None:
    queue = Handshakes()
    queue.ask(replace(ASKED, handshake_id="late", member_id="m2", asked_at_ms=2_000))
    queue.ask(ASKED)
    entries = queue.entries()
    assert [entry.handshake_id for entry in entries] == ["h1", "late"]
    assert not any("m1" in str(entry) or "m2" in str(entry) for entry in entries)


def test_a_clock_step_moves_the_deadlines() -> None:
    queue = Handshakes()
    queue.ask(ASKED)
    queue.shift(-500)
    assert queue.expire(120_499) == []
    assert len(queue.expire(120_500)) == 1


def test_a_tablet_with_a_card_is_busy() -> None:
    queue = Handshakes()
    queue.ask(ASKED)
    assert queue.of("m1") == ASKED
    assert queue.of("m2") is None
    assert not queue.is_busy("tablet-a")
    queue.accept("h1", "tablet-a", 400_000)
    assert (queue.is_busy("tablet-a"), queue.is_busy("tablet-b")) == (True, False)
    queue.close("h1")
    assert not queue.is_busy("tablet-a")
