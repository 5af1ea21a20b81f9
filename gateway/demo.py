"""One command, one shop: broker, headquarters, simulated shop and gateway as real processes, and a line per event."""

import io
import json
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import segno
from rich.console import Console

from drivers import goods
from drivers.people import population
from drivers.sim import sim_config
from gateway import keys
from gateway.broker import Broker
from gateway.errors import UnavailableError
from sync.hq import service

START_S = 30.0
STOP_S = 1.5  # Ctrl-C to the last process gone stays under 2 s
POLL_S = 0.25
PREFERRED_PORTS = {"pages": 8080, "hq": 8090, "mqtt": 1883}

_SENTENCES: dict[str, tuple[str, str]] = {
    "visit.entered": ("green", "{who} is in the shop, near {zone}"),
    "visit.moved": ("green", "{who} walks to {zone}"),
    "visit.left": ("green", "{who} has left"),
    "decision.made": ("cyan", "{zone}: {decision}"),
    "offer.accepted": ("bold yellow", "{who} says yes to {offer}"),
    "offer.explained": ("yellow", "{who} wants to know more about {offer}"),
    "offer.declined": ("yellow", "{who}: not now"),
    "handshake.asked": ("bold magenta", "{who} asks for advice at {zone} - the tablet rings"),
    "handshake.accepted": ("magenta", "a colleague takes care of {who}"),
    "handshake.closed": ("magenta", "advice for {who} is over ({reason})"),
    "consent.recorded": ("bold yellow", "{who}: {purpose} {state}, decided in the shop"),
    "consent.applied": ("bold red", "{who}: {purpose} {state} - cleared everywhere"),
}


_WHY = {
    "nothing_eligible": "no offer fits",
    "budget.pause": "a pause after the last contact",
    "budget.day": "enough for today",
    "consent.not_given": "no consent to offers",
    "consent.withdrawn": "consent withdrawn",
    "company_without_consent": "somebody without consent stands there too",
}


@dataclass(frozen=True, slots=True)
class Demo:
    """What to show: `speed` shop seconds pass in a second; `lan` lets real tablets and phones in."""

    speed: float = 1.0
    seed: int = 1
    members: int = 12
    lan: bool = False
    folder: Path | None = None  # kept if given, else removed at the end

    def run(self, console: Console, stop: threading.Event) -> None:
        """Until `stop` is set or Ctrl-C. Raises UnavailableError if a part does not start."""
        with ExitStack() as parts:
            folder = parts.enter_context(_folder(self.folder))
            ports = {name: _port(port) for name, port in PREFERRED_PORTS.items()}
            for name, port in PREFERRED_PORTS.items():
                if ports[name] != port:
                    console.print(f"Port {port} is taken; using {ports[name]}.", highlight=False)
            broker = Broker(folder, ports["mqtt"])
            parts.callback(broker.stop)
            broker.start()
            self._fill_hq(folder)
            children: list[Child] = []
            parts.callback(_end, children)
            children.append(Child("hq", folder, _hq_command(folder, ports)))
            children.append(Child("gateway", folder, self._gateway_command(folder, ports)))
            for child, port in zip(children, (ports["hq"], ports["pages"]), strict=True):
                child.wait_for(f"http://127.0.0.1:{port}/healthz", stop)
            if stop.is_set():
                return
            hq_url, pages_url = f"http://localhost:{ports['hq']}", f"http://localhost:{ports['pages']}"
            tablet_url = f"{self._public(ports) or pages_url}/tablet?key={keys.tablet_key(folder / 'data')}"
            self._welcome(console, broker, pages_url, hq_url, tablet_url)
            _tell(console, f"http://127.0.0.1:{ports['hq']}", stop)

    def _fill_hq(self, folder: Path) -> None:
        members = folder / "members.jsonl"
        ops = population(self.seed, self.members) + goods.ops()
        members.write_text("".join(json.dumps(op) + "\n" for op in ops))
        service.import_file(folder / "hq.db", members)
        prices = folder / "prices.jsonl"
        prices.write_text("".join(json.dumps(article) + "\n" for article in goods.articles()))
        service.publish_prices(folder / "hq.db", prices)

    def _gateway_command(self, folder: Path, ports: dict[str, int]) -> list[str]:
        text = sim_config(folder / "data", ports["pages"], ports["mqtt"], self.seed, self.members, self.speed)
        public = self._public(ports)
        if public is not None:
            text = text.replace("[http]\n", f'[http]\nhost = "0.0.0.0"\npublic_url = "{public}"\n', 1)
        path = folder / "gateway.toml"
        path.write_text(text)
        return [*_PROGRAM, "run", "--config", str(path)]

    def _public(self, ports: dict[str, int]) -> str | None:
        return f"http://{_lan_address()}:{ports['pages']}" if self.lan else None

    def _welcome(self, console: Console, broker: Broker, pages_url: str, hq_url: str, tablet_url: str) -> None:
        pages = {
            "Screen at the coffee bar": f"{pages_url}/screen?id=coffee",
            "Screen at the entrance": f"{pages_url}/screen?id=entrance",
            "Screen in the wine corner": f"{pages_url}/screen?id=wine",
            "Staff tablet": tablet_url,
            "Scan as a customer": f"{pages_url}/scan",
            "Shop status": f"{pages_url}/",
            "Headquarters": f"{hq_url}/",
        }
        console.print(f"\n[bold]store-gateway demo[/bold]: a shop with {self.members} members, {broker.kind} broker")
        console.print("[bold]Open these pages[/bold] (Ctrl-C ends everything):\n")
        for name, url in pages.items():
            console.print(f"  {name:<26} {url}", soft_wrap=True)
        console.print("\nThe staff tablet as a QR code" + ("" if self.lan else " (start with --lan for a real tablet)"))
        console.print(qr_code(tablet_url), highlight=False, markup=False)


