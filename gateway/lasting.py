"""What makes a file and its name in a folder survive a power cut, and belong to whose folder it is."""

import os
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """A name in it is as lasting as the file. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def put(path: Path, data: bytes, mode: int, group: int = -1) -> None:
    """The file is this, also after a power cut; who reads it meanwhile finds the one before. Raises OSError."""
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    fd = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(data)
        file.flush()
        if group >= 0:
            os.fchown(fd, -1, group)
        os.fchmod(fd, mode)
        os.fsync(fd)
    draft.replace(path)
    sync_folder(path.parent)


def belong(path: Path) -> None:
    """A file that an administrator made for a service that runs as another user is that user's. Raises OSError."""
    if os.geteuid() == 0:
        owner = path.parent.stat()
        os.chown(path, owner.st_uid, owner.st_gid)
