"""What can be read of a damaged database, row by row, into a new one: what only this shop knows, and its catalogue."""

import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlite_utils import Database

from gateway.core.vault import KeyUse, Vault, WrappedKey
from gateway.errors import SealError
from gateway.tables.rows import SEALED

# Nobody's name, profile, card or consent: headquarters sends those again, and they are held against the ledgers then.
# Acts that it has not heard of wait in the outbox.
SALVAGED = (
    "outbox", "erasure", "redemption", "redemption_entry", "lease", "till_request", "coupon_used", "points_step",
    "tap_guard", "device", "terminal_key", "staff_act", "audit", "decision", "contact", "decision_day", "command",
    "play", "offer", "offer_count", "content", "learning_tally",
)  # fmt: skip
# Where headquarters' line stands, the outbox's name and marks of this run are not among them: they begin anew.
META = (
    "boot", "store_id", "surely_ms", "agreed_ms", "floor_ms", "clock", "shop", "child_programme", "ledger_steps",
    "last_number", "outbox_numbers", "with_hq_ms", "with_hq_unsure", "wiped_ms",
    "floor", "floor_revision", "hq_keys", "hq_head", "settings", "coupons", "staff", "standby_term",
)  # fmt: skip
_KINDS = {"INTEGER": int, "TEXT": str, "BLOB": bytes}
_UNREADABLE = "\ufffd"


@dataclass(frozen=True, slots=True)
class Salvaged:
    """Rows by table; `torn`: tables that could not be read to their end."""

    kept: Counter[str]
    dropped: Counter[str]
    torn: tuple[str, ...]


def legible(connection: sqlite3.Connection) -> sqlite3.Connection:
    """Of a damaged file: a text that is none any more is still handed over."""
    connection.text_factory = lambda raw: raw.decode(errors="replace")
    return connection


def table_names(connection: sqlite3.Connection) -> list[str]:
    """All tables. Raises SQLite's own errors."""
    rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    return [str(row[0]) for row in rows]


def wrapped_keys(old: sqlite3.Connection) -> list[WrappedKey]:
    """The data keys, as far as they can be read."""
    found = {}
    for (key_id, use, wrapped), _ in _rows(old, "data_key", ("key_id", "use", "wrapped"), ("key_id",), []):
        if isinstance(key_id, int) and use in set(KeyUse) and isinstance(wrapped, bytes):
            found[key_id] = WrappedKey(key_id, KeyUse(str(use)), wrapped)
    return [found[key_id] for key_id in sorted(found)]


def put_keys(new: Database, keys: list[WrappedKey], now_ms: int) -> None:
    """Into an empty table."""
    for key in keys:
        row = [key.key_id, key.use.value, key.wrapped, now_ms]
        new.execute("INSERT INTO data_key (key_id, use, wrapped, made_ms) VALUES (?, ?, ?, ?)", row)


def salvage(old: sqlite3.Connection, new: Database, vault: Vault) -> Salvaged:
    """Every row that has the form of its table, and whose sealed value opens. Inside a transaction of `new`."""
    kept, dropped, torn = Counter[str](), Counter[str](), list[str]()
    for table in SALVAGED:
        kinds, key = _form(new, table)
        have = [name for name in _columns(old, table) if name in kinds]
        if not have:
            torn.append(table)
            continue
        names, marks = ", ".join(have), ", ".join("?" * len(have))
        for row, again in _rows(old, table, have, key, torn):
            values = dict(zip(have, row, strict=True))
            taken = all(_fits(value, kinds[name]) for name, value in values.items()) and _opens(table, values, vault)
            if taken:
                sql = f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({marks})"
                taken = new.conn.execute(sql, row).rowcount == 1
            if taken or not again:  # what did not go in again may be there already
                (kept if taken else dropped)[table] += 1
    for (name, value), _ in _rows(old, "meta", ("key", "value"), ("key",), torn):
        if name in META and isinstance(value, str) and _UNREADABLE not in value:
            new.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", [name, value])
    return Salvaged(kept, dropped, tuple(dict.fromkeys(torn)))


def _form(db: Database, table: str) -> tuple[dict[str, type], list[str]]:
    """Of a table: the kind of each column, and the primary key."""
    rows = db.execute(f"PRAGMA table_info({table})").fetchall()
    keyed = sorted((place, name) for _, name, _, _, _, place in rows if place)
    return {name: _KINDS[kind] for _, name, kind, *_ in rows}, [name for _, name in keyed]


def _columns(old: sqlite3.Connection, table: str) -> list[str]:
    try:
        return [str(row[1]) for row in old.execute(f"PRAGMA table_info({table})")]
    except sqlite3.Error:
        return []


def _rows(
    old: sqlite3.Connection,
    table: str,
    columns: Sequence[str],
    key: Sequence[str],
    torn: list[str],
) -> Iterator[tuple[tuple[object, ...], bool]]:
    """From the beginning up to the damage, then from the end back to it; the same in the order in which they lie. With
    each row whether it may have come before; a whole table comes once, whatever its size."""
    again = False
    for order in (key or ["rowid"], ["rowid"]):
        for way in ("", " DESC"):
            by = ", ".join(f"{name}{way}" for name in order)
            try:
                for row in old.execute(f"SELECT {', '.join(columns)} FROM {table} ORDER BY {by}"):
                    yield row, again
                return
            except sqlite3.Error:
                torn.append(table)
                again = True


def _fits(value: object, kind: type) -> bool:
    if value is None:
        return True  # the table itself says where nothing may stand
    return isinstance(value, kind) and not (isinstance(value, str) and _UNREADABLE in value)


def _opens(table: str, values: dict[str, object], vault: Vault) -> bool:
    for column in SEALED:
        sealed = values.get(column.column)
        if column.table != table or sealed is None:
            continue
        try:
            vault.open(
                column.place(*(values[name] for name in column.bound)),
                bytes(sealed) if isinstance(sealed, bytes) else b"",
            )
        except (SealError, KeyError):
            return False
    return True
