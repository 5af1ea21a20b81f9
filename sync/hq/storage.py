"""What headquarters asks of a database. Those who build on it write SQL that SQLite and PostgreSQL both understand.

Placeholders are `?`. What only one of them knows (operators on JSON, inserts that replace, row numbers) stays
out of `sync.hq`: what is looked for stands in a column of its own, and numbers come from the table `counter`. Tables
are declared in SQLite's words.
"""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from gateway.errors import PeerError, StoreError

Row = dict[str, Any]

HOLD_S = 10  # without a word from a process its duties are free


@dataclass(frozen=True, slots=True)
class Url:
    """A PostgreSQL database, and the folder of files for screens, which all processes on it share."""

    text: str
    files: Path = Path("hq.content")

    def __str__(self) -> str:
        """For people, without a password."""
        found = urlsplit(self.text)
        user, _, host = found.netloc.rpartition("@")
        return f"{found.scheme}://{user.partition(':')[0]}{'@' if user else ''}{host}{found.path}"


class RefusedError(StoreError):
    """The database refuses what one statement was to write or reckon, such as a number of more than 64 bits: not that
    of any other. Its words hold no value, for who is refused may be a member."""


# A part of a transaction that fails so is taken back alone; whatever else goes wrong takes the whole with it.
REFUSALS = (PeerError, RefusedError)

Db = Path | Url  # a file of SQLite, or a PostgreSQL database


def place(text: str) -> Db:
    """What --db names."""
    return Url(text) if text.startswith(("postgresql://", "postgres://")) else Path(text)


class Cursor(Protocol):
    """What a statement brought."""

    @property
    def rowcount(self) -> int: ...

    @property
    def description(self) -> Any:
        """None where the statement brings no rows, so that none can be fetched."""

    def fetchone(self) -> Any: ...

    def fetchall(self) -> list[Any]: ...


class Storage(Protocol):
    """One database. Any thread may call it; StoreError when disk, server or line to it refuse, and then nothing of the
    transaction is committed; RefusedError when that is about one statement alone."""

    def transaction(self) -> AbstractContextManager[None]:
        """One transaction, durable once it ends without an exception. One writer at a time: it sees all that was
        committed before, and who reads sees what writers wrote in the order in which they did.

        Inside another one of the same thread it is a part of that: an exception takes back the part alone, and it is
        durable with the whole."""

    def execute(self, sql: str, values: Sequence[object] = ()) -> Cursor:
        """Inside a transaction."""

    def executemany(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        """The same for each of `rows`, inside a transaction."""

    def read(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        """The rows of a query, outside a transaction."""

    def scrub(self) -> None:
        """What was deleted leaves the database's own log, where that can be had; inside a transaction: at its end."""

    def hold(self, duty: int) -> bool:
        """Whether this process has a duty that one process at a time may have; it keeps it as long as it asks within
        HOLD_S. It loses all of its duties when it ends, freezes or loses the database."""

    def close(self) -> None: ...
