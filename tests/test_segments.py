"""Segments in the shop: within a second told, decided on and shown; only with consent, and nothing left of it."""

import asyncio
import time
from pathlib import Path

import pytest

from gateway.core.changes import ConfigPut, Erasure, Erasures, MemberPut, OfferPut, SegmentsPut
from gateway.core.eligible import parse
from gateway.core.model import AgeGate, ConsentState, Member, Offer, Purpose, ShopConfig, Sighting
from gateway.core.presence import LEFT_AFTER_MS, PresenceChange
from gateway.core.segment import Segment
from gateway.core.segments import RETRY_MS
from gateway.desk import Desk
from gateway.errors import StoreError
from gateway.export import export
from tests.rigs.figures import Tell
from tests.rigs.seeds import many
from tests.rigs.shop import NOTICE, START_MS, TEXT, Shop, consent, member, open_shop

ALL = tuple(Purpose)
CROWD = many(300, 2_000)
TICK_MS = 100  # as gateway.app ticks
LINGERS = Segment("lingers", parse({"at_least": ["visit.minutes.wine", 5]}))
KEEN = Segment("keen", parse({"at_least": ["visit.taps", 2]}))
FULL = Segment("full", parse({"at_least": ["basket.cents", 2000]}))
TASTING = Offer(
    "tasting",
    TEXT,
    TEXT,
    zones=("wine",),
    category="coffee",
    public_safe=True,
    priority=1,
    eligibility=parse({"has": ["visit.segments", ["lingers"]]}),
)
MIA, BEN = member("mia", *ALL), member("ben", *ALL, interests=("tea",))


@pytest.fixture
async def shop(tmp_path: Path):
    one = await open_shop(tmp_path, *MIA, *BEN, SegmentsPut((LINGERS, KEEN, FULL)), OfferPut(TASTING))
    yield one
    await one.settle()
    one.store.close()


async def linger(shop: Shop, who: str, receiver: str, seconds: float) -> None:
    """The member is heard twice a second, and the shop ticks as it does."""
    for step in range(int(seconds * 1000 / TICK_MS)):
        if step % 5 == 0:
            shop.flow.sighted(Sighting(who, receiver, -60, shop.clock.ms))
        shop.clock.ms += TICK_MS
        shop.flow.on_tick(shop.clock.ms)
        if shop.tasks:
            await shop.settle()


async def told(shop: Shop) -> list[tuple[str, str, str]]:
    return [(one["segment"], one["state"], one["why"]) for one in await shop.bodies("segment.changed")]


def shown(shop: Shop, screen: str = "cellar") -> list[str]:
    return [slide.slide_id for slide in shop.walls.screens[screen].slides]


async def test_five_minutes_at_the_wine_are_told_decided_on_and_shown_within_a_second(shop: Shop) -> None:
    await linger(shop, "mia", "wine-ble", 10)
    rows = await shop.store.outbox_after(0, 10_000)
    (entered_ms,) = [row.at_ms for row in rows if row.type == "visit.entered"]
    await linger(shop, "mia", "wine-ble", (entered_ms + 300_000 - shop.clock.ms) / 1000)
    assert "tasting" not in shown(shop) or shop.clock.ms >= entered_ms + 300_000
    while shop.clock.ms < entered_ms + 301_000 and "tasting" not in shown(shop):
        await linger(shop, "mia", "wine-ble", 0.1)
    assert shown(shop) == ["tasting"]
    assert shop.walls.screens["cellar"].level == "L2"
    assert shop.clock.ms - (entered_ms + 300_000) < 1000
    (body,) = await shop.bodies("segment.changed")
    visit_id = (await shop.bodies("visit.entered"))[0]["visit_id"]
    assert body == {"visit_id": visit_id, "member_id": "mia", "segment": "lingers", "state": "in", "why": "time"}
    kinds = await shop.types()
    assert kinds.index("segment.changed") < len(kinds) - 1 - kinds[::-1].index("decision.made")
    assert shop.health.counts["segments.in"] == 1


