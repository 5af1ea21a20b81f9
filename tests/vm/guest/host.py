"""What both programs of the guest need: the line to the host, the adapter, and waiting. Standard library only."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SRC = Path("/src")
START_S = 60.0  # generous: an emulated machine
Pair = tuple[bool, str]


class Host:
    """The line to the host: findings go out, questions are answered with one line. `explain`: what goes
    with a failure."""

    def __init__(self, port: Path, explain: Callable[[], str] = str) -> None:
        self._port = port.open("r+b", buffering=0)
        self._explain = explain

    def tell(self, **line: Any) -> None:
        self._port.write(json.dumps(line).encode() + b"\n")

    def ask(self, question: str) -> Any:
        self.tell(ask=question)
        answer = b""
        while not answer.endswith(b"\n"):
            answer += self._port.read(1) or b""
        return json.loads(answer)

    def check(self, name: str, found: Pair) -> bool:
        self.tell(check=name, ok=found[0], detail=found[1])
        if not found[0] and (why := self._explain()):
            self.tell(log=why)
        return found[0]

    def part(self, name: str) -> None:
        self.tell(part=name, up_s=time.monotonic())


def sh(*command: str, check: bool = False) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=check)
    return done.stdout + done.stderr


def port(name: str) -> Path:
    for folder in Path("/sys/class/virtio-ports").iterdir():
        if (folder / "name").read_text().strip() == name:
            return Path("/dev") / folder.name
    raise SystemExit(f"no port {name}")


def until(condition: Callable[[], Any], within_s: float) -> float | None:
    """Seconds until it held, or None."""
    began_s = time.monotonic()
    while time.monotonic() - began_s < within_s:
        if condition():
            return time.monotonic() - began_s
        time.sleep(0.2)
    return None


def seconds(taken_s: float | None) -> str:
    return "never" if taken_s is None else f"{taken_s:.1f} s"


class Adapter:
    """hci0, which comes and goes with its bridge."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._bridge: subprocess.Popen[bytes] | None = None

    def plug(self) -> None:
        program = SRC / "tests/vm/guest/bridge.py"
        self._bridge = subprocess.Popen([sys.executable, str(program), str(port("hci"))])
        until(Path("/sys/class/bluetooth/hci0").exists, START_S)

    def unplug(self) -> None:
        self._host.ask("quiet")
        assert self._bridge is not None
        self._bridge.terminate()
        self._bridge.wait()
