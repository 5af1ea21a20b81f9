"""Signed coupons: the text in a QR code on a phone or on paper, which every gateway of the chain checks offline. Pure.

base64url of: version, key id, offer id, shop, holder, end, nonce, and headquarters' Ed25519 signature over all of it.
It names nobody: of a member it holds eight bytes of a hash that only fits beside that member's own tap. That it is used
once is not known here; the shop's ledger knows it, and headquarters' that of the chain (docs/till.md).
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from gateway.core import base64url
from gateway.core.ed25519 import is_anybodys
from gateway.core.redemption import Refused
from gateway.errors import ConfigError

KEY_ID = re.compile(r"[A-Za-z0-9._~-]{1,16}")
NONCE_BYTES = 8  # 64 random bits: two of a million live coupons share one with a probability of 10^-8
HOLDER_BYTES = 8
# Beyond what headquarters makes: an offer of 64 characters, a shop of 49 and every other part take 320.
MAX_CHARACTERS = 400
VERSION = 1

_DOMAIN = b"store-gateway coupon v1"
_SIGNATURE_BYTES = 64
_OFFER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")
_STORE = re.compile(r"(?:[a-z0-9][a-z0-9-]{0,23}/[a-z0-9][a-z0-9-]{0,23})?")
_MAX_END_S = 2**32 - 1


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key (32 bytes) under which coupons count until `until_ms`, None = without end.

    `store`: "tenant/store" of the shop that signs with it and may do so for phones only; "" = headquarters' own.
    """

    key_id: str
    key: bytes
    until_ms: int | None = None
    store: str = ""


@dataclass(frozen=True, slots=True)
class Coupon:
    """`store`: "tenant/store" where alone it counts, "" = everywhere. `holder` b"" = whoever shows it."""

    key_id: str
    offer_id: str
    store: str
    holder: bytes
    ends_s: int
    nonce: bytes

    @property
    def name(self) -> str:
        """What the ledger calls it; one of its signer."""
        return f"{self.key_id}/{self.nonce.hex()}"


def holder_of(member_id: str, nonce: bytes) -> bytes:
    """8 bytes that tie a coupon to a member; another nonce gives others, so two coupons can't be linked by them."""
    return hashlib.blake2b(member_id.encode(), digest_size=HOLDER_BYTES, key=nonce, person=b"coupon holder").digest()


def issue(
    private: Ed25519PrivateKey,
    key_id: str,
    offer_id: str,
    ends_s: int,
    nonce: bytes,
    member_id: str = "",
    store: str = "",
) -> str:
    """The text of a coupon that counts until `ends_s` (Unix second). `nonce`: 8 random bytes, for this one alone.

    `member_id` "" = for whoever shows it. Raises ConfigError for what can't be written.
    """
    if not KEY_ID.fullmatch(key_id) or not _OFFER.fullmatch(offer_id) or not _STORE.fullmatch(store):
        raise ConfigError("a coupon needs a key id of 1-16 characters, an offer's id, and tenant/store or nothing")
    if len(nonce) != NONCE_BYTES or not 0 < ends_s <= _MAX_END_S:
        raise ConfigError("a coupon needs 8 random bytes and an end in Unix seconds")
    holder = holder_of(member_id, nonce) if member_id else b""
    body = _body(Coupon(key_id, offer_id, store, holder, ends_s, nonce))
    return base64url.encode(body + private.sign(_DOMAIN + body))


def verify(text: str, keys: Mapping[str, PublicKey], store: str, latest_ms: int) -> Coupon | Refused:
    """The coupon in `text`, or why it counts for nothing. `store`: ours, "tenant/store". It rather ends too early than
    too late, so by the latest time that it may be."""
    raw = _decode(text)
    coupon = None if raw is None else _read(raw[:-_SIGNATURE_BYTES])
    if raw is None or coupon is None:
        return Refused("coupon.form")
    key = keys.get(coupon.key_id)
    if key is None or is_anybodys(key.key) or (key.until_ms is not None and latest_ms >= key.until_ms):
        return Refused("coupon.key")
    try:
        signed = _DOMAIN + raw[:-_SIGNATURE_BYTES]
        Ed25519PublicKey.from_public_bytes(key.key).verify(raw[-_SIGNATURE_BYTES:], signed)
    except InvalidSignature:
        return Refused("coupon.signature")
    if latest_ms >= coupon.ends_s * 1000:
        return Refused("coupon.expired")
    if coupon.store not in ("", store):
        return Refused("coupon.store")
    return coupon


def ends_ms(text: str) -> int:
    """Until when a coupon says that it counts, whoever signed it; 0 for what is none."""
    raw = _decode(text)
    coupon = None if raw is None else _read(raw[:-_SIGNATURE_BYTES])
    return 0 if coupon is None else coupon.ends_s * 1000


def fits(coupon: Coupon, member_id: str | None) -> bool:
    """Whether this person may use it; None = nobody who is known stands there."""
    if not coupon.holder:
        return True
    return member_id is not None and holder_of(member_id, coupon.nonce) == coupon.holder


def _body(coupon: Coupon) -> bytes:
    parts = (coupon.key_id.encode(), coupon.offer_id.encode(), coupon.store.encode(), coupon.holder)
    listed = b"".join(bytes([len(part)]) + part for part in parts)
    return bytes([VERSION]) + listed + coupon.ends_s.to_bytes(4, "big") + coupon.nonce


def _read(body: bytes) -> Coupon | None:
    """What `_body` wrote; None for anything else."""
    if not body or body[0] != VERSION:
        return None
    parts, at = [], 1
    for _ in range(4):
        if at >= len(body):
            return None
        length = body[at]
        parts.append(body[at + 1 : at + 1 + length])
        at += 1 + length
    if len(body) != at + 4 + NONCE_BYTES or any(not part.isascii() for part in parts[:3]):
        return None
    key_id, offer_id, store = (part.decode() for part in parts[:3])
    coupon = Coupon(key_id, offer_id, store, parts[3], int.from_bytes(body[at : at + 4], "big"), body[at + 4 :])
    whole = KEY_ID.fullmatch(key_id) and _OFFER.fullmatch(offer_id) and _STORE.fullmatch(store)
    return coupon if whole and len(coupon.holder) in (0, HOLDER_BYTES) else None


def _decode(text: str) -> bytes | None:
    """None for what can be no coupon; a coupon has one text only."""
    raw = base64url.decode(text) if len(text) <= MAX_CHARACTERS else None
    return raw if raw is not None and len(raw) > _SIGNATURE_BYTES else None
