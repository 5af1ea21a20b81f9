"""Snapshots of members in headquarters' database: made in pages, cleared of who was erased, replaced in time. No MQTT.

A snapshot of version V is made while the line goes on. What is recorded meanwhile has a later number and comes to every
gateway as a delta after V, so an op that was replaced before it was read is missing for as long as that takes, and what
a gateway has in the end is what all deltas would have given.
"""

from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Literal, NamedTuple

from gateway.core.fetching import Piece, Want
from gateway.core.snapshot import MEMBER_OPS, PART_CHUNKS, Held, ManifestPart
from gateway.core.spans import DAY_MS
from sync.hq.chunking import Chunk, Chunker, Line, chunk_of
from sync.hq.file import Row
from sync.hq.versions import OF_MEMBERS, Versions
from sync.topics import Topics

# Ops about members that a gateway has to lack before it gets a snapshot in place of deltas: some 80 deltas, a minute of
# a Raspberry Pi. Also a quarter of all ops, because a snapshot brings all of them, however few are new.
LEAST_OPS = 20_000
LEAST_SHARE = 4
KEEP = 2  # the newest, and the one on which gateways still work while it is made
LASTS_MS = 7 * DAY_MS
BEGIN_MS = DAY_MS  # what ends sooner is not begun
PAGE = 1_000  # rows at once: 400 kB, and 64 MB of the largest ops
DROP_AT_ONCE = 20  # chunks in one transaction: 1.3 MB
ABANDONED_MS = 60_000  # without a chunk for so long, whoever made it was killed

_LINES = f"SELECT member_id, version, op FROM change WHERE {OF_MEMBERS} AND version <= ?"

Told = Callable[[int, int], None]  # members that are in it, and how many there are


class Snapshot(NamedTuple):
    """One that is whole; `ops`: as it was made."""

    snapshot_id: str
    revision: int
    version: int
    until_ms: int
    members: int
    ops: int
    chunks: int
    packed: int  # bytes

    @property
    def held(self) -> Held:
        return Held(self.snapshot_id, self.revision)


