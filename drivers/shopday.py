"""A day in the simulated shop: who walks where, what their things send, when they tap. No clock and no waiting in here.

The first minute and a half of members 1 and 2 is scripted, so that a newcomer sees something at once; everything
else is drawn from the seed and goes on for ever.
"""

import heapq
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from drivers import frames, tags
from drivers.people import EXPONENT, Person, people
from drivers.replay import Adv, Record, Touch
from drivers.shopfloor import DOOR, READERS, ZONES, Air, Point
from gateway.core import eid
from gateway.core.model import CredentialKind

MAX_STRANGERS = 2_000  # with their random addresses about 1 MB; far more than fit into such a shop

POWER_AT_1M_DBM = (-63, -56)  # phones and fobs differ that much
EID_POWER_OFFSET_DB = 41  # Eddystone states the power at 0 m, which is 41 dB above the one at 1 m
INTERVAL_MS = (300, 1_000)  # between two advertisements of one device
SCRIPTED_INTERVAL_MS = 400
ADV_DELAY_MS = 10  # Bluetooth Core, Vol 6 Part B, 4.4.2.2.1: 0-10 ms are added to each interval
ADDRESS_LIFE_MS = 900_000  # phones change their random address every 15 min
CLOCK_DRIFT_MS = 20_000  # a fob's clock after some weeks at 10 ppm

SPEED_M_PER_S = (1.0, 1.4)
SCRIPTED_SPEED_M_PER_S = 1.3
STAND_MS = (4_000, 12_000)  # then one turns, or shifts by a step
DWELL_MS = (15_000, 60_000)
AWAY_MS = (120_000, 480_000)  # a simulated day is short of idle hours
FIRST_MEMBER_MS = (40_000, 340_000)  # nobody but strangers disturbs the opening
FIRST_STRANGER_MS = (0, 240_000)
COFFEE_TAP_SHARE = 0.35  # of members with a card who stop at the coffee shelf
ADVICE_TAP_SHARE = 0.15
TILL_TAP_SHARE = 0.3  # enough for somebody to watch, and seldom one before the other's sale is over
STRANGER_TAP_SHARE = 0.06
AT = {
    "coffee": "coffee-nfc",
    "wine": "advice-nfc",
    "entrance": "entrance-nfc",
    "till": "till-nfc",
}  # zone -> its reader
TAP_SHARES = {"coffee-nfc": COFFEE_TAP_SHARE, "advice-nfc": ADVICE_TAP_SHARE, "till-nfc": TILL_TAP_SHARE}


@dataclass(frozen=True, slots=True)
class Leg:
    """Walking from one point to another, or standing if they are the same."""

    start_ms: int
    end_ms: int
    origin: Point
    goal: Point
    facing_rad: float

    def where(self, t_ms: int) -> Point:
        share = min(max((t_ms - self.start_ms) / max(self.end_ms - self.start_ms, 1), 0.0), 1.0)
        return Point(
            self.origin.x_m + share * (self.goal.x_m - self.origin.x_m),
            self.origin.y_m + share * (self.goal.y_m - self.origin.y_m),
        )


class Visit:
    """A way through the shop from door to door, built step by step; `taps` are (t_ms, reader)."""

    def __init__(self, rng: Random, start_ms: int, speed_m_per_s: float) -> None:
        self._rng = rng
        self._speed = speed_m_per_s
        self._at = DOOR
        self.end_ms = start_ms
        self.legs: list[Leg] = []
        self.taps: list[tuple[int, str]] = []

    def walk(self, goal: Point) -> None:
        end_ms = self.end_ms + max(round(1000 * self._at.to(goal) / self._speed), 1)
        self.legs.append(Leg(self.end_ms, end_ms, self._at, goal, self._at.towards(goal)))
        self._at, self.end_ms = goal, end_ms

    def linger(self, zone: str, until_ms: int) -> None:
        """Stand, turn and shift in the zone until `until_ms`."""
        while self.end_ms < until_ms:
            end_ms = min(self.end_ms + self._rng.randint(*STAND_MS), until_ms)
            self.legs.append(Leg(self.end_ms, end_ms, self._at, self._at, self._rng.uniform(-math.pi, math.pi)))
            self.end_ms = end_ms
            if until_ms - self.end_ms > 3_000:
                shift = Point(self._at.x_m + self._rng.uniform(-0.8, 0.8), self._at.y_m + self._rng.uniform(-0.8, 0.8))
                self.walk(ZONES[zone].clamp(shift))

    def tap(self, reader: str, zone: str, at_ms: int) -> None:
        """Be at the reader and hold the card to it at `at_ms`, or as soon as one gets there."""
        self.walk(READERS[reader])
        self.linger(zone, at_ms)
        self.taps.append((self.end_ms, reader))


