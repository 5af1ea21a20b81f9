"""gateway.core.discretion: a random wait, three explanations, and nothing for whoever left or withdrew."""

from collections.abc import Collection
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from display.wire import PLACEMENT
from gateway.core.changes import ConfigPut
from gateway.core.discretion import CAUSES, JITTER_MS, MAX_GESTURES, RECENT_MS, TURN_MS, Discretion, Plan, Rules
from gateway.core.model import ConsentState, Purpose, ShopConfig, Sighting
from tests.rigs.shop import NOTICE, TEXT, Shop, basics, consent, member

PAGE = Path(__file__).parents[1] / "display" / "static" / "loop.js"
SOME = (Purpose.RECOGNISE_BLE, Purpose.RECOGNISE_NFC, Purpose.PERSONALISE_OFFERS)


def nobody(zone: str) -> Collection[str]:
    return ()


def free(screen: str) -> bool:
    return True


def test_the_numbers_are_those_of_the_levels_and_of_the_page() -> None:
    assert (JITTER_MS, CAUSES, Rules()) == ((2_000, 8_000), 3, Rules(JITTER_MS, CAUSES, TURN_MS))
    assert f"SLIDE_S = {TURN_MS // 1_000};" in PAGE.read_text(encoding="utf-8")
    assert MAX_GESTURES >= CAUSES
    assert ShopConfig().zone_offer_ms >= RECENT_MS  # what is up outlives what explained it
    assert PLACEMENT  # one slot a screen: a plan names screens


@given(st.floats(0, 1, exclude_max=True), st.integers(0, 10**13))
def test_the_wait_is_two_to_eight_seconds(draw: float, now_ms: int) -> None:
    one = Discretion(lambda: draw, Rules(causes=1))
    one.plan("m", "coffee", ["bar"], now_ms)
    assert one.take(now_ms + JITTER_MS[0] - 1, nobody, free) == ()
    (plan,) = one.take(now_ms + JITTER_MS[1], nobody, free)
    assert JITTER_MS[0] <= plan.due_ms - now_ms < JITTER_MS[1]
    assert one.take(now_ms + JITTER_MS[1], nobody, free) == ()  # once


def planned(**rules: int) -> Discretion:
    one = Discretion(lambda: 0.0, Rules(**rules))
    one.moved("m", (None, "coffee"), 0)
    one.plan("m", "coffee", ["bar"], 0)
    return one


def test_alone_in_an_empty_zone_nothing_changes_before_the_loop_has_turned_twice() -> None:
    one = planned()
    assert one.take(2 * TURN_MS - 1, lambda zone: ("m",), free) == ()
    assert [plan.member_id for plan in one.take(2 * TURN_MS, lambda zone: ("m",), free)] == ["m"]


def test_three_people_are_explanations_enough_and_two_are_not() -> None:
    one = planned()
    assert one.take(8_000, lambda zone: ("m", "n"), free) == ()
    assert len(one.take(8_000, lambda zone: ("m", "n", "o"), free)) == 1


def test_who_left_and_who_tapped_explain_it_for_a_while() -> None:
    one = planned(turn_ms=10**9)
    one.moved("n", ("coffee", "wine"), 1_000)
    one.gesture("coffee", 2_000)
    one.gesture("wine", 2_000)
    plan = Plan("m", "coffee", frozenset({"bar"}), 0, 2_000)
    assert one.causes(plan, 2_000, nobody) == 3
    assert one.take(1_000 + RECENT_MS, nobody, free) == ()  # forgotten, so nothing is up
    assert one.causes(plan, 1_000 + RECENT_MS, nobody) == 2
    for at_ms in range(100):
        one.gesture("coffee", at_ms)
    assert one.causes(plan, 2_000, nobody) <= 1 + 1 + MAX_GESTURES


@pytest.mark.parametrize("how", ["moved", "cancel", "forget"])
def test_nothing_changes_because_of_somebody_who_is_gone(how: str) -> None:
    one = planned()
    {
        "moved": lambda: one.moved("m", ("coffee", None), 1),
        "cancel": lambda: one.cancel("m"),
        "forget": lambda: one.forget("m"),
    }[how]()
    assert one.take(10**9, nobody, free) == ()
    assert how != "forget" or not (one._plans or one._moved)


def test_a_screen_with_a_dialogue_waits_alone() -> None:
    one = Discretion(lambda: 0.0, Rules(causes=1))
    one.plan("m", "coffee", ["bar"], 0)
    one.plan("m", "coffee", ["shelf"], 1_000)  # stands with the first one's time
    (first,) = one.take(2_000, nobody, lambda screen: screen == "bar")
    (second,) = one.take(2_000, nobody, free)
    assert (first.screens, second.screens, second.due_ms) == ({"bar"}, {"shelf"}, 2_000)


