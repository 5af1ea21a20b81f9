"""One-time codes at HQ: which are open, what shops say was bound with one, and when they are forgotten."""

import json

from gateway.core.changes import BindingDrop, CredentialDrop
from gateway.core.spans import DAY_MS
from gateway.errors import PeerError
from sync import credentials, messages
from sync.credentials import Bound
from sync.hq.file import Row, dump
from sync.hq.versions import CLOCK_SLACK_MS, CODE_MINUTES_MAX, OFFLINE_MS, Versions, shown_by

# A shop that was offline may report late that a code was used; after a quarter of a year it is refused. A row has
# 105 bytes, so a chain with 10,000 codes a day keeps 95 MB.
BINDING_MEMORY_MS = 90 * DAY_MS


class Bindings(Versions):
    """The table `binding`, and the codes on the line of versions."""

    def open_bindings(self, member_id: str | None = None) -> list[Row]:
        """Codes that shops were told and nobody has used, of one member or of all: the bodies of their ops."""
        rows = self._read(
            """SELECT op FROM change WHERE key >= 'binding:' AND key < 'binding;'
               AND coalesce(?, member_id) = member_id ORDER BY version""",
            (member_id,),
        )
        return [op["body"] for op in (json.loads(row["op"]) for row in rows) if op["op"] == "binding.put"]

    def forget_codes(self, now_ms: int) -> None:
        """Forget codes that are out of date: gateways do so by themselves, and nobody has to be told."""
        with self._write():
            # The newest number must stay, because the next one is counted from it: there the code alone goes.
            last = "SELECT max(version) FROM change"
            gone = self._db.execute(
                f"DELETE FROM change WHERE until_ms <= ? AND version < ({last})", (now_ms,)
            ).rowcount
            for key, op in self._db.execute("SELECT key, op FROM change WHERE until_ms <= ?", (now_ms,)).fetchall():
                if json.loads(op)["op"] == "binding.put":
                    drop = dump(messages.op_of(BindingDrop(json.loads(op)["body"]["binding_id"])))
                    self._db.execute("UPDATE change SET op = ? WHERE key = ?", (drop, key))
                    gone += 1
            self._db.execute("DELETE FROM binding WHERE abs(valid_until_ms) <= ?", (now_ms - BINDING_MEMORY_MS,))
        if gone:
            self._truncate_log()

    def _is_anothers(self, bound: Bound) -> bool:
        """Whether another member shows the same already; by the index change_shown."""
        if bound.put is None:
            return False
        return bool(
            self._one(
                """SELECT count(*) FROM change WHERE shown = ? AND member_id <> ?
                   AND key >= 'credential:' AND key < 'credential;'""",
                (shown_by(bound.put), bound.member_id),
            )
        )

    def _bind(self, body: object, at_ms: int, received_at_ms: int, where: tuple[str, str, str]) -> str | None:
        """Follow an event `credential.bound` inside its transaction: every shop learns the credential. Returns why not,
        as a word for a counter, or None if it is so; once followed, it may come again.

        `where`: tenant, store and id of the gateway that tells. It is not believed: with a code that is open it binds a
        card that nobody has, and otherwise it is told once per binding to let go of what it holds."""
        try:
            bound = credentials.parse_bound(body)
        except PeerError as error:
            return error.reason
        row = self._db.execute(
            "SELECT member_id, valid_until_ms, credential_id FROM binding WHERE binding_id = ?", (bound.binding_id,)
        ).fetchone()
        if row is None:
            return "unknown"
        member_id, valid_until_ms, credential_id = row
        if member_id != bound.member_id:
            return "foreign"
        if credential_id == bound.credential_id:
            return None
        known = self._one("SELECT count(*) FROM change WHERE key = ?", (f"credential:{bound.credential_id}",))
        at_ms = max(at_ms, received_at_ms - OFFLINE_MS)
        reason = None
        if at_ms > valid_until_ms + CLOCK_SLACK_MS:
            reason = "late"
        elif at_ms < valid_until_ms - CODE_MINUTES_MAX * 60_000 - CLOCK_SLACK_MS:
            reason = "early"
        elif credential_id:
            reason = "used"
        elif known or self._is_anothers(bound):
            reason = "taken"
        if reason is not None:
            # The shop holds something that a code can't have bound: it has to let go of it.
            if not known and self._refuse_once(bound.binding_id, where):
                self._record(CredentialDrop(bound.credential_id))
            return reason
        self._db.execute(
            "UPDATE binding SET credential_id = ? WHERE binding_id = ?", (bound.credential_id, bound.binding_id)
        )
        if bound.put is not None:
            self._record(bound.put)
        self._record(BindingDrop(bound.binding_id))
        return None

    def _refuse_once(self, binding_id: str, where: tuple[str, str, str]) -> bool:
        """Whether this gateway is refused this binding for the first time. A code binds one thing in a shop, and each
        answer goes to all shops and stays in the line."""
        row = (binding_id, *where)
        refused = self._db.execute("INSERT INTO binding_refused VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", row)
        return bool(refused.rowcount)
