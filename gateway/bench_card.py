"""A memory card to measure on: what really reaches the device, as the kernel counts it.

Where root may, an ext4 image on a tmpfs behind a loop device of its own: bytes and flushes of everybody who writes
there, the file system's journal included. Elsewhere an ordinary folder, and what this process gave to its disk.
"""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

IMAGE_MB = 192
SECTOR_BYTES = 512  # of /sys/block/*/stat, whatever the device's own are
_MEMORY = Path("/dev/shm")  # a tmpfs on every Linux
# Else ext4 goes on preparing itself for minutes, and what it writes would be counted.
_MAKE = ("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0")
_WRITTEN, _FLUSHES = 6, 15  # places in /sys/block/*/stat: sectors written; flushes, since Linux 5.5


@dataclass(frozen=True, slots=True)
class Written:
    """What was written until now; `flushes` None where nobody counts them."""

    size: int
    flushes: int | None


@dataclass(frozen=True, slots=True)
class Card:
    """`how`: what is counted, in words."""

    folder: Path
    how: str
    stat: Path | None

    def written(self) -> Written:
        """With everything that still waits in the file system's memory."""
        subprocess.run(["sync", "--file-system", str(self.folder)], check=True)
        if self.stat is None:
            lines = Path("/proc/self/io").read_text(encoding="ascii").splitlines()
            return Written(int(dict(line.split(": ") for line in lines)["write_bytes"]), None)
        fields = [int(field) for field in self.stat.read_text(encoding="ascii").split()]
        return Written(fields[_WRITTEN] * SECTOR_BYTES, fields[_FLUSHES] if len(fields) > _FLUSHES else None)


@contextmanager
def card(size_mb: int = IMAGE_MB) -> Iterator[Card]:
    """An empty card, gone at the end."""
    with ExitStack() as ends:
        try:
            one = _of_its_own(ends, size_mb)
        except (OSError, subprocess.CalledProcessError):
            ends.close()
            folder = Path(ends.enter_context(tempfile.TemporaryDirectory()))
            one = Card(folder, "of this process", None)
        yield one


def _of_its_own(ends: ExitStack, size_mb: int) -> Card:
    """Raises OSError and CalledProcessError where root, loop devices or ext4 are missing."""
    folder = Path(ends.enter_context(tempfile.TemporaryDirectory(dir=_MEMORY)))
    image, mounted = folder / "image", folder / "card"
    with image.open("wb") as file:
        file.truncate(size_mb * 1024 * 1024)
    _run(*_MAKE, str(image))
    device = _run("losetup", "--find", "--show", str(image))
    ends.callback(_run, "losetup", "--detach", device)
    mounted.mkdir()
    _run("mount", "-o", "noatime", device, str(mounted))
    ends.callback(_run, "umount", str(mounted))
    return Card(mounted, "at the device, an ext4 of its own", Path("/sys/block") / Path(device).name / "stat")


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