async def test_why_says_what_the_offer_asks_of_the_visit(shop: Shop) -> None:
    await linger(shop, "mia", "wine-ble", 310)
    decision_id = (await shop.bodies("decision.made"))[-1]["decision_id"]
    desk = Desk(shop.store, shop.flow, shop.clock, shop.health)
    why = (await desk.answer({"verb": "why", "decision_id": decision_id}))["why"]
    said = '"Hello" (tasting), as it stands today: is in one of these segments just now: lingers.'
    assert said in why["en"]
    assert '"Hallo" (tasting), nach heutigem Stand: ist gerade in einem dieser Segmente: lingers.' in why["de"]


async def test_a_change_of_segment_stays_within_the_contact_budget(shop: Shop) -> None:
    await shop.push(ConfigPut(ShopConfig(TEXT, {"wine": TEXT}, NOTICE, contacts_per_day=1)))
    await linger(shop, "mia", "coffee-ble", 6)
    assert shown(shop, "bar") == ["espresso"]
    await linger(shop, "mia", "wine-ble", 330)
    assert ("lingers", "in", "time") in await told(shop)
    assert shown(shop) == []
    last = (await shop.bodies("decision.made"))[-1]
    assert last["screen"] == "cellar" and last["offer_id"] is None
    assert {"candidate": "*", "code": "budget.day"} in last["reasons"] or ["*", "budget.day"] in last["reasons"]


async def test_no_decision_is_made_where_no_offer_asks_for_the_segment(shop: Shop) -> None:
    await linger(shop, "mia", "wine-ble", 6)
    before = (await shop.types()).count("decision.made")
    shop.flow.segments.basket("mia", 2600, [("tea", 2600, 1)])
    await shop.settle()
    assert await told(shop) == [("full", "in", "basket")]
    assert (await shop.types()).count("decision.made") == before


async def test_taps_and_answers_count_and_what_arrives_with_a_zone_is_told_with_it(shop: Shop) -> None:
    here = Segment("seen-both", parse({"all": [{"has": ["visit.zones", ["coffee"]]}, {"is": ["zone", "wine"]}]}))
    declined = Segment("declined", parse({"at_least": ["visit.declined", 1]}))
    await shop.push(SegmentsPut((here, KEEN, declined)))
    await linger(shop, "mia", "coffee-ble", 6)
    await shop.tap("mia", "coffee-nfc")
    dialogue = shop.walls.screens["bar"].dialogue
    assert dialogue is not None
    shop.clock.ms += 3000
    assert await shop.flow.on_screen("bar", dialogue.dialogue_id, "not_now") == "ok"
    await shop.settle()
    assert await told(shop) == [("declined", "in", "answer")]
    await shop.tap("mia", "bare-nfc")
    assert (await told(shop))[1:] == [("keen", "in", "tap")]
    await linger(shop, "mia", "wine-ble", 20)
    assert (await told(shop))[2:] == [("seen-both", "in", "zone")]
    kinds = await shop.types()
    assert kinds[kinds.index("visit.moved") + 1] == "segment.changed"


async def test_a_tap_is_decided_with_what_is_known_of_the_visit(shop: Shop) -> None:
    early = Offer(
        "early", TEXT, TEXT, zones=("coffee",), priority=9, eligibility=parse({"below": ["visit.minutes", 2]})
    )
    await shop.push(OfferPut(early))
    await linger(shop, "mia", "coffee-ble", 6)
    await shop.tap("mia", "coffee-nfc")
    assert (await shop.bodies("decision.made"))[-1]["offer_id"] == "early"
    await linger(shop, "mia", "coffee-ble", 130)
    await shop.tap("mia", "coffee-nfc")
    assert (await shop.bodies("decision.made"))[-1]["offer_id"] != "early"


async def test_with_others_in_the_zone_what_is_known_of_one_visit_makes_no_offer(shop: Shop) -> None:
    await linger(shop, "mia", "wine-ble", 200)
    for _ in range(130):
        shop.flow.sighted(Sighting("ben", "wine-ble", -60, shop.clock.ms))
        await linger(shop, "mia", "wine-ble", 1)
    assert ("lingers", "in", "time") in await told(shop)
    last = [one for one in await shop.bodies("decision.made") if one["member_id"] == "mia"][-1]
    assert last["offer_id"] is None
    assert "does_not_fit_company" in str(last["reasons"])


