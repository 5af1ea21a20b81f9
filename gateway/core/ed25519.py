"""What an Ed25519 public key must not be, because cryptography's verify does not look (RFC 8032, section 5.1.7)."""

_FIELD = 2**255 - 19
# y of the points of order 1, 2, 4 and 8. Under such a key, signatures that anybody can make fit every message.
_EIGHTH = int.from_bytes(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little")
SMALL_ORDER = frozenset({0, 1, _FIELD - 1, _EIGHTH, _FIELD - _EIGHTH})


def is_anybodys(key: bytes) -> bool:
    """Whether these 32 bytes are a key of small order, or one that is written in a second way."""
    y = int.from_bytes(key, "little") & (2**255 - 1)
    return y >= _FIELD or y in SMALL_ORDER
