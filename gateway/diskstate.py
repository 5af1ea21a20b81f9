"""Why the disk refuses to write, in words, and what helps: SQLite's own words hide that a disk became read-only."""

import errno
import os
from pathlib import Path

from gateway.errors import StoreError

READ_ONLY = "the disk is read-only"
READ_ONLY_HELP = (
    "Mount it for writing again (`sudo mount -o remount,rw ...`, or restart the box). A card that the system made"
    " read-only by itself is failing (`dmesg` says why): replace it."
)


def is_read_only(path: Path) -> bool:
    """Whether the disk of the folder at `path`, or above it where that is not made yet, takes no writes at all."""
    existing = next(one for one in (path, *path.absolute().parents) if one.exists())
    try:
        # A file without a name, gone at once: of a file system that ext4 shut after an error the mount does not say it.
        os.close(os.open(existing, os.O_TMPFILE | os.O_WRONLY, 0o600))
    except OSError as error:
        return error.errno == errno.EROFS
    return False


def said(folder: Path, error: Exception | str) -> str:
    """`error` of writing into `folder`, with what it hides."""
    return f"{READ_ONLY} ({error}). {READ_ONLY_HELP}" if is_read_only(folder) else str(error)


def refusal(folder: Path, error: Exception | str) -> StoreError:
    """What the store tells: nothing was committed."""
    if is_read_only(folder):
        return StoreError(f"the disk refused: it is read-only ({error})", READ_ONLY_HELP)
    return StoreError(f"the disk refused: {error}")
