"""What a shop's two boxes tell each other, sealed under the secret that both have, to bytes and back. Pure.

A word says who serves and how far each knows the other; a lot brings changes. As strict as headquarters' messages:
parsers raise PeerError for everything that this version does not define. AES-256-GCM with a random nonce under a key
of HKDF-SHA256 (RFC 5869), bound to the topic; at 100,000 messages a day one secret is good for a century (SP 800-38D,
8.3: 2^32 messages).
"""

import json
import secrets
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import BaseModel, Field, StringConstraints

from gateway.core.seat import Said
from gateway.errors import PeerError
from sync import messages
from sync.fields import EXACT, INT64_MAX, Id, Ms, validate

MIN_SECRET = 32  # characters: 128 bits as hex digits
_NONCE_BYTES = 12
_KEY_BYTES = 32

_Count = Annotated[int, Field(ge=0, le=INT64_MAX)]
_Text = Annotated[str, StringConstraints(max_length=120)]
_Box = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,23}$")]
_Hex = Annotated[str, StringConstraints(pattern=r"^(?:[0-9a-f]{2}){1,64}$")]
_Epoch = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]


@dataclass(frozen=True, slots=True)
class Word:
    """A box's word for the lease, with what it knows. `epoch`: the name of its numbers; `head`: up to which the broker
    has its changes; `have`: up to which it has the other one's, named `have_epoch`; `asks`: some are missing."""

    said: Said
    epoch: str
    head: int
    have: int
    have_epoch: str
    asks: bool


@dataclass(frozen=True, slots=True)
class Lot:
    """Changes of a box that follow its number `after`, up to `upto`."""

    box: str
    epoch: str
    after: int
    upto: int
    rows: tuple[dict[str, Any], ...]


class _Word(BaseModel):
    model_config = EXACT
    kind: Literal["hello", "claim", "renew", "free"]
    box: _Box
    boot: _Hex
    n: _Count
    term: _Count
    epoch: _Epoch
    head: _Count
    have: _Count
    have_epoch: Annotated[str, StringConstraints(pattern=r"^(?:[0-9a-f]{32})?$")]
    asks: bool


class _Lot(BaseModel):
    model_config = EXACT
    kind: Literal["lot"]
    box: _Box
    epoch: _Epoch
    after: _Count
    upto: _Count
    rows: Annotated[list[dict[str, Any]], Field(max_length=100)]


class _Decision(BaseModel):
    model_config = EXACT
    seq: _Count
    kind: Literal["decision"]
    decision_id: Id
    at_ms: Ms
    trigger: Literal["zone", "tap"]
    member_id: _Text
    zone: _Text
    screen: _Text
    offer_id: _Text


class _Contact(BaseModel):
    model_config = EXACT
    seq: _Count
    kind: Literal["contact"]
    member_id: _Text
    decision_id: _Text
    offer_id: _Text
    what: Literal["shown", "accepted", "dismissed", "redeemed"]
    at_ms: Ms
    placement: _Text


class _Step(BaseModel):
    model_config = EXACT
    step: _Count
    kind: Literal["reserved", "committed", "released", "expired", "reversed"]
    cents: _Count
    at_ms: Ms
    receipt: _Text


class _Redemption(BaseModel):
    model_config = EXACT
    seq: _Count
    kind: Literal["redemption"]
    redemption_id: Id
    offer_id: _Text
    till: _Text
    cents: _Count
    until_ms: Ms
    member_id: _Text | None
    coupon: _Text
    coupon_class: _Text
    lease_id: _Text
    state: Literal["reserved", "committed", "released", "expired", "reversed"]
    reversed_cents: _Count
    receipt: _Text
    step: _Count
    steps: Annotated[list[_Step], Field(min_length=1, max_length=1_000)]


class _Answer(BaseModel):
    model_config = EXACT
    seq: _Count
    kind: Literal["answer"]
    till: _Text
    key: _Text
    digest: _Hex
    answer: Annotated[str, StringConstraints(max_length=48_000)]
    kept_from_ms: Ms


class _Tap(BaseModel):
    model_config = EXACT
    seq: _Count
    kind: Literal["tap"]
    key: _Hex
    member_id: _Text
    count: _Count
    until_ms: Ms | None


_ROWS: dict[object, type[BaseModel]] = {
    "decision": _Decision,
    "contact": _Contact,
    "redemption": _Redemption,
    "answer": _Answer,
    "tap": _Tap,
}


class Pair:
    """Seals and opens what goes over `topic`. `secret`: the same text in both boxes, at least MIN_SECRET characters."""

    def __init__(self, secret: str, topic: str) -> None:
        self.topic = topic
        info = b"store-gateway pair 1"
        key = HKDF(SHA256(), _KEY_BYTES, salt=None, info=info).derive(secret.encode())
        self._key = AESGCM(key)

    def word(self, word: Word) -> bytes:
        """A word as it is sent."""
        return self._seal(asdict(word.said) | {name: value for name, value in asdict(word).items() if name != "said"})

    def lot(self, lot: Lot) -> bytes:
        """A lot as it is sent."""
        return self._seal({"kind": "lot", **asdict(lot)})

    def parse(self, payload: bytes) -> Word | Lot:
        """Raises PeerError("sealed") for what the other box did not seal, and as sync.messages for another form."""
        nonce, sealed = payload[:_NONCE_BYTES], payload[_NONCE_BYTES:]
        if len(payload) > messages.MAX_PAYLOAD_BYTES:
            raise PeerError("too_large")
        try:
            clear = self._key.decrypt(nonce, sealed, self.topic.encode())
        except (InvalidTag, ValueError):
            raise PeerError("sealed") from None
        body = messages.load_object(clear)
        if body.get("kind") == "lot":
            lot = validate(_Lot, body)
            return Lot(lot.box, lot.epoch, lot.after, lot.upto, tuple(_row(row) for row in lot.rows))
        word = validate(_Word, body)
        said = Said(word.kind, word.box, word.boot, word.n, word.term)
        return Word(said, word.epoch, word.head, word.have, word.have_epoch, word.asks)

    def _seal(self, body: dict[str, Any]) -> bytes:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        clear = json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
        return nonce + self._key.encrypt(nonce, clear, self.topic.encode())


def _row(row: dict[str, Any]) -> dict[str, Any]:
    model = _ROWS.get(row.get("kind"))
    if model is None:
        raise PeerError("type")
    return validate(model, row).model_dump()
