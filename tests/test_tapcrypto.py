"""drivers.tapcrypto: the published signature input and bundle, our own round trip, and each way a bundle is refused."""

import hmac
import zlib
from types import SimpleNamespace

import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from drivers import nested, tapcrypto
from drivers.tapcrypto import Ephemeral, SessionKeys
from gateway.emulator.draw import draws
from gateway.errors import PeerError
from tests.rigs.wallets import key, vector

KEYS = SessionKeys(b"a" * 16, b"m" * 32)


def sealed(plain: bytes, flag: int = 1, keys: SessionKeys = KEYS) -> bytes:
    """A bundle as a phone makes it, with an IV of zeros."""
    iv = bytes(12)
    body = iv + Cipher(algorithms.AES(keys.aes), modes.CTR(iv + bytes(4))).encryptor().update(plain)
    return bytes([flag]) + body + hmac.digest(keys.mac, body, "sha256")


def test_the_signed_blob_is_the_published_one() -> None:
    published = vector("google_smart_tap", "signature input")
    own = Ephemeral(bytes.fromhex(published["reader_nonce"]), key("any"), bytes.fromhex(published["reader_eph_pub"]))
    blob = tapcrypto.signed_blob(
        own, bytes.fromhex(published["device_nonce"]), bytes.fromhex(published["collector_id"])
    )
    assert blob.hex() == published["tbs"]


def test_the_published_bundle_has_the_stated_parts_and_is_not_opened_by_another_key() -> None:
    published = vector("google_smart_tap", "GET DATA response")
    inside = nested.parse(nested.one(nested.parse(bytes.fromhex(published["data"])), b"srs").payload)
    bundle, parts = nested.one(inside, b"reb").payload, published["decoded"]
    assert bundle[0] == parts["reb_flag"]
    assert bundle[1:13].hex() == parts["iv"]
    assert bundle[-32:].hex() == parts["hmac"]
    assert len(bundle) == 1 + 12 + parts["ct_len"] + 32
    with pytest.raises(PeerError, match="bundle_mac"):
        tapcrypto.open_bundle(KEYS, bundle)


def test_an_ephemeral_share_is_drawn_and_fits_together() -> None:
    own = tapcrypto.ephemeral(draws("one"))
    assert own.nonce == draws("one")(32)
    point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), own.public)
    assert point.public_numbers() == own.private.public_key().public_numbers()
    assert tapcrypto.ephemeral(draws("two")).public != own.public
    for extreme in (b"\x00", b"\xff"):  # whatever is drawn, it is a key
        assert len(tapcrypto.ephemeral(lambda size, extreme=extreme: extreme * size).public) == 33


def test_the_signature_is_the_collectors_and_the_same_each_time() -> None:
    private = key("collector")
    signature = tapcrypto.sign(private, b"blob")
    private.public_key().verify(signature, b"blob", ec.ECDSA(hashes.SHA256()))
    assert tapcrypto.sign(private, b"blob") == signature


def test_an_older_openssl_signs_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def without(algorithm: hashes.SHA256, deterministic_signing: bool = False) -> ec.ECDSA:
        if deterministic_signing:
            raise UnsupportedAlgorithm("as before OpenSSL 3.2")
        return ec.ECDSA(algorithm)

    monkeypatch.setattr(tapcrypto, "ec", SimpleNamespace(ECDSA=without))
    signature = tapcrypto.sign(key("collector"), b"blob")
    key("collector").public_key().verify(signature, b"blob", ec.ECDSA(hashes.SHA256()))


def test_both_sides_come_to_the_same_keys() -> None:
    ours, theirs = tapcrypto.ephemeral(draws("ours")), tapcrypto.ephemeral(draws("theirs"))
    keys = tapcrypto.session_keys(ours, theirs.public, b"blob", b"signature")
    mirrored = Ephemeral(ours.nonce, theirs.private, theirs.public)
    assert tapcrypto.session_keys(mirrored, ours.public, b"blob", b"signature") != keys  # the salt is the phone's point
    assert tapcrypto.session_keys(ours, theirs.public, b"blob", b"another") != keys
    assert (len(keys.aes), len(keys.mac)) == (16, 32)


@pytest.mark.parametrize("point", [b"", b"\x02" + bytes(31), b"\x02" + b"\xff" * 32, b"\x04" + bytes(64), bytes(33)])
def test_what_is_no_compressed_point_is_refused(point: bytes) -> None:
    with pytest.raises(PeerError, match="point"):
        tapcrypto.session_keys(tapcrypto.ephemeral(draws("x")), point, b"", b"")


@given(st.binary(max_size=600), st.booleans())
def test_bundles_round_trip(plain: bytes, compressed: bool) -> None:
    bundle = sealed(zlib.compress(plain), 3) if compressed else sealed(plain)
    assert tapcrypto.open_bundle(KEYS, bundle) == plain


@pytest.mark.parametrize("flag", [0x00, 0x02, 0x04, 0x05, 0x81, 0xFF])
def test_an_unencrypted_or_unknown_bundle_is_refused(flag: int) -> None:
    with pytest.raises(PeerError, match="bundle_flag"):
        tapcrypto.open_bundle(KEYS, sealed(b"plain", flag))


@given(st.integers(8, 8 * (12 + 20 + 32) + 7))
def test_any_changed_bit_is_noticed(bit: int) -> None:
    bundle = bytearray(sealed(b"p" * 20))
    bundle[bit // 8] ^= 1 << bit % 8
    with pytest.raises(PeerError, match="bundle_mac"):
        tapcrypto.open_bundle(KEYS, bytes(bundle))


@pytest.mark.parametrize("size", [0, 1, 44])
def test_a_bundle_too_short_for_its_parts(size: int) -> None:
    with pytest.raises(PeerError, match="bundle_size"):
        tapcrypto.open_bundle(KEYS, b"\x01" * size)


def test_inflating_has_an_end() -> None:
    most = bytes(tapcrypto.PLAIN_BYTES_MAX)
    assert tapcrypto.open_bundle(KEYS, sealed(zlib.compress(most), 3)) == most
    for size in (tapcrypto.PLAIN_BYTES_MAX + 1, 3_000_000):  # 3 MB of zeros pack into less than 4 KiB
        packed = zlib.compress(bytes(size))
        assert len(packed) < 4096
        with pytest.raises(PeerError, match=r"bundle_(size|zlib)"):
            tapcrypto.open_bundle(KEYS, sealed(packed, 3))


@pytest.mark.parametrize("packed", [b"", b"plain", zlib.compress(b"x" * 99)[:-1], zlib.compress(b"x") + b"more"])
def test_what_is_no_whole_zlib_stream_is_refused(packed: bytes) -> None:
    with pytest.raises(PeerError, match="bundle_zlib"):
        tapcrypto.open_bundle(KEYS, sealed(packed, 3))
