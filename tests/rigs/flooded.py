"""The real gateway in a process of its own that can be asked what it weighs and what is left of strangers in its heap.

`python -m tests.rigs.flooded run --config FILE` is `store-gateway run --config FILE` with a thread that answers each
line of standard input with a line of JSON.
"""

import array
import json
import os
import subprocess
import sys
import threading
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gateway import __main__
from tests.rigs import traces

ROOT = Path(__file__).parents[2]
# What `plant` puts into the heap, one number for each kind of value; no stranger of a flood has one of these.
PLANTED = range(traces.MAX_NUMBER - 10, traces.MAX_NUMBER - 2)
PLANTED_INTEGERS = PLANTED[-2:]  # these lie in memory in digits of 30 bits; only the search of the heap knows them

_planted: list[Any] = []


def unit_environment() -> dict[str, str]:
    """What the systemd unit gives the service."""
    lines = (ROOT / "systemd" / "store-gateway.service").read_text().splitlines()
    settings = [line.removeprefix("Environment=").strip('"') for line in lines if line.startswith("Environment=")]
    return dict(setting.split("=", 1) for setting in settings)


class Flooded:
    """The process, asked from outside. `close` it at the end."""

    def __init__(self, config: Path, log: Path, environment: Mapping[str, str]) -> None:
        with log.open("ab") as errors:
            self._child = subprocess.Popen(
                [sys.executable, "-m", "tests.rigs.flooded", "run", "--config", str(config)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                cwd=ROOT,
                env=os.environ | environment,
            )

    @property
    def pid(self) -> int:
        return self._child.pid

    def ask(self, question: str) -> Any:
        """Answers "weigh" (kB, CPU s), "heap" (whose traces can be reached) or "plant" (what is to be found)."""
        assert self._child.stdin is not None and self._child.stdout is not None
        self._child.stdin.write(question + "\n")
        self._child.stdin.flush()
        return json.loads(self._child.stdout.readline())

    def close(self) -> int:
        """SIGTERM; the exit status."""
        assert self._child.stdin is not None and self._child.stdout is not None
        self._child.terminate()
        try:
            return self._child.wait(20)
        except subprocess.TimeoutExpired:
            self._child.kill()
            raise
        finally:
            self._child.stdin.close()
            self._child.stdout.close()


# --- in the process -----------------------------------------------------------------------------------------


def _answer(question: str) -> Any:
    if question == "weigh":
        times = os.times()
        return {"rss_kb": int(Path("/proc/self/statm").read_text().split()[1]) * 4, "cpu_s": times.user + times.system}
    if question == "heap":
        return sorted(traces.in_heap())
    _planted.extend(_plants())
    return len(_planted)


def _plants() -> list[Any]:
    addresses = [traces.address(number) for number in PLANTED]
    identifiers = [traces.identifier(number) for number in PLANTED]
    return [
        {"an attribute": "/org/bluez/hci0/dev_" + addresses[0].replace(":", "_")},
        (addresses[1].lower(),),
        {bytes.fromhex(addresses[2].replace(":", ""))[::-1]},
        [bytearray(identifiers[3])],
        [array.array("B", identifiers[4])],
        [memoryview(bytes(5) + identifiers[5])],
        [int.from_bytes(identifiers[6], "big")],
        [int.from_bytes(identifiers[7], "little")],
    ]


def _listen() -> None:
    for line in sys.stdin:
        try:
            answer = _answer(line.strip())
        except BaseException:
            traceback.print_exc()
            os._exit(70)  # who asked would wait for ever
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    threading.Thread(target=_listen, daemon=True).start()
    sys.exit(__main__.main(sys.argv[1:]))
