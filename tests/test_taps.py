"""gateway.taps: proofs are spent first, the next person's gesture ends a dialogue, tills know who buys."""

import asyncio
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.core.changes import ConfigPut, Delta, MemberErase, MemberPut, OfferPut
from gateway.core.model import ConsentState, CredentialKind, Guard, Member, Offer, Proof, Purpose, Tap, Token, Trouble
from gateway.core.onetime import code_digest
from gateway.core.stage import AWAY_MS, HINT_MS, HOLD_MS, READ_MS, WELCOME_MS, join
from gateway.errors import StoreError
from tests.rigs.shop import SITE_KEY, TEXT, Shop, consent, member, open_shop

ALL = tuple(Purpose)
GUARD = Guard(bytes(16), 7)
PROVEN = Proof.PROVEN


@pytest.fixture
async def shop(tmp_path: Path):
    one = await open_shop(tmp_path, *member("mia", *ALL), *member("ben", *ALL, interests=("tea",)))
    yield one
    await one.settle()
    one.store.close()


async def hold(shop: Shop, member_id: str, screen: str) -> None:
    """A code of this member is typed there, and a card or phone is to be shown."""
    code = f"1234567{len(screen)}"
    valid_ms = shop.clock.ms + 600_000
    await shop.store.run(lambda tx: tx.put_binding(f"b-{screen}", member_id, code_digest(SITE_KEY, code), valid_ms))
    shop.flow._stage.open(screen, join(f"page-{screen}", shop.clock.ms))
    await shop.flow.on_screen(screen, f"page-{screen}", "code")
    assert await shop.flow.on_code(screen, f"page-{screen}", code) == "ok"


async def refuse(*_: object, **__: object) -> None:
    raise StoreError("the disk refused: it is full")


# --- proofs count once ---------------------------------------------------------------------------------------


async def test_a_proof_opens_once_and_a_replay_nothing(shop: Shop) -> None:
    await shop.tap("mia", "coffee-nfc", PROVEN, guard=GUARD)
    assert shop.step() == "offer"
    before = await shop.events()
    await shop.tick(60_000)
    for count in (7, 6, 0):
        await shop.tap("mia", "coffee-nfc", PROVEN, guard=replace(GUARD, count=count))
        assert shop.step() == "refused"
        assert "Mia" not in str(shop.walls.screens["bar"])
    assert await shop.events() == before
    assert shop.health.counts["nfc.refused.replayed"] == 3
    await shop.tick(HINT_MS)
    assert shop.step() is None
    await shop.tap("mia", "coffee-nfc", PROVEN, guard=replace(GUARD, count=8))
    assert shop.step() == "offer"


@pytest.mark.parametrize("reader", ["advice-nfc", "door-nfc", "till-nfc", "bare-nfc"])
async def test_a_replay_opens_nothing_anywhere(shop: Shop, reader: str) -> None:
    await shop.store.run(lambda tx: tx.admit("mia", GUARD))
    await shop.tap("mia", reader, PROVEN, guard=GUARD)
    assert await shop.types() == []
    assert (shop.walls.entries, shop.flow.sale_at("till-1"), len(shop.flow._presence)) == ((), None, 0)


async def test_a_replay_does_not_even_accept(shop: Shop) -> None:
    await shop.tap("mia", "coffee-nfc", PROVEN, guard=GUARD)
    await shop.tap("mia", "coffee-nfc", PROVEN, guard=GUARD)
    assert "offer.accepted" not in await shop.types()
    assert shop.step() == "refused"


async def test_of_two_readers_that_are_shown_one_proof_one_opens(shop: Shop) -> None:
    for reader in ("coffee-nfc", "till-nfc"):
        shop.flow.tapped(Tap("mia", reader, shop.clock.ms, PROVEN, GUARD))
    await shop.settle()
    assert (shop.step("bar"), shop.step("counter")) == ("offer", "refused")
    assert shop.flow.sale_at("till-1") is None


