"""How far the shop is with a snapshot of its members: which one, what it consists of, and up to which version of
headquarters' line the members that count are held."""

import json
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from typing import Literal

from gateway.core.changes import Delta
from gateway.core.snapshot import Held, ManifestPart
from gateway.tables.beside import NEXT, Beside
from gateway.tables.rows import as_json

_STATE, _MEMBERS, _FLOOR, _REFUSED = "snapshot", "members_version", "snapshot_floor", "snapshot_refused"

# What a part of a manifest is good for. But for the first three nothing of it is taken.
Taken = Literal["part", "whole", "known", "expired", "rolled_back", "refused", "busy"]
# In this order: chunks are staged beside the database, their rows copied into it, what only this shop knows is noted.
Step = Literal["manifest", "staging", "copying", "checking", "noting", "ready"]


@dataclass(frozen=True, slots=True)
class Underway:
    """A snapshot that is being taken. `stage`: the name of the file beside the database in which it is made ready.
    `marks`: the field keys with which that began. `schema`: the form of the tables then. `at`: how far the step is."""

    snapshot_id: str
    revision: int
    version: int
    erase_seq: int
    until_ms: int
    members: int
    ops: int
    chunks: int
    step: Step = "manifest"
    stage: str = ""
    marks: str = ""
    schema: str = ""
    at: tuple[str | int, ...] = ()


class SnapshotRows(Beside):
    """The table `snapshot_chunk`, and what stands of snapshots in `meta`."""

    @property
    def members_version(self) -> int:
        """The version up to which members are held; the rest of the line may be further."""
        kept = self.meta(_MEMBERS)
        return self.hq_version if kept is None else min(int(kept), self.hq_version)

    def snapshot(self) -> Underway | None:
        """The one that is being taken, None = none is."""
        kept = self.meta(_STATE)
        if kept is None:
            return None
        fields = json.loads(kept)
        return Underway(**fields | {"at": tuple(fields["at"])})

    def put_snapshot(self, underway: Underway) -> None:
        self.put_meta(_STATE, as_json(asdict(underway)))

    def snapshot_held(self) -> Held | None:
        """The manifest that is here whole, None = none is."""
        underway = self.snapshot()
        if underway is None or self.chunks_listed(underway.revision) < underway.chunks:
            return None
        return Held(underway.snapshot_id, underway.revision)

    @property
    def wants_snapshots(self) -> bool:
        """Whether headquarters may send one instead of deltas: not before the one that went wrong is overtaken."""
        kept = self.meta(_REFUSED)
        return kept is None or self.hq_version >= int(kept.split()[1])

    def form(self) -> tuple[str, str]:
        """The field keys that seal and open now, and a digest of how the tables were made."""
        marks = ",".join(sorted(mark.hex() for mark in self._vault.marks))
        names = [row[0] for row in self._all("SELECT name FROM _sqlite_migrations ORDER BY name")]
        return marks, sha256(" ".join(names).encode()).hexdigest()[:16]

    # --- the manifest ------------------------------------------------------------------------------------------

    def take_part(self, part: ManifestPart, surely_ms: int) -> Taken:
        """Keep a part of a manifest; a snapshot is begun with the first one, and its version is noted before anything
        is done with it, so that no older one is ever taken again. "busy" = ask again once the former one is cleared."""
        if part.until_ms <= surely_ms:
            return "expired"
        underway = self.snapshot()
        if part.version < int(self.meta(_FLOOR) or 0) or part.version < self.members_version:
            return "rolled_back"
        if part.version == self.members_version:
            return "known"
        if (self.meta(_REFUSED) or "").startswith(f"{part.snapshot_id} "):
            return "refused"
        if underway is not None and underway.snapshot_id != part.snapshot_id:
            self.give_up()
            return "busy"
        if underway is None and self.has_beside(NEXT):
            return "busy"
        if underway is not None and part.revision < underway.revision:
            return "rolled_back"
        if underway is None or part.revision > underway.revision:
            fields = {name: getattr(part, name) for name in ("revision", "until_ms", "members", "ops")}
            if underway is None:
                begun = Underway(part.snapshot_id, version=part.version, erase_seq=part.erase_seq,
                                 chunks=part.chunks, **fields)  # fmt: skip
            elif underway.chunks != part.chunks or underway.version != part.version:
                return "rolled_back"
            else:
                begun = replace(underway, **fields)
            self.put_meta(_FLOOR, str(part.version))
            self.put_snapshot(begun)
            underway = begun
        elif underway.chunks != part.chunks or underway.version != part.version:
            return "rolled_back"
        for number, digest in enumerate(part.sha256, start=part.first):
            self._put("snapshot_chunk", number=number, revision=part.revision, sha256=bytes.fromhex(digest))
        return "whole" if self.chunks_listed(underway.revision) == underway.chunks else "part"

    def chunks_listed(self, revision: int) -> int:
        (count,) = self._one("SELECT count(*) FROM snapshot_chunk WHERE revision = ?", revision)
        return int(count)

    def chunk_hash(self, number: int) -> str | None:
        """What the chunk of this number must be, None = the newest manifest is not here whole."""
        underway = self.snapshot()
        if underway is None:
            return None
        row = self._one(
            "SELECT sha256 FROM snapshot_chunk WHERE number = ? AND revision = ?", number, underway.revision
        )
        return None if row is None else bytes(row[0]).hex()

    # --- deltas meanwhile --------------------------------------------------------------------------------------

    def place_delta(self, delta: Delta) -> bool:
        """Before a delta is applied: whether it may be, as far as a snapshot is concerned.

        One that lacks members needs the manifest of the snapshot that brings them. One that has them, of a time before
        that snapshot, says that headquarters decided otherwise: the snapshot is given up.
        """
        underway = self.snapshot()
        if delta.without is not None:
            ours = underway is not None and underway.version == delta.without and self.snapshot_held() is not None
            return ours and delta.version <= delta.without
        if underway is None or delta.parent >= underway.version:
            return True
        if delta.parent == self.members_version and delta.version > delta.parent:
            self.give_up()
            return True
        return delta.parent != self.hq_version

    def left_out_members(self) -> None:
        """A delta without members is about to be applied: they stay what they are."""
        self.put_meta(_MEMBERS, str(self.members_version))

    # --- its end -----------------------------------------------------------------------------------------------

    def give_up(self, *, refuse: bool = False) -> None:
        """Take it no further: the line goes on where members are. `refuse`: never this one again."""
        underway = self.snapshot()
        if underway is None:
            return
        if refuse:
            self.put_meta(_REFUSED, f"{underway.snapshot_id} {underway.version}")
        self.put_meta("hq_version", str(self.members_version))
        self.finish()

    def finish(self) -> None:
        """Its members count from this transaction on."""
        self.end_noting()
        self.drop_meta(_STATE)
        self.drop_meta(_MEMBERS)
        self._db.execute("DELETE FROM snapshot_chunk")
