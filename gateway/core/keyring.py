"""The keys that readers and terminals need, as values: who may read which passes and tags. Never printed.

A key travels as its "material", a small JSON object per use; docs/keys.md lists the fields.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
    derive_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.core import ed25519
from gateway.errors import PeerError

READER_ID_BYTES = 4
MAX_MATERIAL_BYTES = 1_024  # the longest honest one, vas with an id of 128 characters, has 230


class KeyUse(StrEnum):
    HCE = "hce"  # our own phone app (docs/phone-app.md)
    SMARTTAP = "smarttap"  # Google Smart Tap 2.1
    VAS = "vas"  # Apple VAS
    SUN = "sun"  # NTAG 424 DNA
    TAG = "tag"  # signed NDEF ids
    COUPON = "coupon"  # coupons that a shop signs for phones (docs/till.md)


@dataclass(frozen=True, slots=True)
class HceKey:
    """`key_id`: 4 bytes that phones name it by. `private`: P-256; only who holds it can read which phone answers."""

    key_id: bytes
    private: EllipticCurvePrivateKey = field(repr=False)


@dataclass(frozen=True, slots=True)
class SmartTapKey:
    """`collector`: 4 bytes, big endian. `version`: of the key, as registered with Google. `private`: P-256."""

    collector: bytes
    version: int
    private: EllipticCurvePrivateKey = field(repr=False)


@dataclass(frozen=True, slots=True)
class VasKey:
    """The pass type identifier and the merchant's P-256 key."""

    pass_type_id: str
    private: EllipticCurvePrivateKey = field(repr=False)


@dataclass(frozen=True, slots=True)
class SunKey:
    """16-byte AES keys of NTAG 424 DNA tags and the names of their URL parameters.

    `diversified`: `file` is the site's master key, and each tag has its own by NXP AN10922. `enc` "" = no file data.
    `system`: the system identifier of AN10922, up to 17 bytes.
    """

    meta: bytes = field(repr=False)
    file: bytes = field(repr=False)
    diversified: bool = False
    picc: str = "picc_data"
    enc: str = "enc"
    cmac: str = "cmac"
    system: bytes = b""

    def __post_init__(self) -> None:
        """Raises ValueError for lengths that no tag could use, so that a reader's thread never meets one."""
        if len(self.meta) != 16 or len(self.file) != 16 or len(self.system) > 17:
            raise ValueError("a SUN key holds two keys of 16 bytes and up to 17 bytes of system identifier")


@dataclass(frozen=True, slots=True)
class TagKey:
    """The issuer's Ed25519 public key of signed NDEF ids; `key_id` is the short name that the tags carry."""

    key_id: str
    public: Ed25519PublicKey


@dataclass(frozen=True, slots=True)
class CouponKey:
    """A shop's Ed25519 key for coupons; `key_id` is its name in them and in coupons.put."""

    key_id: str
    private: Ed25519PrivateKey = field(repr=False)


TerminalKey = HceKey | SmartTapKey | VasKey | SunKey | TagKey | CouponKey
_K = TypeVar("_K", HceKey, SmartTapKey, VasKey, SunKey, TagKey, CouponKey)


@dataclass(frozen=True, slots=True)
class Held:
    """One key with the instants between which it serves (ms; None = no end)."""

    key_id: str
    from_ms: int
    until_ms: int | None
    key: TerminalKey


class Keyring:
    """All keys of this gateway. Immutable: readers' threads look at it while the loop puts a new one in its place."""

    def __init__(self, held: Iterable[Held] = ()) -> None:
        self._held = tuple(sorted(held, key=lambda one: (-one.from_ms, one.key_id)))

    def of(self, kind: type[_K], now_ms: int) -> tuple[_K, ...]:
        """The keys of one kind that serve at `now_ms`, the newest first."""
        return tuple(
            one.key
            for one in self._held
            if isinstance(one.key, kind) and one.from_ms <= now_ms and (one.until_ms is None or now_ms < one.until_ms)
        )


@dataclass(frozen=True, slots=True)
class Sealed:
    """A key as it came and as it rests on the disk (gateway.core.sealing)."""

    key_id: str
    use: KeyUse
    from_ms: int
    until_ms: int | None
    sealed: bytes


