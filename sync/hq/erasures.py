"""Headquarters' line of erasures: who is to be forgotten, in a numbering of its own, and which shop has done it.

An erased pseudonym stays here for good, because a shop that comes back after months has to be told it, and because
nobody may get it again. Nothing else about the member does.
"""

import json
from collections.abc import Sequence
from typing import Literal

from gateway.core.changes import EraseReceipt, Erasure
from gateway.core.spans import DAY_MS
from sync.hq.file import File, Row, dump
from sync.topics import Topics

# Shops may have members erased everywhere, because people ask for it there. A stolen gateway could ask for all of them:
# what goes beyond these numbers waits for an operator. A shop of 1,000 tills is not asked for it more often than this
# on a usual day, and even many stolen gateways together take the chain no more members than the second.
SHOP_A_DAY = 20
CHAIN_A_DAY = 200
# Requests that wait: about 150 bytes each. Those beyond it are counted and dropped; the shop itself has erased.
MAX_PENDING = 10_000
# Receipts of about 150 bytes; older ones make room. 1,000 shops with 1,000 erasures each.
MAX_RECEIPTS = 1_000_000

Why = Literal["erased", "unknown", "not_sent", "too_many", "dropped"]


class Erasures(File):
    """The tables `erasure`, `erase_receipt` and `erase_pending`, and how far each gateway is."""

    def erase_seq(self) -> int:
        """The number of the newest erasure; 0 = none yet."""
        return int(self._read("SELECT coalesce(max(seq), 0) AS seq FROM erasure")[0]["seq"])

    def erasures_after(self, seq: int, limit: int) -> list[Erasure]:
        """The next orders after number `seq`, at most `limit`."""
        rows = self._read("SELECT seq, member_id FROM erasure WHERE seq > ? ORDER BY seq LIMIT ?", (seq, limit))
        return [Erasure(row["seq"], row["member_id"]) for row in rows]

    def erased_by(self, member_id: str) -> int | None:
        """The number of the order that erased this member; None = nobody ordered it."""
        rows = self._read("SELECT seq FROM erasure WHERE member_id = ?", (member_id,))
        return int(rows[0]["seq"]) if rows else None

    def is_ordered(self, seq: int) -> bool:
        """Whether there is an erasure of this number."""
        return bool(self._read("SELECT 1 FROM erasure WHERE seq = ?", (seq,)))

    def saw_erased(self, where: Topics, seq: int, receipts: Sequence[EraseReceipt], now_ms: int) -> None:
        """A gateway says up to where its erasures are done, and what these cleared."""
        place = (where.tenant, where.store, where.gateway)
        with self._write():
            known = self._db.execute(
                """UPDATE gateway SET erase_seq = ?, erased_at_ms = CASE erase_seq WHEN ? THEN erased_at_ms ELSE ? END
                   WHERE tenant = ? AND store = ? AND gateway = ?""",
                (seq, seq, now_ms, *place),
            ).rowcount
            if not known:
                return
            newest = self._newest()
            for receipt in receipts:
                if receipt.seq <= newest:
                    self._db.execute(
                        """INSERT INTO erase_receipt (seq, tenant, store, gateway, at_ms, places, number)
                           VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (seq, tenant, store, gateway) DO UPDATE SET
                           at_ms = excluded.at_ms, places = excluded.places, number = excluded.number""",
                        (receipt.seq, *place, now_ms, dump(dict(receipt.places)), self._next("receipt")),
                    )
            self._db.execute(
                "DELETE FROM erase_receipt WHERE number <= (SELECT max(number) FROM erase_receipt) - ?", (MAX_RECEIPTS,)
            )

    def erasures(self, limit: int) -> list[Row]:
        """The newest erasures: `seq`, `at_ms`, `source`, and how many gateways have done it (`done`) and have not
        (`missing`). Nobody is named."""
        return self._read(
            """SELECT seq, at_ms, source, (SELECT count(*) FROM gateway WHERE erase_seq >= seq) AS done,
               (SELECT count(*) FROM gateway WHERE erase_seq < seq) AS missing
               FROM erasure ORDER BY seq DESC LIMIT ?""",
            (limit,),
        )

    def receipts(self, seq: int) -> list[Row]:
        """What each gateway cleared for one erasure: `gateway`, `at_ms`, `places`."""
        rows = self._read(
            """SELECT tenant || '/' || store || '/' || gateway AS gateway, at_ms, places FROM erase_receipt
               WHERE seq = ? ORDER BY 1""",
            (seq,),
        )
        return [{**row, "places": json.loads(row["places"])} for row in rows]

    # --- what shops ask for ----------------------------------------------------------------------------------

    def pending_erasures(self) -> list[Row]:
        """Requests of shops that wait for an operator, the oldest first: `member_id`, `gateway`, `asked_ms`, `why`."""
        return self._read(
            """SELECT member_id, tenant || '/' || store || '/' || gateway AS gateway, asked_ms, why
               FROM erase_pending ORDER BY asked_ms, member_id"""
        )

    def refuse_erasure(self, member_id: str) -> bool:
        """Strike a request that waits; False if there is none."""
        with self._write():
            return bool(self._db.execute("DELETE FROM erase_pending WHERE member_id = ?", (member_id,)).rowcount)

    def _judge(self, member_id: str, place: tuple[str, str, str], now_ms: int) -> Why | None:
        """Why a shop's request is not followed at once; None = it is. Inside a transaction."""
        if self._one("SELECT count(*) FROM erasure WHERE member_id = ?", (member_id,)):
            return "erased"
        first = self._db.execute("SELECT min(version) FROM change WHERE member_id = ?", (member_id,)).fetchone()[0]
        if first is None:
            return "unknown"
        at = "tenant = ? AND store = ? AND gateway = ?"
        holds = self._one(f"SELECT coalesce(max(applied_version), 0) FROM gateway WHERE {at}", place)
        told = self._one(f"SELECT count(*) FROM event WHERE member_id = ? AND {at}", (member_id, *place))
        if holds < first and not told:
            return "not_sent"
        shop = self._one(
            "SELECT count(*) FROM erasure WHERE source = ? AND at_ms > ?", ("/".join(place), now_ms - DAY_MS)
        )
        chain = self._one("SELECT count(*) FROM erasure WHERE source <> '' AND at_ms > ?", (now_ms - DAY_MS,))
        return "too_many" if shop >= SHOP_A_DAY or chain >= CHAIN_A_DAY else None

    def _wait(self, member_id: str, place: tuple[str, str, str], now_ms: int, why: Why) -> Why:
        """Keep a request for an operator; "dropped" if too many wait. Inside a transaction."""
        if self._one("SELECT count(*) FROM erase_pending") >= MAX_PENDING:
            return "dropped"
        self._db.execute(
            "INSERT INTO erase_pending VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (member_id, *place, now_ms, why),
        )
        return why

    def _order_erasure(self, member_id: str, at_ms: int, source: str) -> bool:
        """Give an erasure the next number of its line; False if it has one. Inside a transaction."""
        self._db.execute("DELETE FROM erase_pending WHERE member_id = ?", (member_id,))
        if self._one("SELECT count(*) FROM erasure WHERE member_id = ?", (member_id,)):
            return False
        self._db.execute("INSERT INTO erasure VALUES (?, ?, ?, ?)", (self._next("erasure"), member_id, at_ms, source))
        return True

    def _newest(self) -> int:
        return self._one("SELECT coalesce(max(seq), 0) FROM erasure")

    def _empty_chunks(self, member_id: str) -> None:
        """The bytes of chunks of snapshots that may name a member go, inside a transaction; Snapshots.mend_snapshots
        writes them anew."""
        keys = self._db.execute(
            """SELECT snapshot_id, number FROM snapshot_chunk WHERE first_member <= ? AND last_member >= ?
               AND sha256 <> ''""",
            (member_id, member_id),
        ).fetchall()
        for key in keys:
            for statement in (
                "DELETE FROM snapshot_piece WHERE snapshot_id = ? AND number = ?",
                "UPDATE snapshot_chunk SET sha256 = '' WHERE snapshot_id = ? AND number = ?",
            ):
                self._db.execute(statement, tuple(key))
            self._db.execute(
                "UPDATE snapshot SET revision = revision + 1 WHERE snapshot_id = ? AND revision > 0", (key[0],)
            )
