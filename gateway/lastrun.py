"""Which run of the service wrote this database last: a mark in it and the same in a file beside it.

A database that was put back from a backup has the mark of an earlier run, so it may not go on with its numbers.
"""

import os
import secrets
from pathlib import Path

from gateway.lasting import sync_folder
from gateway.records import Tx

NAME = "gateway.run"
_MARK = "run"


def is_backup(tx: Tx, folder: Path) -> bool:
    """Whether another run than the last one left this database. Changes nothing."""
    kept = tx.meta(_MARK)
    try:
        marks = (folder / NAME).read_text(encoding="ascii", errors="replace").split()
    except OSError:
        marks = []
    return kept is not None and kept not in marks


def begin(tx: Tx, folder: Path) -> None:
    """Mark a new run, outside a transaction. A power cut at any point of it looks like no backup: the file has both
    marks until `end`. Raises OSError or the database's own error; this run then has the mark of the one before."""
    new = secrets.token_hex(8)
    _write(folder / NAME, f"{tx.meta(_MARK) or ''} {new}")
    with tx.db.atomic():
        tx.put_meta(_MARK, new)


def end(tx: Tx, folder: Path) -> None:
    """From now on only this run's mark is right. Raises OSError."""
    _write(folder / NAME, tx.meta(_MARK) or "")


def _write(path: Path, text: str) -> None:
    draft = path.with_suffix(".new")
    fd = os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    try:
        os.write(fd, text.encode())
        os.fsync(fd)
    finally:
        os.close(fd)
    draft.replace(path)
    sync_folder(path.parent)
