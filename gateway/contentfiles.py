"""Files named by the SHA-256 of their bytes, in one folder: written piece by piece, verified, then renamed. Blocks.

A name without an ending is a whole, verified file; what is being fetched ends in ".part". So a power cut at any point
leaves whole files and at most one torn beginning, of which whole pieces are kept and the hash decides in the end.
"""

import errno
import hashlib
import os
import re
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import BinaryIO, Literal

from gateway.core import media, torn
from gateway.core.content import FileRef
from gateway.core.fetching import whole_pieces

PART = ".part"
# Left free for the database, its log and the ballast.
RESERVE_BYTES = 128 * 1024 * 1024
# Dirty pages of a file are flushed so often that a commit beside it never waits for more than this.
SYNC_BYTES = 1024 * 1024
CHUNK_BYTES = 1024 * 1024

Verdict = Literal["ok", "hash", "type", "size", "too_large", "torn"]

_NAME = re.compile(r"[0-9a-f]{64}")


class ContentFiles:
    """One folder of files; one file at a time is being written. OSError where the disk refuses."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._part: Path | None = None
        self._digest = hashlib.sha256()
        self._unsynced = 0

    def holds(self, ref: FileRef) -> bool:
        """Whether this file is here, whole."""
        try:
            return (self._folder / ref.sha256).stat().st_size == ref.bytes
        except FileNotFoundError:
            return False

    def path(self, sha256: str) -> Path | None:
        """Where a whole file is; None for one that is not here, and for what is no hash."""
        path = self._folder / sha256
        return path if _NAME.fullmatch(sha256) and path.is_file() else None

    def begin(self, ref: FileRef) -> int:
        """Go on with a file; how many bytes of it are here. OSError (ENOSPC) where it would fill the disk."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / (ref.sha256 + PART)
        path.touch(mode=0o600)
        held = whole_pieces(path.stat().st_size, ref.bytes)
        if shutil.disk_usage(self._folder).free < ref.bytes - held + RESERVE_BYTES:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.truncate(path, held)
        self._digest, self._unsynced, self._part = _digest(path), 0, path
        return held

    def append(self, data: bytes) -> None:
        """The next bytes of the file that was begun."""
        assert self._part is not None
        with self._part.open("ab") as file:
            file.write(data)
            self._unsynced += len(data)
            if self._unsynced >= SYNC_BYTES:
                file.flush()
                os.fdatasync(file.fileno())
                self._unsynced = 0
        self._digest.update(data)

    def finish(self, ref: FileRef, use: str) -> Verdict:
        """Verify the file that was begun, as a picture, video, logo or font, and put it in its place; what is not "ok"
        is thrown away."""
        assert self._part is not None
        path, self._part = self._part, None
        verdict: Verdict = "ok"
        with path.open("rb") as file:
            os.fsync(file.fileno())
            if self._digest.hexdigest() != ref.sha256 or path.stat().st_size != ref.bytes:
                verdict = "hash"
            else:
                verdict = _fault_of(file, ref.bytes, use) or "ok"
        if verdict != "ok":
            path.unlink()
            return verdict
        path.rename(self._folder / ref.sha256)
        self._sync_folder()
        return "ok"

    def head(self, sha256: str) -> bytes:
        """The beginning of a whole file."""
        with (self._folder / sha256).open("rb") as file:
            return file.read(media.HEAD_BYTES)

    def drop_others(self, keep: Collection[str]) -> int:
        """Delete every file but these, begun ones among them; how many that were."""
        if not self._folder.is_dir():
            return 0
        gone = 0
        for path in self._folder.iterdir():
            name = path.name.removesuffix(PART)
            if _NAME.fullmatch(name) and name not in keep:
                path.unlink()
                gone += 1
        return gone

    def _sync_folder(self) -> None:
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _fault_of(file: BinaryIO, size: int, use: str) -> Verdict | None:
    """As core.media.fault and core.torn, as a verdict."""

    def read(at: int, length: int) -> bytes:
        file.seek(at)
        return file.read(length)

    match media.fault(read(0, media.HEAD_BYTES), use):
        case None:
            return "torn" if torn.is_torn(read, size) else None
        case "size":
            return "size"
        case "too_large":
            return "too_large"
    return "type"


def _digest(path: Path) -> "hashlib._Hash":
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest
