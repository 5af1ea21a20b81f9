"""The catalogue's rules at a till, on a whole shop: asked before anything is held, with what is held counted."""

import asyncio
import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from sqlite_utils import Database

from gateway.apply import apply
from gateway.checkout import Answer, Asked, settle
from gateway.core.changes import ConfigPut, Delta, OfferPut, StockPut
from gateway.core.model import Cap, ConsentState, Contact, Offer, Proof, Purpose, Restraint, ShopConfig
from gateway.core.redemption import TTL_MS, Times
from gateway.core.spans import DAY_MS
from gateway.core.tills import Sale
from gateway.core.vault import Vault
from gateway.migrations import migrate
from gateway.records import Tx
from gateway.reserving import AtTill, forbidden, person_at, preview
from gateway.tables.history import MAX_CONTACTS
from tests.rigs.shop import NOTICE, SITE_KEY, START_MS, TEXT, Shop, consent, member
from tests.test_checkout import ask, confirm, issued, opened, reserve

HOUR_MS = 3_600_000
ONCE = (Cap("redemptions", 1, calendar="day"),)
TWICE_HERE = (Cap("redemptions", 2, "store", calendar="day"),)
HELD_OUT = ConfigPut(ShopConfig(notice=NOTICE, restraint=Restraint(holdout_bp=10_000, holdout_salt="s")))


def offer(offer_id: str, **more: Any) -> OfferPut:
    return OfferPut(Offer(offer_id, TEXT, TEXT, value_cents=300, **more))


@pytest.fixture
async def shop(tmp_path: Path):
    one = await opened(
        tmp_path,
        offer("once", caps=ONCE),
        offer("two", caps=TWICE_HERE, audience="everyone"),
        offer("berlin", stores=("berlin-1",), audience="everyone"),
        offer("screen", channels=("public",)),
        offer("mug", stock_ref="mug", audience="everyone"),
        offer("usual", purpose=Purpose.PURCHASE_HISTORY),
    )
    yield one
    one.store.close()


async def test_a_members_cap_counts_what_is_held_and_comes_back_with_what_is_let_go(shop: Shop) -> None:
    await shop.tap("mia", "till-nfc", Proof.PROVEN)
    answers = await asyncio.gather(*(reserve(shop, "once") for _ in range(3)))
    (held,) = [one for one in answers if one.result == "reserved"]
    assert [one.reason for one in answers if one is not held] == ["cap.redemptions"] * 2
    assert (await confirm(shop, held)).result == "committed"
    assert (await reserve(shop, "once")).reason == "cap.redemptions"
    assert (await reserve(shop, "tea")).result == "reserved", "another offer has caps of its own"
    await shop.push(*member("ben", Purpose.RECOGNISE_NFC, Purpose.PERSONALISE_OFFERS))
    await shop.tap("ben", "till-nfc", Proof.PROVEN)
    held = await reserve(shop, "once")
    shop.clock.ms += TTL_MS
    await shop.tick()
    await shop.tap("ben", "till-nfc", Proof.PROVEN)
    assert held.result == (await reserve(shop, "once")).result == "reserved"


async def test_a_card_that_is_tapped_again_and_again_redeems_no_more_than_its_cap(shop: Shop) -> None:
    await shop.tap("mia", "till-nfc", Proof.PROVEN)
    assert (await confirm(shop, await reserve(shop, "once"))).result == "committed"

    def tapped(tx: Any) -> None:
        for number in range(MAX_CONTACTS):
            tx.note_contact("mia", f"tap-{number}", Contact(START_MS + number, "tea", True, "till-1"))

    await shop.store.run(tapped)
    assert (await reserve(shop, "once")).reason == "cap.redemptions"


async def test_a_cap_of_each_member_needs_somebody_who_is_known(shop: Shop) -> None:
    await shop.push(offer("each", caps=ONCE, audience="everyone"))
    assert (await reserve(shop, "each")).reason == "limit.nobody"
    assert (await reserve(shop, "two")).result == "reserved", "a cap of the shop needs nobody"
    assert "each" not in {one.offer_id for one in (await shop.flow.till_desk.view("till-1")).offers}
    assert (await reserve(shop, "", coupon=issued("each"))).result == "reserved", "a coupon counts once by itself"
    await shop.tap("mia", "till-nfc", Proof.PROVEN)
    assert "each" in {one.offer_id for one in (await shop.flow.till_desk.view("till-1")).offers}
    assert (await confirm(shop, await reserve(shop, "each"))).result == "committed"
    assert (await reserve(shop, "each")).reason == "cap.redemptions"