def reader_id(public: EllipticCurvePublicKey) -> bytes:
    """The 4 bytes by which phones name a reader key."""
    point = public.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    return hashlib.sha256(point).digest()[:READER_ID_BYTES]


def parse(use: KeyUse, material: bytes) -> TerminalKey:
    """The key in a material. Raises PeerError("key_material"), `field` names what is wrong and never its value."""
    fields = _Fields(material)
    match use:
        case KeyUse.HCE:
            private = fields.p256()
            key: TerminalKey = HceKey(reader_id(private.public_key()), private)
        case KeyUse.SMARTTAP:
            key = SmartTapKey(fields.hexed("collector", 4), fields.number("version", 2**32 - 1), fields.p256())
        case KeyUse.VAS:
            key = VasKey(fields.text("pass_type_id", _PASS_TYPE_ID), fields.p256())
        case KeyUse.SUN:
            picc, enc, cmac = (fields.text(name, _PARAMETER, usual) for name, usual in _SUN_NAMES.items())
            if not picc:
                raise PeerError("key_material", "picc")
            if not cmac or cmac in (picc, enc):
                raise PeerError("key_material", "cmac")
            if enc == picc:
                raise PeerError("key_material", "enc")
            secrets = fields.hexed("meta", 16), fields.hexed("file", 16)
            system = bytes.fromhex(fields.text("system", _SYSTEM, ""))
            key = SunKey(*secrets, fields.flag("diversified"), picc, enc, cmac, system)
        case KeyUse.TAG:
            key = TagKey(fields.text("key_id", _TAG_KEY_ID), fields.ed25519())
        case KeyUse.COUPON:
            private_key = Ed25519PrivateKey.from_private_bytes(fields.hexed("private", 32))
            key = CouponKey(fields.text("key_id", _TAG_KEY_ID), private_key)
    fields.end()
    return key


_PASS_TYPE_ID = re.compile(r"[A-Za-z0-9.-]{1,128}")
_TAG_KEY_ID = re.compile(r"[A-Za-z0-9._~-]{1,16}")  # it takes room on the tag
_PARAMETER = re.compile(r"[A-Za-z0-9_]{0,32}")  # of a URL
_SYSTEM = re.compile(r"(?:[0-9a-f]{2}){0,17}")
_SUN_NAMES = {"picc": "picc_data", "enc": "enc", "cmac": "cmac"}


class _Fields:
    """The fields of a material, each taken once; what is left at the `end` is one too many."""

    def __init__(self, material: bytes) -> None:
        try:
            value = json.loads(material.decode()) if len(material) <= MAX_MATERIAL_BYTES else None
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise PeerError("key_material", "material")
        self._left: Mapping[str, object] = value

    def _take(self, name: str, default: object = None) -> object:
        value = self._left.get(name, default)
        self._left = {key: item for key, item in self._left.items() if key != name}
        return value

    def hexed(self, name: str, size: int) -> bytes:
        value = self._take(name)
        if not isinstance(value, str) or re.fullmatch(f"[0-9a-f]{{{2 * size}}}", value) is None:
            raise PeerError("key_material", name)
        return bytes.fromhex(value)

    def text(self, name: str, form: re.Pattern[str], default: str | None = None) -> str:
        value = self._take(name, default)
        if not isinstance(value, str) or form.fullmatch(value) is None:
            raise PeerError("key_material", name)
        return value

    def number(self, name: str, most: int) -> int:
        value = self._take(name)
        if type(value) is not int or not 0 <= value <= most:
            raise PeerError("key_material", name)
        return value

    def flag(self, name: str) -> bool:
        value = self._take(name, False)
        if not isinstance(value, bool):
            raise PeerError("key_material", name)
        return value

    def p256(self) -> EllipticCurvePrivateKey:
        """The private key from its scalar, big endian. One too many or too few for the curve is refused."""
        scalar = int.from_bytes(self.hexed("private", 32))
        try:
            return derive_private_key(scalar, SECP256R1())
        except ValueError:
            raise PeerError("key_material", "private") from None

    def ed25519(self) -> Ed25519PublicKey:
        value = self.hexed("public", 32)
        if ed25519.is_anybodys(value):
            raise PeerError("key_material", "public")
        return Ed25519PublicKey.from_public_bytes(value)

    def end(self) -> None:
        if self._left:
            raise PeerError("key_material", "surplus")
