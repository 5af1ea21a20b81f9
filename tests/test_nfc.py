"""drivers.nfc: the real nfcpy against a PN532 chip on a pseudo-terminal, from the card to `touched`."""

import asyncio
import logging
import os
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import nfc as nfcpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers import cards, chip, nfc, tags
from drivers.ears import Ears
from drivers.nfc import NfcSource
from gateway.config import SourceTable
from gateway.emulator.cards import Spec, classic, type2, type4
from gateway.emulator.chip import Pn532Rig
from gateway.errors import ConfigError, UnavailableError
from gateway.health import Health

LIMIT_S = 60  # a loaded CI machine may need many readings; an idle one needs 0.1 s
SETTLE_S = 0.6  # eight looks: long enough for a second delivery to show, or a removal to be noticed

CARD = tags.encode_uri("https://shop.test/c/1")
PHONE = tags.encode_uri("https://shop.test/p/1")


class StandingClock:
    speed = 1.0

    def now_ms(self) -> int:
        return 1_000

    async def sleep(self, ms: float) -> None:
        await asyncio.sleep(ms / 1000)


class RecordingEars(Ears):
    def __init__(self) -> None:
        self.taps: list[tuple[str, bytes | None]] = []

    def touched(self, reader: str, ndef: bytes | None) -> None:
        assert threading.current_thread() is threading.main_thread()
        self.taps.append((reader, ndef))


class Bench:
    """One source that runs, and what it delivered."""

    def __init__(self, path: str) -> None:
        self.ears = RecordingEars()
        self.health = Health()
        table = SourceTable(path=path, receiver="till")
        self.source = NfcSource(table, self.ears, StandingClock(), self.health)
        self.task = asyncio.create_task(self.source.run())

    @property
    def messages(self) -> list[bytes | None]:
        return [ndef for _, ndef in self.ears.taps]

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(LIMIT_S):
            while not condition():
                if self.task.done():
                    self.task.result()
                await asyncio.sleep(0.005)

    async def taps(self, n: int) -> None:
        await self.until(lambda: len(self.ears.taps) >= n)

    async def open(self) -> None:
        await self.until(lambda: bool(self.health.parts))

    async def stop(self) -> None:
        self.task.cancel()
        with suppress(asyncio.CancelledError, UnavailableError):
            await self.task


@pytest.fixture
def rig() -> Iterator[Pn532Rig]:
    with Pn532Rig() as rig:
        yield rig


@asynccontextmanager
async def listening(rig: Pn532Rig) -> AsyncIterator[Bench]:
    bench = Bench(f"nfc:{rig.path}")
    try:
        await bench.open()
        yield bench
    finally:
        await bench.stop()


def no_reader_threads() -> bool:
    """Waits, because a thread reports its end a moment before it has ended."""
    threads = [thread for thread in threading.enumerate() if thread.name.startswith("nfc-")]
    for thread in threads:
        thread.join(LIMIT_S)
    return not any(thread.is_alive() for thread in threads)


async def test_an_open_reader_is_healthy(rig: Pn532Rig) -> None:
    async with listening(rig) as bench:
        (part,) = bench.health.parts
        assert (part.name, part.state) == ("receiver:till", "ok")


@pytest.mark.parametrize(
    ("card", "ndef"),
    [
        pytest.param(type2(CARD), CARD, id="type 2"),
        pytest.param(type4(CARD), CARD, id="type 4"),
        pytest.param(type4(PHONE, uid=None), PHONE, id="phone"),
        pytest.param(type4(CARD, ats=b"\x01"), CARD, id="ats without anything"),
        pytest.param(type4(CARD, ats=bytes.fromhex("0328a0")), CARD, id="ats with tb only"),
        pytest.param(type2(None), None, id="blank type 2"),
        pytest.param(type2(b""), None, id="empty type 2"),
        pytest.param(type4(None), None, id="type 4 without ndef"),
        pytest.param(classic(), None, id="classic"),
    ],
)
async def test_a_tap_is_delivered_once_while_the_card_rests(rig: Pn532Rig, card: Spec, ndef: bytes | None) -> None:
    async with listening(rig) as bench:
        rig.present(card)
        await bench.taps(1)
        await asyncio.sleep(SETTLE_S)
        assert bench.ears.taps == [("till", ndef)]


async def test_a_long_message_comes_whole(rig: Pn532Rig) -> None:
    message = tags.encode_text("x" * 600)
    async with listening(rig) as bench:
        rig.present(type4(message, cc=bytes.fromhex("000f2000ff00340406e10408000000")))  # answers of 255 bytes: chained
        await bench.taps(1)
        assert bench.messages == [message]


