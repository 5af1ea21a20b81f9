"""Which run of the service wrote this database last: a mark in it and the same in a file beside it.

A database that was put back from a backup has the mark of an earlier run, so it may not go on with its numbers.
"""

import contextlib
import os
import secrets
from pathlib import Path

from gateway.records import Tx

NAME = "gateway.run"
_MARK = "run"


def begin(tx: Tx, folder: Path) -> bool:
    """Mark a new run; outside a transaction, before anything else is written. True = the database is from a backup.

    A power cut at any point of it tells no backup: the file has both marks until `end`.
    """
    path, kept = folder / NAME, tx.meta(_MARK)
    try:
        marks = path.read_text(encoding="ascii", errors="replace").split()
    except OSError:
        marks = []
    new = secrets.token_hex(8)
    with contextlib.suppress(OSError):  # a full disk: this run has the mark of the one before
        _write(path, f"{kept or ''} {new}")
        with tx.db.atomic():
            tx.put_meta(_MARK, new)
    return kept is not None and kept not in marks


def end(tx: Tx, folder: Path) -> None:
    """From now on only this run's mark is right."""
    with contextlib.suppress(OSError):
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
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
