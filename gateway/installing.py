"""What the installer's page does: keep the floor plan, heed a test fob, walk through the zones. Knows no member."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gateway.config import AnchorTable, Config
from gateway.core.coverage import SPOT_MS, Quality, Spot, counts_of, deaf, levels_of, qualities
from gateway.core.floor import Floor, Place, Problem, problem
from gateway.core.fob import Fob, Heard
from gateway.core.identity import Resolver
from gateway.core.model import Token
from gateway.core.ports import Clock
from gateway.core.radiomap import Ear
from gateway.errors import ConfigError
from gateway.health import Health
from gateway.mapfile import probe, save_survey
from gateway.placing import RADIO_MAP, Placed, radios
from gateway.store import Store

MAX_SPOTS = 200  # of 400 points that a map may have; 200 x 16 receivers x 100 bytes are 320 kB
_EAR = "receiver:"  # what sources call their state in health

FloorResult = Literal["ok", "stale", "unknown"] | Problem
FobResult = Literal["ok", "wrong", "member"]
StandResult = Literal["ok", "no_fob", "busy", "many", "unknown"]
Ended = Literal["", "kept", "silent", "fob_ended", "receiver_down", "cancelled"]
SaveResult = Literal["ok", "empty", "failed"]


@dataclass(frozen=True, slots=True)
class Standing:
    """A spot that is being measured; `left_ms` of shop time."""

    zone: str
    place: Place
    left_ms: int
    samples: dict[str, int]


@dataclass(frozen=True, slots=True)
class Testing:
    """What is heard of the fob. `left_ms` 0 = none is heeded."""

    left_ms: int
    anchor: str | None
    levels: tuple[Heard, ...]


@dataclass(frozen=True, slots=True)
class Walk:
    """`ended`: what became of the spot before; `unfit`: receivers that the map must have and this walk lacks."""

    standing: Standing | None
    ended: Ended
    spots: tuple[Spot, ...]
    qualities: tuple[Quality, ...]
    unfit: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Stand:
    zone: str
    place: Place
    began_ms: int


class Installing:
    """One for a gateway; lives on the event loop. `config` is the file's own, `laid` what presence was started with."""

    def __init__(
        self, config: Config, laid: Placed, fob: Fob, resolver: Resolver, store: Store, clock: Clock, health: Health
    ) -> None:
        self.config = config
        self.laid = laid
        self._fob = fob
        self._resolver = resolver
        self._store = store
        self._clock = clock
        self._health = health
        self._stand: _Stand | None = None
        self._ended: Ended = ""
        self._spots: list[Spot] = []

    @property
    def zones(self) -> tuple[str, ...]:
        """Zones of receivers and screens, in the order of the configuration."""
        every = [one.zone for one in self.config.receiver] + [one.zone for one in self.config.screen]
        return tuple(dict.fromkeys(every))

    @property
    def map_path(self) -> Path:
        """Where a walk is written to."""
        return self.config.gateway.data_dir / RADIO_MAP

    @property
    def radios(self) -> tuple[str, ...]:
        """Receivers that hear beacons."""
        return radios(self.config)

    # --- floor plan ------------------------------------------------------------------------------------------

    async def floor(self) -> tuple[Floor | None, int]:
        """The plan and its revision; before one is drawn, what the configuration says of places, if it does."""
        drawn, revision = await self._store.run(lambda tx: (tx.floor(), tx.floor_revision))
        return (drawn if drawn is not None else self._configured()), revision

    async def put_floor(self, floor: Floor, revision: int) -> FloorResult:
        """Keep a plan that was made from `revision`; it serves from the next start."""
        wrong = problem(floor)
        if wrong is not None:
            return wrong
        known = (
            (floor.receivers, {one.id for one in self.config.receiver}),
            (floor.screens, {one.id for one in self.config.screen}),
            (floor.anchors, {one.id for one in self.config.anchor}),
            (floor.zones, set(self.zones)),
        )
        if any(set(found) - names for found, names in known):
            return "unknown"
        kept = await self._store.run(lambda tx: tx.put_floor(floor, revision))
        return "ok" if kept else "stale"

    def _configured(self) -> Floor | None:
        """The file's own places, moved so that all of them lie on a plan; None if there are none."""
        things = (self.config.receiver, self.config.anchor)
        places = [one.place for table in things for one in table if one.place is not None]
        if not places:
            return None
        left, top = (min(0.0, min(place[axis] for place in places)) for axis in (0, 1))
        if (left, top) != (0.0, 0.0):  # another origin than the plan's corner: what is drawn would not meet the file
            return None
        width, depth = (min(200.0, max(10.0, max(place[axis] for place in places) + 2)) for axis in (0, 1))
        receivers = {one.id: one.place for one in self.config.receiver if one.place is not None}
        anchors = {one.id: one.place for one in self.config.anchor if one.place is not None}
        found = Floor(width, depth, receivers=receivers, anchors=anchors)
        return found if problem(found) is None else None

    # --- the test fob ----------------------------------------------------------------------------------------

    async def begin_fob(self, anchor: str | None, beacon: str) -> FobResult:
        """Heed an anchor by its id, or the beacon that an installer typed, as in [[anchor]]. Never a member's."""
        token = self._token(anchor, beacon)
        if token is None:
            return "wrong"
        digest = self._resolver.digest(token)
        held = await self._store.run(lambda tx: tx.holder(digest))
        if held is not None or self._resolver.resolve(token, self._clock.now_ms()) is not None:
            self._health.count("install.fob_refused")
            return "member"
        names = {one.token: one.id for one in self.config.anchor}
        self._leave("cancelled")
        self._fob.begin(token, names.get(token), self._clock.now_ms())
        self._health.count("install.fob_begun")
        return "ok"

    def end_fob(self) -> None:
        """Heed none any more."""
        self._leave("fob_ended")
        self._fob.end()

    def testing(self) -> Testing:
        now_ms = self._clock.now_ms()
        left_ms = self._fob.left_ms(now_ms)
        return Testing(left_ms, self._fob.anchor, self._fob.levels(self.radios, now_ms) if left_ms else ())

    def _token(self, anchor: str | None, beacon: str) -> Token | None:
        for one in self.config.anchor:
            if anchor is not None and one.id == anchor:
                return one.token
        if anchor is not None:
            return None
        try:
            return AnchorTable(id="test", beacon=beacon).token
        except ValueError:
            return None

    # --- the walk --------------------------------------------------------------------------------------------

    def stand(self, zone: str, place: Place) -> StandResult:
        """Begin a spot: from now on SPOT_MS of the fob count for `place` in `zone`."""
        self._settle()
        now_ms = self._clock.now_ms()
        if zone not in self.zones:
            return "unknown"
        if self._stand is not None:
            return "busy"
        if len(self._spots) >= MAX_SPOTS:
            return "many"
        if not self._fob.left_ms(now_ms):
            return "no_fob"
        self._fob.prolong(now_ms)
        self._fob.gather(now_ms)
        self._stand, self._ended = _Stand(zone, place, now_ms), ""
        return "ok"

    def leave(self) -> None:
        """The spot that is being measured does not count."""
        self._leave("cancelled")

    def drop(self, number: int) -> bool:
        """Forget a spot by its place in the walk, from 0; False for one that there is not."""
        if not 0 <= number < len(self._spots):
            return False
        del self._spots[number]
        return True

    def clear(self) -> None:
        """Begin the walk anew."""
        self._leave("")
        self._ended = ""
        self._spots.clear()

    def walk(self) -> Walk:
        self._settle()
        standing = None
        if self._stand is not None:
            left_ms = self._stand.began_ms + SPOT_MS - self._clock.now_ms()
            standing = Standing(self._stand.zone, self._stand.place, left_ms, counts_of(self._fob.gathered))
        spots = tuple(self._spots)
        return Walk(standing, self._ended, spots, qualities(spots), deaf(self.radios, spots))

    async def save(self) -> SaveResult:
        """Write the walk as a radio map, at once or not at all; it serves from the next start."""
        self._settle()
        if not self._spots:
            return "empty"
        used = {receiver for spot in self._spots for receiver in spot.levels}
        drawn, _ = await self.floor()
        places = drawn.receivers if drawn is not None else {}
        ears = [Ear(one.id, places.get(one.id), one.zone) for one in self.config.receiver if one.id in used]
        try:
            await asyncio.to_thread(self._write, ears, tuple(self._spots))
        except ConfigError:
            self._health.count("install.map_unwritten")
            return "failed"
        self._health.count("install.maps_written")
        return "ok"

    def _write(self, ears: Sequence[Ear], spots: Sequence[Spot]) -> None:
        probe(self.map_path)
        save_survey(self.map_path, ears, [spot.point for spot in spots])

    def _settle(self) -> None:
        """Keep the spot that is being measured once its time is over; what is wrong with it shows at once."""
        stand, now_ms = self._stand, self._clock.now_ms()
        if stand is None:
            return
        if not self._fob.left_ms(now_ms):
            self._leave("fob_ended")
        elif any(
            part.state == "down" and part.name in {_EAR + one for one in self.radios} for part in self._health.parts
        ):
            self._leave("receiver_down")  # a spot that a deaf receiver missed would look far from it
        elif now_ms >= stand.began_ms + SPOT_MS:
            heard = [one for one in self._fob.gathered if one[2] < stand.began_ms + SPOT_MS]
            levels = levels_of(heard)
            if levels:
                self._spots.append(Spot(stand.place, stand.zone, levels, counts_of(heard)))
            self._leave("kept" if levels else "silent")

    def _leave(self, why: Ended) -> None:
        if self._stand is not None:
            self._stand, self._ended = None, why
            self._fob.stop_gathering()

    def shift(self, delta_ms: int) -> None:
        """Follow a step of the clock."""
        self._fob.shift(delta_ms)
        if self._stand is not None:
            self._stand = _Stand(self._stand.zone, self._stand.place, self._stand.began_ms + delta_ms)
