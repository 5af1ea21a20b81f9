"""A ledger beside the database: a file of small entries of fixed size to append to, each a keyed hash and two numbers.

What it holds is on the disk before the commit that it belongs to, so it knows at least as much as any database that it
stands beside. A database that was restored from a backup knows less, and that shows at the start. A file and no SQL.
"""

import errno
import os
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from gateway.core.changes import DIGEST_BYTES, LedgerEntry
from gateway.errors import ConfigError, StoreError
from gateway.lasting import sync_folder

MAGIC_BYTES = 8
_NUMBER_BYTES = 8
_CHECK_BYTES = 4
# Digest, headquarters' number (0 = none yet), time in ms, CRC-32 of the three.
ENTRY_BYTES = DIGEST_BYTES + 2 * _NUMBER_BYTES + _CHECK_BYTES


@dataclass(frozen=True, slots=True)
class LedgerKind:
    """What a ledger is called, how its file begins (MAGIC_BYTES), and what it costs to go without it."""

    name: str
    magic: bytes
    title: str
    without: str


@dataclass(frozen=True, slots=True)
class Found:
    """What stands in a ledger's file, as it was written. `torn`: bytes of an entry that a power cut left half;
    `damaged`: entries that are not what was written; their place in `entries` is None."""

    entries: list[LedgerEntry | None]
    torn: int
    damaged: int


class Ledger:
    """The file, to append to; made when the first entry comes. Raises ConfigError if it is no ledger of that kind."""

    def __init__(self, folder: Path, kind: LedgerKind) -> None:
        self._path = folder / kind.name
        self._kind = kind
        self._size = whole_bytes(self._path, kind)

    @property
    def count(self) -> int:
        """Entries in the file, damaged ones too."""
        return max(0, self._size - MAGIC_BYTES) // ENTRY_BYTES

    @property
    def first(self) -> LedgerEntry | None:
        """The first entry; None without one, or if it cannot be read."""
        if not self.count:
            return None
        try:
            with self._path.open("rb") as file:
                file.seek(MAGIC_BYTES)
                return _parse(file.read(ENTRY_BYTES))
        except OSError:
            return None

    def read(self) -> Found | None:
        """Everything in the file. Raises ConfigError."""
        return read(self._path, self._kind)

    def append(self, entries: Collection[LedgerEntry]) -> None:
        """On the disk when this returns. Raises StoreError, and then nothing of it counts."""
        data = b"".join(_bytes_of(one) for one in entries)
        if not data:
            return
        try:
            self._write(data)
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            raise StoreError(f"{self._kind.title}: {'disk is full' if full else error.strerror}") from error

    def replace(self, entries: Collection[LedgerEntry]) -> None:
        """Write the file anew, whole or not at all. Raises StoreError."""
        draft = self._path.with_suffix(".new")
        try:
            draft.unlink(missing_ok=True)
            anew = Ledger(draft.parent, LedgerKind(draft.name, self._kind.magic, self._kind.title, self._kind.without))
            anew.append(entries)
            draft.replace(self._path)
            sync_folder(self._path.parent)
            self._size = anew._size
        except OSError as error:
            raise StoreError(f"{self._kind.title}: {error.strerror}") from error

    def _write(self, data: bytes) -> None:
        fd = os.open(self._path, os.O_CREAT | os.O_WRONLY, 0o600)
        try:
            if os.fstat(fd).st_size < self._size:
                self._size = 0  # somebody took it away: the next start sees what is missing
            new = self._size == 0
            os.ftruncate(fd, self._size)  # a torn end, or what a full disk took the half of
            _write_whole(fd, self._kind.magic + data if new else data, self._size)
            os.fsync(fd)
        finally:
            os.close(fd)
        if new:
            sync_folder(self._path.parent)
        self._size += len(data) + (MAGIC_BYTES if new else 0)


def whole_bytes(path: Path, kind: LedgerKind) -> int:
    """How much of the file is whole: 0 without one. Raises ConfigError."""
    try:
        with path.open("rb") as file:
            begin, size = file.read(MAGIC_BYTES), os.fstat(file.fileno()).st_size
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise ConfigError(f"{path}: {kind.title} cannot be read: {error.strerror}") from error
    if begin == kind.magic:
        return size - (size - MAGIC_BYTES) % ENTRY_BYTES
    if kind.magic.startswith(begin):  # the power went while the very first entry was written
        return 0
    raise ConfigError(
        f"{path}: is no {kind.title.removeprefix('the ')}; put back the newest copy of it, or remove the file: "
        f"{kind.without}"
    )


def read(path: Path, kind: LedgerKind) -> Found | None:
    """What the file holds, None without one. Changes nothing. Raises ConfigError."""
    whole = whole_bytes(path, kind)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{path}: {kind.title} cannot be read: {error.strerror}") from error
    entries = [_parse(data[at : at + ENTRY_BYTES]) for at in range(MAGIC_BYTES, whole, ENTRY_BYTES)]
    return Found(entries, len(data) - whole, entries.count(None))


def _bytes_of(one: LedgerEntry) -> bytes:
    body = one.digest + one.seq.to_bytes(_NUMBER_BYTES, "big") + one.at_ms.to_bytes(_NUMBER_BYTES, "big")
    return body + zlib.crc32(body).to_bytes(_CHECK_BYTES, "big")


def _parse(data: bytes) -> LedgerEntry | None:
    body, check = data[:-_CHECK_BYTES], data[-_CHECK_BYTES:]
    if zlib.crc32(body).to_bytes(_CHECK_BYTES, "big") != check:
        return None
    seq = int.from_bytes(body[DIGEST_BYTES : DIGEST_BYTES + _NUMBER_BYTES], "big")
    return LedgerEntry(body[:DIGEST_BYTES], seq, int.from_bytes(body[DIGEST_BYTES + _NUMBER_BYTES :], "big"))


def _write_whole(fd: int, data: bytes, at: int) -> None:
    """A disk that becomes full meanwhile takes a part and says so only when it is asked again."""
    written = 0
    while written < len(data):
        count = os.pwrite(fd, data[written:], at + written)
        if not count:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written += count
