"""What makes a new name in a folder survive a power cut, and belong to whose folder it is."""

import os
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """A name in it is as lasting as the file. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def belong(path: Path) -> None:
    """A file that an administrator made for a service that runs as another user is that user's. Raises OSError."""
    if os.geteuid() == 0:
        owner = path.parent.stat()
        os.chown(path, owner.st_uid, owner.st_gid)
