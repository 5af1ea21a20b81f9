"""The text of a signed NDEF id: how headquarters makes it, and which bytes its signature covers; docs/tags.md."""

import re

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.core import base64url
from gateway.errors import ConfigError

# Characters that no URL, reader or phone writes in a second way (RFC 3986, section 2.3: unreserved).
IDENTIFIER = re.compile(r"[A-Za-z0-9._~-]{1,64}")
KEY_ID = re.compile(r"[A-Za-z0-9._~-]{1,16}")
# An NTAG213 holds 137 bytes of message; a base of 200 needs a larger tag and still stays under every bound on texts.
BASE = re.compile(r"[!-~]{1,200}")
SIGNATURE_BYTES = 64
# Single, double and triple size (ISO 14443-3, section 6.5.4).
_UID_BYTES = (4, 7, 10)
_RANDOM_UID = 0x08

_DOMAIN = b"store-gateway signed id v1"


def covered(key_id: str, identifier: str, uid: bytes = b"") -> bytes:
    """What the signature is over. `uid` empty = the text may stand on any tag.

    Each part has its length before it, so no two ids, keys and tags give the same bytes.
    """
    parts = (key_id.encode(), identifier.encode(), uid)
    return _DOMAIN + b"".join(bytes([len(part)]) + part for part in parts)


def issue(private: Ed25519PrivateKey, key_id: str, identifier: str, base: str, uid: bytes | None = None) -> str:
    """The text to write as a URI record: `base`, the id, and headquarters' signature.

    `uid`: the tag's own number, to bind the text to this one tag. Raises ConfigError for what can't be written.
    """
    if not IDENTIFIER.fullmatch(identifier):
        raise ConfigError("an id has 1-64 letters, digits, dots, dashes, underscores or tildes")
    if not KEY_ID.fullmatch(key_id):
        raise ConfigError("a key id has 1-16 letters, digits, dots, dashes, underscores or tildes")
    if not BASE.fullmatch(base) or "?" in base or "#" in base:
        raise ConfigError("the address has 1-200 printable ASCII characters, without ? and #")
    if uid is not None and (len(uid) not in _UID_BYTES or is_random(uid)):
        raise ConfigError("a tag's number has 4, 7 or 10 bytes and does not change from tap to tap")
    signature = private.sign(covered(key_id, identifier, uid or b""))
    bound = "" if uid is None else "&u=1"
    return f"{base}?i={identifier}&k={key_id}{bound}&s={base64url.encode(signature)}"


def is_random(uid: bytes) -> bool:
    """A number that the chip draws anew each time: 4 bytes that begin with 08 (ISO 14443-3, section 6.5.4)."""
    return len(uid) == 4 and uid[0] == _RANDOM_UID


def decode(text: str) -> bytes | None:
    """The 64 bytes of a signature; None for what is none. A signature has one text only."""
    signature = base64url.decode(text)
    return signature if signature is not None and len(signature) == SIGNATURE_BYTES else None
