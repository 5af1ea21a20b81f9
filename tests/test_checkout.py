"""A till's requests against a whole shop: reserve, confirm, cancel, reverse; asked again, refused, over, and told."""

import asyncio
import secrets
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway import checkout
from gateway.checkout import Answer, Asked, settle
from gateway.core import coupon
from gateway.core.changes import Change, CouponsPut, LeasePut, OfferPut
from gateway.core.coupon import PublicKey
from gateway.core.model import Offer, Proof, Purpose
from gateway.core.redemption import TTL_MS, CouponClass, Times
from gateway.core.spans import DAY_MS
from gateway.records import Tx
from gateway.reserving import AtTill
from gateway.tables import redemptions
from tests.rigs.seeds import many
from tests.rigs.shop import START_MS, TEXT, Shop, member, open_shop

HQ = Ed25519PrivateKey.from_private_bytes(b"headquarters' key for tests only")
CLASSES = (CouponClass("twice", "allow", member_day=2), CouponClass("online", "deny"), CouponClass("lent"))
RULES = CouponsPut(CLASSES, (PublicKey("k1", HQ.public_key().public_bytes_raw()),))
COUPONS = many(200, 1_000)
LEASE = LeasePut("", "l-1", "b-1", "cents", 1_000, START_MS + DAY_MS)
OFFERS = (
    Offer("tea", TEXT, TEXT, audience="everyone", value_cents=300),
    Offer("cup", TEXT, TEXT, audience="members", value_cents=300),
    Offer("pot", TEXT, TEXT, audience="members", value_cents=900),
    Offer("lent", TEXT, TEXT, audience="everyone", value_cents=300, budget_id="b-1"),
    Offer("bare", TEXT, TEXT, audience="everyone", value_cents=300, coupon_class="lent"),
    Offer("line", TEXT, TEXT, audience="everyone", value_cents=300, coupon_class="online"),
    Offer("few", TEXT, TEXT, audience="members", value_cents=300, coupon_class="twice"),
    Offer("odd", TEXT, TEXT, audience="everyone", value_cents=300, coupon_class="unheard-of"),
    Offer("past", TEXT, TEXT, audience="everyone", value_cents=300, valid_until_ms=START_MS),
)


async def opened(path: Path, *changes: Change) -> Shop:
    offers = [OfferPut(offer) for offer in OFFERS]
    return await open_shop(
        path, *offers, RULES, LEASE, *member("mia", Purpose.RECOGNISE_NFC, Purpose.PERSONALISE_OFFERS), *changes
    )


@pytest.fixture
async def shop(tmp_path: Path):
    one = await opened(tmp_path)
    yield one
    one.store.close()


async def ask(shop: Shop, asked: Asked, till: str = "till-1", key: str = "") -> Answer:
    answer = await shop.flow.checkout.ask(till, key or secrets.token_hex(8), asked)
    assert isinstance(answer, Answer)
    return answer


async def reserve(shop: Shop, offer_id: str, **more: Any) -> Answer:
    return await ask(shop, Asked("reserve", offer_id=offer_id, **more))


async def confirm(shop: Shop, held: Answer, receipt: str = "R-1", **more: Any) -> Answer:
    return await ask(shop, Asked("confirm", str(held.redemption_id), receipt=receipt, **more))


