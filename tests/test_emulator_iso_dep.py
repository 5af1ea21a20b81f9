"""gateway.emulator.iso_dep: blocks byte by byte, and a reader by the book that loses frames."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.emulator.iso_dep import ECP_KEEP_MS, ENDLESS, Applet, IsoDep, Manners

ATS = bytes.fromhex("0578807002")
RATS = bytes.fromhex("e080")
NAME = bytes.fromhex("f0474154")
SELECT = b"\x00\xa4\x04\x00\x04" + NAME
ECHO = b"\x80\x01\x00\x00\x02\xab\xcd"


class Echo:
    """Answers each command with its data, and counts."""

    def __init__(self, name: bytes = NAME) -> None:
        self.name = name
        self.sessions = 0
        self.asked: list[bytes] = []

    def select(self) -> None:
        self.sessions += 1

    def answer(self, apdu: bytes) -> bytes:
        self.asked.append(apdu)
        if apdu[1] == 0xA4:
            return b"\x90\x00" if apdu[5 : 5 + apdu[4]] == self.name else b"\x6a\x82"
        return apdu[5 : 5 + apdu[4]] * (apdu[2] or 1) + b"\x90\x00"


def active(*applets: Applet, **manners: object) -> IsoDep:
    card = IsoDep(b"\x04\x01\x02\x03\x04\x05\x06", list(applets) or [Echo()], Manners(**{"ats": ATS, **manners}))
    card.select()
    assert card.answer(RATS) == (manners.get("ats", ATS))
    return card


def test_blocks_alternate_and_carry_apdus() -> None:
    card = active()
    assert card.answer(b"\x02" + SELECT) == b"\x02\x90\x00"
    assert card.answer(b"\x03" + ECHO) == b"\x03\xab\xcd\x90\x00"
    assert card.answer(b"\x02" + ECHO) == b"\x02\xab\xcd\x90\x00"
    assert [command for command, _ in card.apdus] == [SELECT, ECHO, ECHO]


def test_a_lost_answer_is_sent_once_more_and_not_computed_again() -> None:
    echo = Echo()
    card = active(echo)
    answer = card.answer(b"\x02" + SELECT)
    assert card.answer(b"\xb2") == answer
    assert len(echo.asked) == 1


def test_a_lost_command_is_asked_for() -> None:
    card = active()
    assert card.answer(b"\xb2") == b"\xa3"  # right after the ATS: nothing was received yet
    card.answer(b"\x02" + SELECT)
    assert card.answer(b"\xb3") == b"\xa2"  # also how a reader asks "still here?"


def test_a_long_command_comes_in_a_chain() -> None:
    card = active()
    card.answer(b"\x02" + SELECT)
    assert card.answer(b"\x13" + ECHO[:3]) == b"\xa3"
    assert card.answer(b"\xb3") == b"\xa3"
    assert card.answer(b"\x12" + ECHO[3:5]) == b"\xa2"
    assert card.answer(b"\x03" + ECHO[5:]) == b"\x03\xab\xcd\x90\x00"


def test_a_long_answer_goes_in_a_chain() -> None:
    card = active()
    card.answer(b"\x02" + SELECT)
    first = card.answer(b"\x03\x80\x01\xff\x00\x02\xab\xcd")  # 510 bytes
    assert first is not None
    assert (first[0], len(first)) == (0x13, 254)
    assert card.answer(b"\xa3") == first  # its number is the block's own: once more
    second = card.answer(b"\xa2")
    assert second is not None
    assert (second[0], len(second)) == (0x12, 254)
    third = card.answer(b"\xa3")
    assert third is not None
    assert first[1:] + second[1:] + third[1:] == b"\xab\xcd" * 255 + b"\x90\x00"
    assert third[0] == 0x03
    assert card.answer(b"\xa2") is None  # nothing is left


def test_the_reader_says_how_much_it_takes() -> None:
    card = IsoDep(bytes(7), [Echo()], Manners(ATS))
    card.select()
    card.answer(b"\xe0\x50")  # 64 bytes
    card.answer(b"\x02" + SELECT)
    answer = card.answer(b"\x03\x80\x01\xff\x00\x02\xab\xcd")
    assert answer is not None
    assert len(answer) == 62


def test_an_empty_block_is_answered_with_one() -> None:
    assert active().answer(b"\x02") == b"\x02"


def test_a_card_is_silent_to_what_it_does_not_understand() -> None:
    card = active(ats=bytes.fromhex("0572807002"))  # FSCI 2: 32 bytes
    assert card.answer(b"\x02" + bytes(30)) is None
    assert card.answer(b"\x0a\x01" + SELECT) is None  # with CID
    assert card.answer(b"\xf2\x01") is None  # it asked for no time
    assert card.answer(RATS) is None  # only once


def test_an_ats_may_be_missing() -> None:
    card = IsoDep(bytes(7), [], Manners(b""))
    card.select()
    assert card.answer(RATS) is None


def test_parameters_are_agreed_on_right_after_the_ats() -> None:
    card = active()
    assert card.answer(b"\xd0\x11\x00") == b"\xd0"
    card.answer(b"\x02" + SELECT)
    assert card.answer(b"\xd0\x11\x00") is None


@pytest.mark.parametrize("halt", [b"\xc2", None])
def test_a_halted_card_stays_silent_until_the_field_was_off(halt: bytes | None) -> None:
    echo = Echo()
    card = active(echo)
    if halt is None:
        card.power_off()
        card.select()
        assert card.answer(b"\x50\x00") is None
    else:
        assert card.answer(halt) == halt
    assert not card.polled(0)
    assert card.answer(b"\x02" + SELECT) is None
    before = echo.sessions
    card.power_off()
    assert card.polled(0)
    assert echo.sessions == before + 1


def test_a_card_that_talks_does_not_answer_polls() -> None:
    assert not active().polled(0)


def test_time_is_asked_for_when_thinking_takes_longer_than_allowed() -> None:
    card = active(think_ms=100)  # FWI 7: 38.7 ms
    assert card.answer(b"\x02" + SELECT) == b"\xf2\x03"
    assert card.answer(b"\xb2") == b"\xf2\x03"
    waited_ms = card.delay_ms
    card.answer(b"\xb2")
    assert card.answer(b"\xf2\x03") == b"\x02\x90\x00"
    assert 61 < card.delay_ms < 3 * 38.7
    assert waited_ms == 0  # a block sent once more comes at once


def test_thinking_within_the_time_delays_the_answer_only() -> None:
    card = active(think_ms=5)
    assert card.answer(b"\x02" + SELECT) == b"\x02\x90\x00"
    assert card.delay_ms == 5


def test_an_applet_may_think_longer_than_the_others() -> None:
    card = active(Echo(b"\xf0\x01\x02\x03"), Echo(), think_ms=1, applet_think_ms=(None, 30.0))
    delays = []
    for block in (b"\x02" + SELECT, b"\x03" + ECHO, b"\x02\x00\xa4\x04\x00\x04\xf0\x01\x02\x03", b"\x03" + ECHO):
        card.answer(block)
        delays.append(card.delay_ms)
    assert delays == [1, 30, 1, 1]


@pytest.mark.parametrize("n", [1, 3])
def test_an_honest_card_ends_its_waiting(n: int) -> None:
    card = active(wtx=n)
    assert card.answer(b"\x02" + SELECT) == b"\xf2\x01"
    for _ in range(n - 1):
        assert card.answer(b"\xf2\x01") == b"\xf2\x01"
    assert card.answer(b"\xf2\x01") == b"\x02\x90\x00"


def test_a_dishonest_card_waits_for_ever() -> None:
    card = active(wtx=ENDLESS)
    card.answer(b"\x02" + SELECT)
    assert {card.answer(b"\xf2\x01") for _ in range(1_000)} == {b"\xf2\x01"}


def test_a_select_goes_to_the_first_applet_that_knows_the_name() -> None:
    one, two, three = Echo(b"\xf0\x01\x02\x03"), Echo(), Echo()
    card = active(one, two, three)
    assert card.answer(b"\x02" + SELECT) == b"\x02\x90\x00"
    assert card.answer(b"\x03\x00\xa4\x04\x00\x01\xff") == b"\x03\x6a\x82"  # nobody's; the choice stands
    card.answer(b"\x02" + ECHO)
    assert two.asked[-1] == ECHO
    assert ECHO not in one.asked + three.asked


@pytest.mark.parametrize(
    ("apdu", "reply"),
    [
        ("80ca0000", "6d00"),  # no applet selected
        ("00a4000c02e103", "6a82"),
        ("00a40400", "6a82"),
        ("00a4", "6700"),
        ("00a4040007f0", "6700"),
        ("80010000020102030405", "6700"),
        ("8001000000000101", "6700"),  # extended
    ],
)
def test_status_words_of_the_card_itself(apdu: str, reply: str) -> None:
    assert active().answer(b"\x02" + bytes.fromhex(apdu)) == b"\x02" + bytes.fromhex(reply)


@pytest.mark.parametrize("apdu", ["80010000000000", "8001000000000101", "80010000000001010000"])
def test_extended_length_is_passed_on_where_it_is_allowed(apdu: str) -> None:
    echo = Echo()
    card = active(echo, extended=True)
    card.answer(b"\x02" + SELECT)
    card.answer(b"\x03" + bytes.fromhex(apdu))
    assert echo.asked[-1] == bytes.fromhex(apdu)
    assert card.answer(b"\x02\x80\x01\x00\x00\x00\x00\x05\x01") == b"\x02\x67\x00"


def test_a_phone_shows_a_new_uid_at_each_field() -> None:
    phone = IsoDep(None, [], Manners(ATS))
    seen = set()
    for _ in range(20):
        assert phone.polled(0)
        assert phone.polled(0)
        phone.select()
        seen.add(phone.uid)
        phone.power_off()
    assert {(len(uid), uid[0]) for uid in seen} == {(4, 8)}
    assert len(seen) > 1
    assert phone.sens_res == b"\x00\x04"


def test_a_phone_wakes_up_by_polling_frames() -> None:
    phone = IsoDep(None, [], Manners(ATS, listens_ecp=True, react_ms=80))
    assert not phone.polled(0)
    phone.hear(bytes.fromhex("6a01cf0000abb1"), 0)  # "ignore this field"
    assert not phone.polled(500)
    phone.hear(bytes.fromhex("6a01000002e4d2"), 1_000)
    phone.hear(bytes.fromhex("6a01000002e4d2"), 1_060)  # a second one does not delay it
    phone.power_off()
    assert not phone.polled(1_079)
    assert phone.polled(1_080)
    phone.power_off()
    assert phone.polled(1_060 + ECP_KEEP_MS)
    phone.power_off()
    assert not phone.polled(1_061 + ECP_KEEP_MS)


def by_the_book(card: IsoDep, apdus: list[bytes], size: int, losses: list[bool]) -> list[bytes]:
    """A reader after ISO 14443-4, section 7.5 (A, C, 1 to 7). `losses`: whether each frame, either way, is lost."""
    lost = iter(losses)
    number = 0

    def send(block: bytes) -> bytes | None:
        if next(lost, False):
            return None
        answer = card.answer(block)
        return None if next(lost, False) else answer

    def ask(block: bytes, otherwise: bytes) -> bytes:
        for _ in range(4 * len(losses) + 4):
            answer = send(block)
            while answer is not None and answer[0] == 0xF2:
                block = answer
                answer = send(block)
            if answer is not None and answer[0] == 0xA2 | (number ^ 1):
                block = current
                continue
            if answer is not None:
                return answer
            block = otherwise
        raise AssertionError("no end")

    replies = []
    for apdu in apdus:
        parts = [apdu[at : at + size] for at in range(0, len(apdu), size)]
        for place, part in enumerate(parts):
            more = place + 1 < len(parts)
            current = bytes([0x02 | (0x10 if more else 0) | number]) + part
            answer = ask(current, bytes([0xB2 | number]))
            assert answer[0] & 1 == number
            assert answer[0] & 0xFE == 0xA2 if more else answer[0] & 0xEE == 0x02
            number ^= 1
        reply = answer[1:]
        while answer[0] & 0x10:
            current = bytes([0xA2 | number])
            answer = ask(current, current)
            assert answer[0] & 1 == number
            reply += answer[1:]
            number ^= 1
        replies.append(reply)
    return replies


@given(
    st.lists(st.tuples(st.integers(1, 255), st.binary(min_size=1, max_size=40)), max_size=4),
    st.integers(1, 29),
    st.sampled_from([0, 1, 2]),
    st.lists(st.booleans(), max_size=30),
)
def test_whatever_is_lost_each_command_is_done_once(
    commands: list[tuple[int, bytes]], size: int, wtx: int, losses: list[bool]
) -> None:
    echo = Echo()
    card = IsoDep(bytes(7), [echo], Manners(ATS, wtx=wtx))
    card.select()
    card.answer(b"\xe0\x20")  # 32 bytes, so that answers are chained
    apdus = [SELECT] + [bytes([0x80, 1, times, 0, len(data)]) + data for times, data in commands]
    replies = by_the_book(card, apdus, size, losses)
    assert replies == [b"\x90\x00"] + [data * times + b"\x90\x00" for times, data in commands]
    assert echo.asked == apdus


@given(st.lists(st.binary(max_size=30), max_size=30))
def test_any_bytes_are_answered_or_not(frames: list[bytes]) -> None:
    card = active()
    for frame in frames:
        answer = card.answer(frame)
        assert answer is None or 0 < len(answer) <= 254
