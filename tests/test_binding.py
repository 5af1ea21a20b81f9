"""gateway.binding: a card becomes a member's only by the one-time code and the tap, and a code is worth one card."""

import asyncio
from pathlib import Path

import pytest

from gateway.core.changes import BindingDrop, BindingPut, ConfigPut, MemberErase
from gateway.core.guesses import MAX_AT_SCREEN, MAX_IN_SHOP, WINDOW_MS
from gateway.core.model import (
    ConsentState,
    CredentialKind,
    Guard,
    Notice,
    Proof,
    Purpose,
    ShopConfig,
    Tap,
    Token,
    Trouble,
)
from gateway.core.onetime import code_digest
from gateway.core.stage import CODE_MS, HINT_MS, HOLD_MS
from gateway.errors import StoreError
from tests.rigs.shop import SITE_KEY, Shop, consent, member, open_shop

ALL = tuple(Purpose)
CODE = "12345678"
NEW = Token(CredentialKind.HCE, bytes(range(33)))
VALID_MS = 600_000
NOTICE = Notice("1", "Muster GmbH", "privacy@muster.example", text={"en": "Only who agreed is recognised."})


@pytest.fixture
async def shop(tmp_path: Path):
    one = await open_shop(tmp_path, *member("mia", *ALL), *member("ben", *ALL))
    await invite(one)
    yield one
    await one.settle()
    one.store.close()


async def invite(shop: Shop, name: str = "mia", code: str = CODE, binding_id: str = "b-1") -> None:
    """Headquarters shows this member a code."""
    until_ms = shop.clock.ms + VALID_MS
    await shop.store.run(lambda tx: tx.put_binding(binding_id, name, code_digest(SITE_KEY, code), until_ms))


async def code_page(shop: Shop, reader: str = "coffee-nfc", screen: str = "bar") -> str:
    """A stranger's tap, and the choice to type a code."""
    await shop.tap(None, reader)
    dialogue_id = shop.walls.screens[screen].dialogue.dialogue_id
    if shop.step(screen) == "join":
        assert await shop.flow.on_screen(screen, dialogue_id, "code") == "ok"
    assert shop.step(screen) == "code"
    return dialogue_id


async def typed(shop: Shop, code: str = CODE) -> str:
    """The answer to a code that is typed at the bar."""
    return await shop.flow.on_code("bar", await code_page(shop), code)


async def present(shop: Shop, token: Token = NEW, reader: str = "coffee-nfc", guard: Guard | None = None) -> None:
    """Something new is shown, as the ears deliver it."""
    member_id = shop.resolver.resolve(token, shop.clock.ms)
    shown = token if member_id is None and shop.flow.awaits(reader) else None
    if member_id is None and shown is None:
        guard = None
    shop.flow.tapped(Tap(member_id, reader, shop.clock.ms, Proof.PROVEN, guard, None, shown))
    await shop.settle()


async def test_from_the_code_to_a_card_that_is_known(shop: Shop) -> None:
    assert not shop.flow.awaits("coffee-nfc")
    assert await typed(shop) == "ok"
    assert (shop.step(), shop.walls.screens["bar"].level) == ("hold", "L1")
    assert "Mia" not in str(shop.walls.history)
    assert shop.flow.awaits("coffee-nfc")
    assert not any(map(shop.flow.awaits, ("door-nfc", "advice-nfc", "bare-nfc", "nowhere")))
    await present(shop)
    assert shop.step() == "bound"
    assert not shop.flow.awaits("coffee-nfc")
    assert shop.resolver.resolve(NEW, shop.clock.ms) == "mia"
    (body,) = await shop.bodies("credential.bound")
    credential_id = body.pop("credential_id")
    assert body == {
        "binding_id": "b-1",
        "member_id": "mia",
        "kind": "hce",
        "value": NEW.value.hex(),
        "proof": "proven",
    }
    held = await shop.store.run(lambda tx: {one.credential_id: one for one in tx.credentials("mia")})
    assert (held[credential_id].kind, len(held[credential_id].secret)) == (CredentialKind.HCE, 16)
    assert NEW.value not in str(held).encode()
    await shop.tick(60_000)
    await present(shop)
    assert (shop.step(), shop.walls.screens["bar"].dialogue.call_name) == ("offer", "Mia")


