"""What headquarters' line says of members at one version, in chunks: values and bounds. No I/O, no wire.

A new shop would get the whole line as deltas, one after another, and work with half of its members meanwhile. It takes
the members of a snapshot beside its work, and switches to all of them at once.
"""

from dataclasses import dataclass

from gateway.core.fetching import PIECE_BYTES

# A chunk is one piece of the file service, so that it fits one message and a cut re-sends one message.
CHUNK_BYTES = PIECE_BYTES  # packed
CHUNK_RAW_BYTES = 1024 * 1024  # unpacked: what a gateway keeps in memory of it; 16 ops of the largest kind
PART_CHUNKS = 1_000  # of one message of the manifest: 67 of its 96 KiB are hashes
MAX_CHUNKS = 100_000  # 6 GB; a million members with five ops each are some 6,000
MAX_PARTS = MAX_CHUNKS // PART_CHUNKS

# What a snapshot holds; everything else always comes as deltas. What was dropped is simply not in it.
MEMBER_OPS = frozenset(
    {"member.put", "credential.put", "consent.add", "consent.restore", "purchases.put", "balance.put"}
)


@dataclass(frozen=True, slots=True)
class Held:
    """The manifest that a gateway holds whole."""

    snapshot_id: str
    revision: int


@dataclass(frozen=True, slots=True)
class ManifestPart:
    """Part number `part` (from 1) of the list of a snapshot's chunks.

    `revision` rises when a chunk was written anew because somebody in it was erased. `version`: of headquarters' line;
    `erase_seq`: its newest erasure when the snapshot was begun. `members`, `ops`, `chunks`: how many in all. `first`:
    the number (from 0) of the chunk of which `sha256` has the first hash. Chunks may be empty, and then equal.
    """

    snapshot_id: str
    revision: int
    version: int
    erase_seq: int
    made_ms: int
    until_ms: int
    members: int
    ops: int
    chunks: int
    part: int
    parts: int
    first: int
    sha256: tuple[str, ...]

    @property
    def held(self) -> Held:
        """What a gateway says that it holds."""
        return Held(self.snapshot_id, self.revision)
