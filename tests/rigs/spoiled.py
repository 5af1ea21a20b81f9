"""A database of which one block is rubbish, as a dying card leaves it."""

import secrets
import sqlite3
from pathlib import Path

from gateway.dbfile import DATABASE

PAGE_BYTES = 4_096


def spoil(folder: Path, table: str) -> None:
    """The first page of a table; the service does not run."""
    with sqlite3.connect(folder / DATABASE) as db:
        (page,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", [table]).fetchone()
    db.close()
    with (folder / DATABASE).open("r+b") as file:
        file.seek((page - 1) * PAGE_BYTES)
        file.write(secrets.token_bytes(PAGE_BYTES))
