"""One command, one shop: broker, headquarters, simulated shop and gateway as real processes, and a line per event."""

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
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from drivers import team
from drivers.sim import sim_config
from gateway import demoshop, keys
from gateway.broker import Broker
from gateway.demoshop import CONFIG_FILE, HQ_FILE, SIGNING_FILE, TILL
from gateway.errors import UnavailableError
from gateway.terminal import qr_code

START_S = 30.0
STOP_S = 1.5  # Ctrl-C to the last process gone stays under 2 s
POLL_S = 0.25
LOOK_S = 1.0  # at the till, and whether the shop can be equipped
SPARE_PORTS = 8  # tries, each at a port that the kernel draws: two demos would have to draw the same one eight times
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
    "sale.recorded": ("green", "{till} rings up receipt {receipt}"),
    "points.changed": ("yellow", "{who}: {points} points"),
    "redemption.committed": ("bold yellow", "{offer} is redeemed at {till}"),
    "redemption.reversed": ("yellow", "{offer} is taken back at {till}"),
    "coupon.issued": ("bold yellow", "{who} takes {offer} along on a phone"),
    "basket.shown": ("bold yellow", "a basket that was scanned by its customer is shown at {till}"),
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
            ports = {name: parts.enter_context(_reserved(port)) for name, port in PREFERRED_PORTS.items()}
            for name, port in PREFERRED_PORTS.items():
                if ports[name] != port:
                    console.print(f"Port {port} is taken; using {ports[name]}.", highlight=False)
            broker = Broker(folder, ports["mqtt"])
            parts.callback(broker.stop)
            broker.start()
            demoshop.fill(folder, self.seed, self.members)
            root = demoshop.sign(folder, int(time.time() * 1000))
            children: list[Child] = []
            parts.callback(_end, children)
            children.append(Child("hq", folder, _hq_command(folder, ports)))
            children.append(Child("gateway", folder, self._gateway_command(folder, ports, root)))
            for child, port in zip(children, (ports["hq"], ports["pages"]), strict=True):
                child.wait_for(f"http://127.0.0.1:{port}/healthz", stop)
            if stop.is_set():
                return
            self._welcome(console, broker, ports, folder)
            cashier = demoshop.Cashier(f"http://127.0.0.1:{ports['pages']}", folder, time.monotonic)
            _tell(console, f"http://127.0.0.1:{ports['hq']}", stop, _Errands(folder, cashier))

    def _gateway_command(self, folder: Path, ports: dict[str, int], root: str) -> list[str]:
        text = sim_config(folder / "data", ports["pages"], ports["mqtt"], self.seed, self.members, self.speed)
        host = 'host = "0.0.0.0"\n' if self.lan else ""
        text = text.replace("[http]\n", f'[http]\n{host}public_url = "{self._public(ports)}"\n', 1)
        text = text.replace("[mqtt]\n", f'[mqtt]\nhq_root = "{root}"\n', 1)
        path = folder / CONFIG_FILE
        path.write_text(text)
        return [*_PROGRAM, "run", "--config", str(path)]

    def _public(self, ports: dict[str, int]) -> str:
        return f"http://{_lan_address() if self.lan else 'localhost'}:{ports['pages']}"

    def _welcome(self, console: Console, broker: Broker, ports: dict[str, int], folder: Path) -> None:
        pages_url, key = f"http://localhost:{ports['pages']}", keys.tablet_key(folder / "data")
        tablet_url = f"{self._public(ports)}/tablet?key={key}"
        pages = {
            "Screen at the coffee bar": f"{pages_url}/screen?id=coffee",
            "Screen at the entrance": f"{pages_url}/screen?id=entrance",
            "Screen in the wine corner": f"{pages_url}/screen?id=wine",
            "Screen at the till": f"{pages_url}/screen?id=till",
            "Staff tablet": tablet_url,
            "Till": f"{self._public(ports)}/till?id={TILL}&key={key}",
            "Scan as a customer": f"{pages_url}/scan",
            "Shop status": f"{pages_url}/",
            "Headquarters": f"http://localhost:{ports['hq']}/",
        }
        console.print(f"\n[bold]store-gateway demo[/bold]: a shop with {self.members} members, {broker.kind} broker")
        console.print("[bold]Open these pages[/bold] (Ctrl-C ends everything):\n")
        for name, url in pages.items():
            console.print(f"  {name:<26} {url}", soft_wrap=True)
        console.print("\n[bold]Pair a screen and a tablet[/bold], as in a new shop, in two minutes:\n")
        for number, step in enumerate(demoshop.pairing_steps(self._public(ports)), 1):
            console.print(f"  {number}. {step}", soft_wrap=True, highlight=False, markup=False)
        console.print("\n[bold]Open the tablet's lock[/bold] with the PIN of one of these invented colleagues:\n")
        for _, name, initials, _, pin in team.TEAM:
            console.print(f"  {name:<26} {initials}  {pin}", highlight=False, markup=False)
        console.print("\n[bold]Ask it[/bold], in another terminal:\n")
        for what, command in demoshop.commands(program(), folder, time.strftime("%Y-%m-%d")):
            console.print(f"  # {what}\n  {command}", soft_wrap=True, highlight=False, markup=False)
        kept = "is kept" if self.folder is not None else "goes at the end; --folder DIR keeps one"
        console.print(f"\nAll of it lies in {folder}, which {kept}.", soft_wrap=True, highlight=False, markup=False)
        console.print("\nThe staff tablet as a QR code" + ("" if self.lan else " (start with --lan for a real tablet)"))
        console.print(qr_code(tablet_url), highlight=False, markup=False)


