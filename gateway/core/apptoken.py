"""The token that a member's phone app shows in one window of 900 s; docs/phone-app.md is its public specification."""

import hmac

KEY_BYTES = 16
TOKEN_BYTES = 8
# As long as a phone keeps one private address (Core, Vol 3 Part C, appendix A: 15 minutes), so that neither tells more
# than the other. A million members with a window each at the same moment cost 1.5 s of x86-64 in every 900 s.
WINDOW_S = 900

# Separates this use of the key from any other, and this version from the next.
_DOMAIN = b"store-gateway app token v1"
_WINDOW_BYTES = 8
_WINDOW_MASK = 2 ** (8 * _WINDOW_BYTES) - 1


def window_of(unix_s: int) -> int:
    """The number of the window in which the Unix second `unix_s` lies."""
    return unix_s // WINDOW_S


def token(key: bytes, window: int) -> bytes:
    """8 bytes: the beginning of HMAC-SHA256 over the domain and the window's number, big endian in 8 bytes.

    `key` has 16 bytes. Windows count modulo 2^64, so that a clock before 1970 shows a token too, which nobody awaits.
    """
    number = (window & _WINDOW_MASK).to_bytes(_WINDOW_BYTES, "big")
    return hmac.digest(key, _DOMAIN + number, "sha256")[:TOKEN_BYTES]