def issued(offer_id: str = "cup", ends_ms: int = START_MS + DAY_MS, **more: Any) -> str:
    return coupon.issue(HQ, "k1", offer_id, ends_ms // 1000, more.pop("nonce", bytes(8)), **more)


async def lent(shop: Shop) -> tuple[int, int, bool]:
    lease = await shop.store.run(lambda tx: tx.lease("l-1"))
    assert lease is not None
    return lease.held, lease.spent, lease.closed


async def test_a_sale_from_reservation_to_return_is_told_step_by_step(shop: Shop) -> None:
    held = await reserve(shop, "lent", cents=250)
    assert (held.result, held.cents, held.ttl_ms) == ("reserved", 250, TTL_MS)
    assert await lent(shop) == (250, 0, False)
    assert (await confirm(shop, held, cents=200)).cents == 200
    assert await lent(shop) == (0, 200, False)
    back = await ask(shop, Asked("reverse", str(held.redemption_id), cents=50), "till-2")
    assert (back.result, back.cents) == ("reversed", 50)
    assert await lent(shop) == (0, 150, False)
    told = [body for kind, body in await shop.events() if kind.startswith("redemption.")]
    kinds = [kind for kind in await shop.types() if kind.startswith("redemption.")]
    assert kinds == ["redemption.reserved", "redemption.committed", "redemption.reversed"]
    assert "member_id" not in "".join(told)
    (done,) = await shop.bodies("redemption.committed")
    assert done == {
        "redemption_id": held.redemption_id,
        "step": 2,
        "kind": "committed",
        "offer_id": "lent",
        "till": "till-1",
        "cents": 200,
        "receipt": "R-1",
        "coupon": "",
        "lease_id": "l-1",
    }


async def test_the_same_key_gets_the_same_answer_and_another_request_under_it_none(shop: Shop) -> None:
    asked = Asked("reserve", offer_id="lent")
    first = await ask(shop, asked, key="key-0001")
    shop.clock.ms += 3 * 60_000
    assert await ask(shop, asked, key="key-0001") == first
    assert await shop.flow.checkout.ask("till-1", "key-0001", replace(asked, cents=1)) == "conflict"
    assert (await ask(shop, asked, "till-2", "key-0001")).redemption_id != first.redemption_id
    assert await lent(shop) == (600, 0, False)
    assert shop.health.counts["redemption.asked_again"] == 1


async def test_a_no_stays_a_no_under_its_key(shop: Shop) -> None:
    asked = Asked("reserve", offer_id="cup")
    assert (await ask(shop, asked, key="key-0001")).reason == "redemption.nobody"
    await shop.tap("mia", "till-nfc", Proof.PROVEN)
    assert (await ask(shop, asked, key="key-0001")).reason == "redemption.nobody"
    assert (await ask(shop, asked, key="key-0002")).result == "reserved"


async def test_a_hundred_tills_at_once_spend_a_lease_to_the_cent_and_no_further(shop: Shop) -> None:
    asked = Asked("reserve", offer_id="lent", cents=30)
    answers = await asyncio.gather(*(ask(shop, asked, f"till-{n}", "same-key") for n in range(100)))
    assert sum(answer.result == "reserved" for answer in answers) == 33
    assert {answer.reason for answer in answers if answer.result == "refused"} == {"lease.spent"}
    assert await lent(shop) == (990, 0, False)


async def test_who_stands_at_the_till_redeems_and_their_export_says_so(shop: Shop) -> None:
    await shop.tap("mia", "till-nfc", Proof.PROVEN)
    held = await reserve(shop, "pot")
    await confirm(shop, held)
    ((one, _),) = await shop.store.run(lambda tx: tx.redemptions_of("mia"))
    assert (one.redemption_id, one.receipt, one.cents) == (held.redemption_id, "R-1", 900)
    assert (await shop.bodies("redemption.committed"))[0]["member_id"] == "mia"


@pytest.mark.parametrize(
    ("offer_id", "reason"),
    [
        ("cup", "redemption.nobody"),
        ("nothing", "redemption.offer"),
        ("past", "redemption.offer"),
        ("bare", "lease.none"),
        ("line", "redemption.hq_away"),
        ("odd", "redemption.class"),
        ("few", "redemption.nobody"),
    ],
)
async def test_what_may_not_be_redeemed_is_refused_with_its_reason(shop: Shop, offer_id: str, reason: str) -> None:
    assert (await reserve(shop, offer_id)).reason == reason


async def test_no_more_than_an_offer_is_worth_and_no_more_than_a_number_may(shop: Shop) -> None:
    assert (await reserve(shop, "tea", cents=301)).reason == "redemption.cents"
    await shop.tap("mia", "till-nfc", Proof.BEARER)
    assert (await reserve(shop, "pot")).reason == "proof.bearer_limit"
    assert (await reserve(shop, "pot", cents=500)).result == "reserved"


async def test_a_members_limit_counts_over_tills_and_comes_back_after_a_day(shop: Shop) -> None:
    await shop.tap("mia", "till-nfc", Proof.PROVEN)
    assert [(await reserve(shop, "few")).result for _ in range(2)] == ["reserved", "reserved"]
    assert (await reserve(shop, "few")).reason == "limit.member"


async def test_a_reservation_that_waited_too_long_gives_back_what_it_held(shop: Shop) -> None:
    held = await reserve(shop, "lent")
    shop.clock.ms += TTL_MS
    assert (await confirm(shop, held)).reason == "redemption.expired"
    await shop.tick()
    assert await lent(shop) == (0, 0, False)
    (body,) = await shop.bodies("redemption.released")
    assert body["kind"] == "expired"
    assert (await ask(shop, Asked("cancel", str(held.redemption_id)))).reason == "redemption.expired"


async def test_a_lease_that_may_be_over_ends_for_good_and_tells_what_was_spent(shop: Shop) -> None:
    await confirm(shop, await reserve(shop, "lent"))
    await shop.tick(DAY_MS)
    assert await lent(shop) == (0, 300, True)
    assert await shop.bodies("lease.closed") == [{"lease_id": "l-1", "spent": 300}]
    shop.clock.ms -= DAY_MS
    shop.flow.on_clock_step(-DAY_MS)
    assert (await reserve(shop, "lent")).reason == "lease.none"
    await shop.push(LEASE)
    assert (await reserve(shop, "lent")).reason == "lease.none"


async def test_a_clock_that_jumps_ahead_stops_a_lease_and_ends_none(shop: Shop) -> None:
    await shop.flow.life.start(True)
    shop.clock.ms += 10 * DAY_MS
    shop.flow.on_clock_step(10 * DAY_MS)
    await shop.tick()
    assert (await reserve(shop, "lent")).reason == "lease.none"
    shop.clock.ms -= 10 * DAY_MS
    shop.flow.on_clock_step(-10 * DAY_MS)
    await shop.tick()
    assert (await reserve(shop, "lent")).result == "reserved"


async def test_a_lease_for_another_gateway_is_passed_over(shop: Shop) -> None:
    await shop.push(replace(LEASE, gateway="acme/berlin/gw", lease_id="l-2", amount=10_000))
    assert await shop.store.run(lambda tx: [lease.lease_id for lease in tx.leases("b-1")]) == ["l-1"]


async def test_only_the_till_that_reserved_confirms_or_cancels(shop: Shop) -> None:
    held = str((await reserve(shop, "tea")).redemption_id)
    assert (await ask(shop, Asked("confirm", held, receipt="R"), "till-2")).reason == "redemption.till"
    assert (await ask(shop, Asked("cancel", held), "till-2")).reason == "redemption.till"
    assert (await ask(shop, Asked("cancel", "nothing"))).reason == "redemption.gone"
    assert (await ask(shop, Asked("cancel", held))).result == "released"
    assert (await ask(shop, Asked("confirm", held, receipt="R"))).reason == "redemption.released"


async def test_a_coupon_is_redeemed_once(shop: Shop) -> None:
    held = await reserve(shop, "", coupon=issued())
    assert (held.result, held.offer_id, held.cents) == ("reserved", "cup", 300)
    assert (await reserve(shop, "", coupon=issued())).reason == "coupon.held"
    await ask(shop, Asked("cancel", str(held.redemption_id)))
    again = await reserve(shop, "", coupon=issued())
    await confirm(shop, again)
    assert (await reserve(shop, "", coupon=issued())).reason == "coupon.used"
    await ask(shop, Asked("reverse", str(again.redemption_id)))
    assert (await reserve(shop, "", coupon=issued())).reason == "coupon.used"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (issued(ends_ms=START_MS), "coupon.expired"),
        (issued(store="acme/berlin"), "coupon.store"),
        (issued(member_id="mia"), "coupon.holder"),
        (issued(ends_ms=START_MS + 401 * DAY_MS), "coupon.long"),
        (issued("nothing"), "redemption.offer"),
        ("x" * 130, "coupon.form"),
    ],
)
async def test_a_coupon_that_does_not_count_here_and_now(shop: Shop, text: str, reason: str) -> None:
    assert (await reserve(shop, "", coupon=text)).reason == reason


