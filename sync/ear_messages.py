"""The payloads between a scanner and its gateway, to bytes and back; both ends use them. Pure.

JSON like headquarters' messages (sync.messages) and as strict: parsers accept exactly what this version defines and
raise PeerError with one of messages.REASONS for everything else; no text from outside gets into the error.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from gateway.core.model import CredentialKind, Token
from gateway.errors import PeerError
from gateway.health import State
from sync import messages
from sync.fields import MAX_EXACT, validate

# What a scanner sends: 64 frames of the longest kind take 4.6 kB, 64 questions 0.6 kB, eight radios 2 kB.
MAX_UP_BYTES = 16 * 1024
MAX_FRAMES = 64
MAX_ASKED = 64
MAX_RADIOS = 8  # a Pi has one adapter, and four USB ports
MAX_DETAIL = 160  # characters of a radio's state, shown on the gateway's status page
# An answer is cut into messages of about this size, so that a long one does not hold up a shop's Wi-Fi for long.
ANSWER_BYTES = 16 * 1024
# One bucket stands in one message of at most messages.MAX_PAYLOAD_BYTES, as hex: 3,200 digests, which 800,000 static
# credentials would put into one of 256 buckets, or 8,000 tokens, 170 times what a million phones do.
MAX_BUCKET_BYTES = 48_000

# Bluetooth Core, Vol 4 Part E, 7.7.65.2: -127..20 dBm; 127 would mean "not known".
RSSI_DBM = range(-127, 21)
# Older frames are worthless; anything beyond a minute is no honest age at all.
MAX_AGE_MS = 60_000
MAX_HOLD_MS = 3_600_000

# The kinds that travel, with the length of their values. RPA is missing: it takes the phone's address and the
# identity keys to know a colleague, and neither may leave its box. NDEF is no radio's.
VALUE_BYTES = {
    CredentialKind.EID: 8,
    CredentialKind.APP: 8,
    CredentialKind.UID: 16,
    CredentialKind.IBEACON: 20,
    CredentialKind.ALTBEACON: 20,
}
ROTATING = frozenset({CredentialKind.EID, CredentialKind.APP})

Family = Literal["rotating", "static"]
# How much of a value a question tells, in bytes, and what then follows it. Rotating: two bytes of eight; 1 of 65,536,
# and gone with the window. Static: one byte of the 16-byte keyed hash. It stays the same for ever, so two bytes would
# let the broker recognise a stranger's beacon among the few hundred of a day; of one byte there are 256 in all, and a
# scanner soon holds the answers to most.
PREFIX_BYTES: Mapping[str, int] = {"rotating": 2, "static": 1}
REST_BYTES: Mapping[str, int] = {"rotating": 6, "static": 15}


class Bucket(NamedTuple):
    """All live tokens (or digests of static identifiers) that begin with the same bytes."""

    family: Family
    prefix: bytes


@dataclass(frozen=True, slots=True)
class Frame:
    """A token as heard `age_ms` before the message was sent."""

    token: Token
    rssi_dbm: int
    age_ms: int


@dataclass(frozen=True, slots=True)
class Heard:
    """Frames of members and anchors. `seq` rises by one per message; `sent_ms` is on a clock of the scanner's own."""

    boot: str
    seq: int
    sent_ms: int
    frames: tuple[Frame, ...]


@dataclass(frozen=True, slots=True)
class Ask:
    """What is in these buckets?"""

    boot: str
    buckets: tuple[Bucket, ...]


@dataclass(frozen=True, slots=True)
class Radio:
    """One of the scanner's own sources as its supervision sees it."""

    state: State
    detail: str


@dataclass(frozen=True, slots=True)
class Beat:
    """The scanner lives: the last `seq` it used, what it counted since its start, and its radios."""

    boot: str
    seq: int
    adverts: int
    passed: int
    dropped: int
    radios: tuple[Radio, ...]


@dataclass(frozen=True, slots=True)
class EarState:
    """A scanner's birth (`online`) or will; `boot` is drawn per start, `line` counts the connections of that start."""

    online: bool
    boot: str
    line: int


@dataclass(frozen=True, slots=True)
class Epoch:
    """Everything answered before this number is void. Said every few seconds: it also shows that a gateway listens."""

    boot: str
    number: int


