"""The keys that readers and terminals need, as values: who may read which passes and tags. Never printed."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


class KeyUse(StrEnum):
    HCE = "hce"  # our own phone app (docs/phone-app.md)
    SMARTTAP = "smarttap"  # Google Smart Tap 2.1
    VAS = "vas"  # Apple VAS
    SUN = "sun"  # NTAG 424 DNA
    TAG = "tag"  # signed NDEF ids


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


TerminalKey = HceKey | SmartTapKey | VasKey | SunKey | TagKey
_K = TypeVar("_K", HceKey, SmartTapKey, VasKey, SunKey, TagKey)


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
