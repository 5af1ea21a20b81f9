"""Readers through PC/SC (pcscd): the optional extra `pcsc`, pyscard's low-level interface in a thread of its own.

pcscd and nfcpy cannot share a reader: use one or the other.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import ModuleType
from typing import Any, NoReturn

from drivers import resolve, type2
from drivers.ears import Ears
from drivers.talk import CardGoneError, Outcome, Refused, Rest, Terminal
from gateway.config import SourceTable
from gateway.core.model import Trouble
from gateway.core.ports import Clock
from gateway.errors import ConfigError
from gateway.health import Health

# pcscd tells of changes by itself; this is how often we look up to see whether we are to stop.
WAIT_MS = 200
# Without a reader, or with a pcscd that is being restarted.
AGAIN_S = 0.5
# From "stop" to a closed context: at worst one conversation. The thread is a daemon.
STOP_S = 3.0
# One card's conversation: Smart Tap in chunks needs nine, 8 KiB of NDEF read 59 bytes at a time 140.
EXCHANGES_MAX = 200

GET_UID = bytes.fromhex("ffca000000")
STORAGE_CARD = bytes.fromhex("a000000306")  # in the ATR of a card without APDUs of its own (PC/SC part 3, 3.1.3.2.3)

# From a checkout, which is how this program is installed; docs/readers.md has what Debian needs for it.
INSTALL = (
    "sudo apt install pcscd swig libpcsclite-dev gcc python3-dev, then in the checkout: "
    '.venv/bin/pip install -c constraints.txt -e ".[pcsc]"'
)
_NO_READER = "Plug the reader in; `pcsc_scan` shows what pcscd sees."
_NO_DAEMON = "Start the PC/SC service: sudo systemctl enable --now pcscd.socket"

Say = Callable[["LostError | None"], None]
Shown = Callable[[Outcome], None]


class LostError(Exception):
    """The reader or pcscd is not there; `action` says what a person can do."""

    def __init__(self, detail: str, action: str) -> None:
        super().__init__(detail)
        self.action = action


class PcscSource:
    """`pcsc:` or `pcsc:PART OF A READER'S NAME`. Raises ConfigError where pyscard is not installed."""

    def __init__(self, table: SourceTable, ears: Ears, clock: Clock, health: Health) -> None:
        if table.options:
            raise ConfigError(f"{table.path}: a pcsc: path takes no options")
        self._desk = Desk(_scard(table.path), table.target)
        self._reader = table.receiver or ""
        self._ears = ears
        self._clock = clock
        self._health = health

    async def run(self) -> NoReturn:
        """Read cards until cancelled, also through unplugging and restarts of pcscd."""
        loop = asyncio.get_running_loop()
        stop, ended = threading.Event(), asyncio.Event()

        def post(call: Callable[..., object], *args: object) -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody is left to hear
                loop.call_soon_threadsafe(call, *args)

        def present(outcome: Outcome) -> None:
            if not stop.is_set():
                self._ears.presented(self._reader, outcome)

        def work() -> None:
            try:
                listen(
                    self._desk,
                    self._ears.terminal,
                    self._clock,
                    stop,
                    lambda lost: post(self._set_health, lost),
                    lambda outcome: post(present, outcome),
                )
            finally:
                post(ended.set)

        threading.Thread(target=work, name=f"pcsc-{self._reader}", daemon=True).start()
        try:
            await ended.wait()
            raise RuntimeError("the reader's thread ended by itself")
        finally:
            stop.set()
            with suppress(TimeoutError):
                async with asyncio.timeout(STOP_S):
                    await ended.wait()

    def _set_health(self, lost: LostError | None) -> None:
        now_ms, part = self._clock.now_ms(), f"receiver:{self._reader}"
        if lost is None:
            self._health.set(part, "ok", now_ms, "the card reader listens")
        else:
            self._health.set(part, "down", now_ms, str(lost), lost.action)


def _scard(path: str) -> ModuleType:
    try:
        from smartcard import scard
    except ImportError as error:
        raise ConfigError(f"{path}: needs the extra `pcsc`, which is not installed: {INSTALL}") from error
    module: ModuleType = scard
    return module


def listen(desk: "Desk", terminal: Terminal, clock: Clock, stop: threading.Event, say: Say, shown: Shown) -> None:
    """What the thread does: find the reader, report each card once, begin again when the reader is lost."""
    rest = Rest()
    while not stop.is_set():
        try:
            reader = desk.find()
            say(None)
            state = 0
            while not stop.is_set():
                before, state = state, desk.wait(reader, state)
                if desk.is_card(state) and (not desk.is_card(before) or desk.events(state) != desk.events(before)):
                    outcome = desk.ask(reader, terminal)
                    if rest.is_new(outcome, clock.now_ms()):
                        shown(outcome)
                    del outcome  # a stranger's would stay until the next card
        except LostError as lost:
            say(lost)
            desk.release()
            stop.wait(AGAIN_S)
    desk.release()


class Desk:
    """One PC/SC reader, through pyscard's `scard`: numbers in, numbers out."""

    def __init__(self, scard: Any, name: str) -> None:
        self._scard = scard
        self._name = name
        self._context: Any = None

    def find(self) -> str:
        """The first reader whose name holds ours. Raises LostError."""
        scard = self._scard
        if self._context is None:
            failed, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_SYSTEM)
            if failed:
                raise LostError("The PC/SC service does not answer.", _NO_DAEMON)
            self._context = context
        failed, readers = scard.SCardListReaders(self._context, [])
        if failed not in (0, scard.SCARD_E_NO_READERS_AVAILABLE):
            raise LostError("The PC/SC service does not answer.", _NO_DAEMON)
        found = next((reader for reader in readers or () if self._name in reader), None)
        if found is None:
            raise LostError("There is no PC/SC card reader of this name.", _NO_READER)
        return str(found)

    def wait(self, reader: str, state: int) -> int:
        """The reader's state once it differs from `state`, or the same after WAIT_MS. Raises LostError."""
        scard = self._scard
        failed, states = scard.SCardGetStatusChange(self._context, WAIT_MS, [(reader, state)])
        if failed == scard.SCARD_E_TIMEOUT:
            return state
        if failed or states[0][1] & (scard.SCARD_STATE_UNKNOWN | scard.SCARD_STATE_UNAVAILABLE):
            raise LostError("The PC/SC card reader was unplugged, or its service ended.", _NO_READER)
        return int(states[0][1]) & ~int(scard.SCARD_STATE_CHANGED)

    def is_card(self, state: int) -> bool:
        """Whether a card is there."""
        return bool(state & self._scard.SCARD_STATE_PRESENT) and not state & self._scard.SCARD_STATE_MUTE

    def events(self, state: int) -> int:
        """How often a card came or went so far: two in a row may lie between two looks."""
        return state >> 16  # pcsc-lite, SCardGetStatusChange

    def ask(self, reader: str, terminal: Terminal) -> Outcome:
        """The conversation with the card that has just come."""
        try:
            with self._connected(reader) as (exchange, atr):
                reply = exchange(GET_UID)
                talk = terminal.talk(reply[:-2] if reply[-2:] == b"\x90\x00" else b"")
                if STORAGE_CARD not in atr:
                    return resolve.iso_dep(exchange, talk)
                message = type2.read(exchange)
                if isinstance(message, Refused):
                    return message
                return resolve.chip(talk) if message is None else resolve.message(message, talk)
        except CardGoneError:
            return Refused("torn", Trouble.AGAIN)

    def release(self) -> None:
        """Give everything back; never raises."""
        context, self._context = self._context, None
        if context is not None:
            self._scard.SCardReleaseContext(context)

    @contextmanager
    def _connected(self, reader: str) -> Iterator[tuple[Callable[[bytes], bytes], bytes]]:
        scard = self._scard
        protocols = scard.SCARD_PROTOCOL_T0 | scard.SCARD_PROTOCOL_T1
        failed, card, protocol = scard.SCardConnect(self._context, reader, scard.SCARD_SHARE_EXCLUSIVE, protocols)
        if failed:
            raise CardGoneError
        left = EXCHANGES_MAX

        def exchange(apdu: bytes) -> bytes:
            nonlocal left
            left -= 1
            failed, reply = scard.SCardTransmit(card, protocol, list(apdu))
            if failed or len(reply) < 2 or left < 0:
                raise CardGoneError
            return bytes(reply)

        try:
            failed, _, _, _, atr = scard.SCardStatus(card)
            yield exchange, bytes(atr if not failed else ())
        finally:
            scard.SCardDisconnect(card, scard.SCARD_UNPOWER_CARD)
