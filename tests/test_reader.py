"""drivers.reader: from the card in the field to what is presented, over the real nfcpy and an emulated PN532."""

import asyncio
import itertools
import threading
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from drivers import cards, chip, reader, resolve, tags
from drivers.faults import FaultError, LostError
from drivers.frontend import Frontend
from drivers.reader import Link, Reader
from drivers.talk import Exchange, Found, Outcome, Refused, Talk, Terminal
from gateway.config import NfcTable
from gateway.core.keyring import Held, Keyring, VasKey
from gateway.core.model import CredentialKind, Proof, Token, Trouble
from gateway.emulator.cards import ENDLESS, Spec, classic, phone, type2, type4
from gateway.emulator.chip import Pn532Rig
from gateway.emulator.ndef import applet
from gateway.emulator.udp import UdpCard
from tests.rigs.reading import SETTLE_S, Bench, StandingClock, listening, read_ndef

CARD = tags.encode_uri("https://shop.test/c/1")
OTHER = tags.encode_uri("https://shop.test/c/2")
PHONE = tags.encode_uri("https://shop.test/p/1")
CARD_TOKEN, OTHER_TOKEN, PHONE_TOKEN = (tags.decode(ndef).value for ndef in (CARD, OTHER, PHONE))
UID = "04a1b2c3d4e5f6"
SELECT = bytes.fromhex("00a404000a4f53452e5641532e303100")


@pytest.fixture
def rig() -> Iterator[Pn532Rig]:
    with Pn532Rig() as rig:
        yield rig


@pytest.fixture(autouse=True)
def type_4_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolve, "iso_dep", read_ndef)


def shows(monkeypatch: pytest.MonkeyPatch, *outcomes: Outcome, asks: bytes = SELECT) -> list[bytes]:
    """ISO-DEP cards are asked one question and come to these outcomes in turn, the last one for ever; the UIDs seen."""
    rest = itertools.chain(outcomes, itertools.repeat(outcomes[-1]))
    uids: list[bytes] = []

    def converse(exchange: Exchange, talk: Talk) -> Outcome:
        uids.append(talk.uid)
        exchange(asks)
        return next(rest)

    monkeypatch.setattr(resolve, "iso_dep", converse)
    return uids


def passes(value: bytes) -> Found:
    return Found(Token(CredentialKind.PASS, value), Proof.BEARER)


# --- a tap --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("card", "shown"),
    [
        pytest.param(type2(CARD), CARD_TOKEN, id="type 2"),
        pytest.param(type4(CARD), CARD_TOKEN, id="type 4"),
        pytest.param(phone([applet(PHONE)]), PHONE_TOKEN, id="phone"),
        pytest.param(type4(CARD, ats=b"\x01"), CARD_TOKEN, id="ats without anything"),
        pytest.param(type2(None), None, id="blank type 2"),
        pytest.param(type2(b""), None, id="empty type 2"),
        pytest.param(type4(None), None, id="type 4 without ndef"),
        pytest.param(classic(), None, id="classic"),
        pytest.param(phone([]), None, id="phone without anything of ours"),
    ],
)
async def test_a_tap_is_presented_once_while_the_card_rests(rig: Pn532Rig, card: Spec, shown: bytes | None) -> None:
    async with listening(rig) as bench:
        rig.present(card)
        await bench.taps(1)
        await asyncio.sleep(SETTLE_S)
        assert bench.shown == [shown]


@pytest.mark.parametrize("card", [type2(CARD), type4(CARD)], ids=["type 2", "type 4"])
async def test_a_card_shown_again_counts_again(rig: Pn532Rig, card: Spec) -> None:
    async with listening(rig) as bench:
        for n in (1, 2):
            rig.present(card)
            await bench.taps(n)
            rig.remove()
            await asyncio.sleep(SETTLE_S)
        assert bench.shown == [CARD_TOKEN] * 2


async def test_a_phone_that_blinks_counts_once(rig: Pn532Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cards, "PHONE_HOLD_MS", 600_000)  # longer than any machine makes this test
    monkeypatch.setattr(cards, "STALE_MS", 600_000)
    async with listening(rig) as bench:
        for _ in range(2):
            rig.present(phone([applet(PHONE)]))  # each time with another UID
            await bench.taps(1)
            await asyncio.sleep(SETTLE_S)
            rig.remove()
            await asyncio.sleep(SETTLE_S)
        assert bench.shown == [PHONE_TOKEN]


