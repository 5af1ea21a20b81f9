"""drivers.tags: golden messages, round trips, and rubbish that must end in PeerError and nothing else."""

import ndef
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from drivers import signed, tags
from drivers.talk import Found, Outcome, Refused, Talk
from gateway.core.keyring import Held, Keyring, SunKey
from gateway.core.model import CredentialKind, Proof, Token, Trouble
from gateway.emulator import sun as emulated
from gateway.errors import PeerError

# Bytes by hand from NFC Forum NDEF 1.0, RTD URI 1.0 and RTD Text 1.0.
URI = bytes.fromhex("d1010d5504") + b"shop.test/m1"
TEXT = bytes.fromhex("d101075402656e") + b"M-42"
TEXT_UTF16 = bytes.fromhex("d101075482646500c400df")  # no byte order mark: big endian
TEXT_UTF16_LE = bytes.fromhex("d1010954826465fffec400df00")


def ours(value: bytes) -> Token:
    return Token(CredentialKind.NDEF, value)


@pytest.mark.parametrize(
    ("message", "value"),
    [
        (URI, b"https://shop.test/m1"),
        (bytes.fromhex("d1010555006d") + b":42", b"m:42"),
        (TEXT, b"M-42"),
        (TEXT_UTF16, "Äß".encode()),
        (TEXT_UTF16_LE, "Äß".encode()),
    ],
)
def test_first_uri_or_text_is_the_value(message: bytes, value: bytes) -> None:
    assert tags.decode(message) == ours(value)


def test_other_records_are_passed_over() -> None:
    mime = ndef.Record("text/vcard", "", b"BEGIN:VCARD")
    message = b"".join(ndef.message_encoder([mime, ndef.TextRecord("M-1"), ndef.UriRecord("https://later.test/")]))
    assert tags.decode(message) == ours(b"M-1")


@pytest.mark.parametrize(
    "message", [b"", bytes.fromhex("d00000"), bytes.fromhex("d101015500"), bytes.fromhex("d101035402656e")]
)
def test_nothing_to_show_is_none(message: bytes) -> None:
    assert tags.decode(message) is None


def test_foreign_records_alone_are_none() -> None:
    assert tags.decode(b"".join(ndef.message_encoder([ndef.Record("text/plain", "", b"hello")]))) is None


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(bytes.fromhex("d7000000"), id="tnf 7"),
        pytest.param(URI[:-1], id="cut short"),
        pytest.param(bytes([URI[0] & 0x7F]) + URI[1:], id="no message begin"),
        pytest.param(bytes.fromhex("d1010255ff61"), id="unknown uri prefix"),
        pytest.param(bytes.fromhex("d101035500c328"), id="uri not utf-8"),
        pytest.param(bytes.fromhex("d1010054"), id="text without status byte"),
        pytest.param(bytes.fromhex("d101055402656eff41"), id="text not utf-8"),
        pytest.param(bytes.fromhex("d10104548264656100"), id="half a utf-16 character"),
        pytest.param(bytes.fromhex("d20100ff"), id="type not ascii"),
        pytest.param(bytes.fromhex("d2010078"), id="no mime type"),
        pytest.param(bytes.fromhex("c101ffffffff55"), id="claims 4 GiB"),
        pytest.param(b"\xd1", id="one byte"),
    ],
)
def test_rubbish_is_malformed(message: bytes) -> None:
    with pytest.raises(PeerError) as caught:
        tags.decode(message)
    assert caught.value.reason == "ndef_malformed"
    assert caught.value.__cause__ is None  # the library's text quotes the payload


def test_too_large_is_refused_before_decoding() -> None:
    with pytest.raises(PeerError, match="ndef_size"):
        tags.decode(bytes(tags.MESSAGE_BYTES_MAX + 1))


def test_value_bound_is_inclusive() -> None:
    longest = "m:" + "x" * (tags.VALUE_BYTES_MAX - 2)
    assert tags.decode(tags.encode_uri(longest)) == ours(longest.encode())
    with pytest.raises(PeerError, match="ndef_size"):
        tags.decode(tags.encode_uri(longest + "x"))
    with pytest.raises(PeerError, match="ndef_size"):  # bounded in bytes, not characters
        tags.decode(tags.encode_text("€" * 171))


def test_encoding_is_golden() -> None:
    assert tags.encode_uri("https://shop.test/m1") == URI
    assert tags.encode_text("M-42") == TEXT


printable = st.text(st.characters(codec="utf-8", min_codepoint=32), min_size=1, max_size=128)


