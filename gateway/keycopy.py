"""A copy of the wrapped data keys beside the database: without them no event that waits can be read, and no ledger.

It changes only with the keys, so it costs no writing; each is as sealed here as there. A file and no SQL.
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from gateway.core.vault import KeyUse, WrappedKey
from gateway.lasting import belong, sync_folder

NAME = "wrapped.key"


def read(folder: Path) -> list[WrappedKey]:
    """The keys; none without a copy, or if it is not what was written."""
    try:
        lines = (folder / NAME).read_text(encoding="ascii").splitlines()
        found = [line.split() for line in lines]
        return [WrappedKey(int(key_id), KeyUse(use), bytes.fromhex(wrapped)) for key_id, use, wrapped in found]
    except (OSError, ValueError):
        return []


def write(folder: Path, keys: Sequence[WrappedKey]) -> None:
    """What stood there before is overwritten: its keys may be wrapped with a root that must open nothing any more.
    Raises OSError; there is then no copy, or none of use."""
    if read(folder) == list(keys):
        return
    path, draft = folder / NAME, folder / "wrapped.new"
    with suppress(FileNotFoundError):
        _write(path, bytes(path.stat().st_size))
    _write(draft, "".join(f"{key.key_id} {key.use} {key.wrapped.hex()}\n" for key in keys).encode())
    belong(draft)
    draft.replace(path)
    sync_folder(folder)


def _write(path: Path, data: bytes) -> None:
    fd = os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)
    try:
        os.write(fd, data)
        os.ftruncate(fd, len(data))
        os.fsync(fd)
    finally:
        os.close(fd)