async def test_a_replay_takes_nothing_from_anybody(shop: Shop) -> None:
    await shop.store.run(lambda tx: tx.admit("mia", GUARD))
    await shop.tap("mia", "coffee-nfc")
    await shop.tap("ben", "till-nfc")
    for reader in ("door-nfc", "till-nfc"):
        shop.flow.tapped(Tap("mia", reader, shop.clock.ms, PROVEN, GUARD))
        await asyncio.sleep(0)
        assert shop.step() == "offer"
        assert shop.flow.sale_at("till-1") is not None
        await shop.settle()
    assert (shop.step(), shop.step("hall"), shop.step("counter")) == ("offer", "refused", "refused")
    sale = shop.flow.sale_at("till-1")
    assert sale is not None
    assert sale[0] == "ben"
    await hold(shop, "mia", "bar")
    await shop.tap("mia", "till-nfc", PROVEN, guard=GUARD)
    assert shop.step() == "hold"
    await shop.tap("mia", "coffee-nfc", PROVEN, guard=GUARD)
    assert shop.step() == "refused"
    await shop.tick(HINT_MS)
    assert shop.step() == "hold"
    await shop.tap("mia", "till-nfc", PROVEN, guard=replace(GUARD, count=8))  # this one is hers
    assert shop.step() is None
    sale = shop.flow.sale_at("till-1")
    assert sale is not None
    assert sale[0] == "mia"


async def test_a_replay_does_not_keep_a_sale_from_the_one_before_it(shop: Shop) -> None:
    await shop.store.run(lambda tx: tx.admit("mia", GUARD))
    shop.flow.tapped(Tap("ben", "till-nfc", shop.clock.ms))
    shop.flow.tapped(Tap("mia", "till-nfc", shop.clock.ms, PROVEN, GUARD))
    await shop.settle()
    sale = shop.flow.sale_at("till-1")
    assert sale is not None
    assert sale[0] == "ben"


async def test_a_proof_that_the_disk_does_not_take_opens_nothing(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(shop.store, "run", refuse)
        await shop.tap("mia", "coffee-nfc", PROVEN, guard=GUARD)
        assert shop.step() is None
        assert shop.health.counts["flow.not_committed"] == 1
    await shop.tap("mia", "coffee-nfc", PROVEN, guard=GUARD)
    assert shop.step() == "offer"


async def test_a_proof_that_races_an_erasure_leaves_no_pseudonym(shop: Shop) -> None:
    erased = asyncio.ensure_future(shop.push(MemberErase("mia")))
    await asyncio.sleep(0)
    shop.flow.tapped(Tap("mia", "coffee-nfc", shop.clock.ms, PROVEN, GUARD))
    await erased
    await shop.settle()
    assert await shop.store.run(lambda tx: tx._all("SELECT * FROM tap_guard")) == []
    assert shop.step() == "join"
    assert await shop.events() == []


async def test_proofs_that_are_too_old_to_be_shown_again_are_forgotten(shop: Shop) -> None:
    await shop.tap("mia", "coffee-nfc", PROVEN, guard=replace(GUARD, until_ms=shop.clock.ms + 240_000))
    await shop.tap("mia", "coffee-nfc", PROVEN, guard=replace(GUARD, key=b"k" * 16))
    await shop.tick(230_000)
    await shop.tick(600_000)
    keys = await shop.store.run(lambda tx: [row[0] for row in tx._all("SELECT key FROM tap_guard")])
    assert keys == [b"k" * 16]


KILLED = """
import asyncio, os, pathlib, signal, sys
from gateway.core.model import Guard, Proof, Purpose
from tests.rigs.shop import member, open_shop

async def main():
    shop = await open_shop(pathlib.Path(sys.argv[1]), *member("mia", *Purpose))
    show = shop.walls.show
    def last_words(screen, content):
        if content.dialogue is not None:
            print(content.dialogue.step, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)  # in the very moment that the dialogue opens
        show(screen, content)
    shop.walls.show = last_words
    await shop.tap("mia", "coffee-nfc", Proof.PROVEN, guard=Guard(bytes(16), 7))

asyncio.run(main())
"""


async def test_a_spent_proof_survives_a_kill(tmp_path: Path) -> None:
    root = Path(__file__).parents[1]
    killed = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", KILLED, str(tmp_path)), cwd=root, env={"PYTHONPATH": str(root)}, stdout=subprocess.PIPE
    )
    assert await killed.communicate() == (b"offer\n", None)
    assert killed.returncode == -signal.SIGKILL
    again = Shop(tmp_path)
    await again.flow.start()
    await again.settle()
    await again.tap("mia", "coffee-nfc", PROVEN, guard=GUARD)
    assert again.step() == "refused"
    await again.tap("mia", "coffee-nfc", PROVEN, guard=replace(GUARD, count=8))
    assert again.step() == "offer"
    again.store.close()


