"""The gateway's SQLite file itself: opened privately, brought to this release, unlocked with its root key; looked at.

What it holds is `gateway.records`' business, and who writes when is `gateway.store`'s.
"""

import contextlib
import os
import sqlite3
import stat
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from sqlite_utils import Database

from gateway import keycopy
from gateway.core.keyring import Sealed
from gateway.core.model import ShopConfig
from gateway.core.trial import Steered
from gateway.core.vault import KEY_BYTES, Vault
from gateway.diskstate import said
from gateway.errors import ConfigError, SealError, StoreError
from gateway.migrations import migrate
from gateway.records import Tx
from gateway.tables.catalogue import Catalogue
from gateway.tables.datakeys import DataKeys
from gateway.tables.taps import TapsAndKeys
from gateway.tables.trials import TrialRows

T = TypeVar("T")

DATABASE = "gateway.db"
ASIDE = "gateway.damaged.db"  # what gateway.mending made another one from
BUSY_TIMEOUT_S = 5.0
CHECKED_AT_ONCE = 500  # members, for whoever looks at the file without the service
_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_SIDE_FILES = ("", "-wal", "-shm", "-journal")
_OURS = {
    ".db",
    ".db-wal",
    ".db-shm",
    ".db-journal",
    ".ballast",
    ".key",
    ".new",
    ".next",
    ".ledger",
    ".run",
    ".sock",
    ".check",
}

WRONG_ROOT = (
    "{path}: this box's root key does not open it. Bring back the site.key (or the credential) with which it was "
    "written; or move the file away, and headquarters sends everything again (docs/keys.md)"
)
OPEN_FOLDER = "{path}: others may read this folder; expected one for this service alone, of mode 700 (chmod 700 {path})"


def open_file(path: Path, root: bytes, now_ms: int = 0) -> Tx:
    """The file at `path`, made if it is not there, with all its tables; nothing in it is in clear that must not be.

    Raises ConfigError if it cannot be opened, if others may read it, if a newer release wrote it, or if `root` is not
    its root key; in the last two cases nothing is changed.
    """
    db = _connect(path)
    try:
        keys = DataKeys(db, _no_vault())
        if keys.has_keys():
            keys.unlock(root)
        migrate(db)
        with db.atomic():
            if not keys.has_keys():
                keys.make_keys(root, now_ms)
        tx = Tx(db, keys.unlock(root))
        if tx.meta("clear_left") is not None:
            _leave_nothing_clear(db, tx)
    except SealError:
        db.close()
        raise ConfigError(WRONG_ROOT.format(path=path)) from None
    except (OSError, sqlite3.Error) as error:
        db.close()
        raise ConfigError(f"{path}: the database cannot be opened: {said(path.parent, error)}") from error
    except ConfigError:
        db.close()
        raise
    return tx


def open_beside(path: Path, made: Callable[[Database], T]) -> T:
    """A file of the same tables beside the gateway's own, made if it is not there; `made` is given its connection and
    brings the keys. Raises StoreError; whatever it held that cannot be opened is to be dropped (`drop_file`)."""
    with refusals():
        try:
            db = _connect(path)
            migrate(db)
        except ConfigError as error:
            raise StoreError(str(error)) from error
        return made(db)


def drop_file(path: Path) -> None:
    """Delete a file of that kind with its log. Raises OSError."""
    for name in _SIDE_FILES:
        path.with_name(path.name + name).unlink(missing_ok=True)


