"""drivers.chip: frames byte for byte, and a memory that never tells what the chip would not."""

import errno
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import chip
from drivers.chip import Memo

MODES = bytes.fromhex("630263036305")
TIMING = bytes.fromhex("020a0b0b")


def test_frames_are_golden() -> None:
    assert chip.frame(chip.GET_FIRMWARE) == bytes(10) + bytes.fromhex("0000ff02fed4022a00")
    assert chip.frame(chip.SET_RATE + chip.RATES[chip.BAUD]) == bytes(10) + bytes.fromhex("0000ff03fdd410041800")


def test_only_the_right_answer_is_an_answer() -> None:
    assert chip.answer(bytes.fromhex("0000ff06fad50332010607e800"), 0x02) == bytes.fromhex("32010607")
    assert chip.answer(bytes.fromhex("0000ff02fed5151600"), 0x02) is None
    assert chip.answer(chip.ACK, 0x02) is None


class Line:
    """A chip that answers from the moment that its reset line was pulsed, if `resets`."""

    port = "/dev/ttyS0"

    def __init__(self, resets: bool = False) -> None:
        self.written: list[tuple[int, bytes]] = []
        self.waited_ms = 0
        self._resets = resets
        self._answers = False
        self._replies: list[bytes] = []
        self._baudrate = chip.BAUD

    @property
    def baudrate(self) -> int:
        return self._baudrate

    @baudrate.setter
    def baudrate(self, value: int) -> None:
        if value == 921_600:
            raise ValueError("this port is too slow for that")
        self._baudrate = value

    def write(self, frame: bytes) -> None:
        self.written.append((self._baudrate, frame))
        self._replies = []
        if not self._answers:
            return
        code = frame[len(chip.WAKE) + 6]
        reply = bytes([0xD5, code + 1]) + (b"\x32\x01\x06\x07" if code == 0x02 else b"")
        head = b"\x00\x00\xff" + bytes([len(reply), -len(reply) & 0xFF])
        self._replies = [chip.ACK, head + reply + bytes([-sum(reply) & 0xFF, 0])]

    def read(self, timeout: int) -> bytes:
        if not self._replies:
            self.waited_ms += timeout
            raise OSError(errno.ETIMEDOUT, "silence")
        return self._replies.pop(0)

    def hears(self, timeout: int, stop: threading.Event) -> bool:
        return bool(self._replies) and not stop.is_set()

    def pulse(self) -> None:
        if not self._resets:
            raise OSError(errno.ENOTTY, "no such lines")
        self._answers = True


def test_every_rate_that_the_port_can_do_is_tried_and_the_chip_reset_again() -> None:
    line = Line()
    with pytest.raises(OSError, match="silence"):
        chip.start(line)
    assert line.written[0] == (chip.BAUD, chip.WAKE + chip.ACK)
    assert [baud for baud, _ in line.written[1:]] == [115_200, 460_800, 230_400, 115_200, 115_200]


def test_a_chip_that_only_its_reset_line_wakes_is_started() -> None:
    line = Line(resets=True)
    chip.start(line)
    assert [frame for _, frame in line.written[-2:]] == [chip.frame(chip.GET_FIRMWARE), chip.frame(chip.SAM_NORMAL)]


def test_a_wedged_chip_is_tried_in_every_way_within_its_five_seconds() -> None:
    line = Line()
    line.port = "/dev/ttyUSB0"
    with pytest.raises(OSError, match="silence"):
        chip.start(line)
    assert line.waited_ms + 2 * chip.CHIP_MS < 5_000


SOMEBODY = bytes.fromhex("0000ff0cf4d54b010100440007040a1b2c3d4e5f0000")
NOBODY = bytes.fromhex("0000ff03fdd54b00e000")
OTHER = bytes.fromhex("0000ff02fed5151600")


class Watching(Line):
    """A chip that says something at once, or on its way while the host breaks off."""

    def __init__(self, said: bytes = b"", late: bytes = b"") -> None:
        super().__init__()
        self._replies = [said] if said else []
        self._late = late

    def write(self, frame: bytes) -> None:
        super().write(frame)
        self._replies = [self._late] if self._late else []


@pytest.mark.parametrize(
    ("said", "late", "found"),
    [(SOMEBODY, b"", True), (NOBODY, b"", None), (b"", b"", False), (b"", SOMEBODY, True), (b"", NOBODY, None)],
)
def test_what_a_watching_chip_says_is_heard_until_the_host_has_broken_off(
    said: bytes, late: bytes, found: bool | None
) -> None:
    line = Watching(said, late)
    assert chip.watched(line, 1_000, threading.Event()) is found
    assert [frame for _, frame in line.written] == ([] if said else [chip.ABORT])


def test_another_answer_than_that_is_a_fault() -> None:
    with pytest.raises(OSError, match="no answer"):
        chip.watched(Watching(OTHER), 1_000, threading.Event())


def test_what_was_read_or_written_need_not_be_asked() -> None:
    memo = Memo().after(chip.READ_REGISTER, MODES, b"\x80\x81\x40")
    assert memo.known(chip.READ_REGISTER, MODES) == b"\x80\x81\x40"
    assert memo.known(chip.WRITE_REGISTER, bytes.fromhex("630380")) is None
    memo = memo.after(chip.WRITE_REGISTER, bytes.fromhex("630380"), b"")
    assert memo.known(chip.WRITE_REGISTER, bytes.fromhex("630380")) == b""
    assert memo.known(chip.READ_REGISTER, bytes.fromhex("6303")) == b"\x80"
    assert memo.known(chip.RF_CONFIGURATION, TIMING) is None
    assert memo.after(chip.RF_CONFIGURATION, TIMING, b"").known(chip.RF_CONFIGURATION, TIMING) == b""


