"""nfcpy as our readers use it: open a reader, find one card at a time, exchange bytes. The only module that imports it.

Whatever nfcpy, pyserial and libusb let out becomes LostError (not there), FaultError (it failed) or CardGoneError.
"""

import errno
import logging
import struct
import termios
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import nfc
import nfc.clf
import nfc.clf.pn53x
import nfc.clf.pn532
import nfc.clf.transport
import nfc.clf.udp
import nfc.tag
import nfc.tag.tt2
import nfc.tag.tt4

from drivers import cards, chip
from drivers.faults import FaultError, not_opened
from drivers.talk import CardGoneError
from drivers.uart import Uart

# nfcpy writes UIDs, frames and messages of strangers to its logger, so nothing of it may reach our handlers, whatever
# level somebody sets. Importing it also turns every Python warning of the process into a log line: undone.
_log = logging.getLogger("nfc")
_log.setLevel(logging.CRITICAL)
_log.propagate = False
logging.captureWarnings(False)

# One question "still here?". Cards answer in 5 ms; the chip's timer has a step at 51.2 ms. A wrong "no" costs only
# one more reading.
PRESENCE_MS = 50

# What one card may take: the longest honest conversation (a pass in chunks, 900 bytes of NDEF) is a quarter of it, and
# 64 kB of NDEF or waiting-time extensions for ever end here.
FRAMES_MAX = 300
BYTES_MAX = 8_192

# ISO 14443-3, section 5.4: a card starts anew after the field was off for 5.1 ms.
RESET_S = 0.006

# A card simulated over UDP answers a look at once; nfcpy alone would wait a second for one that is not there.
UDP_MS = 100


class _GaveUpError(nfc.clf.Error):  # type: ignore[misc]  # nfcpy has no types
    """A card took too much, or we were told to stop. No CommunicationError, because nfcpy retries those."""


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


@contextmanager
def _card_errors() -> Iterator[None]:
    """Around a conversation: what the card does wrong is its leaving, what the reader does wrong a fault."""
    try:
        yield
    except _READER_ERRORS:
        raise FaultError from None
    except _CARD_ERRORS:
        raise CardGoneError from None


class Card:
    """What a look has found. `uid` as anticollision gave it, 4, 7 or 10 bytes."""

    def __init__(self, clf: "Frontend", target: Any) -> None:
        self._clf = clf
        self._target = target
        self._tag: Any = None
        self.uid = bytes(target.sdd_res or b"")
        sak = target.sel_res[0] if target.sel_res else 0
        self.is_iso_dep = bool(sak & 0x20)
        self.has_memory = not sak & 0x58  # neither MIFARE Classic, which we cannot read, nor a peer

    def begin(self) -> None:
        """Make it ready for a conversation. Raises CardGoneError, FaultError."""
        with _card_errors():
            if self.is_iso_dep:
                self._tag = nfc.tag.tt4.Type4ATag(self._clf, self._target)
            elif self._target.sel_res and self.has_memory:
                # Type 2, without the 40 ms in which nfcpy finds out whose chip it is.
                self._target.sel_req = self._target.sdd_res
                self._tag = _Type2Tag(self._clf, self._target)
            elif self.has_memory:
                self._tag = nfc.tag.activate(self._clf, self._target)

    def exchange(self, apdu: bytes) -> bytes:
        """The response to a command APDU, with its status. Raises CardGoneError, FaultError."""
        with _card_errors():
            answer = bytes(self._tag.transceive(bytearray(apdu)))
        if len(answer) < 2:
            raise CardGoneError
        return answer

    def ndef(self) -> bytes | None:
        """The NDEF message, None when there is none. Raises CardGoneError, FaultError."""
        with _card_errors():
            message = None if self._tag is None else self._tag.ndef
            octets = None if message is None else bytes(message.octets)
        if message is not None:
            self._tag._ndef = None  # each holds the other, so only a collection of cycles would end them
        if octets is None and self._clf.silences:
            raise CardGoneError  # nfcpy does not tell "blank" from "left while it was read"
        return octets

    def is_half_written(self) -> bool:
        """Asked of a card without a message: whether it was made ready for one. Raises CardGoneError, FaultError."""
        if not isinstance(self._tag, nfc.tag.tt2.Type2Tag):
            return False
        with _card_errors():
            return bool(self._tag.read(3)[0] == 0xE1)  # NFC Forum Type 2 Tag, section 6.1: capability container

    def answers(self) -> bool:
        """True while it is there; False too for one that cannot be asked. Raises FaultError."""
        self._clf.allow(PRESENCE_MS)
        try:
            with _card_errors():
                if isinstance(self._tag, nfc.tag.tt2.Type2Tag):
                    return bool(self._tag.transceive(b"\x30\x00", timeout=0.005))  # READ; a NAK is an answer too
                return self._tag is not None and bool(self._tag.is_present)
        except CardGoneError:
            return False

    def deselect(self) -> None:
        """Tell it that the conversation is over. Raises FaultError."""
        self._clf.allow(PRESENCE_MS)
        with suppress(CardGoneError), _card_errors():
            self._clf.exchange(b"\xc2", 0.01)  # S(DESELECT), ISO 14443-4, section 8