def qr_code(text: str) -> str:
    """A QR code in half-block characters, two modules a line, dark on light."""
    drawing = io.StringIO()
    segno.make(text, error="l", micro=False).terminal(out=drawing, compact=True, border=2)
    return drawing.getvalue()


_PROGRAM = [sys.executable, "-m", "gateway"]


def _hq_command(folder: Path, ports: dict[str, int]) -> list[str]:
    options = ["--db", str(folder / "hq.db"), "--port", str(ports["hq"]), "--mqtt-port", str(ports["mqtt"])]
    return [*_PROGRAM, "hq", "serve", *options]


@contextmanager
def _folder(chosen: Path | None) -> Iterator[Path]:
    if chosen is not None:
        chosen.mkdir(mode=0o700, parents=True, exist_ok=True)
        yield chosen.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="store-gateway-demo-") as name:
        yield Path(name)


class Child:
    """A part of the demo as a process of its own, with its own log file."""

    def __init__(self, name: str, folder: Path, command: list[str]) -> None:
        self._name = name
        self._log = folder / f"{name}.log"
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def wait_for(self, url: str, stop: threading.Event) -> None:
        """Until it answers or `stop` is set. Raises UnavailableError with the end of its log if it does not."""
        deadline_s = time.monotonic() + START_S
        while time.monotonic() < deadline_s and self.process.poll() is None and not stop.is_set():
            try:
                with urllib.request.urlopen(url, timeout=2):
                    return
            except urllib.error.HTTPError:
                return  # it answers: what it lacks, its own pages say
            except OSError:
                time.sleep(0.1)
        if not stop.is_set():
            tail = "\n".join(self._log.read_text(errors="replace").splitlines()[-5:])
            raise UnavailableError(f"{self._name} did not start. The end of its log:\n{tail}")


def _end(children: list[Child]) -> None:
    """End all of them at once; who does not go is killed."""
    for child in children:
        child.process.send_signal(signal.SIGTERM)
    deadline_s = time.monotonic() + STOP_S
    for child in children:
        try:
            child.process.wait(max(0.0, deadline_s - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.process.kill()
            child.process.wait()


def _tell(console: Console, hq_url: str, stop: threading.Event) -> None:
    """One line per event that reached headquarters."""
    after = 0
    while not stop.wait(POLL_S):
        try:
            with urllib.request.urlopen(f"{hq_url}/api/v1/events?after={after}&limit=200", timeout=2) as answer:
                events: list[dict[str, Any]] = json.load(answer)
        except OSError:
            continue
        for event in events:
            after = max(after, int(event["id"]))
            line = sentence(event["type"], event["body"])
            if line is not None:
                stamp = time.strftime("%H:%M:%S", time.localtime(event["at_ms"] / 1000))
                console.print(f"[dim]{stamp}[/dim]  [{line[0]}]{line[1]}[/{line[0]}]", highlight=False)


def sentence(kind: str, body: dict[str, Any]) -> tuple[str, str] | None:
    """Style and sentence for an event, or None for one that a person need not see."""
    known = _SENTENCES.get(kind)
    if known is None:
        return None
    words = {
        "who": body.get("member_id", "somebody"),
        "zone": body.get("zone", "the shop"),
        "offer": body.get("offer_id", "the offer"),
        "reason": body.get("reason", ""),
        "purpose": body.get("purpose", ""),
        "state": body.get("state", ""),
        "decision": _decision(body),
    }
    return known[0], known[1].format(**words)


def _decision(body: dict[str, Any]) -> str:
    who, screen, offer = body.get("member_id"), body.get("screen"), body.get("offer_id")
    if offer and body.get("trigger") == "tap":
        return f"{who} taps, screen {screen} answers with {offer}"
    if offer:
        return f"screen {screen} shows {offer} because {who} is near"
    reasons = body.get("reasons") or [["*", "nothing_eligible"]]
    return f"nothing for {who} on screen {screen} ({_WHY.get(reasons[-1][1], reasons[-1][1])})"


def _port(preferred: int) -> int:
    """`preferred` if it is free on loopback, else any."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            # As the servers do: a connection that a former demo left behind does not occupy its port.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise UnavailableError("no free port on this machine")


def _lan_address() -> str:
    """The address under which the local network sees this machine; no packet is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


def interrupted(stop: threading.Event) -> Callable[[int, object], None]:
    """A signal handler that sets `stop`."""

    def handler(_number: int, _frame: object) -> None:
        stop.set()

    return handler
