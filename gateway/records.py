"""What one transaction may do with the shop's tables; their SQL stands in gateway.tables, all DDL in migrations."""

from collections.abc import Mapping

from gateway.core.changes import Erased
from gateway.core.consent import Consents
from gateway.core.model import Credential, Event
from gateway.core.offers import Person
from gateway.tables.catalogue import Catalogue
from gateway.tables.consents import ConsentLog
from gateway.tables.erasures import Erasures
from gateway.tables.history import History
from gateway.tables.members import Members
from gateway.tables.taps import TapsAndKeys

PURGE_WAIT_MS = 50  # less than a slow SD card's flush, which every commit behind it pays anyway


class Tx(Members, ConsentLog, TapsAndKeys, Catalogue, History, Erasures):
    """One transaction's view of the shop: all tables, and what needs several of them."""

    def person(self, member_id: str, now_ms: int) -> Person | None:
        """Profile, consents in force and the last day's contacts, or None for an unknown member."""
        member = self.member(member_id)
        return None if member is None else Person(member, self.consents(member_id), self.contacts(member_id, now_ms))

    def tell(self, event: Event) -> None:
        """Append an event about a member, unless an erasure came first."""
        if self.has_member(str(event.body["member_id"])):
            self.emit(event)

    def erase_member(
        self, member_id: str, seq: int = 0, at_ms: int = 0, seen: Mapping[str, int] | None = None
    ) -> dict[str, int]:
        """Delete what is stored about a member and never take it in again; what was cleared, by table.

        Events not yet at HQ lose pseudonym and card and keep the fact. `seq`: headquarters' number of the order, 0 = it
        was given here. `seen`: what was cleared in memory for it, for the receipt.
        """
        places = self.clear_tables(member_id)
        told = self._db.execute(
            """UPDATE outbox SET body = json_remove(json_set(body, '$.member_id', 'erased'), '$.value')
               WHERE json_extract(body, '$.member_id') = ?""",
            [member_id],
        ).rowcount
        if told:
            places["outbox"] = int(told)
        self.owe_sweep()
        self.keep_erasure(Erased(self.digest(member_id), seq, at_ms), {**(seen or {}), **places})
        return places

    def holders_after(self, member_id: str, limit: int) -> list[tuple[str, tuple[Credential, ...], Consents]]:
        """The next members who hold a credential, in the order of their ids, with credentials and consents in force."""
        held = self.holders(member_id, limit)
        consents = self.consents_between(min(held), max(held)) if held else {}
        return [(holder, credentials, consents.get(holder, {})) for holder, credentials in held.items()]

    def truncate_log(self) -> bool:
        """Empty the write-ahead log onto the file, so that erased bytes are gone from both. Outside a transaction.

        False while somebody else reads the file; it is not waited for long, because all commits stand behind this.
        """
        (usual_ms,) = self._one("PRAGMA busy_timeout")
        self._one(f"PRAGMA busy_timeout = {PURGE_WAIT_MS}")
        try:
            return bool(self._one("PRAGMA wal_checkpoint(TRUNCATE)")[0] == 0)
        finally:
            self._one(f"PRAGMA busy_timeout = {usual_ms}")

    def let_go_of_pages(self) -> None:
        """Keep no page in memory: the next read sees the file as it is. Outside a transaction, after `truncate_log`."""
        self._db.execute("PRAGMA shrink_memory").fetchall()

    def free_pages(self) -> int:
        """Pages of the file that hold nothing and will be used again."""
        return int(self._one("PRAGMA freelist_count")[0])
