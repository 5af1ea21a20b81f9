"""The simulated shop's floor plan and the air in it: where things are, and what a receiver hears of a frame.

People and their ways are in drivers.shopday. Lengths are metres, angles radians.
"""

import math
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

WIDTH_M = 20.0
DEPTH_M = 14.0


class Point(NamedTuple):
    x_m: float
    y_m: float

    def to(self, other: "Point") -> float:
        """Distance in metres."""
        return math.hypot(other.x_m - self.x_m, other.y_m - self.y_m)

    def towards(self, other: "Point") -> float:
        """Direction in radians."""
        return math.atan2(other.y_m - self.y_m, other.x_m - self.x_m)


class Area(NamedTuple):
    """A rectangle in which people stand and look at things."""

    left_m: float
    front_m: float
    right_m: float
    back_m: float

    def spot(self, rng: Random) -> Point:
        return Point(rng.uniform(self.left_m, self.right_m), rng.uniform(self.front_m, self.back_m))

    def clamp(self, point: Point) -> Point:
        return Point(min(max(point.x_m, self.left_m), self.right_m), min(max(point.y_m, self.front_m), self.back_m))


DOOR = Point(0.3, 7.0)
ZONES = {
    "entrance": Area(0.8, 5.0, 4.6, 9.0),
    "coffee": Area(5.2, 10.4, 10.0, 13.4),
    "wine": Area(13.4, 9.0, 19.0, 13.4),
    "till": Area(11.0, 1.0, 17.0, 4.6),
}
RECEIVERS = {
    "entrance-ble": Point(2.6, 7.2),
    "coffee-ble": Point(7.6, 12.2),
    "wine-ble": Point(16.4, 11.4),
    "till-ble": Point(14.0, 2.6),
}
READERS = {  # where one stands to tap
    "entrance-nfc": Point(2.4, 8.4),
    "coffee-nfc": Point(7.2, 11.6),
    "advice-nfc": Point(14.6, 9.8),
    "till-nfc": Point(13.0, 3.6),
}

RECEIVER_HEIGHT_M = 2.3  # as the eight wall-mounted receivers of Danis et al. 2022
POCKET_HEIGHT_M = 1.0
PATH_LOSS_EXPONENT = 2.2  # furnished hall in line of sight, usually given as 1.8-2.5
SHADOW_SIGMA_DB = 3.0  # shelves and other people; slow
SHADOW_LENGTH_M = 2.0  # a shadow is another one after two metres of walking ...
SHADOW_TIME_MS = 20_000  # ... or after 20 s, because other people move
FADING_SIGMA_DB = 3.5  # from frame to frame: another advertising channel, another reflection
BODY_LOSS_DB = 8.0  # the owner's body between device and receiver
SENSITIVITY_DBM = -92.0  # half of the frames at this level are lost
SENSITIVITY_SLOPE_DB = 1.8
BASE_LOSS = 0.08  # frames lost at any level: the receiver listens on one of three channels, others talk


def mean_rssi_dbm(power_at_1m_dbm: float, distance_m: float) -> float:
    """Level without shadow, body and fading."""
    return power_at_1m_dbm - 10 * PATH_LOSS_EXPONENT * math.log10(max(distance_m, 0.3))


def body_loss_db(facing_rad: float, receiver_rad: float) -> float:
    """0 when the owner faces the receiver, BODY_LOSS_DB when the back is turned to it."""
    return BODY_LOSS_DB * (1 - math.cos(facing_rad - receiver_rad)) / 2


def lost_share(rssi_dbm: float) -> float:
    """The probability that a frame of this level is not received, 0-1."""
    faint = 1 / (1 + math.exp(min((rssi_dbm - SENSITIVITY_DBM) / SENSITIVITY_SLOPE_DB, 50.0)))
    return BASE_LOSS + (1 - BASE_LOSS) * faint


@dataclass(slots=True)
class _Shadow:
    loss_db: float
    where: Point
    at_ms: int


class Air:
    """The air between one device and every receiver; remembers the slow shadows between two frames."""

    def __init__(self, power_at_1m_dbm: float, rng: Random) -> None:
        self._power_dbm = power_at_1m_dbm
        self._rng = rng
        self._shadows: dict[str, _Shadow] = {}

    def frame(self, where: Point, facing_rad: float, t_ms: int) -> list[tuple[str, int]]:
        """One frame sent at `where`: (receiver, RSSI in dBm) for each receiver that gets it, in fixed order."""
        heard = []
        for receiver, place in RECEIVERS.items():
            distance_m = math.hypot(where.to(place), RECEIVER_HEIGHT_M - POCKET_HEIGHT_M)
            level = mean_rssi_dbm(self._power_dbm, distance_m)
            level -= body_loss_db(facing_rad, where.towards(place))
            level -= self._shadow_db(receiver, where, t_ms)
            level += self._rng.gauss(0, FADING_SIGMA_DB)
            if self._rng.random() >= lost_share(level):
                heard.append((receiver, round(min(level, 20.0))))
        return heard

    def _shadow_db(self, receiver: str, where: Point, t_ms: int) -> float:
        shadow = self._shadows.get(receiver)
        if shadow is None:
            shadow = _Shadow(self._rng.gauss(0, SHADOW_SIGMA_DB), where, t_ms)
            self._shadows[receiver] = shadow
            return shadow.loss_db
        moved = shadow.where.to(where) / SHADOW_LENGTH_M + (t_ms - shadow.at_ms) / SHADOW_TIME_MS
        kept = math.exp(-moved)
        fresh = self._rng.gauss(0, SHADOW_SIGMA_DB)
        shadow.loss_db = kept * shadow.loss_db + math.sqrt(1 - kept * kept) * fresh
        shadow.where, shadow.at_ms = where, t_ms
        return shadow.loss_db