def opening_of_first(rng: Random) -> Visit:
    """In at 1 s, at the coffee shelf by 15 s, taps there at 20 s, asks for advice at 45 s, taps at the till at 90 s."""
    visit = Visit(rng, 1_000, SCRIPTED_SPEED_M_PER_S)
    visit.walk(Point(2.4, 7.4))
    visit.linger("entrance", 9_000)
    visit.tap("coffee-nfc", "coffee", 20_000)
    visit.linger("coffee", 36_000)
    visit.tap("advice-nfc", "wine", 45_000)
    visit.linger("wine", 80_000)
    visit.tap("till-nfc", "till", 90_000)
    visit.linger("till", 105_000)
    visit.walk(DOOR)
    return visit


def opening_of_second(rng: Random) -> Visit:
    """In at 10 s, at the cheese by 32 s, taps at the coffee shelf at 52 s, when the first one has left it; pays."""
    visit = Visit(rng, 10_000, SCRIPTED_SPEED_M_PER_S)
    visit.walk(Point(2.2, 6.8))
    visit.linger("entrance", 20_000)
    visit.walk(Point(15.6, 11.0))
    visit.linger("wine", 40_000)
    visit.tap("coffee-nfc", "coffee", 52_000)
    visit.linger("coffee", 76_000)
    visit.walk(ZONES["wine"].spot(rng))
    visit.linger("wine", 150_000)
    visit.tap("till-nfc", "till", 165_000)
    visit.linger("till", 180_000)
    visit.walk(DOOR)
    return visit


def any_visit(rng: Random, start_ms: int, tap_shares: dict[str, float]) -> Visit:
    """One to three zones in random order; `tap_shares` maps a reader to how often it is used on passing."""
    visit = Visit(rng, start_ms, rng.uniform(*SPEED_M_PER_S))
    visit.walk(ZONES["entrance"].spot(rng))
    visit.linger("entrance", visit.end_ms + rng.randint(2_000, 6_000))
    stops = rng.sample(sorted(ZONES), k=rng.randint(1, 3))
    for zone in stops:
        reader = AT[zone]
        if rng.random() < tap_shares.get(reader, 0.0):
            visit.tap(reader, zone, visit.end_ms + rng.randint(8_000, 15_000))
        else:
            visit.walk(ZONES[zone].spot(rng))
        visit.linger(zone, visit.end_ms + rng.randint(*DWELL_MS))
    if "till" not in stops and rng.random() < 0.6:
        if rng.random() < tap_shares.get(AT["till"], 0.0):
            visit.tap(AT["till"], "till", visit.end_ms + rng.randint(8_000, 15_000))
        else:
            visit.walk(ZONES["till"].spot(rng))
        visit.linger("till", visit.end_ms + rng.randint(15_000, 30_000))
    visit.walk(DOOR)
    return visit


