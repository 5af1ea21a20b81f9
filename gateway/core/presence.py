"""Where is a member? Median of each receiver's recent RSSI, then hysteresis and dwell on the decision, never metres.

Everything is in memory: nothing of presence survives a restart. Times are milliseconds, levels dBm.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Literal

from gateway.core.model import Sighting

# "8 s median + 4 dB + 3 s dwell" had 0.3 false changes an hour at 4 dB of noise, the exponential mean 2.2
# and the last value 521 (simulated standing customer, 1 advertisement a second).
WINDOW_MS = 8_000
LEAD_DB = 4
DWELL_MS = 3_000  # < WINDOW_MS, so that a change rests on packets heard during the whole dwell
UNKNOWN_AFTER_MS = 20_000  # > 4 / 0.3 per s: four lost packets in a row at a sparse 0.3 advertisements a second
LEFT_AFTER_MS = 60_000  # > UNKNOWN_AFTER_MS
DECIDE_EVERY_MS = 500  # < DWELL_MS; medians are not recomputed for every packet of a 10 Hz tag

# A receiver may not make memory grow: 64 samples are 8 s at 8 Hz, and the oldest go first.
MAX_SAMPLES = 64
# 5,000 members x 4 receivers x 64 samples x 120 B = 150 MB would need every member of a full department
# store advertising at 8 Hz; 5,000 members at 1 Hz are 20 MB. Beyond it the longest unheard one goes.
MAX_MEMBERS = 5_000


@dataclass(frozen=True, slots=True)
class PresenceChange:
    """`zone` None means unknown (for "unknown") or outside (for "left"); `before` is the zone until now."""

    member_id: str
    kind: Literal["entered", "moved", "dwelled", "unknown", "doubted", "left"]
    zone: str | None
    before: str | None
    at_ms: int


@dataclass(slots=True)
class _Track:
    heard_ms: int
    zone: str | None = None
    inside: bool = False
    challenger: str | None = None
    challenger_since_ms: int = 0
    decided_ms: int = 0
    samples: dict[str, deque[tuple[int, int]]] = field(default_factory=dict)  # receiver -> (at_ms, rssi_dbm)


class Presence:
    """All members' tracks. `zones` maps receiver id -> zone id."""

    def __init__(self, zones: Mapping[str, str]) -> None:
        self._zones = zones
        self._tracks: dict[str, _Track] = {}

    def __len__(self) -> int:
        return sum(track.inside for track in self._tracks.values())

    def observe(self, sighting: Sighting) -> PresenceChange | None:
        """Take one sighting; almost always nothing changes and None comes back."""
        if sighting.receiver not in self._zones:
            return None
        now_ms = sighting.at_ms
        track = self._tracks.get(sighting.member_id)
        if track is None:
            self._make_room()
            track = self._tracks[sighting.member_id] = _Track(heard_ms=now_ms)
        track.heard_ms = now_ms
        samples = track.samples.setdefault(sighting.receiver, deque(maxlen=MAX_SAMPLES))
        samples.append((now_ms, sighting.rssi_dbm))
        if now_ms - track.decided_ms < DECIDE_EVERY_MS:
            return None
        track.decided_ms = now_ms
        return self._decide(sighting.member_id, track, now_ms)

    def expire(self, now_ms: int) -> list[PresenceChange]:
        """The members who became unknown or left, by silence."""
        changes = []
        for member_id, track in list(self._tracks.items()):
            silent_ms = now_ms - track.heard_ms
            if silent_ms >= LEFT_AFTER_MS:
                del self._tracks[member_id]
                if track.inside:
                    changes.append(PresenceChange(member_id, "left", None, track.zone, now_ms))
            elif silent_ms >= UNKNOWN_AFTER_MS and track.zone is not None:
                before, track.zone, track.challenger = track.zone, None, None
                changes.append(PresenceChange(member_id, "unknown", None, before, now_ms))
        return changes

    def forget(self, member_id: str) -> None:
        """Drop a member without a trace (withdrawal, erasure)."""
        self._tracks.pop(member_id, None)

    def members_in(self, zone: str) -> tuple[str, ...]:
        """Members in `zone` now, sorted."""
        return tuple(sorted(m for m, track in self._tracks.items() if track.zone == zone))

    def zone_of(self, member_id: str) -> str | None:
        """The member's zone, or None while unknown."""
        track = self._tracks.get(member_id)
        return track.zone if track is not None else None

    def shift(self, delta_ms: int) -> None:
        """Follow a step of the clock, so that nobody leaves or stays because the time was corrected."""
        for track in self._tracks.values():
            track.heard_ms += delta_ms
            track.challenger_since_ms += delta_ms
            track.decided_ms += delta_ms
            for receiver, samples in track.samples.items():
                moved = ((at_ms + delta_ms, rssi) for at_ms, rssi in samples)
                track.samples[receiver] = deque(moved, maxlen=MAX_SAMPLES)

    def _decide(self, member_id: str, track: _Track, now_ms: int) -> PresenceChange | None:
        levels = self._levels(track, now_ms)
        best = max(levels, key=lambda zone: (levels[zone], zone))
        held = levels.get(track.zone) if track.zone is not None else None
        if best == track.zone or (held is not None and levels[best] < held + LEAD_DB):
            track.challenger = None
            return None
        if best != track.challenger:
            track.challenger, track.challenger_since_ms = best, now_ms
        if now_ms - track.challenger_since_ms < DWELL_MS:
            return None
        before, track.zone, track.challenger = track.zone, best, None
        kind: Literal["entered", "moved"] = "moved" if track.inside else "entered"
        track.inside = True
        return PresenceChange(member_id, kind, best, before, now_ms)

    def _levels(self, track: _Track, now_ms: int) -> dict[str, float]:
        """Zone -> level in dBm of its best receiver, from packets of the window only."""
        levels: dict[str, float] = {}
        for receiver, samples in list(track.samples.items()):
            while samples and now_ms - samples[0][0] > WINDOW_MS:
                samples.popleft()
            if not samples:
                del track.samples[receiver]
                continue
            zone = self._zones[receiver]
            levels[zone] = max(levels.get(zone, -1000.0), median(rssi for _, rssi in samples))
        return levels

    def _make_room(self) -> None:
        if len(self._tracks) >= MAX_MEMBERS:
            del self._tracks[min(self._tracks, key=lambda member_id: self._tracks[member_id].heard_ms)]
