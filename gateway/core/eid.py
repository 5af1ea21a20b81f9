"""Eddystone-EID: the 8 bytes a beacon shows in one window (google/eddystone, eddystone-eid/eid-computation.md)."""

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

KEY_BYTES = 16
EID_BYTES = 8
MAX_EXPONENT = 15  # specification: "a number from 0 to 15"
_TEMPORARY_KEY_S = 1 << 16  # the temporary key uses the top 16 bits of the beacon's clock


def window_of(clock_s: int, exponent: int) -> int:
    """The number of the window of 2^exponent seconds in which the beacon's clock stands."""
    return clock_s >> exponent


def temporary_key(identity_key: bytes, clock_s: int) -> bytes:
    """16 bytes, the same for 65,536 s. `identity_key` has 16 bytes, `clock_s` is the beacon's 32-bit clock."""
    top = (clock_s // _TEMPORARY_KEY_S) & 0xFFFF
    return _aes(identity_key, bytes(11) + b"\xff" + bytes(2) + top.to_bytes(2, "big"))


def eid_from_temporary_key(key: bytes, clock_s: int, exponent: int) -> bytes:
    """8 bytes shown during the window that holds `clock_s` (its low `exponent` bits do not matter)."""
    quantised = (clock_s >> exponent << exponent) & 0xFFFFFFFF
    return _aes(key, bytes(11) + bytes([exponent]) + quantised.to_bytes(4, "big"))[:EID_BYTES]


def eid(identity_key: bytes, clock_s: int, exponent: int) -> bytes:
    """The 8-byte ephemeral id of a beacon whose clock stands at `clock_s` seconds."""
    return eid_from_temporary_key(temporary_key(identity_key, clock_s), clock_s, exponent)


def _aes(key: bytes, block: bytes) -> bytes:
    # ECB over one block is what the specification asks for: a pseudo-random function, not a cipher mode.
    return Cipher(algorithms.AES128(key), modes.ECB()).encryptor().update(block)
