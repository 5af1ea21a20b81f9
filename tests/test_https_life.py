"""The real service over TLS: commands, a kill, a change of the root key, and an end within its time."""

import json
import re
import ssl
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from gateway import localca
from gateway.core import certs
from tests.rigs.broker import free_port
from tests.rigs.system import Process, get, wait_for

ROOT = Path(__file__).parents[1]


class Box:
    """A gateway with TLS, as a process."""

    def __init__(self, folder: Path) -> None:
        self.data, self.config = folder / "data", folder / "gateway.toml"
        self.port, self.secure = free_port(), free_port()
        self.config.write_text(
            f'[gateway]\ntenant = "t"\nstore = "s"\nid = "g"\ndata_dir = "{self.data}"\n'
            f'[http]\nport = {self.port}\nhttps_port = {self.secure}\n[[screen]]\nid = "bar"\nzone = "x"\n'
        )
        self.process = Process(["run", "--config", str(self.config)], folder / "log")

    def start(self) -> None:
        self.process.start()
        wait_for(lambda: get(f"http://127.0.0.1:{self.port}/api/v1/status"), "the pages")

    def command(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "gateway", *arguments, "--config", str(self.config)],
            capture_output=True,
            text=True,
            cwd=ROOT,
            check=True,
        )
        return done.stdout

    def asked(self, fingerprint: str) -> Any:
        """What the secure port says to a device that trusts the authority of this fingerprint and nobody else."""
        found = localca.known(self.data)
        assert found is not None and certs.fingerprint(found) == fingerprint
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=certs.der(found))
        url = f"https://localhost:{self.secure}/api/v1/ping"
        with urllib.request.urlopen(url, context=context, timeout=30) as answer:
            return json.load(answer)


def fingerprint(told: str) -> str:
    """As a person reads it off the terminal."""
    return "".join(re.findall(r"\b[0-9A-F]{4}\b(?=[ \n])", told[told.index("SHA-256") + 7 :])[:16])


@pytest.mark.timeout(300)
def test_what_the_terminal_shows_is_what_a_device_meets_whatever_happens(tmp_path: Path) -> None:
    box = Box(tmp_path)
    box.start()
    try:
        told = fingerprint(box.command("trust"))
        assert len(told) == 64
        assert box.asked(told) == {"gateway": told, "secure": True}
        box.command("rotate-key", "--root")
        box.process.kill()
        box.start()
        assert box.asked(told) == {"gateway": told, "secure": True}
        assert box.process.stop() == 0
        renewed = fingerprint(box.command("trust", "--new"))
        assert renewed != told
        box.start()
        assert box.asked(renewed) == {"gateway": renewed, "secure": True}
    finally:
        assert box.process.stop() == 0
    assert "Traceback" not in (tmp_path / "log").read_text()
