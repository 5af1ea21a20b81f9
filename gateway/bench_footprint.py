"""What a gateway needs while nothing happens, and until it serves: `store-gateway bench footprint`.

The service, broker, headquarters and the chips of two card readers are processes of their own; 100,000 members are in
the store. Two Bluetooth adapters (a fake BlueZ on a private bus) hear the shop's own beacon once a second, five pages
are open and say their heartbeats, nobody is there. The service has the environment of its systemd unit. Start: from the
process's birth to the first answer of its pages, its files in the page cache; then until the last of all members is
recognised at a reader. The rest is read in /proc and at the device, after the shop has come to rest.
"""

import asyncio
import importlib.metadata
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count, cycle
from pathlib import Path
from statistics import median
from typing import Any

from display import cookies
from drivers import frames, tags
from gateway import keys
from gateway.bench_bluez import PlainBluez, data_properties
from gateway.bench_card import Card, card
from gateway.bench_shop import WAIT_S, Page, fill, free_port, post, reachable
from gateway.broker import Broker
from gateway.core.model import Purpose
from gateway.emulator import cards
from gateway.emulator.chip import Pn532Rig
from gateway.results import Result
from sync.hq import service

MEMBERS = 100_000
STARTS = 3  # of which the median counts
IDLE_S = 120  # what is written every quarter of an hour or day is seen by more: --seconds 3600
SETTLE_S = 30.0  # windows are opened, pages have said who they are
CARD_MB = 512
TAP_S = 0.2  # for which a card is held there, and is away
ANCHOR_S = 1.0
PULSE_S = 15.0  # display/static/pulse.js
SCREENS, TABLETS = 3, 2
ADAPTERS = ("hci0", "hci1")
ANCHOR = bytes(range(20))
LAST = "zz-last"  # is read in after all others
URIS = [f"https://card.example/{number}" for number in range(10)]  # the same card at once again would be no tap
# As in systemd/store-gateway.service: what is freed is overwritten, which costs time and memory.
UNIT = {"PYTHONMALLOC": "malloc", "GLIBC_TUNABLES": "glibc.malloc.perturb=128:glibc.malloc.tcache_count=0"}
GOALS = {
    "start_s": ("s", "under 2"),
    "start_cpu_s": ("s of a core", "-"),
    "all_known_s": ("s", "-"),
    "idle_cpu_pct": ("% of a core", "under 1"),
    "idle_wakeups_per_s": ("a second", "-"),
    "rss_mb": ("MB", "under 110"),
    "rss_most_mb": ("MB", "-"),
    "pss_mb": ("MB", "-"),
    "idle_kb_per_h": ("kB", "under 200"),
    "installed_mb": ("MB", "-"),
    "load_1m": ("of this machine", "-"),
}
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_OWN = "store-gateway"


def footprint(members: int = MEMBERS, idle_s: float = IDLE_S, starts: int = STARTS) -> list[Result]:
    """Start, processor, memory, writes and size of a gateway with nothing to do."""
    with card(CARD_MB) as on, ExitStack() as end:
        shop = _Shop(on, end)
        asyncio.run(fill(shop.data, members))
        found = asyncio.run(_measure(shop, idle_s, starts))
        how = on.how if on.stat is not None else "of the service's process"
    found |= {"installed_mb": _installed_bytes() / 1e6, "load_1m": os.getloadavg()[0]}
    goals = GOALS | {"idle_kb_per_h": (f"kB {how}, from {idle_s:g} s", "under 200")}
    return [Result(name, found[name], *goal) for name, goal in goals.items()]


# --- the shop ----------------------------------------------------------------------------------------------------


