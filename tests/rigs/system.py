"""The whole system as real processes: broker, headquarters, gateway. For tests that look from outside."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from drivers.people import population
from gateway import hatch, keys
from gateway.broker import Broker
from sync.hq import service, signer
from sync.signing import Role
from tests.rigs.broker import free_port

WAIT_S = 100.0  # patience for a loaded machine, below the 120 s of a test; nothing normally takes more than two
# A shop in which nobody walks, with one receiver and one screen.
ONE_BAR = """
[[source]]
path = "sim:1?members=0"
[[receiver]]
id = "bar"
zone = "coffee"
[[screen]]
id = "bar"
zone = "coffee"
"""


def wait_for(look: Callable[[], Any], what: str, seconds: float = WAIT_S) -> Any:
    """The first true value of `look()`; fails with `what` when the time is over."""
    deadline_s = time.monotonic() + seconds
    while time.monotonic() < deadline_s:
        value = look()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"waited {seconds:.0f} s for {what}")


class Process:
    """`python -m gateway ...` with its own log; killed by its pid at the end. `inside`: a command that becomes
    this elsewhere."""

    def __init__(
        self,
        arguments: list[str],
        log: Path,
        environment: Mapping[str, str] | None = None,
        inside: Sequence[str] = (),
    ) -> None:
        self.log = log
        self._inside = inside
        self._arguments = arguments
        self._environment = {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self._inside, sys.executable, "-m", "gateway", *self._arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
                cwd=Path(__file__).parents[2],
            )

    def kill(self) -> None:
        """SIGKILL, as a power cut would."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """SIGTERM; its exit status."""
        if self._process is None:
            return 0
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(WAIT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
        return self._process.wait()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid


class System:
    """`with System(tmp_path, sources=..., receivers=...) as system`: everything up and connected."""

    def __init__(
        self,
        folder: Path,
        tables: str,
        ops: list[dict[str, Any]] | None = None,
        environment: Mapping[str, str] | None = None,
        broker_kind: Any = None,
        *,
        signed: bool = False,
    ) -> None:
        """`signed`: headquarters signs, and the gateway believes nothing else."""
        self.folder = folder
        self.data = folder / "data"
        self.hq_db = folder / "hq.db"
        self.http_port, self.hq_port = free_port(), free_port()
        self.broker = Broker(folder, free_port(), broker_kind)
        self.config = folder / "gateway.toml"
        self.config.write_text(
            f'[gateway]\ntenant = "test"\nstore = "musterstadt"\nid = "gw1"\ndata_dir = "{self.data}"\n'
            f'[http]\nport = {self.http_port}\n[mqtt]\nhost = "127.0.0.1"\nport = {self.broker.port}\n{tables}'
        )
        members = folder / "members.jsonl"
        members.write_text("".join(json.dumps(op) + "\n" for op in ops or population(1, 12)))
        service.import_file(self.hq_db, members)
        hq = ["hq", "serve", "--db", str(self.hq_db), "--port", str(self.hq_port)]
        if signed:
            root, keys_file = folder / "root.json", folder / "signing.json"
            line = f'[mqtt]\nhq_root = "{signer.make_root(root, os.urandom)}"\n'
            signer.make_keys(root, keys_file, [*Role], 30, time.time_ns() // 1_000_000, os.urandom)
            self.config.write_text(self.config.read_text().replace("[mqtt]\n", line, 1))
            hq += ["--signing-keys", str(keys_file)]
        self.hq = Process([*hq, "--mqtt-port", str(self.broker.port)], folder / "hq.log")
        self.gateway = Process(["run", "--config", str(self.config)], folder / "gateway.log", environment)
        self._end = ExitStack()

    def __enter__(self) -> Self:
        self._end.callback(self.broker.stop)
        self.broker.start()
        for process in (self.hq, self.gateway):
            self._end.callback(process.stop)
            process.start()
        try:
            self.wait_ready()
        except BaseException:
            self._end.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._end.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def hq_url(self) -> str:
        return f"http://127.0.0.1:{self.hq_port}"

    @property
    def tablet_url(self) -> str:
        return f"{self.url}/tablet?key={keys.tablet_key(self.data)}"

    def wait_ready(self) -> None:
        """Pages served, HQ up, and everything that HQ holds applied in the gateway."""
        wait_for(lambda: get(f"{self.hq_url}/healthz"), "headquarters")
        wait_for(lambda: get(f"{self.url}/api/v1/status"), "the gateway's pages")
        newest = get(f"{self.hq_url}/healthz")["version"]
        wait_for(lambda: any(g["applied_version"] == newest for g in self.gateways()), "HQ's changes at the gateway")

    def gateways(self) -> list[dict[str, Any]]:
        """What HQ knows of its gateways."""
        return get(f"{self.hq_url}/api/v1/gateways") or []

    def events(self, after: int = 0) -> list[dict[str, Any]]:
        """Everything that HQ holds, oldest first."""
        return service.events(self.hq_db, after, 1_000_000)

    def status(self) -> dict[str, Any]:
        """The gateway's own status."""
        return get(f"{self.url}/api/v1/status") or {}

    def counts(self) -> dict[str, int]:
        """What the gateway counted, exactly."""
        return counts(self.data)

    def receiver_is_up(self, receiver: str) -> bool:
        """Whether this receiver listens; one that has heard nothing yet says "degraded"."""
        parts = {part["name"]: part["state"] for part in self.status().get("parts", [])}
        return parts.get(f"receiver:{receiver}") in ("ok", "degraded")


def counts(data: Path) -> dict[str, int]:
    """What the service on this folder counted, exactly; {} while there is none."""
    answer = hatch.ask(data, {"verb": "counts"})
    return {} if answer is None else dict(answer["counts"])


def get(url: str) -> Any:
    """The JSON behind `url`, or None while nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return json.load(answer)
    except (OSError, json.JSONDecodeError):
        return None


def post(url: str, body: object) -> Any:
    """POST JSON; the JSON that comes back."""
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"Content-Type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)