async def test_a_card_that_was_bound_is_known_after_a_restart(shop: Shop, tmp_path: Path) -> None:
    await typed(shop)
    await present(shop)
    shop.store.close()
    again = Shop(tmp_path)
    await again.flow.start()
    await again.settle()
    assert again.resolver.resolve(NEW, again.clock.ms) == "mia"
    again.store.close()
    shop.store = Shop(tmp_path).store


async def test_a_code_is_worth_one_card(shop: Shop) -> None:
    await typed(shop)
    await present(shop)
    await shop.tick(60_000)
    assert await typed(shop) == "wrong"


async def test_a_code_that_two_screens_hold_binds_once(shop: Shop) -> None:
    await typed(shop)
    assert await shop.flow.on_code("hall", await code_page(shop, "door-nfc", "hall"), CODE) == "ok"
    await present(shop)
    await present(shop, Token(CredentialKind.NDEF, b"another"), "door-nfc")
    assert (shop.step("bar"), shop.step("hall")) == ("bound", "refused")
    assert shop.health.counts["binding.gone"] == 1
    assert len(await shop.bodies("credential.bound")) == 1
    await shop.tick(HINT_MS)
    assert shop.step("hall") is None


async def test_a_code_ends_with_its_time_at_the_page_and_at_the_tap(shop: Shop) -> None:
    await shop.tick(VALID_MS)
    assert await typed(shop) == "wrong"
    await invite(shop, "ben", "00000000", "b-2")
    await shop.tick(VALID_MS - 1_000)
    assert await typed(shop, "00000000") == "ok"
    shop.clock.ms += 1_000
    await present(shop)
    assert shop.step() == "refused"
    assert shop.resolver.resolve(NEW, shop.clock.ms) is None


async def test_a_code_needs_its_own_page(shop: Shop) -> None:
    await shop.tap(None, "coffee-nfc")
    dialogue_id = shop.walls.screens["bar"].dialogue.dialogue_id
    assert await shop.flow.on_code("bar", dialogue_id, CODE) == "gone"  # still the join page
    await shop.flow.on_screen("bar", dialogue_id, "code")
    assert await shop.flow.on_code("hall", dialogue_id, CODE) == "gone"
    assert await shop.flow.on_code("bar", "other", CODE) == "gone"
    await shop.tick(CODE_MS)
    assert await shop.flow.on_code("bar", dialogue_id, CODE) == "gone"


async def test_five_wrong_codes_and_then_a_wait_for_the_right_one_too(shop: Shop) -> None:
    page = await code_page(shop)
    guesses = await asyncio.gather(*(shop.flow.on_code("bar", page, f"{n:08}") for n in range(MAX_AT_SCREEN + 3)))
    assert guesses == ["wrong"] * MAX_AT_SCREEN + ["wait"] * 3
    assert await shop.flow.on_code("bar", page, CODE) == "wait"
    assert (shop.step(), shop.flow.awaits("coffee-nfc")) == ("code", False)
    await shop.tick(WINDOW_MS - 1_000)
    assert await typed(shop) == "wait"
    await shop.tick(1_000)
    await invite(shop, code="00112233", binding_id="b-2")
    assert await typed(shop, "00112233") == "ok"


async def test_wrong_codes_count_for_the_whole_shop(shop: Shop) -> None:
    answers = []
    for n in range(MAX_IN_SHOP + 5):
        reader, screen = (("coffee-nfc", "bar"), ("door-nfc", "hall"), ("till-nfc", "counter"))[n % 3]
        shop.flow._binding._guesses._wrong.extend([(f"other-{n}", shop.clock.ms)] if n < 10 else [])
        answers.append(await shop.flow.on_code(screen, await code_page(shop, reader, screen), "00000000"))
    assert answers.count("wrong") == MAX_IN_SHOP - 10
    assert answers[-1] == "wait"


