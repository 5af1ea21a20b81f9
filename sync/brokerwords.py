"""What a broker's reason codes and a failed TLS handshake mean and what helps, in words for health; and after which
codes we stay away for longer. Pure.
"""

import errno
import re
import ssl
from typing import Literal, NamedTuple

from gateway.errors import BusyError, RivalError, UnavailableError

# MQTT 5, 2.4: server unavailable or busy, shutting down, message rate too high, quota exceeded, use another server,
# server moved, connection rate exceeded. Who comes back at once makes all of them worse.
BUSY_CODES = frozenset({0x88, 0x89, 0x8B, 0x96, 0x97, 0x9C, 0x9D, 0x9F})

TAKEN_OVER = 0x8E
_NOT_LET_IN = frozenset({0x86, 0x87})  # MQTT 3.1.1 says 4 and 5, which paho makes these
_NOT_ALLOWED = frozenset({0x80, 0x87})  # 0x80 is all that 3.1.1 says to a subscription

_CODES = {
    0x80: "without a reason",
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

_ACCOUNT = "Compare username and password_file under [mqtt] with the account at the broker; the cable is not to blame."
_RIGHTS = (
    "Let the broker's rules give this box's account the topics of its own tenant, store and id (docs/mqtt.md);"
    " the cable is not to blame."
)
TWO_BOXES = (
    "Two boxes have the same tenant, store and id, as after a card was copied or one provisioning file went to both."
    " Give one of them an id and an account of its own (docs/provisioning.md); the cable is not to blame."
)
_OUR_CERTIFICATE = "Ask whoever keeps the broker for a certificate that it takes; cert_file and key_file name it."
_ITS_CERTIFICATE = (
    "Compare ca_file and host under [mqtt] with the broker's certificate, and this box's clock with a watch;"
    " the cable is not to blame."
)
_NO_TLS = "Does this port speak TLS? Check port under [mqtt] (8883 is usual for TLS), and ca_file and cert_file."
_MAYBE_TLS = "Perhaps this port wants TLS, or is no broker's: check port and ca_file under [mqtt]."
_NOBODY = "Check host and port under [mqtt], and that the broker runs."
_STEPS = {0x85: _RIGHTS, TAKEN_OVER: TWO_BOXES}


class Said(NamedTuple):
    """What is wrong, and what a person can do about it; "" = what always helps a line that is cut."""

    words: str
    step: str = ""


def error_of(code: int, said: Said) -> UnavailableError:
    """`said`, as the error that this reason code is."""
    kind = BusyError if code in BUSY_CODES else RivalError if code == TAKEN_OVER else UnavailableError
    return kind(*said)


def code_words(code: int, name: str) -> str:
    """What a reason code says; `name`: what MQTT calls it, for one that needs no better words."""
    return _CODES.get(code, name)


def not_let_in(code: int, name: str, has_account: bool) -> Said:
    """The broker's no to a CONNECT; `has_account`: we gave a user name. It is not repeated: these words travel."""
    what = "the broker refuses the connection: "
    if code not in _NOT_LET_IN:
        return Said(what + code_words(code, name), _STEPS.get(code, ""))
    if not has_account:
        return Said(f"{what}it asks for an account, and this box names none", _ACCOUNT)
    return Said(f"{what}it does not let this box's account in with its password", _ACCOUNT)


def refused(what: Literal["a subscription", "a message"], code: int, name: str) -> Said:
    """The broker's no to what a connection that stands asked for."""
    step = _RIGHTS if code in _NOT_ALLOWED else ""
    return Said(f"the broker refuses {what}: {code_words(code, name)}", step)


def sent_away(code: int, name: str) -> Said:
    """The broker's own word for the end of a connection."""
    return Said(f"the broker ends the connection: {code_words(code, name)}", _STEPS.get(code, ""))


def unanswered(words: str, under_tls: bool) -> Said:
    """Somebody took the connection, and it did not come to an MQTT answer."""
    return Said(words, "" if under_tls else _MAYBE_TLS)


def unreachable(error: Exception, under_tls: bool = False) -> Said:
    """Why there was no connection at all, or none under TLS; `under_tls`: the port was there, the handshake began."""
    if isinstance(error, ssl.SSLCertVerificationError):
        fault = _VERIFIED.get(error.verify_code, f"cannot be trusted ({error.verify_message})")
        return Said(f"the broker's certificate {fault}", _ITS_CERTIFICATE)
    if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError):
        reason = getattr(error, "reason", None) or error.__class__.__name__  # one made in Python has none
        return alert(reason) or Said(f"the broker cannot be reached: no TLS ({reason})", _NO_TLS)
    why = getattr(error, "strerror", None) or error.__class__.__name__
    if under_tls:
        return Said(f"the broker cannot be reached: its port takes the connection, but no TLS ({why})", _NO_TLS)
    nobody = getattr(error, "errno", None) == errno.ECONNREFUSED
    return Said(f"the broker cannot be reached: {why}", _NOBODY if nobody else "")


def alert(text: str) -> Said | None:
    """What a TLS alert that OpenSSL names in `text` says about our certificate, None = there is none."""
    found = re.search(r"ALERT_([A-Z_]+)", text)
    if found is None or found[1] not in _ALERTS:
        return None
    return Said(f"the broker refuses the certificate of this box: {_ALERTS[found[1]]}", _OUR_CERTIFICATE)
