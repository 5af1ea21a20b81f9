"""Whether the database is whole, and what is done where it is not: put aside, read as far as it goes, made anew.

A damaged file never keeps a shop closed. What headquarters can send again it sends again, and nobody is recognised
before it has, because only then every withdrawal and erasure is known (gateway.withdrawals, gateway.erasures).
"""

import contextlib
import logging
import sqlite3
from collections.abc import Callable, Collection
from dataclasses import asdict
from pathlib import Path

from gateway import keycopy, lastrun
from gateway.core.model import Event
from gateway.core.vault import KEY_BYTES, Vault, WrappedKey, unlock
from gateway.dbfile import ASIDE, DATABASE, WRONG_ROOT, drop_file, looking, means_damage, open_beside
from gateway.errors import ConfigError, SealError, StoreError
from gateway.lasting import belong, sync_folder
from gateway.records import Tx
from gateway.tables.datakeys import DataKeys
from gateway.tables.mended import Mended
from gateway.tables.salvage import Salvaged, legible, put_keys, salvage, table_names, wrapped_keys

log = logging.getLogger("gateway")

FLAG = "gateway.check"  # the file was found damaged; a power cut at any point leaves it, and the start goes on
DRAFT = "gateway.mended.db"
# After an unclean end a file up to this size is read whole before the service begins, in under 2 s from a card that
# reads 40 MB/s. A larger one is looked at while the service runs (gateway.caring).
AT_START_BYTES = 64_000_000
HEADER_BYTES = 100  # of a file of SQLite's
HELP = "Nothing now: headquarters sends again what is missing. If it comes back, replace the memory card."


def at_start(folder: Path, roots: Callable[[], Collection[bytes]], now_ms: int) -> None:
    """Before anybody opens the database: mend it if it is damaged. `roots`: the root keys of this box, none is made.
    Raises ConfigError, and then nothing is lost."""
    flag, path, aside = folder / FLAG, folder / DATABASE, folder / ASIDE
    if not flag.exists() and not _is_damaged(path):
        return
    log.error("database: it is damaged; it is put aside, and what can be read of it goes into a new one")
    known = roots()  # before anything is moved: without data beside it a lost root would be taken for none yet
    if not known:
        raise ConfigError(WRONG_ROOT.format(path=path))
    try:
        ask(folder)
        _put_aside(path, aside)
        if aside.exists():
            _make_anew(folder, known, now_ms)
        flag.unlink(missing_ok=True)
        sync_folder(folder)
    except (OSError, StoreError, sqlite3.Error) as error:
        raise ConfigError(
            f"{path}: is damaged and cannot be mended: {error}; free space, or replace the card"
        ) from error


def ask(folder: Path) -> None:
    """The next start is to mend the database. Raises OSError."""
    (folder / FLAG).touch(0o600)
    belong(folder / FLAG)
    sync_folder(folder)


def is_whole(path: Path, *, thorough: bool) -> bool:
    """Whether SQLite finds nothing wrong with the file; not `thorough`: with its first pages and smallest tables alone.

    True also where it cannot be looked at for other reasons: opening it says why.
    """
    wants = ["quick_check(1)"] if thorough else [f"quick_check({table})" for table in ("meta", "data_key")]
    return all(_passes(path, want) for want in wants)


def tables(path: Path) -> list[str]:
    """The names of all tables, to be looked at one by one. Empty where that cannot be read."""
    try:
        with contextlib.closing(looking(path)) as connection:
            return table_names(connection)
    except sqlite3.Error:
        return []


def is_table_whole(path: Path, table: str) -> bool:
    """The same for one table, so that no look keeps the write-ahead log from being emptied for long."""
    return _passes(path, f'quick_check("{table}")')


def _passes(path: Path, want: str) -> bool:
    try:
        with contextlib.closing(looking(path)) as connection:
            rows = connection.execute(f"PRAGMA {want}").fetchall()
    except sqlite3.Error as error:
        return not means_damage(error)
    return not rows or rows[0][0] == "ok"


def _is_damaged(path: Path) -> bool:
    return path.exists() and (_is_emptied(path) or not is_whole(path, thorough=_ended_badly(path)))


def _is_emptied(path: Path) -> bool:
    """SQLite takes a file without a header for a new one; where a service has run, it was one."""
    return path.stat().st_size < HEADER_BYTES and (path.parent / lastrun.NAME).exists()


def _ended_badly(path: Path) -> bool:
    """A service that ends in order leaves no log beside the file."""
    wal = path.with_name(f"{path.name}-wal")
    return wal.exists() and wal.stat().st_size > 0 and path.stat().st_size <= AT_START_BYTES


# --- a damaged file ----------------------------------------------------------------------------------------------


def _put_aside(path: Path, aside: Path) -> None:
    """In place of an earlier one, with its log; after a power cut in between the log follows."""
    if path.exists():
        drop_file(aside)
        path.replace(aside)
    wal = path.with_name(f"{path.name}-wal")
    if wal.exists():
        wal.replace(aside.with_name(f"{aside.name}-wal"))
    drop_file(path)
    sync_folder(path.parent)


def _make_anew(folder: Path, roots: Collection[bytes], now_ms: int) -> None:
    """Beside its place, and then into it."""
    draft = folder / DRAFT
    drop_file(draft)
    with contextlib.closing(legible(looking(folder / ASIDE))) as old:
        keys, source, root = _keys(folder, wrapped_keys(old), roots)
        db = open_beside(draft, lambda db: db)
        try:
            data_keys = DataKeys(db, Vault(bytes(KEY_BYTES)))
            with db.atomic():
                if keys:
                    put_keys(db, keys, now_ms)
                else:
                    data_keys.make_keys(root, now_ms)
            tx = Tx(db, data_keys.unlock(root))
            with db.atomic():
                found = salvage(old, db, tx.lent_vault())
                _note(tx, found, source, now_ms)
            tx.truncate_log()
        except sqlite3.Error as error:
            raise StoreError(str(error)) from error
        finally:
            db.close()
    belong(draft)
    draft.replace(folder / DATABASE)
    drop_file(draft)
    log.warning("database: %d rows are kept, %d dropped", found.kept.total(), found.dropped.total())


def _keys(folder: Path, found: list[WrappedKey], roots: Collection[bytes]) -> tuple[list[WrappedKey], str, bytes]:
    """The data keys, where they were found, and the root that opens them. Raises ConfigError for another root."""
    copy = keycopy.read(folder)
    for keys, source in sorted(((found, "file"), (copy, "copy")), key=lambda one: -len(one[0])):
        for root in roots:
            with contextlib.suppress(SealError):
                unlock(root, keys)
                return keys, source, root
    if copy:
        raise ConfigError(WRONG_ROOT.format(path=folder / keycopy.NAME))
    return [], "none", next(iter(roots))


def _note(tx: Tx, found: Salvaged, source: str, now_ms: int) -> None:
    tx.taken_back()  # what was read of the empty tables
    mended = Mended(tx.kept_from(now_ms), source, dict(found.kept), dict(found.dropped), found.torn)
    tx.note_mended(mended)
    tx.begin_doubt()
    body = {key: value for key, value in asdict(mended).items() if key not in ("at_ms", "whole")}
    tx.emit(Event("database.mended", mended.at_ms, body))
