"""A memory card whose power can be cut at any moment: its image as it stands then is all that is left.

    tmpfs > "under", an ext4 that can be frozen > the card's image in it > loop device > ext4 "card", where we write

A cut freezes what is under the card, so that nothing is half copied, and copies the image; the copy is then the card.
This is what a power cut does to the system's memory: what was not flushed may be there or not, and the next mount
replays the journal. Not simulated: a card that lies about flushes, and blocks that it tears itself. Linux, as root.
"""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

CARD_MB = 48  # the ballast of 8 MB, a database of some MB, and the file system's own
UNDER_MB = CARD_MB + 32  # the card, and the file system's own
LIMIT_S = 60
MEMORY = Path("/dev/shm")


class PowerCut:
    """`card`: the folder that the card's file system is mounted at. `beside`: one that no cut touches."""

    def __init__(self, folder: Path, ends: ExitStack) -> None:
        """Raises OSError and CalledProcessError where this can't be made."""
        self.beside = folder / "beside"
        self._under, self.card = folder / "under", folder / "card"
        self._image, self._copy = self._under / "card.img", folder / "copy.img"
        for made in (self.beside, self._under, self.card):
            made.mkdir()
        _make(folder / "under.img", UNDER_MB)
        self._mount(folder / "under.img", self._under)
        ends.callback(_run, "umount", str(self._under))
        _make(self._image, CARD_MB)
        self._mount(self._image, self.card)
        ends.callback(_run, "umount", str(self.card))

    def empty(self) -> None:
        """A new card."""
        _run("umount", str(self.card))
        _make(self._image, CARD_MB)
        self._mount(self._image, self.card)

    def cut(self) -> None:
        """The power goes now. Whoever still writes does it for nothing, and is to be killed before `restore`."""
        _run("fsfreeze", "--freeze", str(self._under))
        try:
            _run("cp", "--sparse=always", str(self._image), str(self._copy))
        finally:
            _run("fsfreeze", "--unfreeze", str(self._under))

    def restore(self) -> None:
        """The power is back: the card is as the cut left it."""
        _run("umount", str(self.card))
        # A new file: a mount that somebody's namespace still holds would be found again, with what it has in memory.
        self._image.unlink()
        _run("cp", "--sparse=always", str(self._copy), str(self._image))
        self._mount(self._image, self.card)

    def _mount(self, image: Path, at: Path) -> None:
        _run("mount", "-o", "loop,noatime", str(image), str(at))  # the loop device goes with the mount


def _make(image: Path, size_mb: int) -> None:
    image.unlink(missing_ok=True)
    with image.open("wb") as file:
        file.truncate(size_mb * 1024 * 1024)
    _run("mkfs.ext4", "-q", "-F", str(image))


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=LIMIT_S)


@contextmanager
def power_cut() -> Iterator[PowerCut]:
    """A card that is whole; skips where this machine lets none be made."""
    with ExitStack() as ends:
        try:
            folder = Path(ends.enter_context(tempfile.TemporaryDirectory(dir=MEMORY)))
            one = PowerCut(folder, ends)
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no card can be made here, which needs root, loop devices and ext4: {error.stderr.strip()}")
        except OSError as error:
            pytest.skip(f"no card can be made here, which needs Linux, root and e2fsprogs: {error}")
        yield one
