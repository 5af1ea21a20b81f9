"""NFC readers through nfcpy: one daemon thread and one sense loop a reader, from device path to NDEF bytes.

What the bytes mean is decided in drivers.tags. A card's UID never leaves the locals of this module.
"""

import asyncio
import errno
import logging
import re
import struct
import sys
import termios
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nfc
import nfc.clf
import nfc.clf.pn53x
import nfc.clf.pn532
import nfc.clf.transport
import nfc.tag
import nfc.tag.tt2
import serial

from drivers import cards, chip
from drivers.ears import Ears
from gateway.config import SourceTable
from gateway.core.ports import Clock
from gateway.errors import ConfigError, UnavailableError
from gateway.health import Health

# nfcpy writes UIDs, frames and messages of strangers to its logger, so nothing of it may reach our handlers, whatever
# level somebody sets. Importing it also turns every Python warning of the process into a log line: undone.
_log = logging.getLogger("nfc")
_log.setLevel(logging.CRITICAL)
_log.propagate = False
logging.captureWarnings(False)

# Pause between two looks. An empty look takes 14 ms, so a card waits 37 ms on average; without a pause the chip
# heats up. Must stay above 30 ms.
IDLE_MS = 60

# One card's whole reading. 600 bytes take 345 ms on the emulator and a slow phone three times as long; a card that
# answers for ever (chaining, waiting time extensions) must not keep the thread. Below STOP_MS.
READ_MS = 3_000

# One question "still here?". Cards answer in 5 ms; the chip's timer has a step at 51.2 ms. A wrong "no" costs only
# one more reading.
PRESENCE_MS = 50

# An unplugged reader is noticed at once, a dead one after so many times chip.CHIP_MS.
FAULTS_MAX = 3

# From "stop" to a closed device: at worst a reading (READ_MS) or an opening that tries all rates (twice
# chip.USB_SERIAL_MS, ten times chip.CHIP_MS). The thread is a daemon: one that is stuck in the kernel is left behind.
STOP_MS = 10_000

_SERIAL = re.compile(r"tty:((?:S|ACM|AMA|USB)\d+|(?!(?:S|ACM|AMA|USB):)[A-Za-z0-9-]+):pn532")
_OTHERS = re.compile(
    r"usb(:[0-9a-fA-F]{3,4}(:[0-9a-fA-F]{3,4})?)?|tty:[A-Za-z0-9-]+:[a-z0-9]+|udp:[A-Za-z0-9.-]+:\d{1,5}"
)
_SERIAL_NODES = ("serial0", "ttyAMA*", "ttyS0", "ttyUSB*", "ttyACM*")


class _GaveUpError(nfc.clf.Error):  # type: ignore[misc]
    """A card took too long, or we were told to stop. No CommunicationError, because nfcpy retries those."""


# What nfcpy lets out when the reader fails (termios.error is what pyserial raises on an unplugged port) ...
_READER_ERRORS = (OSError, termios.error, nfc.clf.pn53x.Chipset.Error, nfc.clf.transport.libusb.USBError)
# ... and when a card answers nonsense: its parsers index, unpack and look up without checking.
_CARD_ERRORS = (
    nfc.clf.Error,
    nfc.tag.TagCommandError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    AssertionError,
    RuntimeError,
    struct.error,
)


class _LostError(UnavailableError):
    """The reader is not there, with what a person in the shop can do."""

    def __init__(self, detail: str, action: str) -> None:
        super().__init__(detail)
        self.action = action


def readers() -> list[str]:
    """Serial devices that may carry a reader, as "/dev/..." paths; looks at names only, opens nothing."""
    return sorted(str(node) for pattern in _SERIAL_NODES for node in Path("/dev").glob(pattern))


class NfcSource:
    """The reader behind an `nfc:` path. Raises ConfigError for a path that names none."""

    def __init__(self, table: SourceTable, ears: Ears, clock: Clock, health: Health) -> None:
        if table.options:
            raise ConfigError(f"{table.path}: an nfc: path takes no options")
        self._path = table.target
        self._port = serial_port(table.target)
        if self._port is None and not _OTHERS.fullmatch(table.target):
            raise ConfigError(
                f"{table.path}: expected nfc:tty:AMA0:pn532, nfc:usb:054c:06c1, nfc:udp:localhost:54321 or "
                "nfc:/dev/ttyAMA0 (a PN532)"
            )
        self._reader = table.receiver or ""
        self._ears = ears
        self._clock = clock
        self._health = health

    async def run(self) -> None:
        """Read cards until cancelled; raises UnavailableError when the reader cannot be opened or is lost."""
        loop = asyncio.get_running_loop()
        stop = threading.Event()
        ended: asyncio.Future[BaseException | None] = loop.create_future()

        def post(call: Callable[..., object], *args: object) -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody is left to hear
                loop.call_soon_threadsafe(call, *args)

        def touched(ndef: bytes | None) -> None:
            if not stop.is_set():
                self._ears.touched(self._reader, ndef)

        def work() -> None:
            lost: BaseException | None = None
            try:
                worker.run()
            except UnavailableError as error:
                lost = error
            finally:
                post(ended.set_result, lost or sys.exception())

        worker = _Worker(
            self._path,
            self._port,
            stop,
            opened=lambda: post(self._is_up),
            touched=lambda ndef: post(touched, ndef),
            count=lambda name: post(self._health.count, name),
        )
        threading.Thread(target=work, name=f"nfc-{self._reader}", daemon=True).start()
        try:
            await asyncio.wait({ended})
        finally:
            stop.set()
            await asyncio.wait({ended}, timeout=STOP_MS / 1000)
        error = ended.result()
        if isinstance(error, _LostError):
            self._health.set(f"receiver:{self._reader}", "down", self._clock.now_ms(), str(error), error.action)
        if error is not None:
            raise error

    def _is_up(self) -> None:
        self._health.set(f"receiver:{self._reader}", "ok", self._clock.now_ms(), "the card reader listens")


