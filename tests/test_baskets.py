"""Baskets in a whole shop: whose they are, what is taken off, a code that is shown once, and what is left of them."""

import asyncio
import hmac
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway import basketacts, baskets
from gateway.basketacts import KEPT_MS, MAX_WAIT_MS, Answer, Typed, View
from gateway.baskets import MAX_BEGUN_MEMBER, RING_UP_MS
from gateway.core import basketcode, places
from gateway.core.basket import ScanRules
from gateway.core.changes import Change, OfferPut, PointsPut, PricesPut, ScanPut
from gateway.core.gs1 import Embedded
from gateway.core.model import ConsentState, Offer, Proof, Purpose
from gateway.core.places import FRESH_MS
from gateway.core.points import PointsPolicy
from gateway.core.prices import Article, part_of
from gateway.core.redemption import Refused
from gateway.errors import StoreError
from gateway.sales import Recorded, Sold, SoldLine
from sync import segments
from tests.rigs.shop import START_MS, TEXT, Shop, consent, member, open_shop
from tests.test_checkout import reserve
from tests.test_gs1 import labelled
from tests.test_sync_prices import gtin

TEA, CUP, HAM = gtin(1), gtin(2), "0" + labelled("28", 7, 0)
ARTICLES = (Article(TEA, TEXT, 499), Article(CUP, TEXT, 900), Article(HAM, TEXT, 50, "label"))
RULES = ScanRules(on=True, recheck_bp=0, secret="of tests", embedded=(Embedded("28", "price"),))
PHONE = Offer("tea-1", TEXT, TEXT, value_cents=100, price_ref=TEA, channels=("phone",))
LIST = tuple(PricesPut(1, part_of(one.gtin), (one,)) for one in ARTICLES)
MINUTE_MS = 60_000
MIA = member("mia", Purpose.RECOGNISE_NFC, Purpose.PERSONALISE_OFFERS)


async def opened(path: Path, *changes: Change) -> Shop:
    return await open_shop(path, *LIST, ScanPut(RULES), OfferPut(PHONE), *MIA, *changes)


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    one = await opened(tmp_path)
    yield one
    one.store.close()


async def start(shop: Shop, who: str | None = "mia") -> str:
    view, cookie = await shop.flow.baskets.start(who, "de")
    assert view.result == "ok"
    return cookie


async def scan(shop: Shop, cookie: str, *codes: str, count: int = 1) -> View:
    held = await shop.flow.baskets.see(cookie)
    number = len(held.basket.scans) if held.basket is not None else 0
    return await shop.flow.baskets.scan(cookie, [Typed(f"s{number + n}", code, count) for n, code in enumerate(codes)])


async def coded(shop: Shop, cookie: str) -> str:
    view = await shop.flow.baskets.code(cookie)
    assert view.basket is not None
    return view.basket.code


async def shown(shop: Shop, text: str, key: str, till: str = "till-1") -> Answer:
    answer = await shop.flow.baskets.at_till(till, key, text)
    assert isinstance(answer, Answer)
    return answer


def cents(view: View) -> int:
    assert view.priced is not None
    return view.priced.sum_cents


async def test_a_members_basket_has_their_benefit_at_once_and_nobodys_has_none(shop: Shop) -> None:
    mine, nobodys = await start(shop), await start(shop, None)
    view = await scan(shop, mine, TEA, TEA)
    assert (cents(view), [one.cents for one in view.benefits]) == (898, [100])
    assert cents(await scan(shop, nobodys, TEA, TEA)) == 998
    assert cents(await scan(shop, mine, labelled("28", 7, 333))) == 1_231


