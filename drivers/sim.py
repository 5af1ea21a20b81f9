"""The simulated shop as a device path: plays drivers.shopday to the ears, frame by frame and tap by tap.

Nothing above the ears can tell it from hardware: it hands over raw AD structures and NDEF messages. Simulated are
people who walk, stand and turn, distance, slow shadows, frame-to-frame fading, the owner's body, frames lost for
faintness, advertising intervals with jitter, fobs whose clock is off, ids and addresses that change.

Not simulated, so do not judge these by it:
- collisions of frames and the capture effect (a flat share of frames is lost instead), and the load of a full hall;
- the three advertising channels one by one, scan windows and duty, a controller that filters duplicates;
- what a host stack leaves out: BlueZ reports an RSSI step only from 8 dB on with passive scanning;
- walls and shelves as bodies, standing waves, antenna patterns, receivers that differ in gain or have a slow clock;
- sleeping phones, Android and iOS background rules, batteries, pushchairs, groups, queues and crowds;
- people outside the door, who are heard in a real shop;
- how an NFC field couples, cards that are pulled away too early, two cards at once, phones that emulate cards;
- idle hours: people come back after minutes.
Quality of zones is to be measured on recorded data with known positions, never on this.
"""

import json
import math
import re
from pathlib import Path
from random import Random

from drivers import frames
from drivers.ears import Ears
from drivers.people import MAX_MEMBERS
from drivers.replay import Adv, Pace, check_options, deliver
from drivers.shopday import MAX_STRANGERS, ShopDay
from drivers.shopfloor import ZONES, Air, Point
from gateway.config import SourceTable
from gateway.core.ports import Clock
from gateway.errors import ConfigError
from gateway.health import Health

DEFAULT_MEMBERS = 12
DEFAULT_STRANGERS = 20
MAX_SEED = 2**63 - 1
QUIET_MS = 60_000  # how often an empty shop looks whether it is still open


# An installer's fob: usual power and interval, carried from zone to zone, a minute in each, and turned once a minute.
FOB_POWER_DBM = -59
FOB_INTERVAL_MS = 1_000
FOB_STAYS_MS = 60_000


class SimFob:
    """The test fob `beacon` (20 bytes of an iBeacon); its own randomness, so that the day is the same without it."""

    def __init__(self, beacon: bytes, seed: int) -> None:
        self._ad = frames.encode_ibeacon(beacon, FOB_POWER_DBM)
        self._air = Air(FOB_POWER_DBM, Random(f"fob {seed}"))
        self.next_ms = 0

    def step(self) -> list[Adv]:
        """The packet that is due, as each receiver hears it."""
        t_ms, self.next_ms = self.next_ms, self.next_ms + FOB_INTERVAL_MS
        areas = tuple(ZONES.values())
        area = areas[t_ms // FOB_STAYS_MS % len(areas)]
        where = Point((area.left_m + area.right_m) / 2, (area.front_m + area.back_m) / 2)
        heard = self._air.frame(where, 2 * math.pi * (t_ms % FOB_STAYS_MS) / FOB_STAYS_MS, t_ms)
        return [Adv(t_ms, receiver, rssi_dbm, self._ad) for receiver, rssi_dbm in heard]


class SimSource:
    """`sim:SEED[?members=N&strangers=M&speed=S&fob=HEX]`; app sets the clock's speed."""

    def __init__(self, table: SourceTable, ears: Ears, clock: Clock, health: Health) -> None:
        check_options(table, {"members", "strangers", "speed", "fob"})
        seed = _whole(table, "the seed", table.target, MAX_SEED)
        members = _whole(table, "`members`", table.options.get("members", str(DEFAULT_MEMBERS)), MAX_MEMBERS)
        strangers = _whole(table, "`strangers`", table.options.get("strangers", str(DEFAULT_STRANGERS)), MAX_STRANGERS)
        self._arguments = (seed, members, strangers)
        self._fob = table.options.get("fob")
        if self._fob is not None and not re.fullmatch("[0-9a-f]{40}", self._fob):
            raise ConfigError(f"{table.path}: `fob` must be an iBeacon's 40 hex digits in lower case")
        self._ears = ears
        self._clock = clock
        self._health = health

    async def run(self) -> None:
        """Let the shop's day begin and go on until cancelled; each run begins the same day anew."""
        self._health.set("receiver:sim", "ok", self._clock.now_ms(), "a simulated shop")
        day = ShopDay(*self._arguments)
        fob = SimFob(bytes.fromhex(self._fob), self._arguments[0]) if self._fob is not None else None
        pace = Pace(self._clock)
        await pace.until(0)
        while (due_ms := day.next_ms) is not None or fob is not None:
            if fob is not None and (due_ms is None or fob.next_ms <= due_ms):
                await pace.until(fob.next_ms)
                for packet in fob.step():
                    deliver(packet, self._ears)
                continue
            assert due_ms is not None
            await pace.until(due_ms)
            for record in day.step(self._clock.now_ms()):
                self._health.count("sim.records")
                deliver(record, self._ears)
        while True:
            await self._clock.sleep(QUIET_MS)


def _whole(table: SourceTable, what: str, text: str, most: int) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 19 or int(text) > most:
        raise ConfigError(f"{table.path}: {what} must be a whole number from 0 to {most}")
    return int(text)


_CONFIG = """\
[gateway]
tenant = "demo"
store = "musterstadt"
id = "gw1"
data_dir = {data_dir}

[http]
port = {http_port}

[mqtt]
host = "127.0.0.1"
port = {mqtt_port}

[[source]]
path = "sim:{seed}?members={members}&speed={speed}"

[[receiver]]
id = "entrance-ble"
zone = "entrance"

[[receiver]]
id = "coffee-ble"
zone = "coffee"

[[receiver]]
id = "wine-ble"
zone = "wine"

[[receiver]]
id = "till-ble"
zone = "till"

[[receiver]]
id = "entrance-nfc"
zone = "entrance"
screen = "entrance"

[[receiver]]
id = "coffee-nfc"
zone = "coffee"
screen = "coffee"

[[receiver]]
id = "advice-nfc"
zone = "wine"
advice = true

[[receiver]]
id = "till-nfc"
zone = "till"
screen = "till"
till = "till-1"

[[screen]]
id = "entrance"
zone = "entrance"

[[screen]]
id = "coffee"
zone = "coffee"

[[screen]]
id = "wine"
zone = "wine"

[[screen]]
id = "till"
zone = "till"
"""


def sim_config(data_dir: Path | str, http_port: int, mqtt_port: int, seed: int, members: int, speed: float) -> str:
    """The gateway's configuration file (TOML) for the simulated shop."""
    return _CONFIG.format(
        data_dir=json.dumps(str(data_dir), ensure_ascii=False),
        http_port=http_port,
        mqtt_port=mqtt_port,
        seed=seed,
        members=members,
        speed=f"{speed:.6f}".rstrip("0").rstrip("."),
    )
