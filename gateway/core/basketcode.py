"""The one-time code at the end of a self-scanned basket: the text in a QR code that the till shows its gateway. Pure.

base64url of: version, basket, digest of what is to be paid, cents, items, end, and this gateway's Ed25519 signature.
For a till without a camera the same is said by twelve letters, which this gateway alone can tell the code of.
That it is shown once is not known here; the basket's own row knows it (gateway.baskets). It pays nothing.
"""

import hashlib
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from gateway.core import base64url
from gateway.core.basket import DIGEST_BYTES
from gateway.core.redemption import Refused

VERSION = 1
MAX_CHARACTERS = 240  # a basket's id has at most 64; such a code has 214

# Crockford's base 32, without letters that read as another. Four tell the basket, so that few have to be opened, and
# eight its newest code: 40 bits, which somebody with a till's key would have to guess within ten minutes.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_OF_BASKET, _OF_CODE = 4, 8
LETTERS = _OF_BASKET + _OF_CODE
_READ_AS = str.maketrans({"O": "0", "I": "1", "L": "1", " ": None, "-": None})

_DOMAIN = b"store-gateway basket v1"
_SIGNATURE_BYTES = 64
_NUMBERS = (("cents", 8), ("items", 2), ("ends_s", 4))  # a full basket of the dearest goods fits
_TAIL = DIGEST_BYTES + sum(size for _, size in _NUMBERS)


@dataclass(frozen=True, slots=True)
class Code:
    """`digest`: of core.basket.Priced. It counts until `ends_s` (Unix second)."""

    basket_id: str
    digest: str
    cents: int
    items: int
    ends_s: int


def issue(private: Ed25519PrivateKey, code: Code) -> str:
    """The text of a code."""
    name = code.basket_id.encode()
    numbers = b"".join(int(getattr(code, field)).to_bytes(size, "big") for field, size in _NUMBERS)
    body = bytes([VERSION, len(name)]) + name + bytes.fromhex(code.digest) + numbers
    return base64url.encode(body + private.sign(_DOMAIN + body))


def verify(text: str, public: Ed25519PublicKey, latest_ms: int) -> Code | Refused:
    """What a code says, or why it counts for nothing; it ends by the latest time that it may be."""
    raw = base64url.decode(text) if len(text) <= MAX_CHARACTERS else None
    if raw is None or len(raw) < 2 + _SIGNATURE_BYTES or raw[0] != VERSION:
        return Refused("basket.form")
    body, signature = raw[:-_SIGNATURE_BYTES], raw[-_SIGNATURE_BYTES:]
    name, tail = body[2 : 2 + body[1]], body[2 + body[1] :]
    if len(tail) != _TAIL or len(name) != body[1] or not name.isascii():
        return Refused("basket.form")
    try:
        public.verify(signature, _DOMAIN + body)
    except InvalidSignature:
        return Refused("basket.signature")
    numbers, at = {}, DIGEST_BYTES
    for field, size in _NUMBERS:
        numbers[field] = int.from_bytes(tail[at : at + size], "big")
        at += size
    code = Code(name.decode(), tail[:DIGEST_BYTES].hex(), **numbers)
    return Refused("basket.expired") if latest_ms >= code.ends_s * 1000 else code


def letters(private: Ed25519PrivateKey, basket_id: str, text: str) -> str:
    """What may be typed in place of `text`, the newest code of the basket."""
    return _spelled(private, b"basket", basket_id, _OF_BASKET) + _spelled(private, b"code", text, _OF_CODE)


def are_of(private: Ed25519PrivateKey, basket_id: str, typed: str) -> bool:
    """Whether these letters can be of a code of this basket."""
    return typed.startswith(_spelled(private, b"basket", basket_id, _OF_BASKET))


def typed_letters(text: str) -> str | None:
    """Letters as they were typed, in the form of `letters`; None for what is none, so perhaps a code."""
    found = text.upper().translate(_READ_AS)
    return found if len(found) == LETTERS and set(found) <= set(_ALPHABET) else None


def draw_key(private: Ed25519PrivateKey) -> bytes:
    """What baskets to check again are drawn by: it stays in this gateway."""
    return hashlib.blake2b(key=private.private_bytes_raw(), person=b"recheck draws").digest()


def _spelled(private: Ed25519PrivateKey, kind: bytes, text: str, count: int) -> str:
    digest = hashlib.blake2b(text.encode(), key=private.private_bytes_raw(), person=b"letters " + kind).digest()
    return "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in digest[:count])
