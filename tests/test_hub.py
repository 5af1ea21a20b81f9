"""The hub without HTTP: latest wins, nothing grows, nothing closed comes back, everybody leaves at once."""

import asyncio

from display import hub as hub_module
from display.faults import Ear
from display.hub import (
    BEAT_S,
    LOOK_S,
    MAX_CARDS,
    MAX_SCREEN_STREAMS,
    MAX_STREAMS,
    MAX_STREAMS_EACH,
    STALE_S,
    Hub,
    Message,
    Stream,
)
from gateway.core.model import ScreenContent
from gateway.core.ports import Surfaces
from gateway.health import Health
from tests.rigs.shopfront import HandClock, accepted, card, request, slide, talking


def hub(clock: HandClock | None = None) -> Hub:
    return Hub(clock or HandClock(), Health())


async def take(stream: Stream | None, count: int) -> list[Message]:
    assert stream is not None
    return [await anext(stream) for _ in range(count)]


def neutral(art: str = "coffee") -> ScreenContent:
    return ScreenContent("L0", (slide(art),))


def dialogue(message: Message) -> dict[str, object]:
    body = message.body["dialogue"]
    assert isinstance(body, dict)
    return body


def test_the_hub_is_what_the_path_calls_surfaces() -> None:
    surfaces: Surfaces = hub()
    wanted = [name for name in vars(Surfaces) if not name.startswith("_")]
    assert len(wanted) >= 5
    assert all(callable(getattr(surfaces, name, None)) for name in wanted)


async def test_a_screen_gets_a_snapshot_then_updates_with_rising_ids() -> None:
    display = hub()
    display.show("coffee", neutral("tea"))
    stream = display.watch_screen("coffee")
    first = (await take(stream, 1))[0]
    display.show("coffee", neutral("wine"))
    second = (await take(stream, 1))[0]
    assert (first.name, second.name) == ("snapshot", "update")
    assert first.seq < second.seq
    assert "tea" in str(first.body) and "wine" in str(second.body)


async def test_a_screen_nobody_described_yet_gets_an_anonymous_snapshot() -> None:
    message = (await take(hub().watch_screen("coffee"), 1))[0]
    assert message.body["level"] == "L0" and message.body["slides"] == [] and message.body["dialogue"] is None


async def test_a_slow_screen_holds_one_update_however_many_came() -> None:
    display = hub()
    stream = display.watch_screen("coffee")
    await take(stream, 1)
    for art in ("tea", "wine", "bread") * 1000:
        display.show("coffee", neutral(art))
        display.beat()
    messages = await take(stream, 2)
    assert [message.name for message in messages] == ["update", "beat"]
    assert "slide-bread" in str(messages[0].body)
    assert stream is not None and not stream._due


async def test_other_screens_hear_nothing() -> None:
    display = hub()
    other = display.watch_screen("wine")
    await take(other, 1)
    display.show("coffee", neutral())
    assert other is not None and not other._due


async def test_time_left_is_told_in_real_milliseconds_when_sent() -> None:
    clock = HandClock(speed=10.0)
    display = hub(clock)
    display.show("coffee", talking(ttl_ms=20_000))
    assert dialogue((await take(display.watch_screen("coffee"), 1))[0])["ttl_ms"] == 2_000
    clock.at_ms += 15_000
    assert dialogue((await take(display.watch_screen("coffee"), 1))[0])["ttl_ms"] == 500


async def test_a_dialogue_past_its_time_is_not_sent_again() -> None:
    clock = HandClock()
    display = hub(clock)
    display.show("coffee", talking(ttl_ms=20_000))
    clock.at_ms += 20_000
    body = (await take(display.watch_screen("coffee"), 1))[0].body
    assert body["dialogue"] is None and body["level"] == "L0" and body["decision_id"] is None
    assert "Anna" not in str(body)


def test_it_rests_while_no_dialogue_request_or_card_is_shown() -> None:
    display = hub()
    assert display.rests
    display.show("coffee", talking())
    assert not display.rests
    display.show("coffee", neutral())
    assert display.rests
    display.queue((request(1),))
    assert not display.rests


