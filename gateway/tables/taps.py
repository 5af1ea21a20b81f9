"""Proofs that count once, terminal keys as they were sealed, and one-time codes that wait."""

from gateway.core.keyring import KeyUse, Sealed
from gateway.core.model import Guard
from gateway.core.onetime import DIGEST_BYTES
from gateway.tables.rows import Rows

SPENT = f"randomblob({DIGEST_BYTES + 1})"  # in place of a code's keyed hash, and by its length none


class TapsAndKeys(Rows):
    """The tables `tap_guard`, `terminal_key` and `binding`."""

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

    def bindings_of(self, member_id: str) -> set[str]:
        """The ids of a member's one-time codes."""
        return {str(row[0]) for row in self._all("SELECT binding_id FROM binding WHERE member_id = ?", member_id)}

    def spend_bindings(self) -> None:
        """End all one-time codes."""
        self._db.execute(f"UPDATE binding SET code = {SPENT} WHERE length(code) = {DIGEST_BYTES}")

    def guards(self, member_id: str) -> list[tuple[int, int | None]]:
        """What is remembered of a member's proofs: count and when it may be forgotten; None = never."""
        return [
            (int(count), until)
            for count, until in self._all(
                "SELECT count, until_ms FROM tap_guard WHERE member_id = ? ORDER BY until_ms, count", member_id
            )
        ]

    def bindings(self, member_id: str) -> list[tuple[str, int, bool]]:
        """A member's one-time codes: id, end of their time (ms), whether they are still open."""
        rows = self._all(
            f"""SELECT binding_id, valid_until_ms, length(code) = {DIGEST_BYTES} FROM binding WHERE member_id = ?
                ORDER BY valid_until_ms""",
            member_id,
        )
        return [(str(binding_id), int(until_ms), bool(is_open)) for binding_id, until_ms, is_open in rows]

    def purge_bindings(self, now_ms: int) -> None:
        """Forget one-time codes that are out of date, and the ids of those that were used."""
        self._db.execute("DELETE FROM binding WHERE valid_until_ms <= ?", [now_ms])

    def forget_past(self, now_ms: int) -> None:
        """Let go of proofs and one-time codes whose time is over."""
        self.forget_guards(now_ms)
        self.purge_bindings(now_ms)
