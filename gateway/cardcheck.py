"""What the doctor finds of the memory card: how much the service writes a day, and what else of the machine writes."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from gateway import hatch, mending
from gateway.dbfile import DATABASE, kept_meta
from gateway.errors import ConfigError, UnavailableError
from gateway.finding import Finding, moment
from gateway.operating import WRITTEN
from gateway.tables.mended import mended_of
from gateway.wear import BUDGET_BYTES

WRITING, LOG, TEMPORARY, SWAP, WHOLE = "Writing to the card", "Log", "Temporary files", "Swap", "Database"
HOUR_S = 3_600
DAY_S = 24 * HOUR_S
# Before that the start itself, and whatever headquarters sends after it, would be taken for a day's habit.
TELLING_S = HOUR_S
GUIDE = "docs/sd-card.md"

_MEMORY = {"tmpfs", "ramfs", "zram"}
_ESCAPED = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Machine:
    """Where to look; tests have a folder of their own."""

    root: Path = Path("/")

    def at(self, path: str) -> Path:
        return self.root / path.removeprefix("/")


def card(data_dir: Path, thorough: bool, machine: Machine | None = None) -> list[Finding]:
    """All of it. Looks at the running service by its hatch, and waits for its answer; `thorough`: at every page of the
    database."""
    machine = machine or Machine()
    return [database(data_dir, thorough), _writing(data_dir), log_of(machine), temporary(machine), *swap(machine)]


def database(data_dir: Path, thorough: bool) -> Finding:
    """Whether SQLite finds it whole, and whether it was made anew."""
    path, step = (
        data_dir / DATABASE,
        "Restart the service, which mends it by itself. If it comes back, replace the card.",
    )
    if not path.exists():
        return Finding(WHOLE, "ok", "none yet")
    try:
        kept = kept_meta(path, "mended")
    except ConfigError as error:
        return Finding(WHOLE, "wrong", str(error), step)
    if not mending.is_whole(path, thorough=thorough):
        return Finding(WHOLE, "wrong", f"{path} is damaged", step)
    if kept is None:
        return Finding(WHOLE, "ok", "whole")
    mended = mended_of(kept)
    told = f"was damaged and made anew {moment(mended.at_ms)}: {sum(mended.kept.values()):,} rows kept"
    told += f", {sum(mended.dropped.values()):,} dropped"
    if mended.whole:
        return Finding(
            WHOLE, "missing", f"{told}; headquarters has sent the rest", "If it comes back, replace the card."
        )
    return Finding(WHOLE, "missing", f"{told}; nobody is recognised until headquarters has sent the rest", mending.HELP)


def _writing(data_dir: Path) -> Finding:
    try:
        said = hatch.ask(data_dir, {"verb": WRITTEN}) if data_dir.exists() else None
    except (ConfigError, UnavailableError) as error:
        return Finding(WRITING, "missing", f"the service was not asked: {error}", "Ask as root: sudo store-gateway ..")
    if said is None:
        return Finding(WRITING, "ok", "the service does not run, so nothing is counted")
    return writing(said.get("bytes"), said.get("seconds"))


def writing(size: object, seconds: object) -> Finding:
    """Of what the service says that it wrote, and in how long."""
    if not isinstance(size, int) or not isinstance(seconds, int | float):
        return Finding(WRITING, "ok", "this kernel does not count what the service writes")
    told = f"{_size(size)} in {_span(seconds)}"
    if seconds < TELLING_S:
        return Finding(WRITING, "ok", f"{told} since the start; bytes per day are told after an hour")
    a_day = int(size * DAY_S / seconds)
    told = f"{_size(a_day)} a day at that rate, of {_size(BUDGET_BYTES)} that are planned for ({told} since the start)"
    if a_day <= BUDGET_BYTES:
        return Finding(WRITING, "ok", told)
    step = (
        "A day on which headquarters sends all members, prices or films anew may be so. If it stays, look at what "
        f"grows in `store-gateway counts`, and send a bundle (`store-gateway bundle`). {GUIDE}"
    )
    return Finding(WRITING, "missing", told, step)


def log_of(machine: Machine) -> Finding:
    """Where systemd's journal lies: what is open in /run is not on the disk, whatever older ones stand there."""
    for folder in ("/run/log/journal", "/var/log/journal"):
        if not any(machine.at(folder).glob("*/system.journal")):
            continue
        if _in_memory(machine, folder):
            return Finding(LOG, "ok", f"{folder}, in memory; it ends with the power")
        step = "Keep it in memory: journald.conf with Storage=volatile, as the Debian package brings it. " + GUIDE
        return Finding(LOG, "missing", f"{folder}, on the disk", step)
    return Finding(LOG, "ok", "no journal of systemd's to be seen here")


