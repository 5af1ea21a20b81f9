"""What one transaction may do with the shop's tables; all SQL of the gateway stands here, all DDL in migrations."""

import json
from dataclasses import asdict
from typing import Any

from pydantic import TypeAdapter
from sqlite_utils import Database

from gateway.core.changes import OutboxRow
from gateway.core.consent import Consents, in_force
from gateway.core.keyring import KeyUse, Sealed
from gateway.core.model import (
    ConsentRecord,
    ConsentState,
    Contact,
    Credential,
    CredentialKind,
    Decision,
    Event,
    Guard,
    Member,
    Offer,
    Purpose,
    ShopConfig,
)
from gateway.core.offers import DAY_MS, Person
from gateway.core.onetime import DIGEST_BYTES

_MEMBER: TypeAdapter[Member] = TypeAdapter(Member)
_OFFER: TypeAdapter[Offer] = TypeAdapter(Offer)
_CONFIG: TypeAdapter[ShopConfig] = TypeAdapter(ShopConfig)


PURGE_WAIT_MS = 50  # less than a slow SD card's flush, which every commit behind it pays anyway
SPENT = f"randomblob({DIGEST_BYTES + 1})"  # in place of a code's keyed hash, and by its length none
MAX_TOLD_REASONS = 40  # about 1.5 kB of an event; the decision's own row keeps all of them


