"""What an update leaves on the disk: how far it is, what became of it, and what is asked for. Read and written whole.

Root writes all of it but the request, which is the service's own file: it names a version and nothing else.
"""

import json
import os
import stat
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

from gateway.core.release import WHY
from gateway.lasting import put

FOLDER = Path("/var/lib/store-gateway-update")
REQUEST = "update.request"  # in the service's data folder
SPOOL = "spool"
WORK = "work"
STATE = "state.json"
RESULT = "result.json"
TRUSTED = "trusted"  # a link that says which slot goes on with an update that was cut off
SLOTS = ("slot-a", "slot-b")
MAX_BYTES = 4_096
MAX_VERSION = 64  # as headquarters' command (sync.command_messages)

# Why an update did not come to its end, in words for whoever stands before the box, and what to do.
FAILED: Mapping[str, tuple[str, str]] = {
    "space": ("there is no room for it on the card", "Free space on the card, then try again."),
    "disk": ("the card refuses to write", "Free space on the card or replace it, then try again."),
    "install": ("its packages do not install on this machine", "Tell headquarters; nothing has changed here."),
    "depends": ("it needs packages of Debian that are not here", "Let a technician install them first (apt)."),
    "copy": ("the data could not be copied first", "Free space on the card, then try again; nothing has changed."),
    "start": ("the new release did not start; the old one runs again", "Tell headquarters, and wait for another one."),
    "restarted": ("the new release broke down; the old one runs again", "Tell headquarters, and wait for another one."),
    "worse": ("the new release did worse; the old one runs again", "Tell headquarters, and wait for another one."),
    "power": ("the power was cut in the middle; the old release runs", "Try again, and leave the box switched on."),
    "data": (
        "the new release spoiled the data; the old one runs on the copy of before",
        "Tell headquarters at once, and let a technician keep failed.db in the data folder.",
    ),
    "dead": ("neither the new release nor the old one starts", "Call a technician: store-gateway doctor says more."),
    "finish": (
        "the new release runs, but Debian's packages are not in order",
        "A technician calls: dpkg --configure -a",
    ),
}
REASONS = {**WHY, **FAILED}

Step = Literal["preparing", "trying", "returning", "keeping"]
STEPS: tuple[Step, ...] = ("preparing", "trying", "returning", "keeping")
What = Literal["running", "done", "failed", "refused"]
WHATS: tuple[What, ...] = ("running", "done", "failed", "refused")


@dataclass(frozen=True, slots=True)
class State:
    """An update under way: from slot `old`, which serves until `trying`, to slot `new`."""

    step: Step
    old: str
    new: str
    version: str
    before: str
    package: str


@dataclass(frozen=True, slots=True)
class Result:
    """What became of an update to `version` (what was found there; "" = nobody could say) on a box with `before`.
    `reason`: of REASONS, "" where it is done or runs."""

    result: What
    version: str
    before: str
    at_ms: int
    reason: str = ""


def write(path: Path, value: State | Result) -> None:
    """The file is this value, also after a power cut; who reads it meanwhile finds the one before. Raises OSError."""
    put(path, json.dumps(asdict(value)).encode(), 0o644)


def state(folder: Path) -> State | None:
    """None where none is under way, or the file is none of ours."""
    row = _row(folder / STATE)
    if row.keys() != {field.name for field in fields(State)} or not _are_text(*row.values()):
        return None
    found = State(**row)
    slots = {found.old, found.new} <= {*SLOTS} and found.old != found.new
    return found if slots and found.step in STEPS else None


def result(folder: Path) -> Result | None:
    """None where there was none yet, or the file is none of ours."""
    row = _row(folder / RESULT)
    if row.keys() != {field.name for field in fields(Result)} or type(row["at_ms"]) is not int:
        return None
    found = Result(**row)
    whole = _are_text(found.result, found.version, found.before, found.reason)
    return found if whole and found.result in WHATS and found.reason in ("", *REASONS) else None


def ask(data_dir: Path, version: str) -> None:
    """Have the box updated to this version. Raises OSError."""
    path = data_dir / REQUEST
    draft = path.with_suffix(".new")
    draft.write_text(version, encoding="ascii")
    draft.replace(path)


def take_request(data_dir: Path) -> str | None:
    """The version that is asked for, which is then asked for no more; None where nothing is asked, or no version.

    The folder is another user's: a link in it is not followed. Raises OSError.
    """
    path = data_dir / REQUEST
    text = _text(path)
    path.unlink(missing_ok=True)
    return text if text and _are_text(text) and text.isascii() and text.isprintable() else None


def _row(path: Path) -> dict[str, Any]:
    try:
        row = json.loads(_text(path))
    except (ValueError, RecursionError):
        return {}
    return row if isinstance(row, dict) else {}


def _text(path: Path) -> str:
    """What stands in a small plain file, "" where there is none."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return ""
            return file.read(MAX_BYTES).decode()
    except (OSError, ValueError):
        return ""


def _are_text(*values: object) -> bool:
    return all(isinstance(value, str) and len(value) <= MAX_VERSION for value in values)
