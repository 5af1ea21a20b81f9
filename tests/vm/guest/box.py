"""What the installed gateway says of itself, asked as an administrator of the box would. Standard library only."""

import json
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from host import sh

OPT, DATA, ETC = Path("/opt/store-gateway"), Path("/var/lib/store-gateway"), Path("/etc/store-gateway")
GATEWAY = "store-gateway"
ALL_OK = "all parts ok"
# Generous: an emulated machine. What was measured is printed.
SLOW_S, INSTALL_S = 900.0, 7_200.0


def timed(*words: str) -> tuple[float, list[str]]:
    """Seconds, and its lines; a last line that begins with "exit" where it failed."""
    began_s = time.monotonic()
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=INSTALL_S)
    lines = (done.stdout + done.stderr).splitlines()
    return time.monotonic() - began_s, [*lines, f"exit {done.returncode}"] if done.returncode else lines


def failed(lines: list[str]) -> bool:
    return bool(lines) and lines[-1].startswith("exit ")


def fetched(path: str, port: int = 8_080) -> tuple[int, str]:
    """Status and body; 0 where nobody answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)


def parts() -> dict[str, str]:
    _, body = fetched("/healthz")
    try:
        return dict(json.loads(body)["parts"])
    except (ValueError, LookupError):
        return {}


def healthy() -> bool:
    """Receivers and line are well; what nobody has done here (pairing, an operator's access) may be missing."""
    found = {name: state for name, state in parts().items() if name == "hq" or name.startswith("receiver:")}
    return len(found) > 1 and set(found.values()) == {"ok"}


def told() -> str:
    found = parts()
    return ", ".join(f"{name} {state}" for name, state in found.items() if state != "ok") or (
        ALL_OK if found else "silent"
    )


def active() -> bool:
    return sh("systemctl", "is-active", GATEWAY).strip() == "active"


def pid() -> int:
    return int(sh("systemctl", "show", "-P", "MainPID", GATEWAY).strip() or 0)


def restarts() -> str:
    return f"restarted {sh('systemctl', 'show', '-P', 'NRestarts', GATEWAY).strip()} times"


def serving() -> str:
    """The slot."""
    link = OPT / ".venv"
    return str(link.readlink()) if link.is_symlink() else ""
