"""The path: what comes in, what is decided and committed, what then appears. Nothing else changes the shop's state.

Each entry does the same three steps: decide inside one transaction, COMMIT, then show and wake the link. The store
applies transactions and resumes callers in order, so what a withdrawal clears stays cleared.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Literal, TypeVar

from gateway.advice import Advice
from gateway.apply import Touched, apply, taken_from
from gateway.config import ReceiverTable
from gateway.core.changes import Delta
from gateway.core.identity import Resolver
from gateway.core.model import Decision, Event, Offer, ShopConfig, Sighting, Tap
from gateway.core.offers import public_slides, slide_of
from gateway.core.ports import Clock, Surfaces
from gateway.core.presence import Presence, PresenceChange
from gateway.core.stage import Stage, ZoneOffer, join
from gateway.decisions import Decisions
from gateway.errors import StoreError
from gateway.health import Health
from gateway.keychain import Keychain
from gateway.recognition import Recognition
from gateway.records import Tx
from gateway.store import GROUP_MS, Store

T = TypeVar("T")
Spawn = Callable[[Coroutine[Any, Any, None]], None]

# Changes and taps that wait for their commit. 256 at 50 works a commit and 100 ms a flush (a slow SD card) is half a
# second of delay; more would show people things they have walked away from.
MAX_IN_FLIGHT = 256
PURGE_AGAIN_MS = 1_000  # each try may hold up commits for records.PURGE_WAIT_MS
LOOP_REFRESH_MS = 30_000  # offers begin and end within half a minute of their time

DISK_HELP = "Free space on the data disk or replace the card."
# What headquarters hears of a visit beside its beginning and its zones, which come with a decision.
_TOLD = {"left": "visit.left", "dwelled": "visit.dwelled", "doubted": "credential.doubted"}
_ANSWERS = {"yes": "offer.accepted", "more": "offer.explained", "not_now": "offer.declined"}


class Flow:
    """The one owner of the shop's live state; every method runs on the event loop."""

    def __init__(
        self,
        *,
        store: Store,
        resolver: Resolver,
        surfaces: Surfaces,
        clock: Clock,
        health: Health,
        receivers: Mapping[str, ReceiverTable],
        screens: Mapping[str, str],
        site_key: bytes,
        new_id: Callable[[], str],
        spawn: Spawn,
        wake: Callable[[], None],
        presence: Presence | None = None,
        keychain: Keychain | None = None,
    ) -> None:
        self._store = store
        self._keychain = keychain
        self._surfaces = surfaces
        self._clock = clock
        self._health = health
        self._receivers = receivers
        self._site_key = site_key
        self._new_id = new_id
        self._decisions = Decisions(new_id)
        self._spawn = spawn
        self._wake = wake
        self._presence = presence or Presence({r.id: r.zone for r in receivers.values()})
        self._stage = Stage(screens)
        self._advice = Advice(self._decisions, surfaces, clock, health, self._commit, new_id, lambda: self.shop)
        self._visits: dict[str, tuple[str, str]] = {}  # member -> visit id, last known zone
        self.recognition = Recognition(store, resolver, clock, health, self._begin_always)
        self.shop = ShopConfig()  # what HQ configured
        self._in_flight = 0
        self._changes: set[asyncio.Future[str]] = set()
        self._purge_ms: int | None = None
        self._loop_refresh_ms = 0

    @property
    def screens(self) -> Mapping[str, str]:
        """Screen id -> zone id."""
        return self._stage.screens

    async def start(self) -> None:
        """Load what survived the restart: members and catalogue, never presence; every screen begins neutral."""
        if self._keychain is not None:
            await self._keychain.load()
        await self._read_shop()
        await self._refresh_loops(everywhere=True)

    # --- in: radio and readers -------------------------------------------------------------------------------

    def sighted(self, sighting: Sighting) -> None:
        """A member was heard. Almost all sightings end here, in memory."""
        change = self._presence.observe(sighting)
        if change is not None:
            self.changed(change)

    def changed(self, change: PresenceChange, *, always: bool = False) -> None:
        """Presence says something new: what rested on the old goes at once."""
        self._take_down(change)
        if change.kind == "left":
            visit = self._visits.pop(change.member_id, ("", ""))
        else:
            visit_id, zone = self._visits.get(change.member_id) or (self._new_id(), "")
            visit = self._visits[change.member_id] = visit_id, change.zone or zone
        self._begin(self.on_presence(change, *visit), always=always)

    def anchored(self, anchor: str, receiver: str, rssi_dbm: int, at_ms: int) -> None:
        """One of the shop's own beacons was heard: it levels the receivers."""
        self._presence.anchored(anchor, receiver, rssi_dbm, at_ms)

    def tapped(self, tap: Tap) -> None:
        """Somebody showed a card or phone."""
        self._begin(self.on_tap(tap))

    def awaits(self, reader: str) -> bool:
        """Whether somebody typed a one-time code at this reader's screen and now shows what is to be bound."""
        return False

    async def on_presence(self, change: PresenceChange, visit_id: str, zone: str) -> None:
        """A member entered, moved, stayed, became unknown or doubtful, or left; `zone` is the last that was known."""
        member_id = change.member_id
        if change.kind != "left" and member_id not in self._visits:
            return  # withdrew a moment ago
        if self._advice.is_colleague(member_id) and (change.zone is None or change.kind in _TOLD):
            self._advice.colleague_is(member_id, change.zone)  # and nobody is told
        elif change.kind in _TOLD:
            body = {"visit_id": visit_id, "member_id": member_id, "zone": zone}
            await self._commit(lambda tx: tx.tell(Event(_TOLD[change.kind], change.at_ms, body)), GROUP_MS)
        elif change.zone is not None:
            await self._arrive(change, visit_id, change.zone)

    async def _arrive(self, change: PresenceChange, visit_id: str, zone: str) -> None:
        screens = self._stage.screens_in(zone)
        here = (m for m in self._presence.members_in(zone) if m != change.member_id)
        company = tuple(m for m in here if not self._advice.is_colleague(m))
        arrived = await self._commit(lambda tx: self._decisions.arrive(tx, change, visit_id, screens, company))
        if self._presence.zone_of(change.member_id) != zone:
            return  # walked on, or withdrew, while the disk wrote
        self._advice.colleague_is(change.member_id, zone if arrived is None else None)
        if arrived is None:
            return
        members = frozenset((change.member_id, *company))
        for decision, offer in arrived:
            self._put_up(decision, offer, members)

    async def on_tap(self, tap: Tap) -> None:
        """A gesture at a reader: it opens the dialogue on the reader's screen, or asks for advice."""
        receiver = self._receivers.get(tap.reader)
        if receiver is None:
            self._health.count("nfc.unknown_reader")
        elif receiver.advice:
            if tap.member_id is not None:
                await self._advice.ask(tap.member_id, receiver.zone, "tap")
        elif receiver.screen is not None:
            await self._tap_at_screen(tap, receiver.screen, receiver.zone)

    # --- in: people at surfaces ------------------------------------------------------------------------------

    async def on_screen(self, screen: str, dialogue_id: str, choice: str) -> Literal["ok", "gone", "refused"]:
        """The person at the screen chose "yes", "more", "not_now", "advice" or "more_time"."""
        now_ms = self._clock.now_ms()
        before = self._stage.dialogue_at(screen)
        after = self._stage.answer(screen, dialogue_id, choice, now_ms, self.shop.dialogue_ms)
        if before is None or before.dialogue_id != dialogue_id:
            return "gone"
        if after is None or after.member_id is None:
            return "refused"
        if choice == "advice":
            await self._advice.ask(after.member_id, self.screens[screen], "screen")
        elif choice in _ANSWERS:
            body = {"member_id": after.member_id, "decision_id": after.decision_id, "offer_id": after.offer_id}
            try:
                await self._commit(lambda tx: tx.tell(Event(_ANSWERS[choice], now_ms, body)))
            except StoreError:
                self._stage.end(screen, dialogue_id)
                self._show(screen)
                return "refused"
        self._show(screen)
        return "ok"

    async def on_accept(self, handshake_id: str, tablet: str) -> Literal["open", "taken", "gone", "refused"]:
        """A colleague accepts a request for advice."""
        return await self._advice.accept(handshake_id, tablet)

    async def on_close(self, handshake_id: str, tablet: str) -> Literal["ok", "gone"]:
        """The colleague is done."""
        return await self._advice.close(handshake_id, tablet)

    # --- in: headquarters and time ---------------------------------------------------------------------------

    async def on_hq_change(self, delta: Delta) -> str:
        """Apply a delta; "applied", "gap" (send me what is between) or "stale". Surfaces follow at once."""
        # Whoever asked may be cancelled, because the line broke: what is committed is followed all the same.
        change = asyncio.ensure_future(self._change(delta))
        self._changes.add(change)
        change.add_done_callback(self._changes.discard)
        return await asyncio.shield(change)

    async def _change(self, delta: Delta) -> str:
        now_ms = self._clock.now_ms()
        try:
            own = self._keychain.gateway if self._keychain is not None else ""
            touched = await self._commit(lambda tx: apply(tx, delta, self._site_key, now_ms, own), vital=True)
        except StoreError:
            for member_id in taken_from(delta):  # it comes again until the disk takes it, and is obeyed from now on
                self._forget(member_id)
                self.recognition.forget(member_id)
            raise
        if touched.outcome == "applied":
            await self._follow(touched)
        return touched.outcome

    def on_tick(self, now_ms: int, trusted: bool = True) -> None:
        """Let go of what is over: presence, zone offers, dialogues, requests, cards, windows of beacons.

        `trusted`: the time comes from a clock that is synchronised.
        """
        for change in self._presence.expire(now_ms):
            self.changed(change, always=True)
        for screen in self._stage.expire(now_ms):
            self._show(screen)
        expired = self._advice.expire(now_ms)
        if expired:
            self._begin(self._advice.tell_closed(expired, "timeout"), always=True)
        if self._purge_ms is not None and now_ms >= self._purge_ms:
            self._purge_ms = None
            self._begin(self._purge(), always=True)
        self.recognition.tick(now_ms, trusted)
        if now_ms >= self._loop_refresh_ms:
            self._loop_refresh_ms = now_ms + LOOP_REFRESH_MS
            self._begin(self._refresh_loops())

    def on_clock_step(self, delta_ms: int) -> None:
        """The system's time was corrected: nobody leaves, stays or expires because of it."""
        self._health.count("clock.steps")
        for part in (self._presence, self._stage, self._advice):
            part.shift(delta_ms)
        self._surfaces.shift(delta_ms)
        self._loop_refresh_ms = 0
        self.recognition.clock_stepped(delta_ms)

    async def settled(self) -> None:
        """Wait until everything that came in so far is committed and shown."""
        while self._in_flight:
            await self._store.run(lambda tx: None, vital=True)

    # --- show (after the commit) -----------------------------------------------------------------------------

    def _put_up(self, decision: Decision, offer: Offer | None, members: frozenset[str]) -> None:
        standing = self._stage.offer_at(decision.screen)
        if offer is not None:
            expires_at_ms = decision.at_ms + self.shop.zone_offer_ms
            self._stage.set_offer(
                decision.screen, ZoneOffer(slide_of(offer), members, decision.decision_id, expires_at_ms)
            )
        elif standing is not None and decision.member_id not in standing.members:
            self._stage.set_offer(decision.screen, None)  # chosen for one, not known to fit both
        else:
            return
        self._show(decision.screen)

    async def _tap_at_screen(self, tap: Tap, screen: str, zone: str) -> None:
        standing = self._stage.dialogue_at(screen)
        if standing is not None and standing.member_id == tap.member_id and "yes" in standing.choices:
            await self.on_screen(screen, standing.dialogue_id, "yes")
            return
        if standing is not None:
            self._stage.end(screen, standing.dialogue_id)  # another person's tap ends the first one's dialogue
            self._show(screen)
        dialogue = None
        if tap.member_id is not None:
            idle_ms = self.shop.dialogue_ms
            dialogue = await self._commit(lambda tx: self._decisions.greet(tx, tap, screen, zone, idle_ms))
        self._stage.open(screen, dialogue or join(self._new_id(), tap.at_ms))
        self._show(screen)

    def _take_down(self, change: PresenceChange) -> None:
        """What rests on a member's presence goes at once; it needs no commit."""
        if change.zone == change.before:
            return  # still there
        for screen in self._stage.left(change.member_id, self._stage.screens_in(change.before)):
            self._show(screen)

    async def _follow(self, touched: Touched) -> None:
        for member_id in touched.cleared:
            self._forget(member_id)
        self.recognition.follow(touched.recognised)
        if touched.keys and self._keychain is not None:
            await self._keychain.load()
        if touched.shop:
            await self._read_shop()
        if touched.shop or touched.catalogue:
            await self._refresh_loops(everywhere=touched.shop)
        if touched.erased:
            await self._purge()

    def _forget(self, member_id: str) -> None:
        """Wipe a member from every surface, at once."""
        self._visits.pop(member_id, None)
        self._presence.forget(member_id)
        for screen in self._stage.forget(member_id):
            self._show(screen)
        self._advice.forget(member_id)

    async def _purge(self) -> None:
        """Erased bytes leave the write-ahead log too; while somebody reads the file, a little later."""
        try:
            done = await self._store.purge()
        except StoreError:
            done = False
        if not done:
            self._health.count("store.purge_waits")
            self._purge_ms = self._clock.now_ms() + PURGE_AGAIN_MS

    async def _read_shop(self) -> None:
        self.shop = await self._store.run(lambda tx: tx.shop(), vital=True)
        self.recognition.allow(self.shop.notice is not None)

    async def _refresh_loops(self, *, everywhere: bool = False) -> None:
        now_ms = self._clock.now_ms()
        offers = await self._store.run(lambda tx: tx.offers(), vital=True)
        for screen, zone in self.screens.items():
            if self._stage.set_loop(screen, public_slides(offers, zone, now_ms)) or everywhere:
                self._show(screen)

    def _show(self, screen: str) -> None:
        self._surfaces.show(screen, self._stage.render(screen, self._clock.now_ms()))

    def _begin(self, work: Coroutine[Any, Any, None], *, always: bool = False) -> None:
        """Run `work` beside the loop. What comes from outside may be dropped; what only lets go (`always`) may not."""
        if self._in_flight >= MAX_IN_FLIGHT and not always:
            self._health.count("flow.overload")
            work.close()
            return
        self._in_flight += 1
        self._spawn(self._finish(work))

    def _begin_always(self, work: Coroutine[Any, Any, None]) -> None:
        self._begin(work, always=True)

    async def _finish(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except StoreError:
            self._health.count("flow.not_committed")  # health says why; nothing was shown
        finally:
            self._in_flight -= 1

    async def _commit(self, work: Callable[[Tx], T], within_ms: int = 0, *, vital: bool = False) -> T:
        try:
            value = await self._store.run(work, within_ms, vital=vital)
        except StoreError as error:
            self._health.set("disk", "down", self._clock.now_ms(), str(error), DISK_HELP)
            raise
        self._health.set("disk", "ok", self._clock.now_ms())
        self._wake()
        return value