async def test_twenty_customers_in_a_row(rig: Pn532Rig) -> None:
    shown = [tags.encode_uri(f"https://shop.test/c/{n}") for n in range(20)]
    async with listening(rig) as bench:
        for n, message in enumerate(shown, start=1):
            rig.present(type2(message) if n % 2 else type4(message))
            await bench.taps(n)
            rig.remove()
        assert bench.shown == [tags.decode(message).value for message in shown]


async def test_a_tag_whose_content_changes_with_each_reading_counts_once(
    rig: Pn532Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = itertools.count(1)
    monkeypatch.setattr(
        resolve,
        "iso_dep",
        lambda exchange, talk: Found(Token(CredentialKind.SUN, talk.uid), Proof.SIGNED, next(counts)),
    )
    async with listening(rig) as bench:
        rig.present(type4(CARD))
        await bench.taps(1)
        rig.wedge("asleep")  # it is looked at anew
        await bench.counted("nfc.reader_errors")
        await asyncio.sleep(SETTLE_S)
        assert next(counts) > 2
        assert len(bench.outcomes) == 1


@pytest.mark.parametrize(
    ("card", "switched_on", "shown"),
    [
        pytest.param(type2(None), True, bytes.fromhex(UID), id="blank type 2"),
        pytest.param(classic("5a6b7c8d"), True, bytes.fromhex("5a6b7c8d"), id="classic"),
        pytest.param(type2(None), False, None, id="switched off"),
        pytest.param(phone([]), True, None, id="never a phone's"),
        pytest.param(classic("08a1b2c3"), True, None, id="never a random one"),
        pytest.param(type2(CARD), True, CARD_TOKEN, id="never instead of more"),
        pytest.param(type2(CARD, announce=65_535), True, "half_written", id="nor instead of what was meant"),
    ],
)
async def test_a_number_counts_only_where_it_may(
    rig: Pn532Rig, card: Spec, switched_on: bool, shown: bytes | str | None
) -> None:
    async with listening(rig, NfcTable(chip_numbers=switched_on)) as bench:
        rig.present(card)
        await bench.taps(1)
        await asyncio.sleep(SETTLE_S)
        assert bench.shown == [shown]


# --- cards that leave too early, or cannot be read ------------------------------------------------------------


@pytest.mark.parametrize("card", [type2(CARD), type4(CARD)], ids=["type 2", "type 4"])
async def test_a_card_torn_away_while_it_is_read_is_told_once(rig: Pn532Rig, card: Spec) -> None:
    async with listening(rig) as bench:
        rig.present(card, drop_after=2)
        await bench.taps(1)
        await asyncio.sleep(SETTLE_S)
        assert bench.outcomes == [Refused("torn", Trouble.AGAIN)]
        assert bench.health.counts["nfc.read_failed"] >= 1
        rig.present(card)
        await bench.taps(2)
        assert bench.shown == ["torn", CARD_TOKEN]


async def test_a_card_that_was_only_brushed_is_no_word_worth(rig: Pn532Rig) -> None:
    async with listening(rig) as bench:
        rig.present(type2(CARD), drop_after=0)
        await bench.counted("nfc.read_failed")
        await asyncio.sleep(SETTLE_S)
        assert bench.outcomes == []


@pytest.mark.parametrize("frames", [0, 1, 3, 6])
async def test_wherever_a_card_is_torn_away_nobody_is_taken_for_another(rig: Pn532Rig, frames: int) -> None:
    async with listening(rig, NfcTable(chip_numbers=True)) as bench:
        for card in (type2(CARD), type4(CARD)):
            rig.present(card, drop_after=frames)
            await asyncio.sleep(SETTLE_S)
            rig.remove()
        assert {*bench.shown} <= {CARD_TOKEN, "torn"}
        rig.present(type2(OTHER))
        await bench.until(lambda: OTHER_TOKEN in bench.shown)


@pytest.mark.parametrize("card", [type2(CARD), type4(CARD)], ids=["type 2", "type 4"])
async def test_noise_delays_a_tap_but_does_not_lose_it(rig: Pn532Rig, card: Spec) -> None:
    async with listening(rig) as bench:
        rig.noise(5)
        rig.present(card)
        await bench.until(lambda: CARD_TOKEN in bench.shown)
        await asyncio.sleep(SETTLE_S)
        again, found = bench.shown[:-1], bench.shown[-1]
        assert found == CARD_TOKEN
        assert again in ([], ["unread"])  # a slow machine loses more than the noise, and asks to hold it again


@pytest.mark.parametrize(
    ("card", "reason"),
    [
        pytest.param(type4(CARD, wtx=ENDLESS), "endless", id="waiting time extensions for ever"),
        pytest.param(type4(b"x" * 65_000, cc=bytes.fromhex("000f2000ff00340406e104ffff0000")), "endless", id="64 kB"),
        pytest.param(type2(CARD, announce=65_535), "half_written", id="half written"),
    ],
)
async def test_a_card_without_end_is_given_up_and_told(rig: Pn532Rig, card: Spec, reason: str) -> None:
    async with listening(rig) as bench:
        rig.present(card)
        await bench.taps(1)
        await asyncio.sleep(SETTLE_S)
        (outcome,) = bench.outcomes
        assert isinstance(outcome, Refused)
        assert (outcome.reason, outcome.trouble) == (reason, Trouble.AGAIN)
        rig.present(type2(OTHER, uid="04ffeeddccbbaa"))
        await bench.taps(2)
        assert bench.shown[1] == OTHER_TOKEN


async def test_a_conversation_ends_in_time_whatever_it_asks(rig: Pn532Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = 0

    def curious(exchange: Exchange, talk: Talk) -> Outcome:
        nonlocal asked
        while True:
            exchange(SELECT)
            asked += 1

    monkeypatch.setattr(resolve, "iso_dep", curious)
    async with listening(rig) as bench:
        rig.present(type4(CARD))
        await bench.taps(1)
        assert bench.outcomes == [Refused("endless", Trouble.AGAIN)]
        assert 0 < asked < 1_000


async def test_two_cards_that_spoil_each_other_are_told(rig: Pn532Rig) -> None:
    async with listening(rig) as bench:
        rig.present_both(type2(CARD), type2(OTHER, uid="04ffeeddccbbaa"), garble=1.0)
        await bench.taps(1)
        await asyncio.sleep(SETTLE_S)
        assert bench.outcomes == [Refused("unread", Trouble.AGAIN)]
        rig.present(type2(CARD))
        await bench.taps(2)
        assert bench.shown[1] == CARD_TOKEN


async def test_two_cards_at_once_are_never_mixed(rig: Pn532Rig) -> None:
    async with listening(rig) as bench:
        rig.present_both(type4(CARD), type4(OTHER, uid="04ffeeddccbbaa"), garble=0.3)
        await bench.taps(1)
        await asyncio.sleep(SETTLE_S)
        assert {*bench.shown} <= {CARD_TOKEN, OTHER_TOKEN}


# --- phones --------------------------------------------------------------------------------------------------


async def test_a_wallet_is_let_go_and_not_asked_again_while_it_rests(
    rig: Pn532Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    uids = shows(monkeypatch, passes(b"M-1"))
    async with listening(rig) as bench:
        rig.present(phone([]))
        await bench.taps(1)
        await asyncio.sleep(SETTLE_S)
        assert ("->", b"\xc2") in rig.transcript()
        assert len(uids) == 1
        rig.remove()
        await asyncio.sleep(cards.PHONE_HOLD_MS / 1000 + SETTLE_S)
        rig.present(phone([]))
        await bench.taps(2)
        assert bench.shown == [b"M-1"] * 2


async def test_a_locked_phone_is_asked_again_and_then_shows_its_pass(
    rig: Pn532Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked = Refused("wallet.locked", Trouble.UNLOCK)
    uids = shows(monkeypatch, locked, locked, passes(b"M-1"))
    async with listening(rig) as bench:
        rig.present(phone([]))
        await bench.taps(2)
        assert bench.outcomes == [locked, passes(b"M-1")]
        assert len(set(uids)) == 3  # each time after the field was off


async def test_bad_news_after_a_pass_is_none(rig: Pn532Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cards, "PHONE_HOLD_MS", 600_000)
    shows(monkeypatch, passes(b"M-1"), None)
    async with listening(rig) as bench:
        for _ in range(2):
            rig.present(phone([]))
            await bench.taps(1)
            rig.remove()
            await asyncio.sleep(SETTLE_S)
        assert bench.shown == [b"M-1"]


KEYRING = Keyring([Held("1", 0, None, VasKey("pass.test", ec.derive_private_key(7, ec.SECP256R1())))])


@pytest.mark.parametrize(
    ("switched_on", "keyring", "woken"),
    [(True, KEYRING, True), (False, KEYRING, False), (True, Keyring(), False)],
    ids=["on, with a key", "off", "on, without a key"],
)
async def test_phones_are_woken_only_where_the_shop_reads_their_passes(
    rig: Pn532Rig, monkeypatch: pytest.MonkeyPatch, switched_on: bool, keyring: Keyring, woken: bool
) -> None:
    shows(monkeypatch, passes(b"M-1"))
    async with listening(rig, NfcTable(apple_vas=switched_on)) as bench:
        bench.ears.terminal.keyring = keyring
        rig.present(phone([], listens="ecp"))
        await (bench.taps(1) if woken else asyncio.sleep(SETTLE_S))
        assert bench.shown == [b"M-1"] * woken
        assert {frame for _, frame in rig.ecp} == ({cards.WAKE_VAS} if woken else set())


# --- recovery ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("card", [None, type2(CARD), type4(CARD)], ids=["idle", "type 2 rests", "type 4 rests"])
async def test_unplugged_is_told_and_replugged_it_reads_again(rig: Pn532Rig, card: Spec | None) -> None:
    async with listening(rig) as bench:
        if card is not None:
            rig.present(card)
            await bench.taps(1)
        rig.unplug()
        await bench.is_("down")
        assert bench.part is not None
        assert "unplugged" in bench.part.detail
        assert bench.part.action
        rig.replug()
        await bench.is_("ok")
        await asyncio.sleep(SETTLE_S)
        assert len(bench.outcomes) == (card is not None)  # the card that rested all the time is no new tap
        rig.present(type2(OTHER))
        await bench.until(lambda: OTHER_TOKEN in bench.shown)


async def test_an_unplugged_reader_is_noticed_however_rarely_it_looks(rig: Pn532Rig) -> None:
    for_ever = NfcTable.model_construct(poll_ms=600_000, apple_vas=False, chip_numbers=False)
    async with listening(rig, for_ever) as bench:
        await asyncio.sleep(SETTLE_S)  # now it waits for the next look
        rig.unplug()
        await bench.is_("down")
        rig.replug()
        await bench.is_("ok")


async def test_unplugged_in_the_middle_of_a_tap(rig: Pn532Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = threading.Event()

    def converse(exchange: Exchange, talk: Talk) -> Outcome:
        while True:
            exchange(SELECT)
            asked.set()

    with monkeypatch.context() as patch:
        patch.setattr(resolve, "iso_dep", converse)
        async with listening(rig) as bench:
            rig.present(type4(CARD))
            await bench.until(asked.is_set)
            rig.unplug()
            await bench.is_("down")
            patch.setattr(resolve, "iso_dep", read_ndef)
            rig.replug()
            await bench.taps(1)
            assert bench.shown == [CARD_TOKEN]


async def test_a_reader_that_comes_later_is_found(rig: Pn532Rig) -> None:
    rig.unplug()
    bench = Bench(f"nfc:{rig.path}")
    await bench.is_("down")
    rig.replug()
    await bench.is_("ok")
    await bench.stop()


@pytest.mark.parametrize("how", ["stuck", "asleep", "deaf"])
@pytest.mark.parametrize("resting", [False, True], ids=["idle", "a card rests"])
async def test_a_wedged_chip_is_reset(rig: Pn532Rig, how: str, resting: bool) -> None:
    async with listening(rig) as bench:
        if resting:
            rig.present(type4(CARD))
            await bench.taps(1)
        rig.wedge(how)
        await bench.counted("nfc.reader_errors")
        await asyncio.sleep(SETTLE_S)
        assert len(bench.outcomes) == resting
        rig.present(type2(OTHER))
        await bench.until(lambda: OTHER_TOKEN in bench.shown)
        await bench.is_("ok")
        if how == "asleep":
            assert "nfc.reader_lost" not in bench.health.counts  # it needed only to be woken


@pytest.mark.parametrize("how", ["stuck", "asleep", "deaf"])
async def test_a_chip_that_is_wedged_in_the_middle_of_a_tap_loses_no_tap(
    rig: Pn532Rig, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    def converse(exchange: Exchange, talk: Talk) -> Outcome:
        exchange(SELECT)
        monkeypatch.setattr(resolve, "iso_dep", read_ndef)
        rig.wedge(how)
        exchange(SELECT)
        raise AssertionError("a wedged chip does not answer")

    monkeypatch.setattr(resolve, "iso_dep", converse)
    async with listening(rig) as bench:
        rig.present(type4(CARD))
        await bench.taps(1)
        assert bench.shown == [CARD_TOKEN]


async def test_who_leaves_because_the_chip_hangs_is_asked_to_try_again(
    rig: Pn532Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def converse(exchange: Exchange, talk: Talk) -> Outcome:
        exchange(SELECT)
        rig.wedge("asleep")
        rig.remove()
        exchange(SELECT)
        raise AssertionError("a chip that sleeps does not answer")

    monkeypatch.setattr(resolve, "iso_dep", converse)
    async with listening(rig) as bench:
        rig.present(type4(CARD))
        await bench.taps(1)
        assert bench.outcomes == [Refused("torn", Trouble.AGAIN)]


async def test_a_chip_that_never_answers_is_down_and_tried_ever_more_rarely(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[float] = []
    delays: list[int] = []

    class Dead:
        def __init__(self, *_: object) -> None:
            pass

        def start(self, *_: object) -> None:
            raise LostError("does not answer", "pull the plug")

        def shut(self, politely: bool) -> None:
            opened.append(0)

    monkeypatch.setattr(reader, "Frontend", Dead)
    stop = threading.Event()

    def wait(self: Reader, lost: LostError, delay_ms: int) -> bool:
        delays.append(delay_ms)
        if len(delays) == 9:
            stop.set()
        return len(delays) == 7  # it was plugged in anew

    monkeypatch.setattr(Reader, "_wait_to_open", wait)
    states: list[LostError | None] = []
    link = Link(presented=lambda _: None, count=lambda _: None, state=states.append)
    Reader("usb:1", None, Terminal("", StandingClock(), bytes), link, stop).run()
    assert delays == [200, 400, 800, 1600, 3200, 5000, 5000, 200, 400]
    assert len(opened) == len(states) == 9
    assert None not in states


# --- many readers, other readers -----------------------------------------------------------------------------


async def test_readers_tapped_together_do_not_wait_for_each_other() -> None:
    with Pn532Rig() as one, Pn532Rig() as other:
        async with listening(one) as first, listening(other) as second:
            one.present(type4(CARD, wtx=ENDLESS))  # keeps its reader busy for seconds
            await asyncio.sleep(SETTLE_S)
            other.present(type4(OTHER))
            await second.taps(1)
            assert second.shown == [OTHER_TOKEN]
            assert first.shown == []


async def test_the_event_loop_does_no_work_of_a_reader(rig: Pn532Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: set[str] = set()

    def converse(exchange: Exchange, talk: Talk) -> Outcome:
        threads.add(threading.current_thread().name)
        return read_ndef(exchange, talk)

    monkeypatch.setattr(resolve, "iso_dep", converse)
    async with listening(rig) as bench:
        rig.present(type4(CARD))
        await bench.taps(1)
    assert threads == {"nfc-till"}


@pytest.mark.parametrize("card", [type2(CARD), type4(CARD)], ids=["type 2", "type 4"])
async def test_a_reader_simulated_over_udp(card: Spec) -> None:
    with UdpCard(None) as simulated:
        bench = Bench(f"nfc:{simulated.path}")
        await bench.is_("ok")
        for n in (1, 2):
            simulated.present(card)
            await bench.taps(n)
            await asyncio.sleep(SETTLE_S)
            simulated.present(None)
            await asyncio.sleep(SETTLE_S)
        assert bench.shown == [CARD_TOKEN] * 2
        await bench.stop()


async def test_a_quiet_reader_lets_the_chip_watch_and_misses_nobody(
    rig: Pn532Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "QUIET_MS", 0)
    monkeypatch.setattr(reader, "WATCH_MS", 300)
    async with listening(rig) as bench:
        for n, (card, token) in enumerate([(type2(CARD), CARD_TOKEN), (type4(OTHER), OTHER_TOKEN)] * 3, 1):
            rig.remove()
            await asyncio.sleep(0.2 * n)  # in the middle of a watch, at its end, between two
            rig.present(card)
            await bench.taps(n)
            assert bench.shown[-1] == token
        assert not bench.health.counts.get("nfc.reader_errors")


async def test_a_chip_that_watches_is_asked_a_tenth_as_much(rig: Pn532Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    async def asked(seconds: float = 2.0) -> int:
        before = sum(rig.host_commands().values())
        await asyncio.sleep(seconds)
        return sum(rig.host_commands().values()) - before

    monkeypatch.setattr(reader, "QUIET_MS", 600_000)
    async with listening(rig):
        polled = await asked()
    monkeypatch.setattr(reader, "QUIET_MS", 0)
    async with listening(rig):
        assert await asked() < polled / 2, "a loaded machine polls more rarely than it should"


@pytest.mark.parametrize("how", ["does not wait", "sleeps through it", "fails"])
async def test_a_chip_that_cannot_watch_is_polled_as_before(
    rig: Pn532Rig, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    watched: list[int] = []

    def watch(self: Frontend, ms: int) -> bool | None:
        watched.append(ms)
        if how == "fails":
            raise FaultError
        return None if how == "does not wait" else False

    monkeypatch.setattr(Frontend, "watch", watch)
    monkeypatch.setattr(reader, "QUIET_MS", 0)
    async with listening(rig) as bench:
        await bench.until(lambda: len(watched) >= reader.DOUBTS_MAX)
        for n in range(1, reader.DOUBTS_MAX + 1):
            rig.present(type2(CARD if n % 2 else OTHER))
            await bench.taps(n)
            rig.remove()
            await asyncio.sleep(0.3)  # until it was seen that the card left
        watched.clear()
        await asyncio.sleep(0.3)
        assert not watched
        rig.present(type2(OTHER))
        await bench.taps(reader.DOUBTS_MAX + 1)


@pytest.mark.parametrize("how", ["stuck", "asleep", "deaf"])
async def test_a_chip_that_is_wedged_while_it_watches_is_reset(
    rig: Pn532Rig, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(reader, "QUIET_MS", 0)
    monkeypatch.setattr(reader, "WATCH_MS", 300)
    async with listening(rig) as bench:
        await asyncio.sleep(0.3)
        rig.wedge(how)
        rig.present(type2(CARD))
        await bench.taps(1)
        assert bench.shown == [CARD_TOKEN]


def test_bounds_keep_their_order() -> None:
    assert reader.QUIET_MS > cards.PHONE_HOLD_MS
    assert reader.WATCH_MS + (reader.FAULTS_MAX + 1) * chip.CHIP_MS + reader.SETTLE_MS < 4_000
    assert reader.FAULTS_MAX * chip.CHIP_MS + 6 * chip.CHIP_MS + 3 * chip.RATE_MS < 5_000
    assert reader.ABSENT_MS < 1_000
    assert reader.READ_MS < 10_000
    assert NfcTable().poll_ms + 50 < cards.PHONE_HOLD_MS


@pytest.mark.parametrize("baud", [230_400, 460_800, 921_600])
async def test_a_line_may_run_faster_where_the_operator_says_so(rig: Pn532Rig, baud: int) -> None:
    bench = Bench(f"nfc:{rig.path}?baud={baud}")
    await bench.is_("ok")
    assert rig.baud == baud
    rig.present(type2(CARD))
    await bench.taps(1)
    assert bench.shown == [CARD_TOKEN]
    rig.unplug()
    await bench.is_("down")
    rig.replug()
    await bench.is_("ok")
    assert rig.baud == baud
    await bench.stop()