# --- whose dialogue it is ------------------------------------------------------------------------------------


@pytest.mark.parametrize("other", ["ben", None])
async def test_while_the_disk_writes_nothing_of_the_former_shows(shop: Shop, other: str | None) -> None:
    await shop.tap("mia", "coffee-nfc")
    shop.walls.history.clear()
    shop.flow.tapped(Tap(other, "coffee-nfc", shop.clock.ms, PROVEN, GUARD if other else None))
    await asyncio.sleep(0)  # the tap is taken, its commit is not back
    assert "Mia" not in str(shop.walls.screens["bar"])
    await shop.settle()
    assert (shop.step(), shop.walls.screens["bar"].dialogue.call_name) == (
        ("offer", "Ben") if other else ("join", None)
    )
    assert "Mia" not in str(shop.walls.history)


async def test_who_taps_elsewhere_has_walked_away(shop: Shop) -> None:
    await shop.tap("mia", "coffee-nfc")
    shop.flow.tapped(Tap("mia", "advice-nfc", shop.clock.ms))
    await asyncio.sleep(0)
    assert shop.step() is None
    await shop.settle()
    await shop.tap("mia", "coffee-nfc")
    await shop.tap("ben", "till-nfc")
    assert (shop.walls.screens["bar"].dialogue.call_name, shop.walls.screens["counter"].dialogue.call_name) == (
        "Mia",
        "Ben",
    )


async def test_something_forged_ends_a_dialogue(shop: Shop) -> None:
    await shop.tap("mia", "coffee-nfc")
    shop.walls.history.clear()
    await shop.tap(None, "coffee-nfc", trouble=Trouble.REFUSED)
    assert shop.step() == "refused"
    await shop.tick(HINT_MS)
    assert shop.step() is None
    assert "Mia" not in str(shop.walls.history)


@pytest.mark.parametrize("trouble", [Trouble.AGAIN, Trouble.UNLOCK])
async def test_a_torn_tap_shows_a_hint_and_gives_the_dialogue_back(shop: Shop, trouble: Trouble) -> None:
    await shop.tap("mia", "coffee-nfc")
    await shop.tap(None, "coffee-nfc", trouble=trouble)
    assert (shop.step(), shop.walls.screens["bar"].level) == (trouble.value, "L1")
    assert "Mia" not in str(shop.walls.screens["bar"])
    await shop.tick(HINT_MS)
    assert (shop.step(), shop.walls.screens["bar"].level) == ("offer", "L3")
    await shop.tap(None, "coffee-nfc", trouble=trouble)
    await shop.tap("mia", "coffee-nfc")  # the second try comes through the hint
    assert shop.step() == "accepted"
    await shop.tap(None, "coffee-nfc", trouble=trouble)
    await shop.tap("ben", "coffee-nfc")
    assert shop.walls.screens["bar"].dialogue.call_name == "Ben"


