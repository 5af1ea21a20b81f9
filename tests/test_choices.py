"""What people chose takes effect: after the commit, and a withdrawal even while the disk cannot take it."""

from pathlib import Path

import pytest

from gateway import choices as module
from gateway.choices import OWED_AGAIN_MS
from gateway.core.changes import MemberErase
from gateway.core.model import Act, AgeGate, ConsentState, CredentialKind, Purpose, Token
from gateway.errors import PeerError, StoreError
from tests.rigs.shop import NOTICE, Shop, member, open_shop

ACT = Act(
    "web",
    "toggle",
    language="en",
    age_gate=AgeGate.OVER_16,
    notice_version=NOTICE.version,
    notice_sha256=NOTICE.sha256("en"),
)
NFC = Purpose.RECOGNISE_NFC


@pytest.fixture
async def shop(tmp_path: Path):
    one = await open_shop(tmp_path, *member("mia", *Purpose), *member("ben", Purpose.RECOGNISE_BLE))
    await one.tick()
    yield one
    await one.settle()
    one.store.close()


async def refuse(*_: object, **__: object) -> None:
    raise StoreError("the disk refused: it is full")


async def state(shop: Shop, purpose: Purpose = NFC) -> ConsentState | None:
    record = (await shop.store.run(lambda tx: tx.consents("mia"))).get(purpose)
    return None if record is None else record.state


async def test_a_withdrawal_clears_screens_cards_and_the_resolver(shop: Shop) -> None:
    await shop.tap("mia", "coffee-nfc")
    await shop.tap("mia", "advice-nfc")
    assert shop.step() is None  # she went on to the advice desk
    await shop.tap("mia", "coffee-nfc")
    assert await shop.flow._choices.follow("mia", {NFC: False, Purpose.RECOGNISE_BLE: False}, ACT)
    assert shop.step() is None
    assert shop.walls.entries == ()
    assert await state(shop) is ConsentState.WITHDRAWN
    await shop.tap("mia", "coffee-nfc")
    assert shop.step() == "join"


async def test_giving_lets_a_card_be_known_at_once_and_clears_nothing(shop: Shop) -> None:
    card = Token(CredentialKind.NDEF, b"https://card.example/ben")
    assert shop.resolver.resolve(card, shop.clock.ms) is None
    await shop.tap("mia", "coffee-nfc")
    assert await shop.flow._choices.follow("ben", {NFC: True}, ACT)
    found = shop.resolver.resolve(card, shop.clock.ms)
    assert found is not None
    assert shop.step() == "offer"
    await shop.tap("ben", "door-nfc")
    assert shop.step("hall") != "join"


async def test_what_is_so_already_does_nothing(shop: Shop) -> None:
    await shop.flow._choices.follow("ben", {NFC: False}, ACT)
    before = await shop.types()
    assert await shop.flow._choices.follow("ben", {NFC: False}, ACT) == ""
    assert await shop.types() == before


async def test_nobody_is_no_member(shop: Shop) -> None:
    assert await shop.flow._choices.follow("eve", {NFC: False}, ACT) is None
    with pytest.raises(PeerError):
        await shop.flow.on_consent("eve", {NFC: False}, ACT)
    assert not await shop.flow._choices.noted("eve", "web:x", "link.made")
    assert await shop.flow._choices.noted("mia", "web:x", "link.made")


async def test_a_refused_grant_is_no_grant_and_is_not_made_up_for(shop: Shop, monkeypatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(shop.store, "run", refuse)
        with pytest.raises(StoreError):
            await shop.flow._choices.follow("ben", {NFC: True}, ACT)
    await shop.tick(OWED_AGAIN_MS)
    assert NFC not in await shop.store.run(lambda tx: tx.consents("ben"))


async def test_a_refused_withdrawal_is_obeyed_and_stored_once_the_disk_takes_it(shop: Shop, monkeypatch) -> None:
    await shop.tap("mia", "coffee-nfc")
    with monkeypatch.context() as patch:
        patch.setattr(shop.store, "run", refuse)
        for purpose in (NFC, Purpose.RECOGNISE_BLE):
            with pytest.raises(StoreError):
                await shop.flow._choices.follow("mia", {purpose: False}, ACT)
        assert shop.step() is None
        await shop.tick(OWED_AGAIN_MS)  # it still refuses
    assert await state(shop) is ConsentState.GIVEN
    await shop.tap("mia", "coffee-nfc")
    assert shop.step() == "join"
    await shop.tick(OWED_AGAIN_MS)
    assert await state(shop) is await state(shop, Purpose.RECOGNISE_BLE) is ConsentState.WITHDRAWN
    before = await shop.types()
    await shop.tick(OWED_AGAIN_MS)
    assert await shop.types() == before


async def test_nothing_is_stored_for_somebody_who_was_erased_meanwhile(shop: Shop, monkeypatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(shop.store, "run", refuse)
        with pytest.raises(StoreError):
            await shop.flow._choices.follow("mia", {NFC: False}, ACT)
    await shop.push(MemberErase("mia"))
    await shop.tick(OWED_AGAIN_MS)
    assert "consent.recorded" not in await shop.types()


async def test_what_is_owed_has_a_bound(shop: Shop, monkeypatch) -> None:
    monkeypatch.setattr(module, "MAX_OWED", 1)
    with monkeypatch.context() as patch:
        patch.setattr(shop.store, "run", refuse)
        for who in ("ben", "mia"):
            with pytest.raises(StoreError):
                await shop.flow._choices.follow(who, {NFC: False}, ACT)
    assert list(shop.flow._choices._owed) == ["ben"]
    assert shop.health.counts["self.owed"] == 2
