"""A broker of our own for demos and tests: Mosquitto where it is installed, else the one that is a Python package."""

import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Literal

from gateway.errors import UnavailableError

START_S = 15.0
Kind = Literal["mosquitto", "iotcore"]

# The package's own command line cannot raise the payload limit of 20 KiB, which is below the contract's 96 KiB.
_IOTCORE = (
    "import sys; from iotcore import IotCoreBroker; "
    "IotCoreBroker(listen='127.0.0.1', port=int(sys.argv[1]), max_payload_size=262144).run_forever()"
)


def mosquitto() -> str | None:
    """Mosquitto's program file; Debian puts it where an ordinary user's PATH does not look."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")


class Broker:
    """A child process that listens on 127.0.0.1 only; no passwords, nothing kept over its end."""

    def __init__(self, folder: Path, port: int, kind: Kind | None = None, settings: str = "") -> None:
        program = mosquitto()
        self.port = port
        self.kind: Kind = kind or ("mosquitto" if program else "iotcore")
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        if self.kind == "mosquitto":
            config = folder / "mosquitto.conf"
            # "user": a Mosquitto that root starts would give up the right to read our files.
            config.write_text(
                f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nuser root\n{settings}\n"
            )
            self._command = [program or "mosquitto", "-c", str(config)]
        else:
            self._command = [sys.executable, "-c", _IOTCORE, str(port)]

    def start(self) -> None:
        """Start, again on the same port, and wait until it answers. Raises UnavailableError if it does not."""
        with (self._folder / "broker.log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        deadline_s = time.monotonic() + START_S
        while time.monotonic() < deadline_s and self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=0.5).close()
                return
            except OSError:
                time.sleep(0.05)
        self.stop()
        raise UnavailableError(f"the {self.kind} broker did not start; see {self._folder / 'broker.log'}")

    def kill(self) -> None:
        """SIGKILL: sessions, queues and retained messages are gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        """End the process; safe to call twice."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            self.kill()
