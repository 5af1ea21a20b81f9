"""Google Smart Tap 2.1: how a terminal shows whose it is, and how it opens what the phone sends. Pure.

developers.google.com/wallet/smart-tap, NEGOTIATE and record bundles; kormax/google-smart-tap, Cryptography.
"""

import hmac
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.errors import PeerError

NONCE_BYTES = 32
POINT_BYTES = 33  # compressed P-256
COLLECTOR_BYTES = 4
# What a bundle may inflate to. One pass has some hundred bytes; 16 KiB are far more than fits into a short exchange.
PLAIN_BYTES_MAX = 16_384

_CURVE = ec.SECP256R1()
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of P-256's base point, FIPS 186-4 D.1.2.3
_SCALAR_BYTES = 40  # 64 bits more than the order has, so that the remainder is even (FIPS 186-5, appendix A.2.1)
_AES_BYTES, _MAC_BYTES = 16, 32
_IV_BYTES = 12
_COUNTER = bytes(4)  # fills the IV up to AES's first counter block
_ENCRYPTED, _COMPRESSED = 0x01, 0x02


@dataclass(frozen=True, slots=True)
class Ephemeral:
    """The terminal's own share of one session."""

    nonce: bytes
    private: ec.EllipticCurvePrivateKey = field(repr=False)
    public: bytes  # compressed point


@dataclass(frozen=True, slots=True)
class SessionKeys:
    aes: bytes = field(repr=False)
    mac: bytes = field(repr=False)


def ephemeral(random: Callable[[int], bytes]) -> Ephemeral:
    """A new share: 32 bytes of nonce, then 40 for the key."""
    nonce = random(NONCE_BYTES)
    scalar = int.from_bytes(random(_SCALAR_BYTES), "big") % (_ORDER - 1) + 1
    private = ec.derive_private_key(scalar, _CURVE)
    return Ephemeral(nonce, private, private.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint))


def signed_blob(own: Ephemeral, mobile_nonce: bytes, collector: bytes) -> bytes:
    """What the collector's key signs: both nonces (32 bytes each), collector id (4), our compressed point (33)."""
    return own.nonce + mobile_nonce + collector + own.public


def sign(private: ec.EllipticCurvePrivateKey, blob: bytes) -> bytes:
    """ECDSA with SHA-256, DER; deterministic (RFC 6979) where OpenSSL can (3.2 and newer)."""
    try:
        how = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
    except UnsupportedAlgorithm:
        how = ec.ECDSA(hashes.SHA256())
    return private.sign(blob, how)


def session_keys(own: Ephemeral, mobile_public: bytes, blob: bytes, signature: bytes) -> SessionKeys:
    """HKDF-SHA256 over ECDH's X; salt is the phone's point as it travels. Raises PeerError "point"."""
    try:
        if len(mobile_public) != POINT_BYTES:
            raise ValueError
        point = ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, mobile_public)
    except ValueError:
        raise PeerError("point") from None
    shared = own.private.exchange(ec.ECDH(), point)
    made = HKDF(hashes.SHA256(), _AES_BYTES + _MAC_BYTES, mobile_public, blob + signature).derive(shared)
    return SessionKeys(made[:_AES_BYTES], made[_AES_BYTES:])


def open_bundle(keys: SessionKeys, bundle: bytes) -> bytes:
    """The plain message of a record bundle: flag, IV 12, ciphertext, HMAC 32. At most 16,384 bytes.

    The HMAC is checked before anything is decrypted, and that before anything is inflated. An unencrypted bundle has
    no HMAC, so it is never taken. Raises PeerError: "bundle_size", "bundle_flag", "bundle_mac", "bundle_zlib".
    """
    if len(bundle) < 1 + _IV_BYTES + _MAC_BYTES:
        raise PeerError("bundle_size")
    flag, sealed, mac = bundle[0], bundle[1:-_MAC_BYTES], bundle[-_MAC_BYTES:]
    if flag & ~_COMPRESSED != _ENCRYPTED:
        raise PeerError("bundle_flag")
    if not hmac.compare_digest(hmac.digest(keys.mac, sealed, "sha256"), mac):
        raise PeerError("bundle_mac")
    cipher = Cipher(algorithms.AES(keys.aes), modes.CTR(sealed[:_IV_BYTES] + _COUNTER)).decryptor()
    plain = cipher.update(sealed[_IV_BYTES:]) + cipher.finalize()
    return _inflate(plain) if flag & _COMPRESSED else plain


def _inflate(packed: bytes) -> bytes:
    inflater = zlib.decompressobj()
    try:
        plain = inflater.decompress(packed, PLAIN_BYTES_MAX)
    except zlib.error:
        raise PeerError("bundle_zlib") from None
    if inflater.unconsumed_tail:
        raise PeerError("bundle_size")
    if not inflater.eof or inflater.unused_data:
        raise PeerError("bundle_zlib")
    return plain