def test_steady_registers_are_asked_for_all_at_once() -> None:
    assert Memo().wider(chip.READ_REGISTER, bytes.fromhex("6303")) == MODES
    for code, data in ((chip.READ_REGISTER, chip.FIFO_DATA), (chip.WRITE_REGISTER, bytes.fromhex("630300"))):
        assert Memo().wider(code, data) == data


OFF, ON = b"\x01\x02", b"\x01\x03"


def test_a_field_that_is_off_need_not_be_switched_off() -> None:
    memo = Memo().after(chip.RF_CONFIGURATION, OFF, b"")
    assert memo.known(chip.RF_CONFIGURATION, OFF) == b""
    assert memo.after(chip.RF_CONFIGURATION, TIMING, b"").known(chip.RF_CONFIGURATION, OFF) == b""


@pytest.mark.parametrize(
    ("code", "data", "reply"),
    [
        pytest.param(chip.LIST_TARGET, b"\x01\x00", b"\x00", id="a look"),
        pytest.param(chip.COMMUNICATE_THRU, b"\x30\x00", b"\x00", id="an exchange"),
        pytest.param(chip.COMMUNICATE_THRU, b"\x30\x00", b"\x01", id="a failed exchange"),
        pytest.param(chip.RF_CONFIGURATION, ON, b"", id="switched on"),
    ],
)
def test_the_field_may_be_on_after(code: int, data: bytes, reply: bytes) -> None:
    memo = Memo().after(chip.RF_CONFIGURATION, OFF, b"").after(code, data, reply)
    assert memo.known(chip.RF_CONFIGURATION, OFF) is None


def test_volatile_registers_are_always_asked() -> None:
    fifo = bytes.fromhex("6339")
    assert Memo().after(chip.READ_REGISTER, fifo, b"\x26").known(chip.READ_REGISTER, fifo) is None


@pytest.mark.parametrize(
    ("code", "data", "reply"),
    [
        pytest.param(0x4A, b"\x01\x00", b"\x00", id="a card is looked for"),
        pytest.param(chip.RF_CONFIGURATION, b"\x01\x02", b"", id="the field is switched"),
        pytest.param(chip.COMMUNICATE_THRU, b"\x30\x00", b"\x01", id="a card does not answer"),
        pytest.param(chip.COMMUNICATE_THRU, b"\x30\x00", b"", id="no reply"),
    ],
)
def test_registers_are_forgotten_when(code: int, data: bytes, reply: bytes) -> None:
    memo = Memo().after(chip.READ_REGISTER, MODES, b"\x80\x80\x40")
    assert memo.after(code, data, reply).known(chip.READ_REGISTER, MODES) is None


def test_an_exchange_leaves_all_in_place() -> None:
    memo = Memo().after(chip.READ_REGISTER, MODES, b"\x80\x80\x40").after(chip.RF_CONFIGURATION, TIMING, b"")
    assert memo.after(chip.COMMUNICATE_THRU, b"\x30\x00", b"\x00") == memo


steady = st.sampled_from(sorted(chip.STEADY_REGISTERS))
steps = st.one_of(
    st.tuples(st.just("read"), st.lists(steady, min_size=1, max_size=3)),
    st.tuples(st.just("write"), st.lists(st.tuples(steady, st.integers(0, 3)), min_size=1, max_size=3)),
    st.tuples(st.just("list"), st.integers(0, 3)),
)


@given(st.lists(steps, max_size=20))
def test_memory_and_chip_never_disagree(script: list[tuple[str, object]]) -> None:
    registers = dict.fromkeys(chip.STEADY_REGISTERS, 0)
    memo = Memo()
    for what, more in script:
        if what == "list":  # the chip sets its registers as it likes
            registers = dict.fromkeys(chip.STEADY_REGISTERS, int(str(more)))
            memo = memo.after(0x4A, b"\x01\x00", b"\x01")
            continue
        assert isinstance(more, list)
        if what == "read":
            code, data = chip.READ_REGISTER, b"".join(at.to_bytes(2, "big") for at in more)
        else:
            code, data = chip.WRITE_REGISTER, b"".join(at.to_bytes(2, "big") + bytes([value]) for at, value in more)
        known = memo.known(code, data)
        if code == chip.READ_REGISTER:
            reply = bytes(registers[at] for at in more)
            assert known in (None, reply)
        else:
            reply = b""
            after = registers | dict(more)
            assert known is None or after == registers
            registers = after
        memo = memo if known is not None else memo.after(code, data, reply)


@pytest.mark.parametrize(
    "size", [0, 1, 100, 252, 253, 254, 255, 256, 263], ids=lambda size: f"{size} bytes behind the code"
)
def test_a_frame_is_read_to_its_last_byte_and_no_further(size: int) -> None:
    body = b"\xd5\x43" + bytes(size)
    length = len(body).to_bytes(2, "big")
    head = (
        bytes([len(body), -len(body) & 0xFF])
        if len(body) < 256
        else b"\xff\xff" + length + bytes([-sum(length) & 0xFF])
    )
    whole = b"\x00\x00\xff" + head + body + bytes([-sum(body) & 0xFF, 0])
    read = b""
    while left := chip.missing(bytearray(read)):
        assert len(read) + left <= len(whole)  # more would wait for a byte that never comes
        read += whole[len(read) : len(read) + left]
    assert read == whole


def test_an_acknowledgement_is_whole_by_itself() -> None:
    assert chip.missing(bytearray(chip.ACK)) == 0