async def test_a_cap_of_the_whole_shop_holds_over_a_hundred_tills_at_once(shop: Shop) -> None:
    asked = Asked("reserve", offer_id="two")
    answers = await asyncio.gather(*(ask(shop, asked, f"till-{number}") for number in range(100)))
    assert sorted(str(one.reason) for one in answers)[:3] == ["None", "None", "cap.store"]
    for number, held in enumerate(answers):
        if held.result == "reserved":
            sold = Asked("confirm", str(held.redemption_id), receipt="R")
            assert (await ask(shop, sold, f"till-{number}")).result == "committed"
    assert (await reserve(shop, "two")).reason == "cap.store"
    shop.clock.ms += DAY_MS
    assert (await reserve(shop, "two")).result == "reserved"


async def test_what_all_came_back_counts_for_no_cap_of_the_shop(shop: Shop) -> None:
    await shop.push(offer("last", caps=(Cap("redemptions", 1, "store", calendar="day"),), audience="everyone"))
    sold = await confirm(shop, await reserve(shop, "last"))
    shop.clock.ms += 40 * 60_000
    await ask(shop, Asked("reverse", str(sold.redemption_id), cents=100))
    assert (await reserve(shop, "last")).reason == "cap.store", "a part came back"
    await ask(shop, Asked("reverse", str(sold.redemption_id)))
    assert (await confirm(shop, await reserve(shop, "last"))).result == "committed"
    assert (await reserve(shop, "last")).reason == "cap.store"


@pytest.mark.parametrize(
    ("offer_id", "reason"),
    [("berlin", "store"), ("screen", "channel"), ("mug", "stock.unknown"), ("usual", "consent.not_given")],
)
async def test_what_the_catalogue_forbids_is_refused_with_its_code(shop: Shop, offer_id: str, reason: str) -> None:
    await shop.tap("mia", "till-nfc", Proof.PROVEN)
    assert (await reserve(shop, offer_id)).reason == reason


async def test_no_cap_or_group_begins_anew_where_a_clock_goes_back(shop: Shop) -> None:
    await shop.push(
        offer("left", groups=("pair",)),
        offer("right", groups=("pair",)),
        offer("last", caps=(Cap("redemptions", 1, "store", DAY_MS),)),
        offer("mine", caps=(Cap("redemptions", 1, period_ms=DAY_MS),)),
    )
    then_ms, month_ms = START_MS + 40 * DAY_MS, 30 * DAY_MS

    def asked(tx: Tx, now_ms: int, latest_ms: int) -> list[str | None]:
        at = AtTill("till-1", None, Times(now_ms, latest_ms, latest_ms), True)
        mia = tx.person("mia", now_ms)
        by_id = {one.offer_id: one for one in tx.offers()}
        return [forbidden(tx, at, mia, by_id[offer_id]) for offer_id in ("right", "last", "mine")]

    def redeemed(tx: Tx) -> None:
        for offer_id in ("left", "last", "mine"):
            tx.note_contact("mia", f"r-{offer_id}", Contact(then_ms, offer_id, True, "till-1", "redeemed"))
            tx.count_given(offer_id, "redeemed", then_ms)

    await shop.store.run(redeemed)
    for back_ms in (0, HOUR_MS, 2 * DAY_MS):
        found = await shop.store.run(lambda tx, ms=then_ms - back_ms: asked(tx, ms, then_ms))
        assert found == ["group", "cap.store", "cap.redemptions"]
    found = await shop.store.run(lambda tx: asked(tx, then_ms - month_ms, then_ms - month_ms))
    assert found == [None, None, None], "a clock that was ahead by a month stops nobody until then"


async def test_the_last_one_of_an_article_is_redeemed_and_no_further(shop: Shop) -> None:
    await shop.push(StockPut("", {"mug": 1}, START_MS))
    assert (await confirm(shop, await reserve(shop, "mug"))).result == "committed"
    assert (await reserve(shop, "mug")).reason == "stock"


