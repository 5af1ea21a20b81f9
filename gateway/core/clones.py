"""Is one credential heard from two devices at once? Recent samples that no single place explains, but two places do.

A static or replayed beacon can be copied; two of them look like one device that jumps to and fro. Somebody who walks
does not: the window is cut into three parts, and a walker may be elsewhere in each. A member's several credentials are
watched one by one: a fob left behind is no copy of the phone. Pure; times milliseconds.
"""

import math
from array import array
from collections.abc import Sequence
from operator import mul

from gateway.core.radiomap import RadioMap

# A flood of one credential may not keep the processor: of one receiver's samples in half a second 4 are looked at (a
# tag at 10 Hz loses a fifth on the air anyway). The shorter the time, the less a flood shuts out what comes after it.
SLOT_MS = 500
MAX_PER_SLOT = 4

WINDOW_MS = 6_000
PARTS = 3  # a walker gets 3 m in each; with one part walking looked like two devices
LOOK_EVERY_MS = 2_000
# What several receivers hear within 50 ms is one advertisement (measured: 95 % within 3 ms on one host). Two devices
# at 2 Hz share such a moment one time in five; it then speaks for neither.
BURST_MS = 50
MIN_BURSTS, MAX_BURSTS = 8, 64
MAX_BURSTS_UNPLACED = 32  # without places more of them raised false doubts at 10 Hz
MAX_SAMPLES = 384  # of one credential; 6 s of 8 receivers at 8 Hz; 5 kB, and the oldest go first
# Nearer than that two places are one person in bad radio.
APART_M = 4.0
# Each of the two must account for a fifth of the advertisements. On a map with places it is enough to be heard in so
# many seconds of the window, or a copy that is sent eight times as fast would drown the beacon. Without places a fifth
# it must be: somebody who stands and advertises 5 times a second looked like that, too.
MIN_SHARE = 0.2
MIN_SECONDS = 4

# Log-likelihood of two places over one, summed up over looks that overlap by two thirds and fall by DRIFT. Recorded
# tracks reached 0.8, hours of simulated brisk walking on a map 3 dB wrong 6.8; CAP makes one odd window not enough.
DOUBT_AT = 8.0
CAP, DRIFT = 4.0, 0.2


