"""drivers.uart: whole frames from a pseudo-terminal, and what goes wrong with one."""

import errno
import os
import threading
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers import chip
from drivers.uart import NODE_MS, Uart

LONG = b"\x00\x00\xff\xff\x01" + b"\xd5\x43" + bytes(253) + b"\x00\x00"  # LEN 255 is no extended frame


class Wire:
    """The chip's end, and the host's at a path that can vanish."""

    def __init__(self, folder: Path) -> None:
        self.chip, self._host = os.openpty()
        tty.setraw(self._host)
        self.path = folder / "tty"
        self.path.symlink_to(os.ttyname(self._host))
        self.uart = Uart(str(self.path))

    def close(self) -> None:
        self.uart.close()
        os.close(self.chip)
        os.close(self._host)


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[Wire]:
    one = Wire(tmp_path)
    yield one
    one.close()


def test_frames_come_whole_one_by_one(wire: Wire) -> None:
    os.write(wire.chip, chip.ACK + LONG + chip.ACK)
    assert [bytes(wire.uart.read(chip.CHIP_MS)) for _ in range(3)] == [chip.ACK, LONG, chip.ACK]


def test_what_waits_answers_something_older(wire: Wire) -> None:
    os.write(wire.chip, b"left over")
    wire.uart.write(chip.ACK)
    assert os.read(wire.chip, 100) == chip.ACK
    os.write(wire.chip, LONG)
    assert wire.uart.read(chip.CHIP_MS) == LONG


def test_it_hears_what_comes_and_leaves_it_to_be_read(wire: Wire) -> None:
    stop = threading.Event()
    assert not wire.uart.hears(10, stop)
    os.write(wire.chip, LONG)
    assert wire.uart.hears(chip.CHIP_MS, stop)
    assert wire.uart.hears(chip.CHIP_MS, stop)
    assert wire.uart.read(chip.CHIP_MS) == LONG
    stop.set()
    assert not wire.uart.hears(3_600_000, stop)
    wire.path.unlink()
    with pytest.raises(OSError, match="unplugged"):
        wire.uart.hears(3_600_000, threading.Event())


@pytest.mark.parametrize(("sent", "number"), [(b"", errno.ETIMEDOUT), (LONG[:100], errno.EIO)])
def test_silence_and_half_a_frame_are_faults(wire: Wire, sent: bytes, number: int) -> None:
    os.write(wire.chip, sent)
    with pytest.raises(OSError) as caught:
        wire.uart.read(2 * NODE_MS)
    assert caught.value.errno == number


def test_an_unplugged_port_is_noticed_while_it_is_waited_for(wire: Wire) -> None:
    wire.path.unlink()
    with pytest.raises(OSError) as caught:
        wire.uart.read(chip.CHIP_MS)
    assert caught.value.errno == errno.ENODEV


def test_a_closed_port_says_so_and_closes_twice(wire: Wire) -> None:
    wire.uart.close()
    wire.uart.close()
    assert wire.uart.port == ""
    with pytest.raises(OSError):
        wire.uart.write(chip.ACK)


def test_a_port_is_ours_alone(wire: Wire) -> None:
    with pytest.raises(OSError):
        Uart(str(wire.path))
