"""gateway.emulator.field: who answers, who leaves when, and what is written down."""

import pytest

from gateway.emulator import cards
from gateway.emulator.field import Answer, Field, cascaded

NDEF = b"\xd0\x00\x00"
READ = b"\x30\x04"


def test_a_uid_is_asked_for_with_cascade_tags() -> None:
    assert cascaded(b"abcd") == b"abcd"
    assert cascaded(b"abcdefg") == b"\x88abcdefg"
    assert cascaded(b"abcdefghij") == b"\x88abc\x88defghij"


def presented(field: Field, drop_after: int | None = None) -> cards.Card:
    field.put([cards.make(cards.type2(NDEF))], drop_after=drop_after)
    card = field.poll().card
    assert card is not None
    return card


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_a_card_leaves_after_so_many_exchanges(n: int) -> None:
    field = Field()
    card = presented(field, drop_after=n)
    answers = [field.exchange(card, READ).data is not None for _ in range(4)]
    assert answers == [place < n for place in range(4)]
    assert field.poll().card is None
    assert len(field.transcript()) == 2 * n


def test_a_torn_exchange_reaches_the_card_but_not_the_reader() -> None:
    field = Field()
    card = presented(field)
    field.drop_after(1, torn=True)
    assert field.exchange(card, READ).data is not None
    assert field.exchange(card, bytes.fromhex("a20401020304")) == Answer()
    assert card.answer(b"\x3a\x04\x04") == bytes.fromhex("01020304")
    assert field.poll() == (None, False)
    assert field.transcript()[-1] == ("->", bytes.fromhex("a20401020304"))


def test_the_last_answer_is_heard_whole_though_the_card_leaves() -> None:
    field = Field()
    card = presented(field, drop_after=1)
    field.exchange(card, READ)
    assert field.stays(card)
    field = Field()
    card = presented(field)
    field.exchange(card, READ)
    field.put([])
    assert not field.stays(card)


def test_noise_spoils_so_many_answers() -> None:
    field = Field()
    card = presented(field)
    field.make_noise(2)
    assert [field.exchange(card, READ).spoilt for _ in range(3)] == [True, True, False]


def test_of_two_cards_an_arbitrary_one_is_found() -> None:
    specs = [cards.type2(NDEF), cards.type4(NDEF)]

    def found(seed: int) -> list[bytes]:
        field = Field()
        field.put([cards.make(spec) for spec in specs], seed=seed)
        return [card.uid for card in (field.poll().card for _ in range(20)) if card is not None]

    assert found(1) == found(1)
    assert {uid.hex() for uid in found(1)} == {"04a1b2c3d4e5f6", "04112233445566"}


def test_two_cards_may_spoil_each_others_answers() -> None:
    field = Field()
    field.put([cards.make(cards.type2(NDEF)), cards.make(cards.type4(NDEF))], garble=0.5, seed=3)
    polls = [field.poll() for _ in range(40)]
    assert {(poll.card is None, poll.heard) for poll in polls} == {(True, True), (False, True)}


def test_one_of_two_cards_can_be_asked_for() -> None:
    field = Field()
    field.put([cards.make(cards.type2(NDEF)), cards.make(cards.type4(NDEF))])
    for _ in range(10):
        card = field.poll(bytes.fromhex("8804112233445566")).card
        assert card is not None
        assert card.uid == bytes.fromhex("04112233445566")
    assert field.poll(b"\x88" + bytes(7)) == (None, True)


def test_what_was_said_is_kept_until_the_next_card() -> None:
    field = Field()
    field.put([cards.make(cards.type4(NDEF))])
    card = field.poll().card
    assert card is not None
    select = bytes.fromhex("00a4040007d276000085010100")
    for frame in (b"\xe0\x80", b"\x02" + select):
        field.exchange(card, frame)
    assert field.transcript() == [
        ("->", b"\xe0\x80"),
        ("<-", cards.TYPE4_ATS),
        ("->", b"\x02" + select),
        ("<-", b"\x02\x90\x00"),
    ]
    field.put([])
    assert field.apdus() == [(select, b"\x90\x00")]
    assert len(field.transcript()) == 4
    field.put([cards.make(cards.type4(NDEF))])
    assert (field.apdus(), field.transcript()) == ([], [])


def test_polling_frames_are_kept_with_their_time() -> None:
    field = Field()
    phone = cards.make(cards.phone([], listens="ecp", react_ms=0))
    field.put([phone])
    assert field.poll() == (None, False)
    field.broadcast(bytes.fromhex("6a01000002e4d2"))
    ((at_ns, frame),) = field.ecp()
    assert (at_ns > 0, frame) == (True, bytes.fromhex("6a01000002e4d2"))
    assert field.poll().card is phone


@pytest.mark.parametrize("n", [0, 1, 3])
def test_a_trap_springs_once_before_the_card_hears_its_frame(n: int) -> None:
    field = Field()
    heard: list[int] = []
    field.set_trap(n, lambda: heard.append(len(field.transcript())))
    card = presented(field)
    assert field.sprung_ns is None
    for _ in range(5):
        field.exchange(card, READ)
    assert heard == [2 * n]
    assert field.sprung_ns is not None


def test_a_trap_waits_for_a_card_and_goes_with_it() -> None:
    field = Field()
    card = presented(field)
    field.put([])
    field.set_trap(0, lambda: field.drop_after(0))
    field.exchange(card, READ)
    assert field.sprung_ns is None
    field.put([])
    assert field.exchange(presented(field), READ).data is not None