class Frontend(nfc.ContactlessFrontend):  # type: ignore[misc]  # nfcpy has no types
    """nfcpy's reader with a limit to what one card may take, and a loop of our own instead of `connect`."""

    device: Any  # nfcpy's driver of the open reader, or None

    def __init__(self, stop: threading.Event, now_ms: Callable[[], int]) -> None:
        super().__init__()
        self._stop = stop
        self._now_ms = now_ms
        self.allow(0)

    def start(self, path: str, port: str | None, baud: int = chip.BAUD) -> None:
        """Open the reader behind nfcpy's `path`, or the PN532 on the device node `port`. Raises LostError."""
        try:
            if port is not None:
                self.device = _open_pn532(port, baud)
            elif path.startswith("udp:"):
                _, host, number = path.split(":")
                self.device = _Udp(host, int(number))
            elif not self.open(path):
                raise not_opened(path, FileNotFoundError(errno.ENOENT, "no such reader"))
        except (*_READER_ERRORS, LookupError, ValueError) as error:
            raise not_opened(path, error) from None

    def allow(self, ms: int) -> None:
        """A new conversation, or question, that may last so long."""
        self._until_ms = self._now_ms() + ms
        self._frames = self._bytes = 0
        self.heard = 0  # questions that were answered
        self.silences = 0  # questions that were not, or not cleanly
        self.spent = False  # it was ended because it took too much

    def exchange(self, send_data: bytes, timeout: float) -> Any:
        """One frame to the card and its answer; raises nfc.clf errors, OSError, _GaveUpError."""
        left_ms = self._until_ms - self._now_ms()
        self._frames += 1
        if self._stop.is_set():
            raise _GaveUpError
        if left_ms <= 0 or self._frames > FRAMES_MAX or self._bytes > BYTES_MAX:
            self.spent = True
            raise _GaveUpError
        try:
            answer = super().exchange(send_data, min(timeout, left_ms / 1000))
        except nfc.clf.Error:
            self.silences += 1
            raise
        if answer is None:
            raise _GaveUpError
        if send_data[:1] == b"\xe0":  # RATS
            return bytearray(cards.whole_ats(answer))
        self.heard += 1
        self._bytes += len(answer)
        return answer

    def find(self, wake: bytes = b"") -> Card | None:
        """A Type A card that is in the field now. `wake` is sent if there is none; the next look finds who woke up.

        Raises FaultError, and CardGoneError if something answered that could not be told from another.
        """
        try:
            target = self._sense(wake)
        except (*_READER_ERRORS, *_CARD_ERRORS):
            raise FaultError from None
        if target is not None:
            self.target = target
            return Card(self, target)
        if isinstance(self._chipset, _Chipset) and self._chipset.garbled:
            raise CardGoneError
        return None

    @property
    def can_watch(self) -> bool:
        """Whether the chip behind it looks for cards by itself."""
        return isinstance(self._chipset, _Chipset)

    def watch(self, ms: int) -> bool | None:
        """Have the chip look for cards by itself, for up to `ms`, while the processor sleeps. True = somebody is there
        (`find` tells who), False = nobody came before the end or `stop`, None = it answered, but did not wait.

        Raises FaultError.
        """
        try:
            found: bool | None = self._chipset.watch(ms, self._stop)
            self._chipset.look_once()
            self.device.mute()
        except _READER_ERRORS:
            raise FaultError from None
        if found:
            time.sleep(RESET_S)
        return found

    def abort(self) -> None:
        """End whatever command the chip hangs in; never raises."""
        with suppress(*_READER_ERRORS):
            if isinstance(self._chipset, _Chipset):
                self._chipset.transport.write(chip.ABORT)

    def shut(self, politely: bool) -> None:
        """Close as far as the reader lets us; never raises. `politely`: it is told, if it still listens."""
        device, self.device = self.device, None
        transport = getattr(getattr(device, "chipset", None), "transport", None)
        with suppress(*_READER_ERRORS, LookupError, TypeError, AttributeError):
            if device is not None and (politely or not isinstance(transport, Uart)):
                device.close()
        if isinstance(transport, Uart):
            transport.close()

    @property
    def _chipset(self) -> Any:
        return getattr(self.device, "chipset", None)

    def _sense(self, wake: bytes) -> Any:
        if self.device is None:
            raise OSError(errno.ENODEV, "closed")
        was, self.target = self.target, None
        if self.can_watch:
            self.device.chipset.look_once()
        self.device.mute()
        if was is not None:
            time.sleep(RESET_S)  # whoever was there starts anew
        target = self._sense_once()
        if target is None and wake and isinstance(self.device, nfc.clf.pn53x.Device):
            self._send_raw(wake)  # the field stays on: the phone needs it to wake up
        elif target is None:
            self.device.mute()
        return target

    def _sense_once(self) -> Any:
        with suppress(nfc.clf.CommunicationError):
            target = self.device.sense_tta(nfc.clf.RemoteTarget("106A"))
            whole = target is None or (len(target.sens_res) == 2 and len(target.sdd_res or bytes(4)) in (4, 7, 10))
            return target if whole else None
        return None

    def _send_raw(self, frame: bytes) -> None:
        """Send a frame that carries its own CRC and that nobody answers; the field stays on."""
        chipset = self._chipset
        chipset.rf_configuration(chip.TIMINGS, chip.RAW_TIMINGS)
        chipset.write_register(("CIU_BitFraming", 0), ("CIU_TxMode", 0), ("CIU_RxMode", 0))
        with suppress(nfc.clf.pn53x.Chipset.Error):
            chipset.in_communicate_thru(frame, 0.01)


