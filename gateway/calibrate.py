"""`store-gateway calibrate`: a walk through the shop with a test beacon, written down as a radio map.

The installer stands at a point, names it and waits; what each receiver hears of the test beacon becomes the levels of
that point. Everybody else's advertisements end in the ears, as always.
"""

import asyncio
import random
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from drivers.ears import Ears
from drivers.sources import Source, open_source
from gateway import rekey
from gateway.clock import ShopClock
from gateway.config import AnchorTable, Config
from gateway.core.coverage import levels_of
from gateway.core.identity import Resolver, static_digest
from gateway.core.kriging import Place
from gateway.core.model import Credential, Sighting, Tap
from gateway.core.radiomap import MAX_POINTS, Ear, Point
from gateway.errors import ConfigError
from gateway.health import Health
from gateway.lines import remote_source
from gateway.mapfile import ears_of, probe, save_survey
from gateway.supervise import Supervisor
from gateway.zonedata import load_fingerprints, load_receivers

HOLD_S = 30.0  # at 1-2 advertisements a second 30-60 samples; the median is then good to 1 dB, and one turns round once
MAX_WAITING = 10_000  # samples that wait between two points; a minute of 16 receivers at 10 Hz
LOOK_S = 0.5  # how soon somebody who stands at a point hears that a radio failed
SCHEMES = ("ble", "mgmt", "mqtt")
TEST_BEACON = "test beacon"
_PART = "receiver:"  # what sources call their state in health

Heard = tuple[str, int, int]  # receiver, rssi_dbm, at_ms


def only(beacon: str, site_key: bytes) -> Resolver:
    """A resolver that knows one test beacon and nobody else; a remote scanner of this site learns it from there.

    `beacon` as in [[anchor]]: uid:, ibeacon: or altbeacon: and hex digits. Raises ConfigError.
    """
    try:
        token = AnchorTable(id="test", beacon=beacon).token
    except ValueError as error:
        raise ConfigError("--beacon: expected uid: and 32 hex digits, or ibeacon: or altbeacon: and 40") from error
    digest = static_digest(site_key, token.kind, token.value)
    resolver = Resolver(site_key)
    resolver.set_member(TEST_BEACON, [(Credential(TEST_BEACON, TEST_BEACON, token.kind, digest), 0, None)], 0)
    return resolver


class Collector:
    """A sink that hands the test beacon's samples on; forgets the oldest when nobody takes them."""

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[Heard] = asyncio.Queue(MAX_WAITING)

    def sighted(self, sighting: Sighting) -> None:
        """The test beacon was heard."""
        if self._waiting.full():
            self._waiting.get_nowait()
        self._waiting.put_nowait((sighting.receiver, sighting.rssi_dbm, sighting.at_ms))

    def anchored(self, anchor: str, receiver: str, rssi_dbm: int, at_ms: int) -> None:
        """Anchors are of no use here."""

    def tapped(self, tap: Tap) -> None:
        """Taps are of no use here."""

    def awaits(self, reader: str) -> bool:
        """Nobody waits with a one-time code."""
        return False

    async def samples(self) -> AsyncIterator[Heard]:
        """What is heard, until cancelled."""
        while True:
            yield await self._waiting.get()


def parse_point(line: str) -> tuple[Place, str] | None:
    """ "x y [zone]" in metres; None for anything else."""
    words = line.split()
    if not 2 <= len(words) <= 3:
        return None
    try:
        x, y = float(words[0].replace(",", ".")), float(words[1].replace(",", "."))
    except ValueError:
        return None
    if not (abs(x) <= 1000 and abs(y) <= 1000):
        return None
    return (x, y), words[2] if len(words) == 3 else ""


async def survey(
    samples: AsyncIterator[Heard],
    ask: Callable[[], Awaitable[str]],
    say: Callable[[str], None],
    zones: Sequence[str],
    now_ms: Callable[[], int],
    hold: Callable[[], Awaitable[str]],
    keep: Callable[[Sequence[Point]], None],
) -> list[Point]:
    """Ask for points until an empty answer. At each, `hold` waits while samples come; older ones do not count.

    `hold` returns what went wrong meanwhile, or "": a point that a deaf receiver missed would look far from it. `keep`
    gets all points after each one.
    """
    recent: list[Heard] = []

    async def collect() -> None:
        async for one in samples:
            recent.append(one)
            del recent[:-MAX_WAITING]

    listening = asyncio.ensure_future(collect())
    points: list[Point] = []
    try:
        while len(points) < MAX_POINTS and (line := (await ask()).strip()):
            parsed = parse_point(line)
            if parsed is None or (parsed[1] and parsed[1] not in zones):
                say(f"expected: x y [zone] in metres, zone one of {', '.join(sorted(set(zones))) or 'none'}")
                continue
            recent.clear()
            since_ms = now_ms()
            if trouble := await hold():
                say(f"{trouble}; not recorded, type the point again when it is back")
                continue
            levels = levels_of([one for one in recent if one[2] >= since_ms])
            if not levels:
                say("the test beacon was heard by no receiver; not recorded")
                continue
            points.append(Point(parsed[0], levels, parsed[1]))
            heard = ", ".join(f"{receiver} {level:.0f}" for receiver, level in levels.items())
            say(f"point {len(points)}: {heard} dBm")
            keep(points)
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
    return points