@dataclass(frozen=True, slots=True)
class _Worker:
    """What the reader's thread does. Its callbacks may be called from any thread."""

    path: str
    port: str | None  # of a PN532 that we open ourselves
    stop: threading.Event
    opened: Callable[[], None]
    touched: Callable[[bytes | None], None]
    count: Callable[[str], None]
    hold: cards.Hold = field(default_factory=cards.Hold)

    def run(self) -> None:
        """Open, listen until told to stop, close. Raises UnavailableError."""
        clf = _Frontend(self.stop)
        try:
            self._open(clf)
            self.opened()
            self._listen(clf)
        finally:
            clf.shut()

    def _open(self, clf: "_Frontend") -> None:
        try:
            if self.port is not None:
                clf.device = _open_pn532(self.port)
                return
            found = clf.open(self.path)
        except (*_READER_ERRORS, LookupError, ValueError) as error:
            raise _not_opened(self.path, error) from None
        if not found:
            raise _not_opened(self.path, FileNotFoundError(errno.ENOENT, "no such reader"))

    def _listen(self, clf: "_Frontend") -> None:
        faults = 0
        while not self.stop.is_set():
            try:
                self._look(clf)
                faults = 0
            except _READER_ERRORS:
                self.count("nfc.reader_errors")
                faults += 1
                unplugged = self.port is not None and not Path(self.port).exists()
                if unplugged or faults == FAULTS_MAX:
                    raise _LostError(
                        "The card reader stopped answering.",
                        "Check that the reader is plugged in; unplug it and plug it in again.",
                    ) from None
            except _GaveUpError:
                if not self.stop.is_set():
                    self.count("nfc.read_failed")
            self.stop.wait(IDLE_MS / 1000)

    def _look(self, clf: "_Frontend") -> None:
        """One look at the field; stays while a card rests there. Raises _GaveUpError, _READER_ERRORS."""
        target = clf.find()
        if target is None:
            self.hold.missed(_monotonic_ms())
            return
        tag, ndef = _read(clf, target)
        if ndef is None:  # blank, or about to leave, or not yet near enough: the second look decides
            target = clf.find()
            if target is None:
                self.hold.missed(_monotonic_ms())
                raise _GaveUpError
            tag, ndef = _read(clf, target)
            if ndef is None and not clf.answers(tag):
                raise _GaveUpError
        uid = target.sdd_res or b""
        random_uid = len(uid) == 4 and uid[0] == 0x08  # ISO 14443-3, section 6.5.4
        if self.hold.take(ndef, random_uid, _monotonic_ms()):
            self.touched(ndef or None)
        while not self.stop.wait(IDLE_MS / 1000) and clf.answers(tag):
            self.hold.seen(_monotonic_ms())
        self.hold.missed(_monotonic_ms())


class _Frontend(nfc.ContactlessFrontend):  # type: ignore[misc]
    """nfcpy's reader with a limit to what one card may take of its time."""

    device: Any  # nfcpy's driver of the open reader, or None

    def __init__(self, stop: threading.Event) -> None:
        super().__init__()
        self._stop = stop
        self._until_ms = 0

    def allow(self, ms: int) -> None:
        """Exchanges raise _GaveUpError from `ms` on."""
        self._until_ms = _monotonic_ms() + ms

    def exchange(self, send_data: bytes, timeout: float) -> Any:
        """One frame to the card and its answer; raises nfc.clf errors, OSError, _GaveUpError."""
        left_ms = self._until_ms - _monotonic_ms()
        if left_ms <= 0 or self._stop.is_set():
            raise _GaveUpError
        answer = super().exchange(send_data, min(timeout, left_ms / 1000))
        if answer is None:
            raise _GaveUpError
        return bytearray(cards.whole_ats(answer)) if send_data[:1] == b"\xe0" else answer  # E0: RATS

    def find(self) -> Any:
        """A Type A card that is in the field now, or None. Raises _READER_ERRORS."""
        try:
            return self.sense(nfc.clf.RemoteTarget("106A"))
        except _CARD_ERRORS:
            raise OSError(errno.EIO, "the reader answers nonsense") from None

    def answers(self, tag: Any) -> bool:
        """True while `tag` is there. Raises _READER_ERRORS."""
        self.allow(PRESENCE_MS)
        try:
            if isinstance(tag, nfc.tag.tt2.Type2Tag):
                return bool(tag.transceive(b"\x30\x00", timeout=0.005))  # READ; a NAK is an answer too
            return bool(tag.is_present)
        except _CARD_ERRORS:
            return False

    def shut(self) -> None:
        """Close as far as the reader lets us; never raises. The serial port itself is always closed."""
        device, self.device = self.device, None
        transport = getattr(getattr(device, "chipset", None), "transport", None)
        if device is not None:
            with suppress(*_READER_ERRORS, IndexError):
                device.close()
        if isinstance(transport, _Tty):
            transport.close()