async def test_what_is_held_of_an_article_is_not_there_for_others(shop: Shop) -> None:
    await shop.push(StockPut("", {"mug": 1}, START_MS), offer("mug-too", stock_ref="mug", audience="everyone"))
    answers = await asyncio.gather(*(reserve(shop, offer_id) for offer_id in ("mug", "mug", "mug-too")))
    assert sorted(str(one.reason) for one in answers) == ["None", "stock", "stock"]
    (held,) = [one for one in answers if one.result == "reserved"]
    await ask(shop, Asked("cancel", str(held.redemption_id)))
    assert (await reserve(shop, "mug-too")).result == "reserved"


async def test_consent_counts_as_it_is_now(shop: Shop) -> None:
    await shop.tap("mia", "till-nfc", Proof.PROVEN)
    assert (await reserve(shop, "cup")).result == "reserved"
    await shop.push(consent("mia", Purpose.PERSONALISE_OFFERS, ConsentState.WITHDRAWN, 9))
    await shop.tap("mia", "till-nfc", Proof.PROVEN)
    assert (await reserve(shop, "cup")).reason == "consent.withdrawn"
    assert (await reserve(shop, "tea")).result == "reserved"


async def test_who_is_left_out_since_a_coupon_was_taken_redeems_it_all_the_same(shop: Shop) -> None:
    await shop.push(HELD_OUT)
    await shop.tap("mia", "till-nfc", Proof.PROVEN)
    assert (await reserve(shop, "cup")).reason == "holdout"
    held = await reserve(shop, "", coupon=issued("cup"))
    assert (await confirm(shop, held)).result == "committed"


async def test_a_coupon_of_a_member_counts_for_their_cap(shop: Shop) -> None:
    await shop.tap("mia", "till-nfc", Proof.PROVEN)
    await confirm(shop, await reserve(shop, "once"))
    assert (await reserve(shop, "", coupon=issued("once", member_id="mia"))).reason == "cap.redemptions"


async def test_a_copied_id_redeems_no_more_in_parts_than_at_once(shop: Shop) -> None:
    limit = ShopConfig().bearer_limit_cents
    await shop.tap("mia", "till-nfc", Proof.BEARER)
    held = await reserve(shop, "pot", cents=limit - 100)
    assert (await reserve(shop, "pot", cents=101)).reason == "proof.bearer_limit", "what is held counts"
    sold = await confirm(shop, held, cents=limit - 200)
    assert (await confirm(shop, await reserve(shop, "pot", cents=200))).result == "committed"
    assert (await reserve(shop, "pot", cents=1)).reason == "proof.bearer_limit"
    assert (await reserve(shop, "cup")).result == "reserved", "each offer by itself"
    assert (await reserve(shop, "", coupon=issued("pot"))).result == "reserved", "a coupon is its own proof"
    await ask(shop, Asked("reverse", str(sold.redemption_id)))
    assert (await reserve(shop, "pot", cents=limit - 200)).result == "reserved", "what came back is free again"
    await shop.tap("mia", "till-nfc", Proof.PROVEN)
    assert (await reserve(shop, "pot")).result == "reserved"
    shop.clock.ms += DAY_MS
    await shop.tick()
    await shop.tap("mia", "till-nfc", Proof.BEARER)
    assert (await reserve(shop, "pot", cents=limit)).result == "reserved"


async def test_a_look_writes_nothing_and_says_what_a_reservation_would(shop: Shop) -> None:
    await shop.tap("mia", "till-nfc", Proof.BEARER)
    at = shop.flow.checkout.at("till-1")
    nobody = AtTill("till-1", None, at.times, False)

    def look(tx: Any) -> list[Any]:
        by_id = {one.offer_id: one for one in tx.offers()}
        mia = person_at(tx, at)
        assert person_at(tx, nobody) is None
        return [
            preview(tx, at, mia, by_id["cup"]),
            getattr(preview(tx, at, mia, by_id["pot"]), "reason", None),
            forbidden(tx, at, mia, by_id["pot"]),
            forbidden(tx, nobody, None, by_id["cup"]),
            forbidden(tx, nobody, None, by_id["cup"], coupon=True),
            forbidden(tx, at, mia, by_id["screen"], met=True),
            forbidden(tx, at, mia, replace(by_id["cup"], valid_until_ms=START_MS)),
        ]

    before = await shop.types()
    assert await shop.store.run(look) == [
        None,
        "proof.bearer_limit",
        None,
        "redemption.nobody",
        None,
        None,
        "redemption.offer",
    ]
    assert await shop.types() == before
    assert await shop.store.run(lambda tx: tx.held()) == []