def test_a_clock_step_changes_no_wait() -> None:
    one = planned()
    one.gesture("coffee", 0)
    one.shift(10**9)
    assert one.take(10**9 + TURN_MS - 1, nobody, free) == ()
    assert len(one.take(10**9 + TURN_MS, nobody, free)) == 1


# --- in a shop ----------------------------------------------------------------------------------------------------


async def open_discreet(path: Path) -> Shop:
    shop = Shop(path, rules=Rules())
    await shop.flow.start()
    people = [change for name in ("mia", "ben", "eva", "tom") for change in member(name, *SOME)]
    await shop.push(*basics(), *people)
    return shop


async def linger(shop: Shop, seconds: float, *people: str, ear: str = "coffee-ble") -> None:
    for _ in range(int(seconds * 2)):
        for who in people:
            shop.flow.sighted(Sighting(who, ear, -60, shop.clock.ms))
        await shop.tick(500)


@pytest.fixture
async def shop(tmp_path: Path):
    one = await open_discreet(tmp_path)
    yield one
    await one.settle()
    one.store.close()


def level(shop: Shop) -> str:
    return shop.walls.screens["bar"].level


async def entered_ms(shop: Shop) -> int:
    return next(row.at_ms for row in await shop.store.outbox_after(0, 99) if row.type == "visit.entered")


async def test_a_lone_member_changes_nothing_at_once_and_the_budget_counts_what_is_shown(shop: Shop) -> None:
    await linger(shop, 20, "mia")
    assert level(shop) == "L1"
    assert "decision.made" not in await shop.types()
    while level(shop) == "L1" and shop.clock.ms < await entered_ms(shop) + 60_000:
        await linger(shop, 0.5, "mia")
    (decision,) = [row for row in await shop.store.outbox_after(0, 99) if row.type == "decision.made"]
    assert decision.at_ms - await entered_ms(shop) >= 2 * TURN_MS
    assert level(shop) == "L2"


async def test_among_four_it_takes_only_the_random_wait(shop: Shop) -> None:
    await linger(shop, 30, "mia", "ben", "eva", "tom")
    assert level(shop) == "L2"
    decided = next(row.at_ms for row in await shop.store.outbox_after(0, 99) if row.type == "decision.made")
    assert JITTER_MS[0] <= decided - await entered_ms(shop) <= JITTER_MS[1] + 1_000
    assert shop.flow._stage.offer_at("bar").members == {"mia", "ben", "eva", "tom"}
    made = [one for one in await shop.bodies("decision.made") if one["offer_id"]]
    assert len(made) == 1  # shown once, so it is one person's contact


async def test_a_withdrawal_while_it_waits_means_that_nothing_is_ever_decided(shop: Shop) -> None:
    await linger(shop, 20, "mia")
    await shop.push(consent("mia", Purpose.RECOGNISE_BLE, ConsentState.WITHDRAWN, 5))
    await shop.tick(60_000)
    assert level(shop) == "L1"
    assert "decision.made" not in await shop.types()


async def test_what_is_withdrawn_in_part_while_it_waits_is_what_the_decision_sees(shop: Shop) -> None:
    await linger(shop, 20, "mia")
    await shop.push(consent("mia", Purpose.PERSONALISE_OFFERS, ConsentState.WITHDRAWN, 5))
    await linger(shop, 20, "mia")
    assert level(shop) == "L1"


async def test_who_walks_on_while_it_waits_is_shown_nothing_there_and_counted_nothing(shop: Shop) -> None:
    await linger(shop, 20, "mia")
    await linger(shop, 15, "mia", ear="wine-ble")
    assert level(shop) == "L1"
    assert not [one for one in await shop.bodies("decision.made") if one["zone"] == "coffee"]


async def test_a_list_without_its_category_keeps_an_offer_off_public_screens(shop: Shop) -> None:
    await shop.push(ConfigPut(ShopConfig(TEXT, {"coffee": TEXT}, NOTICE, public_safe=("tea",))))
    await linger(shop, 40, "mia")
    assert level(shop) == "L1"
    assert ["espresso", "category.not_public"] in (await shop.bodies("decision.made"))[0]["reasons"]
    await shop.tap("mia", "coffee-nfc")
    assert shop.walls.screens["bar"].dialogue.slide.slide_id == "espresso"  # after a gesture it may stand there