def temporary(machine: Machine) -> Finding:
    """Whether /tmp, and so what programs put down for a moment, is in memory."""
    if _in_memory(machine, "/tmp"):
        return Finding(TEMPORARY, "ok", "/tmp, in memory")
    step = (
        "The service writes none; other programs may: sudo cp /usr/share/systemd/tmp.mount /etc/systemd/system/, "
        f"then sudo systemctl enable tmp.mount and restart the machine. {GUIDE}"
    )
    return Finding(TEMPORARY, "missing", "/tmp, on the disk", step)


def swap(machine: Machine) -> list[Finding]:
    """Swap wears a card more than all else. Nothing where the kernel does not say, as to the service itself."""
    try:
        lines = machine.at("/proc/swaps").read_text(encoding="utf-8", errors="replace").splitlines()[1:]
    except OSError:
        return []
    found = [line.split()[0] for line in lines if line.strip()]
    on_card = [name for name in found if not Path(name).name.startswith("zram")]
    if on_card:
        step = f"Switch it off, or have it in memory: sudo systemctl disable --now dphys-swapfile. {GUIDE}"
        return [Finding(SWAP, "missing", f"{', '.join(on_card)}, on the disk", step)]
    return [Finding(SWAP, "ok", f"{', '.join(found)}, in memory" if found else "none")]


def _in_memory(machine: Machine, folder: str) -> bool:
    """Whether a folder of the machine's lies on a file system in memory; False where the kernel does not say."""
    try:
        lines = machine.at("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    mounts = list(_mounts(lines))
    under = _mount_of(folder, mounts)
    if under.kind == "overlay" and under.upper:  # of a root that is only read, what changes lies above it
        under = _mount_of(under.upper, mounts)
    return under.kind in _MEMORY


@dataclass(frozen=True, slots=True)
class _Mount:
    """`upper`: where an overlay puts what changes."""

    at: str = ""
    kind: str = ""
    upper: str = ""


def _mount_of(folder: str, mounts: Iterable[_Mount]) -> _Mount:
    best = _Mount()
    for one in mounts:
        inside = folder == one.at or folder.startswith(one.at.rstrip("/") + "/")
        if inside and len(one.at) >= len(best.at):  # of two on one place the later hides the earlier
            best = one
    return best


def _mounts(lines: Iterable[str]) -> Iterable[_Mount]:
    """What is mounted where (proc_pid_mountinfo(5))."""
    for line in lines:
        left, _, right = line.partition(" - ")
        fields, about = left.split(), right.split()
        if len(fields) > 4 and about:
            upper = next((word[9:] for word in about[-1].split(",") if word.startswith("upperdir=")), "")
            yield _Mount(_ESCAPED.sub(lambda found: chr(int(found[1], 8)), fields[4]), about[0], upper)


def _size(size: int) -> str:
    return f"{size / 1e6:,.1f} MB" if size < 10_000_000 else f"{size / 1e6:,.0f} MB"


def _span(seconds: float) -> str:
    if seconds < 2 * HOUR_S:
        return f"{int(seconds // 60)} minutes"
    return f"{seconds / HOUR_S:.0f} hours" if seconds < 2 * DAY_S else f"{seconds / DAY_S:.0f} days"
