"""Cuts the line of a snapshot's ops into chunks that fit their bounds. Pure: no SQL, no clock."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from gateway.core.snapshot import CHUNK_BYTES, CHUNK_RAW_BYTES
from sync import snapshot_messages

# A chunk that is written anew without somebody may pack a little worse than before.
SPARE_BYTES = 1_024
_FULL_BYTES = CHUNK_BYTES - SPARE_BYTES
_AIM = 0.95  # of the bytes that would fit if the next chunk packed as well as the last
_FIRST_RATIO = 4.0  # what members pack to before any was seen


class Line(NamedTuple):
    """An op as it stands in the ledger: JSON in ASCII."""

    member_id: str
    version: int
    op: str


class Chunk(NamedTuple):
    """`members`: how many begin in it; `first`, `last`: member and version of its ends, ("", 0) of an empty one."""

    first: tuple[str, int]
    last: tuple[str, int]
    members: int
    ops: int
    data: bytes


def chunk_of(lines: Sequence[Line], former: str | None = None) -> Chunk:
    """All of `lines` as one chunk; `former`: the member with whom the chunk before it ends. ValueError if it is too
    large."""
    data = snapshot_messages.chunk(line.op for line in lines)
    members = len({line.member_id for line in lines} - {former})
    ends = (lines[0][:2], lines[-1][:2]) if lines else (("", 0), ("", 0))
    return Chunk(*ends, members, len(lines), data)


class Chunker:
    """Takes lines in their order. Keeps at most CHUNK_RAW_BYTES and one op in mind."""

    def __init__(self) -> None:
        self._lines: list[Line] = []
        self._bytes = 0
        self._ratio = _FIRST_RATIO
        self._former: str | None = None

    def add(self, line: Line) -> Iterator[Chunk]:
        """The chunks that are full now. The ops of one member stand in one chunk where they fit it."""
        size = len(line.op) + 1
        while self._lines and self._is_full(line, size):
            yield self._cut()
        self._lines.append(line)
        self._bytes += size

    def rest(self) -> Iterator[Chunk]:
        """What is left at the end of the line."""
        while self._lines:
            yield self._cut()

    def _is_full(self, line: Line, size: int) -> bool:
        if self._bytes + size > CHUNK_RAW_BYTES:
            return True
        return line.member_id != self._lines[-1].member_id and self._bytes + size > _FULL_BYTES * self._ratio * _AIM

    def _cut(self) -> Chunk:
        """The longest beginning of the lines that fits, ended between two members where that is possible."""
        count = len(self._lines)
        while (found := self._fitting(count)) is None:
            count = self._fewer(count)
        raw = sum(len(line.op) + 1 for line in self._lines[:count])
        self._ratio = raw / len(found.data)
        self._former = found.last[0]
        self._lines = self._lines[count:]
        self._bytes -= raw
        return found

    def _fitting(self, count: int) -> Chunk | None:
        """The first `count` lines as a chunk, None = they are too large. One op always fits (versions.MAX_OP_BYTES)."""
        if count == 1:
            return chunk_of(self._lines[:1], self._former)
        try:
            found = chunk_of(self._lines[:count], self._former)
        except ValueError:
            return None
        return found if len(found.data) <= _FULL_BYTES else None

    def _fewer(self, count: int) -> int:
        """A seventh less than `count` lines, and less than that back to the end of a member if there is one."""
        fewer = max(1, count * 6 // 7)
        for at in range(fewer, 0, -1):
            if self._lines[at - 1].member_id != self._lines[at].member_id:
                return at
        return fewer
