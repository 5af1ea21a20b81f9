"""Who was erased, as keyed hashes, and the one list of all tables that an erasure clears."""

import json
from collections.abc import Collection, Mapping

from gateway.core.changes import DIGEST_BYTES, LedgerEntry
from gateway.tables.beside import Beside
from gateway.tables.ledgers import Ledgers
from gateway.tables.rows import as_json

MAX_PLACE_COUNT = 1_000_000_000  # what one receipt says of one place, at most

# Tables whose rows about a member go, in this order. A table with a member_id column stands here or in EDITED, or the
# test that reads the schema fails.
CLEARED = (
    "member", "credential", "consent_head", "consent", "consent_parked", "decision", "contact", "tap_guard", "binding",
    "audit", "purchase", "points_balance", "points_step", "basket",
)  # fmt: skip
# What happened stays, and whom it happened to goes: the table, and where its rows name the member.
EDITED = {"outbox": "member_id", "redemption": "member_id"}
ASKED = "erasure.requested"  # the one event that has to name whom an erasure is about


class Erasures(Ledgers, Beside):
    """The table `erasure`, and how far headquarters' line of erasures is followed."""

    @property
    def erase_seq(self) -> int:
        """The number up to which headquarters' erasures are done here."""
        return int(self.meta("erase_seq") or 0)

    @property
    def erase_known(self) -> int:
        """The newest number that headquarters has told of."""
        return int(self.meta("erase_known") or 0)

    @property
    def erasures_doubted(self) -> bool:
        """Whether only headquarters knows who else was erased."""
        return self.meta("erase_doubt") == "1"

    @property
    def owes_sweep(self) -> bool:
        """Whether copies of erased rows may still stand in the file."""
        return self.meta("owes_sweep") == "1"

    def reached_erasure(self, seq: int) -> None:
        self.put_meta("erase_seq", str(seq))

    def heard_of_erasure(self, seq: int) -> None:
        self.put_meta("erase_known", str(seq))

    def doubt_erasures(self, doubted: bool = True) -> None:
        self.put_meta("erase_doubt", "1" if doubted else "0")

    def owe_sweep(self, owed: bool = True) -> None:
        self.put_meta("owes_sweep", "1" if owed else "0")

    def digest(self, member_id: str) -> bytes:
        """16 bytes that only this shop can compute, in place of an erased pseudonym."""
        return self._vault.mac("erasure", member_id.encode())[:DIGEST_BYTES]

    def is_erased(self, member_id: str) -> bool:
        """Whether this member was erased: whatever comes about them later is to change nothing."""
        return self._one("SELECT 1 FROM erasure WHERE digest = ?", self.digest(member_id)) is not None

    def erasures(self) -> dict[bytes, LedgerEntry]:
        """Everybody who was erased, by digest: 250 bytes each. For the start of the service only."""
        rows = self._all("SELECT digest, seq, at_ms FROM erasure")
        return {row[0]: LedgerEntry(row[0], row[1], row[2]) for row in rows}

    @property
    def erasure_count(self) -> int:
        """How many members were erased; it only rises."""
        return int(self._one("SELECT count(*) FROM erasure")[0])

    def members_of(self, digests: Collection[bytes]) -> dict[bytes, str]:
        """Whose digests these are among all members that any table knows. Reads all of them: 2 s for a million."""
        found = {}
        for table, column in {**dict.fromkeys((*CLEARED, *self.beside()), "member_id"), **EDITED}.items():
            for (member_id,) in self._all(f"SELECT DISTINCT {column} FROM {table} WHERE {column} IS NOT NULL"):
                digest = self.digest(member_id)
                if digest in digests:
                    found[digest] = str(member_id)
        return found

    def knows(self, member_id: str) -> bool:
        """Whether anything is stored about somebody that an erasure would clear; that they asked for one is not."""
        cleared = (*CLEARED, *self.beside())
        if any(self._one(f"SELECT 1 FROM {table} WHERE member_id = ?", member_id) for table in cleared):
            return True
        others = (table for table in EDITED if table != "outbox")
        if any(self._one(f"SELECT 1 FROM {table} WHERE {EDITED[table]} = ?", member_id) for table in others):
            return True
        told = self._one("SELECT 1 FROM outbox WHERE member_id = ? AND type <> ?", member_id, ASKED)
        return told is not None

    def clear_tables(self, member_id: str) -> dict[str, int]:
        """Delete a member's rows; how many of each table. Tables that stand beside these are not told of."""
        places = {}
        for table in CLEARED:
            places[table] = int(self._db.execute(f"DELETE FROM {table} WHERE member_id = ?", [member_id]).rowcount)
        for table in self.beside():  # last, because the triggers of the others note what they delete
            self._db.execute(f"DELETE FROM {table} WHERE member_id = ?", [member_id])
        return {table: count for table, count in places.items() if count}

    def keep_erasure(self, one: LedgerEntry, places: Mapping[str, int] | None = None) -> None:
        """Remember who was erased and what was cleared. Once more adds to the receipt and keeps the higher number."""
        row = self._one("SELECT seq, at_ms, places FROM erasure WHERE digest = ?", one.digest)
        seq, at_ms, before = (one.seq, one.at_ms, "{}") if row is None else (max(row[0], one.seq), row[1], row[2])
        cleared: dict[str, int] = json.loads(before)
        for place, count in (places or {}).items():
            cleared[place] = min(cleared.get(place, 0) + count, MAX_PLACE_COUNT)
        self._put("erasure", digest=one.digest, seq=seq, at_ms=at_ms, places=as_json(cleared))
        if row is None or seq > row[0]:
            self._note("erasures", LedgerEntry(one.digest, seq, at_ms))

    def erase_receipt(self, member_id: str) -> dict[str, int]:
        """What was cleared for an erased member, by place."""
        row = self._one("SELECT places FROM erasure WHERE digest = ?", self.digest(member_id))
        return {} if row is None else dict(json.loads(row[0]))

    def asks_for_erasure(self) -> bool:
        """Whether headquarters has not confirmed yet that somebody asked here to be forgotten."""
        return self._one("SELECT 1 FROM outbox WHERE type = ? LIMIT 1", ASKED) is not None
