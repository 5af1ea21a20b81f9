"""What one transaction may do with the shop's tables; their SQL stands in gateway.tables, all DDL in migrations."""

from collections.abc import Mapping, Sequence

from gateway.core.consent import Consents
from gateway.core.model import Credential, Event
from gateway.core.offers import Person
from gateway.tables.ageing import Ageing
from gateway.tables.audit import Audit
from gateway.tables.catalogue import Catalogue
from gateway.tables.consents import ConsentLog
from gateway.tables.history import History
from gateway.tables.members import Members
from gateway.tables.taps import TapsAndKeys

PURGE_WAIT_MS = 50  # less than a slow SD card's flush, which every commit behind it pays anyway


class Tx(Members, ConsentLog, TapsAndKeys, Catalogue, History, Audit, Ageing):
    """One transaction's view of the shop: all tables, and what needs several of them."""

    def person(self, member_id: str, now_ms: int) -> Person | None:
        """Profile, consents in force and the last day's contacts, or None for an unknown member."""
        member = self.member(member_id)
        return None if member is None else Person(member, self.consents(member_id), self.contacts(member_id, now_ms))

    def tell(self, event: Event) -> None:
        """Append an event about a member, unless an erasure came first."""
        if self.has_member(str(event.body["member_id"])):
            self.emit(event)

    def erase_member(self, member_id: str) -> None:
        """Delete what is stored about a member; events not yet at HQ lose pseudonym and card and keep the fact."""
        for table in ("member", "credential", "consent", "decision", "tap_guard", "binding", "audit"):
            self._db.execute(f"DELETE FROM {table} WHERE member_id = ?", [member_id])
        self._db.execute(
            """UPDATE outbox SET body = json_remove(json_set(body, '$.member_id', 'erased'), '$.value')
               WHERE json_extract(body, '$.member_id') = ?""",
            [member_id],
        )

    def audit(
        self,
        at_ms: int,
        member_id: str,
        actor: str,
        action: str,
        detail: Mapping[str, object] | str = "",
        purposes: Sequence[str] = (),
    ) -> None:
        """Note that somebody looks at a member or acts for them, and tell HQ; whoever looks does it in the same
        transaction, so that there is no view without its note.

        `actor`: "tablet:ID", "operator" or "member". `action`: a word such as "card.opened". `purposes`: those that
        gave what was seen. `detail` holds no personal value. The export shows all of it to the member.
        """
        more = {"text": detail} if isinstance(detail, str) and detail else {**detail} if detail else {}
        self.note(at_ms, member_id, actor, action, " ".join(purposes), more)
        body = {"member_id": member_id, "actor": actor, "action": action, "purposes": [*purposes], "detail": more}
        self.emit(Event("audit.viewed", at_ms, body))

    def wipe_profiles(self) -> list[str]:
        """Delete profiles and credentials and end one-time codes; whose they were. HQ will send everything anew.

        Consents, what a card's counter showed, decisions, audit and the outbox stay.
        """
        rows = self._all("SELECT member_id FROM member UNION SELECT member_id FROM credential")
        for table in ("member", "credential"):
            self._db.execute(f"DELETE FROM {table}")
        self.spend_bindings()
        self.put_meta("hq_version", "0")
        return [str(row[0]) for row in rows]

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
