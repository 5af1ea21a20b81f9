"""Seals a key for one gateway and opens it there: HPKE (RFC 9180), base mode. Knows nothing of what is sealed.

DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305: a Raspberry Pi 4 has no AES instructions.
"""

import json

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from gateway.errors import PeerError

KEY_BYTES = 32  # of an X25519 key, private or public
OVERHEAD_BYTES = 32 + 16  # the encapsulated key before the ciphertext, the tag behind it

_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
_LABEL = "store-gateway terminal key 1"


def public_key(private: bytes) -> bytes:
    """The 32-byte public key of 32 secret bytes."""
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def info(gateway: str, key_id: str, use: str, from_ms: int, until_ms: int | None) -> bytes:
    """What a sealed key is bound to, so that nothing of it can be swapped. `gateway`: "tenant/store/id"."""
    return json.dumps([_LABEL, gateway, key_id, use, from_ms, until_ms], separators=(",", ":")).encode()


def seal(public: bytes, plaintext: bytes, bound: bytes) -> bytes:
    """`plaintext` for the holder of the private key alone. Raises PeerError("public_key") for what is no public key."""
    try:
        return _SUITE.encrypt(plaintext, X25519PublicKey.from_public_bytes(public), info=bound)
    except ValueError:  # another length, or a point of small order, under which everybody could open it
        raise PeerError("public_key") from None


def unseal(private: bytes, sealed: bytes, bound: bytes) -> bytes:
    """What was sealed. Raises PeerError("sealed") for everything that does not open under exactly `bound`."""
    try:
        return _SUITE.decrypt(sealed, X25519PrivateKey.from_private_bytes(private), info=bound)
    except (InvalidTag, ValueError):
        raise PeerError("sealed") from None
