"""How others decide zones, for comparison only: smoothed levels, fingerprints, and the rules of two known programs.

Nothing here runs in a shop. Times milliseconds, levels dBm. "8 dB": what BlueZ reports while it scans passively.
"""

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from statistics import median

from gateway.core.kriging import Place
from gateway.core.radiomap import Point
from gateway.zonedata import ABSENT_DBM, SILENT_MS, Guesser, Scene, Walk

Make = Callable[[Walk], Guesser]
BLUEZ_STEP_DB = 8  # RSSI_THRESHOLD in BlueZ's src/device.c


class _Level:
    """One receiver's level: the last one."""

    def __init__(self) -> None:
        self.heard_ms = 0
        self.level = math.nan

    def hear(self, at_ms: int, rssi_dbm: int) -> None:
        self._take(at_ms, rssi_dbm)
        self.heard_ms = at_ms

    def at(self, now_ms: int) -> float:
        return self.level if now_ms - self.heard_ms <= SILENT_MS else ABSENT_DBM

    def _take(self, at_ms: int, rssi_dbm: int) -> None:
        self.level = rssi_dbm


class _Mean(_Level):
    """Exponential mean."""

    def __init__(self, tau_s: float) -> None:
        super().__init__()
        self._tau_ms = tau_s * 1000

    def _take(self, at_ms: int, rssi_dbm: int) -> None:
        if math.isnan(self.level):
            self.level = rssi_dbm
        else:
            self.level += (1 - math.exp(-(at_ms - self.heard_ms) / self._tau_ms)) * (rssi_dbm - self.level)


class _Median(_Level):
    """Median of the last 5 s."""

    def __init__(self) -> None:
        super().__init__()
        self._recent: deque[tuple[int, int]] = deque()

    def _take(self, at_ms: int, rssi_dbm: int) -> None:
        self._recent.append((at_ms, rssi_dbm))

    def at(self, now_ms: int) -> float:
        while self._recent and now_ms - self._recent[0][0] > 5_000:
            self._recent.popleft()
        self.level = median(rssi for _, rssi in self._recent) if self._recent else ABSENT_DBM
        return super().at(now_ms)


class _Kalman(_Level):
    """Random walk, q 2 dB^2/s, R 36 dB^2."""

    def __init__(self) -> None:
        super().__init__()
        self._var = 36.0

    def _take(self, at_ms: int, rssi_dbm: int) -> None:
        if math.isnan(self.level):
            self.level = rssi_dbm
            return
        self._var += 2.0 * (at_ms - self.heard_ms) / 1000
        gain = self._var / (self._var + 36.0)
        self.level += gain * (rssi_dbm - self.level)
        self._var *= 1 - gain


class _Bermuda(_Level):
    """Distance by -55 dBm and attenuation 3; falls count at once, rises as a mean of 20 samples at most."""

    def __init__(self) -> None:
        super().__init__()
        self.distances: deque[float] = deque(maxlen=20)
        self.recent: deque[tuple[int, float]] = deque()

    def _take(self, at_ms: int, rssi_dbm: int) -> None:
        self.distances.append(10 ** ((-55 - rssi_dbm) / 30))
        total, low = 0.0, math.inf
        for distance in reversed(self.distances):
            low = min(low, distance)
            total += low
        self.level = total / len(self.distances)
        self.recent.append((at_ms, self.level))

    def at(self, now_ms: int) -> float:
        while self.recent and now_ms - self.recent[0][0] > 5_000:
            self.recent.popleft()
        return self.level if now_ms - self.heard_ms <= 30_000 else math.inf


class _EspPresense(_Level):
    """75th percentile of the distances of 15 s (10 to 200 readings), by -65 dBm and absorption 3.5."""

    def __init__(self) -> None:
        super().__init__()
        self._recent: deque[tuple[int, float]] = deque(maxlen=200)

    def _take(self, at_ms: int, rssi_dbm: int) -> None:
        self._recent.append((at_ms, 10 ** ((-65 - rssi_dbm) / 35)))
        while len(self._recent) > 10 and at_ms - self._recent[0][0] > 15_000:
            self._recent.popleft()
        distances = sorted(distance for _, distance in self._recent)
        self.level = distances[int(0.75 * (len(distances) - 1))]

    def at(self, now_ms: int) -> float:
        return self.level if now_ms - self.heard_ms <= 15_000 else math.inf


class _Loudest:
    """The receiver with the highest level, leading by `lead` for `dwell_ms`. `nearest`: the lowest value wins."""

    def __init__(
        self,
        smooth: Callable[[], _Level],
        lead: float = 0.0,
        dwell_ms: int = 0,
        *,
        step_db: int = 0,
        nearest: bool = False,
    ) -> None:
        self.ears: dict[str, _Level] = {}
        self._smooth = smooth
        self._lead = lead
        self._dwell_ms = dwell_ms
        self._step_db = step_db
        self._sign = -1 if nearest else 1
        self._reported: dict[str, int] = {}
        self.held: str | None = None
        self._challenger: tuple[str, int] | None = None

    def hear(self, at_ms: int, receiver: str, rssi_dbm: int) -> None:
        reported = self._reported.get(receiver)
        if reported is not None and abs(rssi_dbm - reported) < self._step_db:
            rssi_dbm = reported
        self._reported[receiver] = rssi_dbm
        self.ears.setdefault(receiver, self._smooth()).hear(at_ms, rssi_dbm)

    def zone(self, at_ms: int) -> str | None:
        levels = {receiver: self._sign * self.ears[receiver].at(at_ms) for receiver in sorted(self.ears)}
        if not levels:
            return None
        best = max(levels, key=lambda receiver: levels[receiver])
        if self.held is None:
            self.held = best
        elif best != self.held and self._beats(best, levels):
            if self._challenger is None or self._challenger[0] != best:
                self._challenger = best, at_ms
            if at_ms - self._challenger[1] >= self._dwell_ms:
                self.held, self._challenger = best, None
        else:
            self._challenger = None
        return self.held

    def place(self) -> Place | None:
        return None

    def _beats(self, best: str, levels: Mapping[str, float]) -> bool:
        return levels[best] >= levels[self.held or best] + self._lead