class _Shop:
    """Broker, headquarters and readers, which stay; and the service, which is started several times."""

    def __init__(self, on: Card, end: ExitStack) -> None:
        self.card, self.data, self._end = on, on.folder / "data", end
        self.data.mkdir(mode=0o700)
        folder = Path(end.enter_context(tempfile.TemporaryDirectory()))
        self.port, self._hq_port, mqtt_port = free_port(), free_port(), free_port()
        self.rigs = [end.enter_context(Pn532Rig()) for _ in range(2)]
        self._config, self._folder = folder / "gateway.toml", folder
        self._config.write_text(
            f'[gateway]\ntenant = "bench"\nstore = "shop"\nid = "gw"\ndata_dir = "{self.data}"\n'
            f'[http]\nport = {self.port}\n[mqtt]\nhost = "127.0.0.1"\nport = {mqtt_port}\n'
            f'[[anchor]]\nid = "door"\nbeacon = "ibeacon:{ANCHOR.hex()}"\n'
            + "".join(f'[[screen]]\nid = "s{n}"\nzone = "z{n}"\n' for n in range(SCREENS))
            + "".join(_source(f"nfc:{rig.path}", f"r{n}", n, True) for n, rig in enumerate(self.rigs))
            + "".join(_source(f"ble:{name}", f"b{n}", n, False) for n, name in enumerate(ADAPTERS))
        )
        broker = Broker(folder, mqtt_port)
        end.callback(broker.stop)
        broker.start()
        ops, db = folder / "ops.jsonl", folder / "hq.db"
        ops.write_text("".join(json.dumps(op) + "\n" for op in _ops()))
        service.import_file(db, ops)
        serve = ["hq", "serve", "--db", str(db), "--port", str(self._hq_port), "--mqtt-port", str(mqtt_port)]
        self._begin("hq", serve, {})

    def start(self, bus: str) -> subprocess.Popen[bytes]:
        """The service, with its bytecode in a folder of its own, as an installed one has it."""
        own = {"DBUS_SYSTEM_BUS_ADDRESS": bus, "PYTHONPYCACHEPREFIX": str(self._folder / "bytecode")}
        return self._begin("gateway", ["run", "--config", str(self._config)], UNIT | own)

    def _begin(self, name: str, arguments: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "gateway", *arguments]
        environment = {
            key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"
        } | environment
        with (self._folder / f"{name}.log").open("ab") as log:
            child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
        self._end.callback(child.wait)
        self._end.callback(child.kill)
        return child

    @property
    def pages(self) -> list[Page]:
        """Three screens and two tablets."""
        key = keys.tablet_key(self.data)
        tablets = [f"{cookies.COOKIE}={cookies.cookie_for(f'{n:032x}', key)}" for n in range(TABLETS)]
        screens = [Page(self.port, f"/api/v1/screens/s{n}/stream") for n in range(SCREENS)]
        return [*screens, *(Page(self.port, "/api/v1/tablet/stream", cookie) for cookie in tablets)]


def _source(path: str, receiver: str, zone: int, shows: bool) -> str:
    screen = f'screen = "s{zone}"\n' if shows else ""
    place = f'[[receiver]]\nid = "{receiver}"\nzone = "z{zone}"\n{screen}'
    return f'[[source]]\npath = "{path}"\nreceiver = "{receiver}"\n{place}'


def _ops() -> Iterator[dict[str, Any]]:
    """A shop with a notice, and the member who taps."""
    notice = {"version": "1", "controller": "Bench", "contact": "bench@shop.example", "text": {"en": "Bench."}}
    yield {"op": "config.put", "body": {"notice": notice}}
    yield {"op": "member.put", "body": {"member_id": LAST, "call_name": LAST}}
    for uri in URIS:
        value = {"kind": "ndef", "value": uri.encode().hex()}
        yield {"op": "credential.put", "body": {"credential_id": uri[-1], "member_id": LAST, **value}}
    for purpose in (Purpose.RECOGNISE_NFC, Purpose.PUBLIC_PERSONAL_GREETING):
        given = {"event_id": purpose, "purpose": purpose, "state": "given", "notice_version": "1"}
        yield {"op": "consent.add", "body": given | {"member_id": LAST, "given_at_ms": 1_700_000_000_000}}


# --- measuring ---------------------------------------------------------------------------------------------------


async def _measure(shop: _Shop, idle_s: float, starts: int) -> dict[str, float]:
    async with PlainBluez(*ADAPTERS) as bluez, _beside(partial(_call, bluez)):
        await _started(shop, bluez.address, last=False)  # it fetches what the shop says
        begun = [await _started(shop, bluez.address, last=number == starts - 1) for number in range(starts)]
        async with AsyncExitStack() as pages:
            for page in shop.pages:
                await pages.enter_async_context(_beside(page.listen))
            for number in range(SCREENS):
                await pages.enter_async_context(_beside(partial(_pulse, shop.port, number)))
            await asyncio.sleep(min(SETTLE_S, idle_s))
            idle = await _idle(shop.card, begun[-1].child.pid, idle_s)
        begun[-1].child.kill()
    return {
        "start_s": median(one.start_s for one in begun),
        "start_cpu_s": median(one.cpu_s for one in begun),
        "all_known_s": median(one.knows_s for one in begun),
    } | idle


@dataclass(frozen=True, slots=True)
class _Begun:
    child: subprocess.Popen[bytes]
    start_s: float
    cpu_s: float
    knows_s: float


