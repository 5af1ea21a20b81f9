"""The ledger of erasures beside the database: whom this shop must never know again, as keyed hashes. A file and no SQL.

It is written and on the disk before the commit that erases, so it knows at least as much as any database that it stands
beside. A database that was restored from a backup knows less, and that shows at start (`recover`).
"""

import errno
import os
import zlib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gateway.core.changes import Erased
from gateway.core.model import Event
from gateway.errors import ConfigError, StoreError
from gateway.records import Tx
from gateway.tables.erasures import DIGEST_BYTES

NAME = "erasures.ledger"
MAGIC = b"SGERASE1"
_NUMBER_BYTES = 8
_CHECK_BYTES = 4
# Digest, headquarters' number (0 = asked for here, and not numbered yet), time in ms, CRC-32 of the three.
ENTRY_BYTES = DIGEST_BYTES + 2 * _NUMBER_BYTES + _CHECK_BYTES


@dataclass(frozen=True, slots=True)
class Found:
    """What stands in a ledger's file. `torn`: bytes of an entry that a power cut left half; `damaged`: entries that
    are not what was written."""

    entries: dict[bytes, Erased]
    torn: int
    damaged: int


class Ledger:
    """The file, to append to; made when the first entry comes. Raises ConfigError if `path` is no ledger."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size = 0  # up to here it is whole
        found = read(path)
        if found is not None:
            self._size = path.stat().st_size - found.torn
        self.found: Found | None = found

    def append(self, entries: Iterable[Erased]) -> None:
        """On the disk when this returns. Raises StoreError, and then nothing of it counts."""
        data = b"".join(_entry(one) for one in entries)
        if not data:
            return
        try:
            self._write(data)
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            raise StoreError(f"the ledger of erasures: {'disk is full' if full else error.strerror}") from error

    def replace(self, entries: Iterable[Erased]) -> None:
        """Write the file anew, whole or not at all. Raises StoreError."""
        draft = self._path.with_suffix(".new")
        try:
            draft.unlink(missing_ok=True)
            Ledger(draft).append(entries)
            draft.replace(self._path)
            _sync_folder(self._path.parent)
            self._size = self._path.stat().st_size
        except OSError as error:
            raise StoreError(f"the ledger of erasures: {error.strerror}") from error

    def _write(self, data: bytes) -> None:
        new = self._size == 0
        fd = os.open(self._path, os.O_CREAT | os.O_WRONLY, 0o600)
        try:
            os.ftruncate(fd, self._size)  # a torn end, or what a full disk took the half of
            os.pwrite(fd, MAGIC + data if new else data, self._size)
            os.fsync(fd)
        finally:
            os.close(fd)
        if new:
            _sync_folder(self._path.parent)
        self._size += len(data) + (len(MAGIC) if new else 0)


def read(path: Path) -> Found | None:
    """What the file holds, None without one. Changes nothing. Raises ConfigError."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{path}: the ledger of erasures cannot be read: {error.strerror}") from error
    if not data.startswith(MAGIC):
        if MAGIC.startswith(data):  # the power went while the very first entry was written
            return Found({}, len(data), 0)
        raise ConfigError(
            f"{path}: is no ledger of erasures; put back the newest copy of it, or remove the file: nobody is then "
            "recognised until headquarters has told all erasures again"
        )
    entries: dict[bytes, Erased] = {}
    damaged = 0
    for at in range(len(MAGIC), len(data) - ENTRY_BYTES + 1, ENTRY_BYTES):
        one = _parse(data[at : at + ENTRY_BYTES])
        if one is None:
            damaged += 1
        elif one.digest not in entries or entries[one.digest].seq < one.seq:
            entries[one.digest] = one
    return Found(entries, (len(data) - len(MAGIC)) % ENTRY_BYTES, damaged)


@dataclass(frozen=True, slots=True)
class Recovery:
    """`erased`: members whom a restored database had brought back. `doubt`: the ledger lacks what the database
    remembers, so that both may be old and only headquarters knows who else was erased."""

    erased: int = 0
    doubt: bool = False


def recover(tx: Tx, ledger: Ledger) -> Recovery:
    """Make database and ledger agree, before anything else is done with either: what one knows, both know."""
    known = tx.erasures()
    written = ledger.found.entries if ledger.found is not None else {}
    lost = {digest: one for digest, one in written.items() if digest not in known or known[digest].seq < one.seq}
    members = tx.members_of(lost.keys()) if lost.keys() - known.keys() else {}
    for digest, one in lost.items():
        tx.keep_erasure(one)
        member_id = members.get(digest)
        if member_id is None:
            continue
        tx.erase_member(member_id, one.seq, one.at_ms)
        if one.seq == 0:  # headquarters may not have heard of it either
            tx.emit(Event("erasure.requested", one.at_ms, {"member_id": member_id, "channel": "restored"}))
    tx.take_erased()  # they stand in the ledger already
    missing = [one for digest, one in known.items() if digest not in written or written[digest].seq < one.seq]
    damaged = ledger.found is not None and ledger.found.damaged > 0
    with suppress(StoreError):  # a full disk: the next start finds them missing again
        if damaged:
            ledger.replace(tx.erasures().values())
        else:
            ledger.append(missing)
    if missing or damaged:
        tx.doubt_erasures()
    return Recovery(len(members), bool(missing) or damaged)


def _entry(one: Erased) -> bytes:
    body = one.digest + one.seq.to_bytes(_NUMBER_BYTES, "big") + one.at_ms.to_bytes(_NUMBER_BYTES, "big")
    return body + zlib.crc32(body).to_bytes(_CHECK_BYTES, "big")


def _parse(data: bytes) -> Erased | None:
    body, check = data[:-_CHECK_BYTES], data[-_CHECK_BYTES:]
    if zlib.crc32(body).to_bytes(_CHECK_BYTES, "big") != check:
        return None
    seq = int.from_bytes(body[DIGEST_BYTES : DIGEST_BYTES + _NUMBER_BYTES], "big")
    return Erased(body[:DIGEST_BYTES], seq, int.from_bytes(body[DIGEST_BYTES + _NUMBER_BYTES :], "big"))


def _sync_folder(folder: Path) -> None:
    """The file's name has to survive a power cut too."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