async def test_a_torn_tap_alone_leaves_nothing(shop: Shop) -> None:
    await shop.tap(None, "coffee-nfc", trouble=Trouble.AGAIN)
    assert shop.step() == "again"
    await shop.tick(HINT_MS)
    assert shop.step() is None
    for reader in ("advice-nfc", "bare-nfc"):
        await shop.tap(None, reader, trouble=Trouble.AGAIN)
    assert await shop.events() == []


async def test_a_torn_tap_right_behind_a_good_one_does_not_undo_it(shop: Shop) -> None:
    shop.flow.tapped(Tap("mia", "till-nfc", shop.clock.ms, PROVEN, GUARD))
    shop.flow.tapped(Tap(None, "till-nfc", shop.clock.ms, trouble=Trouble.AGAIN))
    await shop.settle()
    assert shop.step("counter") == "offer"
    assert shop.flow.sale_at("till-1") is not None


async def test_a_replay_that_is_found_out_late_leaves_the_next_one_alone(shop: Shop) -> None:
    await shop.tap("mia", "coffee-nfc", PROVEN, guard=GUARD)
    shop.flow.tapped(Tap("mia", "coffee-nfc", shop.clock.ms, PROVEN, GUARD))
    shop.flow.tapped(Tap("ben", "coffee-nfc", shop.clock.ms))
    await shop.settle()
    assert shop.walls.screens["bar"].dialogue.call_name == "Ben"


async def test_a_later_tap_wins_whatever_the_disk_does_first(shop: Shop) -> None:
    shop.flow.tapped(Tap("mia", "coffee-nfc", shop.clock.ms, PROVEN, GUARD))  # two commits
    shop.flow.tapped(Tap("ben", "coffee-nfc", shop.clock.ms))  # one
    await shop.settle()
    assert shop.walls.screens["bar"].dialogue.call_name == "Ben"
    assert not any(content.dialogue and content.dialogue.call_name == "Mia" for _, content in shop.walls.history)


async def test_what_is_overtaken_while_the_disk_writes_is_never_shown(shop: Shop) -> None:
    shop.flow.tapped(Tap("mia", "till-nfc", shop.clock.ms))
    shop.flow.tapped(Tap("ben", "till-nfc", shop.clock.ms, PROVEN, GUARD))
    await shop.settle()
    assert shop.walls.screens["counter"].dialogue.call_name == "Ben"
    assert "Mia" not in str(shop.walls.history)
    shop.flow.tapped(Tap("mia", "till-nfc", shop.clock.ms))
    shop.flow.tapped(Tap(None, "till-nfc", shop.clock.ms))
    await shop.settle()
    assert (shop.step("counter"), shop.flow.sale_at("till-1")) == ("join", None)


# --- the second tap says yes ---------------------------------------------------------------------------------


async def test_a_second_tap_is_no_yes_before_anybody_could_read(shop: Shop) -> None:
    await shop.tap("mia", "coffee-nfc")
    before = await shop.events()
    await shop.tick(READ_MS - 1)
    await shop.tap("mia", "coffee-nfc")
    assert shop.step() == "offer"
    assert await shop.events() == before
    await shop.tick(AWAY_MS)
    await shop.tap("mia", "coffee-nfc")
    assert shop.step() == "accepted"
    await shop.tap("mia", "coffee-nfc")
    assert shop.step() == "accepted"


async def test_a_card_that_trembles_says_nothing(shop: Shop) -> None:
    for _ in range(20):
        await shop.tap("mia", "coffee-nfc")
        await shop.tick(450)
    assert shop.step() == "offer"
    assert await shop.types() == ["decision.made"]
    await shop.tap(None, "coffee-nfc", trouble=Trouble.AGAIN)
    await shop.tap("mia", "coffee-nfc")
    assert shop.step() == "offer"
    await shop.tick(AWAY_MS)
    await shop.tap("mia", "coffee-nfc")
    assert shop.step() == "accepted"


