"""Eddystone-EID: the 8 bytes a beacon shows in one window, and how beacon and resolver come to one identity key.

google/eddystone, eddystone-eid/eid-computation.md. A beacon's clock has 32 bits of seconds and any beginning.
"""

import struct
from collections.abc import Sequence

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.errors import PeerError

KEY_BYTES = 16
EID_BYTES = 8
MAX_EXPONENT = 15  # specification: "a number from 0 to 15"
CURVE_BYTES = 32  # X25519: private keys, public keys and the shared secret
_CLOCK_MASK = 0xFFFFFFFF
_TOP_BITS = 16  # the temporary key uses the top 16 bits of the beacon's clock, so it lasts 65,536 s

# ECB over separate blocks is what the specification asks for: a pseudo-random function, not a cipher mode.
_ECB = modes.ECB()
_BLOCK = 16
_TEMPORARY_HEAD = bytes(11) + b"\xff" + bytes(2)
_EID_HEADS = tuple(bytes(11) + bytes([exponent]) + bytes(4) for exponent in range(MAX_EXPONENT + 1))
_CLOCK_AT = 12  # where the quantised clock stands in a block


def window_of(clock_s: int, exponent: int) -> int:
    """The number of the window of 2^exponent seconds in which the beacon's clock stands."""
    return clock_s >> exponent


def eids(identity_key: bytes, windows: Sequence[int], exponent: int) -> list[bytes]:
    """The 8-byte ephemeral ids of these windows, in their order; numbers may lie outside the clock's 32 bits and wrap.

    One key schedule for the identity key and one for each 65,536 s that the windows touch; the blocks of each go
    through in one call. On x86-64 10 us for three neighbours, 80 us for the 171 windows of a day on either side.
    """
    clocks = [(window << exponent) & _CLOCK_MASK for window in windows]
    groups: dict[int, list[int]] = {}
    for clock_s in clocks:
        groups.setdefault(clock_s >> _TOP_BITS, []).append(clock_s)
    keys = _aes(identity_key, b"".join([_TEMPORARY_HEAD + top.to_bytes(2, "big") for top in groups]))
    if len(groups) == 1:  # nearly always, for neighbouring windows
        return _shown(keys, clocks, exponent)
    found: dict[int, bytes] = {}
    for at, group in enumerate(groups.values()):
        found.update(zip(group, _shown(keys[at * _BLOCK : (at + 1) * _BLOCK], group, exponent), strict=True))
    return [found[clock_s] for clock_s in clocks]


def temporary_key(identity_key: bytes, clock_s: int) -> bytes:
    """16 bytes, the same for 65,536 s. `identity_key` has 16 bytes, `clock_s` is the beacon's clock."""
    return _aes(identity_key, _TEMPORARY_HEAD + ((clock_s & _CLOCK_MASK) >> _TOP_BITS).to_bytes(2, "big"))


def eid_from_temporary_key(key: bytes, clock_s: int, exponent: int) -> bytes:
    """8 bytes shown during the window that holds `clock_s` (its low `exponent` bits do not matter)."""
    return _shown(key, [(clock_s >> exponent << exponent) & _CLOCK_MASK], exponent)[0]


def eid(identity_key: bytes, clock_s: int, exponent: int) -> bytes:
    """The 8-byte ephemeral id of a beacon whose clock stands at `clock_s` seconds."""
    return eids(identity_key, [window_of(clock_s, exponent)], exponent)[0]


def public_key(private_key: bytes) -> bytes:
    """The X25519 public key, 32 bytes, of a private key of 32 bytes."""
    return X25519PrivateKey.from_private_bytes(private_key).public_key().public_bytes_raw()


def resolver_identity_key(resolver_private: bytes, beacon_public: bytes) -> bytes:
    """The 16-byte identity key as the resolver (headquarters) derives it. PeerError("public_key") for a key of the
    beacon that is no point or gives nothing but zeros."""
    secret = _shared_secret(resolver_private, beacon_public)
    return _identity_key(secret, public_key(resolver_private), beacon_public)


def beacon_identity_key(beacon_private: bytes, resolver_public: bytes) -> bytes:
    """The same 16 bytes as the beacon derives them. Raises as `resolver_identity_key`."""
    return _identity_key(_shared_secret(beacon_private, resolver_public), resolver_public, public_key(beacon_private))


def _shown(key: bytes, clocks: Sequence[int], exponent: int) -> list[bytes]:
    """What the temporary key `key` shows at these quantised clocks."""
    blocks = bytearray(_EID_HEADS[exponent] * len(clocks))
    packed = struct.pack(f">{len(clocks)}I", *clocks)
    for octet in range(4):  # the same byte of all blocks at once
        blocks[_CLOCK_AT + octet :: _BLOCK] = packed[octet::4]
    shown = _aes(key, blocks)
    return [shown[at : at + EID_BYTES] for at in range(0, len(shown), _BLOCK)]


def _shared_secret(private_key: bytes, peer_public: bytes) -> bytes:
    try:
        return X25519PrivateKey.from_private_bytes(private_key).exchange(X25519PublicKey.from_public_bytes(peer_public))
    except ValueError:  # a wrong length, or an all-zero secret (RFC 7748, section 6.1), which everybody would know
        raise PeerError("public_key") from None


def _identity_key(shared_secret: bytes, resolver_public: bytes, beacon_public: bytes) -> bytes:
    salt = resolver_public + beacon_public
    return HKDF(hashes.SHA256(), KEY_BYTES, salt, b"").derive(shared_secret)


def _aes(key: bytes, blocks: bytes | bytearray) -> bytes:
    return Cipher(algorithms.AES128(key), _ECB).encryptor().update(blocks)
