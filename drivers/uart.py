"""A serial port with a chip behind it: ours alone, read in whole frames, and noticed when it is unplugged.

Takes the place of nfcpy's own, which takes a frame of 255 bytes for a longer one and waits for what never comes.
"""

import errno
import os
import select
import termios
import threading
import time
from contextlib import suppress
from pathlib import Path

import serial

from drivers import chip

# How often a wait for the chip looks whether the device is still plugged in.
NODE_MS = 100
QUIET_NODE_MS = 250  # while the chip watches: each look wakes the processor

PIECE_BYTES = 512  # more than the longest frame


class Uart:
    """An open port, as nfcpy's drivers use one. Raises OSError where it cannot be opened."""

    TYPE = "TTY"  # by which nfcpy knows what it may do with it

    def __init__(self, port: str) -> None:
        self._early = bytearray()  # has come, and is not read yet
        patience_s = chip.CHIP_MS / 1000
        self._tty: serial.Serial | None = serial.Serial(
            port, chip.BAUD, timeout=patience_s, write_timeout=patience_s, exclusive=True
        )

    @property
    def port(self) -> str:
        """The device's path, "" once it is closed."""
        return "" if self._tty is None else str(self._tty.port)

    @property
    def baudrate(self) -> int:
        return int(self._open.baudrate)

    @baudrate.setter
    def baudrate(self, baud: int) -> None:
        self._open.baudrate = baud

    def write(self, frame: bytes) -> None:
        """Send; what is waiting to be read answers something older and goes. Raises OSError, termios.error."""
        tty, rest = self._open, memoryview(frame)
        tty.reset_input_buffer()
        self._early.clear()
        while rest:
            try:
                rest = rest[os.write(tty.fileno(), rest) :]
            except BlockingIOError:
                if not select.select([], [tty.fileno()], [], chip.CHIP_MS / 1000)[1]:
                    raise OSError(errno.EIO, "the port takes nothing") from None

    def read(self, timeout: int) -> bytearray:
        """One frame that begins within `timeout` milliseconds. Raises OSError, also for half a frame."""
        if not self._early:
            self._await(timeout)
        frame = bytearray()
        while left := chip.missing(frame):
            if not self._early and not self._fill(chip.CHIP_MS):
                raise OSError(errno.EIO, "half a frame")
            frame += self._early[:left]
            del self._early[:left]
        return frame

    def hears(self, timeout: int, stop: threading.Event) -> bool:
        """Whether something comes within `timeout` milliseconds, or before `stop`; it can be read. Raises OSError."""
        for passed in range(0, timeout, QUIET_NODE_MS):
            if self._early or self._fill(min(QUIET_NODE_MS, timeout - passed)):
                return True
            self._look_for_node()
            if stop.is_set():
                break
        return False

    def _await(self, timeout: int) -> None:
        """Until something comes."""
        for _ in range(0, timeout, NODE_MS):
            if self._fill(NODE_MS):
                return
            self._look_for_node()
        raise OSError(errno.ETIMEDOUT, "no answer")

    def _look_for_node(self) -> None:
        if not Path(self.port).exists():
            raise OSError(errno.ENODEV, "unplugged")

    def _fill(self, timeout: int) -> bool:
        """Take all that has come, a frame's end and the next one's beginning too: each call of the system wakes the
        processor, 50 times a second where nobody taps. False = nothing came within `timeout` milliseconds."""
        fd = self._open.fileno()
        if not select.select([fd], [], [], timeout / 1000)[0]:
            return False
        more = os.read(fd, PIECE_BYTES)
        if not more:
            raise OSError(errno.EIO, "hung up")
        self._early += more
        return True

    def pulse(self) -> None:
        """Lower and raise DTR and RTS. Raises OSError where there are none."""
        for level in (False, True):
            self._open.dtr = self._open.rts = level
            time.sleep(chip.RESET_S)

    def close(self) -> None:
        """Never raises."""
        tty, self._tty = self._tty, None
        if tty is not None:
            with suppress(OSError, termios.error):
                tty.close()

    @property
    def _open(self) -> serial.Serial:
        if self._tty is None:
            raise OSError(errno.ENODEV, "closed")
        return self._tty