async def test_a_members_own_coupon_counts_once_they_stand_there(shop: Shop) -> None:
    await shop.tap("mia", "till-nfc", Proof.PROVEN)
    assert (await reserve(shop, "", coupon=issued(member_id="mia"))).result == "reserved"
    assert (await reserve(shop, "", coupon=issued(member_id="zoe", nonce=b"12345678"))).reason == "coupon.holder"


async def test_a_restart_forgets_nothing(tmp_path: Path) -> None:
    shop = await opened(tmp_path)
    asked = Asked("reserve", offer_id="lent")
    held = await ask(shop, asked, key="key-0001")
    shop.store.close()
    again = Shop(tmp_path)
    again.ids = "later"
    await again.flow.start()
    assert await ask(again, asked, key="key-0001") == held
    assert (await confirm(again, held)).result == "committed"
    assert await lent(again) == (0, 300, False)
    again.store.close()


async def test_who_is_erased_leaves_the_amounts(shop: Shop) -> None:
    await shop.tap("mia", "till-nfc", Proof.PROVEN)
    held = await reserve(shop, "cup")
    assert await shop.flow.on_erase("mia", "screen") == "ok"
    assert (await confirm(shop, held)).result == "committed"
    assert "mia" not in "".join(body for kind, body in await shop.events() if kind.startswith("redemption."))


async def test_open_reservations_and_kept_answers_have_a_bound(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkout, "MAX_OPEN", 2)
    monkeypatch.setattr(redemptions, "MAX_REQUESTS", 4)
    held = [await reserve(shop, "tea") for _ in range(3)]
    assert [one.reason for one in held] == [None, None, "redemption.many"]
    assert (await confirm(shop, held[0])).result == "committed"
    assert await shop.flow.checkout.ask("till-1", "key-0009", Asked("reserve", offer_id="tea")) == "busy"


def test_coupons_are_accepted_once_and_refused_ever_after(tx: Tx) -> None:
    tx.put_offer(OFFERS[1])
    tx.put_coupon_rules(RULES)
    at = AtTill("till-1", None, Times(START_MS, START_MS, START_MS), False)

    def ask(asked: Asked) -> Answer:
        answer, _ = settle(tx, at, secrets.token_hex(8), asked, lambda: secrets.token_hex(16))
        assert isinstance(answer, Answer)
        return answer

    refused = 0
    for number in range(COUPONS):
        text = issued(nonce=number.to_bytes(8, "big"))
        held = ask(Asked("reserve", coupon=text))
        assert ask(Asked("confirm", str(held.redemption_id), receipt="R")).result == "committed"
        refused += ask(Asked("reserve", coupon=text)).reason == "coupon.used"
    assert refused == COUPONS
