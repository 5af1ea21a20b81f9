"""HQ's memory: what it ordered, what shops reported, which gateways exist. All SQL of `sync`; no MQTT, no HTTP."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any

from sqlite_utils import Database, Migrations

from gateway.core import consent
from gateway.core.changes import (
    Change,
    ConfigPut,
    ConsentAdd,
    CredentialDrop,
    CredentialPut,
    MemberErase,
    MemberPut,
    OfferDrop,
    OfferPut,
)
from gateway.core.model import ConsentRecord, Purpose
from gateway.errors import PeerError, StoreError
from sync import messages
from sync.topics import Topics

# Another process of the same machine (the command line beside the server) may hold the write lock while it imports;
# 100,000 ops took 4 s on the reference machine.
BUSY_MS = 15_000

# One op must fit a delta beside its envelope (messages.MAX_PAYLOAD_BYTES), with room to spare. A member with
# 20 talking points in two languages has about 8 KB.
MAX_OP_BYTES = 64 * 1024

# Gateways come from topics that anybody with broker access can invent. 10,000 rows are 2 MB; a chain with more
# stores needs more than a reference HQ.
MAX_GATEWAYS = 10_000

# Batches kept ahead of a gap, per gateway and epoch. A gateway has at most 20 in flight, so honest ones stay far
# below; the rest is stored as well, only its place in the chain is forgotten until the gateway sends it again.
MAX_AHEAD = 100

Row = dict[str, Any]

migrations = Migrations("hq")


@migrations()
def m001_ledger(db: Database) -> None:
    for statement in (
        "CREATE TABLE hq (id INTEGER PRIMARY KEY CHECK (id = 1), name TEXT NOT NULL, boot INTEGER NOT NULL)",
        "INSERT INTO hq VALUES (1, lower(hex(randomblob(8))), 0)",
        """CREATE TABLE gateway (tenant TEXT, store TEXT, gateway TEXT, online INTEGER NOT NULL DEFAULT 0,
           boot INTEGER NOT NULL DEFAULT 0, applied_version INTEGER NOT NULL DEFAULT 0, epoch TEXT NOT NULL
           DEFAULT '', last_seen_ms INTEGER NOT NULL, PRIMARY KEY (tenant, store, gateway))""",
        """CREATE TABLE event (id INTEGER PRIMARY KEY, tenant TEXT NOT NULL, store TEXT NOT NULL, gateway TEXT NOT
           NULL, epoch TEXT NOT NULL, seq INTEGER NOT NULL, at_ms INTEGER NOT NULL, received_at_ms INTEGER NOT NULL,
           type TEXT NOT NULL, member_id TEXT, body TEXT NOT NULL, UNIQUE (tenant, store, gateway, epoch, seq))""",
        "CREATE INDEX event_member ON event (member_id) WHERE member_id IS NOT NULL",
        """CREATE TABLE stream (tenant TEXT, store TEXT, gateway TEXT, epoch TEXT, watermark INTEGER NOT NULL,
           PRIMARY KEY (tenant, store, gateway, epoch))""",
        """CREATE TABLE ahead (tenant TEXT, store TEXT, gateway TEXT, epoch TEXT, first INTEGER, last INTEGER NOT
           NULL, PRIMARY KEY (tenant, store, gateway, epoch, first))""",
        """CREATE TABLE change (version INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE,
           member_id TEXT, op TEXT NOT NULL)""",
        "CREATE INDEX change_member ON change (member_id) WHERE member_id IS NOT NULL",
    ):
        db.execute(statement)


class Ledger:
    """One SQLite file. Every method may be called from any thread, and raises StoreError when the disk refuses."""

    def __init__(self, path: Path) -> None:
        """Open or make the file, readable for its owner only."""
        self._lock = Lock()
        with _disk():
            connection = sqlite3.connect(path, timeout=BUSY_MS / 1000, check_same_thread=False)
            try:
                path.chmod(0o600)
                self._db = Database(connection)
                self._db.enable_wal()
                for pragma in ("synchronous=FULL", "secure_delete=ON"):
                    self._db.execute(f"PRAGMA {pragma}")
                migrations.apply(self._db)
            except BaseException:
                connection.close()
                raise

    def close(self) -> None:
        with self._lock, _disk():
            self._db.close()

    @property
    def name(self) -> str:
        """16 hex digits made with the file; HQ's client id at the broker is built from it."""
        return str(self._read("SELECT name FROM hq")[0]["name"])

    def next_boot(self) -> int:
        """Raise and keep the boot number; each start of HQ takes one."""
        with self._write():
            self._db.execute("UPDATE hq SET boot = boot + 1")
            return int(self._one("SELECT boot FROM hq"))

    def new_id(self) -> str:
        """A fresh random id of 32 hex digits."""
        return str(self._read("SELECT lower(hex(randomblob(16))) AS id")[0]["id"])

    # --- what HQ orders -------------------------------------------------------------------------------------

    def version(self) -> int:
        """The number of the newest op; 0 = none yet."""
        return int(self._read("SELECT coalesce(max(version), 0) AS version FROM change")[0]["version"])

    def overtake(self, version: int) -> bool:
        """Number everything anew above `version` if this ledger is behind it; True if it was.

        A gateway knows a later version than a ledger that was restored from a backup. Whatever is recorded now would
        be old to it, and a withdrawal would never arrive; numbered anew, all of it is sent to everybody once more.
        """
        with self._write():
            if version <= self._one("SELECT coalesce(max(version), 0) FROM change"):
                return False
            self._db.execute("UPDATE change SET version = version + ?", (version,))
            return True

    def record_ops(self, ops: Sequence[object]) -> int:
        """Check all `ops`, then commit all of them; returns the version after the last. PeerError = nothing recorded.

        What changes nothing takes no number: the same put again, a consent event that is in the log, an op about
        a member who was erased (an old import file must not bring anybody back).
        """
        changes = messages.parse_ops(list(ops))
        with self._write():
            version = int(self._one("SELECT coalesce(max(version), 0) FROM change"))
            for change in changes:
                version += self._record(change, version + 1)
        if any(isinstance(change, MemberErase) for change in changes):
            with self._lock, _disk():  # after DELETE the plain text still stands in the write-ahead log
                self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return version

    def _record(self, change: Change, version: int) -> bool:
        key, member_id = _key(change)
        if isinstance(change, ConsentAdd):
            change = ConsentAdd(replace(change.record, hq_seq=version))
        op = _dump(messages.op_of(change))
        if len(op) > MAX_OP_BYTES:
            raise PeerError("too_large")
        before = self._db.execute("SELECT member_id, op FROM change WHERE key = ?", (key,)).fetchone()
        if isinstance(change, MemberErase):
            self._forget(change.member_id)
        elif self._is_erased(member_id):
            return False
        elif isinstance(change, ConsentAdd) and before is not None:
            if replace(_record_of(before[1]), hq_seq=version) != change.record:
                raise PeerError("consent_differs")
            return False
        elif before is not None and before[1] == op:
            return False
        if isinstance(change, CredentialDrop) and before is not None:
            member_id = before[0]  # so that an erasure finds the dropped credential as well
        self._db.execute("DELETE FROM change WHERE key = ?", (key,))
        self._db.execute("INSERT INTO change VALUES (?, ?, ?, ?)", (version, key, member_id, op))
        return True

    def _forget(self, member_id: str) -> None:
        self._db.execute("DELETE FROM change WHERE member_id = ?", (member_id,))
        # That something happened at that hour stays; who it was and what was said goes.
        self._db.execute("UPDATE event SET member_id = NULL, body = '{}' WHERE member_id = ?", (member_id,))

    def _is_erased(self, member_id: str | None) -> bool:
        return bool(self._one("SELECT count(*) FROM change WHERE key = ?", (f"erase:{member_id}",)))

    def changes_after(self, version: int, limit_bytes: int) -> tuple[list[Row], int]:
        """The ops that follow `version`, at least one and else at most `limit_bytes` of JSON, and the version that
        they lead to. ([], version) = nothing follows."""
        ops: list[Row] = []
        size = 0
        with self._lock, _disk():
            rows = self._db.execute("SELECT version, op FROM change WHERE version > ? ORDER BY version", (version,))
            for number, op in rows:
                size += len(op) + 1
                if ops and size > limit_bytes:
                    break
                ops.append(json.loads(op))
                version = number
            rows.close()
        return ops, version

    def members(self, limit: int, search: str = "") -> list[Row]:
        """Members by id, `search` found anywhere in pseudonym or call name: fields of core.model.Member, and in
        `trackable` [kind, version of the wording agreed to] of each credential that anybody can follow."""
        rows = self._read(
            """SELECT op, (SELECT json_group_array(json_array(op ->> '$.body.kind', op ->> '$.body.trackable_wording'))
               FROM change WHERE member_id = m.member_id AND op ->> '$.body.trackable_wording' <> '') AS trackable
               FROM change AS m WHERE key >= 'member:' AND key < 'member;' AND (? = '' OR instr(lower(member_id),
               lower(?)) OR instr(lower(json_extract(op, '$.body.call_name')), lower(?))) ORDER BY key LIMIT ?""",
            (search, search, search, limit),
        )
        return [json.loads(row["op"])["body"] | {"trackable": json.loads(row["trackable"])} for row in rows]

    def has_member(self, member_id: str) -> bool:
        return bool(self._read("SELECT 1 FROM change WHERE key = ?", (f"member:{member_id}",)))

    def consents(self, member_id: str) -> dict[Purpose, ConsentRecord]:
        """The record in force per purpose; a missing purpose was never given."""
        rows = self._read(
            "SELECT op FROM change WHERE member_id = ? AND key >= 'consent:' AND key < 'consent;'", (member_id,)
        )
        return consent.in_force(_record_of(row["op"]) for row in rows)

    def offers(self) -> list[Row]:
        """Every offer that stands, by id; fields of core.model.Offer."""
        rows = self._read(
            """SELECT op FROM change WHERE key >= 'offer:' AND key < 'offer;'
               AND json_extract(op, '$.op') = 'offer.put' ORDER BY key"""
        )
        return [json.loads(row["op"])["body"] for row in rows]

    def config(self) -> Row:
        """The body of the last config.put, {} = none yet."""
        rows = self._read("SELECT op FROM change WHERE key = 'config'")
        return dict(json.loads(rows[0]["op"])["body"]) if rows else {}

    # --- what shops report ----------------------------------------------------------------------------------

    def ingest(self, where: Topics, batch: messages.EventBatch, received_at_ms: int) -> int:
        """Commit a batch, each event once, and return the seq up to which nothing of this epoch is missing."""
        place = (where.tenant, where.store, where.gateway, batch.epoch)
        with self._write():
            self._saw(where, received_at_ms)
            for row in batch.rows:
                body = json.loads(row.body)
                member_id = body.get("member_id") if isinstance(body, dict) else None
                if isinstance(member_id, str) and self._is_erased(member_id):
                    member_id, body = None, {}
                self._db.execute(
                    """INSERT OR IGNORE INTO event (tenant, store, gateway, epoch, seq, at_ms, received_at_ms, type,
                       member_id, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
                    (
                        *(*place, row.seq, row.at_ms, received_at_ms, row.type),
                        member_id if isinstance(member_id, str) else None,
                        _dump(body),
                    ),
                )
            return self._advance(place, batch.first, batch.last)

    def resume(self, where: Topics, epoch: str, acked: int) -> int:
        """The watermark, at least `acked`: what a gateway was told to delete can't be missing any more.

        It moves only after this ledger was lost or restored from a backup that is older than the confirmation.
        """
        with self._write():
            return self._advance((where.tenant, where.store, where.gateway, epoch), 0, acked)

    def _advance(self, place: tuple[str, str, str, str], first: int, last: int) -> int:
        """Move the watermark over this batch and over those that waited behind the gap which it may have closed."""
        at = "tenant = ? AND store = ? AND gateway = ? AND epoch = ?"
        before = self._db.execute(f"SELECT watermark FROM stream WHERE {at}", place).fetchone()
        watermark: int = before[0] if before else 0
        if first > watermark + 1:
            if self._one(f"SELECT count(*) FROM ahead WHERE {at}", place) < MAX_AHEAD:
                self._db.execute("INSERT OR REPLACE INTO ahead VALUES (?, ?, ?, ?, ?, ?)", (*place, first, last))
            return watermark
        watermark = max(watermark, last)
        for start, end in self._db.execute(
            f"SELECT first, last FROM ahead WHERE {at} ORDER BY first", place
        ).fetchall():
            if start <= watermark + 1:
                watermark = max(watermark, end)
        self._db.execute(f"DELETE FROM ahead WHERE {at} AND first <= ?", (*place, watermark))
        self._db.execute("INSERT OR REPLACE INTO stream VALUES (?, ?, ?, ?, ?)", (*place, watermark))
        return watermark

    def saw_state(self, where: Topics, state: messages.State, now_ms: int) -> bool:
        """Note a birth or a will; False = ignored, because it is the late will of an older connection."""
        with self._write():
            self._saw(where, now_ms)
            boot = self._one(f"SELECT boot FROM gateway WHERE {_GATEWAY}", _place(where))
            if not state.online and state.boot < boot:
                return False
            self._db.execute(
                f"""UPDATE gateway SET online = ?, boot = ?, epoch = ?,
                    applied_version = CASE WHEN ? THEN ? ELSE applied_version END WHERE {_GATEWAY}""",
                (state.online, state.boot, state.epoch, state.online, state.version, *_place(where)),
            )
            return True

    def saw_version(self, where: Topics, version: int, now_ms: int, epoch: str | None = None) -> None:
        """Note the version that a live gateway holds."""
        with self._write():
            self._saw(where, now_ms)
            self._db.execute(
                f"""UPDATE gateway SET online = 1, applied_version = ?, epoch = coalesce(?, epoch)
                    WHERE {_GATEWAY}""",
                (version, epoch, *_place(where)),
            )

    def _saw(self, where: Topics, now_ms: int) -> None:
        known = self._one(f"SELECT count(*) FROM gateway WHERE {_GATEWAY}", _place(where))
        if not known and self._one("SELECT count(*) FROM gateway") >= MAX_GATEWAYS:
            raise PeerError("too_many_gateways")
        self._db.execute(
            """INSERT INTO gateway (tenant, store, gateway, last_seen_ms) VALUES (?, ?, ?, ?)
               ON CONFLICT DO UPDATE SET last_seen_ms = excluded.last_seen_ms""",
            (*_place(where), now_ms),
        )

    def gateways(self) -> list[Row]:
        """Every gateway with its columns, `behind` (versions that it lacks) and `gap` (events wait for
        an earlier batch that never came)."""
        rows = self._read(
            """SELECT *, EXISTS (SELECT 1 FROM ahead WHERE ahead.tenant = gateway.tenant AND ahead.store =
               gateway.store AND ahead.gateway = gateway.gateway AND ahead.epoch = gateway.epoch) AS gap,
               max(0, (SELECT coalesce(max(version), 0) FROM change) - applied_version) AS behind
               FROM gateway ORDER BY tenant, store, gateway"""
        )
        return [{**row, "online": bool(row["online"]), "gap": bool(row["gap"])} for row in rows]

    def events(self, after: int | None, limit: int) -> list[Row]:
        """Events by `id` above `after`, oldest first, in the order they came in; None = the newest `limit`."""
        if after is None:
            after = self._read("SELECT coalesce(max(id), 0) AS id FROM event")[0]["id"] - limit
        rows = self._read("SELECT * FROM event WHERE id > ? ORDER BY id LIMIT ?", (after, limit))
        return [{**row, "body": json.loads(row["body"])} for row in rows]

    # --- the connection -------------------------------------------------------------------------------------

    @contextmanager
    def _write(self) -> Iterator[None]:
        """One transaction. It takes the write lock first, because a read that turns into a write can't wait for it."""
        with self._lock, _disk():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            finally:
                self._db.rollback()

    def _read(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        with self._lock, _disk():
            return list(self._db.query(sql, values))

    def _one(self, sql: str, values: Sequence[object] = ()) -> int:
        """The one number of a query inside a transaction."""
        value: int = self._db.execute(sql, values).fetchone()[0]
        return value


_GATEWAY = "tenant = ? AND store = ? AND gateway = ?"


def _place(where: Topics) -> tuple[str, str, str]:
    return where.tenant, where.store, where.gateway


def _key(change: Change) -> tuple[str, str | None]:
    """What a later op of the same key replaces, and whose data it is. Erasures keep their own key: a later put must
    not hide the erasure from a gateway that still holds the old data."""
    match change:
        case MemberPut(member):
            return f"member:{member.member_id}", member.member_id
        case MemberErase(member_id):
            return f"erase:{member_id}", None
        case CredentialPut():
            return f"credential:{change.credential_id}", change.member_id
        case CredentialDrop(credential_id):
            return f"credential:{credential_id}", None
        case ConsentAdd(record):
            return f"consent:{record.event_id}", record.member_id
        case OfferPut(offer):
            return f"offer:{offer.offer_id}", None
        case OfferDrop(offer_id):
            return f"offer:{offer_id}", None
        case ConfigPut():
            return "config", None


def _record_of(op: str) -> ConsentRecord:
    change = messages.parse_op(json.loads(op))
    assert isinstance(change, ConsentAdd)
    return change.record


def _dump(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


@contextmanager
def _disk() -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise StoreError(f"HQ's ledger: {error}") from error