async def test_a_withdrawn_dialogue_is_in_no_mailbox() -> None:
    display = hub()
    stream = display.watch_screen("coffee")
    display.show("coffee", talking())
    display.show("coffee", neutral())
    assert "Anna" not in str(await take(stream, 2))


async def test_all_tablets_see_the_queue_and_only_one_sees_that_it_is_his() -> None:
    display = hub()
    mine, theirs = display.watch_tablet("a" * 32), display.watch_tablet("b" * 32)
    await take(mine, 1), await take(theirs, 1)
    display.queue((request(1), accepted(request(2), "a" * 32)))
    first, second = (await take(mine, 1))[0].body, (await take(theirs, 1))[0].body
    assert [entry["mine"] for entry in first["queue"]] == [False, True]
    assert [entry["mine"] for entry in second["queue"]] == [False, False]
    assert "a" * 32 not in str(second) and display.tablets_connected == 2
    assert display.sees("a" * 32) and not display.sees("c" * 32)


async def test_a_guest_keeps_the_number_while_others_leave() -> None:
    display = hub()
    display.queue((request(1), request(2, label="Anna"), request(3)))
    display.queue((request(3), request(4)))
    body = (await take(display.watch_tablet("a" * 32), 1))[0].body
    numbers = {entry["handshake_id"]: entry["guest"] for entry in body["queue"]}
    assert numbers == {"handshake-3": 2, "handshake-4": 1}


async def test_a_card_reaches_its_tablet_only() -> None:
    display = hub()
    mine, theirs = display.watch_tablet("a" * 32), display.watch_tablet("b" * 32)
    await take(mine, 1), await take(theirs, 1)
    display.open_card("a" * 32, card(2_000_000))
    assert "Anna" in str((await take(mine, 1))[0].body)
    assert theirs is not None and not theirs._due


async def test_a_closed_card_is_told_once_and_never_comes_back() -> None:
    display = hub()
    stream = display.watch_tablet("a" * 32)
    await take(stream, 1)
    display.open_card("a" * 32, card(2_000_000))
    display.close_card("a" * 32, "handshake-1", "withdrawn")
    closed = (await take(stream, 1))[0]
    assert closed.name == "card_closed" and closed.body["reason"] == "withdrawn" and "Anna" not in str(closed.body)
    again = (await take(display.watch_tablet("a" * 32), 1))[0]
    assert again.body["card"] is None


async def test_closing_another_handshake_leaves_the_card_open() -> None:
    display = hub()
    display.open_card("a" * 32, card(2_000_000))
    display.close_card("a" * 32, "handshake-9", "closed")
    display.close_card("b" * 32, "handshake-1", "closed")
    assert "Anna" in str((await take(display.watch_tablet("a" * 32), 1))[0].body)


async def test_a_card_past_its_time_is_not_sent() -> None:
    display = hub(HandClock(now_ms=2_000_000))
    display.open_card("a" * 32, card(2_000_000))
    assert (await take(display.watch_tablet("a" * 32), 1))[0].body["card"] is None


async def test_cards_have_a_cap_and_the_oldest_gives_way() -> None:
    health = Health()
    display = Hub(HandClock(), health)
    stream = display.watch_tablet("tablet-0")
    await take(stream, 1)
    for number in range(MAX_CARDS + 1):
        display.open_card(f"tablet-{number}", card(2_000_000, number))
    assert (await take(stream, 1))[0].name == "card_closed"
    assert health.counts["display.cards_evicted"] == 1 and len(display._cards) == MAX_CARDS


async def test_streams_have_a_cap_and_screens_leave_room_for_tablets() -> None:
    display = hub()
    screens = [display.watch_screen(f"screen-{number}") for number in range(MAX_SCREEN_STREAMS)]
    assert display.watch_screen("coffee") is None
    tablets = [display.watch_tablet(f"{number:032x}") for number in range(MAX_STREAMS - MAX_SCREEN_STREAMS)]
    assert all(tablets) and display.watch_tablet("a" * 32) is None
    assert screens[0] is not None
    screens[0].close()
    screens[0].close()
    assert display.watch_screen("coffee") is not None
    assert display.watch_screen("screen-0") is None


