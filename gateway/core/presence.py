"""Who is in the shop, and in which zone? The life of a visit over `core.zones`; explicit about what it does not know.

Everything is in memory: nothing of presence survives a restart. Times are milliseconds, levels dBm.
"""

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from gateway.core.checkins import CheckIns
from gateway.core.clones import Watch
from gateway.core.kriging import Place
from gateway.core.levelling import Levelling
from gateway.core.model import Sighting
from gateway.core.radiomap import MAX_RECEIVERS, RadioMap, from_receivers
from gateway.core.zones import ENTER_AFTER_MS, ENTER_SAMPLES, Belief, Hold

UNKNOWN_AFTER_MS = 20_000  # > 4 / 0.3 per s: four lost packets in a row at a sparse 0.3 advertisements a second
LEFT_AFTER_MS = 60_000  # > UNKNOWN_AFTER_MS
DWELLED_MS = 60_000
DECIDE_EVERY_MS = 200  # < ENTER_AFTER_MS; half a second cost a point of accuracy, and sums over zones cost 30 us

# Of one receiver's samples in a second 4 change the belief: closer ones err together and tell nothing new.
WEIGH_EVERY_MS = 250

# Of a member's credentials (a phone, a fob, a partner's phone) one says where the member is, or two in different places
# would drag the belief to and fro. Another takes over when it was silent for so long: > 3 / 0.3 per s.
LEAD_MS = 10_000
# At most so many credentials of a member are listened to, each for 5 kB at most; one that was silent for LEAD_MS goes.
MAX_WATCHES = 4

# A receiver that others know to be awake and that misses four of a member's advertisements in a row says "not here".
SILENT_AFTER_MS = 4_000
SILENT_INTERVALS = 4
SILENCE_EVERY_MS = 2_000
AWAKE_MS = 60_000

# Receivers learn from people who walk. Whoever stands for hours is wrong by the same error all the time and would bend
# them (8.7 false changes an hour after a day of one standing member), so only the first minute of a first visit counts.
TEACH_MS = 60_000

# A credential heard in two places at once opens nothing until so long after the last contradiction. Longer would help
# whoever replays it now and then to shut the member out (12 s in every ten minutes would do for all day).
DOUBT_MS = 120_000

# A remote receiver's sample may be held up on its way; later than this it tells nothing about now. A sample from the
# future would make all others late, so `expire`, which knows the time, sets such tracks right.
LATE_MS = 5_000

NEVER_MS = -(10**15)

# 5,000 members are a full department store. Each takes 19 kB at 418 places and 12 receivers (measured), 95 MB in all;
# beyond it the longest unheard one goes; before them members who are here by a tap alone, who say least.
MAX_MEMBERS = 5_000

Kind = Literal["entered", "moved", "dwelled", "unknown", "doubted", "left"]


