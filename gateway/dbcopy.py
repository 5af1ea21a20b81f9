"""A copy of the database from before an update, as the service's own user: made, put back, or overwritten and gone.

Copied as it lies there, so what is sealed stays sealed. A program of its own: python -m gateway.dbcopy copy FOLDER
"""

import contextlib
import os
import shutil
import sqlite3
import sys
from pathlib import Path

from gateway.dbfile import DATABASE
from gateway.lasting import sync_folder

COPY = "before-update.db"
FAILED = "failed.db"
_BESIDE = ("-wal", "-shm", "-journal")
BLOCK_BYTES = 1 << 20
ROOM = 2  # of the database's size: what the service writes meanwhile has to fit, too


def copy(folder: Path) -> bool:
    """Whether a whole copy of the database, as it is now, lies beside it; the service may run. Raises OSError."""
    drop(folder)
    path = folder / COPY
    if shutil.disk_usage(folder).free < ROOM * (folder / DATABASE).stat().st_size:
        return False
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        with (
            contextlib.closing(sqlite3.connect(f"{(folder / DATABASE).as_uri()}?mode=rw", uri=True)) as source,
            contextlib.closing(sqlite3.connect(path)) as target,
        ):
            source.backup(target)  # in one step: whoever writes meanwhile does not make it begin anew
            target.execute("PRAGMA journal_mode = DELETE").fetchone()  # one file, and none beside it
            sound = target.execute("PRAGMA quick_check(1)").fetchone() == ("ok",)
    except sqlite3.Error:
        sound = False
    if not sound:
        drop(folder)
        return False
    with path.open("rb") as file:
        os.fsync(file.fileno())
    sync_folder(folder)
    return True


def put_back(folder: Path) -> bool:
    """Whether the copy is the database now. The one that was lies beside it as failed.db. The service must not run.
    Raises OSError."""
    path, kept = folder / DATABASE, folder / FAILED
    if not (folder / COPY).exists():
        return False
    for name in ("", *_BESIDE):
        kept.with_name(kept.name + name).unlink(missing_ok=True)
        with contextlib.suppress(FileNotFoundError):
            os.link(path.with_name(path.name + name), kept.with_name(kept.name + name))
    for name in _BESIDE:
        path.with_name(path.name + name).unlink(missing_ok=True)
    (folder / COPY).replace(path)
    sync_folder(folder)
    return True


def drop(folder: Path) -> bool:
    """The copy is overwritten and goes: what is erased later is in no file. Raises OSError."""
    return _wiped(folder, COPY)


def forget_failed(folder: Path, before_ms: int) -> bool:
    """Whether there was a failed.db that was last written before this time; it is overwritten and gone then. Raises
    OSError."""
    try:
        old = (folder / FAILED).stat().st_mtime_ns // 1_000_000 < before_ms
    except FileNotFoundError:
        return False
    return old and _wiped(folder, FAILED)


def _wiped(folder: Path, main: str) -> bool:
    for name in (main, *(main + beside for beside in _BESIDE)):
        with contextlib.suppress(FileNotFoundError):
            with os.fdopen(os.open(folder / name, os.O_WRONLY | os.O_NOFOLLOW), "wb") as file:
                left = os.fstat(file.fileno()).st_size
                while left > 0:
                    left -= file.write(bytes(min(left, BLOCK_BYTES)))
                file.flush()
                os.fsync(file.fileno())
            (folder / name).unlink()
    return True


def main(argv: list[str]) -> int:
    verbs = {"copy": copy, "put-back": put_back, "drop": drop}
    verb, folder = argv
    try:
        return 0 if verbs[verb](Path(folder)) else 1
    except OSError as error:
        sys.stderr.write(f"{folder}: {error.strerror}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