PER_DAY, PER_MEMBER = 3, 2
BOTH = (
    Cap("redemptions", PER_DAY, "store", calendar="day"),
    Cap("redemptions", PER_MEMBER, period_ms=DAY_MS),
)


class CapLife(RuleBasedStateMachine):
    """Tills that reserve, confirm, cancel, wait and take back in any order: no cap is ever exceeded."""

    def __init__(self) -> None:
        super().__init__()
        self.db = Database(memory=True)
        migrate(self.db)
        self.tx = Tx(self.db, Vault(bytes(32)))
        people = [change for who in ("mia", "ben") for change in member(who, *Purpose)]
        apply(self.tx, Delta(0, 1, (*people, offer("few", caps=BOTH))), SITE_KEY, START_MS)
        self.now_ms = START_MS
        self.ids = itertools.count()
        self.held: list[str] = []
        self.sold: list[tuple[str, int, str]] = []  # redemption, when, whose

    def teardown(self) -> None:
        self.db.close()

    def ask(self, asked: Asked, who: str = "mia") -> Answer:
        sale = Sale("till-1", who, Proof.PROVEN, self.now_ms + 1)
        at = AtTill("till-1", sale, Times(self.now_ms, self.now_ms, self.now_ms), True)
        with self.db.atomic():
            answer, _ = settle(self.tx, at, f"key-{next(self.ids)}", asked, lambda: f"r-{next(self.ids)}")
        assert isinstance(answer, Answer)
        return answer

    @rule(who=st.sampled_from(["mia", "ben"]))
    def reserve(self, who: str) -> None:
        answer = self.ask(Asked("reserve", offer_id="few"), who)
        mine = sum(one == who for _, at_ms, one in self.sold if at_ms > self.now_ms - DAY_MS)
        if answer.result == "reserved":
            self.held.append(str(answer.redemption_id))
        else:
            assert self.held or mine >= PER_MEMBER or self.today() >= PER_DAY, "refused without need"

    @precondition(lambda self: self.held)
    @rule(which=st.integers(0, 99), cancels=st.booleans())
    def settle(self, which: int, cancels: bool) -> None:
        held = self.held.pop(which % len(self.held))
        asked = Asked("cancel", held) if cancels else Asked("confirm", held, receipt="R")
        if self.ask(asked).result == "committed":
            whose = self.tx.redemption(held)
            assert whose is not None
            self.sold.append((held, self.now_ms, str(whose.member_id)))

    @precondition(lambda self: self.sold)
    @rule()
    def take_back(self) -> None:
        """What comes back no longer counts, neither for the member nor for the shop."""
        last, at_ms, _ = self.sold[-1]
        if self.ask(Asked("reverse", last)).result == "reversed":
            self.sold[-1] = last, at_ms, ""  # nobody's any more

    @rule(hours=st.sampled_from([0.1, 1, 8, 24]))
    def wait(self, hours: float) -> None:
        self.now_ms += int(hours * 3_600_000)
        self.held = [one for one in self.held if not self.is_over(one)]

    def is_over(self, redemption_id: str) -> bool:
        one = self.tx.redemption(redemption_id)
        return one is None or one.until_ms <= self.now_ms

    def today(self) -> int:
        return sum(whose != "" and at_ms // DAY_MS == self.now_ms // DAY_MS for _, at_ms, whose in self.sold)

    @invariant()
    def holds(self) -> None:
        assert self.today() <= PER_DAY
        for who in ("mia", "ben"):
            own = [at_ms for _, at_ms, one in self.sold if one == who]
            assert all(sum(0 <= last - at_ms < DAY_MS for at_ms in own) <= PER_MEMBER for last in own)


TestCapLife = CapLife.TestCase
TestCapLife.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)