class Tx:
    """One transaction's view of the shop. Methods read and write; nothing is visible outside before COMMIT."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._catalogue: tuple[int, tuple[Offer, ...]] | None = None

    # --- members and consent ---------------------------------------------------------------------------------

    def person(self, member_id: str, now_ms: int) -> Person | None:
        """Profile, consents in force and the last day's contacts, or None for an unknown member."""
        row = self._one("SELECT body FROM member WHERE member_id = ?", member_id)
        if row is None:
            return None
        return Person(_MEMBER.validate_json(row[0]), self.consents(member_id), self._contacts(member_id, now_ms))

    def tell(self, event: Event) -> None:
        """Append an event about a member, unless an erasure came first."""
        if self._one("SELECT 1 FROM member WHERE member_id = ?", event.body["member_id"]) is not None:
            self.emit(event)

    def consents(self, member_id: str) -> Consents:
        """The records in force for a member, from the whole log."""
        return in_force(self._records(member_id))

    def put_member(self, member: Member) -> None:
        self._put("member", member_id=member.member_id, body=_json(asdict(member)))

    def erase_member(self, member_id: str) -> None:
        """Delete what is stored about a member; events not yet at HQ lose pseudonym and card and keep the fact."""
        for table in ("member", "credential", "consent", "decision", "tap_guard", "binding"):
            self._db.execute(f"DELETE FROM {table} WHERE member_id = ?", [member_id])
        self._db.execute(
            """UPDATE outbox SET body = json_remove(json_set(body, '$.member_id', 'erased'), '$.value')
               WHERE json_extract(body, '$.member_id') = ?""",
            [member_id],
        )

    def add_consent(self, record: ConsentRecord) -> None:
        """Append to the log; a record that is there already changes nothing."""
        self._db.execute(
            "INSERT OR IGNORE INTO consent VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                record.event_id,
                record.member_id,
                record.purpose.value,
                record.state.value,
                record.given_at_ms,
                record.valid_until_ms,
                record.hq_seq,
                record.notice_version,
                record.channel,
            ],
        )

    def put_credential(self, credential: Credential) -> None:
        """Add or change a credential. What was learned of the device's clock stays while its key does."""
        self._db.execute(
            """INSERT INTO credential (credential_id, member_id, kind, secret, exponent, clock_zero_s)
               VALUES (?, ?, ?, ?, ?, ?)
               ON CONFLICT (credential_id) DO UPDATE SET member_id = excluded.member_id, kind = excluded.kind,
                 exponent = excluded.exponent, clock_zero_s = excluded.clock_zero_s, secret = excluded.secret,
                 offset_s = CASE WHEN secret = excluded.secret AND clock_zero_s = excluded.clock_zero_s
                   THEN offset_s ELSE 0 END""",
            [
                credential.credential_id,
                credential.member_id,
                credential.kind.value,
                credential.secret,
                credential.exponent,
                credential.clock_zero_s,
            ],
        )

    def keep_offset(self, member_id: str, secret: bytes, offset_s: int) -> None:
        """The clock of this member's device was found to be so far ahead of what HQ said."""
        self._db.execute(
            "UPDATE credential SET offset_s = ? WHERE member_id = ? AND secret = ?", [offset_s, member_id, secret]
        )

    def drop_credential(self, credential_id: str) -> None:
        self._db.execute("DELETE FROM credential WHERE credential_id = ?", [credential_id])

    def owner(self, credential_id: str) -> str | None:
        """The member a credential belongs to, or None."""
        row = self._one("SELECT member_id FROM credential WHERE credential_id = ?", credential_id)
        return None if row is None else str(row[0])

    def holder(self, secret: bytes) -> str | None:
        """Whose static credential has this keyed hash. Reads the whole table: only for the rare moment of a binding."""
        row = self._one("SELECT member_id FROM credential WHERE secret = ?", secret)
        return None if row is None else str(row[0])

    def credentials(self, member_id: str) -> tuple[Credential, ...]:
        """All credentials of a member."""
        rows = self._all("SELECT * FROM credential WHERE member_id = ?", member_id)
        return tuple(_credential(row) for row in rows)

    def holders_after(self, member_id: str, limit: int) -> list[tuple[str, tuple[Credential, ...], Consents]]:
        """The next members who hold a credential, in the order of their ids, with credentials and consents in force."""
        rows = self._all(
            "SELECT DISTINCT member_id FROM credential WHERE member_id > ? ORDER BY member_id LIMIT ?", member_id, limit
        )
        if not rows:
            return []
        credentials: dict[str, list[Credential]] = {str(row[0]): [] for row in rows}
        records: dict[str, list[ConsentRecord]] = {holder: [] for holder in credentials}
        span = (rows[0][0], rows[-1][0])
        for row in self._all("SELECT * FROM credential WHERE member_id BETWEEN ? AND ?", *span):
            credentials[row[1]].append(_credential(row))
        for row in self._all("SELECT * FROM consent WHERE member_id BETWEEN ? AND ?", *span):
            if row[1] in records:
                records[row[1]].append(_record(row))
        return [(holder, tuple(held), in_force(records[holder])) for holder, held in credentials.items()]

    def is_staff(self, member_id: str) -> bool:
        """Whether HQ calls this member a colleague."""
        row = self._one("SELECT body FROM member WHERE member_id = ?", member_id)
        return row is not None and _MEMBER.validate_json(row[0]).staff

    def admit(self, member_id: str, guard: Guard) -> bool:
        """Whether this proof is shown for the first time; from now on it is not. One call per proof."""
        last = self._one("SELECT count FROM tap_guard WHERE key = ?", guard.key)
        if last is not None and guard.count <= last[0]:
            return False
        self._put("tap_guard", key=guard.key, member_id=member_id, count=guard.count, until_ms=guard.until_ms)
        return True

    def forget_guards(self, now_ms: int) -> int:
        """Drop what need not be remembered any longer; how many. Card counters stay for ever."""
        return int(self._db.execute("DELETE FROM tap_guard WHERE until_ms <= ?", [now_ms]).rowcount)

    # --- terminal keys and one-time codes --------------------------------------------------------------------

    def put_terminal_key(self, key: Sealed) -> None:
        """Keep a key as it was sealed; the one of the same id goes."""
        self._put(
            "terminal_key",
            key_id=key.key_id,
            use=key.use.value,
            from_ms=key.from_ms,
            until_ms=key.until_ms,
            sealed=key.sealed,
        )

    def drop_terminal_key(self, key_id: str) -> None:
        self._db.execute("DELETE FROM terminal_key WHERE key_id = ?", [key_id])

    def purge_terminal_keys(self, now_ms: int) -> None:
        """Forget keys that ended."""
        self._db.execute("DELETE FROM terminal_key WHERE until_ms <= ?", [now_ms])

    def terminal_keys(self) -> tuple[Sealed, ...]:
        """All keys, sealed, the newest first."""
        rows = self._all(
            "SELECT key_id, use, from_ms, until_ms, sealed FROM terminal_key ORDER BY from_ms DESC, key_id"
        )
        return tuple(Sealed(key_id, KeyUse(use), *rest) for key_id, use, *rest in rows)

    def put_binding(self, binding_id: str, member_id: str, code_digest: bytes, valid_until_ms: int) -> None:
        """Keep a one-time code as its 16-byte keyed hash. Two equal ones open nothing, or a card went to another.

        An id counts once: what is sent again (a headquarters that was restored sends everything) brings no code back.
        """
        twin = self._one("SELECT binding_id FROM binding WHERE code = ? AND binding_id <> ?", code_digest, binding_id)
        self._db.execute(
            f"""INSERT OR IGNORE INTO binding (binding_id, member_id, code, valid_until_ms)
                VALUES (?, ?, coalesce(?, {SPENT}), ?)""",
            [binding_id, member_id, None if twin else code_digest, valid_until_ms],
        )
        if twin is not None:
            self.spend_binding(twin[0])

    def binding(self, code_digest: bytes, now_ms: int) -> tuple[str, str] | None:
        """Whose one-time code this is, while it is valid: (binding_id, member_id)."""
        row = self._one(
            """SELECT binding_id, member_id FROM binding JOIN member USING (member_id)
               WHERE code = ? AND valid_until_ms > ?""",
            *(code_digest, now_ms),
        )
        return None if row is None else (str(row[0]), str(row[1]))

    def spend_binding(self, binding_id: str) -> bool:
        """End a one-time code; False if it was ended or forgotten before. Its id is known until it is out of date."""
        return bool(
            self._db.execute(
                f"UPDATE binding SET code = {SPENT} WHERE binding_id = ? AND length(code) = {DIGEST_BYTES}",
                [binding_id],
            ).rowcount
        )

    def purge_bindings(self, now_ms: int) -> None:
        """Forget one-time codes that are out of date, and the ids of those that were used."""
        self._db.execute("DELETE FROM binding WHERE valid_until_ms <= ?", [now_ms])

    # --- catalogue and configuration -------------------------------------------------------------------------

    def offers(self) -> tuple[Offer, ...]:
        """The catalogue, parsed once per version."""
        version = self.hq_version
        if self._catalogue is None or self._catalogue[0] != version:
            rows = self._all("SELECT body FROM offer ORDER BY offer_id")
            self._catalogue = version, tuple(_OFFER.validate_json(row[0]) for row in rows)
        return self._catalogue[1]

    def put_offer(self, offer: Offer) -> None:
        self._catalogue = None
        self._put("offer", offer_id=offer.offer_id, body=_json(asdict(offer)))

    def drop_offer(self, offer_id: str) -> None:
        self._catalogue = None
        self._db.execute("DELETE FROM offer WHERE offer_id = ?", [offer_id])

    def shop(self) -> ShopConfig:
        """What HQ configured, or the defaults."""
        body = self.meta("shop")
        return _CONFIG.validate_json(body) if body else ShopConfig()

    def put_shop(self, config: ShopConfig) -> None:
        self.put_meta("shop", _json(asdict(config)))

    def meta(self, key: str) -> str | None:
        row = self._one("SELECT value FROM meta WHERE key = ?", key)
        return None if row is None else str(row[0])

    def put_meta(self, key: str, value: str) -> None:
        self._put("meta", key=key, value=value)

    @property
    def hq_version(self) -> int:
        """The version of HQ's line that this database holds."""
        return int(self.meta("hq_version") or 0)

    # --- decisions and events --------------------------------------------------------------------------------

    def record(self, decision: Decision) -> None:
        """Store a decision with its reasons and tell HQ."""
        reasons = _json([[reason.candidate, reason.code] for reason in decision.reasons])
        self._put(
            "decision",
            decision_id=decision.decision_id,
            at_ms=decision.at_ms,
            trigger=decision.trigger,
            member_id=decision.member_id,
            zone=decision.zone,
            screen=decision.screen,
            offer_id=decision.offer_id,
            reasons=reasons,
            hq_version=self.hq_version,
        )
        body = {key: value for key, value in asdict(decision).items() if key not in ("at_ms", "reasons")}
        told = json.loads(reasons)[-MAX_TOLD_REASONS:]  # what settled it comes last
        self.emit(Event("decision.made", decision.at_ms, body | {"reasons": told}))

    def emit(self, event: Event) -> None:
        """Append an event to the outbox."""
        self._db.execute(
            "INSERT INTO outbox (at_ms, type, body) VALUES (?, ?, ?)", [event.at_ms, event.type, _json(event.body)]
        )

    def outbox_after(self, seq: int, limit: int) -> list[OutboxRow]:
        rows = self._all("SELECT seq, at_ms, type, body FROM outbox WHERE seq > ? ORDER BY seq LIMIT ?", seq, limit)
        return [OutboxRow(*row) for row in rows]

    def acknowledge(self, seq: int) -> bool:
        """HQ holds everything up to `seq`: the only statement that deletes from the outbox.

        True = one of them said what a card or phone shows, so it has to leave the write-ahead log too.
        """
        shows = self._all("SELECT 1 FROM outbox WHERE seq <= ? AND type = 'credential.bound' LIMIT 1", seq)
        self._db.execute("DELETE FROM outbox WHERE seq <= ?", [seq])
        self.put_meta("acked_seq", str(max(seq, self.acked_seq)))
        return bool(shows)

    @property
    def acked_seq(self) -> int:
        return int(self.meta("acked_seq") or 0)

    def waiting(self) -> int:
        """Events that HQ has not confirmed."""
        return int(self._all("SELECT count(*) FROM outbox")[0][0])

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

    # --- plumbing --------------------------------------------------------------------------------------------

    def _contacts(self, member_id: str, now_ms: int) -> tuple[Contact, ...]:
        rows = self._all(
            """SELECT at_ms, offer_id, trigger FROM decision
               WHERE member_id = ? AND at_ms > ? AND offer_id IS NOT NULL ORDER BY at_ms""",
            member_id,
            now_ms - DAY_MS,
        )
        return tuple(Contact(at_ms, offer_id, trigger == "tap") for at_ms, offer_id, trigger in rows)

    def _records(self, member_id: str) -> list[ConsentRecord]:
        rows = self._all("SELECT * FROM consent WHERE member_id = ?", member_id)
        return [_record(row) for row in rows]

    def _put(self, table: str, **values: object) -> None:
        marks = ", ".join("?" * len(values))
        self._db.execute(f"INSERT OR REPLACE INTO {table} ({', '.join(values)}) VALUES ({marks})", [*values.values()])

    def _one(self, sql: str, *values: object) -> Any:
        return self._db.execute(sql, values).fetchone()

    def _all(self, sql: str, *values: object) -> list[Any]:
        return self._db.execute(sql, values).fetchall()


def _credential(row: Any) -> Credential:
    credential_id, member_id, kind, secret, exponent, clock_zero_s, offset_s = row
    return Credential(credential_id, member_id, CredentialKind(kind), secret, exponent, clock_zero_s, offset_s)


def _record(row: Any) -> ConsentRecord:
    event_id, member, purpose, state, given, until, seq, notice, channel = row
    return ConsentRecord(event_id, member, Purpose(purpose), ConsentState(state), given, until, seq, notice, channel)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=dict)
