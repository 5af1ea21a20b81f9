"""As much of systemctl as an update asks of it: starts, watches and ends the one real service. Run as a program with
the drill's folder in DRILL; what it does not do is restart by itself, as systemd would."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

PATIENCE_S = 60.0
UNIT = "store-gateway.service"


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def stop(pid: int) -> None:
    if alive(pid):
        os.kill(pid, signal.SIGTERM)
        until_s = time.monotonic() + PATIENCE_S
        while alive(pid) and time.monotonic() < until_s:
            time.sleep(0.05)


def kept(folder: Path) -> int:
    """The service's process, 0 = none was started."""
    return int((folder / "pid").read_text()) if (folder / "pid").exists() else 0


def start(folder: Path) -> int:
    """0 once it says that it is ready."""
    (folder / "notify").unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind(str(folder / "notify"))
        told.settimeout(0.1)
        words = [folder / "opt/.venv/bin/store-gateway", "run", "--config", folder / "gateway.toml"]
        with (folder / "log").open("a") as log:
            environ = os.environ | {"NOTIFY_SOCKET": str(folder / "notify")}
            process = subprocess.Popen(words, stdout=log, stderr=log, env=environ, start_new_session=True)
        (folder / "pid").write_text(str(process.pid))
        until_s = time.monotonic() + PATIENCE_S
        while process.poll() is None and time.monotonic() < until_s:
            try:
                if b"READY=1" in told.recv(1_000):
                    return 0
            except TimeoutError:
                pass
    return 1


def main(words: list[str]) -> int:
    folder = Path(os.environ["DRILL"])
    match words:
        case ["show", *_, unit]:
            state = "active" if unit == UNIT and alive(kept(folder)) else "inactive"
            print(f"ActiveState={state}\nMainPID={kept(folder)}")
            return 0
        case ["restart", unit] if unit == UNIT:
            stop(kept(folder))
            return start(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
