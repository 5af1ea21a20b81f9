"""The payloads of events and of their acknowledgement, to bytes and back; both ends use them. Pure.

Each message is about one stream of one outbox. The streams share their numbers, so a message covers only those of its
own stream: the others between its first and last are none of its business.
"""

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from gateway.core.changes import OutboxRow
from gateway.core.streams import Stream
from gateway.errors import PeerError
from sync import messages
from sync.fields import Ms
from sync.messages import Count, Epoch

# Numbers that one batch may pass over: those of other streams, and rows that were let go. A box that makes a thousand
# events a second has this many after 30 years; a jump beyond it would put the watermark out of reach for ever.
MAX_SPAN = 10**12
# Contract: one batch holds at most 50 events or 32 KiB, so that a slow link shows progress. A single event
# may be larger, up to the payload limit.
MAX_EVENTS = 50
MAX_EVENTS_BYTES = 32 * 1024
# Ranges beyond the watermark that an ack names: the newest, in which a gateway finds what it sent past its backlog.
MAX_AHEAD = 4

Range = tuple[int, int]  # first and last number of what is held without a gap


@dataclass(frozen=True, slots=True)
class EventBatch:
    """Events of one stream of one outbox. Numbers in first..last that are absent from `rows` belong to other streams,
    or nobody will ever send them."""

    epoch: str
    first: int
    last: int
    rows: tuple[OutboxRow, ...]
    stream: Stream = Stream.VITAL


@dataclass(frozen=True, slots=True)
class Ack:
    """HQ has committed every event of this stream of `epoch` up to and with `seq`, and what is in `ahead` as well."""

    epoch: str
    seq: int
    stream: Stream = Stream.VITAL
    ahead: tuple[Range, ...] = ()


class _Wire(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", defer_build=True)


_Stream = Annotated[Stream, Field(strict=False)]  # its name, which the strict form would refuse


class _Event(_Wire):
    seq: Count
    at_ms: Ms
    type: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_.]{1,64}$")]
    body: dict[str, Any]


class _Events(_Wire):
    stream: _Stream
    epoch: Epoch
    first: Count
    last: Count
    events: Annotated[list[_Event], Field(max_length=MAX_EVENTS)]


class _Ack(_Wire):
    stream: _Stream
    epoch: Epoch
    seq: Count
    ahead: Annotated[list[Annotated[list[Count], Field(min_length=2, max_length=2)]], Field(max_length=MAX_AHEAD)]


# What each kind of message has beside "v" and "type".
FORMS: Mapping[str, type[BaseModel]] = {"events": _Events, "ack": _Ack}


def events(epoch: str, first: int, last: int, rows: Sequence[OutboxRow], stream: Stream = Stream.VITAL) -> bytes:
    """A batch of at most 50 rows whose bodies are JSON objects; without rows it says that there are none. ValueError
    above MAX_PAYLOAD_BYTES."""
    listed = [{"seq": r.seq, "at_ms": r.at_ms, "type": r.type, "body": json.loads(r.body)} for r in rows]
    return messages.dump("events", stream=stream, epoch=epoch, first=first, last=last, events=listed)


def parse_events(payload: bytes) -> EventBatch:
    """Raises PeerError; "range" where the numbers do not rise within `first` and `last`."""
    wire = messages.parse(payload, "events", _Events)
    seqs = [event.seq for event in wire.events]
    rising = all(a < b for a, b in itertools.pairwise([wire.first - 1, *seqs]))
    if not rising or wire.last < max(seqs, default=wire.first) or wire.last - wire.first > MAX_SPAN:
        raise PeerError("range")
    rows = tuple(OutboxRow(e.seq, e.at_ms, e.type, messages.compact(e.body)) for e in wire.events)
    return EventBatch(wire.epoch, wire.first, wire.last, rows, wire.stream)


def ack(epoch: str, seq: int, stream: Stream = Stream.VITAL, ahead: Sequence[Range] = ()) -> bytes:
    """HQ's receipt, sent after its own commit; `ahead`: at most MAX_AHEAD ranges, rising, with gaps between them."""
    return messages.dump("ack", stream=stream, epoch=epoch, seq=seq, ahead=[list(one) for one in ahead])


def parse_ack(payload: bytes) -> Ack:
    """Raises PeerError; "range" where the ranges do not rise beyond `seq`."""
    wire = messages.parse(payload, "ack", _Ack)
    before = wire.seq
    for first, last in wire.ahead:
        if first <= before or last < first:
            raise PeerError("range")
        before = last
    return Ack(wire.epoch, wire.seq, wire.stream, tuple((first, last) for first, last in wire.ahead))
