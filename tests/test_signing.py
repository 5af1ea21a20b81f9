"""Envelope and certificates: what is signed for one topic counts for no other, and no bit of it can change."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import PeerError
from sync import messages, signing, topics
from sync.signing import ENVELOPE_BYTES, ROLE_OF, Role
from sync.topics import Topics
from tests.rigs.signed import NOW_MS, ROOT, certificate, key, keys, public

PLACE = Topics("acme", "berlin", "gw1")
TOPIC = PLACE.down(topics.HEAD)
SIGNER = key("a signer")
HEAD = messages.head(7, 3, 5, NOW_MS)


def test_every_message_that_comes_down_is_signed_by_some_role_and_every_role_signs_something() -> None:
    assert set(ROLE_OF) == set(topics.DOWN_LEAVES) - {topics.KEYS}
    assert set(ROLE_OF.values()) == set(Role)


def test_a_signed_message_comes_back_whole() -> None:
    sent = signing.sign(SIGNER, 12, TOPIC, HEAD, NOW_MS)
    envelope = signing.split(sent)
    assert envelope is not None
    assert (envelope.number, envelope.until_ms, envelope.body) == (12, NOW_MS, HEAD)
    assert len(sent) == len(HEAD) + ENVELOPE_BYTES
    assert signing.is_signed(envelope, TOPIC, public(SIGNER))


def test_the_form_of_the_wire_stays() -> None:
    """A vector: another headquarters builds what the page says, byte by byte."""
    sent = signing.sign(SIGNER, 12, TOPIC, b"{}", 34)
    assert sent[:20] == b"SGS1" + (12).to_bytes(8) + (34).to_bytes(8)
    said = b"store-gateway message 1\0" + sent[:20] + len(TOPIC).to_bytes(2) + TOPIC.encode() + b"{}"
    assert sent[20:84] == SIGNER.sign(said)
    one = certificate("head", 5, from_ms=1, until_ms=2)
    dates = b"".join(number.to_bytes(8) for number in (5, 1, 2))
    assert one.signature == ROOT.sign(b"store-gateway certificate 1\0" + dates + one.key + b"head")


@pytest.mark.parametrize(
    "other",
    [
        Topics("acme", "berlin", "gw2").down(topics.HEAD),
        Topics("acme", "hamburg", "gw1").down(topics.HEAD),
        Topics("other", "berlin", "gw1").down(topics.HEAD),
        PLACE.down(topics.ACK),
        PLACE.up(topics.STATE),
    ],
)
def test_it_counts_for_no_other_gateway_shop_tenant_or_topic(other: str) -> None:
    envelope = signing.split(signing.sign(SIGNER, 1, TOPIC, HEAD))
    assert envelope is not None
    assert not signing.is_signed(envelope, other, public(SIGNER))


@given(st.data())
def test_no_bit_can_change(data: st.DataObject) -> None:
    sent = bytearray(signing.sign(SIGNER, 1, TOPIC, HEAD, NOW_MS))
    sent[data.draw(st.integers(0, len(sent) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    envelope = signing.split(bytes(sent))
    assert envelope is None or not signing.is_signed(envelope, TOPIC, public(SIGNER))


def test_a_certificate_is_no_signature_for_a_message_nor_the_other_way_round() -> None:
    one = certificate("head")
    said = signing._certificate(one.role, one.number, one.key, one.from_ms, one.until_ms)
    envelope = signing.split(signing.sign(ROOT, 1, TOPIC, said))
    assert envelope is not None
    assert not signing._holds(public(ROOT), envelope.signature, said)
    assert not signing._holds(public(ROOT), one.signature, signing._message(envelope.header, TOPIC, said))


@pytest.mark.parametrize("length", range(len(signing.MAGIC), ENVELOPE_BYTES))
def test_half_an_envelope_is_no_message(length: int) -> None:
    with pytest.raises(PeerError, match="signature"):
        signing.split(signing.sign(SIGNER, 1, TOPIC, HEAD)[:length])


def test_what_bears_no_envelope_is_none() -> None:
    assert signing.split(HEAD) is None
    assert signing.split(b"") is None
    assert signing.split(b"SGS") is None


def test_certificates_come_back_as_they_were_told() -> None:
    told = tuple(certificate(role, 7) for role in Role)
    assert signing.parse_keys(signing.keys(told)) == told
    assert all(signing.is_certified(one, public(ROOT)) for one in told)
    assert not any(signing.is_certified(one, public(SIGNER)) for one in told)
    assert len(signing.keys(told)) < 4_096


@given(st.data())
def test_no_field_of_a_certificate_can_change(data: st.DataObject) -> None:
    one = certificate("head", 5)
    changed = data.draw(
        st.sampled_from(
            [
                one.__class__("erase", one.number, one.key, one.from_ms, one.until_ms, one.signature),
                one.__class__(one.role, 6, one.key, one.from_ms, one.until_ms, one.signature),
                one.__class__(one.role, one.number, public(SIGNER), one.from_ms, one.until_ms, one.signature),
                one.__class__(one.role, one.number, one.key, one.from_ms - 1, one.until_ms, one.signature),
                one.__class__(one.role, one.number, one.key, one.from_ms, one.until_ms + 1, one.signature),
            ]
        )
    )
    assert not signing.is_certified(changed, public(ROOT))


def test_a_key_with_which_anybody_can_sign_is_not_certified_even_by_the_root() -> None:
    weak = (1).to_bytes(32, "little")  # the neutral element: a signature of zeros fits every message
    one = signing.certify(ROOT, "head", 1, weak, 0, NOW_MS)
    assert not signing.is_certified(one, public(ROOT))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"certificates": []}, "fields"),
        ({"certificates": "head"}, "fields"),
        ({"more": 1}, "fields"),
        ({"v": 2}, "version"),
        ({"type": "head"}, "type"),
    ],
)
def test_the_form_of_the_keys_message_is_exact(change: dict[str, object], reason: str) -> None:
    with pytest.raises(PeerError, match=reason):
        signing.parse_keys(json.dumps({**json.loads(keys()), **change}).encode())


@pytest.mark.parametrize(
    "change",
    [{"number": 0}, {"number": "1"}, {"key": "00"}, {"signature": "zz"}, {"until_ms": -1}, {"role": "HEAD"}, {"x": 1}],
)
def test_the_form_of_a_certificate_is_exact(change: dict[str, object]) -> None:
    whole = json.loads(keys())
    whole["certificates"][0] |= change
    with pytest.raises(PeerError):
        signing.parse_keys(json.dumps(whole).encode())


def test_no_more_certificates_than_roles_can_need() -> None:
    listed = [certificate("head", number) for number in range(1, signing.MAX_CERTIFICATES + 2)]
    signing.parse_keys(signing.keys(listed[:-1]))
    with pytest.raises(PeerError, match="fields"):
        signing.parse_keys(signing.keys(listed))
