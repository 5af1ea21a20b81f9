"""Which run of the service wrote this database last: a mark in it and the same in a file beside it.

A database that was put back from a backup has the mark of an earlier run, so it may not go on with its numbers. A
backup of the same run knows fewer of the steps in which a ledger was written than the file does; a step that a power
cut took half was never told to anybody, and is in neither.
"""

import secrets
from pathlib import Path

from gateway.lasting import put
from gateway.records import Tx

NAME = "gateway.run"
_MARK = "run"
_STEPS = "ledger_steps"
_COUNTED = "steps:"


def is_backup(tx: Tx, folder: Path) -> bool:
    """Whether another run than the last one left this database. Changes nothing."""
    kept = tx.meta(_MARK)
    return kept is not None and kept not in _words(folder)


def is_behind(tx: Tx, folder: Path) -> bool:
    """Whether steps with a ledger were committed that this database does not have, or nobody can say. Changes
    nothing."""
    counted = _counted(folder).removeprefix(_COUNTED)
    return not counted.isdecimal() or _steps(tx) < int(counted)


def count_step(tx: Tx) -> None:
    """A ledger is written together with this transaction; `end` is to be called after its commit."""
    tx.put_meta(_STEPS, str(_steps(tx) + 1))


def begin(tx: Tx, folder: Path) -> None:
    """Mark a new run, outside a transaction. A power cut at any point of it looks like no backup: the file has both
    marks until `end`. Raises OSError or the database's own error; this run then has the mark of the one before."""
    new = secrets.token_hex(8)
    _write(folder / NAME, f"{tx.meta(_MARK) or ''} {new} {_counted(folder)}")
    with tx.db.atomic():
        tx.put_meta(_MARK, new)


def end(tx: Tx, folder: Path) -> None:
    """From now on only this run's mark is right, and the steps that this database has are committed. Raises OSError."""
    _write(folder / NAME, f"{tx.meta(_MARK) or ''} {_COUNTED}{_steps(tx)}")


def _steps(tx: Tx) -> int:
    return int(tx.meta(_STEPS) or 0)


def _counted(folder: Path) -> str:
    """How many steps the file says are committed, as it stands there; "" where it does not say."""
    return next((word for word in _words(folder) if word.startswith(_COUNTED)), "")


def _words(folder: Path) -> list[str]:
    try:
        return (folder / NAME).read_text(encoding="ascii", errors="replace").split()
    except OSError:
        return []


def _write(path: Path, text: str) -> None:
    put(path, text.encode(), 0o600)