async def test_a_step_of_the_clock_is_no_time_to_read(shop: Shop) -> None:
    await shop.tap("mia", "coffee-nfc")
    shop.clock.ms += 10**9
    shop.flow.on_clock_step(10**9)
    await shop.tap("mia", "coffee-nfc")
    assert shop.step() == "offer"


async def test_the_events_say_how_strong_the_proof_was(shop: Shop) -> None:
    await shop.tap("mia", "coffee-nfc", PROVEN)
    await shop.tick(READ_MS)
    await shop.tap("mia", "coffee-nfc", Proof.SIGNED)
    assert (await shop.bodies("decision.made"))[0]["proof"] == "proven"
    assert (await shop.bodies("offer.accepted"))[0]["proof"] == "signed"
    await shop.stand("ben", "coffee-ble", 10)
    await shop.tick()  # the screen is free of the dialogue by now
    assert (await shop.bodies("decision.made"))[-1]["proof"] is None


async def test_a_copy_is_not_offered_what_it_cannot_redeem(shop: Shop) -> None:
    await shop.push(OfferPut(Offer("espresso", TEXT, TEXT, interests=("coffee",), value_cents=501)))
    await shop.tap("mia", "coffee-nfc", Proof.BEARER)
    (decision,) = await shop.bodies("decision.made")
    assert decision["offer_id"] == "loop"
    assert ["espresso", "proof.bearer_limit"] in decision["reasons"]
    await shop.push(ConfigPut(replace(shop.flow.shop, bearer_limit_cents=501)))
    await shop.tick(60_000)
    await shop.tap("mia", "coffee-nfc", Proof.BEARER)
    assert (await shop.bodies("decision.made"))[1]["offer_id"] == "espresso"


async def test_a_copy_does_not_accept_what_only_a_proof_was_offered(shop: Shop) -> None:
    await shop.push(OfferPut(Offer("espresso", TEXT, TEXT, interests=("coffee",), value_cents=501)))
    await shop.tap("mia", "coffee-nfc", PROVEN)
    await shop.tick(READ_MS)
    await shop.tap("mia", "coffee-nfc", Proof.BEARER)
    assert shop.step() == "refused"
    assert shop.health.counts["nfc.refused.proof"] == 1
    assert "offer.accepted" not in await shop.types()
    await shop.tick(HINT_MS)
    assert shop.step() == "offer"  # the one who proved it goes on
    await shop.tap("mia", "coffee-nfc", PROVEN)
    assert shop.step() == "accepted"


# --- the door ------------------------------------------------------------------------------------------------


async def test_the_door_welcomes_and_an_offer_follows(shop: Shop) -> None:
    await shop.tap("mia", "door-nfc")
    view = shop.walls.screens["hall"].dialogue
    assert (view.step, view.call_name, view.slide) == ("welcome", "Mia", None)
    await shop.tick(WELCOME_MS)
    assert (shop.step("hall"), shop.walls.screens["hall"].dialogue.slide.slide_id) == ("offer", "espresso")
    await shop.tap("mia", "door-nfc")  # it came up this moment
    assert shop.step("hall") == "offer"
    await shop.tick(READ_MS)
    await shop.tap("mia", "door-nfc")
    assert shop.step("hall") == "accepted"
    assert (await shop.types()).count("visit.entered") == 1


async def test_the_door_says_no_name_without_consent_to_it(shop: Shop) -> None:
    await shop.push(consent("mia", Purpose.PUBLIC_PERSONAL_GREETING, ConsentState.REFUSED, 5))
    await shop.tap("mia", "door-nfc")
    assert (shop.step("hall"), shop.walls.screens["hall"].dialogue.call_name) == ("welcome", None)
    assert "Mia" not in str(shop.walls.history)


# --- the till ------------------------------------------------------------------------------------------------


