"""How much this process gave to its disk, as the kernel counts it, and what a box may write in a day."""

from pathlib import Path

# For everything that a gateway writes. Five years of it are 274 GB; where a card writes ten times as much inside, each
# cell of one of 32 GB is written 86 times, and plain ones bear some hundred.
BUDGET_BYTES = 150_000_000
IO = Path("/proc/self/io")


def written_bytes(io: Path = IO) -> int | None:
    """Since the process began; None where the kernel does not count. A file system's own journal is not in it, and
    what lies in memory (tmpfs) neither."""
    try:
        lines = io.read_text(encoding="ascii").splitlines()
        return int(dict(line.split(": ", 1) for line in lines)["write_bytes"])
    except (OSError, ValueError, KeyError):
        return None
