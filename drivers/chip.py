"""The PN532's host protocol as far as we speak it ourselves: how to start it, and which commands to spare.

Knows no port and no library: the caller hands in an open line.

Numbers and layout: NXP PN532 user manual (UM0701-02), section 6.2 (frames) and chapter 7 (commands).
"""

import errno
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

# nfcpy gives up on the chip after 100 ms, which a loaded machine exceeds (8 of 87 taps); an idle one answers in 2 ms.
CHIP_MS = 500

# A Pi delays the first byte of a USB-serial adapter by about a second.
USB_SERIAL_MS = 1_500

# One try at a rate at which the chip may have been left. Three of them must leave a second of the 5 s for a reset.
RATE_MS = 200

# What a chip needs after its reset line went up before it listens (2 ms in the data sheet), and the pulse before it.
RESET_S = 0.05

BAUD = 115_200  # PN532 after power on (user manual, section 6.2); higher rates are unreliable on some Pis
LEFT_BEHIND_BAUDS = (921_600, 460_800, 230_400)  # what nfcpy's own start leaves after a crash
RATES = {115_200: b"\x04", 230_400: b"\x05", 460_800: b"\x06", 921_600: b"\x07"}  # as SetSerialBaudrate takes them
GET_FIRMWARE, SAM_NORMAL, SET_RATE = b"\x02", b"\x14\x01\x00\x00", b"\x10"
SWITCH_S = 0.01  # from the host's ACK until the chip listens at the new rate

ACK = bytes.fromhex("0000ff00ff00")
HEAD_BYTES = 6  # as long as the shortest frame, an ACK
WAKE = bytes(10)  # a sleeping chip needs some edges before it listens

ABORT = WAKE + ACK  # ends the command in which a chip hangs

READ_REGISTER, WRITE_REGISTER, RF_CONFIGURATION, COMMUNICATE_THRU, LIST_TARGET = 0x06, 0x08, 0x32, 0x42, 0x4A
FIELD, TIMINGS, RETRIES = 0x01, 0x02, 0x05  # items of RF_CONFIGURATION
# Of RETRIES, the last byte: how often LIST_TARGET looks anew, FF = until somebody comes or the host's ACK
# (section 7.3.1). The first is what nfcpy sets.
LOOK_ONCE, LOOK_ON = b"\x01\x00\x01", b"\x01\x00\xff"
TYPE_A = b"\x00"  # what LIST_TARGET looks for
ABORT_MS = 10  # in which an answer that was on its way when the host broke off has come
RAW_TIMINGS = b"\x0a\x0b\x06"  # as nfcpy sets them, with 3.2 ms for an answer that does not come

# CIU_FIFOData; it still holds the question after a look to which nobody answered.
FIFO_DATA, SENS_REQ = b"\x63\x39", b"\x26"

# CIU_TxMode, CIU_RxMode, CIU_TxAuto: set when a card is listed, and left alone while we talk to it.
STEADY_REGISTERS = frozenset({0x6302, 0x6303, 0x6305})


def frame(command: bytes) -> bytes:
    """The host's frame for a command of up to 253 bytes (code and data), with the bytes that wake the chip."""
    body = b"\xd4" + command
    return WAKE + b"\x00\x00\xff" + bytes([len(body), -len(body) & 0xFF]) + body + bytes([-sum(body) & 0xFF, 0])


def missing(frame: bytes | bytearray) -> int:
    """How many more bytes of a frame to read, 0 = it is whole. A frame of 255 bytes is no extended one (FF FF)."""
    if len(frame) < HEAD_BYTES:
        return HEAD_BYTES - len(frame)
    if frame == ACK:
        return 0
    if frame[3:5] != b"\xff\xff":
        return max(0, 5 + frame[3] + 2 - len(frame))
    if len(frame) < 8:
        return 8 - len(frame)
    return max(0, 8 + int.from_bytes(frame[5:7], "big") + 2 - len(frame))


def answer(reply: bytes, code: int) -> bytes | None:
    """The data in the chip's frame that answers the command `code`, or None for any other frame."""
    return reply[7:-2] if reply[5:7] == bytes([0xD5, code + 1]) else None


class Line(Protocol):
    """An open serial port that reads whole frames."""

    baudrate: int

    @property
    def port(self) -> str: ...

    def write(self, frame: bytes) -> None: ...

    def read(self, timeout: int) -> bytes | bytearray:
        """One frame within `timeout` milliseconds. Raises OSError."""

    def hears(self, timeout: int, stop: threading.Event) -> bool:
        """Whether something comes within `timeout` milliseconds, or before `stop`; it can be read. Raises OSError."""

    def pulse(self) -> None:
        """Lower and raise the lines that some boards wire to the chip's reset. Raises OSError where there are none."""


def start(line: Line, baud: int = BAUD) -> None:
    """Have a PN532 listen at `baud`: asleep, hung in a command, or left at another rate. Raises OSError."""
    _find(line)
    if baud != BAUD:
        _change_rate(line, baud)
        _greet(line, CHIP_MS)


