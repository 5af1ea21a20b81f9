"""The payloads of the wire, to bytes and back; both ends use them. Pure; what the operations mean is not known here.

Every message is a JSON object with "v" and "type". Parsers accept exactly what this version defines and
raise PeerError with one of REASONS for everything else; no text from outside gets into the error.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, NamedTuple, NoReturn, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from gateway.core.changes import Change, Delta
from gateway.core.snapshot import Held
from gateway.core.streams import Stream
from gateway.errors import PeerError
from sync import leftout, ops, packing
from sync.fields import INT64_MAX, Ms, validate

WIRE_VERSION = 1
# AWS IoT Core takes 128 KB; the rest is room for its envelope and ours.
MAX_PAYLOAD_BYTES = 96 * 1024
# The deepest honest message is an event body of a few levels. Bounds recursion in every later reader.
MAX_NESTING = 32
REASONS = frozenset(
    {"too_large", "not_json", "repeated", "nan", "nesting", "range", "version", "type", "op", "fields", "text"}
    | {"packed"}
    | {"purpose", "eligibility", "cap", "template", "twice"}
)  # fixed words, because they become counter names

Epoch = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
_Key = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0, le=INT64_MAX)]
_M = TypeVar("_M", bound=BaseModel)


def nothing_acked() -> dict[Stream, int]:
    return dict.fromkeys(Stream, 0)


@dataclass(frozen=True, slots=True)
class State:
    """A gateway's birth (`online`) or will; `boot` tells which connection it belongs to. `key`: its public key."""

    online: bool
    boot: int
    epoch: str
    version: int
    key: bytes


class Seen(NamedTuple):
    """The newest head that a gateway has believed."""

    boot: int
    version: int
    erase_seq: int


@dataclass(frozen=True, slots=True)
class Req:
    """The gateway has HQ version `have` and asks for what follows; HQ has confirmed the events of each stream up to
    `acked`, and erasures are done up to `erase_seq`. `snapshots`: it can take one; `members`: its members are those of
    this version, None = of `have`; `snapshot`: the manifest that it holds whole, None = it holds none; `seen`: how far
    HQ's heads had come, None = that is not kept."""

    have: int
    epoch: str
    acked: Mapping[Stream, int] = field(default_factory=nothing_acked)
    erase_seq: int = 0
    snapshots: bool = False
    members: int | None = None
    snapshot: Held | None = None
    seen: Seen | None = None


@dataclass(frozen=True, slots=True)
class Head:
    """HQ's newest version and erasure; `boot` changes when HQ restarts; `at_ms`: HQ's time, None = it does not tell."""

    version: int
    boot: int
    erase_seq: int = 0
    at_ms: int | None = None


