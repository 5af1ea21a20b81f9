"""What one transaction may do with the shop's tables; their SQL stands in gateway.tables, all DDL in migrations."""

from gateway.core.consent import Consents
from gateway.core.gate import Profile
from gateway.core.model import Credential, Event
from gateway.core.offers import Person
from gateway.core.sensitive import categories
from gateway.tables.catalogue import Catalogue
from gateway.tables.consents import ConsentLog
from gateway.tables.history import History
from gateway.tables.members import Members
from gateway.tables.taps import TapsAndKeys

PURGE_WAIT_MS = 50  # less than a slow SD card's flush, which every commit behind it pays anyway


class Tx(Members, ConsentLog, TapsAndKeys, Catalogue, History):
    """One transaction's view of the shop: all tables, and what needs several of them."""

    def profile(self, member_id: str) -> Profile | None:
        """A member's profile behind its gate, with the consents in force; None for an unknown member."""
        member = self.member(member_id)
        if member is None:
            return None
        return Profile(member, self.consents(member_id), categories(self.shop().sensitive))

    def person(self, member_id: str, now_ms: int) -> Person | None:
        """The same with the last day's contacts."""
        profile = self.profile(member_id)
        return None if profile is None else Person(profile, self.contacts(member_id, now_ms))

    def tell(self, event: Event) -> None:
        """Append an event about a member, unless an erasure came first."""
        if self.has_member(str(event.body["member_id"])):
            self.emit(event)

    def erase_member(self, member_id: str) -> None:
        """Delete what is stored about a member; events not yet at HQ lose pseudonym and card and keep the fact."""
        for table in ("member", "credential", "consent", "decision", "tap_guard", "binding"):
            self._db.execute(f"DELETE FROM {table} WHERE member_id = ?", [member_id])
        self._db.execute(
            """UPDATE outbox SET body = json_remove(json_set(body, '$.member_id', 'erased'), '$.value')
               WHERE json_extract(body, '$.member_id') = ?""",
            [member_id],
        )

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

    def free_pages(self) -> int:
        """Pages of the file that hold nothing and will be used again."""
        return int(self._one("PRAGMA freelist_count")[0])