class _BermudaRule(_Loudest):
    """30 % nearer, or 15 % nearer and its worst of 5 s better than the holder's best."""

    def __init__(self) -> None:
        super().__init__(_Bermuda, nearest=True)

    def _beats(self, best: str, levels: Mapping[str, float]) -> bool:
        ours, theirs = -levels[best], -levels[self.held or best]
        if ours <= 0.7 * theirs:
            return True
        mine, other = self.ears[best], self.ears[self.held or best]
        assert isinstance(mine, _Bermuda) and isinstance(other, _Bermuda)
        if not mine.recent or not other.recent:
            return ours <= 0.85 * theirs
        return ours <= 0.85 * theirs and max(d for _, d in mine.recent) < min(d for _, d in other.recent)


class _Fingerprints:
    """Five nearest fingerprints by level, weighted by the inverse square; the zone is the nearest receiver's."""

    def __init__(self, scene: Scene, smooth: Callable[[], _Level], lead_m: float = 0.0, *, step_db: int = 0) -> None:
        self._levels = _Loudest(smooth, step_db=step_db)
        self._scene = scene
        self._order = [ear.id for ear in scene.ears]
        self._vectors = [(point.place, self._vector(point)) for point in scene.points]
        self._lead_m = lead_m
        self._held: str | None = None
        self._place: Place | None = None

    def hear(self, at_ms: int, receiver: str, rssi_dbm: int) -> None:
        self._levels.hear(at_ms, receiver, rssi_dbm)

    def zone(self, at_ms: int) -> str | None:
        ears = self._levels.ears
        heard = [ears[receiver].at(at_ms) if receiver in ears else ABSENT_DBM for receiver in self._order]
        near = sorted((math.dist(vector, heard), place) for place, vector in self._vectors)[:5]
        shares = [1 / max(distance, 1e-6) ** 2 for distance, _ in near]
        x = sum(share * place[0] for share, (_, place) in zip(shares, near, strict=True)) / sum(shares)
        y = sum(share * place[1] for share, (_, place) in zip(shares, near, strict=True)) / sum(shares)
        self._place = x, y
        best = self._scene.zone_of(self._place)
        places = {ear.id: ear.place or (0.0, 0.0) for ear in self._scene.ears}
        if self._held is None or (
            math.dist(places[self._held], self._place) >= math.dist(places[best], self._place) + self._lead_m
        ):
            self._held = best
        return self._held

    def place(self) -> Place | None:
        return self._place

    def _vector(self, point: Point) -> Sequence[float]:
        return [point.levels.get(receiver, ABSENT_DBM) for receiver in self._order]


def peers(scene: Scene) -> dict[str, Make]:
    """Every method by name; those with fingerprints only where the scene has some."""

    def ema(tau_s: float) -> Callable[[], _Level]:
        return lambda: _Mean(tau_s)

    made: dict[str, Make] = {
        "strongest": lambda walk: _Loudest(_Level),
        "strongest 8 dB": lambda walk: _Loudest(_Level, step_db=BLUEZ_STEP_DB),
        "EMA 2 s": lambda walk: _Loudest(ema(2)),
        "EMA 2 s 8 dB": lambda walk: _Loudest(ema(2), step_db=BLUEZ_STEP_DB),
        "EMA 2 s + 4 dB": lambda walk: _Loudest(ema(2), 4),
        "EMA 4 s + 3 dB": lambda walk: _Loudest(ema(4), 3),
        "median 5 s": lambda walk: _Loudest(_Median),
        "median 5 s + 3 dB + 1 s": lambda walk: _Loudest(_Median, 3, 1_000),
        "Kalman": lambda walk: _Loudest(_Kalman),
        "Kalman + 3 dB": lambda walk: _Loudest(_Kalman, 3),
        "Kalman + 3 dB 8 dB": lambda walk: _Loudest(_Kalman, 3, step_db=BLUEZ_STEP_DB),
        "Bermuda": lambda walk: _BermudaRule(),
        "ESPresense": lambda walk: _Loudest(_EspPresense, nearest=True),
    }
    if scene.points:
        made |= {
            "kNN": lambda walk: _Fingerprints(scene, _Level),
            "kNN EMA 2 s": lambda walk: _Fingerprints(scene, ema(2)),
            "kNN EMA 2 s + 1 m": lambda walk: _Fingerprints(scene, ema(2), 1.0),
            "kNN Kalman": lambda walk: _Fingerprints(scene, _Kalman),
            "kNN EMA 2 s 8 dB": lambda walk: _Fingerprints(scene, ema(2), step_db=BLUEZ_STEP_DB),
        }
    return made
