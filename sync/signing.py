"""Headquarters' signatures: the envelope in front of a message, and the certificates of the keys that sign. Pure.

The keys are those of TUF (The Update Framework, specification 1.0, sections 2 and 5): a root key that is kept off line
certifies one key for each role, and the roles' keys sign. Who believes what is settled in sync.verifying, where
headquarters' private keys lie in sync.hq.signer.
"""

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import BaseModel, Field, StringConstraints

from gateway.core import ed25519
from gateway.errors import PeerError
from sync import messages, topics
from sync.fields import EXACT, INT64_MAX, Ms

# Magic, the key's number, and until when the message counts (ms, 0 = no end): big endian; then the signature. No JSON
# and no zstd frame begins like this.
MAGIC = b"SGS1"
_HEADER = struct.Struct(">4sQQ")
SIGNATURE_BYTES = 64
ENVELOPE_BYTES = _HEADER.size + SIGNATURE_BYTES  # 84, inside the contract's payload limit

# What is signed begins with what it is, so that no signature counts for anything else.
_MESSAGE = b"store-gateway message 1\0"
_CERTIFICATE = b"store-gateway certificate 1\0"
_DATES = struct.Struct(">QQQ")  # of a certificate: number, from and until

KEY_BYTES = 32
MAX_CERTIFICATES = 16  # four times the roles there are: a newer headquarters may have more


class Role(StrEnum):
    """What a key may sign."""

    HEAD = "head"  # that headquarters is there, what it has, receipts for events, pieces of files
    CHANGE = "change"  # members, consents, offers, configuration; snapshots of members; commands
    ERASE = "erase"


ROLE_OF = {
    topics.HEAD: Role.HEAD,
    topics.ACK: Role.HEAD,
    topics.PIECE: Role.HEAD,
    topics.DELTA: Role.CHANGE,
    topics.CMD: Role.CHANGE,
    topics.SNAP: Role.CHANGE,
    topics.ERASE: Role.ERASE,
}  # of every leaf of down/ but topics.KEYS, where the root's certificates vouch for themselves


@dataclass(frozen=True, slots=True)
class Certificate:
    """The root says: `key` (32 bytes) signs for `role` from `from_ms` to `until_ms`; a higher `number` ends it. `role`
    may be one that only newer releases know."""

    role: str
    number: int
    key: bytes
    from_ms: int
    until_ms: int
    signature: bytes


@dataclass(frozen=True, slots=True)
class Envelope:
    """What stands in front of a signed message; `until_ms` 0 = no end. `header` is signed with topic and body."""

    number: int
    until_ms: int
    header: bytes
    signature: bytes
    body: bytes


class _Listed(BaseModel):
    model_config = EXACT
    role: Annotated[str, StringConstraints(pattern=r"^[a-z]{1,16}$")]
    number: Annotated[int, Field(ge=1, le=INT64_MAX)]
    key: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    from_ms: Ms
    until_ms: Ms
    signature: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{128}$")]


class _Keys(BaseModel):
    model_config = EXACT
    certificates: Annotated[list[_Listed], Field(min_length=1, max_length=MAX_CERTIFICATES)]


FORMS: Mapping[str, type[BaseModel]] = {"keys": _Keys}


# --- messages -----------------------------------------------------------------------------------------------


def sign(private: Ed25519PrivateKey, number: int, topic: str, body: bytes, until_ms: int = 0) -> bytes:
    """The message as it travels: `body` for this one topic, signed by key `number` of its role."""
    header = _HEADER.pack(MAGIC, number, until_ms)
    return header + private.sign(_message(header, topic, body)) + body


def split(payload: bytes) -> Envelope | None:
    """A signed message taken apart, None = it bears no signature. Checks nothing. Raises PeerError "signature" for an
    envelope that is cut off."""
    if not payload.startswith(MAGIC):
        return None
    if len(payload) < ENVELOPE_BYTES:
        raise PeerError("signature")
    header, body = payload[: _HEADER.size], payload[ENVELOPE_BYTES:]
    _, number, until_ms = _HEADER.unpack(header)
    return Envelope(number, until_ms, header, payload[_HEADER.size : ENVELOPE_BYTES], body)


def is_signed(envelope: Envelope, topic: str, key: bytes) -> bool:
    """Whether the holder of `key` signed this message for this topic."""
    return _holds(key, envelope.signature, _message(envelope.header, topic, envelope.body))


# --- certificates -------------------------------------------------------------------------------------------


def certify(root: Ed25519PrivateKey, role: str, number: int, key: bytes, from_ms: int, until_ms: int) -> Certificate:
    """The root's word for a role's key."""
    return Certificate(
        role, number, key, from_ms, until_ms, root.sign(_certificate(role, number, key, from_ms, until_ms))
    )


def is_certified(one: Certificate, root: bytes) -> bool:
    """Whether the root's holder signed it, for a key that not anybody can sign with."""
    said = _certificate(one.role, one.number, one.key, one.from_ms, one.until_ms)
    return not ed25519.is_anybodys(one.key) and _holds(root, one.signature, said)


def keys(certificates: Iterable[Certificate]) -> bytes:
    """The message that tells gateways the roles' keys."""
    listed = [
        {
            "role": str(one.role),
            "number": one.number,
            "key": one.key.hex(),
            "from_ms": one.from_ms,
            "until_ms": one.until_ms,
            "signature": one.signature.hex(),
        }
        for one in certificates
    ]
    return messages.dump("keys", certificates=listed)


def parse_keys(payload: bytes) -> tuple[Certificate, ...]:
    """Their form alone; no signature is looked at. Raises PeerError."""
    return tuple(
        Certificate(
            one.role, one.number, bytes.fromhex(one.key), one.from_ms, one.until_ms, bytes.fromhex(one.signature)
        )
        for one in messages.parse(payload, "keys", _Keys).certificates
    )


# --- what is signed -----------------------------------------------------------------------------------------


def _message(header: bytes, topic: str, body: bytes) -> bytes:
    name = topic.encode()
    return b"".join((_MESSAGE, header, len(name).to_bytes(2), name, body))


def _certificate(role: str, number: int, key: bytes, from_ms: int, until_ms: int) -> bytes:
    return b"".join((_CERTIFICATE, _DATES.pack(number, from_ms, until_ms), key, role.encode()))


def _holds(key: bytes, signature: bytes, said: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, said)
    except (InvalidSignature, ValueError):  # ValueError: no point of the curve
        return False
    return True