async def test_the_same_scan_again_changes_nothing_and_what_is_no_article_says_why(shop: Shop) -> None:
    cookie = await start(shop)
    sent = [Typed("a", TEA, 1), Typed("b", "4006381333932", 1), Typed("c", gtin(9), 1), Typed("d", CUP, 2)]
    first = await shop.flow.baskets.scan(cookie, sent)
    again = await shop.flow.baskets.scan(cookie, sent)
    assert cents(first) == cents(again) == 399 + 1_800
    assert first.refused == {"b": "scan.check", "c": "scan.unknown"}
    await shop.push(PricesPut(2, part_of(CUP), ()))
    later = await shop.flow.baskets.scan(cookie, sent)
    assert later.refused == first.refused, "what is in the basket was not refused"
    assert later.priced is not None
    assert later.priced.unknown == (CUP,)


async def test_a_code_counts_once_and_the_same_till_gets_the_same_answer(shop: Shop) -> None:
    cookie = await start(shop)
    await scan(shop, cookie, TEA, CUP)
    text = await coded(shop, cookie)
    first = await shown(shop, text, "key-0001")
    assert first.shown is not None
    assert (first.reason, first.shown.cents, first.shown.items) == (None, 1_299, 2)
    assert [line.offer_id for line in first.shown.lines] == ["tea-1", ""]
    assert await shown(shop, text, "key-0001") == first
    assert await shown(shop, text, "key-0002") == Answer("basket.used")
    assert await shop.flow.baskets.at_till("till-1", "key-0001", text + "x") == "conflict"
    (told,) = await shop.bodies("basket.shown")
    assert (told["till"], told["items"], told["cents"], told["recheck"]) == ("till-1", 2, 1_299, False)
    assert "mia" not in str(told)
    assert (await scan(shop, cookie, TEA)).result == "gone"


async def test_the_letters_below_a_code_count_as_it_does(shop: Shop) -> None:
    cookie = await start(shop)
    await scan(shop, cookie, TEA)
    first = (await shop.flow.baskets.code(cookie)).letters
    await scan(shop, cookie, CUP)
    assert (await shown(shop, first, "key-0001")).reason == "basket.letters"
    view = await shop.flow.baskets.code(cookie)
    assert view.basket is not None
    answer = await shown(shop, f"{view.letters[:6].lower()} {view.letters[6:]}", "key-0002")
    assert answer.shown is not None
    assert (answer.reason, answer.shown.cents) == (None, 1_299)
    assert (await shown(shop, view.letters, "key-0003")).reason == "basket.used"
    assert (await shown(shop, view.basket.code, "key-0004")).reason == "basket.used"


async def ready(shop: Shop, who: str | None = "mia") -> str:
    """The code of a basket with one article."""
    cookie = await start(shop, who)
    await scan(shop, cookie, TEA)
    return await coded(shop, cookie)


def stands(shop: Shop) -> tuple[str, Proof] | None:
    """Who is at the till, and how surely."""
    sale = shop.flow.sale_at("till-1")
    return None if sale is None else (sale[0], Proof(sale[1]))


async def test_its_member_stands_at_the_till_then_and_it_is_nobodys_any_more(shop: Shop) -> None:
    cookie = await start(shop)
    await scan(shop, cookie, TEA)
    await shown(shop, await coded(shop, cookie), "key-0001")
    assert stands(shop) == ("mia", Proof.BEARER)
    assert (await shop.flow.baskets.see(cookie)).result == "gone"
    await shop.settle()
    assert await shop.store.run(lambda tx: tx.baskets_of("mia")) == []


async def test_a_full_trolley_has_time_to_be_rung_up(shop: Shop) -> None:
    await shop.push(PointsPut(PointsPolicy(2, {})))
    text, sold = await ready(shop), Sold("1", (SoldLine("x", 1, 1_000),))
    await shown(shop, text, "key-0001")
    await shop.tick(RING_UP_MS - 1)
    assert stands(shop) == ("mia", Proof.BEARER)
    assert (await reserve(shop, "tea-1")).result == "reserved"
    recorded = await shop.flow.till_desk.sell("till-1", "sale-0001", sold)
    assert isinstance(recorded, Recorded)
    assert recorded.points == 20
    assert stands(shop) is None, "what is told of the sale ends it"
    await shown(shop, await ready(shop), "key-0002")
    await shop.tick(RING_UP_MS)
    assert stands(shop) is None