async def test_a_card_shown_again_counts_again(rig: Pn532Rig) -> None:
    async with listening(rig) as bench:
        for n in (1, 2):
            rig.present(type2(CARD))
            await bench.taps(n)
            rig.remove()
            await asyncio.sleep(SETTLE_S)
        assert bench.messages == [CARD, CARD]


async def test_a_phone_that_blinks_counts_once(rig: Pn532Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cards, "PHONE_HOLD_MS", 600_000)  # longer than any machine makes this test
    async with listening(rig) as bench:
        for _ in range(2):
            rig.present(type4(PHONE, uid=None))  # each time with another UID
            await bench.taps(1)
            await asyncio.sleep(SETTLE_S)
            rig.remove()
            await asyncio.sleep(SETTLE_S)
        assert bench.messages == [PHONE]


async def test_twenty_customers_in_a_row(rig: Pn532Rig) -> None:
    shown = [tags.encode_uri(f"https://shop.test/c/{n}") for n in range(20)]
    async with listening(rig) as bench:
        for n, message in enumerate(shown, start=1):
            rig.present(type2(message) if n % 2 else type4(message))
            await bench.taps(n)
            rig.remove()
        assert bench.messages == shown


@pytest.mark.parametrize("card", [type2(CARD), type4(CARD)], ids=["type 2", "type 4"])
async def test_pulled_away_while_read_is_counted_and_the_next_tap_works(rig: Pn532Rig, card: Spec) -> None:
    async with listening(rig) as bench:
        rig.present(card, drop_after=2)
        await bench.until(lambda: bench.health.counts.get("nfc.read_failed", 0) > 0)
        assert bench.ears.taps == []
        rig.present(card)
        await bench.taps(1)
        assert bench.messages == [CARD]


@pytest.mark.parametrize("card", [type2(CARD), type4(CARD)], ids=["type 2", "type 4"])
async def test_noise_delays_a_tap_but_does_not_lose_it(rig: Pn532Rig, card: Spec) -> None:
    async with listening(rig) as bench:
        rig.noise(2)
        rig.present(card)
        await bench.taps(1)
        assert bench.messages == [CARD]


async def test_a_card_without_end_is_given_up(rig: Pn532Rig) -> None:
    async with listening(rig) as bench:
        rig.present(type4(CARD, endless=True))
        await bench.until(lambda: bench.health.counts.get("nfc.read_failed", 0) > 0)
        rig.present(type2(CARD))
        await bench.taps(1)
        assert bench.messages == [CARD]


async def test_unplugged_is_unavailable_and_a_new_reader_works(rig: Pn532Rig) -> None:
    async with listening(rig) as bench:
        rig.present(type2(CARD))
        await bench.taps(1)
        rig.unplug()
        with pytest.raises(UnavailableError):
            async with asyncio.timeout(LIMIT_S):
                await bench.task
        (part,) = bench.health.parts
        assert part.state == "down"
        assert part.action
    assert no_reader_threads()
    with Pn532Rig() as other:
        async with listening(other) as bench:
            other.present(type4(CARD))
            await bench.taps(1)
            assert bench.messages == [CARD]


async def test_the_same_reader_can_be_opened_again(rig: Pn532Rig) -> None:
    for _ in range(2):
        async with listening(rig):
            pass
    assert rig.baud == chip.BAUD


async def test_a_chip_left_at_another_rate_is_rescued() -> None:
    with Pn532Rig(baud=460_800) as rig:
        async with listening(rig) as bench:
            rig.present(type2(CARD))
            await bench.taps(1)
        assert rig.baud == chip.BAUD


@pytest.mark.parametrize("card", [None, type2(CARD), type4(CARD)], ids=["idle", "type 2 rests", "type 4 rests"])
async def test_stop_leaves_no_thread(rig: Pn532Rig, card: Spec | None) -> None:
    async with listening(rig) as bench:
        if card is not None:
            rig.present(card)
            await bench.taps(1)
        bench.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await bench.task
    assert no_reader_threads()


async def test_nfcpy_tells_our_log_nothing(rig: Pn532Rig, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.NOTSET)
    async with listening(rig) as bench:
        rig.present(type4(CARD))
        await bench.taps(1)
        rig.unplug()
        with suppress(UnavailableError):
            await bench.task
    assert [record.name for record in caplog.records if record.name.startswith("nfc")] == []


async def test_no_reader_is_unavailable_with_a_next_step() -> None:
    bench = Bench("nfc:/dev/no-such-reader")
    with pytest.raises(UnavailableError, match="/dev/no-such-reader"):
        await bench.task
    (part,) = bench.health.parts
    assert (part.state, bool(part.action)) == ("down", True)


