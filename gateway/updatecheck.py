"""What the doctor finds of updates: whose releases this box takes, and what became of the last one."""

from pathlib import Path

from gateway import updatefiles
from gateway.errors import ConfigError
from gateway.finding import Finding, State, moment
from gateway.releasefiles import TRUSTED, trusted_keys
from gateway.updatefiles import REASONS, SPOOL

UPDATES = "Updates"
GUIDE = "docs/updates.md"


def updates(folder: Path, trusted: Path = TRUSTED) -> list[Finding]:
    """Nothing of a box that has no updater of its own."""
    if not (folder / SPOOL).is_dir():
        return []
    try:
        keys = trusted_keys(trusted)
    except ConfigError as error:
        return [Finding(UPDATES, "missing", f"no release is taken: {error}", "Correct that file, as root.")]
    if not keys:
        step = f"Put the public key of whoever signs your releases into it ({GUIDE})."
        return [Finding(UPDATES, "missing", f"no release is taken: {trusted} names no key", step)]
    of = "1 key" if len(keys) == 1 else f"{len(keys)} keys"
    last = updatefiles.result(folder)
    if last is None:
        return [Finding(UPDATES, "ok", f"releases of {of} are taken; there was none yet")]
    what, step = REASONS[last.reason] if last.reason else ("", "")
    told = f"the last one: {last.version or 'a release'} {last.result}, {moment(last.at_ms)}"
    state: State = "missing" if last.result == "failed" else "ok"
    return [Finding(UPDATES, state, f"releases of {of} are taken; {told}" + (f": {what}" if what else ""), step)]
