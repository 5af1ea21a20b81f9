"""Sealed for one gateway: opens there under exactly its label, and is HPKE as RFC 9180 describes it."""

import hashlib
import hmac

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.sealing import KEY_BYTES, OVERHEAD_BYTES, info, public_key, seal, unseal
from gateway.errors import PeerError

PRIVATE = hashlib.sha256(b"gateway test sealing key").digest()
PUBLIC = public_key(PRIVATE)
LABEL = ("acme/munich-1/gw-1", "hce-1", "hce", 5, None)


# HPKE from its text alone, to look at ours from outside: RFC 9180, sections 4.1, 5.1 and 5.2; base mode, suite
# DHKEM(X25519, HKDF-SHA256) = 0020, HKDF-SHA256 = 0001, ChaCha20Poly1305 = 0003.

KEM = b"KEM\x00\x20"
HPKE = b"HPKE\x00\x20\x00\x01\x00\x03"


def extract(suite: bytes, salt: bytes, label: bytes, ikm: bytes) -> bytes:
    return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + ikm, "sha256")


def expand(suite: bytes, prk: bytes, label: bytes, context: bytes, length: int) -> bytes:
    text, blocks = length.to_bytes(2) + b"HPKE-v1" + suite + label + context, [b""]
    while sum(map(len, blocks)) < length:
        blocks.append(hmac.digest(prk, blocks[-1] + text + bytes([len(blocks)]), "sha256"))
    return b"".join(blocks)[:length]


def keys(shared: bytes, enc: bytes, public: bytes, bound: bytes) -> tuple[bytes, bytes]:
    """The AEAD key and nonce of the first message; `shared` is what Diffie-Hellman gave."""
    secret = expand(KEM, extract(KEM, b"", b"eae_prk", shared), b"shared_secret", enc + public, 32)
    context = b"\x00" + extract(HPKE, b"", b"psk_id_hash", b"") + extract(HPKE, b"", b"info_hash", bound)
    schedule = extract(HPKE, secret, b"secret", b"")
    return expand(HPKE, schedule, b"key", context, 32), expand(HPKE, schedule, b"base_nonce", context, 12)


def by_the_text(private: bytes, enc: bytes, bound: bytes) -> tuple[bytes, bytes]:
    own = X25519PrivateKey.from_private_bytes(private)
    return keys(own.exchange(X25519PublicKey.from_public_bytes(enc)), enc, public_key(private), bound)


def test_the_description_above_gives_the_vector_of_the_rfc() -> None:
    """RFC 9180, appendix A.2.1."""
    private = bytes.fromhex("8057991eef8f1f1af18f4a9491d16a1ce333f695d4db8e38da75975c4478e0fb")
    enc = bytes.fromhex("1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a")
    assert public_key(private).hex() == "4310ee97d88cc1f088a5576c77ab0cf5c3ac797f3d95139c6c84b5429c59662a"
    key, nonce = by_the_text(private, enc, b"Ode on a Grecian Urn")
    assert key.hex() == "ad2744de8e17f4ebba575b3f5f5a8fa1f69c2a07f6e7500bc60ca6e3e3ec1c91"
    assert nonce.hex() == "5c4d98150661b848853b547f"
    sealed = bytes.fromhex("1c5250d8034ec2b784ba2cfd69dbdb8af406cfe3ff938e131f0def8c8b60b4db21993c62ce81883d2dd1b51a28")
    assert ChaCha20Poly1305(key).decrypt(nonce, sealed, b"Count-0") == b"Beauty is truth, truth beauty"


def test_what_we_seal_opens_by_the_text_of_the_rfc() -> None:
    bound = info(*LABEL)
    sealed = seal(PUBLIC, b"a key", bound)
    key, nonce = by_the_text(PRIVATE, sealed[:32], bound)
    assert ChaCha20Poly1305(key).decrypt(nonce, sealed[32:], b"") == b"a key"


def test_what_is_sealed_by_the_text_of_the_rfc_opens_here() -> None:
    bound, ephemeral = info(*LABEL), X25519PrivateKey.from_private_bytes(b"e" * 32)
    enc = ephemeral.public_key().public_bytes_raw()
    key, nonce = keys(ephemeral.exchange(X25519PublicKey.from_public_bytes(PUBLIC)), enc, PUBLIC, bound)
    assert unseal(PRIVATE, enc + ChaCha20Poly1305(key).encrypt(nonce, b"a key", b""), bound) == b"a key"


@settings(deadline=None)
@given(st.binary(max_size=300), st.binary(max_size=80))
def test_what_was_sealed_comes_back(plaintext: bytes, bound: bytes) -> None:
    sealed = seal(PUBLIC, plaintext, bound)
    assert len(sealed) == len(plaintext) + OVERHEAD_BYTES
    assert unseal(PRIVATE, sealed, bound) == plaintext
    assert seal(PUBLIC, plaintext, bound) != sealed


@pytest.mark.parametrize(
    "other",
    [
        ("acme/munich-1/gw-2", *LABEL[1:]),
        (LABEL[0], "hce-2", *LABEL[2:]),
        (*LABEL[:2], "sun", *LABEL[3:]),
        (*LABEL[:3], 6, None),
        (*LABEL[:4], 7),
    ],
)
def test_nothing_of_the_label_can_be_swapped(other: tuple[str, str, str, int, int | None]) -> None:
    with pytest.raises(PeerError, match="sealed"):
        unseal(PRIVATE, seal(PUBLIC, b"a key", info(*LABEL)), info(*other))


def test_parts_of_a_label_cannot_flow_into_each_other() -> None:
    assert info("a/b/c", 'k","hce', "x", 1, 2) != info("a/b/c", "k", 'hce","x', 1, 2)


@settings(deadline=None)
@given(st.data())
def test_what_was_changed_on_its_way_does_not_open(data: st.DataObject) -> None:
    sealed = bytearray(seal(PUBLIC, b"sixteen bytes...", b"x"))
    at = data.draw(st.integers(0, len(sealed) - 1))
    sealed[at] ^= data.draw(st.integers(1, 255))
    try:
        opened = unseal(PRIVATE, bytes(sealed), b"x")
    except PeerError as error:
        assert (error.reason, error.__cause__, error.field) == ("sealed", None, "")
    else:
        raise AssertionError(f"opened with byte {at} changed: {opened!r}")


@pytest.mark.parametrize("length", [0, 1, 31, 32, 47])
def test_a_part_of_it_does_not_open(length: int) -> None:
    with pytest.raises(PeerError, match="sealed"):
        unseal(PRIVATE, seal(PUBLIC, b"a key", b"x")[:length], b"x")


def test_another_gateway_cannot_open_it() -> None:
    with pytest.raises(PeerError, match="sealed"):
        unseal(hashlib.sha256(b"another").digest(), seal(PUBLIC, b"a key", b"x"), b"x")


@pytest.mark.parametrize("public", [bytes(KEY_BYTES), b"\x01" + bytes(31), b"short", PUBLIC + b"\x00", b""])
def test_nothing_is_sealed_for_what_is_no_key(public: bytes) -> None:
    """Points of small order among them: everybody could open what is sealed for those."""
    with pytest.raises(PeerError, match="public_key"):
        seal(public, b"a key", b"x")
