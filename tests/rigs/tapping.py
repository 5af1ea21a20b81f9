"""What members and numbered strangers hold before a reader, and everything by which one could be known again.

A stranger's chip number and texts carry the marks of tests.rigs.traces; public keys are looked for one by one.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from drivers import tags
from gateway.core import sealing, tagid
from gateway.core.changes import KeyPut
from gateway.core.keyring import KeyUse
from gateway.core.model import CredentialKind
from gateway.emulator import cards, hce, ndef, smarttap, sun, vas
from gateway.emulator.cards import Spec
from tests.rigs import traces

TENANT = "test"
COLLECTOR, VERSION, PASS_TYPE_ID = bytes.fromhex("00012345"), 1, "pass.example.loyalty"
BASE = "https://other.example/t"
_HCE, _SMARTTAP, _VAS = (hce.p256_key(f"tapping reader {use}") for use in ("hce", "smarttap", "vas"))
_META, _FILE, _TAG_SEED = (hashlib.sha256(f"tapping {what}".encode()).digest() for what in ("meta", "file", "tag"))
_TAG = Ed25519PrivateKey.from_private_bytes(_TAG_SEED)
_TAG_ID = "tapping"


def materials() -> dict[KeyUse, dict[str, object]]:
    """The shop's own keys, one of each use, as operators' files hold them."""
    private = {key: f"{key.private_numbers().private_value:064x}" for key in (_HCE, _SMARTTAP, _VAS)}
    return {
        KeyUse.HCE: {"private": private[_HCE]},
        KeyUse.SMARTTAP: {"collector": COLLECTOR.hex(), "version": VERSION, "private": private[_SMARTTAP]},
        KeyUse.VAS: {"pass_type_id": PASS_TYPE_ID, "private": private[_VAS]},
        KeyUse.SUN: {"meta": _META[:16].hex(), "file": _FILE[:16].hex()},
        KeyUse.TAG: {"key_id": _TAG_ID, "public": _TAG.public_key().public_bytes_raw().hex()},
    }


def sealed(gateway: str, public: bytes) -> list[KeyPut]:
    """The shop's keys, sealed for one gateway."""
    return [
        KeyPut(gateway, use, use, 0, None, sealing.seal(public, json.dumps(material).encode(), info))
        for use, material in materials().items()
        for info in [sealing.info(gateway, use, use, 0, None)]
    ]


@dataclass(frozen=True, slots=True)
class Held:
    """Something to hold before a reader: what it is, its `spec`, and what would be a trace of it beside the marks.

    `drop_after`: it leaves after so many frames.
    """

    kind: str
    spec: Spec
    items: tuple[bytes, ...] = ()
    drop_after: int | None = None


def uid(number: int) -> str:
    """7 bytes as hex: NXP's first one, and the stranger's mark and number."""
    return "04" + traces.address(number).replace(":", "").lower()


def text(number: int) -> str:
    """The stranger's identifier as 16 hex digits."""
    return traces.identifier(number).hex()


def _uri(number: int) -> bytes:
    return tags.encode_uri(f"{BASE}/{text(number)}")


def _type2(number: int) -> Held:
    return Held("type 2", cards.type2(_uri(number), uid(number)))


def _words(number: int) -> Held:
    return Held("type 2 text", cards.type2(tags.encode_text(f"Mr {text(number)}"), uid(number)))


def _type4(number: int) -> Held:
    return Held("type 4", cards.type4(_uri(number), uid(number)))


def _phone_ndef(number: int) -> Held:
    return Held("phone with ndef", cards.phone([ndef.applet(_uri(number))]))


def _hce(number: int, algorithm: str = hce.P256, reader: Any = _HCE, kind: str = "hce") -> Held:
    applet = hce.spec(f"stranger {number}", [hce.compressed(reader)], algorithm, TENANT)
    value = hce.make(applet).value
    return Held(kind, cards.phone([applet]), (value[-32:],))


def _hce_ed25519(number: int) -> Held:
    return _hce(number, hce.ED25519, kind="hce ed25519")


def _hce_foreign(number: int) -> Held:
    """It knows another shop's reader, so it says nothing."""
    return _hce(number, reader=hce.p256_key("another reader"), kind="hce of another shop")


def _smarttap(number: int) -> Held:
    merchant = smarttap.merchant(COLLECTOR, VERSION, _SMARTTAP.public_key(), [text(number).encode()])
    return Held("smart tap", cards.phone([smarttap.applet([merchant])]))


def _vas(number: int) -> Held:
    one = vas.nfc_pass(PASS_TYPE_ID, _VAS.public_key(), text(number).encode())
    return Held("vas", cards.phone([vas.applet([one], int(time.time()))]))


def _sun(number: int, meta: bytes = _META[:16], url: str = sun.HIDDEN_URL, kind: str = "sun") -> Held:
    applet = sun.spec(uid(number), meta, _FILE[:16], url, counter=number)
    return Held(kind, cards.phone([applet], uid(number), think_ms=0))


def _sun_foreign(number: int) -> Held:
    return _sun(number, b"f" * 16, kind="sun of another shop")


def _sun_plain(number: int) -> Held:
    return _sun(number, url=sun.PLAIN_URL, kind="sun in clear")


def _signed(number: int) -> Held:
    shown = tagid.issue(_TAG, _TAG_ID, text(number), BASE)
    return Held("signed", cards.type2(tags.encode_uri(shown), uid(number), "ntag215"))


def _forged(number: int) -> Held:
    """Signed by somebody else."""
    shown = tagid.issue(Ed25519PrivateKey.from_private_bytes(b"f" * 32), _TAG_ID, text(number), BASE)
    return Held("forged", cards.type2(tags.encode_uri(shown), uid(number), "ntag215"))


def _classic(number: int) -> Held:
    return Held("classic", cards.classic(uid(number)))


def _blank(number: int) -> Held:
    return Held("blank", cards.type2(None, uid(number)))


def _half_written(number: int) -> Held:
    return Held("half written", cards.type2(_uri(number), uid(number), announce=65_535))


def _malformed(number: int) -> Held:
    return Held("malformed", cards.type2(_uri(number)[:-3], uid(number)))


def _torn(number: int) -> Held:
    return Held("torn", cards.type4(_uri(number), uid(number)), drop_after=5)


def _torn_sun(number: int) -> Held:
    return Held("torn sun", _sun(number).spec, drop_after=8)


# Phones and cards take turns, because a phone counts as still there for a second.
_KINDS: tuple[Callable[[int], Held], ...] = (
    _type2, _hce, _type4, _smarttap, _sun, _vas, _signed, _phone_ndef, _sun_foreign, _hce_ed25519, _sun_plain,
    _hce_foreign, _words, _classic, _blank, _half_written, _forged, _malformed, _torn, _torn_sun,
)  # fmt: skip
KINDS = len(_KINDS)


def stranger(number: int) -> Held:
    """What this stranger holds; KINDS strangers in a row hold one of each kind."""
    return _KINDS[number % KINDS](number)


@dataclass(frozen=True, slots=True)
class Own:
    """A member's card or phone: what headquarters registers, and what is shown for the n-th time."""

    kind: CredentialKind
    value: bytes
    shown: Callable[[int], Spec]


def members() -> list[Own]:
    """One of each kind of credential that is tapped, each of another member."""
    uri, number, tag = f"{BASE}/member/0123456789", "04c0ffee1234ab", "04c0ffee4242ab"
    phone = hce.spec("a member's phone", [hce.compressed(_HCE)], tenant=TENANT)
    signed = tagid.issue(_TAG, _TAG_ID, "M-signed-4711", BASE)
    google = smarttap.merchant(COLLECTOR, VERSION, _SMARTTAP.public_key(), [b"M-google-4711"])
    apple = vas.nfc_pass(PASS_TYPE_ID, _VAS.public_key(), b"M-apple-4711")
    return [
        Own(CredentialKind.NDEF, uri.encode(), lambda n: cards.type2(tags.encode_uri(uri), "04a1b2c3d4e5f6")),
        Own(CredentialKind.HCE, hce.make(phone).value, lambda n: cards.phone([phone])),
        Own(
            CredentialKind.SIGNED,
            b"M-signed-4711",
            lambda n: cards.type2(tags.encode_uri(signed), "04d1b2c3d4e5f6", "ntag215"),
        ),
        Own(CredentialKind.PASS, b"M-google-4711", lambda n: cards.phone([smarttap.applet([google])])),
        Own(
            CredentialKind.SUN,
            bytes.fromhex(tag),
            lambda n: cards.phone([sun.spec(tag, _META[:16], _FILE[:16], counter=100 * n)], tag, think_ms=0),
        ),
        Own(
            CredentialKind.PASS,
            b"M-apple-4711",
            lambda n: cards.phone([vas.applet([apple], int(time.time()))]),
        ),
        Own(CredentialKind.CHIP, bytes.fromhex(number), lambda n: cards.classic(number)),
    ]


def said(apdus: list[tuple[bytes, bytes]], size: int = 16) -> Iterator[bytes]:
    """What a card or phone said, in pieces: cryptograms, nonces, keys. Of its constants nothing is left out."""
    for _, reply in apdus:
        for at in range(0, len(reply) - size - 1, size):
            piece = reply[at : at + size]
            if len(set(piece)) > size // 2:
                yield piece
