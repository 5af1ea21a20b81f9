"""A file that only takes up room, so that a full disk still has some for what frees it.

In WAL mode even a DELETE needs new space; without ballast a disk that our own outbox filled could never be emptied.
"""

import os
from pathlib import Path

BALLAST_BYTES = 8 * 1024 * 1024  # room for about 2,000 commits of 4 KB pages, many times what an acknowledgement takes


class Ballast:
    """Loaded at start if there is room; thrown when the disk is full; loaded again when it can be."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.thrown = not self.load()

    def load(self) -> bool:
        """Take the room; False while the disk has none to spare."""
        try:
            self._path.touch(0o600)
            self._path.chmod(0o600)  # as its neighbours, also where an earlier release made it
            with self._path.open("ab") as file:
                os.posix_fallocate(file.fileno(), 0, BALLAST_BYTES)
        except OSError:
            self._path.unlink(missing_ok=True)
            return False
        self.thrown = False
        return True

    def throw(self) -> None:
        """Give the room back to the disk."""
        self._path.unlink(missing_ok=True)
        self.thrown = True
