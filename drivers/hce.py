"""The retailer's own phone app signs a challenge: the terminal's end of docs/phone-app.md, "The tap".

The answer is sealed to the retailer's reader key, so a reader that does not hold it learns of no phone which one it is.
"""

import hashlib
from typing import Final

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDH,
    ECDSA,
    SECP256R1,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from drivers.talk import Exchange, Found, Outcome, Refused, Talk
from gateway.core import ed25519
from gateway.core.keyring import READER_ID_BYTES, HceKey
from gateway.core.model import CredentialKind, Proof, Token, Trouble

VERSION: Final = 1
READER_IDS_MAX = 4  # a change of keys needs two; four leave room for a programme that is joining another
NONCE_BYTES = 16
POINT_BYTES = 33  # compressed P-256
SIGNATURE_BYTES = 64
TAG_BYTES = 16
# Always the same, whatever the phone's algorithm: the length tells nothing. With its status 149 bytes, a short APDU
# that fits into one frame of every reader (the ACR122U's 252 are the least).
ANSWER_BYTES = 1 + POINT_BYTES + POINT_BYTES + SIGNATURE_BYTES + TAG_BYTES

# What a phone says of itself before it knows who asks. A card that answers 9000 to any SELECT does not say this.
_MAGIC = b"SG"
_AID_PREFIX = bytes.fromhex("f04741544557415901")  # F0 = private use, "GATEWAY", 01
_AID_DOMAIN = b"store-gateway hce aid v1"
_SEAL_DOMAIN = b"store-gateway hce seal v1"
_SIGN_DOMAIN = b"store-gateway hce sign v1"

_OK, _NOT_NOW = b"\x90\x00", b"\x69\x85"
_NOTHING = bytes(12)  # the seal's key serves once, so its nonce may be constant

# The first byte of the 33 that name a phone's key: an Ed25519 key follows. 02 and 03 begin a P-256 point.
_ED25519 = 0xED


def application(tenant: str) -> bytes:
    """The 16-byte AID of this tenant's app: apps of two retailers on one phone never fight for a tap."""
    return _AID_PREFIX + hashlib.sha256(_AID_DOMAIN + tenant.encode()).digest()[:7]


def converse(exchange: Exchange, talk: Talk) -> Outcome:
    """Ask for the app and let it sign. None without a reader key here or an app there. Raises CardGoneError.

    No key in common is a refusal and not None: the phone said that it is ours, its owner should not be asked to join,
    and an operator has to see that keys were changed too fast. Asking for a weaker proof is the caller's to decide.
    """
    keys = talk.keyring.of(HceKey, talk.now_ms)
    if not keys:
        return None
    aid = application(talk.place.partition("/")[0])
    hello = exchange(b"\x00\xa4\x04\x00" + bytes([len(aid)]) + aid + b"\x00")
    if hello[-2:] != _OK or not hello.startswith(_MAGIC):
        return None
    key = _common(hello[len(_MAGIC) : -2], keys)
    if isinstance(key, Refused):
        return key
    challenge = _challenge(key, talk)
    response = exchange(b"\x80\x10\x00\x00" + bytes([len(challenge)]) + challenge + b"\x00")
    if response == _NOT_NOW:
        return Refused("hce.locked", Trouble.UNLOCK)
    if response[-2:] != _OK:
        return Refused("hce.status", Trouble.AGAIN)
    return _judge(response[:-2], challenge, key)


def _common(offer: bytes, keys: tuple[HceKey, ...]) -> HceKey | Refused:
    """The newest of our keys that the phone names."""
    if offer[:1] != bytes([VERSION]):
        return Refused("hce.version")
    named = offer[1:]
    if not named or len(named) % READER_ID_BYTES or len(named) > READER_ID_BYTES * READER_IDS_MAX:
        return Refused("hce.select")
    ids = {named[at : at + READER_ID_BYTES] for at in range(0, len(named), READER_ID_BYTES)}
    return next((key for key in keys if key.key_id in ids), Refused("hce.no_common_key"))


def _challenge(key: HceKey, talk: Talk) -> bytes:
    """At most 75 bytes: a place is two names of at most 24 characters."""
    place = talk.place.encode()
    seconds = talk.now_ms // 1000 & 0xFFFFFFFF
    head = bytes([VERSION]) + key.key_id + talk.random(NONCE_BYTES) + seconds.to_bytes(4, "big")
    return head + bytes([len(place)]) + place


def _judge(answer: bytes, challenge: bytes, key: HceKey) -> Found | Refused:
    if len(answer) != ANSWER_BYTES:
        return Refused("hce.length")
    if answer[0] != VERSION:
        return Refused("hce.answer_version")
    ephemeral, sealed = answer[1 : 1 + POINT_BYTES], answer[1 + POINT_BYTES :]
    reader = _compressed(key.private.public_key())
    try:
        shared = key.private.exchange(ECDH(), EllipticCurvePublicKey.from_encoded_point(SECP256R1(), ephemeral))
    except ValueError:
        return Refused("hce.point")
    nonce = challenge[1 + READER_ID_BYTES :][:NONCE_BYTES]
    secret = HKDF(SHA256(), 16, salt=nonce, info=_SEAL_DOMAIN + reader + ephemeral).derive(shared)
    try:
        plain = AESGCM(secret).decrypt(_NOTHING, sealed, challenge)
    except InvalidTag:
        return Refused("hce.seal")
    shown, signature = plain[:POINT_BYTES], plain[POINT_BYTES:]
    return _signed(shown, signature, _SIGN_DOMAIN + challenge + reader + ephemeral + shown)


def _signed(shown: bytes, signature: bytes, message: bytes) -> Found | Refused:
    """Whether the key that the phone shows made this signature. Both values of an ECDSA s are taken: a phone's chip
    gives either, and nothing here is told apart by its signature."""
    try:
        if shown[0] == _ED25519:
            value = shown[1:]
            if ed25519.is_anybodys(value):
                return Refused("hce.key")
            Ed25519PublicKey.from_public_bytes(value).verify(signature, message)
        else:
            value = shown
            r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
            public = EllipticCurvePublicKey.from_encoded_point(SECP256R1(), value)
            public.verify(encode_dss_signature(r, s), message, ECDSA(SHA256()))
    except ValueError:
        return Refused("hce.key")
    except InvalidSignature:
        return Refused("hce.signature")
    return Found(Token(CredentialKind.HCE, value), Proof.PROVEN)


def _compressed(public: EllipticCurvePublicKey) -> bytes:
    return public.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
