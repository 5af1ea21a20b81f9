"""Headquarters' files for screens: one folder beside its database, each file under the SHA-256 of its bytes."""

import hashlib
import os
from collections.abc import Collection
from pathlib import Path

from gateway.core.content import FileRef
from gateway.core.fetching import PIECE_BYTES, Piece, Want


def put(folder: Path, source: Path, ref: FileRef) -> None:
    """Copy a file into the folder, whole or not at all. OSError where the disk refuses or the file has changed."""
    path = folder / ref.sha256
    if path.is_file() and path.stat().st_size == ref.bytes:
        return
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    data = source.read_bytes()
    if hashlib.sha256(data).hexdigest() != ref.sha256:
        raise OSError(f"{source} changed while it was read")
    part = folder / f"{ref.sha256}.part"
    with part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.rename(path)


def piece(folder: Path, want: Want) -> Piece:
    """The piece that begins there; without a size if there is no such file, or it is shorter."""
    path = folder / want.sha256
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            file.seek(want.start)
            data = file.read(PIECE_BYTES)
    except FileNotFoundError:
        return Piece(want.sha256, want.start, None)
    return Piece(want.sha256, want.start, size if data else None, data)


def drop_others(folder: Path, keep: Collection[str]) -> None:
    """Delete every file but these."""
    if folder.is_dir():
        for path in folder.iterdir():
            if path.name not in keep:
                path.unlink()
