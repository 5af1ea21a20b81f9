"""The management messages: what is read from the kernel, however broken, and what is written to it."""

import socket
import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from drivers import frames, mgmtwire
from drivers.mgmtwire import Answer, Command, Event, Heard, Notice, Status, decode
from gateway.errors import PeerError
from tests.rigs.kernel import HEADER, PUBLIC, found
from tests.rigs.listener import EID_NOW

EID_AD = frames.encode_eid(EID_NOW, -18)
# Seen in the virtual machine, Linux 6.1 (`make test-vm`): the answer to READ_MONITORS.
SEEN_MONITORS = bytes.fromhex("01000000100051000000000000000000002000100000")


@pytest.mark.parametrize("active", [False, True])
def test_an_advertisement_is_read_with_the_senders_random_address(active: bool) -> None:
    message = found(EID_AD, -61, "C0:11:22:33:44:55", active=active)
    assert decode(message, 0) == Heard(-61, EID_AD, bytes.fromhex("c01122334455"))


def test_a_public_address_stays_behind() -> None:
    heard = decode(found(EID_AD, -61, kind=PUBLIC), 0)
    assert heard == Heard(-61, EID_AD, b"")


def test_classic_bluetooth_and_other_adapters_are_not_ours() -> None:
    assert decode(found(EID_AD, -61, kind=0), 0) is None
    assert decode(found(EID_AD, -61, index=1), 0) is None
    assert decode(found(EID_AD, -61, index=1), 1) == Heard(-61, EID_AD, bytes.fromhex("c01122334455"))


@pytest.mark.parametrize(("rssi_dbm", "level_dbm"), [(127, None), (21, None), (20, 20), (-127, -127), (-128, None)])
def test_a_level_that_no_radio_reports_is_no_rssi(rssi_dbm: int, level_dbm: int | None) -> None:
    heard = decode(found(EID_AD, rssi_dbm), 0)
    assert isinstance(heard, Heard)
    assert heard.rssi_dbm == level_dbm


@pytest.mark.parametrize("size", [0, 31, 255, 1650])
def test_every_length_of_advertisement_is_read(size: int) -> None:
    heard = decode(found(bytes(size), -1), 0)
    assert isinstance(heard, Heard)
    assert len(heard.ad) == size


@pytest.mark.parametrize(
    ("message", "meaning"),
    [
        ("0500 0000 0000", Notice(Event.INDEX_REMOVED, 0)),
        ("0600 0000 0400 d10a0000", Notice(Event.NEW_SETTINGS, 0xAD1)),
        ("2c00 0000 0200 0700", Notice(Event.MONITOR_REMOVED, 7)),
        ("0200 0000 0300 2300 0a", Answer(0x23, Status.BUSY, b"")),
        ("0100 0000 0500 5200 00 0300", Answer(Command.ADD_MONITOR, Status.SUCCESS, b"\x03\x00")),
        ("1300 0000 0200 0601", None),
    ],
)
def test_news_and_answers_are_read(message: str, meaning: object) -> None:
    assert decode(bytes.fromhex(message), 0) == meaning


@given(st.integers(0, 200), st.integers(0, 0xFFFF))
@example(6, 15)
def test_every_cut_and_every_lie_about_the_length_is_refused(cut: int, lie: int) -> None:
    message = found(EID_AD, -61)
    if cut < len(message):
        with pytest.raises(PeerError, match="mgmt"):
            decode(message[:cut], 0)
    if lie != len(message) - HEADER.size:
        with pytest.raises(PeerError, match="mgmt"):
            decode(message[:4] + struct.pack("<H", lie) + message[6:], 0)
    if lie != len(EID_AD):
        at = len(message) - len(EID_AD) - 2
        with pytest.raises(PeerError, match="mgmt"):
            decode(message[:at] + struct.pack("<H", lie) + message[at + 2 :], 0)


@given(st.binary(max_size=80), st.sampled_from([0x01, 0x02, 0x05, 0x06, 0x12, 0x2C, 0x2F, 0x30]))
def test_no_bytes_cause_another_error(body: bytes, code: int) -> None:
    for message in (body, HEADER.pack(code, 0, len(body)) + body):
        try:
            decode(message, 0)
        except PeerError as error:
            assert str(error) == "mgmt"  # and nothing of the message


@given(st.binary(max_size=80))
def test_no_answer_causes_another_error(data: bytes) -> None:
    for read in (mgmtwire.settings, mgmtwire.current_settings, mgmtwire.handle, mgmtwire.monitors):
        try:
            read(data)
        except PeerError as error:
            assert str(error) == "mgmt"


def test_answers_are_read() -> None:
    info = bytes.fromhex("0100000000f009ffff1bbe0100010a0000") + bytes(263)  # as seen on Linux 6.1
    assert mgmtwire.settings(info) == (0x1BE1B, 0xA01)
    assert 0xA01 & mgmtwire.POWERED
    assert 0xA01 & mgmtwire.LOW_ENERGY
    answer = decode(SEEN_MONITORS, 0)
    assert isinstance(answer, Answer)
    assert mgmtwire.monitors(answer.data) == set()
    assert mgmtwire.monitors(bytes(11) + bytes.fromhex("0200 0100 0900")) == {1, 9}
    with pytest.raises(PeerError):
        mgmtwire.monitors(bytes(11) + bytes.fromhex("0300 0100 0900"))


def test_commands_are_written_as_the_kernel_reads_them() -> None:
    assert mgmtwire.encode(Command.SET_POWERED, 2, b"\x01").hex() == "050002000100" + "01"
    assert mgmtwire.scan_window(96, 48).hex() == "1300" + "02" + "6000" + "1400" + "02" + "3000"
    assert mgmtwire.handle_bytes(7).hex() == "0700"
    packed = mgmtwire.patterns(((0x16, 0, b"\xaa\xfe"), (0xFF, 2, b"\xbe\xac")))
    assert packed[0] == 2
    assert packed[1:6].hex() == "160002" + "aafe"
    assert len(packed) == 1 + 2 * 34
    assert packed[35:40].hex() == "ff0202" + "beac"


def test_what_the_kernel_throws_away_is_counted() -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer,
    ):
        sock.bind(("127.0.0.1", 0))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        assert mgmtwire.dropped(sock) == 0
        for _ in range(100):
            peer.sendto(bytes(1000), sock.getsockname())
        sock.setblocking(False)
        kept = 0
        try:
            while sock.recv(2000):
                kept += 1
        except BlockingIOError:
            pass
        assert mgmtwire.dropped(sock) == 100 - kept > 0


def test_the_buffer_is_widened_with_and_without_the_right_to() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        before = sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        mgmtwire.widen(sock)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) >= before


def test_the_real_socket_opens_or_says_why_not() -> None:
    try:
        mgmtwire.connect().close()
    except OSError as error:
        assert error.errno
