"""drivers.pcsc: the real pyscard and pcscd with a virtual reader where they are installed, else a scripted `scard`."""

import asyncio
import builtins
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from drivers import pcsc, tags
from drivers.ears import Ears
from drivers.pcsc import Desk, LostError, PcscSource
from drivers.talk import Found, Outcome, Refused, Terminal
from gateway.config import SourceTable
from gateway.core.model import CredentialKind, Proof, Token
from gateway.errors import ConfigError
from gateway.health import Health
from tests.rigs import vpcd

LIMIT_S = 30
MESSAGE = tags.encode_uri("https://shop.test/c/1")
OURS = Found(Token(CredentialKind.NDEF, b"https://shop.test/c/1"), Proof.BEARER)

CC_FILE, NDEF_FILE = bytes.fromhex("e103"), bytes.fromhex("e104")
CC = bytes.fromhex("000f2000ff00ff0406e10400ff0000")

rigged = pytest.mark.skipif(bool(vpcd.missing()), reason=vpcd.missing() or "installed")


class MovingClock:
    speed = 1.0

    def __init__(self) -> None:
        self.at_ms = 1_000_000

    def now_ms(self) -> int:
        return self.at_ms

    async def sleep(self, ms: float) -> None:
        await asyncio.sleep(0)


class RecordingEars(Ears):
    def __init__(self) -> None:
        self.terminal = Terminal("test/shop", MovingClock(), bytes)
        self.shown: list[Outcome] = []

    def presented(self, reader: str, outcome: Outcome) -> None:
        self.shown.append(outcome)


class Counter:
    """One source that runs, and what it delivered."""

    def __init__(self) -> None:
        self.ears, self.health, self.clock = RecordingEars(), Health(), MovingClock()
        table = SourceTable(path="pcsc:Virtual PCD 00 00", receiver="till")
        self.task = asyncio.create_task(PcscSource(table, self.ears, self.clock, self.health).run())

    @property
    def state(self) -> str:
        return self.health.parts[0].state if self.health.parts else ""

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(LIMIT_S):
            while not condition():
                if self.task.done():
                    self.task.result()
                await asyncio.sleep(0.01)


@asynccontextmanager
async def counter() -> AsyncIterator[Counter]:
    opened = Counter()
    try:
        yield opened
    finally:
        opened.task.cancel()
        with suppress(asyncio.CancelledError):
            await opened.task
        for thread in [one for one in threading.enumerate() if one.name == "pcsc-till"]:
            thread.join(LIMIT_S)  # its last act is to say that it ends
            assert not thread.is_alive()


@pytest.fixture
def service() -> Iterator[vpcd.Pcscd]:
    with vpcd.Pcscd() as running:
        yield running


class Type4:
    """An NDEF application, as a card in a PC/SC reader shows it; the reader itself answers for the UID."""

    def __init__(self) -> None:
        self._files = {CC_FILE: CC, NDEF_FILE: len(MESSAGE).to_bytes(2, "big") + MESSAGE}
        self._file = b""

    def __call__(self, apdu: bytes) -> bytes:
        if apdu[:4] == b"\xff\xca\x00\x00":
            return bytes.fromhex("041122334455669000")
        if apdu[:5].hex() == "00a4040007" and apdu[5:12].hex() == "d2760000850101":
            return b"\x90\x00"
        if apdu[:5].hex() == "00a4000c02" and apdu[5:7] in self._files:
            self._file = self._files[apdu[5:7]]
            return b"\x90\x00"
        if apdu[:2] == b"\x00\xb0" and self._file:
            at = int.from_bytes(apdu[2:4], "big")
            return self._file[at : at + (apdu[4] or 256)] + b"\x90\x00"
        return b"\x6a\x82"


@rigged
async def test_a_card_is_read_once_while_it_rests_and_again_when_it_comes_back(service: vpcd.Pcscd) -> None:
    async with counter() as one:
        await one.until(lambda: one.state == "ok")
        for taps in (1, 2):
            one.clock.at_ms += 10_000
            with vpcd.Card(Type4()):
                await one.until(lambda taps=taps: len(one.ears.shown) == taps)
                await asyncio.sleep(3 * pcsc.WAIT_MS / 1000)
            await asyncio.sleep(3 * pcsc.WAIT_MS / 1000)
        assert one.ears.shown == [OURS, OURS]


@rigged
async def test_a_card_torn_away_is_told(service: vpcd.Pcscd) -> None:
    async with counter() as one:
        await one.until(lambda: one.state == "ok")
        gone = threading.Event()

        def leaves(apdu: bytes) -> bytes:
            gone.set()
            raise ConnectionError

        with vpcd.Card(leaves):
            await one.until(gone.is_set)
        await one.until(lambda: bool(one.ears.shown))
        assert isinstance(one.ears.shown[0], Refused)
        assert one.ears.shown[0].reason == "torn"


@rigged
async def test_a_restart_of_the_service_is_survived(service: vpcd.Pcscd) -> None:
    async with counter() as one:
        await one.until(lambda: one.state == "ok")
        service.stop()
        await one.until(lambda: one.state == "down")
        assert one.health.parts[0].action
        service.start()
        await one.until(lambda: one.state == "ok")
        with vpcd.Card(Type4()):
            await one.until(lambda: bool(one.ears.shown))
        assert one.ears.shown == [OURS]


