"""How much louder or fainter each receiver hears than its radio map says; learned from anchors and from members' walks.

Knows receivers and levels, never members. Differences dB. Nothing of it is stored.
"""

import math
from collections.abc import Mapping

from gateway.core.kriging import Place
from gateway.core.radiomap import RadioMap

# Receivers of one kind differ by 1-3 dB, more behind a price tag or in a metal frame. Beyond this a person should look.
MAX_OFFSET_DB = 8.0
# A residual of one sample moves the mean by 1/(n + 400): a receiver believes its map for its first minutes. Once it has
# heard so much that the divisor is 5,000 it forgets as fast as it learns (a day of a quiet shop), so that no single
# device, cloned or odd, can bend it: 5 samples a second of 15 dB for a minute are 0.8 dB.
DOUBT_SAMPLES = 400
MEMORY_SAMPLES = 5_000
# An anchor stands still, so it is one measurement however often it is heard: 4 dB of standing waves and shadows
# against 3 dB by which receivers differ.
ANCHOR_VAR = 16.0
RECEIVER_VAR = 9.0
# Anyone can imitate an anchor, and faster than it sends. So one sample a second of each anchor and receiver counts, and
# after the first 50 it pulls by no more than fading does: a mean over 2,000 takes half an hour to follow.
ANCHOR_EVERY_MS = 1_000
ANCHOR_PULL_DB = 6.0
ANCHOR_FIRST = 50
ANCHOR_SAMPLES = 2_000
MAX_ANCHORS = 64


class Levelling:
    """Offsets of the receivers of one map, relative to each other: they add up to 0."""

    def __init__(self, radio_map: RadioMap, anchors: Mapping[str, Place]) -> None:
        self._map = radio_map
        self._index = {receiver: index for index, receiver in enumerate(radio_map.receivers)}
        self._learned = [0.0] * len(radio_map.receivers)
        self._heard = [0] * len(radio_map.receivers)
        # anchor -> the nearest place of the map; only these are listened to, so nothing here grows
        self._stands: dict[str, int] = {}
        for anchor, at in list(anchors.items())[:MAX_ANCHORS] if radio_map.where else ():
            self._stands[anchor] = min(range(len(radio_map)), key=lambda place: math.dist(radio_map.where[place], at))
        self._off: dict[str, dict[int, tuple[float, int]]] = {}  # anchor -> receiver -> (mean residual, samples)
        self._taken_ms: dict[tuple[str, int], int] = {}
        self._from_anchors = [0.0] * len(radio_map.receivers)

    def offset_db(self, receiver: int) -> float:
        """What to take from a level of `receiver` (index) before it meets the map."""
        if not self._map.where:
            return 0.0  # receivers without places can't be told from people who stand elsewhere
        mean = sum(self._learned) / len(self._learned)
        return max(-MAX_OFFSET_DB, min(MAX_OFFSET_DB, self._from_anchors[receiver] + self._learned[receiver] - mean))

    def learn(self, receiver: int, residual_db: float) -> None:
        """A member's sample was off by so much from where the member is believed to be."""
        self._heard[receiver] = min(self._heard[receiver] + 1, MEMORY_SAMPLES - DOUBT_SAMPLES)
        self._learned[receiver] += residual_db / (self._heard[receiver] + DOUBT_SAMPLES)

    def anchored(self, anchor: str, receiver: str, rssi_dbm: int, now_ms: int) -> None:
        """One of the shop's own beacons was heard; unknown ones and such without a place are ignored."""
        place, index = self._stands.get(anchor), self._index.get(receiver)
        if place is None or index is None:
            return
        if 0 <= now_ms - self._taken_ms.get((anchor, index), now_ms - ANCHOR_EVERY_MS) < ANCHOR_EVERY_MS:
            return
        self._taken_ms[anchor, index] = now_ms
        mean, samples = self._off.setdefault(anchor, {}).get(index, (0.0, 0))
        samples = min(samples + 1, ANCHOR_SAMPLES)
        residual = rssi_dbm - self._map.levels[index][place] - mean
        if samples > ANCHOR_FIRST:
            residual = max(-ANCHOR_PULL_DB, min(ANCHOR_PULL_DB, residual))
        self._off[anchor][index] = (mean + residual / samples, samples)
        self._combine()

    def _combine(self) -> None:
        sums, counts = [0.0] * len(self._learned), [0] * len(self._learned)
        for heard in self._off.values():
            if len(heard) < 2:
                continue  # alone it says something about the anchor, nothing about the receiver
            own = sum(mean for mean, _ in heard.values()) / len(heard)  # this anchor is so much louder than usual
            for index, (mean, _) in heard.items():
                sums[index] += mean - own
                counts[index] += 1
        for index, count in enumerate(counts):
            self._from_anchors[index] = sums[index] / (count + ANCHOR_VAR / RECEIVER_VAR) if count else 0.0