class Watch:
    """Recent samples of one credential and what they have added up to. They may come late and in any order."""

    __slots__ = ("_codes", "_counts", "_looked_ms", "_slots", "_times", "evidence", "heard_ms")

    def __init__(self, now_ms: int) -> None:
        self.heard_ms = now_ms
        self._slots = array("q")  # for each receiver: the half second that `_counts` counts
        self._counts = array("q")
        self._times = array("q")
        self._codes = array("i")  # receiver * 256 + level + 128
        self._looked_ms = now_ms
        self.evidence = 0.0

    def __len__(self) -> int:
        return len(self._times)

    def admits(self, receiver: int, now_ms: int) -> bool:
        """Whether one more sample of this receiver is looked at."""
        if len(self._counts) <= receiver:
            missing = receiver + 1 - len(self._counts)
            self._slots.extend([now_ms // SLOT_MS] * missing)
            self._counts.extend([0] * missing)
        if self._slots[receiver] != now_ms // SLOT_MS:
            self._slots[receiver], self._counts[receiver] = now_ms // SLOT_MS, 0
        self._counts[receiver] += 1
        return self._counts[receiver] <= MAX_PER_SLOT

    def add(self, receiver: int, level_db: float, now_ms: int) -> None:
        """One sample: receiver index and level without the receiver's and the device's offset."""
        if len(self._times) >= MAX_SAMPLES:
            del self._times[: MAX_SAMPLES // 4], self._codes[: MAX_SAMPLES // 4]
        self._times.append(now_ms)
        self._codes.append(receiver * 256 + max(-128, min(127, round(level_db))) + 128)

    def look(self, radio_map: RadioMap, now_ms: int) -> bool:
        """True if by now two devices are likelier than one. Cheap between two looks."""
        if 0 <= now_ms - self._looked_ms < LOOK_EVERY_MS:
            return False
        self._looked_ms = now_ms
        bursts = self._bursts(now_ms)
        gain = -1.0
        if len(bursts) >= MIN_BURSTS:
            gain = two_over_one(radio_map, bursts[-(MAX_BURSTS if radio_map.where else MAX_BURSTS_UNPLACED) :])
        grown = self.evidence + max(-1.0, min(CAP, gain)) - DRIFT
        self.evidence = max(0.0, min(DOUBT_AT + CAP, grown))  # what was long ago is soon forgotten
        return self.evidence > DOUBT_AT

    def _bursts(self, now_ms: int) -> list[tuple[int, list[tuple[int, int]]]]:
        """(time, [(receiver, level)]) of each advertisement of the window by time; forgets what is outside."""
        recent = sorted(
            (at_ms, code)
            for at_ms, code in zip(self._times, self._codes, strict=True)
            if abs(now_ms - at_ms) <= WINDOW_MS
        )
        self._times = array("q", [at_ms for at_ms, _ in recent])
        self._codes = array("i", [code for _, code in recent])
        bursts: list[tuple[int, list[tuple[int, int]]]] = []
        heard_by: set[int] = set()
        for at_ms, code in recent:
            receiver, level = code // 256, code % 256 - 128
            if not bursts or at_ms - bursts[-1][0] > BURST_MS or receiver in heard_by:
                bursts.append((at_ms, []))
                heard_by = set()
            bursts[-1][1].append((receiver, level))
            heard_by.add(receiver)
        return bursts


def two_over_one(radio_map: RadioMap, bursts: Sequence[tuple[int, Sequence[tuple[int, int]]]]) -> float:
    """How much likelier (natural log) two fixed places are than one in each part of the time; -1 if none apart."""
    logs = [
        [sum(column) for column in zip(*(radio_map.coarse_row(*sample) for sample in samples), strict=True)]
        for _, samples in bursts
    ]
    began_ms, length_ms = bursts[0][0], bursts[-1][0] - bursts[0][0] + 1
    parts: list[list[list[float]]] = [[] for _ in range(PARTS)]
    for (at_ms, _), row in zip(bursts, logs, strict=True):
        parts[(at_ms - began_ms) * PARTS // length_ms].append(row)
    one: float = sum(max(map(sum, zip(*part, strict=True))) for part in parts if part)
    first, second = _best_pair(logs)
    ours = [row[first] for row in logs]
    other = [row[second] for row in logs]
    if radio_map.apart_m(first, second) < APART_M:
        return -1.0
    times: tuple[list[int], list[int]] = ([], [])  # of the advertisements that the second, the first place explains
    for (at_ms, _), a, b in zip(bursts, ours, other, strict=True):
        times[a > b].append(at_ms)
    rarer = min(times, key=len)
    share = len(times[1]) / len(logs)
    if not MIN_SHARE <= share <= 1 - MIN_SHARE:
        if not radio_map.where or len({(at_ms - began_ms) // 1000 for at_ms in rarer}) < MIN_SECONDS:
            return -1.0
    else:
        share = 0.5
    odds = math.log(share), math.log(1 - share)
    two = 0.0
    for a, b in zip(ours, other, strict=True):
        a, b = a + odds[0], b + odds[1]
        two += max(a, b) + math.log1p(math.exp(-abs(a - b)))
    return two - one


def _best_pair(logs: Sequence[Sequence[float]]) -> tuple[int, int]:
    """Two places that explain the advertisements best: the best alone, its best partner, then both by turns."""
    columns = list(zip(*logs, strict=True))
    first = max(range(len(columns)), key=lambda place: sum(columns[place]))
    alone = columns[first]
    second = max(range(len(columns)), key=lambda place: sum(map(max, alone, columns[place])))
    for _ in range(4):
        share = [1 / (1 + math.exp(max(-50.0, min(50.0, row[second] - row[first])))) for row in logs]
        rest = [1 - part for part in share]
        better = (
            max(range(len(columns)), key=lambda place: sum(map(mul, share, columns[place]))),
            max(range(len(columns)), key=lambda place: sum(map(mul, rest, columns[place]))),
        )
        if better == (first, second):
            break
        first, second = better
    return first, second