@dataclass(frozen=True, slots=True)
class Contents:
    """What a bucket holds: `rests` are the bytes after the prefix, one after the other. Valid for `hold_ms`."""

    bucket: Bucket
    hold_ms: int
    rests: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What was asked for, as of `epoch`."""

    epoch: Epoch
    contents: tuple[Contents, ...]


# --- from the scanner ---------------------------------------------------------------------------------------


def heard(boot: str, seq: int, sent_ms: int, frames: Sequence[Frame]) -> bytes:
    """At most MAX_FRAMES frames."""
    rows = [[frame.token.kind, frame.token.value.hex(), frame.rssi_dbm, frame.age_ms] for frame in frames]
    return _dump("heard", boot=boot, seq=seq, sent_ms=sent_ms, frames=rows)


def ask(boot: str, buckets: Sequence[Bucket]) -> bytes:
    """At most MAX_ASKED buckets."""
    return _dump("ask", boot=boot, buckets=[[bucket.family, bucket.prefix.hex()] for bucket in buckets])


def beat(beat: Beat) -> bytes:
    """At most MAX_RADIOS radios; longer details are cut."""
    return _dump(
        "beat",
        boot=beat.boot,
        seq=beat.seq,
        adverts=beat.adverts,
        passed=beat.passed,
        dropped=beat.dropped,
        radios=[{"state": radio.state, "detail": radio.detail[:MAX_DETAIL]} for radio in beat.radios],
    )


def parse_up(payload: bytes) -> Heard | Ask | Beat:
    """What a scanner says on `ear-up`. Raises PeerError."""
    kind, fields = _load(payload, MAX_UP_BYTES)
    match kind:
        case "heard":
            said = validate(_Heard, fields)
            return Heard(said.boot, said.seq, said.sent_ms, tuple(_frame(row) for row in said.frames))
        case "ask":
            asked = validate(_Ask, fields)
            return Ask(asked.boot, tuple(_bucket(row) for row in asked.buckets))
        case "beat":
            lives = validate(_Beat, fields)
            radios = tuple(Radio(radio.state, radio.detail) for radio in lives.radios)
            return Beat(lives.boot, lives.seq, lives.adverts, lives.passed, lives.dropped, radios)
    raise PeerError("type")


def ear_state(state: EarState) -> bytes:
    """Birth or will."""
    return _dump("ear", online=state.online, boot=state.boot, line=state.line)


def parse_ear_state(payload: bytes) -> EarState:
    """What stands on `ear-state`. Raises PeerError."""
    kind, fields = _load(payload, MAX_UP_BYTES)
    if kind != "ear":
        raise PeerError("type")
    said = validate(_EarState, fields)
    return EarState(said.online, said.boot, said.line)


# --- from the gateway ---------------------------------------------------------------------------------------


def epoch(now: Epoch) -> bytes:
    """Forget what was answered under another epoch."""
    return _dump("epoch", boot=now.boot, epoch=now.number)


def answers(now: Epoch, contents: Sequence[Contents]) -> list[bytes]:
    """As many messages as it takes to keep each near ANSWER_BYTES; a bucket beyond MAX_BUCKET_BYTES is a ValueError."""
    found: list[bytes] = []
    rows: list[list[object]] = []
    size = 0
    for one in contents:
        if len(one.rests) > MAX_BUCKET_BYTES:
            raise ValueError(f"a bucket of {len(one.rests)} bytes")
        more = 2 * len(one.rests) + 40
        if rows and size + more > ANSWER_BYTES:
            found.append(_dump("answer", boot=now.boot, epoch=now.number, buckets=rows))
            rows, size = [], 0
        rows.append([one.bucket.family, one.bucket.prefix.hex(), one.hold_ms, one.rests.hex()])
        size += more
    found.append(_dump("answer", boot=now.boot, epoch=now.number, buckets=rows))
    return found


def parse_down(payload: bytes) -> Epoch | Answer:
    """What a gateway says on `ear-down`. Raises PeerError."""
    kind, fields = _load(payload, messages.MAX_PAYLOAD_BYTES)
    match kind:
        case "epoch":
            told = validate(_Epoch, fields)
            return Epoch(told.boot, told.epoch)
        case "answer":
            said = validate(_Answer, fields)
            return Answer(Epoch(said.boot, said.epoch), tuple(_contents(row) for row in said.buckets))
    raise PeerError("type")


# --- forms --------------------------------------------------------------------------------------------------

_Boot = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
_Count = Annotated[int, Field(ge=0, le=MAX_EXACT)]
# Printable ASCII only: it is shown to people, and nothing in it may pass for something else.
_Detail = Annotated[str, StringConstraints(pattern=r"^[ -~]*$", max_length=MAX_DETAIL)]
_M = TypeVar("_M", bound=BaseModel)


class _Wire(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", defer_build=True)


class _Heard(_Wire):
    boot: _Boot
    seq: _Count
    sent_ms: _Count
    frames: Annotated[list[Any], Field(min_length=1, max_length=MAX_FRAMES)]


class _Ask(_Wire):
    boot: _Boot
    buckets: Annotated[list[Any], Field(min_length=1, max_length=MAX_ASKED)]


class _Radio(_Wire):
    state: State
    detail: _Detail


class _Beat(_Wire):
    boot: _Boot
    seq: _Count
    adverts: _Count
    passed: _Count
    dropped: _Count
    radios: Annotated[list[_Radio], Field(max_length=MAX_RADIOS)]


class _EarState(_Wire):
    online: bool
    boot: _Boot
    line: _Count


class _Epoch(_Wire):
    boot: _Boot
    epoch: _Count


class _Answer(_Wire):
    boot: _Boot
    epoch: _Count
    buckets: Annotated[list[Any], Field(max_length=MAX_ASKED)]


FORMS: Mapping[str, type[BaseModel]] = {
    "heard": _Heard,
    "ask": _Ask,
    "beat": _Beat,
    "ear": _EarState,
    "epoch": _Epoch,
    "answer": _Answer,
}


def _frame(row: object) -> Frame:
    kind, value, rssi_dbm, age_ms = _row(row, 4)
    try:
        token = Token(CredentialKind(kind), _unhex(value))
    except ValueError:
        raise PeerError("fields") from None
    if len(token.value) != VALUE_BYTES.get(token.kind):
        raise PeerError("fields")
    return Frame(token, _whole(rssi_dbm, RSSI_DBM), _whole(age_ms, range(MAX_AGE_MS + 1)))


def _bucket(row: object) -> Bucket:
    family, prefix = _row(row, 2)
    return _bucket_of(family, prefix)


def _bucket_of(family: object, prefix: object) -> Bucket:
    if family != "rotating" and family != "static":
        raise PeerError("fields")
    bucket = Bucket(family, _unhex(prefix))
    if len(bucket.prefix) != PREFIX_BYTES[family]:
        raise PeerError("fields")
    return bucket


def _contents(row: object) -> Contents:
    family, prefix, hold_ms, rests = _row(row, 4)
    contents = Contents(_bucket_of(family, prefix), _whole(hold_ms, range(MAX_HOLD_MS + 1)), _unhex(rests))
    if len(contents.rests) % REST_BYTES[contents.bucket.family]:
        raise PeerError("fields")
    return contents


def _row(row: object, length: int) -> list[Any]:
    if not isinstance(row, list) or len(row) != length:
        raise PeerError("fields")
    return row


def _unhex(value: object) -> bytes:
    # bytes.fromhex takes spaces and capitals too; one value, one way to write it.
    if not isinstance(value, str) or value.strip("0123456789abcdef") or len(value) % 2:
        raise PeerError("fields")
    return bytes.fromhex(value)


def _whole(value: object, within: range) -> int:
    if type(value) is not int:  # True equals 1
        raise PeerError("fields")
    if value not in within:
        raise PeerError("range")
    return value


def _dump(kind: str, **fields: object) -> bytes:
    return messages.compact({"v": messages.WIRE_VERSION, "type": kind, **fields}).encode()


def _load(payload: bytes, most: int) -> tuple[object, dict[str, Any]]:
    if len(payload) > most:
        raise PeerError("too_large")
    fields = messages.load_object(payload)
    version = fields.pop("v", None)
    if type(version) is not int or version != messages.WIRE_VERSION:
        raise PeerError("version")
    return fields.pop("type", None), fields