@given(printable)
@example("https://www.")
@example("urn:nfc:x")
def test_uri_round_trip(uri: str) -> None:
    assert tags.decode(tags.encode_uri(uri)) == ours(uri.encode())


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=128), st.sampled_from(["de", "en-GB"]))
def test_text_round_trip(text: str, language: str) -> None:
    assert tags.decode(tags.encode_text(text, language)) == ours(text.encode())


def survives(message: bytes) -> None:
    try:
        token = tags.decode(message)
    except PeerError as error:
        assert error.reason in {"ndef_malformed", "ndef_size"}
    else:
        assert token is None or 0 < len(token.value) <= tags.VALUE_BYTES_MAX


@given(st.binary(max_size=300))
def test_any_bytes_end_in_a_token_none_or_peer_error(message: bytes) -> None:
    survives(message)


records = st.builds(
    lambda flags, kind, type_, id_, payload: (
        bytes([0x10 | (0x08 if id_ else 0) | flags | kind, len(type_), len(payload)])
        + (bytes([len(id_)]) if id_ else b"")
        + type_
        + id_
        + payload
    ),
    st.sampled_from([0x00, 0x20, 0x40, 0x80, 0xC0]),
    st.integers(0, 7),
    st.one_of(
        st.sampled_from([b"U", b"T", b"Sp", b"Hs", b"Di", b"Sig", b"a/b", b"{}", b"http://["]), st.binary(max_size=6)
    ),
    st.binary(max_size=3),
    st.binary(max_size=12),
)


@given(st.lists(records, max_size=4).map(b"".join))
def test_any_records_end_in_a_token_none_or_peer_error(message: bytes) -> None:
    survives(message)


# --- judge ---------------------------------------------------------------------------------------------------------

TALK = Talk(Keyring([Held("k", 0, None, SunKey(bytes(16), bytes(16)))]), "acme/bern", 1_800_000_000_000, bytes)
WITHOUT_KEYS = Talk(Keyring(), "acme/bern", 1_800_000_000_000, bytes)


def test_a_sun_message_is_proven_and_one_that_fails_falls_to_nothing_weaker() -> None:
    tag = emulated.make(emulated.spec())
    url = tag.url()
    sun = Found(Token(CredentialKind.SUN, tag.uid), Proof.PROVEN, count=1)
    assert tags.judge(tags.encode_uri(url), TALK) == sun
    assert tags.judge(tags.encode_text(url), TALK) == sun
    assert tags.judge(tags.encode_uri(url[:-1] + "G"), TALK) == Refused("sun.form")
    assert tags.judge(tags.encode_uri(url), WITHOUT_KEYS) == Refused("sun.no_key")


@pytest.mark.parametrize(
    "outcome", [Found(Token(CredentialKind.SIGNED, b"c-1"), Proof.SIGNED), Refused("signed.signature")]
)
def test_a_signed_id_comes_before_the_plain_text(monkeypatch: pytest.MonkeyPatch, outcome: Outcome) -> None:
    asked: list[str] = []

    def judge(text: str, talk: Talk) -> Outcome:
        asked.append(text)
        return outcome

    monkeypatch.setattr(signed, "judge", judge)
    assert tags.judge(URI, TALK) == outcome
    assert tags.judge(tags.encode_uri(emulated.make(emulated.spec()).url()[:-1]), TALK) == Refused("sun.form")
    assert asked == ["https://shop.test/m1"]


@pytest.mark.parametrize("talk", [TALK, WITHOUT_KEYS])
@pytest.mark.parametrize(("message", "value"), [(URI, b"https://shop.test/m1"), (TEXT, b"M-42")])
def test_a_plain_text_is_a_bearers(message: bytes, value: bytes, talk: Talk) -> None:
    assert tags.judge(message, talk) == Found(ours(value), Proof.BEARER)


@pytest.mark.parametrize("message", [b"", bytes.fromhex("d00000"), bytes.fromhex("d101015500")])
def test_an_empty_message_is_nothing_of_ours(message: bytes) -> None:
    assert tags.judge(message, TALK) is None


def test_rubbish_is_refused_with_its_reason() -> None:
    assert tags.judge(b"\xff\xff", TALK) == Refused("ndef_malformed", Trouble.AGAIN)
    assert tags.judge(bytes(tags.MESSAGE_BYTES_MAX + 1), TALK) == Refused("ndef_size", Trouble.REFUSED)


@given(st.binary(max_size=300))
def test_any_message_is_judged(message: bytes) -> None:
    outcome = tags.judge(message, TALK)
    assert outcome is None or isinstance(outcome, Refused) or outcome.proof is Proof.BEARER