@contextlib.contextmanager
def refusals() -> Iterator[None]:
    """What SQLite or the disk refuses inside, as StoreError."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"the disk refused: {error}") from error


def rewrap(path: Path, roots: Sequence[bytes], root: bytes) -> None:
    """From now on only `root` opens the file, whichever of `roots` did; the old wrapping is nowhere in it any more.

    A file that is not there yet, or of an older release, has nothing to wrap. Raises ConfigError.
    """
    if not path.exists():
        return
    db = _connect(path)
    try:
        keys = DataKeys(db, _no_vault())
        if keys.has_keys():
            with _alone(db):
                keys.rewrap(roots, root)
            drop_file(path.with_name(ASIDE))  # whose keys the old root still opens
            keycopy.write(path.parent, keys.wrapped())
            # Not waited for longer than BUSY_TIMEOUT_S; the service's next checkpoint overwrites it else.
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except SealError:
        raise ConfigError(WRONG_ROOT.format(path=path)) from None
    except (OSError, sqlite3.Error) as error:
        raise ConfigError(f"{path}: the database cannot be written: {error}") from error
    finally:
        db.close()


def ask_rekey(path: Path) -> None:
    """The service is to seal everything with a new field key, now or at its next start. Raises ConfigError."""
    if not path.exists():
        raise ConfigError(f"{path}: no such file; start the service once, then there is something to seal")
    db = _connect(path)
    try:
        keys = DataKeys(db, _no_vault())
        if not keys.has_keys():
            raise ConfigError(f"{path}: an older release wrote it; start the service once, which seals it")
        with db.atomic():
            keys.ask_rekey()
        drop_file(path.with_name(ASIDE))  # nothing will be sealed anew there
    except (OSError, sqlite3.Error) as error:
        raise ConfigError(f"{path}: the database cannot be written: {error}") from error
    finally:
        db.close()


# --- for whoever only looks --------------------------------------------------------------------------------------


def kept_keys(path: Path) -> tuple[Sealed, ...] | None:
    """The terminal keys in the file at `path`, sealed; None without such a file."""
    none: tuple[Sealed, ...] = ()
    return looked_up(path, lambda db: TapsAndKeys(db, _no_vault()).terminal_keys(), none)


def kept_meta(path: Path, key: str) -> str | None:
    """What the file at `path` keeps under a name; None without it, or without such a file."""
    return looked_up(path, lambda db: TapsAndKeys(db, _no_vault()).meta(key), None)


def kept_shop(path: Path) -> ShopConfig | None:
    """What headquarters configured, from the file at `path`; None without such a file."""
    return looked_up(path, lambda db: Catalogue(db, _no_vault()).shop(), ShopConfig())


def kept_settings(path: Path) -> Steered | None:
    """Headquarters' settings that count, from the file at `path`; None without such a file."""
    return looked_up(path, lambda db: TrialRows(db, _no_vault()).steered(), Steered())


def vault_of(path: Path, *roots: bytes) -> Vault | None:
    """The vault of the file at `path`, by whichever root opens it; None where there is none yet.

    Raises ConfigError, also if none of `roots` is its root.
    """

    def unlock(db: Database) -> Vault | None:
        keys = DataKeys(db, _no_vault())
        if not keys.has_keys():
            return None
        return keys.unlock(*roots)

    try:
        return looked_up(path, unlock, None)
    except SealError:
        raise ConfigError(WRONG_ROOT.format(path=path)) from None


def examined(path: Path, *roots: bytes) -> Counter[str] | None:
    """How many sealed values of the file at `path` do not open, by table; None where nothing is sealed yet.

    Raises ConfigError, also if none of `roots` is its root.
    """
    vault = vault_of(path, *roots)
    nothing: Counter[str] = Counter()
    return None if vault is None else looked_up(path, lambda db: DataKeys(db, vault).open_all(), nothing)


def read_opened(path: Path, roots: Sequence[bytes], read: Callable[[Tx], T]) -> T | None:
    """What `read` finds in the file at `path`, sealed values opened, also while the service runs on it; None without
    such a file, or before the service has begun it.

    Nothing is written, and each look is by itself: none keeps the service from emptying its log. Raises ConfigError,
    also if none of `roots` is its root.
    """
    vault = vault_of(path, *roots)
    return None if vault is None else looked_up(path, lambda db: read(Tx(db, vault)), None)