def program() -> str:
    """How this program is called, as somebody types it here."""
    beside = Path(sys.executable).with_name("store-gateway")
    here = Path.cwd()
    if not beside.exists():
        return f"{sys.executable} -m gateway"
    return str(beside.relative_to(here) if beside.is_relative_to(here) else beside)


_PROGRAM = [sys.executable, "-m", "gateway"]


def _hq_command(folder: Path, ports: dict[str, int]) -> list[str]:
    options = ["--db", str(folder / HQ_FILE), "--port", str(ports["hq"]), "--mqtt-port", str(ports["mqtt"])]
    return [*_PROGRAM, "hq", "serve", *options, "--signing-keys", str(folder / SIGNING_FILE)]


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


class _Errands:
    """What is done beside telling, every LOOK_S: the shop is equipped, and the cashier looks at the till."""

    def __init__(self, folder: Path, cashier: demoshop.Cashier) -> None:
        self._folder = folder
        self._cashier = cashier
        self._equipped = False
        self._next_s = 0.0

    def run(self) -> None:
        now_s = time.monotonic()
        if now_s < self._next_s:
            return
        self._next_s = now_s + LOOK_S
        self._equipped = self._equipped or demoshop.equip(self._folder, int(time.time() * 1000))
        with suppress(OSError):  # the gateway is busy or ending: next time
            self._cashier.look()


def _tell(console: Console, hq_url: str, stop: threading.Event, errands: _Errands) -> None:
    """One line per event that reached headquarters."""
    after = 0
    while not stop.wait(POLL_S):
        errands.run()
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
                asked = event["body"].get("decision_id", "") if event["type"] == "decision.made" else ""
                why = f"  [dim]why {asked}[/dim]" if asked else ""
                console.print(f"[dim]{stamp}[/dim]  [{line[0]}]{line[1]}[/{line[0]}]{why}", highlight=False)


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
        "till": body.get("till", "the till"),
        "receipt": body.get("receipt", ""),
        "points": f"{body['points']:+}" if isinstance(body.get("points"), int) else "",
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


@contextmanager
def _reserved(preferred: int) -> Iterator[int]:
    """`preferred` if nobody listens there and no other demo means to, else any port; kept from other demos meanwhile.

    The parts bind their ports seconds later, so a demo that starts in between could not see them taken. What demos tell
    each other by is a name in Linux's abstract socket namespace: the kernel drops it with the process.
    """
    with socket.socket(socket.AF_UNIX) as sign:
        yield _signed(sign, preferred)


def _signed(sign: socket.socket, preferred: int) -> int:
    """A free port whose name `sign` has now. Raises UnavailableError."""
    for port in (preferred, *[0] * SPARE_PORTS):
        found = _free(port)
        if found is None:
            continue
        with suppress(OSError):  # another demo has it
            sign.bind(f"\0store-gateway-demo-{found}")
            return found
    raise UnavailableError("no free port on this machine")


def _free(port: int) -> int | None:
    """`port`, or any for 0, if nobody listens there on loopback."""
    with socket.socket() as probe:
        # As the servers do: a connection that a former demo left behind does not occupy its port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return None
        return int(probe.getsockname()[1])


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
