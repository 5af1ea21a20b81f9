"""What headquarters changes is followed on every surface at once, whatever the disk and the line do."""

import asyncio
from dataclasses import replace

import pytest

from gateway.core.changes import ConfigPut, Delta, KeyDrop, MemberErase, OfferDrop, OfferPut, SegmentsPut
from gateway.core.eligible import parse
from gateway.core.model import ConsentState, CredentialKind, Offer, Purpose, ShopConfig, Token
from gateway.core.segment import Segment
from gateway.errors import StoreError
from sync import messages, ops
from tests.rigs.shop import Shop, consent, member, open_shop

ALL = tuple(Purpose)
TEXT = {"de": "Neu", "en": "New"}
MIA_CARD = Token(CredentialKind.NDEF, b"https://card.example/mia")


@pytest.fixture
async def shop(tmp_path):
    one = await open_shop(tmp_path, *member("mia", *ALL), *member("ben", *ALL, interests=("tea",)))
    yield one
    await one.settle()
    one.store.close()


def level(shop: Shop, screen: str = "bar") -> str:
    return shop.walls.screens[screen].level


async def test_every_screen_begins_neutral_and_catalogue_changes_show_at_once(shop: Shop) -> None:
    assert level(shop, "bar") == "L1"
    assert level(shop, "cellar") == "L0"
    await shop.push(OfferPut(Offer("new", TEXT, TEXT, audience="everyone", priority=9)))
    assert [slide.slide_id for slide in shop.walls.screens["bar"].slides] == ["new", "loop"]
    await shop.push(OfferDrop("new"))
    assert [slide.slide_id for slide in shop.walls.screens["bar"].slides] == ["loop"]


async def test_a_bad_offer_does_not_hold_up_a_withdrawal(shop: Shop) -> None:
    await shop.tap("mia", "coffee-nfc")
    assert shop.walls.screens["bar"].level == "L3"
    greedy = {"offer_id": "espresso", "title": TEXT, "text": TEXT, "interests": ["tea"], "purpose": "greet_on_entry"}
    withdrawn = ops.dump(consent("mia", Purpose.RECOGNISE_NFC, ConsentState.WITHDRAWN, seq=2))
    wire = messages.delta(shop.version, shop.version + 1, [{"op": "offer.put", "body": greedy}, withdrawn])
    assert await shop.flow.on_hq_change(messages.parse_delta(wire)) == "applied"
    assert shop.walls.screens["bar"].level == "L1"
    assert shop.health.counts["hq.refused_offers"] == 1
    assert await shop.bodies("offer.refused") == [{"offer_id": "espresso", "reason": "purpose", "field": "interests"}]
    former = await shop.store.run(lambda tx: {offer.offer_id: offer for offer in tx.offers()})
    assert former["espresso"].interests == ("coffee",)


async def test_bad_segments_neither_hold_up_a_withdrawal_nor_replace_good_ones(shop: Shop) -> None:
    good = SegmentsPut((Segment("keen", parse({"at_least": ["visit.taps", 2]})),))
    await shop.push(good)
    await shop.tap("mia", "coffee-nfc")
    bad = {"op": "segments.put", "body": {"segments": [{"segment_id": "keen", "rule": {"is": ["hour", 9]}}]}}
    withdrawn = ops.dump(consent("mia", Purpose.RECOGNISE_NFC, ConsentState.WITHDRAWN, seq=2))
    wire = messages.delta(shop.version, shop.version + 1, [bad, withdrawn])
    assert await shop.flow.on_hq_change(messages.parse_delta(wire)) == "applied"
    assert level(shop) == "L1"
    assert shop.health.counts["hq.refused_segments"] == 1
    (told,) = await shop.bodies("segments.refused")
    assert told == {"reason": "segments", "field": "segments.0.rule.is.0: expected a field of visit or basket"}
    assert await shop.store.run(lambda tx: tx.segments()) == good.segments


async def test_a_withdrawal_is_obeyed_even_if_the_disk_cannot_take_it(shop: Shop, monkeypatch) -> None:
    await shop.tap("mia", "coffee-nfc")

    async def refuse(*_: object, **__: object) -> None:
        raise StoreError("the disk refused: it is full")

    monkeypatch.setattr(shop.store, "run", refuse)
    with pytest.raises(StoreError):
        await shop.push(consent("mia", Purpose.RECOGNISE_NFC, ConsentState.WITHDRAWN, 5))
    assert level(shop) == "L1"
    assert shop.resolver.resolve(MIA_CARD, shop.clock.now_ms()) is None


async def test_a_withdrawal_is_followed_even_if_who_brought_it_is_gone(shop: Shop) -> None:
    await shop.tap("mia", "coffee-nfc")
    bringing = asyncio.ensure_future(shop.push(consent("mia", Purpose.RECOGNISE_NFC, ConsentState.WITHDRAWN, 5)))
    await asyncio.sleep(0)
    bringing.cancel()  # the line breaks while the disk writes
    with pytest.raises(asyncio.CancelledError):
        await bringing
    await asyncio.gather(*shop.flow._works._asked)
    assert level(shop) == "L1"
    assert shop.resolver.resolve(MIA_CARD, shop.clock.now_ms()) is None


@pytest.mark.parametrize("failing", ["keychain", "read_shop", "refresh_loops"])
async def test_what_one_part_can_not_follow_holds_up_no_other(shop: Shop, monkeypatch, failing: str) -> None:
    orders = shop.flow.orders
    done: list[str] = []

    class Keys:
        gateway = "acme/munich-1/gw-1"

        async def load(self) -> None:
            await part("keychain")

    async def part(name: str) -> None:
        if name == failing:
            raise OverflowError
        done.append(name)

    async def refresh(*, everywhere: bool) -> None:
        await part("refresh_loops")

    parts = {"keychain": Keys(), "read_shop": lambda: part("read_shop"), "refresh_loops": refresh}
    broken = replace(orders, forgetting=orders.forgetting, **parts)
    monkeypatch.setattr(orders.forgetting, "followed", lambda gone: done.append("followed"))
    await shop.tap("mia", "coffee-nfc")
    drop = KeyDrop("acme/munich-1/gw-1", "k1")
    changes = drop, ConfigPut(ShopConfig(TEXT)), OfferDrop("loop"), MemberErase("mia")
    with pytest.raises(OverflowError):  # not swallowed: whoever supervises hears of it
        await broken.change(Delta(shop.version, shop.version + 1, changes))
    assert {*done, failing} == {"followed", "keychain", "read_shop", "refresh_loops"}
    assert level(shop) != "L3"
    assert shop.resolver.resolve(MIA_CARD, shop.clock.now_ms()) is None
    assert shop.health.counts["hq.not_followed"] == 1


async def test_a_member_who_can_not_be_wiped_from_a_screen_holds_up_no_other(shop: Shop, monkeypatch) -> None:
    await shop.tap("mia", "coffee-nfc")
    wiped: list[str] = []

    def forget(member_id: str) -> None:
        if not wiped:
            wiped.append(member_id)
            raise ValueError
        wiped.append(member_id)

    broken = replace(shop.flow.orders, forget=forget)
    with pytest.raises(ValueError, match=r"^$"):
        await broken.change(Delta(shop.version, shop.version + 1, (MemberErase("mia"), MemberErase("ben"))))
    assert sorted(wiped) == ["ben", "mia"]
    assert shop.resolver.resolve(MIA_CARD, shop.clock.now_ms()) is None