async def test_a_right_code_and_a_disk_that_fails_cost_no_guess(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise StoreError("the disk refused: it is full")

    page = await code_page(shop)
    with monkeypatch.context() as patch:
        patch.setattr(shop.store, "run", refuse)
        for _ in range(MAX_AT_SCREEN + 1):
            with pytest.raises(StoreError):
                await shop.flow.on_code("bar", page, CODE)
    assert await shop.flow.on_code("bar", page, CODE) == "ok"
    with monkeypatch.context() as patch:
        patch.setattr(shop.store, "run", refuse)
        await present(shop)
    assert (shop.step(), shop.health.counts["flow.not_committed"]) == ("again", 1)
    assert shop.flow.awaits("coffee-nfc")
    await shop.tick(HINT_MS)
    assert shop.step() == "hold"
    await present(shop)
    assert shop.step() == "bound"


@pytest.mark.parametrize("name", ["mia", "ben"])
async def test_a_card_that_is_somebodys_stays_theirs(shop: Shop, name: str) -> None:
    await typed(shop)
    await present(shop, Token(CredentialKind.NDEF, f"https://card.example/{name}".encode()))
    assert shop.step() == "refused"
    await shop.tick(HINT_MS)
    assert shop.step() == "hold"
    await present(shop)
    assert shop.step() == "bound"


async def test_a_card_of_a_member_who_may_not_be_recognised_stays_theirs(shop: Shop) -> None:
    await shop.push(consent("ben", Purpose.RECOGNISE_NFC, ConsentState.WITHDRAWN, 5))
    await typed(shop)
    await present(shop, Token(CredentialKind.NDEF, b"https://card.example/ben"))
    assert (shop.step(), shop.health.counts["binding.taken"]) == ("refused", 1)
    assert await shop.bodies("credential.bound") == []


@pytest.mark.parametrize(
    "text",
    [
        "https://www.brand.example/sneaker",
        "https://card.example.evil.example/c/1",
        "https://card.example/c/",
        "http://card.example/c/1",
        "M-42",
    ],
)
async def test_a_public_text_is_nobodys_and_binds_nothing(shop: Shop, text: str) -> None:
    public = Token(CredentialKind.NDEF, text.encode())
    await shop.push(ConfigPut(ShopConfig(notice=NOTICE, bind_prefixes=("https://card.example/c/",))))
    await typed(shop)
    await present(shop, public)
    assert (shop.step(), shop.health.counts["binding.not_ours"]) == ("refused", 1)
    assert await shop.bodies("credential.bound") == []
    await shop.tick(HINT_MS)
    await present(shop, Token(CredentialKind.NDEF, b"https://card.example/c/8d1f6c"))
    assert shop.step() == "bound", "the code still counts"
    assert shop.resolver.resolve(public, shop.clock.ms) is None


async def test_without_an_address_of_ours_no_plain_text_is_bound(shop: Shop) -> None:
    await typed(shop)
    await present(shop, Token(CredentialKind.NDEF, b"https://card.example/c/8d1f6c"))
    assert (shop.step(), shop.health.counts["binding.not_ours"]) == ("refused", 1)


@pytest.mark.parametrize("trouble", [None, *Trouble])
async def test_what_cannot_be_bound_leaves_the_page_open(shop: Shop, trouble: Trouble | None) -> None:
    await typed(shop)
    await shop.tap(None, "coffee-nfc", trouble=trouble)
    assert shop.step() == (trouble or Trouble.REFUSED).value
    assert shop.flow.awaits("coffee-nfc")
    await shop.tick(HINT_MS)
    assert shop.step() == "hold"
    await shop.tick(HOLD_MS - HINT_MS)
    assert (shop.step(), shop.flow.awaits("coffee-nfc")) == (None, False)


async def test_what_comes_too_late_is_a_strangers_and_nothing_is_kept(shop: Shop) -> None:
    await typed(shop)
    shop.clock.ms += HOLD_MS  # the tick that wipes the page has not come yet
    assert not shop.flow.awaits("coffee-nfc")
    shop.flow.tapped(Tap(None, "coffee-nfc", shop.clock.ms, Proof.PROVEN, None, None, NEW))
    await shop.settle()
    assert shop.step() == "join"
    assert await shop.events() == []


async def test_the_page_can_be_left(shop: Shop) -> None:
    await typed(shop)
    dialogue_id = shop.walls.screens["bar"].dialogue.dialogue_id
    assert await shop.flow.on_screen("bar", dialogue_id, "cancel") == "ok"
    assert (shop.step(), shop.flow.awaits("coffee-nfc")) == (None, False)
    assert await typed(shop) == "ok"  # the code is not spent


async def test_without_consent_to_be_recognised_by_a_card_nothing_is_bound(shop: Shop) -> None:
    await typed(shop)
    await shop.push(consent("mia", Purpose.RECOGNISE_NFC, ConsentState.WITHDRAWN, 5))
    assert (shop.step(), shop.flow.awaits("coffee-nfc")) == (None, False)
    for _ in range(MAX_AT_SCREEN + 1):  # it is no wrong guess
        assert await typed(shop) == "gone"
        assert (shop.step(), shop.flow.awaits("coffee-nfc")) == ("refused", False)
        await shop.tick(HINT_MS)
        assert shop.step() is None
    assert shop.health.counts["binding.no_consent"] == MAX_AT_SCREEN + 1
    await shop.push(consent("mia", Purpose.RECOGNISE_NFC, ConsentState.GIVEN, 6))
    assert await typed(shop) == "ok"


async def test_the_clock_may_be_set_while_a_code_that_binds_nothing_is_looked_up(shop: Shop) -> None:
    await shop.push(consent("mia", Purpose.RECOGNISE_NFC, ConsentState.WITHDRAWN, 5))
    page = await code_page(shop)

    def correct() -> None:
        shop.clock.ms += 3_000
        shop.flow.on_clock_step(3_000)

    shop.on_wake = correct
    assert await shop.flow.on_code("bar", page, CODE) == "gone"
    assert shop.step() == "refused"
    await shop.tick(HINT_MS)
    assert shop.step() is None


async def test_a_code_that_was_used_is_not_good_again_when_headquarters_sends_it_again(shop: Shop) -> None:
    put = BindingPut("b-9", "mia", "87654321", shop.clock.ms + VALID_MS)
    for change in (put, BindingDrop("b-9"), put):
        await shop.push(change)
        if shop.resolver.resolve(NEW, shop.clock.ms) is None:
            assert await typed(shop, "87654321") == "ok"
            await present(shop)
            await shop.tick(60_000)
        assert await typed(shop, "87654321") == "wrong"


async def test_a_withdrawal_and_an_erasure_that_race_the_tap_win(shop: Shop) -> None:
    for change in (consent("mia", Purpose.RECOGNISE_NFC, ConsentState.WITHDRAWN, 5), MemberErase("mia")):
        await typed(shop)
        pushed = asyncio.ensure_future(shop.push(change))
        await asyncio.sleep(0)
        shop.flow.tapped(Tap(None, "coffee-nfc", shop.clock.ms, Proof.PROVEN, None, None, NEW))
        await pushed
        await shop.settle()
        assert shop.resolver.resolve(NEW, shop.clock.ms) is None
        assert await shop.bodies("credential.bound") == []
        await shop.push(consent("mia", Purpose.RECOGNISE_NFC, ConsentState.GIVEN, 6))
        await shop.tick(60_000)


async def test_a_withdrawal_that_the_disk_cannot_take_is_not_undone_by_a_binding(shop: Shop) -> None:
    await typed(shop)
    shop.flow.tapped(Tap(None, "coffee-nfc", shop.clock.ms, Proof.PROVEN, None, None, NEW))
    await asyncio.sleep(0)
    shop.flow._forget("mia")
    shop.flow.recognition.forget("mia")
    await shop.settle()
    assert shop.resolver.resolve(NEW, shop.clock.ms) is None
    assert shop.step() is None


async def test_the_proof_that_bound_a_card_opens_nothing_afterwards(shop: Shop) -> None:
    guard = Guard(b"g" * 16, 41)
    await typed(shop)
    await present(shop, guard=guard)
    assert shop.step() == "bound"
    await shop.tick(60_000)
    await present(shop, guard=guard)
    assert shop.step() == "refused"
    await invite(shop, "ben", "00000000", "b-2")
    await shop.tick(60_000)
    await typed(shop, "00000000")
    await present(shop, Token(CredentialKind.SUN, b"7 bytes"), guard=guard)
    assert (shop.step(), shop.health.counts["binding.replayed"]) == ("refused", 1)


async def test_one_card_that_is_read_twice_is_bound_once(shop: Shop) -> None:
    await typed(shop)
    for _ in range(3):
        shop.flow.tapped(Tap(None, "coffee-nfc", shop.clock.ms, Proof.PROVEN, None, None, NEW))
    await shop.settle()
    assert shop.step() == "bound"
    assert len(await shop.bodies("credential.bound")) == 1


async def test_a_chips_number_stays_in_the_shop(shop: Shop) -> None:
    chip = Token(CredentialKind.CHIP, bytes.fromhex("04a1b2c3d4e5f6"))
    await typed(shop)
    await present(shop, chip)
    (body,) = await shop.bodies("credential.bound")
    assert "value" not in body
    assert shop.resolver.resolve(chip, shop.clock.ms) == "mia"


async def test_whoever_types_is_not_disturbed_by_a_strangers_tap(shop: Shop) -> None:
    page = await code_page(shop)
    await shop.tap(None, "coffee-nfc")
    assert await shop.flow.on_code("bar", page, CODE) == "ok"
    await shop.tick(HOLD_MS)
    await code_page(shop)
    await shop.tap("ben", "coffee-nfc")
    assert shop.walls.screens["bar"].dialogue.call_name == "Ben"


async def test_a_code_that_headquarters_takes_back_ends_the_page(shop: Shop) -> None:
    await typed(shop)
    shop.flow._binding.drop({"another"})
    assert shop.step() == "hold"
    shop.flow._binding.drop({"b-1"})
    assert (shop.step(), shop.flow.awaits("coffee-nfc")) == (None, False)
    await shop.tap("ben", "coffee-nfc")
    await typed(shop)
    await present(shop)
    shop.flow._binding.drop({"b-1"})  # used already: the page says so until its time is over
    assert shop.step() == "bound"


async def test_a_clock_step_ends_neither_page_nor_wait(shop: Shop) -> None:
    await typed(shop)
    shop.clock.ms += 1_000_000_000
    shop.flow.on_clock_step(1_000_000_000)
    assert shop.flow.awaits("coffee-nfc")


async def test_no_code_and_no_card_of_a_stranger_is_written(shop: Shop, tmp_path: Path) -> None:
    secret = Token(CredentialKind.NDEF, b"https://stranger.example/4711")
    assert await typed(shop, "87654321") == "wrong"
    await present(shop, secret)
    await shop.tap(None, "coffee-nfc", token=secret)
    assert await typed(shop) == "ok"
    assert "4711" not in repr(Tap(None, "r", 0, token=secret))
    for data in [file.read_bytes() for file in sorted(tmp_path.iterdir())]:  # noqa: ASYNC240 - nothing else runs
        assert not any(needle in data for needle in (b"stranger.example", b"87654321", CODE.encode()))
    assert not any("8765" in name or "4711" in name for name in shop.health.counts)