async def test_a_line_without_a_chip_is_unavailable() -> None:
    master, slave = os.openpty()
    try:
        bench = Bench(f"nfc:{os.ttyname(slave)}")
        with pytest.raises(UnavailableError, match="does not answer"):
            await bench.task
    finally:
        os.close(master)
        os.close(slave)


async def test_a_reader_in_use_is_unavailable(rig: Pn532Rig) -> None:
    async with listening(rig):
        second = Bench(f"nfc:{rig.path}")
        with pytest.raises(UnavailableError, match="Another program"):
            await second.task


async def test_other_readers_are_opened_by_nfcpy() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        bench = Bench(f"nfc:udp:127.0.0.1:{silent.getsockname()[1]}")
        await bench.open()
        await bench.stop()
    assert bench.health.state == "ok"


@pytest.mark.parametrize("path", ["nfc:", "nfc:tty", "nfc:bluetooth:1", "nfc:udp:host:port", "nfc:tty:AMA0:pn532?x=1"])
def test_paths_that_name_no_reader_are_refused(path: str) -> None:
    with pytest.raises(ConfigError):
        NfcSource(SourceTable(path=path, receiver="till"), RecordingEars(), StandingClock(), Health())


@pytest.mark.parametrize(
    ("target", "port"),
    [
        ("/dev/pts/5", "/dev/pts/5"),
        ("tty:AMA0:pn532", "/dev/ttyAMA0"),
        ("tty:USB12:pn532", "/dev/ttyUSB12"),
        ("tty:serial0:pn532", "/dev/serial0"),
        ("tty:USB:pn532", None),  # nfcpy searches
        ("tty:USB0:arygon", None),
        ("usb:072f:2200", None),
        ("udp:localhost:54321", None),
    ],
)
def test_serial_ports_that_we_open_ourselves(target: str, port: str | None) -> None:
    assert nfc.serial_port(target) == port
    NfcSource(SourceTable(path=f"nfc:{target}", receiver="till"), RecordingEars(), StandingClock(), Health())


def test_readers_are_device_nodes() -> None:
    assert all(os.path.exists(path) for path in nfc.readers())  # noqa: PTH110


def test_bounds_keep_their_order() -> None:
    assert nfc.IDLE_MS > 30
    assert nfc.READ_MS < nfc.STOP_MS
    assert 2 * chip.USB_SERIAL_MS + 10 * chip.CHIP_MS < nfc.STOP_MS
    assert nfc.PRESENCE_MS + 2 * nfc.IDLE_MS < cards.PHONE_HOLD_MS


class HostileCard:
    """nfcpy's device driver with a card that answers as it likes."""

    def __init__(self, sel_res: int, answers: list[bytes | None]) -> None:
        self._sel_res = sel_res
        self._answers = iter(answers)

    def mute(self) -> None:
        pass

    def sense_tta(self, target: Any) -> Any:
        return nfcpy.clf.RemoteTarget(
            "106A",
            sens_res=bytearray(b"\x44\x00"),
            sel_res=bytearray([self._sel_res]),
            sdd_res=bytearray(b"\x04abcdef"),
        )

    def send_cmd_recv_rsp(self, target: Any, data: bytes, timeout: float) -> bytearray:
        answer = next(self._answers, None)
        if answer is None:
            raise nfcpy.clf.TimeoutError
        return bytearray(answer)

    def get_max_send_data_size(self, target: Any) -> int:
        return 263

    def get_max_recv_data_size(self, target: Any) -> int:
        return 262


pieces = st.one_of(
    st.none(),
    st.binary(max_size=20),
    st.binary(min_size=16, max_size=16),
    st.sampled_from([bytes.fromhex("e1101200"), bytes.fromhex("0578807002"), b"\x00", b"\x0a"]),
    st.tuples(st.sampled_from([b"\x02", b"\x03", b"\x12", b"\xf2\x01", b"\xa2"]), st.binary(max_size=16)).map(
        lambda parts: parts[0] + parts[1] + b"\x90\x00"
    ),
)


@settings(deadline=None)
@given(st.sampled_from([0x00, 0x08, 0x20, 0x40, 0x60]), st.lists(pieces, max_size=30))
def test_whatever_a_card_answers_reading_it_ends(sel_res: int, answers: list[bytes | None]) -> None:
    clf = nfc._Frontend(threading.Event())
    clf.device = HostileCard(sel_res, answers)
    try:
        tag, ndef = nfc._read(clf, clf.find())
        assert ndef is None or isinstance(ndef, bytes)
        clf.answers(tag)
    except nfc._GaveUpError:
        pass
