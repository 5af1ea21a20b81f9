"""A release on a disk: whom this box trusts, its manifest, its packages. Whatever lies there may be anybody's."""

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from gateway.core import release
from gateway.core.release import MAX_MANIFEST_BYTES, Package, Release
from gateway.errors import ConfigError

TRUSTED = Path("/etc/store-gateway/release.pub")
MAX_KEYS_BYTES = 8_192
BLOCK_BYTES = 1 << 20


def trusted_keys(path: Path) -> list[bytes]:
    """The public keys that may sign what is installed here; none without the file. Raises ConfigError for one that
    cannot be read, has a line that is no key, or that others may write."""
    try:
        with _opened(path) as file:
            if os.fstat(file.fileno()).st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                raise ConfigError(f"{path}: others may write it; expected mode 644 (chmod 644 {path})")
            return release.public_keys(file.read(MAX_KEYS_BYTES).decode())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from None


def read_manifest(path: Path, keys: Sequence[bytes]) -> Release | str:
    """The release whose manifest lies at `path`; else the word of gateway.core.release.WHY for which it is refused."""
    try:
        with _opened(path) as file:
            return release.read(file.read(MAX_MANIFEST_BYTES + 1), keys)
    except OSError:
        return "form"


def check_package(path: Path, package: Package) -> bool:
    """Whether the file at `path` is this package, to the last byte."""
    try:
        with _opened(path) as file:
            return release.package_of(_blocks(file, package.size), package.name) == package
    except OSError:
        return False


def copy_package(source: Path, target: Path, package: Package) -> bool:
    """Whether `target` is this package now, on the disk; what is not is deleted. The source may change meanwhile, so
    what counts is what was written. Raises OSError where `target` cannot be written."""
    target.unlink(missing_ok=True)
    try:
        file = _opened(source)
    except OSError:
        return False
    with file, target.open("xb") as copy:

        def written() -> Iterator[bytes]:
            for block in _blocks(file, package.size):
                copy.write(block)
                yield block

        try:
            same = release.package_of(written(), package.name) == package
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                target.unlink()
                raise
            same = False  # a stick that was pulled out, or is broken
        copy.flush()
        os.fsync(copy.fileno())
    if not same:
        target.unlink()
    return same


def _opened(path: Path) -> BinaryIO:
    """A plain file, and nothing that a link, a pipe or a device leads to. Raises OSError."""
    file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "expected a plain file")
    return file


def _blocks(file: BinaryIO, size: int) -> Iterator[bytes]:
    """What is in it, and no more than a block beyond `size`."""
    left = size + 1
    while left > 0 and (block := file.read(min(left, BLOCK_BYTES))):
        left -= len(block)
        yield block