async def _started(shop: _Shop, bus: str, last: bool) -> _Begun:
    """Started until everybody is recognised; ended again unless it is the `last`."""
    began_s = time.perf_counter()
    child = shop.start(bus)
    await reachable(shop.port, "/healthz")
    start_s, cpu_s = time.perf_counter() - began_s, _cpu_s(child.pid)
    page = shop.pages[0]
    async with _beside(page.listen):
        uris = cycle(URIS)
        async with asyncio.timeout(WAIT_S):
            while LAST not in page.said:
                await asyncio.to_thread(shop.rigs[0].present, cards.type2(tags.encode_uri(next(uris))))
                await asyncio.sleep(TAP_S)
                await asyncio.to_thread(shop.rigs[0].remove)
                await asyncio.sleep(TAP_S)
    knows_s = page.at_s - began_s
    if not last:
        child.terminate()
        await asyncio.to_thread(child.wait)
    return _Begun(child, start_s, cpu_s, knows_s)


async def _idle(on: Card, pid: int, idle_s: float) -> dict[str, float]:
    written = await asyncio.to_thread(_written, on, pid)
    cpu_s, woken, began_s = _cpu_s(pid), _woken(pid), time.perf_counter()
    await asyncio.sleep(idle_s)
    took_s = time.perf_counter() - began_s
    cpu_s, woken = _cpu_s(pid) - cpu_s, _woken(pid) - woken
    grown = await asyncio.to_thread(_written, on, pid) - written
    return {
        "idle_cpu_pct": cpu_s / took_s * 100,
        "idle_wakeups_per_s": woken / took_s,
        "rss_mb": _kb(Path(f"/proc/{pid}/status"), "VmRSS") / 1e3,
        "rss_most_mb": _kb(Path(f"/proc/{pid}/status"), "VmHWM") / 1e3,
        "pss_mb": _kb(Path(f"/proc/{pid}/smaps_rollup"), "Pss") / 1e3,
        "idle_kb_per_h": grown / 1e3 / took_s * 3_600,
    }


@asynccontextmanager
async def _beside(work: Callable[[], Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    running = asyncio.ensure_future(work())
    try:
        yield
    finally:
        failed = running.done()
        running.cancel()
        await asyncio.gather(running, return_exceptions=not failed)


async def _call(bluez: PlainBluez) -> None:
    """The shop's own beacon, as both adapters hear it."""
    data = data_properties(frames.encode_ibeacon(ANCHOR, -59))
    while True:
        for radio in bluez.radios.values():
            bluez.put_on_air("C0:00:00:00:00:01", -60, data, radio)
        await asyncio.sleep(ANCHOR_S)


async def _pulse(port: int, screen: int) -> None:
    """What a screen's page says of itself."""
    for frames_drawn in count(0, int(PULSE_S)):
        said = {"page": f"{screen:016x}", "frames": frames_drawn, "build": "", "seq": 1}
        await post(port, f"/api/v1/screens/s{screen}/heartbeat", said)
        await asyncio.sleep(PULSE_S)


# --- what the kernel says ----------------------------------------------------------------------------------------


def _written(on: Card, pid: int) -> int:
    """Bytes, at the device where somebody counts them there."""
    return on.written().size if on.stat is not None else _kb(Path(f"/proc/{pid}/io"), "write_bytes")


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def _woken(pid: int) -> int:
    """How often its threads waited and went on."""
    return sum(_kb(task / "status", "voluntary_ctxt_switches") for task in Path(f"/proc/{pid}/task").iterdir())


def _kb(file: Path, name: str) -> int:
    """The number in a line of a file of /proc."""
    found = re.search(rf"^{name}:\s+(\d+)", file.read_text(encoding="ascii"), re.MULTILINE)
    assert found is not None, name
    return int(found[1])


def _installed_bytes() -> int:
    """Files of this program and of every package that it needs, without the interpreter and whatever lies beside."""
    needed, waiting = dict[str, importlib.metadata.Distribution](), [_OWN]
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in needed:
            continue
        try:
            needed[name] = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # for another system or Python
        waiting += [
            re.split(r"[^\w.-]", line, maxsplit=1)[0] for line in needed[name].requires or () if "extra ==" not in line
        ]
    packages = [Path(str(file.locate())) for one in needed.values() for file in one.files or ()]
    root = Path(__file__).parents[1]
    own = [path for name in ("gateway", "drivers", "display", "sync") for path in (root / name).rglob("*")]
    return sum(path.stat().st_size for path in {*packages, *own} if path.is_file())
