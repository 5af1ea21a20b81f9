"""A broker for the demo: Mosquitto where it is installed, else the one that comes as a Python package."""

import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

from gateway.errors import UnavailableError

START_S = 10.0
_SBIN = "/usr/sbin"  # where Debian puts mosquitto; not on an ordinary user's PATH


class Broker:
    """A child process that listens on 127.0.0.1 only, without persistence or passwords: for demos and tests."""

    def __init__(self, folder: Path, port: int) -> None:
        self.port = port
        self._folder = folder
        mosquitto = shutil.which("mosquitto") or shutil.which("mosquitto", path=_SBIN)
        self.name = "Mosquitto" if mosquitto else "embedded"
        self._command = self._mosquitto(mosquitto) if mosquitto else self._embedded()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start and wait until it answers. Raises UnavailableError if it does not."""
        log = (self._folder / "broker.log").open("ab")
        with log:
            self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline_s = time.monotonic() + START_S
        while time.monotonic() < deadline_s:
            if self._process.poll() is not None:
                break
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=0.5).close()
                return
            except OSError:
                time.sleep(0.05)
        self.stop()
        raise UnavailableError(f"the {self.name} broker did not start; see {self._folder / 'broker.log'}")

    def stop(self) -> None:
        """End the process; safe to call twice."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(1.0)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def _mosquitto(self, program: str) -> list[str]:
        config = self._folder / "mosquitto.conf"
        config.write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence false\n")
        return [program, "-c", str(config)]

    def _embedded(self) -> list[str]:
        return [sys.executable, "-m", "iotcore", "--listen", "127.0.0.1", "--port", str(self.port)]
