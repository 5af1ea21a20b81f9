"""The serial line between host and chip: frames, acknowledgements, rates, sleep and faults.

Source of the frames: NXP PN532 user manual (UM0701-02), section 6.2. Bytes take as long as they would on a UART.
Bytes of a wrong rate are dropped; a real chip would see others in their place. A pseudo-terminal has no DTR line, so a
chip that is reset by it is cured by closing and opening the port instead.
"""

import contextlib
import errno
import math
import os
import select
import termios
import threading
import time
import tty
from collections import Counter
from pathlib import Path

from gateway.emulator.pn532 import BAUDS, AbortedError, Chip

ACK = bytes.fromhex("0000ff00ff00")
NACK = bytes.fromhex("0000ffff0000")
SYNTAX_ERROR = bytes.fromhex("0000ff01ff7f8100")
START = b"\x00\x00\xff"
WAKE = bytes(10)  # a long run of edges
BODY_MAX = 265  # user manual, section 6.2.1.2: D4, the command and 263 bytes of data
SPEEDS = {getattr(termios, f"B{baud}"): baud for baud in BAUDS if hasattr(termios, f"B{baud}")}

UNPLUG, GO_DEAF = b"u", b"d"


class UnpluggedError(Exception):
    """The line is gone."""


def frame(body: bytes) -> bytes:
    """A chip's frame, extended above 255 bytes."""
    length = len(body).to_bytes(2, "big")
    head = bytes([len(body), -len(body) & 0xFF]) if len(body) < 256 else b"\xff\xff" + length + check(length)
    return START + head + body + check(body) + b"\x00"


def check(data: bytes) -> bytes:
    """The byte that makes the sum 0."""
    return bytes([-sum(data) & 0xFF])


def take(buffer: bytes) -> tuple[bytes | None, bytes]:
    """The first frame's body with its checksum (b"" for ACK, NACK whole), None when none is complete; and the rest."""
    while (start := buffer.find(START)) >= 0:
        buffer = buffer[start:]
        if len(buffer) < 6:
            return None, buffer
        if buffer.startswith(ACK):
            return b"", buffer[6:]
        if buffer.startswith(NACK):
            return NACK, buffer[6:]
        extended = buffer[3:5] == b"\xff\xff"
        head = 8 if extended else 5
        if len(buffer) < head:
            return None, buffer
        length = int.from_bytes(buffer[5:7], "big") if extended else buffer[3]
        if sum(buffer[5:8] if extended else buffer[3:5]) & 0xFF or length > BODY_MAX:
            buffer = buffer[3:]  # no frame after all
            continue
        if len(buffer) < head + length + 2:
            return None, buffer
        return buffer[head : head + length + 1], buffer[head + length + 2 :]
    return None, buffer[-2:]