async def test_one_till_takes_nobodys_place_and_its_newest_page_is_told() -> None:
    health = Health()
    display = Hub(HandClock(), health)
    for watch in (display.watch_till, display.watch_tablet, display.watch_screen):
        opened = [watch("one") for _ in range(MAX_STREAMS)]
        assert all(opened)
        ended, told = opened[:-MAX_STREAMS_EACH], opened[-MAX_STREAMS_EACH:]
        assert [len([message async for message in stream or ()]) for stream in ended] == [0] * len(ended)
        assert all([(await take(stream, 1))[0].name == "snapshot" for stream in told])
    assert health.counts == {"display.streams_displaced": 3 * (MAX_STREAMS - MAX_STREAMS_EACH)}
    assert display.watch_screen("coffee") and display.watch_tablet("a" * 32) and display.watch_till("till-2")
    assert display.screens_connected("one") == MAX_STREAMS_EACH


async def test_a_tills_page_is_rung_and_told_nothing_else() -> None:
    one = hub()
    mine, other = one.watch_till("till-1"), one.watch_till("till-2")
    assert [message.name for message in await take(mine, 1) + await take(other, 1)] == ["snapshot", "snapshot"]
    for _ in range(3):
        one.till("till-1")
    one.queue((request(),))
    one.beat()
    rung = await take(mine, 2)
    assert [message.name for message in rung] == ["update", "beat"]
    assert all(set(message.body) == {"now_ms"} for message in rung)
    assert [message.name for message in await take(other, 1)] == ["beat"]
    one.close()
    assert one.watch_till("till-1") is None


async def test_close_ends_waiting_streams_and_refuses_new_ones() -> None:
    display = hub()
    stream = display.watch_screen("coffee")
    await take(stream, 1)
    assert stream is not None

    async def rest() -> list[Message]:
        return [message async for message in stream]

    waiting = asyncio.create_task(rest())
    await asyncio.sleep(0)
    display.close()
    assert await waiting == []
    assert display.watch_screen("coffee") is None and display.watch_tablet("a" * 32) is None


async def test_the_hub_beats_by_itself(monkeypatch) -> None:
    monkeypatch.setattr(hub_module, "BEAT_S", 0)
    display = hub(HandClock(now_ms=77))
    stream = display.watch_tablet("a" * 32)
    await take(stream, 1)
    running = asyncio.create_task(display.run())
    assert (await take(stream, 1))[0].body == {"now_ms": 77}
    running.cancel()


def troubles(message: Message) -> list[dict[str, object]]:
    body = message.body["troubles"]
    assert isinstance(body, list)
    return body


async def test_tablets_are_told_of_a_reader_at_the_second_look_and_of_its_return_at_once() -> None:
    clock, health = HandClock(), Health()
    display = Hub(clock, health, {"till-nfc": Ear("reader", "till")})
    stream = display.watch_tablet("a" * 32)
    assert troubles((await take(stream, 1))[0]) == []
    health.set("receiver:till-nfc", "down", clock.at_ms, "no such reader", "Check the plug.")
    display.look()
    assert stream is not None and not stream._due
    clock.at_ms += 2_000
    display.look()
    told = (await take(stream, 1))[0]
    assert told.name == "update" and "queue" not in told.body and "card" not in told.body
    assert troubles(told) == [
        {
            "receiver": "till-nfc",
            "kind": "reader",
            "zone": "till",
            "alone": True,
            "state": "down",
            "cause": "barred",
            "detail": "no such reader",
            "action": "Check the plug.",
            "for_ms": 2_000,
        }
    ]
    assert len(troubles((await take(display.watch_tablet("b" * 32), 1))[0])) == 1
    display.look()
    assert not stream._due  # nothing new
    health.set("receiver:till-nfc", "ok", clock.at_ms)
    display.look()
    assert troubles((await take(stream, 1))[0]) == []