async def test_a_basket_says_whose_sale_it_is_whoever_stood_there_before(shop: Shop) -> None:
    await shop.push(*member("ben", Purpose.RECOGNISE_NFC))
    codes = [await ready(shop), await ready(shop, "ben"), await ready(shop, None)]
    found = []
    for number, text in enumerate(codes):
        await shown(shop, text, f"key-000{number}")
        found.append(stands(shop))
    assert found == [("mia", Proof.BEARER), ("ben", Proof.BEARER), None]
    text = await ready(shop, None)
    await shop.tap("mia", "till-nfc", Proof.PROVEN)
    await shown(shop, text, "key-0003")
    assert stands(shop) is None


async def test_a_members_own_tap_before_their_basket_keeps_its_strength(shop: Shop) -> None:
    text = await ready(shop)
    await shop.tap("mia", "till-nfc", Proof.PROVEN)
    await shown(shop, text, "key-0001")
    assert stands(shop) == ("mia", Proof.PROVEN)


async def test_the_same_code_told_again_changes_nobodys_sale(shop: Shop) -> None:
    await shop.push(*member("ben", Purpose.RECOGNISE_NFC))
    text = await ready(shop)
    await shown(shop, text, "key-0001")
    await shop.tap("ben", "till-nfc", Proof.PROVEN)
    await shown(shop, text, "key-0001")
    assert stands(shop) == ("ben", Proof.PROVEN)
    assert shop.flow.end_sale("till-1") == "ok"
    await shown(shop, text, "key-0001")
    assert stands(shop) is None


@pytest.mark.parametrize(("away_ms", "who"), [(1_000, ("mia", Proof.BEARER)), (RING_UP_MS, None)])
async def test_a_box_that_died_before_it_knew_who_stands_there_learns_it_when_asked_again(
    tmp_path: Path, away_ms: int, who: object
) -> None:
    shop = await opened(tmp_path)
    text, baskets_ = await ready(shop), shop.flow.baskets
    times, private = shop.flow.life.times(), baskets_._private
    told = await shop.store.run(lambda tx: basketacts.show(tx, "till-1", "key-0001", text, private, times))
    shop.store.close()  # the commit, and nothing behind it
    again = Shop(tmp_path)
    await again.flow.start()
    again.clock.ms += away_ms
    assert await shown(again, text, "key-0001") == told.outcome
    assert stands(again) == who
    await again.settle()
    assert await again.store.run(lambda tx: tx.baskets_of("mia")) == []
    again.store.close()


async def test_what_is_withdrawn_meanwhile_is_not_learned_again(tmp_path: Path) -> None:
    shop = await opened(tmp_path)
    text, times, private = await ready(shop), shop.flow.life.times(), shop.flow.baskets._private
    await shop.store.run(lambda tx: basketacts.show(tx, "till-1", "key-0001", text, private, times))
    shop.store.close()
    again = Shop(tmp_path)
    again.version = shop.version
    await again.flow.start()
    await again.push(consent("mia", Purpose.RECOGNISE_NFC, ConsentState.WITHDRAWN, 9))
    await again.settle()
    assert await again.store.run(lambda tx: tx.baskets_of("mia")) == []
    assert (await shown(again, text, "key-0001")).reason is None
    assert stands(again) is None
    again.store.close()


async def test_no_phone_can_work_out_that_it_will_be_checked(shop: Shop) -> None:
    await shop.push(ScanPut(replace(RULES, secret="", recheck_bp=5_000)))
    told, worked_out = [], []
    for number in range(24):
        answer = await shown(shop, await ready(shop), f"key-{number:04}")
        assert answer.shown is not None
        told.append(answer.shown.recheck.needed)
        drawn = hmac.digest(b"", answer.basket_id.encode(), "sha256")
        worked_out.append(int.from_bytes(drawn[:8]) % 10_000 < 5_000)
        await shop.tick(MINUTE_MS)
    assert set(told) == {True, False}
    assert told != worked_out


