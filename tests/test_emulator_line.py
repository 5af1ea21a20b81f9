"""gateway.emulator.line: raw bytes over a pseudo-terminal, from frames to faults."""

import errno
import os
import select
import termios
import tty
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.emulator import cards
from gateway.emulator.field import Field
from gateway.emulator.line import ACK, BODY_MAX, NACK, START, SYNTAX_ERROR, WAKE, Line, check, frame, take
from gateway.emulator.pn532 import Chip

LIMIT_S = 30
QUIET_S = 0.15  # long enough for a chip that answers in 2 ms; too short makes a test weak, not red
FIRMWARE = bytes.fromhex("0000ff06fad50332010607e800")


def command(body: str) -> bytes:
    octets = b"\xd4" + bytes.fromhex(body)
    return START + bytes([len(octets), -len(octets) & 0xFF]) + octets + check(octets) + b"\x00"


ASK = command("02")


class Setup:
    """A line with its chip, and a host at the other end."""

    def __init__(self, folder: Path, chip: Chip | None = None, field: Field | None = None) -> None:
        self.link = folder / "reader"
        self.counts: Counter[int] = Counter()
        self.chip = chip or Chip(field or Field())
        self.line = Line(self.chip, self.link, self.counts)
        self.host = -1
        self.open()

    def open(self) -> None:
        self.host = os.open(self.link, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(self.host)
        self.rate(termios.B115200)

    def rate(self, speed: int) -> None:
        mode = termios.tcgetattr(self.host)
        mode[4] = mode[5] = speed
        termios.tcsetattr(self.host, termios.TCSANOW, mode)

    def read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            assert select.select([self.host], [], [], LIMIT_S)[0], data.hex()
            data += os.read(self.host, size - len(data))
        return data

    def ask(self, data: bytes, reply: bytes) -> None:
        os.write(self.host, data)
        assert self.read(len(ACK) + len(reply)) == ACK + reply

    def silent(self) -> bool:
        return not select.select([self.host], [], [], QUIET_S)[0]

    def shut(self) -> None:
        os.close(self.host)
        self.host = -1


@pytest.fixture
def setup(tmp_path: Path) -> Iterator[Setup]:
    made = Setup(tmp_path)
    yield made
    made.line.unplug()
    if made.host >= 0:
        made.shut()


def test_frames_are_golden() -> None:
    assert frame(bytes.fromhex("d50332010607")) == FIRMWARE
    assert frame(bytes(255))[:5] == b"\x00\x00\xff\xff\x01"  # as the manual has it, though nfcpy takes it for extended
    assert frame(bytes(256))[:8] == bytes.fromhex("0000ffffff0100ff")


@given(st.binary(min_size=1, max_size=BODY_MAX))
def test_frames_can_be_taken_apart(body: bytes) -> None:
    sent = frame(body)
    for cut in (1, len(sent) // 2, len(sent) - 1):
        assert take(sent[:cut])[0] is None
    taken, rest = take(WAKE + sent + b"more")
    assert taken is not None
    assert (taken[:-1], rest, sum(taken) & 0xFF) == (body, b"more", 0)


@given(st.binary(max_size=600))
def test_any_bytes_are_taken_apart(data: bytes) -> None:
    body: bytes | None = b""
    rest = data
    while body is not None:
        before = len(rest)
        body, rest = take(rest)
        assert len(rest) < before or body is None
    assert len(rest) <= BODY_MAX + 10


def test_a_command_is_acknowledged_and_answered(setup: Setup) -> None:
    setup.ask(ASK, FIRMWARE)
    setup.ask(WAKE + ASK, FIRMWARE)
    assert setup.counts == {0x02: 2}


def test_a_frame_may_come_in_pieces(setup: Setup) -> None:
    for octet in ASK:
        os.write(setup.host, bytes([octet]))
    assert setup.read(len(ACK) + len(FIRMWARE)) == ACK + FIRMWARE


def test_the_line_test_comes_back_in_an_extended_frame(setup: Setup) -> None:
    data = bytes(range(256)) + bytes(7)
    body = b"\xd4\x00" + b"\x00" + data[1:]
    assert len(body) == BODY_MAX
    setup.ask(frame(body), frame(b"\xd5\x01\x00" + data[1:]))


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(ASK[:-2] + b"\x2b\x00", id="checksum"),
        pytest.param(frame(b"\xd5\x02"), id="not from a host"),
        pytest.param(frame(b"\xd4"), id="no command"),
    ],
)
def test_broken_frames_get_the_error_frame(setup: Setup, sent: bytes) -> None:
    os.write(setup.host, sent)
    assert setup.read(len(SYNTAX_ERROR)) == SYNTAX_ERROR
    setup.ask(ASK, FIRMWARE)


