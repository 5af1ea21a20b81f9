"""drivers.resolve: who is asked first, that a refusal ends it, and which chip numbers name nobody."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import hce, resolve, tags, wallet
from drivers.talk import CardGoneError, Exchange, Found, Outcome, Refused, Talk
from gateway.core.keyring import Held, Keyring, SunKey
from gateway.core.model import CredentialKind, Proof, Token, Trouble
from gateway.emulator import sun

PHONE, CARD = bytes.fromhex("08a1b2c3"), bytes.fromhex("04c0ffee424200")
PROVEN = Found(Token(CredentialKind.HCE, b"k" * 33), Proof.PROVEN)
KEYS = Keyring([Held("k", 0, None, SunKey(bytes(16), bytes(16)))])
NDEF_NAME = bytes.fromhex("00a4040007d276000085010100")


def talk(uid: bytes = CARD, chip_numbers: bool = False, keys: Keyring = KEYS) -> Talk:
    return Talk(keys, "acme/bern", 1_800_000_000_000, bytes, uid, chip_numbers=chip_numbers)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> tuple[list[str], dict[str, Outcome], Callable[[bytes], bytes]]:
    """Who was asked, what app and wallet say, and a card without NDEF application that notes the question."""
    order: list[str] = []
    says: dict[str, Outcome] = {"hce": None, "wallet": None}

    def stand_in(name: str) -> Callable[[Exchange, Talk], Outcome]:
        def converse(exchange: Exchange, talk: Talk) -> Outcome:
            order.append(name)
            return says[name]

        return converse

    monkeypatch.setattr(hce, "converse", stand_in("hce"))
    monkeypatch.setattr(wallet, "converse", stand_in("wallet"))

    def exchange(apdu: bytes) -> bytes:
        if apdu == NDEF_NAME:
            order.append("ndef")
        return b"\x6a\x82"

    return order, says, exchange


def test_a_phone_is_asked_for_its_app_first_and_a_card_for_its_message(asked) -> None:
    order, _, exchange = asked
    assert resolve.iso_dep(exchange, talk(PHONE)) is None
    assert order == ["hce", "wallet", "ndef"]
    order.clear()
    assert resolve.iso_dep(exchange, talk(CARD)) is None
    assert order == ["ndef", "hce", "wallet"]


@pytest.mark.parametrize("outcome", [PROVEN, Refused("hce.signature")])
@pytest.mark.parametrize("method", ["hce", "wallet"])
def test_who_knows_the_phone_ends_the_questions_also_with_a_no(asked, method: str, outcome: Outcome) -> None:
    order, says, exchange = asked
    says[method] = outcome
    assert resolve.iso_dep(exchange, talk(PHONE, chip_numbers=True)) == outcome
    assert order == ["hce", "wallet"][: 1 + (method == "wallet")]
    order.clear()
    assert resolve.iso_dep(exchange, talk(CARD, chip_numbers=True)) == outcome
    assert order[0] == "ndef" and "ndef" not in order[1:]


def test_a_tags_message_needs_no_other_question(asked) -> None:
    order, _, _ = asked
    tag = sun.make(sun.spec())
    assert resolve.iso_dep(tag.answer, talk(tag.uid)) == Found(
        Token(CredentialKind.SUN, tag.uid), Proof.PROVEN, count=1
    )
    assert order == []
    tag.select()
    assert resolve.iso_dep(tag.answer, talk(PHONE)) == Found(Token(CredentialKind.SUN, tag.uid), Proof.PROVEN, count=2)
    assert order == ["hce", "wallet"]


def test_a_tag_that_fails_does_not_become_its_chip_number(asked) -> None:
    order, _, _ = asked
    tag = sun.make(sun.spec(file=b"x" * 16))
    assert resolve.iso_dep(tag.answer, talk(tag.uid, chip_numbers=True)) == Refused("sun.mac")
    tag = sun.make(sun.spec("04000000000001"))
    assert resolve.iso_dep(tag.answer, talk(CARD, chip_numbers=True)) == Refused("sun.uid")
    assert order == []


def test_a_card_whose_message_cannot_be_read_is_told_so(asked) -> None:
    def exchange(apdu: bytes) -> bytes:
        return b"\x90\x00"

    assert resolve.iso_dep(exchange, talk(chip_numbers=True)) == Refused("ndef_cc", Trouble.AGAIN)


def test_a_card_that_leaves_is_told_to_the_caller(asked) -> None:
    def gone(apdu: bytes) -> bytes:
        raise CardGoneError

    for uid in (PHONE, CARD):
        with pytest.raises(CardGoneError):
            resolve.iso_dep(gone, talk(uid))


def test_a_message_is_judged_and_what_has_none_is_a_chip() -> None:
    uri = tags.encode_uri("https://shop.test/m1")
    plain = Found(Token(CredentialKind.NDEF, b"https://shop.test/m1"), Proof.BEARER)
    assert resolve.message(uri, talk(chip_numbers=True)) == plain
    assert resolve.message(b"", talk()) is None
    assert resolve.message(b"", talk(chip_numbers=True)) == Found(Token(CredentialKind.CHIP, CARD), Proof.BEARER)
    assert resolve.message(b"\xff", talk(chip_numbers=True)) == Refused("ndef_malformed", Trouble.AGAIN)


@pytest.mark.parametrize("uid", ["04c0ffee424200", "5a6b7c8d", "04010203040506070809", "d1000001", "0a000001"])
def test_a_chip_number_counts_only_where_the_shop_wants_it(asked, uid: str) -> None:
    exchange = asked[2]
    chip = Found(Token(CredentialKind.CHIP, bytes.fromhex(uid)), Proof.BEARER)
    assert resolve.iso_dep(exchange, talk(bytes.fromhex(uid), chip_numbers=True)) == chip
    assert resolve.iso_dep(exchange, talk(bytes.fromhex(uid))) is None


@pytest.mark.parametrize(
    "uid",
    [
        pytest.param("", id="not known"),
        pytest.param("08a1b2c3", id="random"),
        pytest.param("8804c0ff", id="cascade tag"),
        pytest.param("f8000001", id="reserved"),
        pytest.param("18000001", id="reserved too"),
        pytest.param("0f000001", id="not unique"),
        pytest.param("ff123456", id="not unique either"),
        pytest.param("01020304", id="blank"),
        pytest.param("00000000", id="zeros"),
        pytest.param("00000000000000", id="seven zeros"),
        pytest.param("04c0ff", id="too short"),
        pytest.param("8804c0ffee424200", id="eight bytes"),
    ],
)
def test_numbers_that_name_no_single_card_are_never_taken(uid: str) -> None:
    assert resolve.chip(talk(bytes.fromhex(uid), chip_numbers=True)) is None


@given(st.binary(min_size=3, max_size=3))
def test_a_phone_never_becomes_its_number(rest: bytes) -> None:
    assert resolve.message(b"", talk(b"\x08" + rest, chip_numbers=True)) is None