class _Type2Tag(nfc.tag.tt2.Type2Tag):  # type: ignore[misc]  # nfcpy has no types
    """nfcpy's Type 2 tag, but gone when it is gone: nfcpy's keeps the error of a lost answer, which holds the frames of
    the whole tap, and so chip number and contents, until Python collects cycles, in a quiet shop much later."""

    def transceive(self, data: bytes, timeout: float = 0.1, retries: int = 2) -> Any:
        """The answer to a frame, which is sent again when it was lost. Raises Type2TagCommandError, nfc.clf errors."""
        lost = nfc.tag.TIMEOUT_ERROR
        for _ in range(1 + retries if self.target else 0):
            try:
                return self.clf.exchange(data, timeout)
            except nfc.clf.TimeoutError:
                lost = nfc.tag.TIMEOUT_ERROR
            except nfc.clf.TransmissionError:
                lost = nfc.tag.RECEIVE_ERROR
        raise nfc.tag.tt2.Type2TagCommandError(lost)


class _Chipset(nfc.clf.pn532.Chipset):  # type: ignore[misc]  # nfcpy has no types
    """nfcpy's PN532 without the commands that would tell or ask what is known, and with a longer patience."""

    def __init__(self, transport: Uart, log: logging.Logger) -> None:
        super().__init__(transport, log)
        self._memo = chip.Memo()
        self.garbled = False  # the last look heard somebody but could not single out a card
        self._looks_on = False  # until somebody comes

    def command(self, cmd_code: int, cmd_data: bytes, timeout: float) -> Any:
        """As nfcpy: the reply's data, or None when no reply is waited for. Raises OSError, Chipset.Error."""
        memo, self._memo = self._memo, chip.Memo()
        asked = bytes(cmd_data)
        known = memo.known(cmd_code, asked)
        if known is None:
            wider = memo.wider(cmd_code, asked)
            try:
                reply = super().command(cmd_code, wider, timeout)
            except OSError:
                # nfcpy takes ETIMEDOUT for a silent card and asks again; the chip's own timer tells us of those.
                raise OSError(errno.EIO, "the chip does not answer") from None
            memo = memo.after(cmd_code, wider, bytes(reply or b""))
            known = memo.known(cmd_code, asked) if wider != asked else None
            if known is None:
                self._memo = memo
                self._note(cmd_code, asked, bytes(reply or b""))
                return reply
        self._memo = memo
        return bytearray(known)

    def watch(self, ms: int, stop: threading.Event) -> bool | None:
        """See Frontend. Raises OSError, Chipset.Error."""
        self._looks_on = True  # also if it fails: perhaps it was heard
        self.rf_configuration(chip.RETRIES, chip.LOOK_ON)
        self.command(chip.LIST_TARGET, b"\x01" + chip.TYPE_A, timeout=0)  # for its acknowledgement alone
        return chip.watched(self.transport, ms, stop)

    def look_once(self) -> None:
        """As nfcpy expects it: the next look is a short one. Raises OSError, Chipset.Error."""
        if self._looks_on:
            self.rf_configuration(chip.RETRIES, chip.LOOK_ONCE)
            self._looks_on = False

    def read_frame(self, timeout: int) -> Any:
        """One frame of the chip. Raises OSError."""
        return self.transport.read(max(timeout, chip.CHIP_MS))

    def _note(self, code: int, data: bytes, reply: bytes) -> None:
        if code == chip.LIST_TARGET and data[1:2] == chip.TYPE_A:
            self.garbled = False
        elif code == chip.READ_REGISTER and data == chip.FIFO_DATA:
            self.garbled = reply != chip.SENS_REQ


class _Udp(nfc.clf.udp.Device):  # type: ignore[misc]  # nfcpy has no types
    """nfcpy's simulated reader, which does not wait a second for a card that is not there."""

    _sensing = False

    def sense_tta(self, target: Any) -> Any:
        """As nfcpy."""
        self._sensing = True
        try:
            return super().sense_tta(target)
        finally:
            self._sensing = False

    def _recv_data(self, timeout: float, *brty_list: str) -> Any:
        return super()._recv_data(UDP_MS / 1000 if self._sensing else timeout, *brty_list)


def _open_pn532(port: str, baud: int) -> Any:
    """nfcpy's device for a PN532 at `baud`. Raises _READER_ERRORS, ValueError for a rate that the port cannot do."""
    tty = Uart(port)
    try:
        chip.start(tty, baud)
        log = logging.getLogger("nfc.clf.pn532")
        return nfc.clf.pn532.Device(_Chipset(tty, log), log)
    except (*_READER_ERRORS, LookupError, ValueError, TypeError):
        tty.close()
        raise