class Device:
    """What a person carries: contents and random address live for one window, then both change."""

    def __init__(self, make_ad: Callable[[int, Random], bytes], zero_ms: int, window_ms: int, rng: Random) -> None:
        self._make_ad = make_ad  # takes the milliseconds since `zero_ms` and the device's own dice
        self._zero_ms = zero_ms
        self._window_ms = window_ms
        self._rng = Random(rng.getrandbits(64))  # its own, because windows hang on the time of day and walks must not
        self._window: int | None = None
        self._ad = b""
        self._address = ""

    def frame(self, now_ms: int) -> tuple[str, bytes]:
        """Address and AD structures on the air at `now_ms` (Unix time)."""
        window = (now_ms - self._zero_ms) // self._window_ms
        if window != self._window:
            self._window = window
            self._ad = self._make_ad(now_ms - self._zero_ms, self._rng)
            self._address = private_address(self._rng)
        return self._address, self._ad


def private_address(rng: Random) -> str:
    """A random address of the resolvable shape: the two highest bits are 01."""
    octets = [rng.randrange(0x40, 0x80), *rng.randbytes(5)]
    return ":".join(f"{octet:02X}" for octet in octets)


def member_device(person: Person, power_dbm: int, rng: Random) -> Device:
    """The beacon of a member, as the shop's credentials know it."""
    value = person.beacon_bytes
    if person.beacon is CredentialKind.IBEACON:
        return Device(lambda *_: frames.encode_ibeacon(value, power_dbm), rng.randrange(900_000), ADDRESS_LIFE_MS, rng)

    def make_ad(beacon_ms: int, _: Random) -> bytes:
        shown = eid.eid(value, beacon_ms // 1000 & 0xFFFFFFFF, EXPONENT)
        return frames.encode_eid(shown, power_dbm + EID_POWER_OFFSET_DB)

    zero_ms = person.clock_zero_s * 1000 + rng.randint(-CLOCK_DRIFT_MS, CLOCK_DRIFT_MS)
    return Device(make_ad, zero_ms, 1000 << EXPONENT, rng)


def stranger_device(kind: int, power_dbm: int, rng: Random) -> Device:
    """Something on the air that is none of ours: kind 0 to 3."""
    own = rng.randbytes(20)
    makers: tuple[Callable[[int, Random], bytes], ...] = (
        lambda _, dice: bytes.fromhex("02011a 0aff4c001005") + dice.randbytes(5),  # a phone's "nearby" chatter
        lambda _, dice: bytes.fromhex("020106 1916aafe40") + dice.randbytes(21),  # a Find Hub tag
        lambda *_: frames.encode_ibeacon(own, power_dbm),  # another shop's beacon
        lambda _, dice: frames.encode_eid(dice.randbytes(8), power_dbm + EID_POWER_OFFSET_DB),  # another shop's fob
    )
    return Device(makers[kind], rng.randrange(1000 << EXPONENT), 1000 << EXPONENT, rng)


@dataclass(slots=True, eq=False)
class _Walker:
    rng: Random
    device: Device
    air: Air
    interval_ms: int
    tap_shares: dict[str, float]
    card_uri: str | None = None
    card_uid: str = ""
    visit: Visit | None = None
    leg: int = 0

    def leg_at(self, t_ms: int) -> Leg | None:
        """The leg on which the walker is, or None outside the shop. Times never decrease within a visit."""
        if self.visit is None or t_ms >= self.visit.end_ms:
            return None
        while self.visit.legs[self.leg].end_ms <= t_ms:
            self.leg += 1
        return self.visit.legs[self.leg]


class ShopDay:
    """The endless day of `members` and `strangers`. `next_ms` says when the next thing happens, `step` does it.

    The order of events depends on the seed only; the bytes on the air depend on the time of day as well.
    """

    def __init__(self, seed: int, members: int, strangers: int) -> None:
        rng = Random(f"shop day {seed}")
        self._agenda: list[tuple[int, int, _Walker, Callable[[_Walker, int, int], list[Record]]]] = []
        self._order = itertools.count()  # breaks ties the same way every time
        for number, person in enumerate(people(seed, members), start=1):
            self._add_member(number, person, Random(rng.getrandbits(64)))
        rng = Random(f"shop strangers {seed}")
        for number in range(strangers):
            self._add_stranger(number, Random(rng.getrandbits(64)))

    @property
    def next_ms(self) -> int | None:
        """Milliseconds since opening, never decreasing; None in a shop without people."""
        return self._agenda[0][0] if self._agenda else None

    def step(self, now_ms: int) -> list[Record]:
        """Do what is due at `next_ms`, which is `now_ms` in Unix time; returns what receivers and readers get."""
        t_ms, _, walker, act = heapq.heappop(self._agenda)
        return act(walker, t_ms, now_ms)

    def _add_member(self, number: int, person: Person, rng: Random) -> None:
        power_dbm = rng.randint(*POWER_AT_1M_DBM)
        walker = _Walker(
            rng,
            member_device(person, power_dbm, rng),
            Air(power_dbm, rng),
            SCRIPTED_INTERVAL_MS if number <= 2 else rng.randint(*INTERVAL_MS),
            TAP_SHARES if person.card_uri else {},
            person.card_uri,
            "04" + rng.randbytes(6).hex(),
        )
        if number <= 2:
            walker.visit = opening_of_first(rng) if number == 1 else opening_of_second(rng)
            self._plan(walker.visit.legs[0].start_ms, walker, self._open_door)
        else:
            self._plan(rng.randint(*FIRST_MEMBER_MS), walker, self._enter)

    def _add_stranger(self, number: int, rng: Random) -> None:
        power_dbm = rng.randint(*POWER_AT_1M_DBM)
        shares = dict.fromkeys(READERS, STRANGER_TAP_SHARE)
        device = stranger_device(number % 4, power_dbm, rng)
        walker = _Walker(rng, device, Air(power_dbm, rng), rng.randint(*INTERVAL_MS), shares)
        self._plan(rng.randint(*FIRST_STRANGER_MS), walker, self._enter)

    def _plan(self, t_ms: int, walker: _Walker, act: Callable[[_Walker, int, int], list[Record]]) -> None:
        heapq.heappush(self._agenda, (t_ms, next(self._order), walker, act))

    def _enter(self, walker: _Walker, t_ms: int, now_ms: int) -> list[Record]:
        walker.visit = any_visit(walker.rng, t_ms, walker.tap_shares)
        return self._open_door(walker, t_ms, now_ms)

    def _open_door(self, walker: _Walker, t_ms: int, now_ms: int) -> list[Record]:
        assert walker.visit is not None
        walker.leg = 0
        self._plan(t_ms + walker.rng.randrange(walker.interval_ms), walker, self._send)
        for tap_ms, reader in walker.visit.taps:
            self._plan(tap_ms, walker, self._touch(reader))
        self._plan(walker.visit.end_ms + walker.rng.randint(*AWAY_MS), walker, self._enter)
        return []

    def _send(self, walker: _Walker, t_ms: int, now_ms: int) -> list[Record]:
        leg = walker.leg_at(t_ms)
        if leg is None:
            return []
        self._plan(t_ms + walker.interval_ms + walker.rng.randint(0, ADV_DELAY_MS), walker, self._send)
        address, ad = walker.device.frame(now_ms)
        heard = walker.air.frame(leg.where(t_ms), leg.facing_rad, t_ms)
        return [Adv(t_ms, receiver, rssi_dbm, ad, address) for receiver, rssi_dbm in heard]

    def _touch(self, reader: str) -> Callable[[_Walker, int, int], list[Record]]:
        def touch(walker: _Walker, t_ms: int, now_ms: int) -> list[Record]:
            if walker.card_uri is not None:
                return [Touch(t_ms, reader, tags.encode_uri(walker.card_uri), walker.card_uid)]
            uid = "04" + walker.rng.randbytes(6).hex()
            if walker.rng.random() < 0.5:
                return [Touch(t_ms, reader, None, uid)]
            uri = f"https://elsewhere.example/{walker.rng.getrandbits(64):016x}"
            return [Touch(t_ms, reader, tags.encode_uri(uri), uid)]

        return touch