def test_unknown_commands_are_acknowledged_and_get_the_error_frame(setup: Setup) -> None:
    setup.ask(command("6000"), SYNTAX_ERROR)


def test_rubbish_is_no_frame(setup: Setup) -> None:
    os.write(setup.host, START + b"\x05\x05" + START + b"\xff\xff\x7f\x00\x81")
    assert setup.silent()
    setup.ask(ASK, FIRMWARE)


def test_a_reply_can_be_asked_for_again(setup: Setup) -> None:
    setup.ask(ASK, FIRMWARE)
    os.write(setup.host, NACK)
    assert setup.read(len(FIRMWARE)) == FIRMWARE


def test_the_hosts_ack_aborts(setup: Setup) -> None:
    os.write(setup.host, command("4a0100"))  # after power on: until a card comes
    assert setup.read(len(ACK)) == ACK
    assert setup.silent()
    os.write(setup.host, ACK)
    setup.ask(ASK, FIRMWARE)


def test_a_card_ends_the_looking(tmp_path: Path) -> None:
    field = Field()
    made = Setup(tmp_path, field=field)
    os.write(made.host, command("4a0100"))
    assert made.read(len(ACK)) == ACK
    field.put([cards.make(cards.classic())])
    assert made.read(7) == b"\x00\x00\xff\x0c\xf4\xd5\x4b"
    made.line.unplug()
    made.shut()


def test_a_new_rate_counts_from_the_hosts_ack_on(setup: Setup) -> None:
    setup.ask(command("1007"), bytes.fromhex("0000ff02fed5111a00"))
    assert setup.chip.baud == 115_200
    os.write(setup.host, ACK)
    while setup.chip.baud == 115_200:
        assert setup.silent()
    os.write(setup.host, ASK)
    assert setup.silent()  # too slow for it
    setup.rate(termios.B921600)
    setup.ask(ASK, FIRMWARE)


def test_a_rate_without_the_hosts_ack_is_forgotten(setup: Setup) -> None:
    setup.ask(command("1007"), bytes.fromhex("0000ff02fed5111a00"))
    setup.ask(ASK, FIRMWARE)
    os.write(setup.host, ACK)
    setup.ask(ASK, FIRMWARE)


@pytest.mark.parametrize("how", ["powered on", "wedged", "powered down"])
def test_asleep_means_deaf_until_woken(tmp_path: Path, how: str) -> None:
    made = Setup(tmp_path, Chip(Field(), asleep=how == "powered on"))
    if how == "wedged":
        made.line.wedge("asleep")
    elif how == "powered down":
        made.ask(command("16f0"), bytes.fromhex("0000ff03fdd517001400"))
    os.write(made.host, ASK)
    assert made.silent()
    made.ask(WAKE + ASK, FIRMWARE)
    made.ask(ASK, FIRMWARE)
    made.line.unplug()
    made.shut()


def test_stuck_means_acknowledged_and_not_answered(setup: Setup) -> None:
    setup.line.wedge("stuck")
    os.write(setup.host, ASK)
    assert setup.read(len(ACK)) == ACK
    os.write(setup.host, ASK)
    assert setup.silent()
    os.write(setup.host, ACK)
    setup.ask(ASK, FIRMWARE)


def test_deaf_means_silent_until_the_port_was_closed(setup: Setup) -> None:
    setup.ask(ASK, FIRMWARE)
    setup.line.wedge("deaf")
    while not setup.line.is_deaf:
        assert setup.silent()
    for sent in (ASK, ACK + ASK, WAKE + ASK):
        os.write(setup.host, sent)
        assert setup.silent()
    setup.shut()
    while setup.line.is_deaf:
        select.select([], [], [], 0.01)
    setup.open()
    setup.ask(ASK, FIRMWARE)


def test_a_fault_that_there_is_not(setup: Setup) -> None:
    with pytest.raises(ValueError, match="rusty"):
        setup.line.wedge("rusty")


@pytest.mark.parametrize("how", [None, "stuck", "deaf"])
def test_unplugged_the_name_is_gone_and_the_host_is_hung_up_on(tmp_path: Path, how: str | None) -> None:
    made = Setup(tmp_path)
    if how is not None:
        made.line.wedge(how)
        os.write(made.host, ASK)
    made.line.unplug()
    assert not made.link.is_symlink()
    with pytest.raises(OSError) as raised:
        os.write(made.host, ASK)
    assert raised.value.errno == errno.EIO
    made.shut()


def test_a_host_that_never_reads_does_not_stop_the_chip(setup: Setup) -> None:
    for _ in range(300):
        os.write(setup.host, ASK)
    while setup.counts[0x02] < 300:
        select.select([], [], [], 0.01)
    termios.tcflush(setup.host, termios.TCIFLUSH)