class _Wire(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", defer_build=True)


class _Delta(_Wire):
    parent: Count
    version: Count
    at_ms: Ms = 0
    without: Annotated[int, Field(ge=1, le=INT64_MAX)] | None = None
    ops: list[Any]


class _State(_Wire):
    online: bool
    boot: Count
    epoch: Epoch
    version: Count
    key: _Key


class _Acked(_Wire):
    vital: Count
    business: Count
    telemetry: Count


class _Held(_Wire):
    id: Epoch
    revision: Annotated[int, Field(ge=1, le=INT64_MAX)]


class _Seen(_Wire):
    boot: Count
    version: Count
    erase_seq: Count


class _Req(_Wire):
    have: Count
    epoch: Epoch
    acked: _Acked
    erase_seq: Count
    snapshots: bool = False
    members: Count | None = None
    snapshot: _Held | None = None
    seen: _Seen | None = None


class _Applied(_Wire):
    version: Count


class _Head(_Wire):
    version: Count
    boot: Count
    erase_seq: Count
    at_ms: Ms | None = None


# What each kind of message has beside "v" and "type".
FORMS: Mapping[str, type[BaseModel]] = {
    "state": _State,
    "req": _Req,
    "applied": _Applied,
    "head": _Head,
    "delta": _Delta,
}


# --- operations ---------------------------------------------------------------------------------------------


def parse_op(op: object) -> Change:
    """One operation of a delta or an import file. Raises PeerError."""
    return ops.parse(op)


def parse_ops(listed: Sequence[object]) -> tuple[Change, ...]:
    """Operations in their order; one bad operation refuses all. Raises PeerError."""
    return tuple(ops.parse(op) for op in listed)


def op_of(change: Change) -> dict[str, Any]:
    """The operation that `parse_op` turns back into `change`."""
    return ops.dump(change)


# --- messages -----------------------------------------------------------------------------------------------


def delta(
    parent: int, version: int, listed: Sequence[dict[str, Any]], at_ms: int = 0, without: int | None = None
) -> bytes:
    """HQ's changes after `parent` up to `version`, sent at `at_ms`, `without` (Delta) those that a snapshot brings.
    ValueError above MAX_PAYLOAD_BYTES: split them."""
    left_out = {} if without is None else {"without": without}
    return dump("delta", parent=parent, version=version, at_ms=at_ms, **left_out, ops=list(listed))


def parse_delta(payload: bytes) -> Delta:
    """Raises PeerError; a version that does not lie after its parent is "range" (equal only without changes), and so is
    one beyond the snapshot that is to bring what is left out.
    Bad offers and segments refuse themselves alone (`Delta.refused`)."""
    wire = parse(payload, "delta", _Delta)
    if wire.version < wire.parent or (wire.ops and wire.version == wire.parent):
        raise PeerError("range")
    if wire.without is not None and wire.version > wire.without:
        raise PeerError("range")
    changes, refused = leftout.parse(wire.ops)
    return Delta(wire.parent, wire.version, changes, wire.at_ms, refused, wire.without)


def state(online: bool, boot: int, epoch: str, version: int, key: bytes) -> bytes:
    """Birth or will; `key`: the 32 bytes under which HQ seals for this gateway."""
    return dump("state", online=online, boot=boot, epoch=epoch, version=version, key=key.hex())


def parse_state(payload: bytes) -> State:
    """Raises PeerError."""
    wire = parse(payload, "state", _State)
    return State(wire.online, wire.boot, wire.epoch, wire.version, bytes.fromhex(wire.key))


def req(
    have: int,
    epoch: str,
    acked: Mapping[Stream, int] | None = None,
    erase_seq: int = 0,
    *,
    snapshots: bool = False,
    members: int | None = None,
    snapshot: Held | None = None,
    seen: Seen | None = None,
) -> bytes:
    """A gateway's question (Req) for everything after HQ version `have` and erasure `erase_seq`; of each stream it
    holds no event up to `acked` any more, None = none was ever confirmed."""
    told: dict[str, object] = {"snapshots": True} if snapshots else {}
    if members is not None:
        told["members"] = members
    if snapshot is not None:
        told["snapshot"] = {"id": snapshot.snapshot_id, "revision": snapshot.revision}
    if seen is not None:
        told["seen"] = seen._asdict()
    listed = nothing_acked() | dict(acked or {})
    return dump("req", have=have, epoch=epoch, acked=listed, erase_seq=erase_seq, **told)


def parse_req(payload: bytes) -> Req:
    """Raises PeerError; "range" where the members are further than the rest."""
    wire = parse(payload, "req", _Req)
    if wire.members is not None and wire.members > wire.have:
        raise PeerError("range")
    acked = wire.acked.model_dump()
    held = None if wire.snapshot is None else Held(wire.snapshot.id, wire.snapshot.revision)
    seen = None if wire.seen is None else Seen(**wire.seen.model_dump())
    return Req(
        *(wire.have, wire.epoch, {stream: acked[stream] for stream in Stream}, wire.erase_seq),
        *(wire.snapshots, wire.members, held, seen),
    )


def applied(version: int) -> bytes:
    """A gateway's receipt: it works with HQ version `version` now."""
    return dump("applied", version=version)


def parse_applied(payload: bytes) -> int:
    """The version that the gateway has applied. Raises PeerError."""
    return parse(payload, "applied", _Applied).version


def head(version: int, boot: int, erase_seq: int = 0, at_ms: int | None = None) -> bytes:
    """HQ's newest version, its boot number, its newest erasure and its time (ms)."""
    told = {} if at_ms is None else {"at_ms": at_ms}
    return dump("head", version=version, boot=boot, erase_seq=erase_seq, **told)


def parse_head(payload: bytes) -> Head:
    """Raises PeerError."""
    wire = parse(payload, "head", _Head)
    return Head(wire.version, wire.boot, wire.erase_seq, wire.at_ms)


def compact(value: object) -> str:
    """JSON text without spaces, in the order given; ValueError for NaN."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


# --- one way in, one way out --------------------------------------------------------------------------------


def dump(kind: str, /, **fields: object) -> bytes:
    """A message of this kind. ValueError above MAX_PAYLOAD_BYTES."""
    payload = compact({"v": WIRE_VERSION, "type": kind, **fields}).encode()
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise ValueError(f"{kind} message of {len(payload)} bytes, the limit is {MAX_PAYLOAD_BYTES}")
    return payload


def load_object(payload: bytes, most_bytes: int = MAX_PAYLOAD_BYTES) -> dict[str, Any]:
    """One JSON object from outside with every bound checked but its fields (an import file uses it line by line).

    Raises PeerError: "too_large", "not_json", "repeated" (a name twice in one object: readers differ in which of them
    counts), "nan", "range" (numbers beyond 64 bit), "nesting", "text".
    """
    if len(payload) > most_bytes:
        raise PeerError("too_large")
    try:
        value = _JSON.decode(payload.decode())
    except RecursionError:
        raise PeerError("nesting") from None
    except ValueError as error:  # JSONDecodeError and UnicodeDecodeError are ValueErrors
        said = _where(error)
    else:
        said = ()
    if said:
        raise PeerError("not_json", said=said)  # out here: the cause would hold the payload
    if not isinstance(value, dict):
        raise PeerError("not_json")
    _check_tree(value)
    return value


def parse(payload: bytes, kind: str, model: type[_M]) -> _M:
    """A message of this kind. Raises PeerError."""
    found, value = _typed(payload)
    if found != kind:
        raise PeerError("type")
    return validate(model, value)


def kind_of(payload: bytes) -> str:
    """Which message it says it is, for a topic that carries several kinds. Raises PeerError."""
    return _typed(payload)[0]


def _typed(payload: bytes) -> tuple[str, dict[str, Any]]:
    value = load_object(packing.unpack(payload, MAX_PAYLOAD_BYTES))
    version = value.pop("v", None)
    if type(version) is not int or version != WIRE_VERSION:  # True and 1.0 equal 1
        raise PeerError("version")
    kind = value.pop("type", None)
    if not isinstance(kind, str):
        raise PeerError("type")
    return kind, value


def _where(error: ValueError) -> tuple[str, ...]:
    """Where a text stops being JSON, in words of ours and of the parser's."""
    if isinstance(error, json.JSONDecodeError):
        line = f"line {error.lineno}, " if error.lineno > 1 or "\n" in error.doc else ""
        return (f"{line}column {error.colno}: {error.msg[:1].lower()}{error.msg[1:]}",)
    return (f"byte {error.start + 1} is no UTF-8" if isinstance(error, UnicodeDecodeError) else "no JSON",)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise PeerError("repeated", said=(f"{twice[:64]} stands twice in one object",))
    return found


def _no_nan(_: str) -> NoReturn:
    raise PeerError("nan")


def _int64(digits: str) -> int:
    # 19 digits and a sign hold every 64-bit number; longer text is not even converted.
    if len(digits) > 20 or not -INT64_MAX - 1 <= (number := int(digits)) <= INT64_MAX:
        raise PeerError("range")
    return number


def _finite(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise PeerError("range")
    return number


def _check_tree(root: object) -> None:
    """No deeper than MAX_NESTING, and no text that cannot be written as UTF-8 (lone surrogates)."""
    level, depth = [root], 0
    while level:
        depth += 1
        below: list[object] = []
        for value in level:
            if isinstance(value, dict):
                below += value.keys()
                below += value.values()
            elif isinstance(value, list):
                below += value
            elif isinstance(value, str) and not value.isascii():
                _check_text(value)
        if depth > MAX_NESTING and any(isinstance(value, dict | list) for value in level):
            raise PeerError("nesting")
        level = below


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise PeerError("text") from None


_JSON = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_no_nan, parse_int=_int64, parse_float=_finite)
