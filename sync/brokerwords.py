"""What a broker's reason codes and a failed TLS handshake mean, in words for health; and after which codes we stay away
for longer. Pure.
"""

import re
import ssl

# MQTT 5, 2.4: server unavailable or busy, shutting down, message rate too high, quota exceeded, use another server,
# server moved, connection rate exceeded. Who comes back at once makes all of them worse.
BUSY_CODES = frozenset({0x88, 0x89, 0x8B, 0x96, 0x97, 0x9C, 0x9D, 0x9F})

_CODES = {
    0x85: "it does not take this client id",
    0x86: "user name or password are wrong",
    0x87: "this box may not do that there",
    0x88: "it is not available",
    0x89: "it is busy",
    0x8A: "this box is banned",
    0x8B: "it is shutting down",
    0x8D: "it heard nothing of us for too long",
    0x8E: "another box has come with the same name",
    0x8F: "it does not take this topic filter",
    0x90: "it does not take this topic",
    0x93: "too much was on its way at once",
    0x95: "a message is too large for it",
    0x96: "more messages a second than it takes",
    0x97: "more than its quota allows",
    0x98: "its operator ended the connection",
    0x9A: "it keeps no retained messages",
    0x9B: "it does not take this quality of service",
    0x9C: "it sends us to another broker",
    0x9D: "it has moved to another address",
    0x9F: "too many connections at once",
}

# X509_V_ERR_* of OpenSSL (x509_vfy.h).
_VERIFIED = {
    9: "is not valid yet, or the clock of this box is wrong",
    10: "has expired, or the clock of this box is wrong",
    18: "is signed by itself alone, and not in ca_file",
    19: "comes from an authority that is not in ca_file",
    20: "comes from an authority that is not in ca_file",
    21: "comes from an authority that is not in ca_file",
    23: "was revoked",
    62: "is for another name",
    64: "is for another address",
}
# TLS alerts about what we showed (RFC 8446, 6.2), as OpenSSL names them.
_ALERTS = {
    "CERTIFICATE_EXPIRED": "it has expired",
    "CERTIFICATE_REVOKED": "it was revoked",
    "CERTIFICATE_UNKNOWN": "it does not take it",
    "CERTIFICATE_REQUIRED": "none was shown",
    "BAD_CERTIFICATE": "it does not take it",
    "UNKNOWN_CA": "it does not know who signed it",
    "ACCESS_DENIED": "it may not come in",
}


def code_words(code: int, name: str) -> str:
    """What a reason code says; `name`: what MQTT calls it, for one that needs no better words."""
    return _CODES.get(code, name)


def unreachable_words(error: Exception) -> str:
    """Why there was no connection at all, or none under TLS."""
    if isinstance(error, ssl.SSLCertVerificationError):
        fault = _VERIFIED.get(error.verify_code, f"cannot be trusted ({error.verify_message})")
        return f"the broker's certificate {fault}"
    if isinstance(error, ssl.SSLError):
        reason = getattr(error, "reason", None) or error.__class__.__name__  # one made in Python has none
        alert = alert_words(reason)
        return alert or f"the broker cannot be reached: no TLS ({reason})"
    return f"the broker cannot be reached: {getattr(error, 'strerror', None) or error.__class__.__name__}"


def alert_words(text: str) -> str | None:
    """What a TLS alert that OpenSSL names in `text` says about our certificate, None = there is none."""
    found = re.search(r"ALERT_([A-Z_]+)", text)
    if found is None or found[1] not in _ALERTS:
        return None
    return f"the broker refuses the certificate of this box: {_ALERTS[found[1]]}"
