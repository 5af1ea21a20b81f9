"""gateway.core.tagid: the vectors of docs/tags.md, and what can be written and what can't."""

import re
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from hypothesis import given
from hypothesis import strategies as st

from drivers import tags
from gateway.core import base64url, tagid
from gateway.emulator.hce import ed25519_key
from gateway.errors import ConfigError

PAGE = (Path(__file__).parents[1] / "docs" / "tags.md").read_text(encoding="utf-8")
VECTORS = dict(re.findall(r"^\| ([^|]+) \| `([^`]+)` \|$", PAGE, re.MULTILINE))
ISSUER = ed25519_key("store-gateway test tag issuer")
BASE = "https://card.example/t"
UID = bytes.fromhex("04a1b2c3d4e5f6")

ids = st.from_regex(tagid.IDENTIFIER, fullmatch=True)
key_ids = st.from_regex(tagid.KEY_ID, fullmatch=True)
uids = st.sampled_from([b"", UID, b"\x08" + UID[1:], UID[:4], UID + b"abc"])  # 08 is random on 4 bytes only


def test_the_vectors_of_the_specification() -> None:
    assert ISSUER.public_key().public_bytes_raw().hex() == VECTORS["public key"]
    for name, uid in (("unbound", None), (f"bound to `{UID.hex()}`", UID)):
        text = tagid.issue(ISSUER, "a1", "M-000042", BASE, uid)
        assert text == VECTORS[f"{name}: text"]
        assert tagid.covered("a1", "M-000042", uid or b"").hex() == VECTORS[f"{name}: signed bytes"]
        assert tags.encode_uri(text).hex() == VECTORS[f"{name}: NDEF message"]
        size = len(tags.encode_uri(text))
        assert f"{size} bytes" in PAGE or f"{size} bound" in PAGE


def test_what_is_signed_is_spelt_out_in_the_specification() -> None:
    assert '"store-gateway signed id v1"' in PAGE
    assert tagid.covered("a", "bc", b"\x01\x02") == b"store-gateway signed id v1\x01a\x02bc\x02\x01\x02"


@pytest.mark.parametrize(
    ("key_id", "identifier", "base", "uid"),
    [
        ("a1", "", BASE, None),
        ("a1", "x" * 65, BASE, None),
        ("a1", "a b", BASE, None),
        ("a1", "a&s=b", BASE, None),
        ("a1", "a%20", BASE, None),
        ("a1", "ä", BASE, None),
        ("a1", "a\n", BASE, None),
        ("", "a", BASE, None),
        ("k" * 17, "a", BASE, None),
        ("a1", "a", "", None),
        ("a1", "a", BASE + "?x=1", None),
        ("a1", "a", BASE + "#x", None),
        ("a1", "a", "https://ä.example", None),
        ("a1", "a", "h" * 201, None),
        ("a1", "a", BASE, b""),
        ("a1", "a", BASE, bytes(5)),
        ("a1", "a", BASE, b"\x08abc"),  # drawn anew at each tap
    ],
)
def test_what_can_not_be_written_is_the_operators_to_mend(
    key_id: str, identifier: str, base: str, uid: bytes | None
) -> None:
    with pytest.raises(ConfigError):
        tagid.issue(ISSUER, key_id, identifier, base, uid)


@given(key_ids, ids, uids)
def test_a_text_reads_as_it_was_issued_and_its_signature_fits(key_id: str, identifier: str, uid: bytes) -> None:
    text = tagid.issue(ISSUER, key_id, identifier, BASE, uid or None)
    address, _, query = text.partition("?")
    values = dict(part.split("=") for part in query.split("&"))
    assert (address, values["i"], values["k"], "u" in values) == (BASE, identifier, key_id, bool(uid))
    signature = tagid.decode(values["s"])
    assert signature is not None
    ISSUER.public_key().verify(signature, tagid.covered(key_id, identifier, uid))
    with pytest.raises(InvalidSignature):
        ISSUER.public_key().verify(signature, tagid.covered(key_id, identifier, uid + b"x"))
    token = tags.decode(tags.encode_uri(text))  # through a real tag's bytes
    assert token is not None
    assert token.value.decode() == text


@given(st.tuples(key_ids, ids, uids), st.tuples(key_ids, ids, uids))
def test_no_two_texts_are_covered_by_the_same_bytes(one: tuple[str, str, bytes], other: tuple[str, str, bytes]) -> None:
    assert (tagid.covered(*one) == tagid.covered(*other)) == (one == other)


@given(st.binary(min_size=64, max_size=64))
def test_a_signature_is_written_in_one_way_only(signature: bytes) -> None:
    text = base64url.encode(signature)
    assert len(text) == 86
    assert tagid.decode(text) == signature
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    last = alphabet.index(text[-1])
    assert last % 16 == 0
    for other in (
        text[:-1] + alphabet[last + 1],
        text + "=",
        text + "==",
        text + "A",
        text[:-1],
        " " + text,
        text + "\n",
    ):
        assert tagid.decode(other) is None
    assert tagid.decode(text.replace("-", "+").replace("_", "/")) == (signature if text.isalnum() else None)


@given(st.text(max_size=100))
def test_no_text_breaks_the_decoder(text: str) -> None:
    signature = tagid.decode(text)
    assert signature is None or base64url.encode(signature) == text