def watched(line: Line, ms: int, stop: threading.Event) -> bool | None:
    """What becomes of a LIST_TARGET that looks on, within `ms` or until `stop`. True = it found somebody, False =
    it was broken off and nobody had come, None = it did not wait. Raises OSError."""
    answered = line.hears(ms, stop)
    if not answered:
        line.write(ABORT)
        answered = line.hears(ABORT_MS, stop)
    if not answered:
        return False
    targets = answer(bytes(line.read(CHIP_MS)), LIST_TARGET)
    if not targets:
        raise OSError(errno.EIO, "no answer")
    return True if targets[0] else None


def _find(line: Line) -> None:
    """Have it listen at the rate of power on. Raises OSError."""
    line.write(ABORT)
    try:
        _greet(line, USB_SERIAL_MS if "ttyUSB" in line.port else CHIP_MS)
        return
    except OSError:
        _slow_down(line)
    with suppress(OSError):
        _greet(line, CHIP_MS)
        return
    with suppress(OSError):  # most boards do not have them
        line.pulse()
        time.sleep(RESET_S)
    _greet(line, CHIP_MS)


def _greet(line: Line, first_ms: int) -> None:
    """Wake the chip and take it out of its power-down mode. Raises OSError when no PN532 answers."""
    if _ask(line, GET_FIRMWARE, first_ms)[:1] != b"\x32":
        raise OSError(errno.ENODEV, "not a PN532")
    _ask(line, SAM_NORMAL, CHIP_MS)


def _slow_down(line: Line) -> None:
    """Bring a chip that somebody left at a higher rate back to 115200 baud. Raises OSError when none answers."""
    for baud in LEFT_BEHIND_BAUDS:
        try:
            line.baudrate = baud
            _change_rate(line, BAUD, RATE_MS)
        except (OSError, ValueError):  # ValueError: a rate that this port cannot do
            continue
        break
    line.baudrate = BAUD


def _change_rate(line: Line, baud: int, ack_ms: int = CHIP_MS) -> None:
    """Both ends go over to `baud`. Raises OSError, ValueError."""
    _ask(line, SET_RATE + RATES[baud], ack_ms)
    line.write(ACK)  # the chip changes its rate on this
    time.sleep(SWITCH_S)
    line.baudrate = baud


def _ask(line: Line, command: bytes, ack_ms: int) -> bytes:
    """The chip's answer to one command, without nfcpy's driver. Raises OSError."""
    line.write(frame(command))
    if line.read(ack_ms) != ACK:
        raise OSError(errno.EIO, "no acknowledgement")
    data = answer(bytes(line.read(CHIP_MS)), command[0])
    if data is None:
        raise OSError(errno.EIO, "no answer")
    return data


@dataclass(frozen=True, slots=True)
class Memo:
    """Spares three of the four commands that nfcpy sends around each frame to a card, and one of two "field off".

    Registers are remembered while one card stays listed, timings until they change, that the field is off until a
    command that may switch it on. Every failure makes a new, empty Memo: the next exchange then goes the long way.
    """

    registers: Mapping[int, int] = field(default_factory=dict)
    timings: bytes | None = None
    field_off: bytes | None = None  # the command's data that switched it off

    def wider(self, code: int, data: bytes) -> bytes:
        """What to ask instead of `data`: all steady registers at once, because the others will be wanted next."""
        if code == READ_REGISTER and STEADY_REGISTERS.issuperset(_addresses(data, 2)):
            return b"".join(at.to_bytes(2, "big") for at in sorted(STEADY_REGISTERS))
        return data

    def known(self, code: int, data: bytes) -> bytes | None:
        """What the chip would reply, or None: ask it."""
        if code == READ_REGISTER:
            found = [self.registers[at] for at in _addresses(data, 2) if at in self.registers]
            return bytes(found) if len(found) == len(data) // 2 else None
        if code == WRITE_REGISTER:
            pairs = zip(_addresses(data, 3), data[2::3], strict=False)
            return b"" if all(self.registers.get(at) == value for at, value in pairs) else None
        return b"" if code == RF_CONFIGURATION and data in (self.timings, self.field_off) else None

    def after(self, code: int, data: bytes, reply: bytes) -> "Memo":
        """What is known once the chip has answered."""
        if code == COMMUNICATE_THRU:
            return Memo(self.registers, self.timings) if reply[:1] == b"\x00" else Memo()
        if code == RF_CONFIGURATION and data[:1] == bytes([TIMINGS]):
            return Memo(self.registers, data, self.field_off)
        if code == RF_CONFIGURATION and data[:1] == bytes([FIELD]) and not data[1] & 1:
            return Memo({}, self.timings, data)
        if code in (READ_REGISTER, WRITE_REGISTER):
            reading = code == READ_REGISTER
            told = zip(_addresses(data, 2 if reading else 3), reply if reading else data[2::3], strict=False)
            steady = {at: value for at, value in told if at in STEADY_REGISTERS}
            return Memo(dict(self.registers) | steady, self.timings, self.field_off)
        return Memo({}, self.timings)


def _addresses(data: bytes, step: int) -> list[int]:
    return [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data) - 1, step)]
