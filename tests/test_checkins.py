"""CheckIns: known at once, unknown soon, gone after an hour without a tap."""

from gateway.core.checkins import LEFT_AFTER_TAP_MS, UNKNOWN_AFTER_TAP_MS, CheckIns
from gateway.core.presence import DWELLED_MS, LEFT_AFTER_MS, UNKNOWN_AFTER_MS


def test_the_numbers_keep_their_inequalities() -> None:
    assert UNKNOWN_AFTER_MS <= UNKNOWN_AFTER_TAP_MS < DWELLED_MS <= LEFT_AFTER_MS < LEFT_AFTER_TAP_MS


def test_the_life_of_a_check_in() -> None:
    ins = CheckIns()
    ins.tap("mia", "entrance", 0)
    assert (ins.zone_of("mia"), ins.members_in("entrance"), [*ins], "mia" in ins) == (
        "entrance",
        ["mia"],
        ["mia"],
        True,
    )
    assert ins.expire(UNKNOWN_AFTER_TAP_MS - 1) == []
    assert ins.expire(UNKNOWN_AFTER_TAP_MS) == [("mia", "unknown", "entrance")]
    assert ins.zone_of("mia") is None and len(ins) == 1
    assert ins.expire(LEFT_AFTER_TAP_MS - 1) == []
    assert ins.expire(LEFT_AFTER_TAP_MS) == [("mia", "left", None)]
    assert len(ins) == 0


def test_a_tap_prolongs_and_moves() -> None:
    ins = CheckIns()
    ins.tap("mia", "entrance", 0)
    ins.tap("mia", "coffee", LEFT_AFTER_TAP_MS - 1)
    assert ins.zone_of("mia") == "coffee"
    assert ins.expire(LEFT_AFTER_TAP_MS) == []
    assert ins.end("mia") == "coffee"
    assert ins.end("mia") is None


def test_the_longest_silent_one_goes_first() -> None:
    ins = CheckIns()
    assert not ins.end_oldest()
    for at_ms, name in enumerate(("mia", "ben", "mia")):
        ins.tap(name, "coffee", at_ms)
    assert ins.end_oldest()
    assert [*ins] == ["mia"]


def test_a_tap_from_the_future_counts_as_one_of_now() -> None:
    ins = CheckIns()
    ins.tap("mia", "coffee", 10**12)
    assert ins.expire(0) == []
    assert ins.expire(LEFT_AFTER_TAP_MS) == [("mia", "left", "coffee")]


def test_where_somebody_tapped_last_may_not_count() -> None:
    known = CheckIns()
    known.tap("m1", "till", 0)
    known.back("m1", "entrance")
    known.back("nobody", "entrance")
    assert (known.zone_of("m1"), len(known)) == ("entrance", 1)