def remembered(shop: Shop) -> str:
    """All that memory holds of visits."""
    return repr(vars(shop.flow.segments)) + repr(vars(shop.flow.segments._running))


async def test_a_withdrawal_in_the_visit_leaves_nothing_in_memory(shop: Shop) -> None:
    await linger(shop, "mia", "wine-ble", 310)
    assert shop.flow.memory_of("mia")["segments"] == ["lingers"]
    await shop.push(consent("mia", Purpose.PERSONALISE_OFFERS, ConsentState.WITHDRAWN, 2))
    assert "mia" not in shop.flow.segments.members
    assert "mia" not in remembered(shop)
    before = await told(shop)
    await linger(shop, "mia", "wine-ble", 330)  # still recognised, and followed no more
    assert shop.flow._presence.zone_of("mia") == "wine"
    assert "mia" not in shop.flow.segments.members
    assert await told(shop) == before


async def test_a_visit_that_is_not_forgotten_would_be_seen(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    await linger(shop, "mia", "wine-ble", 6)
    monkeypatch.setattr(shop.flow.segments, "forget", lambda member_id: 0)
    await shop.push(consent("mia", Purpose.PERSONALISE_OFFERS, ConsentState.WITHDRAWN, 2))
    assert "mia" in remembered(shop)


async def test_an_erasure_leaves_nothing_and_its_receipt_counts_the_visit(shop: Shop) -> None:
    await linger(shop, "mia", "wine-ble", 310)
    await shop.flow.on_erasures(Erasures(0, 1, (Erasure(1, "mia"),)))
    assert "mia" not in remembered(shop)
    assert "mia" not in str(await shop.bodies("segment.changed"))  # it waited, and is about nobody now
    places = await shop.store.run(lambda tx: tx.erase_receipt("mia"))
    assert places["segments"] == 1


async def test_without_consent_of_a_child_and_of_a_colleague_nothing_is_followed(shop: Shop) -> None:
    others = tuple(purpose for purpose in Purpose if purpose is not Purpose.PERSONALISE_OFFERS)
    await shop.push(*member("noa", *others), *member("sam", *ALL), MemberPut(Member("sam", "Sam", staff=True)))
    await shop.push(MemberPut(Member("ben", "Ben", age=AgeGate.UNDER_16)))
    for who in ("noa", "sam", "ben"):
        await linger(shop, who, "wine-ble", 310)
        assert who == "ben" or shop.flow._presence.zone_of(who) == "wine"
        assert who not in shop.flow.segments.members
    assert await told(shop) == []


async def test_a_withdrawal_while_the_disk_writes_tells_nothing(shop: Shop) -> None:
    await linger(shop, "mia", "wine-ble", 20)
    withdrawn = asyncio.ensure_future(shop.push(consent("mia", Purpose.PERSONALISE_OFFERS, ConsentState.WITHDRAWN, 2)))
    await asyncio.sleep(0)
    shop.flow.segments.basket("mia", 2600, [("tea", 2600, 1)])
    await withdrawn
    await shop.settle()
    assert await told(shop) == []
    assert shop.flow.segments.members == set()


async def test_it_ends_with_the_visit_and_the_next_one_begins_anew(shop: Shop) -> None:
    await linger(shop, "mia", "wine-ble", 310)
    await shop.tick(LEFT_AFTER_MS)
    assert shop.flow.segments.members == set()
    await linger(shop, "mia", "wine-ble", 200)
    assert shop.flow.memory_of("mia")["segments"] is None
    assert await told(shop) == [("lingers", "in", "time")]  # visit.left ends all of them


async def test_a_clock_that_steps_makes_nobody_a_member(shop: Shop) -> None:
    await linger(shop, "mia", "wine-ble", 60)
    shop.clock.ms += 3_600_000
    shop.flow.on_clock_step(3_600_000)
    await linger(shop, "mia", "wine-ble", 60)
    assert await told(shop) == []


async def test_what_the_disk_does_not_take_is_told_later(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    await linger(shop, "mia", "wine-ble", 6)
    run = shop.store.run

    async def refuse(*_: object, **__: object) -> None:
        raise StoreError("the disk refused: it is full")

    monkeypatch.setattr(shop.store, "run", refuse)
    shop.flow.segments.basket("mia", 2600, [("tea", 2600, 1)])
    await shop.settle()
    assert shop.health.counts["segments.not_committed"] == 1
    assert shop.flow.memory_of("mia")["segments"] is None
    monkeypatch.setattr(shop.store, "run", run)
    await linger(shop, "mia", "wine-ble", RETRY_MS / 1000 + 1)
    assert await told(shop) == [("full", "in", "basket")]


async def test_segments_survive_a_restart_and_visits_do_not(tmp_path: Path) -> None:
    one = await open_shop(tmp_path, *MIA, SegmentsPut((KEEN,)))
    await linger(one, "mia", "wine-ble", 6)
    one.store.close()
    again = Shop(tmp_path)
    await again.flow.start()
    again.clock.ms = one.clock.ms
    assert again.flow.segments.members == set()
    await linger(again, "mia", "wine-ble", 6)
    await again.tap("mia", "bare-nfc")
    await again.tap("mia", "bare-nfc")
    assert ("keen", "in", "tap") in await told(again)
    again.store.close()


async def test_whoever_asks_sees_what_is_known_of_their_visit(shop: Shop) -> None:
    await linger(shop, "mia", "wine-ble", 310)
    shop.flow.segments.basket("mia", 900, [("tea", 900, 1)])
    await shop.settle()
    memory = shop.flow.memory_of("mia")
    assert memory["segments"] == ["lingers"]
    assert memory["visit"]["visit.minutes.wine"] == 5  # type: ignore[index]  # a value of the export
    assert memory["visit"]["basket.categories"] == ["tea"]  # type: ignore[index]  # likewise
    data = await shop.store.run(lambda tx: export(tx, "mia", shop.clock.ms, memory))
    assert data["memory"]["segments"] == ["lingers"]
    assert not any(shop.flow.segments.memory_of("ben").values())


async def test_more_visits_than_there_is_room_for_are_counted(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.core.segments.MAX_VISITS", 0)
    await linger(shop, "mia", "wine-ble", 6)
    assert shop.flow.segments.members == set()
    assert shop.health.counts["segments.full"] == 1


async def test_many_visits_at_once_cost_little(tmp_path: Path, tell: Tell) -> None:
    crowd = [f"m{number:04d}" for number in range(CROWD)]
    asked = parse({"all": [{"at_least": ["visit.minutes.wine", 5]}, {"below": ["visit.taps", 3]}]})
    rules = [Segment(f"s{number}", asked if number % 2 else LINGERS.rule) for number in range(16)]
    shop = await open_shop(tmp_path, SegmentsPut(tuple(rules)))
    for at in range(0, len(crowd), 100):
        await shop.push(*(change for name in crowd[at : at + 100] for change in member(name, *ALL)))
    segments, now_ms = shop.flow.segments, shop.clock.now_ms
    for number, name in enumerate(crowd):
        shop.clock.ms = START_MS + number * 10  # they come in within 20 s
        segments.moved(PresenceChange(name, "entered", "wine", None, now_ms()), f"v-{name}")
    await shop.settle()
    assert len(segments.members) == CROWD

    def ticks(count: int) -> float:
        began = time.process_time()
        for _ in range(count):
            shop.clock.ms += TICK_MS
            segments.expire(now_ms())
        return (time.process_time() - began) * 1000 / count

    await shop.tick(1000)
    idle_ms = ticks(100)
    assert not shop.tasks
    shop.clock.ms = START_MS + 299_950
    busy_ms = 0.0
    for _ in range(205):
        shop.clock.ms += TICK_MS
        began = time.process_time()
        segments.expire(now_ms())
        await shop.settle()
        busy_ms += (time.process_time() - began) * 1000
    in_all = shop.health.counts["segments.in"]
    assert in_all == CROWD * 16
    tell(
        f"segments: {CROWD:,} visits, 16 rules: a tick with nobody due {idle_ms:.3f} ms of processor time; "
        f"{in_all} changes in 20 s of shop time {busy_ms:.0f} ms ({busy_ms / CROWD:.2f} ms a member, with its commit)"
    )
    shop.store.close()