async def test_a_reader_that_is_back_before_the_second_look_alarms_nobody() -> None:
    health = Health()
    display = Hub(HandClock(), health, {"till-nfc": Ear("reader", "till")})
    stream = display.watch_tablet("a" * 32)
    await take(stream, 1)
    for state in ("down", "ok", "down", "ok"):
        health.set("receiver:till-nfc", state, 1)
        display.look()
    assert stream is not None and not stream._due


async def test_screens_hear_of_no_trouble() -> None:
    health = Health()
    display = Hub(HandClock(), health, {})
    stream = display.watch_screen("coffee")
    assert "troubles" not in (await take(stream, 1))[0].body
    health.set("receiver:till-nfc", "down", 1)
    display.look()
    display.look()
    assert stream is not None and not stream._due


async def test_the_hub_looks_by_itself(monkeypatch) -> None:
    monkeypatch.setattr(hub_module, "LOOK_S", 0)
    health = Health()
    display = Hub(HandClock(), health, {})
    stream = display.watch_tablet("a" * 32)
    await take(stream, 1)
    health.set("receiver:till-nfc", "down", 1)
    running = asyncio.create_task(display.run())
    assert [one["receiver"] for one in troubles((await take(stream, 1))[0])] == ["till-nfc"]
    running.cancel()


def test_a_trouble_is_on_the_tablet_within_ten_seconds() -> None:
    assert 2 * LOOK_S + 1 < 10  # two looks, and a second for the line and the paint


def test_two_beats_may_be_lost_before_a_page_calls_itself_stale() -> None:
    assert 2 * BEAT_S < STALE_S
    assert MAX_SCREEN_STREAMS < MAX_STREAMS and 2 * MAX_STREAMS_EACH < MAX_STREAMS - MAX_SCREEN_STREAMS


async def test_a_step_of_the_clock_leaves_the_time_that_was_left() -> None:
    clock = HandClock()
    hub = Hub(clock, Health())
    hub.show("coffee", talking(ttl_ms=9_000))
    hub.open_card("t", card(clock.at_ms + 9_000))
    clock.at_ms += 3_600_000
    hub.shift(3_600_000)
    stream = hub.watch_screen("coffee")
    assert (await anext(stream)).body["dialogue"]["ttl_ms"] == 9_000


async def test_a_locked_tablet_is_told_nothing_but_that_and_all_of_it_again_later() -> None:
    clock, health = HandClock(), Health()
    display = Hub(clock, health)
    here, there = (display.watch_tablet(tablet) for tablet in ("a", "b"))
    display.queue((request(label="Anna"),))
    display.open_card("a", card(clock.at_ms + 300_000))
    display.lock("a", True)
    assert not display.sees("a") and display.sees("b")
    told = [await anext(here) for _ in range(3)]
    assert all(one.body["queue"] == [] for one in told)
    assert all(one.body["locked"] is True and one.body["card"] is None for one in told)
    assert "Anna" in str((await anext(there)).body)
    display.lock("a", False)
    again = (await anext(here)).body
    assert again["locked"] is False and again["queue"][0]["label"] == "Anna" and again["card"]["call_name"] == "Anna"
    for stream in (here, there):
        stream.close()


async def test_a_screen_says_its_name_and_place_and_a_dialogue_goes_before_it() -> None:
    display, place = hub(), {"de": "Kaffee", "en": "Coffee"}
    assert display.name_screen("coffee", "coffee", place, 7_000) == "away"
    stream = display.watch_screen("coffee")
    await take(stream, 1)
    assert display.name_screen("coffee", "coffee", place, 7_000) == "ok"
    display.show("coffee", neutral("wine"))  # what runs beneath it may change
    named, update = await take(stream, 2)
    assert (named.name, update.name) == ("name", "update")
    assert {name: named.body[name] for name in ("screen", "zone", "place", "ms")} == {
        "screen": "coffee",
        "zone": "coffee",
        "place": place,
        "ms": 7_000,
    }
    assert display.name_screen("coffee", "coffee", place) == "ok"
    display.show("coffee", talking())
    assert [one.name for one in await take(stream, 1)] == ["update"]
    assert display.name_screen("coffee", "coffee", place) == "busy"
