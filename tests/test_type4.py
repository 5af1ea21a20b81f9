"""drivers.type4: exact commands, few of them, and cards that lie, refuse or never end."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import type4
from drivers.tags import MESSAGE_BYTES_MAX
from drivers.talk import CardGoneError, Refused
from gateway.core.model import Trouble
from gateway.emulator import sun

NAME = "00a4040007d276000085010100"
OLD_NAME = "00a4040007d276000085010000"


class Script:
    """Answers in order, and holds the card to the very commands that are expected."""

    def __init__(self, *pairs: tuple[str, str]) -> None:
        self._pairs = list(pairs)

    def __call__(self, apdu: bytes) -> bytes:
        command, answer = self._pairs.pop(0)
        assert apdu.hex() == command
        return bytes.fromhex(answer)

    @property
    def ended(self) -> bool:
        return not self._pairs


class File:
    """A Type 4 tag with one message; `most` is its MLe, `size` the size of the file that it announces."""

    def __init__(self, message: bytes, most: int = 255, size: int | None = None, told: int | None = None) -> None:
        self.content = (len(message) if told is None else told).to_bytes(2, "big") + message
        self.size = len(self.content) if size is None else size
        self.most = most
        self.selected = b""
        self.commands: list[bytes] = []

    def __call__(self, apdu: bytes) -> bytes:
        self.commands.append(apdu)
        if apdu[1] == 0xA4:
            self.selected = apdu[5:7]
            return b"\x90\x00"
        assert 0 < apdu[4] <= max(self.most, 15)
        cc = bytes.fromhex(f"000f20{self.most:04x}00ff0406e104{self.size:04x}0000")
        content = cc if self.selected == b"\xe1\x03" else self.content
        offset = int.from_bytes(apdu[2:4], "big")
        assert content is cc or offset + apdu[4] <= self.size  # some cards answer what goes beyond with an error
        return content[offset : offset + apdu[4]] + b"\x90\x00"


def test_the_transcript_of_an_ntag_424() -> None:
    tag = sun.make(sun.spec("04c0ffee424200", url=sun.PLAIN_URL, counter=41))
    said: list[tuple[str, str]] = []

    def exchange(apdu: bytes) -> bytes:
        answer = tag.answer(apdu)
        said.append((apdu.hex(), answer.hex()))
        return answer

    url = b"shop.test/c?uid=04C0FFEE424200&ctr=00002A&cmac=F18E6A8898DA5E6E"
    message = b"\xd1\x01" + bytes([len(url) + 1]) + b"U\x04" + url
    assert type4.read(exchange) == message
    assert said == [
        (NAME, "9000"),
        ("00a4000c02e103", "9000"),
        ("00b000000f", "001720010000ff0406e104010000009000"),
        ("00a4000c02e104", "9000"),
        ("00b0000060", (b"\0" + bytes([len(message)]) + message).ljust(96, b"\0").hex() + "9000"),
    ]


def test_a_message_of_94_bytes_takes_five_exchanges_and_a_long_one_reads_what_is_left() -> None:
    card = File(b"m" * 94)
    assert type4.read(card) == b"m" * 94
    assert len(card.commands) == 5
    card = File(b"m" * 95)
    assert type4.read(card) == b"m" * 95
    assert card.commands[-1].hex() == "00b0006001"
    card = File(b"m" * 600)
    assert type4.read(card) == b"m" * 600
    assert [command.hex() for command in card.commands[4:]] == ["00b0000060", "00b00060ff", "00b0015ffb"]


def test_what_a_card_sends_beyond_what_was_asked_for_is_dropped() -> None:
    card = File(b"m" * 300)
    assert type4.read(lambda apdu: card(apdu)[:-2] + b"!" * 9 + b"\x90\x00") == b"m" * 300


def test_an_old_card_answers_to_the_old_name() -> None:
    script = Script(
        (NAME, "6a82"),
        (OLD_NAME, "9000"),
        ("00a4000002e103", "9000"),
        ("00b000000f", "000f10003b00340406e104010000009000"),
        ("00a4000002e104", "9000"),
        ("00b000003b", "0003d00000" + "00" * 54 + "9000"),
    )
    assert type4.read(script) == bytes.fromhex("d00000")
    assert script.ended


@pytest.mark.parametrize("sw", ["6a82", "6d00", "6e00", "6283", "", "90", "0090"])
def test_without_the_application_it_is_none_after_two_questions(sw: str) -> None:
    script = Script((NAME, sw), (OLD_NAME, sw))
    assert type4.read(script) is None
    assert script.ended


CC = "000f20003b00340406e104010000009000"
SELECTED = [(NAME, "9000"), ("00a4000c02e103", "9000")]
OPEN = [*SELECTED, ("00b000000f", CC), ("00a4000c02e104", "9000")]


@pytest.mark.parametrize(
    ("pairs", "reason"),
    [
        pytest.param([(NAME, "9000"), ("00a4000c02e103", "6a82")], "ndef_cc", id="no container"),
        pytest.param([*SELECTED, ("00b000000f", "6982")], "ndef_cc", id="container locked"),
        pytest.param([*SELECTED, ("00b000000f", "9000")], "ndef_cc", id="container empty"),
        pytest.param([*SELECTED, ("00b000000f", "000f20003b00349000")], "ndef_cc", id="container cut"),
        pytest.param([*SELECTED, ("00b000000f", "00" * 15 + "9000")], "ndef_cc", id="half formatted"),
        pytest.param([*SELECTED, ("00b000000f", CC.replace("003b", "0000"))], "ndef_cc", id="reads nothing at once"),
        pytest.param([*SELECTED, ("00b000000f", CC.replace("0100", "0001"))], "ndef_cc", id="no room for a length"),
        pytest.param([*SELECTED, ("00b000000f", CC.replace("0406", "0506"))], "ndef_cc", id="no NDEF file"),
        pytest.param([*SELECTED, ("00b000000f", CC[:-8] + "80009000")], "ndef_locked", id="reading needs a key"),
        pytest.param([*OPEN[:3], ("00a4000c02e104", "6a82")], "ndef_read", id="no file"),
        pytest.param([*OPEN, ("00b000003b", "6b00"), ("00b0000002", "6b00")], "ndef_read", id="read refused"),
        pytest.param([*OPEN, ("00b000003b", "9000"), ("00b0000002", "9000")], "ndef_read", id="nothing to read"),
        pytest.param([*OPEN, ("00b000003b", "00019000"), ("00b0000201", "9000")], "ndef_read", id="nothing behind"),
        pytest.param([*OPEN, ("00b000003b", "00ff9000")], "ndef_read", id="longer than its file"),
        pytest.param([*OPEN, ("00b000003b", "ffff" + "d1" * 57 + "9000")], "ndef_size", id="64 kB"),
        pytest.param([*OPEN, ("00b000003b", "2001" + "d1" * 57 + "9000")], "ndef_size", id="above the limit"),
        pytest.param([*OPEN, ("00b000003b", "1fff" + "d1" * 57 + "9000")], "ndef_size", id="too many pieces"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_reason(pairs: Sequence[tuple[str, str]], reason: str) -> None:
    script = Script(*pairs)
    outcome = type4.read(script)
    assert isinstance(outcome, Refused)
    assert outcome.reason == reason
    again = Trouble.REFUSED if reason in ("ndef_size", "ndef_locked") else Trouble.AGAIN
    assert outcome.trouble is again
    assert script.ended  # nothing was asked after the answer that settled it


def test_a_blank_card_is_an_empty_message() -> None:
    assert type4.read(Script(*OPEN, ("00b000003b", "0000" + "00" * 57 + "9000"))) == b""


def test_a_card_that_reads_only_what_is_there_is_asked_for_its_length() -> None:
    script = Script(*OPEN, ("00b000003b", "6700"), ("00b0000002", "00039000"), ("00b0000203", "d000009000"))
    assert type4.read(script) == bytes.fromhex("d00000")


def test_the_end_of_the_file_is_no_error() -> None:
    assert type4.read(Script(*OPEN, ("00b000003b", "0003d000006282"))) == bytes.fromhex("d00000")


def test_a_card_that_gives_a_byte_at_a_time_is_left() -> None:
    card = File(bytes(4_000), most=255)
    asked: list[bytes] = []

    def exchange(apdu: bytes) -> bytes:
        asked.append(apdu)
        answer = card(apdu)
        return answer[:1] + answer[-2:] if len(asked) > 5 else answer

    assert type4.read(exchange) == Refused("ndef_read", Trouble.AGAIN)
    assert len(asked) == 5 + type4.READS_MAX


def test_the_largest_message_is_read_and_one_byte_more_is_not() -> None:
    card = File(bytes(MESSAGE_BYTES_MAX))
    assert type4.read(card) == bytes(MESSAGE_BYTES_MAX)
    card = File(bytes(MESSAGE_BYTES_MAX + 1))
    assert type4.read(card) == Refused("ndef_size", Trouble.REFUSED)
    assert len(card.commands) == 5


@pytest.mark.parametrize("pulled", range(5))
def test_a_card_pulled_away_is_told_to_the_caller(pulled: int) -> None:
    card = File(b"m" * 60)

    def exchange(apdu: bytes) -> bytes:
        if len(card.commands) == pulled:
            raise CardGoneError
        return card(apdu)

    with pytest.raises(CardGoneError):
        type4.read(exchange)


@given(st.binary(max_size=900), st.integers(15, 300))
def test_every_message_comes_back_whole(message: bytes, most: int) -> None:
    assert type4.read(File(message, most)) == message


answers = st.one_of(
    st.binary(max_size=40),
    st.binary(max_size=260).map(lambda data: data + b"\x90\x00"),
    st.sampled_from([b"\x90\x00", b"", b"\x6a\x82", bytes.fromhex(CC)]),
)


@given(st.lists(answers, max_size=80), st.integers(0, 0xFFFF), st.integers(0, 0xFFFF))
def test_any_answers_end_within_bounds(script: list[bytes], size: int, told: int) -> None:
    asked = 0

    def exchange(apdu: bytes) -> bytes:
        nonlocal asked
        asked += 1
        if asked < 5 and asked % 2:
            return b"\x90\x00" if asked == 1 else bytes.fromhex(f"000f2000ff00ff0406e104{size:04x}00009000")
        if asked == 5:
            return told.to_bytes(2, "big") + b"\x90\x00"
        return script.pop(0) if script and asked > 5 else b"\x90\x00"

    outcome = type4.read(exchange)
    assert asked <= 6 + type4.READS_MAX
    assert isinstance(outcome, Refused) or len(outcome) <= MESSAGE_BYTES_MAX
