"""One file that comes in pieces which are asked for: what to ask next, in which order pieces may be written. No I/O.

The receiver asks, so nothing is sent that nobody waits for, and after a cut it goes on where its file ends.
"""

from dataclasses import dataclass, field

# One piece beside its header in a message of at most 96 KiB.
PIECE_BYTES = 64 * 1024
# Pieces asked for and not here yet: 256 KiB of memory, and 1.3 MB/s at a round trip of 200 ms.
WINDOW = 4
# A piece that does not come is asked for again. At the contract's 256 KB/s a window takes one second.
AGAIN_MS = 10_000


@dataclass(frozen=True, slots=True)
class Want:
    """The piece of a file that begins there (bytes) is wanted."""

    sha256: str
    start: int


@dataclass(frozen=True, slots=True)
class Piece:
    """`data` of a file from `start` on; `size` of the whole file, None = there is no such file."""

    sha256: str
    start: int
    size: int | None
    data: bytes = b""


def whole_pieces(held: int, size: int) -> int:
    """So much of what a cut left is kept: whole pieces, as the last write may be torn."""
    return min(held, size) // PIECE_BYTES * PIECE_BYTES if held < size else size


@dataclass(slots=True)
class Fetch:
    """A file of `size` bytes of which the first `held` are written."""

    sha256: str
    size: int
    held: int = 0
    _asked: dict[int, int] = field(default_factory=dict)  # start -> when; at most WINDOW
    _early: dict[int, bytes] = field(default_factory=dict)  # at most WINDOW

    @property
    def is_done(self) -> bool:
        return self.held >= self.size

    def wants(self, now_ms: int) -> tuple[Want, ...]:
        """What to ask for now; it counts as asked."""
        found = []
        start = self.held
        for _ in range(WINDOW):
            if start >= self.size:
                break
            asked_ms = self._asked.get(start)
            late = asked_ms is None or not 0 <= now_ms - asked_ms < AGAIN_MS
            if start not in self._early and late:
                self._asked[start] = now_ms
                found.append(Want(self.sha256, start))
            start += PIECE_BYTES
        return tuple(found)

    def cut(self) -> None:
        """The line broke: what was asked for may never come."""
        self._asked.clear()

    def take(self, piece: Piece) -> bytes | None:
        """What may be written now, in order, perhaps nothing; None for a piece that is none of this file's."""
        expected = min(PIECE_BYTES, self.size - piece.start)
        if piece.sha256 != self.sha256 or piece.size != self.size or piece.start % PIECE_BYTES:
            return None
        if expected <= 0 or len(piece.data) != expected:
            return None
        if not self.held <= piece.start < self.held + WINDOW * PIECE_BYTES:
            return b""  # it came twice
        self._early[piece.start] = piece.data
        ready = b""
        while self.held in self._early:
            part = self._early.pop(self.held)
            self._asked.pop(self.held, None)
            self.held += len(part)
            ready += part
        return ready