@dataclass(frozen=True, slots=True)
class PresenceChange:
    """`zone` None means unknown ("unknown", "doubted") or outside ("left"); `before` is the zone until now."""

    member_id: str
    kind: Kind
    zone: str | None
    before: str | None
    at_ms: int


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a member is where the gateway believes, for the installer. Levels are the last ones, as heard."""

    zone: str | None
    why: str
    shares: Mapping[str, float]  # zone -> share of the belief, 0-1
    levels_dbm: Mapping[str, int]  # receiver -> last level
    receiver_offsets_db: Mapping[str, float]
    device_offset_db: float
    place: Place | None
    map_source: str


@dataclass(slots=True)
class _Track:
    heard_ms: int
    since_ms: int
    belief: Belief
    lead: int  # the credential that says where the member is
    lead_ms: int  # and when it was last heard
    watches: dict[int, Watch] = field(default_factory=dict)  # by credential, at most MAX_WATCHES
    hold: Hold = field(default_factory=Hold)
    samples: int = 0
    inside: bool = False
    zone_since_ms: int = 0
    dwelled: bool = False
    decided_ms: int = 0
    silence_ms: int = 0
    interval_ms: float = 1000.0  # between two of this device's advertisements, as heard
    heard: "array[int]" = field(default_factory=lambda: array("q"))  # per receiver: when last
    weighed: "array[int]" = field(default_factory=lambda: array("q"))
    level: "array[int]" = field(default_factory=lambda: array("h"))

    def watch(self, credential: int, now_ms: int) -> Watch | None:
        """The watch over one credential; None if there are too many of them to listen to another."""
        found = self.watches.get(credential)
        if found is None:
            if len(self.watches) >= MAX_WATCHES:
                oldest = min(self.watches, key=lambda one: self.watches[one].heard_ms)
                if now_ms - self.watches[oldest].heard_ms <= LEAD_MS:
                    return None
                del self.watches[oldest]
            found = self.watches[credential] = Watch(now_ms)
        return found

    def leads(self, credential: int, now_ms: int) -> bool:
        """Whether this credential says where the member is."""
        if credential != self.lead and now_ms - self.lead_ms > LEAD_MS:
            self.lead = credential
            self.silence_ms = now_ms + SILENT_AFTER_MS  # nobody has had time to hear it
            self.belief.another_device()
        return credential == self.lead

    def note(self, receiver: int, rssi_dbm: int, now_ms: int) -> None:
        """Remember when and how loud the leading credential was heard."""
        while len(self.heard) <= receiver:
            self.heard.append(NEVER_MS)
            self.weighed.append(NEVER_MS)
            self.level.append(0)
        gap_ms = now_ms - self.lead_ms
        if gap_ms > 50:  # another advertisement, not the same one at another receiver
            self.interval_ms += 0.2 * (min(gap_ms, UNKNOWN_AFTER_MS) - self.interval_ms)
        self.lead_ms = self.heard[receiver] = now_ms
        self.level[receiver] = max(-128, min(127, rssi_dbm))
        self.samples += 1


class Presence:
    """All members' tracks. `zones` maps receiver id -> zone id.

    With `radio_map` members are placed by it; without one each receiver stands for a place of its own. `anchors`:
    places of the shop's own beacons by anchor id, in metres.
    """

    def __init__(
        self,
        zones: Mapping[str, str],
        *,
        radio_map: RadioMap | None = None,
        anchors: Mapping[str, Place] | None = None,
        dwelled_ms: int = DWELLED_MS,
    ) -> None:
        self._zones = zones
        self._grows = radio_map is None
        self._map = radio_map if radio_map is not None else from_receivers((), zones)
        self._levelling = Levelling(self._map, anchors or {})
        self._receivers = {receiver: index for index, receiver in enumerate(self._map.receivers)}
        self._awake_ms = [NEVER_MS] * len(self._receivers)
        self._dwelled_ms = dwelled_ms
        self._tracks: dict[str, _Track] = {}
        self._checkins = CheckIns()  # members whose zone no beacon tells
        self._doubted_until_ms: dict[str, int] = {}  # at most MAX_MEMBERS; outlives a track
        self._base_ms = 0  # steps of the clock: all times within are without them

    def __len__(self) -> int:
        return len({m for m, track in self._tracks.items() if track.inside} | {*self._checkins})

    def observe(self, sighting: Sighting) -> PresenceChange | None:
        """Take one sighting; almost always nothing changes and None comes back."""
        receiver = self._index(sighting.receiver)
        if receiver is None:
            return None
        member_id, at_ms = sighting.member_id, sighting.at_ms - self._base_ms
        track = self._tracks.get(member_id)
        if track is None:
            self._make_room()
            track = self._tracks[member_id] = self._begin(at_ms, sighting.credential)
        now_ms = max(at_ms, track.heard_ms)  # a member's time never runs backwards
        watch = track.watch(sighting.credential, now_ms) if now_ms - at_ms <= LATE_MS else None
        if watch is None or not watch.admits(receiver, now_ms):
            return None
        self._awake_ms[receiver] = max(at_ms, self._awake_ms[receiver])
        track.heard_ms = watch.heard_ms = now_ms
        leads = track.leads(sighting.credential, now_ms)
        level_db = sighting.rssi_dbm - self._levelling.offset_db(receiver)
        watch.add(receiver, level_db - (track.belief.offset_db if leads else 0.0), at_ms)
        if leads:
            self._weigh(member_id, track, receiver, sighting.rssi_dbm, now_ms)
        if watch.look(self._map, now_ms):
            change = self._doubt(member_id, track, now_ms)
            if change is not None:
                return change
        if not leads or now_ms - track.decided_ms < DECIDE_EVERY_MS:
            return None
        track.decided_ms = now_ms
        return self._decide(member_id, track, now_ms)

    def tapped(self, member_id: str, zone: str, at_ms: int, *, opens: bool) -> PresenceChange | None:
        """A member tapped in `zone`: it begins a visit if it `opens`, else it only moves one. A beacon knows better."""
        at_ms -= self._base_ms
        track = self._tracks.get(member_id)
        inside = member_id in self._checkins or (track is not None and track.inside)
        if not (inside or opens) or (track is not None and self._zone(track) is not None):
            return None
        if member_id not in self._checkins:
            self._make_room()
        kind: Kind = "moved" if inside else "entered"
        before = self._checkins.zone_of(member_id)
        self._checkins.tap(member_id, zone, at_ms)
        return None if zone == before else self._change(member_id, kind, zone, before, at_ms)

    def checked_out(self, member_id: str, back_to: str | None = None, *, earlier: bool = False) -> bool:
        """A tap may not count after all, or only an `earlier` one, `back_to` there; True if still here by a beacon."""
        heard = member_id in self._tracks and self._tracks[member_id].inside
        self._checkins.back(member_id, back_to) if earlier and not heard else self._checkins.end(member_id)
        return heard

    def anchored(self, anchor: str, receiver: str, rssi_dbm: int, now_ms: int) -> None:
        """One of the shop's own beacons was heard: it levels the receivers and shows that this one is awake."""
        index = self._receivers.get(receiver)
        if index is not None:
            self._awake_ms[index] = now_ms - self._base_ms
            self._levelling.anchored(anchor, receiver, rssi_dbm, now_ms - self._base_ms)

    def expire(self, now_ms: int) -> list[PresenceChange]:
        """Who became unknown or left by silence, and who has stayed long enough to have dwelled."""
        now_ms -= self._base_ms
        self._set_right(now_ms)
        changes = []
        for member_id, track in list(self._tracks.items()):
            silent_ms = now_ms - track.heard_ms
            if silent_ms >= LEFT_AFTER_MS:
                del self._tracks[member_id]
                if track.inside and member_id not in self._checkins:
                    changes.append(self._change(member_id, "left", None, self._zone(track), now_ms))
            elif silent_ms >= UNKNOWN_AFTER_MS and track.hold.zone is not None:
                before = self._zone(track)
                track.hold.drop()
                changes.append(self._change(member_id, "unknown", None, before, now_ms))
            elif (dwelled := self._dwelled(member_id, track, now_ms)) is not None:
                changes.append(dwelled)
        for member_id, kind, before in self._checkins.expire(now_ms):
            if kind == "unknown" or member_id not in self._tracks or not self._tracks[member_id].inside:
                changes.append(self._change(member_id, kind, None, before, now_ms))
        self._doubted_until_ms = {m: until_ms for m, until_ms in self._doubted_until_ms.items() if now_ms < until_ms}
        return changes

    def forget(self, member_id: str) -> None:
        """Drop a member without a trace (withdrawal, erasure)."""
        self._tracks.pop(member_id, None)
        self._checkins.end(member_id)
        self._doubted_until_ms.pop(member_id, None)

    def members_in(self, zone: str) -> tuple[str, ...]:
        """Members in `zone` now, sorted."""
        heard = [m for m, track in self._tracks.items() if self._zone(track) == zone]
        return tuple(sorted({*heard, *self._checkins.members_in(zone)}))

    def zone_of(self, member_id: str) -> str | None:
        """The member's zone, or None while unknown."""
        track = self._tracks.get(member_id)
        return (self._zone(track) if track is not None else None) or self._checkins.zone_of(member_id)

    def is_doubted(self, member_id: str) -> bool:
        """Whether the credential was heard in two places at once, lately: it opens nothing."""
        return member_id in self._doubted_until_ms

    def shift(self, delta_ms: int) -> None:
        """Follow a step of the clock, so that nobody leaves or stays because the time was corrected."""
        self._base_ms += delta_ms

    def explain(self, member_id: str) -> Explanation | None:
        """What the zone of a member rests on; None for somebody who was not heard."""
        track = self._tracks.get(member_id)
        if track is None:
            return None
        shares = dict(zip(self._map.zones, track.belief.zones(self._map), strict=True))
        heard = [index for index, at_ms in enumerate(track.heard) if track.lead_ms - at_ms < SILENT_AFTER_MS]
        names = self._map.receivers
        return Explanation(
            zone=self._zone(track),
            why=self._why(member_id, track),
            shares={zone: round(share, 3) for zone, share in shares.items()},
            levels_dbm={names[index]: track.level[index] for index in heard},
            receiver_offsets_db={names[index]: round(self._levelling.offset_db(index), 1) for index in heard},
            device_offset_db=round(track.belief.offset_db, 1),
            place=track.belief.place(self._map),
            map_source=self._map.source,
        )

    def _why(self, member_id: str, track: _Track) -> str:
        if self.is_doubted(member_id):
            return "heard in two places at once"
        shares = track.belief.zones(self._map)
        best = max(range(len(shares)), key=shares.__getitem__)
        if track.hold.zone is None:
            return "too little heard yet, or no zone leads clearly"
        if best == track.hold.zone:
            return "this zone explains the levels best"
        lead = shares[best] - shares[track.hold.zone]
        needs, for_ms = track.hold.needs(best, track.heard_ms)
        needed = f"{needs:.2f} for {for_ms // 1000} s" if for_ms else f"{needs:.2f}"
        return f"held: {self._map.zones[best]} leads by {lead:.2f} and would need {needed}"

    def _weigh(self, member_id: str, track: _Track, receiver: int, rssi_dbm: int, now_ms: int) -> None:
        track.note(receiver, rssi_dbm, now_ms)
        if now_ms - track.weighed[receiver] < WEIGH_EVERY_MS:
            return
        track.weighed[receiver] = now_ms
        track.belief.walk(self._map, now_ms)
        residual_db = track.belief.hear(self._map, receiver, rssi_dbm - self._levelling.offset_db(receiver))
        fresh = track.hold.first_visit and now_ms - track.zone_since_ms < TEACH_MS
        if fresh and member_id not in self._doubted_until_ms:
            self._levelling.learn(receiver, residual_db)

    def _decide(self, member_id: str, track: _Track, now_ms: int) -> PresenceChange | None:
        if member_id in self._doubted_until_ms:
            return None
        if track.samples < ENTER_SAMPLES or now_ms - track.since_ms < ENTER_AFTER_MS:
            return None
        self._note_silence(track, now_ms)
        before = self._zone(track)
        track.hold.decide(track.belief.zones(self._map), now_ms)
        zone = self._zone(track)
        if zone == before:
            return self._dwelled(member_id, track, now_ms)
        if zone is None:
            return self._change(member_id, "unknown", None, before, now_ms)
        kind: Kind = "moved" if track.inside or member_id in self._checkins else "entered"
        track.inside, track.zone_since_ms, track.dwelled = True, now_ms, False
        before = self._checkins.end(member_id) or before  # the beacon takes over
        return None if zone == before else self._change(member_id, kind, zone, before, now_ms)

    def _note_silence(self, track: _Track, now_ms: int) -> None:
        """Receivers that hear others but not this member speak against the places near them."""
        patience_ms = max(SILENT_AFTER_MS, SILENT_INTERVALS * track.interval_ms)
        if now_ms - track.silence_ms < SILENCE_EVERY_MS or now_ms - track.since_ms < patience_ms:
            return
        track.silence_ms = now_ms
        for index, awake_ms in enumerate(self._awake_ms):
            heard_ms = track.heard[index] if index < len(track.heard) else NEVER_MS
            if now_ms - awake_ms < AWAKE_MS and now_ms - heard_ms > patience_ms:
                track.belief.walk(self._map, now_ms)
                track.belief.miss(self._map, index)

    def _dwelled(self, member_id: str, track: _Track, now_ms: int) -> PresenceChange | None:
        zone = self._zone(track)
        if zone is None or track.dwelled or now_ms - track.zone_since_ms < self._dwelled_ms:
            return None
        track.dwelled = True
        return self._change(member_id, "dwelled", zone, zone, now_ms)

    def _doubt(self, member_id: str, track: _Track, now_ms: int) -> PresenceChange | None:
        """Begin or prolong the doubt about a credential; only the beginning is a change."""
        known = member_id in self._doubted_until_ms
        if not known and len(self._doubted_until_ms) >= MAX_MEMBERS:
            del self._doubted_until_ms[min(self._doubted_until_ms, key=self._doubted_until_ms.__getitem__)]
        self._doubted_until_ms[member_id] = now_ms + DOUBT_MS
        if known:
            return None
        before = self._zone(track)
        track.hold.drop()
        return self._change(member_id, "doubted", None, before, now_ms)

    def _zone(self, track: _Track) -> str | None:
        return None if track.hold.zone is None else self._map.zones[track.hold.zone]

    def _change(self, member_id: str, kind: Kind, zone: str | None, before: str | None, at_ms: int) -> PresenceChange:
        return PresenceChange(member_id, kind, zone, before, at_ms + self._base_ms)

    def _index(self, receiver: str) -> int | None:
        """The receiver's number on the map; without a map one that is heard for the first time gets a place there."""
        index = self._receivers.get(receiver)
        if index is None and self._grows and receiver in self._zones and len(self._receivers) < MAX_RECEIVERS:
            self._map = from_receivers((*self._map.receivers, receiver), self._zones)
            self._levelling = Levelling(self._map, {})
            index = self._receivers[receiver] = len(self._receivers)
            self._awake_ms.append(NEVER_MS)
            for track in self._tracks.values():
                track.belief.grow(self._map)
        return index

    def _begin(self, now_ms: int, credential: int) -> _Track:
        return _Track(now_ms, now_ms, Belief(self._map, now_ms), credential, now_ms, decided_ms=now_ms)

    def _set_right(self, now_ms: int) -> None:
        """Begin anew, in the same zone, with members who were heard in the future."""
        self._awake_ms = [at_ms if at_ms <= now_ms + LATE_MS else NEVER_MS for at_ms in self._awake_ms]
        for member_id, track in self._tracks.items():
            if track.heard_ms > now_ms + LATE_MS:
                anew = self._tracks[member_id] = self._begin(now_ms, track.lead)
                anew.hold.zone, anew.inside, anew.dwelled = track.hold.zone, track.inside, track.dwelled
                anew.zone_since_ms = now_ms
        for member_id, until_ms in self._doubted_until_ms.items():
            self._doubted_until_ms[member_id] = min(until_ms, now_ms + LATE_MS + DOUBT_MS)

    def _make_room(self) -> None:
        if len(self._tracks) + len(self._checkins) >= MAX_MEMBERS and not self._checkins.end_oldest():
            del self._tracks[min(self._tracks, key=lambda member_id: self._tracks[member_id].heard_ms)]