def broken_logs(path: Path, *roots: bytes) -> int | None:
    """Members whose consent log in the file at `path` was changed from outside; None without such a file.

    Raises ConfigError, also if none of `roots` is its root.
    """
    vault = vault_of(path, *roots)
    if vault is None:
        return None

    def count(db: Database) -> int:
        tx, found, after = Tx(db, vault), 0, ""
        while True:
            last, broken = tx.check_consents(after, CHECKED_AT_ONCE)
            found += len(broken)
            if last is None:
                return found
            after = last

    return looked_up(path, count, 0)


def looked_up(path: Path, read: Callable[[Database], T], of_older: T) -> T | None:
    """What `read` finds in the file at `path`; `of_older` where an older release made it. Raises ConfigError.

    Makes nothing, also no log beside the file, which would belong to whoever looked.
    """
    if not path.exists():
        return None
    try:
        with contextlib.closing(looking(path)) as connection:
            return read(Database(connection))
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return of_older
        raise ConfigError(f"{path}: the database cannot be read: {error}") from error
    except sqlite3.Error as error:
        raise ConfigError(f"{path}: the database cannot be read: {error}") from error


def looking(path: Path) -> sqlite3.Connection:
    """A connection that changes nothing, also while the service runs on the file. Raises SQLite's own errors."""
    mode = "mode=ro" if path.with_name(f"{path.name}-wal").exists() else "immutable=1"
    return sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True)


def means_damage(error: BaseException) -> bool:
    """Whether SQLite says by this error that the file is damaged."""
    return isinstance(error, sqlite3.DatabaseError) and getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGE


# --- inside ------------------------------------------------------------------------------------------------------


def _connect(path: Path) -> Database:
    try:
        make_private(path)
        connection = sqlite3.connect(path, check_same_thread=False, timeout=BUSY_TIMEOUT_S)
    except (OSError, sqlite3.Error) as error:
        raise ConfigError(f"{path}: the database cannot be opened: {said(path.parent, error)}") from error
    try:
        # WAL with FULL: what was committed survives a power cut. Both belong to the connection, so set them each time.
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "secure_delete = ON", "trusted_schema = OFF"):
            connection.execute(f"PRAGMA {pragma}").fetchone()
    except sqlite3.Error as error:
        connection.close()
        raise ConfigError(f"{path}: the database cannot be opened: {said(path.parent, error)}") from error
    return Database(connection)


def make_private(path: Path) -> None:
    """Nobody else reads the file at `path` or its folder, from before its first byte; both are made where missing.

    A folder that holds nothing but what is ours is closed to others. Raises ConfigError for any other that they may
    read, and OSError.
    """
    folder = path.parent
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    about = folder.stat()
    if stat.S_IMODE(about.st_mode) & 0o077:
        # Somebody may have named a folder of the system's, which must stay as it is.
        ours = all(file.suffix in _OURS for file in folder.iterdir())
        if not ours or about.st_uid != os.geteuid():
            raise ConfigError(OPEN_FOLDER.format(path=folder))
        folder.chmod(0o700)
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
    for name in _SIDE_FILES:
        file = path.with_name(path.name + name)
        with contextlib.suppress(FileNotFoundError):
            if stat.S_IMODE(file.stat().st_mode) & 0o077:
                file.chmod(0o600)


def _leave_nothing_clear(db: Database, tx: Tx) -> None:
    """Once after the update from a release that sealed nothing: no old byte stays in the file or its log.

    A full disk or a reader puts the second half off to the next start; freed pages are overwritten with zeros anyway.
    """
    with db.atomic():
        tx.seal_outbox()
    with contextlib.suppress(sqlite3.OperationalError):
        db.execute("VACUUM")
        if tx.truncate_log():
            with db.atomic():
                tx.drop_meta("clear_left")


@contextlib.contextmanager
def _alone(db: Database) -> Iterator[None]:
    """One transaction that waits for its turn before it reads: the service may be writing meanwhile."""
    db.conn.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        db.conn.execute("ROLLBACK")
        raise
    db.conn.execute("COMMIT")


def _no_vault() -> Vault:
    """For tables of which nothing is opened."""
    return Vault(bytes(KEY_BYTES))
