"""drivers.talk: what a conversation gets, and when a card that rests is news."""

from drivers.talk import REST_MS, Found, Refused, Rest, Terminal
from gateway.config import NfcTable
from gateway.core.keyring import Keyring
from gateway.core.model import CredentialKind, Proof, Token
from tests.rigs.listener import NOW_MS, StillClock

A, B = (Found(Token(CredentialKind.PASS, value), Proof.BEARER) for value in (b"a", b"b"))


def test_a_tap_sees_the_keys_that_are_there_when_it_begins() -> None:
    terminal = Terminal("muster/musterstadt", StillClock(), bytes, NfcTable(apple_vas=True))
    before = terminal.talk(b"\x08\x01\x02\x03")
    terminal.keyring = Keyring()
    after = terminal.talk()
    assert before.keyring is not after.keyring
    assert (before.place, before.now_ms, before.apple_vas, before.chip_numbers) == (
        "muster/musterstadt",
        NOW_MS,
        True,
        False,
    )


def test_a_phone_is_known_by_its_random_number() -> None:
    terminal = Terminal("muster/musterstadt", StillClock(), bytes)
    uids = ("08010203", "04a1b2c3", "08a1b2c3d4e5f6", "")
    assert [terminal.talk(bytes.fromhex(uid)).is_phone for uid in uids] == [True, False, False, False]


def test_nothing_of_the_card_is_printed() -> None:
    talk = Terminal("muster/musterstadt", StillClock(), bytes).talk(bytes.fromhex("04c0ffee424242"))
    assert "c0ff" not in repr(talk).lower()
    assert "\\xc0" not in repr(talk)


def test_what_rests_on_a_reader_is_news_once() -> None:
    rest = Rest()
    assert [rest.is_new(shown, at_ms) for shown, at_ms in ((A, 0), (A, 1_000), (B, 1_100), (A, 1_200))] == [
        True,
        False,
        True,
        True,
    ]
    assert not rest.is_new(A, 1_200 + REST_MS - 1)
    assert rest.is_new(A, 1_200 + 2 * REST_MS)


def test_a_counter_that_rises_makes_no_news_of_a_card_that_rests() -> None:
    rest = Rest()
    counts = [Found(Token(CredentialKind.SUN, b"1234567"), Proof.PROVEN, count=count) for count in (1, 2)]
    assert [rest.is_new(found, 0) for found in (*counts, Refused("torn"), Refused("torn"), None, None)] == [
        True,
        False,
        False,
        False,
        False,
        False,
    ]
    assert [rest.is_new(shown, REST_MS * n) for n, shown in enumerate((Refused("torn"), None), 1)] == [True, True]


def test_a_pass_that_reads_badly_for_a_moment_rests_all_the_same() -> None:
    rest = Rest()
    assert rest.is_new(A, 0)
    assert [rest.is_new(shown, 300 * n) for n, shown in enumerate((Refused("torn"), A, None, A), 1)] == [False] * 4
    assert rest.is_new(Refused("torn"), 1_200 + REST_MS)
