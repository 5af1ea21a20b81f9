"""The data keys, wrapped, and the sealing anew of what an older one sealed."""

import secrets
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress

from gateway.core.vault import KEY_BYTES, KEY_ID_BYTES, KeyUse, Vault, WrappedKey, key_mark, unlock, unwrap, wrap
from gateway.errors import SealError
from gateway.tables.rows import SEALED, Rows, SealedColumn

_REKEY = "rekey_asked"
_SENT_AGAIN = "sent_again_ms"


class DataKeys(Rows):
    """The table `data_key`, and every sealed column as far as its keys go. `keys_changed`: the copy beside the database
    (gateway.keycopy) is to be written anew after the commit."""

    keys_changed = False

    def has_keys(self) -> bool:
        """Whether this file has data keys, so that only its own root opens it."""
        table = self._one("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'data_key'")
        return table is not None and bool(self.wrapped())

    def make_keys(self, root: bytes, now_ms: int) -> None:
        """The first keys of a new file."""
        for use in KeyUse:
            self._add(root, use, now_ms)

    def unlock(self, *roots: bytes) -> Vault:
        """The vault of this file's keys, by whichever root opens them. Raises SealError if none does."""
        rows = self.wrapped()
        for root in roots:
            with suppress(SealError):
                return unlock(root, rows)
        raise SealError("data_key")

    def rewrap(self, roots: Sequence[bytes], root: bytes) -> None:
        """Wrap every data key with `root`, whichever of `roots` opens them now. Raises SealError if none does."""
        rows = self.wrapped()
        with suppress(SealError):
            self.unlock(root)
            return  # done before
        for former in roots:
            try:
                keys = [unwrap(former, row) for row in rows]
            except SealError:
                continue
            for row, key in zip(rows, keys, strict=True):
                wrapped = wrap(root, row.key_id, row.use, key).wrapped
                self._db.execute("UPDATE data_key SET wrapped = ? WHERE key_id = ?", [wrapped, row.key_id])
            return
        raise SealError("data_key")

    # --- a new field key -------------------------------------------------------------------------------------

    def ask_rekey(self) -> None:
        """The service is to seal everything with a new field key."""
        self.put_meta(_REKEY, "1")

    def rekey_asked(self) -> bool:
        return self.meta(_REKEY) is not None

    def add_field_key(self, roots: Sequence[bytes], now_ms: int) -> None:
        """Make the key that was asked for, wrapped by the one of `roots` that is the file's now.

        Seal with it only after COMMIT (`load_field_keys`). Raises SealError if none is; then nothing is written.
        """
        for root in roots:
            with suppress(SealError):
                self.unlock(root)
                self._add(root, KeyUse.FIELDS, now_ms)
                self.drop_meta(_REKEY)
                return
        raise SealError("data_key")

    def must_load_field_keys(self) -> bool:
        """Whether the file has other field keys than those that seal and open now."""
        return {key_mark(row.key_id) for row in self.wrapped() if row.use is KeyUse.FIELDS} != self._vault.marks

    def load_field_keys(self, roots: Sequence[bytes]) -> None:
        """Seal with the newest field key of the file, open with all. Raises SealError if no root opens them."""
        self._vault.hold_those_of(self.unlock(*roots))

    def has_old_field_keys(self) -> bool:
        return len(self._vault.marks) > 1

    def reseal(self, column: SealedColumn, after: str | int, limit: int) -> tuple[str | int, int] | None:
        """Seal the next `limit` values after the primary key `after` (at first `column.before`) with the newest key.

        The last primary key and how many were sealed anew; None at the end. What does not open stays as it is.
        """
        key, bound = column.bound[0], ", ".join(column.bound)
        rows = self._all(
            f"""SELECT {column.column}, {bound} FROM {column.table}
                WHERE {key} > ? AND {column.only} ORDER BY {key} LIMIT ?""",
            after,
            limit,
        )
        if not rows:
            return None
        old, sealed_anew = self._vault.marks - {self._vault.newest}, 0
        for sealed, *values in rows:
            if bytes(sealed[:KEY_ID_BYTES]) not in old:
                continue
            clear = self._open(column, sealed, *values)
            if clear is not None:
                anew = self._seal(column, clear, *values)
                self._db.execute(f"UPDATE {column.table} SET {column.column} = ? WHERE {key} = ?", [anew, values[0]])
                sealed_anew += 1
        return rows[-1][1], sealed_anew

    def drop_old_field_keys(self) -> None:
        """Forget all field keys but the newest. Seal and open without them only after COMMIT (`load_field_keys`)."""
        self.keys_changed = True
        self._db.execute(
            "DELETE FROM data_key WHERE use = ?1 AND key_id < (SELECT max(key_id) FROM data_key WHERE use = ?1)",
            [KeyUse.FIELDS.value],
        )

    # --- what does not open ----------------------------------------------------------------------------------

    def still_unopened(self) -> Counter[str]:
        """How many values that did not open are still there and still do not, by table."""
        for column, key in tuple(self.unopened):
            row = self._one(
                f"""SELECT {column.column}, {", ".join(column.bound)} FROM {column.table}
                    WHERE {column.bound[0]} = ? AND {column.only}""",
                key,
            )
            self.unopened.discard((column, key))
            if row is not None:
                self._open(column, *row)
        return Counter(column.table for column, _ in self.unopened)

    def want_everything(self, now_ms: int, every_ms: int) -> bool:
        """Begin anew with headquarters' line, unless that was done less than `every_ms` ago; False = it was.

        Its line holds each thing once, as it is now, so nothing comes back that was dropped or erased.
        """
        before_ms = int(self.meta(_SENT_AGAIN) or -every_ms)
        if abs(now_ms - before_ms) < every_ms:
            return False
        self.put_meta(_SENT_AGAIN, str(now_ms))
        self.put_meta("hq_version", "0")
        return True

    def open_all(self) -> Counter[str]:
        """How many values of the whole file do not open, by table; for whoever only looks."""
        found: Counter[str] = Counter()
        for column in SEALED:
            bound = ", ".join(column.bound)
            for row in self._db.execute(f"SELECT {column.column}, {bound} FROM {column.table} WHERE {column.only}"):
                found[column.table] += self._open(column, *row) is None
        return +found

    def sealed_bytes(self) -> int:
        """How many bytes the sealed values take."""
        return sum(
            int(self._one(f"SELECT coalesce(sum(length({one.column})), 0) FROM {one.table} WHERE {one.only}")[0])
            for one in SEALED
        )

    def _add(self, root: bytes, use: KeyUse, now_ms: int) -> None:
        self.keys_changed = True
        # The id is given first, because the key is wrapped for it.
        row = self._db.execute("INSERT INTO data_key (use, wrapped, made_ms) VALUES (?, x'', ?)", [use.value, now_ms])
        key_id = row.lastrowid or 0
        wrapped = wrap(root, key_id, use, secrets.token_bytes(KEY_BYTES)).wrapped
        self._db.execute("UPDATE data_key SET wrapped = ? WHERE key_id = ?", [wrapped, key_id])

    def wrapped(self) -> list[WrappedKey]:
        """The keys as they lie in the file."""
        rows = self._all("SELECT key_id, use, wrapped FROM data_key ORDER BY key_id")
        return [WrappedKey(key_id, KeyUse(use), wrapped) for key_id, use, wrapped in rows]