class Snapshots(Versions):
    """The tables `snapshot`, `snapshot_chunk` and `snapshot_piece`, and which gateways wait for one."""

    snapshot_least = LEAST_OPS

    # --- who gets one ----------------------------------------------------------------------------------------

    def choose(
        self, have: int, members: int | None, held: Held | None, now_ms: int
    ) -> Snapshot | Literal["deltas"] | None:
        """What a gateway gets that can take a snapshot and asks with these: one of them, or deltas; None = one has to
        be made first. What it holds it may finish."""
        there = self._whole("until_ms > ?", (now_ms,))
        if members is None and not self.is_far(have):
            return "deltas"
        there = [one for one in there if one.version >= have]
        for one in there:
            if held is not None and held.snapshot_id == one.snapshot_id:
                return one
        fresh = [one for one in there[:1] if one.until_ms - now_ms > BEGIN_MS and not self.is_far(one.version)]
        return fresh[0] if fresh else None

    def is_far(self, version: int) -> bool:
        """Whether so many ops about members follow `version` that a snapshot is better."""
        newest = self.newest_snapshot()
        least = max(self.snapshot_least, newest.ops // LEAST_SHARE if newest else 0)
        rows = self._read(
            f"""SELECT count(*) AS ops FROM (SELECT 1 AS one FROM change WHERE version > ? AND {OF_MEMBERS}
                LIMIT ?) AS lacked""",
            (version, least + 1),
        )
        return int(rows[0]["ops"]) > least

    def snapshot(self, snapshot_id: str) -> Snapshot | None:
        """This one as it stands; None = it is there no more."""
        found = self._whole("snapshot_id = ?", (snapshot_id,))
        return found[0] if found else None

    def newest_snapshot(self) -> Snapshot | None:
        """None = there is none."""
        found = self._whole("revision > 0", ())
        return found[0] if found else None

    def _whole(self, where: str, values: tuple[object, ...]) -> list[Snapshot]:
        """Whole ones, the newest first."""
        rows = self._read(
            f"""SELECT {", ".join(Snapshot._fields)} FROM snapshot WHERE revision > 0 AND {where}
                ORDER BY version DESC, made_ms DESC""",
            values,
        )
        return [Snapshot(**row) for row in rows]

    def manifest(self, snapshot_id: str) -> list[ManifestPart]:
        """Its parts as they stand; none while a chunk is to be written anew, or if it is there no more."""
        # The head first: a revision that is behind its hashes is told again, one that is ahead of them never.
        heads = self._read("SELECT * FROM snapshot WHERE snapshot_id = ? AND revision > 0", (snapshot_id,))
        rows = self._read(
            "SELECT sha256, members, ops FROM snapshot_chunk WHERE snapshot_id = ? ORDER BY number", (snapshot_id,)
        )
        if not heads or not all(row["sha256"] for row in rows):
            return []
        names = "snapshot_id", "revision", "version", "erase_seq", "made_ms", "until_ms"
        head = {name: heads[0][name] for name in names}
        head |= {"members": sum(row["members"] for row in rows), "ops": sum(row["ops"] for row in rows)}
        hashes = [row["sha256"] for row in rows]
        starts = range(0, len(hashes), PART_CHUNKS)
        return [
            ManifestPart(
                **head,
                chunks=len(hashes),
                part=number,
                parts=len(starts),
                first=first,
                sha256=tuple(hashes[first : first + PART_CHUNKS]),
            )
            for number, first in enumerate(starts, 1)
        ]

    def chunk(self, want: Want) -> Piece | None:
        """A chunk that a gateway asks for, None = there is none of this hash."""
        rows = self._read(
            """SELECT data FROM snapshot_chunk JOIN snapshot_piece ON snapshot_piece.snapshot_id =
               snapshot_chunk.snapshot_id AND snapshot_piece.number = snapshot_chunk.number
               WHERE sha256 = ? LIMIT 1""",
            (want.sha256,),
        )
        if not rows or want.start:
            return None
        return Piece(want.sha256, 0, len(rows[0]["data"]), bytes(rows[0]["data"]))

    def saw_members(self, where: Topics, version: int | None) -> None:
        """Note up to which version a gateway's members are, None = they are those of its line."""
        with self._write():
            self._db.execute(
                "UPDATE gateway SET members_version = ? WHERE tenant = ? AND store = ? AND gateway = ?",
                (version, where.tenant, where.store, where.gateway),
            )

    # --- making ----------------------------------------------------------------------------------------------

    def build_snapshot(
        self, now_ms: Callable[[], int], told: Told = lambda *_: None, stopped: Callable[[], bool] = lambda: False
    ) -> Snapshot | None:
        """Make one of the newest version; shops' events wait for one chunk at a time. None = another process makes one,
        or it came to nothing: `stopped`, or the line was numbered anew."""
        begun = self._begin(now_ms())
        if begun is None:
            return None
        try:
            return self._build(begun, now_ms, told, stopped)
        finally:
            with self._write():
                self._db.execute("DELETE FROM snapshot WHERE snapshot_id = ? AND revision = 0", (begun["snapshot_id"],))
            self.sweep_snapshots(now_ms())

    def _begin(self, now_ms: int) -> Row | None:
        snapshot_id = self.new_id()
        with self._write():
            rows = self._db.execute("SELECT touched_ms FROM snapshot WHERE revision = 0").fetchall()
            if any(abs(now_ms - touched_ms) < ABANDONED_MS for (touched_ms,) in rows):
                return None
            self._db.execute("DELETE FROM snapshot WHERE revision = 0")
            version = self._one("SELECT coalesce(max(version), 0) FROM change")
            self._db.execute(
                "INSERT INTO snapshot VALUES (?, 0, ?, ?, ?, ?, ?, 0, 0, 0, 0)",
                (snapshot_id, version, self._newest(), now_ms, now_ms + LASTS_MS, now_ms),
            )
        return self._read("SELECT * FROM snapshot WHERE snapshot_id = ?", (snapshot_id,))[0]

    def _build(self, begun: Row, now_ms: Callable[[], int], told: Told, stopped: Callable[[], bool]) -> Snapshot | None:
        rows = self._read("SELECT count(*) AS members FROM change WHERE key >= 'member:' AND key < 'member;'")
        whole, members = int(rows[0]["members"]), 0
        for number, chunk in enumerate(self._chunks(begun["version"])):
            if stopped() or not self._keep(begun, number, chunk, now_ms()):
                return None
            members += chunk.members
            told(min(members, whole), whole)
        while True:
            self.mend_snapshots()
            with self._write():
                if self._conclude(begun["snapshot_id"]):
                    break
                if not self._one("SELECT count(*) FROM snapshot WHERE snapshot_id = ?", (begun["snapshot_id"],)):
                    return None
        return self.snapshot(begun["snapshot_id"])

    def _chunks(self, version: int) -> Iterator[Chunk]:
        """At least one, so that a snapshot of nobody is one, too."""
        chunker, empty = Chunker(), True
        for line in self._lines(version):
            for chunk in chunker.add(line):
                empty = False
                yield chunk
        for chunk in chunker.rest():
            empty = False
            yield chunk
        if empty:
            yield chunk_of([])

    def _lines(self, version: int) -> Iterator[Line]:
        """The ops by member and version, read in pages."""
        after, past = "", 0
        while True:
            rows = self._read(
                f"{_LINES} AND member_id >= ? AND (member_id > ? OR version > ?) ORDER BY member_id, version LIMIT ?",
                (version, after, after, past, PAGE),
            )
            yield from (Line(**row) for row in rows if _is_kept(row["op"]))
            if len(rows) < PAGE:
                return
            after, past = rows[-1]["member_id"], rows[-1]["version"]

    def _keep(self, begun: Row, number: int, chunk: Chunk, now_ms: int) -> bool:
        """Store a chunk, without its bytes if somebody in it was erased since; False = the snapshot is gone."""
        key = begun["snapshot_id"], number
        with self._write():
            if not self._db.execute(
                "UPDATE snapshot SET touched_ms = ? WHERE snapshot_id = ?", (now_ms, key[0])
            ).rowcount:
                return False
            stale = self._one(
                "SELECT count(*) FROM erasure WHERE seq > ? AND member_id >= ? AND member_id <= ?",
                (begun["erase_seq"], chunk.first[0], chunk.last[0]),
            )
            self._db.execute(
                "INSERT INTO snapshot_chunk VALUES (?, ?, ?, ?, ?, ?, 0, 0, '')", (*key, *chunk.first, *chunk.last)
            )
            if not stale:
                self._fill(key, chunk)
        return True

    def _fill(self, key: tuple[str, int], chunk: Chunk) -> None:
        """The bytes of a chunk and what is told of them, inside a transaction."""
        self._db.execute(
            """UPDATE snapshot_chunk SET first_member = ?, first_version = ?, last_member = ?, last_version = ?,
               members = ?, ops = ?, sha256 = ? WHERE snapshot_id = ? AND number = ?""",
            (*chunk.first, *chunk.last, chunk.members, chunk.ops, sha256(chunk.data).hexdigest(), *key),
        )
        self._db.execute("INSERT INTO snapshot_piece VALUES (?, ?, ?)", (*key, chunk.data))

    def _conclude(self, snapshot_id: str) -> bool:
        """Whole from now on, unless a chunk is to be written anew; those before the newest go. Inside a transaction."""
        done = self._db.execute(
            """UPDATE snapshot SET revision = 1,
               members = (SELECT sum(members) FROM snapshot_chunk WHERE snapshot_id = snapshot.snapshot_id),
               ops = (SELECT sum(ops) FROM snapshot_chunk WHERE snapshot_id = snapshot.snapshot_id),
               chunks = (SELECT count(*) FROM snapshot_chunk WHERE snapshot_id = snapshot.snapshot_id),
               packed = (SELECT sum(length(data)) FROM snapshot_piece WHERE snapshot_id = snapshot.snapshot_id)
               WHERE snapshot_id = ? AND NOT EXISTS (SELECT 1 FROM snapshot_chunk WHERE snapshot_id = ?
               AND sha256 = '')""",
            (snapshot_id, snapshot_id),
        ).rowcount
        if done:
            self._db.execute(
                """DELETE FROM snapshot WHERE revision > 0 AND snapshot_id NOT IN (SELECT snapshot_id FROM snapshot
                   WHERE revision > 0 ORDER BY version DESC, made_ms DESC LIMIT ?)""",
                (KEEP,),
            )
        return bool(done)

    # --- keeping ---------------------------------------------------------------------------------------------

    def mend_snapshots(self) -> set[str]:
        """Write anew the chunks that erasures emptied (Erasures._empty_chunks); the ids of their snapshots."""
        rows = self._read("SELECT snapshot_id, number FROM snapshot_chunk WHERE sha256 = ''")
        for row in rows:
            with self._write():
                self._mend((row["snapshot_id"], row["number"]))
        return {row["snapshot_id"] for row in rows}

    def _mend(self, key: tuple[str, int]) -> None:
        found = self._db.execute(
            """SELECT version, first_member, first_version, last_member, last_version, sha256 FROM snapshot_chunk
               JOIN snapshot ON snapshot.snapshot_id = snapshot_chunk.snapshot_id
               WHERE snapshot_chunk.snapshot_id = ? AND number = ?""",
            key,
        ).fetchone()
        if found is None or found[5]:
            return
        version, first, first_version, last, last_version = found[:5]
        rows = self._db.execute(
            f"""{_LINES} AND member_id >= ? AND (member_id > ? OR version >= ?)
                AND member_id <= ? AND (member_id < ? OR version <= ?) ORDER BY member_id, version""",
            (version, first, first, first_version, last, last, last_version),
        ).fetchall()
        former = self._db.execute(
            "SELECT last_member FROM snapshot_chunk WHERE snapshot_id = ? AND number = ?", (key[0], key[1] - 1)
        ).fetchone()
        try:
            chunk = chunk_of([Line(*row) for row in rows if _is_kept(row[2])], former[0] if former else None)
        except ValueError:  # it packs worse than before by more than was spared: another snapshot will do
            self._db.execute("DELETE FROM snapshot WHERE snapshot_id = ?", (key[0],))
            return
        self._fill(key, chunk)

    def sweep_snapshots(self, now_ms: int) -> None:
        """Those that are over go, and the chunks of those that are gone, a few at a time."""
        if self._read("SELECT 1 AS one FROM snapshot WHERE revision > 0 AND until_ms <= ?", (now_ms,)):
            with self._write():
                self._db.execute("DELETE FROM snapshot WHERE revision > 0 AND until_ms <= ?", (now_ms,))
        while rows := self._read(
            """SELECT snapshot_id, number FROM snapshot_chunk
               WHERE snapshot_id NOT IN (SELECT snapshot_id FROM snapshot) LIMIT ?""",
            (DROP_AT_ONCE,),
        ):
            with self._write():
                for table in ("snapshot_piece", "snapshot_chunk"):
                    self._db.executemany(
                        f"DELETE FROM {table} WHERE snapshot_id = ? AND number = ?",
                        [(row["snapshot_id"], row["number"]) for row in rows],
                    )


def _is_kept(op: str) -> bool:
    """Whether a snapshot holds this op, as sync.hq.file.dump wrote it: a drop has nothing to drop there."""
    return op[len('{"op":"') :].partition('"')[0] in MEMBER_OPS