async def test_a_later_scan_or_code_and_another_price_end_a_code(shop: Shop) -> None:
    cookie = await start(shop)
    await scan(shop, cookie, TEA)
    first = await coded(shop, cookie)
    await scan(shop, cookie, CUP)
    assert (await shown(shop, first, "key-0001")).reason == "basket.superseded"
    second = await coded(shop, cookie)
    await shop.push(PricesPut(2, part_of(TEA), (replace(ARTICLES[0], cents=500),)))
    assert (await shown(shop, second, "key-0002")).reason == "basket.changed"
    assert (await shown(shop, await coded(shop, cookie), "key-0003")).reason is None


async def test_an_empty_basket_has_no_code(shop: Shop) -> None:
    cookie = await start(shop)
    assert (await shop.flow.baskets.code(cookie)).result == "empty"
    await scan(shop, cookie, TEA)
    await shop.flow.baskets.scan(cookie, [Typed("back", TEA, -1)])
    assert (await shop.flow.baskets.code(cookie)).result == "empty"


@pytest.mark.parametrize("purpose", [Purpose.RECOGNISE_NFC, Purpose.PERSONALISE_OFFERS])
async def test_what_is_withdrawn_is_off_the_basket_at_once(shop: Shop, purpose: Purpose) -> None:
    cookie = await start(shop)
    await scan(shop, cookie, TEA)
    await shop.push(consent("mia", purpose, ConsentState.WITHDRAWN, 9))
    await shop.settle()
    view = await shop.flow.baskets.see(cookie)
    assert (cents(view), view.benefits) == (499, ())
    assert view.basket is not None
    assert view.basket.member_id is None
    assert await shop.store.run(lambda tx: tx.baskets_of("mia")) == []
    assert shop.flow.baskets.members == set()


async def test_an_erased_members_basket_is_gone(shop: Shop) -> None:
    cookie = await start(shop)
    await scan(shop, cookie, TEA)
    assert await shop.flow.on_erase("mia", "tablet") == "ok"
    await shop.settle()
    assert (await shop.flow.baskets.see(cookie)).result == "gone"


async def test_a_member_has_one_basket_and_it_is_that_of_the_phone_that_scanned_last(shop: Shop) -> None:
    first = await start(shop)
    await scan(shop, first, TEA)
    second = await start(shop)
    assert cents(await scan(shop, first, CUP)) == 399 + 900, "as long as the second phone scans nothing"
    assert cents(await scan(shop, second, TEA)) == 399
    assert (await shop.flow.baskets.see(first)).result == "gone"
    assert await shop.store.run(lambda tx: tx.basket_count()) == 1
    assert shop.flow.baskets.members == {"mia"}


async def test_what_was_only_begun_is_written_nowhere_and_lets_nobody_wait(shop: Shop) -> None:
    before = await shop.store.run(lambda tx: tx.hq_version)
    cookies = [await start(shop, None) for _ in range(25)] + [await start(shop) for _ in range(5)]
    assert await shop.store.run(lambda tx: (tx.basket_count(), tx.hq_version)) == (0, before)
    assert [(await shop.flow.baskets.see(one)).result for one in cookies] == ["gone"] * 5 + ["ok"] * 25
    assert cents(await scan(shop, cookies[-1], TEA)) == 399
    assert await shop.store.run(lambda tx: tx.basket_count()) == 1
    await shop.tick(FRESH_MS)
    assert (await scan(shop, cookies[-2], TEA)).result == "gone"
    assert cents(await scan(shop, cookies[-1], TEA)) == 898
    assert (await shop.flow.baskets.scan(cookies[-1], [])).result == "ok", "asking is no scan"