async def test_a_tap_at_the_till_says_who_buys(shop: Shop) -> None:
    await shop.tap("mia", "till-nfc", PROVEN)
    assert shop.flow.sale_at("till-1") == ("mia", "proven", shop.flow.shop.sale_ms, None)
    body = {"till": "till-1", "member_id": "mia", "proof": "proven", "receiver": "till-nfc"}
    assert await shop.bodies("sale.identified") == [body]
    assert shop.step("counter") == "offer"
    await shop.tick(READ_MS)
    await shop.tap("mia", "till-nfc", Proof.BEARER)  # accepts, and counts as the tap it is
    assert shop.step("counter") == "accepted"
    assert shop.flow.sale_at("till-1") == ("mia", "bearer", shop.flow.shop.sale_ms, 500)
    assert shop.flow.end_sale("till-1") == "ok"
    assert (shop.flow.sale_at("till-1"), shop.flow.end_sale("till-1")) == (None, "gone")


@pytest.mark.parametrize("other", ["ben", None])
async def test_the_next_tap_at_the_till_ends_the_former_sale_at_once(shop: Shop, other: str | None) -> None:
    await shop.tap("mia", "till-nfc")
    shop.flow.tapped(Tap(other, "till-nfc", shop.clock.ms))
    await asyncio.sleep(0)
    assert shop.flow.sale_at("till-1") is None
    await shop.settle()
    found = shop.flow.sale_at("till-1")
    assert (found and found[0]) == other


@pytest.mark.parametrize(
    ("trouble", "stays"), [(Trouble.AGAIN, True), (Trouble.UNLOCK, True), (Trouble.REFUSED, False)]
)
async def test_a_torn_tap_leaves_the_sale_and_a_refused_one_ends_it(shop: Shop, trouble: Trouble, stays: bool) -> None:
    await shop.tap("mia", "till-nfc")
    await shop.tap(None, "till-nfc", trouble=trouble)
    assert (shop.flow.sale_at("till-1") is not None) == stays


@pytest.mark.parametrize("trouble", [None, Trouble.REFUSED])
async def test_while_somebody_binds_at_the_till_a_strangers_tap_ends_the_sale(
    shop: Shop, trouble: Trouble | None
) -> None:
    await shop.tap("mia", "till-nfc")
    await hold(shop, "ben", "counter")
    token = None if trouble else Token(CredentialKind.PASS, b"loyalty-1")
    await shop.tap(None, "till-nfc", trouble=trouble, token=token)
    assert shop.flow.sale_at("till-1") is None
    assert shop.step("counter") == ("refused" if trouble else "bound")


async def test_while_somebody_binds_the_tills_and_doors_know_their_members(shop: Shop) -> None:
    await hold(shop, "ben", "counter")
    await shop.tap("mia", "till-nfc")
    await shop.tap("ben", "till-nfc", PROVEN, guard=GUARD)
    sale = shop.flow.sale_at("till-1")
    assert sale is not None
    assert sale[0] == "ben"
    assert shop.step("counter") == "hold"
    assert "Mia" not in str(shop.walls.history)
    await hold(shop, "ben", "hall")
    await shop.tap("mia", "door-nfc")
    assert shop.step("hall") == "hold"
    assert [body["via"] for body in await shop.bodies("visit.entered")] == ["door"]
    await shop.tap("mia", "door-nfc", token=Token(CredentialKind.NDEF, b"https://card.example/mia"))
    assert await shop.bodies("credential.bound") == []


async def test_withdrawal_time_and_steps_of_the_clock_at_the_till(shop: Shop) -> None:
    await shop.tap("mia", "till-nfc")
    shop.clock.ms += 10**9
    shop.flow.on_clock_step(10**9)
    assert shop.flow.sale_at("till-1") is not None
    await shop.push(consent("mia", Purpose.RECOGNISE_NFC, ConsentState.WITHDRAWN, 5))
    assert shop.flow.sale_at("till-1") is None
    await shop.tap("ben", "till-nfc")
    await shop.tick(shop.flow.shop.sale_ms)
    assert shop.flow.sale_at("till-1") is None


