"""`store-gateway calibrate`: a walk through the shop with a test beacon, written down as a radio map.

The installer stands at a point, names it and waits; what each receiver hears of the test beacon becomes the levels of
that point. Everybody else's advertisements end in the ears, as always.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from statistics import median

from drivers.ears import Ears
from drivers.sources import open_source
from gateway.clock import ShopClock
from gateway.config import AnchorTable, Config
from gateway.core.kriging import Place
from gateway.core.model import CredentialKind, Sighting, Tap, Token
from gateway.core.radiomap import MAX_POINTS, Ear, Point
from gateway.errors import ConfigError, UnavailableError
from gateway.health import Health
from gateway.mapfile import ears_of, save_survey
from gateway.zonedata import load_fingerprints, load_receivers

HOLD_S = 30.0  # at 1-2 advertisements a second 30-60 samples; the median is then good to 1 dB, and one turns round once
MIN_SAMPLES = 5  # fewer at a receiver say only that it is far away
MAX_WAITING = 10_000  # samples that wait between two points; a minute of 16 receivers at 10 Hz
TEST_BEACON = "test beacon"

Heard = tuple[str, int, int]  # receiver, rssi_dbm, at_ms


class TestBeacon:
    """In the resolver's place: knows one static beacon and nobody else."""

    __test__ = False  # not a test case
    knows_phones = False

    def __init__(self, beacon: str) -> None:
        """`beacon` as in [[anchor]]: uid:, ibeacon: or altbeacon: and hex digits. Raises ConfigError."""
        kind, _, digits = beacon.partition(":")
        try:
            AnchorTable(id="test", beacon=beacon)
        except ValueError as error:
            raise ConfigError("--beacon: expected uid: and 32 hex digits, or ibeacon: or altbeacon: and 40") from error
        self._token = Token(CredentialKind(kind), bytes.fromhex(digits))

    def missed(self, token: Token, now_ms: int) -> None:
        """Nobody else is looked for."""

    def resolve(self, token: Token, now_ms: int, *_: object) -> str | None:
        """The test beacon's name, or None for everybody else."""
        return TEST_BEACON if token == self._token else None


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
    hold: Callable[[], Awaitable[None]],
) -> list[Point]:
    """Ask for points until an empty answer. At each, `hold` waits while samples come; older ones do not count."""
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
            await hold()
            levels = levels_of([one for one in recent if one[2] >= since_ms])
            if not levels:
                say("the test beacon was heard by no receiver; not recorded")
                continue
            points.append(Point(parsed[0], levels, parsed[1]))
            heard = ", ".join(f"{receiver} {level:.0f}" for receiver, level in levels.items())
            say(f"point {len(points)}: {heard} dBm")
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
    return points


def levels_of(heard: Sequence[Heard]) -> dict[str, float]:
    """Median level of each receiver that heard enough."""
    by_receiver: dict[str, list[int]] = {}
    for receiver, rssi_dbm, _ in heard:
        by_receiver.setdefault(receiver, []).append(rssi_dbm)
    return {name: float(median(all_of)) for name, all_of in sorted(by_receiver.items()) if len(all_of) >= MIN_SAMPLES}


async def walk(
    config: Config, beacon: str, out: Path, ask: Callable[[], Awaitable[str]], say: Callable[[str], None], hold_s: float
) -> int:
    """Survey with the radios of a configuration and write the map; returns the number of points. ConfigError."""
    clock, health, collector = ShopClock(1.0), Health(), Collector()
    ears = Ears(TestBeacon(beacon), collector, clock, health)  # type: ignore[arg-type]  # it asks for `resolve` alone
    sources = [
        open_source(table, ears, clock, health)
        for table in config.source
        if table.scheme not in ("nfc", "sim", "replay")
    ]
    if not sources:
        raise ConfigError("the configuration has no Bluetooth source; expected a [[source]] such as ble:hci0")
    running = [asyncio.ensure_future(source.run()) for source in sources]
    zones = [receiver.zone for receiver in config.receiver]

    async def hold() -> None:
        await asyncio.wait(running, timeout=hold_s, return_when=asyncio.FIRST_COMPLETED)
        for task in running:
            if task.done():
                raise task.exception() or UnavailableError(
                    "a Bluetooth source ended; expected it to hear until the end"
                )

    try:
        points = await survey(collector.samples(), ask, say, zones, clock.now_ms, hold)
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    if points:
        used = {receiver for point in points for receiver in point.levels}
        save_survey(out, [ear for ear in ears_of(config.receiver) if ear.id in used], points)
    return len(points)


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