class Script:
    """pyscard's `scard` as far as Desk uses it, with what each call returns."""

    SCARD_SCOPE_SYSTEM, SCARD_SHARE_EXCLUSIVE, SCARD_PROTOCOL_T0, SCARD_PROTOCOL_T1 = 2, 1, 1, 2
    SCARD_E_TIMEOUT, SCARD_E_NO_READERS_AVAILABLE, SCARD_UNPOWER_CARD = 0x0A, 0x2E, 2
    SCARD_STATE_UNKNOWN, SCARD_STATE_UNAVAILABLE, SCARD_STATE_CHANGED = 0x04, 0x08, 0x02
    SCARD_STATE_PRESENT, SCARD_STATE_MUTE = 0x20, 0x200

    def __init__(self, **replies: Any) -> None:
        self._replies = replies
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*args: object) -> Any:
            self.calls.append(name)
            return self._replies[name]

        return call


READERS = {"SCardEstablishContext": (0, 7), "SCardListReaders": (0, ["ACME Reader 00 00"]), "SCardReleaseContext": 0}


def test_the_reader_is_found_by_a_part_of_its_name() -> None:
    assert Desk(Script(**READERS), "ACME").find() == "ACME Reader 00 00"


@pytest.mark.parametrize(
    ("replies", "step"),
    [
        (READERS | {"SCardEstablishContext": (1, None)}, "pcscd"),
        (READERS | {"SCardListReaders": (1, [])}, "pcscd"),
        (READERS | {"SCardListReaders": (0x2E, [])}, "Plug the reader in"),
        (READERS | {"SCardListReaders": (0, ["Another 00 00"])}, "Plug the reader in"),
    ],
)
def test_a_reader_that_is_not_there_says_what_to_do(replies: dict[str, Any], step: str) -> None:
    with pytest.raises(LostError) as lost:
        Desk(Script(**replies), "ACME").find()
    assert step in lost.value.action


def test_a_tag_without_apdus_is_read_block_by_block() -> None:
    memory = bytes(12) + bytes.fromhex("e1101200") + b"\x03" + bytes([len(MESSAGE)]) + MESSAGE + b"\xfe" + bytes(64)

    class Storage(Script):
        def SCardTransmit(self, card: int, protocol: int, apdu: list[int]) -> tuple[int, list[int]]:  # noqa: N802 - its name
            if apdu[1] == 0xCA:
                return 0, [*bytes.fromhex("04a1b2c3d4e5f6"), 0x90, 0x00]
            at = apdu[3] * 4
            return 0, [*memory[at : at + 16], 0x90, 0x00]

    storage_atr = list(bytes.fromhex("3b8f8001804f0ca0000003060300030000000068"))
    desk = Desk(
        Storage(**READERS, SCardConnect=(0, 1, 2), SCardStatus=(0, "", 0, 0, storage_atr), SCardDisconnect=0),
        "",
    )
    desk.find()
    assert desk.ask("ACME Reader 00 00", Terminal("test/shop", MovingClock(), bytes)) == OURS


@pytest.mark.parametrize("connect", [(1, 0, 0), (0, 1, 2)])
def test_a_card_that_left_is_torn(connect: tuple[int, int, int]) -> None:
    desk = Desk(
        Script(
            **READERS, SCardConnect=connect, SCardStatus=(0, "", 0, 0, []), SCardTransmit=(1, []), SCardDisconnect=0
        ),
        "",
    )
    desk.find()
    torn = desk.ask("ACME Reader 00 00", Terminal("test/shop", MovingClock(), bytes))
    assert isinstance(torn, Refused)
    assert torn.reason == "torn"


def test_the_thread_keeps_nothing_of_a_card_while_it_waits_for_the_next() -> None:
    stop, shown, kept = threading.Event(), [], []

    class Once:
        def find(self) -> str:
            return "reader"

        def wait(self, reader: str, state: int) -> int:
            if shown:
                values = sys._getframe(1).f_locals.values()  # the frame that waits, perhaps for hours
                kept.extend(value for value in values if isinstance(value, Found))
                stop.set()
            return 0 if state else 1

        def is_card(self, state: int) -> bool:
            return bool(state)

        def ask(self, reader: str, terminal: Terminal) -> Outcome:
            return Found(Token(CredentialKind.PASS, b"5eed0815"), Proof.BEARER)

        def release(self) -> None:
            pass

    clock = MovingClock()
    terminal = Terminal("test/shop", clock, bytes)
    pcsc.listen(Once(), terminal, clock, stop, lambda lost: None, shown.append)
    assert len(shown) == 1
    assert kept == []


def test_without_pyscard_the_operator_learns_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    imported = builtins.__import__

    def without(name: str, *args: Any) -> Any:
        if name == "smartcard":
            raise ImportError(name)
        return imported(name, *args)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError, match="pcsc"):
        PcscSource(SourceTable(path="pcsc:", receiver="till"), RecordingEars(), MovingClock(), Health())