def _read(clf: _Frontend, target: Any) -> tuple[Any, bytes | None]:
    """The tag in the field and its NDEF message, None when it gives none. Raises _GaveUpError, _READER_ERRORS."""
    clf.allow(READ_MS)
    try:
        if target.sel_res and target.sel_res[0] & 0x60 == 0:
            # Type 2, without the 40 ms in which nfcpy finds out whose chip it is.
            target.sel_req = target.sdd_res
            tag = nfc.tag.tt2.Type2Tag(clf, target)
        else:
            tag = nfc.tag.activate(clf, target)
        message = None if tag is None else tag.ndef
        octets = None if message is None else bytes(message.octets)
    except _CARD_ERRORS:
        raise _GaveUpError from None
    if tag is None:
        raise _GaveUpError
    return tag, octets


class _Tty(nfc.clf.transport.TTY):  # type: ignore[misc]
    """A serial port that is ours alone, waits long enough, and can be closed after it was unplugged."""

    def open(self, port: str, baudrate: int = chip.BAUD) -> None:
        self.close()
        self.tty = serial.Serial(
            port, baudrate, timeout=chip.CHIP_MS / 1000, write_timeout=chip.CHIP_MS / 1000, exclusive=True
        )

    def read(self, timeout: int) -> Any:
        """One frame within `timeout` milliseconds. Raises OSError, also for half a frame."""
        try:
            return super().read(max(timeout, chip.CHIP_MS))
        except IndexError:
            raise OSError(errno.EIO, "half a frame") from None

    def close(self) -> None:
        tty, self.tty = self.tty, None
        if tty is not None:
            tty.close()


class _Chipset(nfc.clf.pn532.Chipset):  # type: ignore[misc]
    """nfcpy's PN532 without the commands that would tell or ask what is known."""

    def __init__(self, transport: _Tty, log: logging.Logger) -> None:
        super().__init__(transport, log)
        self._memo = chip.Memo()

    def command(self, cmd_code: int, cmd_data: bytes, timeout: float) -> Any:
        """As nfcpy: the reply's data, or None when no reply is waited for."""
        memo, self._memo = self._memo, chip.Memo()
        known = memo.known(cmd_code, bytes(cmd_data))
        if known is not None:
            self._memo = memo
            return bytearray(known)
        reply = super().command(cmd_code, cmd_data, timeout)
        self._memo = memo.after(cmd_code, bytes(cmd_data), bytes(reply or b""))
        return reply


def serial_port(target: str) -> str | None:
    """The device node of a path that means a PN532 on a serial line, else None."""
    if target.startswith("/dev/"):
        return target
    match = _SERIAL.fullmatch(target)
    if match is None:
        return None
    name = match[1]
    return f"/dev/tty{name}" if re.fullmatch(r"(S|ACM|AMA|USB)\d+", name) else f"/dev/{name}"


def _open_pn532(port: str) -> Any:
    """nfcpy's device for a PN532 that stays at 115200 baud. Raises _READER_ERRORS."""
    tty = _Tty(port)
    try:
        chip.start(tty)
        log = logging.getLogger("nfc.clf.pn532")
        return nfc.clf.pn532.Device(_Chipset(tty, log), log)
    except (*_READER_ERRORS, IndexError):
        tty.close()
        raise


def _not_opened(path: str, error: Exception) -> _LostError:
    match getattr(error, "errno", None):
        case errno.ENOENT | errno.ENODEV | errno.ENXIO:
            detail = f"There is no card reader at {path}."
            action = "Plug the reader in, or correct the path in the configuration."
        case errno.EACCES | errno.EPERM:
            detail = f"The card reader at {path} may not be opened."
            action = "Add the gateway's user to the groups dialout and plugdev."
        case errno.EBUSY | errno.EAGAIN:
            detail = f"Another program uses the card reader at {path}."
            action = "Stop the other program."
        case _:
            detail = f"The card reader at {path} does not answer."
            action = "Unplug the reader, wait ten seconds, plug it in again; on a Pi HAT check the switches for HSU."
    return _LostError(detail, action)


def _monotonic_ms() -> int:
    # The radio's own time, not the shop's: a simulated shop may run faster, a card does not.
    return time.monotonic_ns() // 1_000_000
