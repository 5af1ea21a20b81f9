"""What provisioning leaves on the disk: the code that a box shows, the file that it was given, and what became of it.

The service writes the code and the file; root takes the file and writes the rest.
"""

import json
import os
import secrets
import stat
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

from gateway.core.provision import MAX_FILE_BYTES, WHY, is_code, make_code
from gateway.lasting import put

FOLDER = Path("/var/lib/store-gateway-provision")
CODE = "setup.code"  # in the service's data folder
REQUEST = "provision.request"  # there, too
RESULT = "result.json"
TAKEN = "taken.json"
RESET = "reset"  # there while a reset is under way
_MOST_BYTES = 4_096

What = Literal["taken", "refused"]


@dataclass(frozen=True, slots=True)
class Result:
    """What became of the last file. `reason`: of core.provision.WHY, "" where it was taken; `gateway`: whose it is, ""
    = nobody could say; `said`: what is wrong beside the reason, for the log and the doctor."""

    result: What
    at_ms: int
    reason: str = ""
    gateway: str = ""
    said: str = ""


@dataclass(frozen=True, slots=True)
class Taken:
    """What this box was provisioned with. `known`: its time was synchronised with the world's then."""

    gateway: str
    number: str
    until_ms: int
    at_ms: int
    known: bool


def tell(folder: Path, value: Result | Taken) -> None:
    """Leave it for whoever looks: the service, the doctor. Raises OSError."""
    put(folder / (RESULT if isinstance(value, Result) else TAKEN), json.dumps(asdict(value)).encode(), 0o644)


def result(folder: Path) -> Result | None:
    """None where there was none yet, or the file is none of ours."""
    row = _row(folder / RESULT, Result)
    if row is None or row["result"] not in ("taken", "refused") or row["reason"] not in ("", *WHY):
        return None
    return Result(**row)


def taken(folder: Path) -> Taken | None:
    """None for a box that was set up by hand, or a file that is none of ours."""
    row = _row(folder / TAKEN, Taken)
    return None if row is None else Taken(**row)


def code(data_dir: Path) -> str:
    """The code that this box shows, "" where it has none."""
    said = text(data_dir / CODE).decode("ascii", "replace").strip()
    return said if is_code(said) else ""


def own_code(data_dir: Path) -> str:
    """The same; made at the first look, and again where somebody spoiled it. Raises OSError."""
    found = code(data_dir)
    if not found:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = make_code(secrets.randbelow)
        put(data_dir / CODE, found.encode(), 0o600)
    return found


def ask(data_dir: Path, file: bytes) -> None:
    """Have root take this file. Raises OSError."""
    put(data_dir / REQUEST, file, 0o600)


def take_request(data_dir: Path) -> bytes | None:
    """The file that is to be taken, which is asked for no more then; None for none. Raises OSError.

    The folder is another user's: a link in it is not followed.
    """
    path = data_dir / REQUEST
    if not path.is_symlink() and not path.exists():
        return None
    data = text(path)
    path.unlink()
    return data


def text(path: Path) -> bytes:
    """What stands in a small plain file, and a byte more than a provisioning file may have; b"" where there is none."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return b""
            return file.read(MAX_FILE_BYTES + 1)
    except OSError:
        return b""


def _row(path: Path, kind: type[Result] | type[Taken]) -> Mapping[str, Any] | None:
    try:
        row = json.loads(text(path)[:_MOST_BYTES])
    except (ValueError, RecursionError):
        return None
    kinds: dict[str, type] = {"at_ms": int, "until_ms": int, "known": bool}
    named = [one.name for one in fields(kind)]
    if not isinstance(row, dict) or sorted(row) != sorted(named):
        return None
    return row if all(type(row[name]) is kinds.get(name, str) for name in named) else None