class Line:
    """A pseudo-terminal with a chip at its end, reachable at `link`."""

    def __init__(self, chip: Chip, link: Path, counts: Counter[int]) -> None:
        self.chip = chip
        self._link = link
        self._counts = counts
        self._master, self._slave = os.openpty()  # the slave stays open: hosts open and close it as they like
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self._name = os.ttyname(self._slave)
        self._wake_r, self._wake_w = os.pipe()
        self._buffer = b""
        self._asleep_heard = b""
        self._sent = ACK
        self._stuck = self._deaf = False
        link.symlink_to(self._name)
        self._thread = threading.Thread(target=self._serve, name="line", daemon=True)
        self._thread.start()

    def unplug(self) -> None:
        """The device vanishes, with its name."""
        self._link.unlink(missing_ok=True)
        os.write(self._wake_w, UNPLUG)
        self._thread.join()
        for descriptor in (self._master, self._wake_r, self._wake_w, self._slave):
            with contextlib.suppress(OSError):  # a deaf line has no slave
                os.close(descriptor)

    def wedge(self, how: str) -> None:
        """See `Pn532Rig.wedge`. Raises ValueError."""
        match how:
            case "stuck":
                self._stuck = True
            case "asleep":
                self.chip.asleep = True
            case "deaf":
                os.write(self._wake_w, GO_DEAF)
            case _:
                raise ValueError(f"no such fault: {how}")

    @property
    def is_deaf(self) -> bool:
        """Whether that fault lasts."""
        return self._deaf

    def wait(self, seconds: float) -> None:
        """Let time pass. Raises AbortedError when the host's ACK comes meanwhile, UnpluggedError."""
        until_s = time.monotonic() + seconds
        while (left_s := until_s - time.monotonic()) > 0:
            self._pump(left_s)
            if ACK in self._buffer:
                self._buffer = self._buffer.split(ACK, 1)[1]
                raise AbortedError

    def _serve(self) -> None:
        with contextlib.suppress(UnpluggedError):
            while True:
                self._pump(math.inf)
                body: bytes | None = b""
                while body is not None:
                    body, self._buffer = take(self._buffer)
                    if body is not None:
                        self._handle(body)

    def _pump(self, seconds: float) -> None:
        """Wait for the host or an order for so long, and take what comes."""
        ready, _, _ = select.select([self._master, self._wake_r], [], [], None if math.isinf(seconds) else seconds)
        if self._wake_r in ready:
            if os.read(self._wake_r, 1) == UNPLUG:
                raise UnpluggedError
            self._deaf = True
            os.close(self._slave)  # so that the host's closing is noticed
            self._slave = -1
            return
        if self._master not in ready:
            return
        try:
            data = os.read(self._master, 4096)
        except OSError as error:
            if error.errno != errno.EIO or not self._deaf:
                raise
            self._slave = os.open(self._name, os.O_RDWR | os.O_NOCTTY)
            tty.setraw(self._slave)
            self._deaf = False
            return
        if not self._deaf:
            self._hear(data)

    def _hear(self, data: bytes) -> None:
        chip = self.chip
        host = SPEEDS.get(termios.tcgetattr(self._slave)[5])
        # An ACK that confirms a new rate counts at any speed: the host may have switched since it wrote it.
        if host != chip.baud and (chip.next_baud is None or not data.startswith(ACK)):
            self._buffer = self._asleep_heard = b""
            return
        if chip.asleep:
            self._asleep_heard += data
            at = self._asleep_heard.find(WAKE)
            if at < 0:
                self._asleep_heard = self._asleep_heard[-len(WAKE) :]
                return
            chip.asleep, data, self._asleep_heard = False, self._asleep_heard[at + len(WAKE) - 2 :], b""
        self._buffer += data

    def _handle(self, body: bytes) -> None:
        chip = self.chip
        if body == b"":  # ACK
            if chip.next_baud is not None:
                chip.baud, chip.next_baud = chip.next_baud, None
            return
        if body == NACK:
            self._write(self._sent)
            return
        time.sleep((len(body) + 6) * 10 / chip.baud)
        if sum(body) & 0xFF or body[0] != 0xD4 or len(body) < 3:
            self._write(SYNTAX_ERROR)
            return
        command, data = body[1], body[2:-1]
        self._counts[command] += 1
        chip.next_baud = None
        self._write(ACK)
        try:
            reply = chip.run(command, data, self.wait)
            if self._stuck:
                self.wait(math.inf)
        except AbortedError:
            self._stuck = False
            chip.next_baud = None
            return
        self._sent = SYNTAX_ERROR if reply is None else frame(bytes([0xD5, command + 1 & 0xFF]) + reply)
        self._write(self._sent)

    def _write(self, data: bytes) -> None:
        time.sleep(len(data) * 10 / self.chip.baud)  # 8 bits, start and stop
        if not self._deaf:
            with contextlib.suppress(BlockingIOError):  # nobody reads: lost, as on a UART
                os.write(self._master, data)
