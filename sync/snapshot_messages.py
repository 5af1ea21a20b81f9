"""The manifest of a snapshot and its chunks, to bytes and back. Pure; what they mean is in gateway.core.snapshot.

A chunk is not a message: it travels as the one piece of a file under its SHA-256 (sync.pieces).
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints

from gateway.core.changes import Change
from gateway.core.snapshot import (
    CHUNK_BYTES,
    CHUNK_RAW_BYTES,
    MAX_CHUNKS,
    MAX_PARTS,
    MEMBER_OPS,
    PART_CHUNKS,
    ManifestPart,
)
from gateway.errors import PeerError
from sync import messages, ops, packing
from sync.fields import EXACT, INT64_MAX, Ms

_Count = Annotated[int, Field(ge=0, le=INT64_MAX)]
_Number = Annotated[int, Field(ge=1, le=INT64_MAX)]
_Hash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class _Snapshot(BaseModel):
    model_config = EXACT
    snapshot_id: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
    revision: _Number
    version: _Number
    erase_seq: _Count
    made_ms: Ms
    until_ms: Ms
    members: _Count
    ops: _Count
    chunks: Annotated[int, Field(ge=1, le=MAX_CHUNKS)]
    part: Annotated[int, Field(ge=1, le=MAX_PARTS)]
    parts: Annotated[int, Field(ge=1, le=MAX_PARTS)]
    first: Annotated[int, Field(ge=0, le=MAX_CHUNKS)]
    sha256: Annotated[list[_Hash], Field(min_length=1, max_length=PART_CHUNKS)]


FORMS: Mapping[str, type[BaseModel]] = {"snapshot": _Snapshot}


def snapshot(part: ManifestPart) -> bytes:
    """One part of a manifest."""
    return messages.dump("snapshot", **asdict(part))


def parse_snapshot(payload: bytes) -> ManifestPart:
    """Raises PeerError; "range" where the part does not lie where its number says, or ends before it was made."""
    wire = messages.parse(payload, "snapshot", _Snapshot)
    end = wire.first + len(wire.sha256)
    lies = wire.first == (wire.part - 1) * PART_CHUNKS and end == min(wire.part * PART_CHUNKS, wire.chunks)
    if not lies or wire.parts != -(-wire.chunks // PART_CHUNKS) or wire.until_ms < wire.made_ms:
        raise PeerError("range")
    return ManifestPart(**dict(wire) | {"sha256": tuple(wire.sha256)})


def chunk(lines: Iterable[str]) -> bytes:
    """Ops, each a line of JSON, as a chunk. ValueError above CHUNK_RAW_BYTES or CHUNK_BYTES."""
    raw = "".join(f"{line}\n" for line in lines).encode()
    packed = packing.frame(raw)
    if len(raw) > CHUNK_RAW_BYTES or len(packed) > CHUNK_BYTES:
        raise ValueError(f"a chunk of {len(raw)} bytes, {len(packed)} packed")
    return packed


def parse_chunk(data: bytes) -> tuple[Change, ...]:
    """The changes of a chunk, in their order. Raises PeerError; "op" for one that no snapshot holds. That its hash is
    the manifest's is the caller's to check, and comes first."""
    if len(data) > CHUNK_BYTES:
        raise PeerError("too_large")
    if not data.startswith(packing.MAGIC):
        raise PeerError("packed")
    found = []
    for line in packing.unpack(data, CHUNK_RAW_BYTES).splitlines():
        op = messages.load_object(line)
        name = op.get("op")
        if not isinstance(name, str) or name not in MEMBER_OPS:
            raise PeerError("op")
        found.append(ops.parse_or_park(op))
    return tuple(found)