async def test_a_place_is_kept_for_members_whoever_fills_the_others(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(basketacts, "MAX_BASKETS", 4)
    monkeypatch.setattr(basketacts, "MAX_NOBODYS", 3)
    late = await start(shop, None)
    for _ in range(3):
        assert (await scan(shop, await start(shop, None), TEA)).result == "ok"
    assert (await scan(shop, late, TEA)).result == "busy"
    assert (await shop.flow.baskets.start(None, "de"))[0].result == "busy"
    for _ in range(3):
        assert (await scan(shop, await start(shop), TEA)).result == "ok", "a member's own place is theirs again"
    await shop.push(*member("bob", Purpose.RECOGNISE_NFC))
    assert (await shop.flow.baskets.start("bob", "de"))[0].result == "busy"


async def test_one_address_fills_so_many_baskets_and_no_more(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "MAX_OPEN_SOURCE", 2)

    async def filled(source: str) -> str:
        view, cookie = await shop.flow.baskets.start(None, "de", source)
        if view.result != "ok":
            return f"begin: {view.result}"
        held.append(cookie)
        return (await shop.flow.baskets.scan(cookie, [Typed("a", TEA, 1)], source)).result

    held: list[str] = []
    _, ahead = await shop.flow.baskets.start(None, "de", "192.0.2.1")
    assert [await filled("192.0.2.1") for _ in range(3)] == ["ok", "ok", "begin: busy"]
    assert (await shop.flow.baskets.scan(ahead, [Typed("a", TEA, 1)], "192.0.2.1")).result == "busy"
    assert await filled("192.0.2.2") == "ok"
    await shop.flow.baskets.end(held[0])
    assert await filled("192.0.2.1") == "ok"


async def test_one_ipv6_network_begins_so_many_and_leaves_places_to_others(shop: Shop) -> None:
    sources = [f"2001:db8::{number:x}" for number in range(baskets.MAX_BEGUN)]
    begun = [(await shop.flow.baskets.start(None, "de", source))[0].result for source in sources]
    assert begun.count("ok") == baskets.MAX_BEGUN_SOURCE
    assert (await shop.flow.baskets.start(None, "de", "2001:db8:0:1::1"))[0].result == "ok"


async def test_a_member_begins_one_basket_at_a_time_and_a_few_a_minute(shop: Shop) -> None:
    await shop.push(*member("bob", Purpose.RECOGNISE_NFC))

    async def begun(who: str) -> str:
        return (await shop.flow.baskets.start(who, "de"))[0].result

    at_once = await asyncio.gather(*(begun("mia") for _ in range(20)), begun("bob"))
    assert sorted(at_once) == ["busy"] * 19 + ["ok", "ok"]
    one_by_one = [await begun("mia") for _ in range(MAX_BEGUN_MEMBER)]
    assert one_by_one == ["ok"] * (MAX_BEGUN_MEMBER - 1) + ["busy"]
    assert await begun("bob") == "ok"
    await shop.tick(MINUTE_MS)
    assert list(shop.flow.baskets._begun_members._wrong) == [], "whose they were is not kept"
    assert await begun("mia") == "ok"
    assert await shop.flow.on_erase("mia", "tablet") == "ok"
    await shop.settle()
    assert list(shop.flow.baskets._begun_members._wrong) == []


async def test_a_basket_that_the_disk_refuses_keeps_nobody_from_the_next(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(*_: object) -> None:
        raise StoreError("full")

    with monkeypatch.context() as away:
        away.setattr(shop.flow.baskets, "_commit", refused)
        with pytest.raises(StoreError):
            await start(shop)
    await start(shop)


async def test_whoever_is_erased_or_withdraws_before_the_first_scan_is_in_no_basket(shop: Shop) -> None:
    cookie = await start(shop)
    assert shop.flow.baskets.members == {"mia"}
    assert shop.flow.memory_of("mia")["basket_begun"] is True
    assert await shop.flow.on_erase("mia", "tablet") == "ok"
    await shop.settle()
    assert shop.flow.baskets.members == set()
    assert cents(await scan(shop, cookie, TEA)) == 499
    assert await shop.store.run(lambda tx: tx.baskets_with_members()) == {}


async def test_with_a_clock_below_the_reckoned_time_a_code_counts_its_whole_time(shop: Shop) -> None:
    ahead_ms, life = 40 * MINUTE_MS, shop.flow.life
    shop.flow.baskets._times = lambda: replace(
        life.times(), surely_ms=shop.clock.ms + ahead_ms, latest_ms=shop.clock.ms + ahead_ms
    )
    cookie = await start(shop)
    await scan(shop, cookie, TEA)
    view = await shop.flow.baskets.code(cookie)
    assert view.basket is not None
    assert view.left_ms == RULES.code_min * MINUTE_MS
    await shop.tick(view.left_ms - MINUTE_MS)
    assert (await shown(shop, view.basket.code, "key-0001")).reason is None
    left = await start(shop, None)
    await scan(shop, left, TEA)
    await shop.tick((RULES.idle_min - 1) * MINUTE_MS)
    assert (await shop.flow.baskets.see(left)).result == "ok"
    await shop.tick(MINUTE_MS)
    assert (await shop.flow.baskets.see(left)).result == "gone"


async def test_a_clock_that_was_far_ahead_keeps_no_basket_for_ever(shop: Shop) -> None:
    await shop.tick()
    life, ahead_ms = shop.flow.life, 90 * 24 * 60 * MINUTE_MS
    shop.flow.baskets._times = lambda: replace(life.times(), latest_ms=life.times().surely_ms + ahead_ms)
    cookie = await start(shop, None)
    await scan(shop, cookie, TEA)
    shop.flow.baskets._times = life.times
    await shop.tick(MINUTE_MS)
    assert (await shop.flow.baskets.see(cookie)).result == "ok"
    await shop.tick(MAX_WAIT_MS + MINUTE_MS)
    assert (await shop.flow.baskets.see(cookie)).result == "gone"


async def test_what_is_in_the_basket_changes_running_segments(tmp_path: Path) -> None:
    rule = {"segment_id": "big-basket", "rule": {"at_least": ["basket.cents", 2000]}, "stay_ms": 10_000}
    three = {"segment_id": "three", "rule": {"at_least": ["basket.items", 3]}, "stay_ms": 10_000}
    everything = (Purpose.RECOGNISE_BLE, Purpose.RECOGNISE_NFC, Purpose.PERSONALISE_OFFERS)
    changes = segments.parse({"segments": [rule, three]}), *member("ann", *everything)
    shop = await opened(tmp_path, *changes)

    async def told() -> list[tuple[str, str, str]]:
        await shop.settle()
        bodies = await shop.bodies("segment.changed")
        return [(one["segment"], one["state"], one["why"]) for one in bodies]

    await shop.tick()
    await shop.stand("ann", "coffee-ble", 11)
    await shop.tick()
    cookie = await start(shop, "ann")
    await scan(shop, cookie, CUP, CUP)
    assert await told() == []
    await scan(shop, cookie, CUP)
    assert await told() == [("big-basket", "in", "basket"), ("three", "in", "basket")]
    await shop.tick(11_000)
    await shown(shop, await coded(shop, cookie), "key-0001")
    assert (await told())[2:] == [("big-basket", "out", "basket"), ("three", "out", "basket")]
    shop.store.close()


async def test_it_survives_a_restart(tmp_path: Path) -> None:
    shop = await opened(tmp_path)
    cookie = await start(shop)
    await scan(shop, cookie, TEA)
    text = await coded(shop, cookie)
    shop.store.close()
    again = Shop(tmp_path)
    await again.flow.start()
    assert cents(await again.flow.baskets.see(cookie)) == 399
    assert again.flow.baskets.members == {"mia"}
    assert (await shown(again, text, "key-0001")).reason is None
    again.store.close()


async def test_it_is_wiped_at_its_end_and_when_nobody_scans(shop: Shop) -> None:
    await shop.tick()
    left, ended, busy = await start(shop, None), await start(shop, None), await start(shop)
    await scan(shop, busy, TEA)
    await shop.flow.baskets.end(ended)
    assert (await shop.flow.baskets.see(ended)).result == "gone"
    await shop.tick(FRESH_MS)
    assert (await shop.flow.baskets.see(left)).result == "gone"
    await shop.tick(RULES.idle_min * MINUTE_MS)
    assert (await shop.flow.baskets.see(busy)).result == "gone"
    assert await shop.store.run(lambda tx: tx.basket_count()) == 0
    assert shop.flow.baskets.members == set()


async def test_an_expired_code_says_so_also_after_its_basket_is_gone(shop: Shop) -> None:
    await shop.tick()
    cookie = await start(shop)
    await scan(shop, cookie, TEA)
    text = await coded(shop, cookie)
    await shop.tick(RULES.code_min * MINUTE_MS)
    assert (await shown(shop, text, "key-0001")).reason == "basket.expired"
    await shop.tick(2 * 60 * MINUTE_MS + KEPT_MS)
    assert (await shown(shop, text, "key-0002")).reason == "basket.expired"


async def test_without_headquarters_word_there_is_no_scanning_and_there_is_a_bound(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(basketacts, "MAX_BASKETS", 1)
    await scan(shop, await start(shop), TEA)
    assert (await shop.flow.baskets.start(None, "de"))[0].result == "busy"
    await shop.push(ScanPut(ScanRules()))
    assert (await shop.flow.baskets.start(None, "de"))[0].result == "off"


async def test_one_device_cannot_take_all_places(shop: Shop) -> None:
    async def begun(who: str | None, source: str) -> str:
        return (await shop.flow.baskets.start(who, "de", source))[0].result

    results = [await begun(None, "192.0.2.1") for _ in range(baskets.MAX_BEGUN_SOURCE + 1)]
    assert (results.count("ok"), results[-1]) == (baskets.MAX_BEGUN_SOURCE, "busy")
    assert [await begun(None, "192.0.2.2"), await begun("mia", "192.0.2.1")] == ["ok", "ok"]
    shop.clock.ms += baskets.MINUTE_MS
    assert await begun(None, "192.0.2.1") == "ok"


async def test_the_list_for_phones_is_made_once_for_each_list(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baskets, "PAGE_ROWS", 2)
    made: list[int] = []

    def pack(version: int, articles: list[Article]) -> bytes:
        made.append(len(articles))
        return bytes([version])

    assert await asyncio.gather(*[shop.flow.baskets.price_list(pack) for _ in range(3)]) == [b"\x01"] * 3
    await shop.push(PricesPut(2, part_of(TEA), ()))
    assert await shop.flow.baskets.price_list(pack) == b"\x02"
    assert made == [3, 2]


async def test_ten_thousand_wrong_codes_are_refused_with_a_reason_and_the_right_one_counts_once(shop: Shop) -> None:
    cookie = await start(shop)
    await scan(shop, cookie, TEA)
    early = await coded(shop, cookie)
    shop.clock.ms += 1_000
    text = await coded(shop, cookie)
    draw, times = random.Random(11), shop.flow.life.times()
    ours = shop.flow.baskets._private
    stranger = Ed25519PrivateKey.from_private_bytes(bytes(31) + b"x")
    code = basketcode.verify(text, ours.public_key(), START_MS)
    assert not isinstance(code, Refused)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

    def forged(number: int) -> str:
        match number % 5:
            case 0:
                return basketcode.issue(stranger, code)
            case 1:
                at = draw.randrange(len(text))
                return text[:at] + draw.choice(letters.replace(text[at], "")) + text[at + 1 :]
            case 2:
                return basketcode.issue(ours, replace(code, ends_s=START_MS // 1000 - draw.randrange(9_999)))
            case 3:
                return basketcode.issue(ours, replace(code, cents=draw.randrange(code.cents)))
        return early

    def ask_all(tx: basketacts.Tx) -> list[str | None]:
        return [basketacts._show(tx, "till-1", forged(number), ours, times)[0].reason for number in range(10_000)]

    reasons = await shop.store.run(ask_all)
    assert None not in reasons
    assert set(reasons) == {"basket.form", "basket.signature", "basket.expired", "basket.superseded"}
    assert (await shown(shop, text, "key-0001")).reason is None
    assert {(await shown(shop, text, f"key-1{number:03}")).reason for number in range(50)} == {"basket.used"}