async def walk(
    config: Config, beacon: str, out: Path, ask: Callable[[], Awaitable[str]], say: Callable[[str], None], hold_s: float
) -> int:
    """Survey with the radios of a configuration and write the map; returns the number of points.

    Until the walk has ended well, its points stand in a file beside `out`, and an older map stays as it is. Raises
    ConfigError, for `out` before the first point.
    """
    tables = [table for table in config.source if table.scheme in SCHEMES]
    if not tables:
        raise ConfigError("the configuration has no Bluetooth source; expected a [[source]] such as ble:hci0")
    part = out.with_name(out.name + ".part")
    probe(out)
    probe(part)
    clock, health, collector = ShopClock(1.0), Health(), Collector()
    rng = random.Random(secrets.randbits(64))
    remote = any(table.scheme == "mqtt" for table in tables)  # a scanner is told digests under the site's key
    resolver = only(beacon, rekey.vault(config.gateway.data_dir).identifier_key if remote else secrets.token_bytes(32))
    ears = Ears(resolver, collector, clock, health)
    supervisor = Supervisor(clock, health, rng)
    points: list[Point] = []

    def keep(found: Sequence[Point]) -> None:
        points[:] = found
        try:
            _save(part, config, points)
        except ConfigError as error:
            say(f"{error}; tried again after the next point")

    try:
        for table in tables:
            if table.scheme == "mqtt":
                source: Source = remote_source(config, table, ears, resolver, clock, health, rng)
            else:
                source = open_source(table, ears, clock, health)
            supervisor.keep(f"{_PART}{table.receiver}", source.run)
        zones = [receiver.zone for receiver in config.receiver]
        hold = partial(_hold, supervisor, health, hold_s)
        await survey(collector.samples(), ask, say, zones, clock.now_ms, hold, keep)
        if points:
            _save(out, config, points)
            part.unlink(missing_ok=True)
            used = {receiver for point in points for receiver in point.levels}
            for deaf in sorted({str(table.receiver) for table in tables} - used):
                say(f"{deaf} heard the test beacon at no point and is not in the map")
    except BaseException:
        if part.exists() and points:
            say(f"the walk ended early; its {len(points)} points are in {part}")
        raise
    finally:
        await supervisor.close()
    return len(points)


async def _hold(supervisor: Supervisor, health: Health, hold_s: float) -> str:
    """Wait while samples come; at a source's failure no longer. Returns what failed, or ""; raises its ConfigError."""
    failures, left_s = _failures(health), hold_s
    while left_s > 0:
        await asyncio.wait((supervisor.failed,), timeout=min(LOOK_S, left_s))
        left_s -= LOOK_S
        if supervisor.failed.done():
            supervisor.failed.result()
        down = [part for part in health.parts if part.name.startswith(_PART) and part.state == "down"]
        if down:
            return f"{down[0].name.removeprefix(_PART)}: {down[0].detail}"
        if _failures(health) != failures:
            return "a Bluetooth source was lost for a moment"
    return ""


def _failures(health: Health) -> int:
    return sum(health.counts.get(name, 0) for name in ("supervisor.unavailable", "supervisor.crashes"))


def _save(path: Path, config: Config, points: Sequence[Point]) -> None:
    used = {receiver for point in points for receiver in point.levels}
    save_survey(path, [ear for ear in ears_of(config.receiver) if ear.id in used], points)


def from_csv(receivers: Path, fingerprints: Path, out: Path, zones: Mapping[str, str] | None = None) -> int:
    """Convert receivers.csv (id, x, y[, zone]) and fingerprints.csv (x, y, receiver, mean[, zone]). ConfigError."""
    ears, points = load_receivers(receivers), load_fingerprints(fingerprints)
    if not points or len(points) > MAX_POINTS:
        raise ConfigError(f"{fingerprints}: expected 1 to {MAX_POINTS} points, found {len(points)}")
    known = {ear.id for ear in ears}
    strange = sorted({receiver for point in points for receiver in point.levels} - known)
    if strange:
        raise ConfigError(f"{fingerprints}: {strange[0]!r} is none of the receivers in {receivers}")
    named = [Ear(ear.id, ear.place, (zones or {}).get(ear.id) or ear.zone) for ear in ears]
    save_survey(out, named, points)
    return len(points)
