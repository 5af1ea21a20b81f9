"""Visits: what beacons and taps say about who is where, told to headquarters, and what a zone's screens show for it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from gateway.advice import Advice
from gateway.config import ReceiverTable
from gateway.core.anonymous import slide_of
from gateway.core.arrivals import Arrived
from gateway.core.discretion import Discretion, Plan
from gateway.core.eligible import Value
from gateway.core.model import Decision, Event, Offer, Purpose, ShopConfig
from gateway.core.ports import Clock
from gateway.core.presence import Presence, PresenceChange
from gateway.core.stage import Stage, ZoneOffer
from gateway.decisions import Arrival, Decisions, Look, Made
from gateway.errors import StoreError
from gateway.records import Tx
from gateway.segments import Segments
from gateway.store import PATIENT_MS
from gateway.works import Commit

# What headquarters hears of a visit beside its beginning and its zones, which come with a decision.
_TOLD = {"left": "visit.left", "dwelled": "visit.dwelled", "doubted": "credential.doubted"}


class Visits:
    """All visits that are under way; every method runs on the event loop. `begin` runs work beside it."""

    def __init__(
        self,
        presence: Presence,
        stage: Stage,
        advice: Advice,
        decisions: Decisions,
        clock: Clock,
        commit: Commit,
        begin: Callable[..., None],
        new_id: Callable[[], str],
        show: Callable[[str], None],
        shop: Callable[[], ShopConfig],
        segments: Segments,
        discretion: Discretion,
    ) -> None:
        self._presence = presence
        self._stage = stage
        self._advice = advice
        self._decisions = decisions
        self._clock = clock
        self._commit: Commit = commit
        self._begin = begin
        self._new_id = new_id
        self._show = show
        self._shop = shop
        self._segments = segments
        self._discretion = discretion
        segments.attach(self._on_segments)
        self._open: dict[str, tuple[str, str]] = {}  # member -> visit id, last known zone

    def __contains__(self, member_id: str) -> bool:
        return member_id in self._open

    def visit_of(self, member_id: str) -> tuple[str, str] | None:
        """A member's open visit: its id, and the zone that was known last."""
        return self._open.get(member_id)

    # --- by a beacon, or by silence --------------------------------------------------------------------------

    def changed(self, change: PresenceChange, *, always: bool = False) -> None:
        """Presence says something new: what rested on the old goes at once."""
        self._take_down(change)
        if change.kind == "left":
            self._advice.left(change.member_id)
        visit_id, zone = self._note(change)
        self._segments.moved(change, visit_id)
        self._begin(self._on_presence(change, visit_id, zone), always=always)

    def expire(self, now_ms: int) -> None:
        """Follow who fell silent, and let screens change whose time has come."""
        for change in self._presence.expire(now_ms):
            self.changed(change, always=True)
        plans = self._discretion.take(now_ms, self._guests, lambda s: self._stage.dialogue_at(s) is None)
        if plans:
            self._begin(self._change(plans))

    def shift(self, delta_ms: int) -> None:
        """Follow a step of the clock."""
        self._discretion.shift(delta_ms)

    @property
    def members(self) -> set[str]:
        """Everybody whose visit is under way."""
        return set(self._open)

    def forget(self, member_id: str) -> int:
        """Drop a member without a trace; how many visits that were."""
        self._presence.forget(member_id)
        self._discretion.forget(member_id)
        return 0 if self._open.pop(member_id, None) is None else 1

    async def _on_presence(self, change: PresenceChange, visit_id: str, zone: str) -> None:
        """A member entered, moved, stayed, became unknown or doubtful, or left; `zone` is the last that was known."""
        member_id = change.member_id
        if change.kind != "left" and member_id not in self._open:
            return  # withdrew a moment ago
        if self._advice.is_colleague(member_id) and (change.zone is None or change.kind in _TOLD):
            self._advice.colleague_is(member_id, change.zone)  # and nobody is told
        elif change.kind in _TOLD:
            body = {"visit_id": visit_id, "member_id": member_id, "zone": zone}
            await self._commit(lambda tx: _tell(tx, Event(_TOLD[change.kind], change.at_ms, body)), PATIENT_MS)
        elif change.zone is not None:
            await self._arrive(change, visit_id, change.zone)

    async def _arrive(self, change: PresenceChange, visit_id: str, zone: str) -> None:
        greets = self._advice.greets(change.member_id)
        look = self._segments.look(change.member_id)

        def arrive(tx: Tx) -> tuple[list[Made] | None, Arrived | None]:
            made = self._decisions.arrive(tx, change, visit_id, (), (), look)
            return made, self._decisions.announce(tx, change, Purpose.RECOGNISE_BLE) if greets else None

        try:
            arrived, announced = await self._commit(arrive)
        except StoreError:
            self._segments.taken_back(change.member_id, look)
            raise
        if self._open.get(change.member_id, ("", ""))[0] != visit_id:
            return  # withdrew, or left, while the disk wrote
        if announced is not None:
            self._advice.announce(announced)
        if self._presence.zone_of(change.member_id) != zone:
            return  # walked on while the disk wrote
        self._advice.colleague_is(change.member_id, zone if arrived is None else None)
        if arrived is None:
            return
        screens = self._stage.screens_in(zone)
        for screen in screens:
            self._make_way(screen, change.member_id)
        if screens:
            self._discretion.plan(change.member_id, zone, screens, self._clock.now_ms())

    async def _change(self, plans: tuple[Plan, ...]) -> None:
        """One after the other: what went up for the first fits all who are there, and is no contact of the others."""
        for plan in plans:
            await self._appear(plan)

    async def _appear(self, plan: Plan) -> None:
        """Decide for screens that may change now because of a member, and let them; what is decided is shown."""
        member_id, zone = plan.member_id, plan.zone
        visit_id = self._open.get(member_id, ("", ""))[0]
        if not visit_id or self._presence.zone_of(member_id) != zone:
            return  # withdrew or walked on
        look = Look(visit_id, self._segments.facts(member_id))
        company = tuple(m for m in self._guests(zone) if m != member_id)
        now_ms, screens = self._clock.now_ms(), tuple(sorted(s for s in plan.screens if not self._fits_all(s, plan)))
        if not screens:
            return
        made = await self._commit(
            lambda tx: self._decisions.appear(tx, member_id, now_ms, zone, screens, company, look), copied=True
        )
        if self._open.get(member_id, ("", ""))[0] != visit_id or self._presence.zone_of(member_id) != zone:
            return  # withdrew or walked on while the disk wrote
        members = frozenset((member_id, *company))
        newcomers = set(self._guests(zone)) - members
        for decision, offer in made:
            self._put_up(decision, None if newcomers else offer, members)

    def _fits_all(self, screen: str, plan: Plan) -> bool:
        """Whether an offer went up there since it was planned that everybody who is there now was asked for."""
        standing = self._stage.offer_at(screen)
        if standing is None or not standing.members >= set(self._guests(plan.zone)):
            return False
        return standing.expires_at_ms - self._shop().zone_offer_ms >= plan.since_ms

    def _guests(self, zone: str) -> tuple[str, ...]:
        """The members in a zone who are no colleagues."""
        return tuple(m for m in self._presence.members_in(zone) if not self._advice.is_colleague(m))

    async def _on_segments(self, member_id: str, look: Look) -> bool:
        """What a member does changed their segments: an offer may be for that."""
        zone = self._presence.zone_of(member_id) or ""
        screens = tuple(s for s in self._stage.screens_in(zone) if self._stage.dialogue_at(s) is None) if zone else ()
        now_ms = self._clock.now_ms()
        asking = await self._commit(
            lambda tx: self._decisions.change_segments(tx, member_id, now_ms, zone, screens, look)
        )
        if (
            asking
            and self._open.get(member_id, ("", ""))[0] == look.visit_id
            and self._presence.zone_of(member_id) == zone
        ):
            self._discretion.plan(member_id, zone, asking, self._clock.now_ms())
        return asking is not None

    # --- by a tap --------------------------------------------------------------------------------------------

    def tapped(self, member_id: str, receiver: ReceiverTable, at_ms: int) -> Arrival | None:
        """A member's tap begins a visit at a door and moves it elsewhere; None if it changes nothing.

        What comes of it is to be committed (`Decisions.visit`), and then `settled`.
        """
        change = self._presence.tapped(member_id, receiver.zone, at_ms, opens=receiver.door)
        if change is None:
            return None
        self._take_down(change)
        former = self._open.get(member_id)
        visit_id = self._note(change)[0]
        self._segments.moved(change, visit_id)
        return Arrival(change, visit_id, "door" if receiver.door else "tap", former)

    def taken_back(self, arrival: Arrival) -> None:
        """The disk did not take the tap: the visit is what it was, so that the next tap tells of it."""
        member_id, zone = arrival.change.member_id, arrival.change.zone
        if self._open.get(member_id) != (arrival.visit_id, zone) or self._presence.zone_of(member_id) != zone:
            return  # walked on, or withdrew, while the disk tried
        heard = self._presence.checked_out(member_id, arrival.change.before, earlier=arrival.former is not None)
        if arrival.former is not None:
            self._open[member_id] = arrival.former
        elif not heard:
            del self._open[member_id]
            self._segments.forget(member_id)

    def facts(self, member_id: str) -> Mapping[str, Value]:
        """What a decision may be told of a member's visit."""
        return self._segments.facts(member_id)

    def gesture(self, zone: str, at_ms: int) -> None:
        """Somebody showed a card or phone there, whoever it was."""
        self._discretion.gesture(zone, at_ms)

    def counted(self, member_id: str, zone: str) -> None:
        """A tap of a member was followed."""
        self._segments.tapped(member_id, zone)

    def answered(self, member_id: str, kind: str) -> None:
        """A member's answer to an offer is committed."""
        self._segments.answered(member_id, kind)

    def basket(self, member_id: str, cents: int, goods: Sequence[tuple[str, int, int]]) -> None:
        """What is in a member's own basket by now: what is to pay, and (category, cents, count) of each line."""
        self._segments.basket(member_id, cents, goods)

    def settled(
        self, arrival: Arrival, who: Literal["guest", "colleague", "nobody"], announced: Arrived | None = None
    ) -> None:
        """The tap is committed; no screen says anything unasked because of it, tablets greet whom they may."""
        member_id, zone = arrival.change.member_id, arrival.change.zone
        if who == "nobody":
            if not self._presence.checked_out(member_id):
                self._open.pop(member_id, None)
                self._segments.forget(member_id)
            return
        if announced is not None and self._open.get(member_id, ("", ""))[0] == arrival.visit_id:
            self._advice.announce(announced)
        if self._presence.zone_of(member_id) != zone:
            return  # walked on, or withdrew, while the disk wrote
        self._advice.colleague_is(member_id, zone if who == "colleague" else None)
        if who == "guest":
            for screen in self._stage.screens_in(zone):
                self._make_way(screen, member_id)

    # --- screens of a zone -----------------------------------------------------------------------------------

    def _put_up(self, decision: Decision, offer: Offer | None, members: frozenset[str]) -> None:
        if offer is None:
            self._make_way(decision.screen, decision.member_id)
            return
        # It ends counted from now, for the clock may have been set while the disk wrote.
        expires_at_ms = self._clock.now_ms() + self._shop().zone_offer_ms
        zone_offer = ZoneOffer(slide_of(offer), members, decision.decision_id, expires_at_ms)
        self._stage.set_offer(decision.screen, zone_offer)
        self._show(decision.screen)

    def _make_way(self, screen: str, member_id: str) -> None:
        """An offer that was chosen for others is not known to fit this member too."""
        standing = self._stage.offer_at(screen)
        if standing is not None and member_id not in standing.members:
            self._stage.set_offer(screen, None)
            self._show(screen)

    def _take_down(self, change: PresenceChange) -> None:
        """What rests on a member's presence goes at once; it needs no commit."""
        if change.zone == change.before:
            return  # still there
        self._discretion.moved(change.member_id, (change.before, change.zone), change.at_ms)
        gone = change.kind == "left" or change.zone is not None  # who is not heard for a moment may still stand there
        for screen in self._stage.left(change.member_id, self._stage.screens_in(change.before), walked=gone):
            self._show(screen)

    def _note(self, change: PresenceChange) -> tuple[str, str]:
        """The visit that the change belongs to (id, last known zone), begun or ended by it."""
        if change.kind == "left":
            return self._open.pop(change.member_id, ("", ""))
        visit_id, zone = self._open.get(change.member_id) or (self._new_id(), "")
        visit = self._open[change.member_id] = visit_id, change.zone or zone
        return visit


def _tell(tx: Tx, event: Event) -> None:
    """A colleague who was unknown for a while is a colleague all the same."""
    if not tx.is_staff(str(event.body["member_id"])):
        tx.tell(event)