async def test_a_withdrawal_that_races_a_tap_at_the_till_wins(shop: Shop) -> None:
    shop.flow.tapped(Tap("mia", "till-nfc", shop.clock.ms, PROVEN, GUARD))
    withdrawal = asyncio.ensure_future(shop.push(consent("mia", Purpose.RECOGNISE_NFC, ConsentState.WITHDRAWN, 5)))
    await withdrawal
    await shop.settle()
    assert shop.flow.sale_at("till-1") is None
    assert shop.step("counter") in (None, "join")


@pytest.mark.parametrize("guard", [None, GUARD])
async def test_a_withdrawal_that_the_disk_refuses_overtakes_a_tap(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, guard: Guard | None
) -> None:
    shop.flow.tapped(Tap("mia", "till-nfc", shop.clock.ms, PROVEN, guard))
    await asyncio.sleep(0)
    withdrawal = consent("mia", Purpose.RECOGNISE_NFC, ConsentState.WITHDRAWN, 5)
    delta = Delta(shop.version, shop.version + 1, (withdrawal,))
    with monkeypatch.context() as patch:
        patch.setattr(shop.store, "run", refuse)
        with pytest.raises(StoreError):
            await shop.flow.on_hq_change(delta)
    await shop.settle()
    assert shop.flow.sale_at("till-1") is None
    assert shop.walls.screens["counter"].level != "L3"
    assert "Mia" not in str(shop.walls.history)
    assert len(shop.flow._presence) == 0
    assert await shop.flow.on_hq_change(delta) == "applied"
    await shop.flow.on_hq_change(
        replace(
            delta,
            parent=delta.version,
            version=delta.version + 1,
            changes=(consent("mia", Purpose.RECOGNISE_NFC, ConsentState.GIVEN, 6),),
        )
    )
    await shop.tap("mia", "till-nfc")
    assert shop.flow.sale_at("till-1") is not None


@pytest.mark.parametrize("delta_ms", [-5_000, 3_600_000])  # consent begins 10 s before the start
@pytest.mark.parametrize("guard", [None, GUARD])
async def test_the_clock_may_be_set_while_a_tap_is_written(shop: Shop, guard: Guard | None, delta_ms: int) -> None:
    shop.flow.tapped(Tap("mia", "till-nfc", shop.clock.ms, PROVEN, guard))
    await asyncio.sleep(0)
    shop.clock.ms += delta_ms
    shop.flow.on_clock_step(delta_ms)
    await shop.settle()
    sale, page = shop.flow.sale_at("till-1"), shop.walls.screens["counter"].dialogue
    assert sale is not None
    assert page is not None
    assert (sale[2], page.ttl_ms) == (shop.flow.shop.sale_ms, shop.flow.shop.dialogue_ms)


async def test_the_clock_may_be_set_while_a_code_is_looked_up(shop: Shop) -> None:
    await hold(shop, "ben", "hall")
    shop.flow._stage.open("hall", replace(join("page", shop.clock.ms), step="code"))
    looked_up = asyncio.ensure_future(shop.flow.on_code("hall", "page", "12345674"))
    await asyncio.sleep(0)
    shop.clock.ms -= 3_600_000
    shop.flow.on_clock_step(-3_600_000)
    assert await looked_up == "ok"
    page = shop.walls.screens["hall"].dialogue
    assert page is not None
    assert page.ttl_ms == HOLD_MS


async def test_a_colleague_is_no_customer_at_the_till(shop: Shop) -> None:
    await shop.push(MemberPut(Member("mia", "Mia", staff=True)))
    await shop.tap("mia", "till-nfc")
    assert shop.flow.sale_at("till-1") is None
    assert "sale.identified" not in await shop.types()


async def test_tills_are_those_of_the_readers(shop: Shop) -> None:
    assert shop.flow.tills == {"till-1"}
