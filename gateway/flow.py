"""The path: what comes in, what is decided and committed, what then appears. Nothing else changes the shop's state.

Each entry does the same three steps: decide inside one transaction, COMMIT, then show and wake the link. The store
applies transactions and resumes callers in order, so what a withdrawal clears stays cleared.
"""

import secrets
from collections.abc import Callable, Mapping
from typing import Literal

from gateway.advice import Advice
from gateway.binding import Binding
from gateway.choices import Lent
from gateway.config import ReceiverTable
from gateway.core.changes import Delta, Erasures
from gateway.core.discretion import Discretion
from gateway.core.identity import Resolver
from gateway.core.keyring import Keyring
from gateway.core.model import Act, Purpose, ShopConfig, Sighting, Tap, Trouble
from gateway.core.ports import Clock, Holder, Surfaces
from gateway.core.presence import Presence
from gateway.core.proof import redeemable_cents
from gateway.core.receipt import Receipt
from gateway.core.stage import Stage
from gateway.core.tills import Tills
from gateway.counter import open_counter
from gateway.decisions import Decisions
from gateway.forgetting import Followed, Forgetting
from gateway.handovers import self_service
from gateway.health import Health
from gateway.keychain import Keychain
from gateway.lapses import Lapses
from gateway.life import Life, Stale
from gateway.loops import Loops
from gateway.orders import ALONE, Beside, Orders
from gateway.recognition import Recognition
from gateway.segments import Segments
from gateway.staffing import Staffing
from gateway.store import GROUP_MS, Store
from gateway.takeaway import Takeaways
from gateway.taps import Outcome, Taps
from gateway.visits import Visits
from gateway.works import Spawn, Works

LOOP_REFRESH_MS = 30_000  # offers begin and end within half a minute of their time
# Spent proofs and codes of the past are 100 bytes each; a busy reader makes 600 of them an hour.
FORGET_PROOFS_MS = 600_000


class Flow:
    """The one owner of the shop's live state; every method runs on the event loop."""

    _serves = True  # members by name; see Life

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
        public_url: str | None = None,
        hq_there: Callable[[], bool] = lambda: False,
        beside: Beside = ALONE,
        discretion: Discretion | None = None,
    ) -> None:
        self._store, self._keychain, self._surfaces = store, keychain, surfaces
        self._clock, self._health = clock, health
        self._receivers, self._site_key, self._new_id = receivers, site_key, new_id
        self._decisions = Decisions(new_id)
        self.shop = ShopConfig()  # what HQ configured
        works = self._works = Works(store, clock, health, spawn, wake)
        self._begin, self._begin_always, self._commit = works.begin, works.begin_always, works.commit
        self._presence = presence or Presence({r.id: r.zone for r in receivers.values()})
        self._stage = Stage(screens)
        self._loops = Loops(store, self._stage, clock, health, self._show, lambda: self.life.times().latest_ms)
        self.recognition = Recognition(store, resolver, clock, health, self._begin_always)
        self._lapses = Lapses(store, self._commit, health, self._begin_always, self._forget, self.recognition)
        denies = self.recognition.denies
        self.advice = Advice(self._decisions, surfaces, clock, health, self._commit, new_id, lambda: self.shop, denies)
        self._tills = Tills((one.till for one in receivers.values() if one.till is not None), surfaces.till)
        self._holders: dict[str, Holder] = {"tills": self._tills}  # by what a receipt of an erasure calls their places
        binds = self._stage, self.recognition, clock, health, self._commit, new_id, self._show, site_key
        self._binding = Binding(*binds)
        self._visits = self._watch_visits(discretion or Discretion(secrets.SystemRandom().random))
        lent = self._open_self_service(surfaces, public_url)
        self._taps = Taps(
            receivers=receivers,
            decisions=self._decisions,
            stage=self._stage,
            tills=self._tills,
            advice=self.advice,
            binding=self._binding,
            visits=self._visits,
            selfservice=self.selfservice,
            takeaways=self.takeaways,
            lent=lent,
            denies=denies,
        )
        self.life = Life(store, clock, health, self._begin_always, lambda: self.shop, self._wiped, self._aged)
        desk = self._tills, store, self.life.times, hq_there, self._receivers.values(), surfaces, self._stage
        self.checkout, self.till_desk, self.baskets = open_counter(lent, *desk, self._visits)
        self.staffing = Staffing(lent, store, self.advice, self.recognition, self.till_desk, lambda: self.stale)
        self._holders |= {"till_pages": self.till_desk, "baskets": self.baskets, "staff": self.staffing}
        wipes = self._forget, self.forget_all, self._binding.drop, self.selfservice.erased
        own = store, self.recognition, clock, health, self._commit, self._begin_always
        self._forgetting = Forgetting(*own, *wipes)
        self.orders = self._take_orders(beside)
        self._loop_refresh_ms = self._forget_proofs_ms = 0

    def _watch_visits(self, discretion: Discretion) -> Visits:
        zones = {one.zone for one in self._receivers.values()}
        self.segments = Segments(zones, self._clock, self._health, self._commit, self._begin_always)
        self._holders["segments"] = self.segments
        known = self._presence, self._stage, self.advice, self._decisions, self._clock
        also = self._new_id, self._show, lambda: self.shop, self.segments, discretion
        return Visits(*known, self._commit, self._begin, *also)

    def _open_self_service(self, surfaces: Surfaces, public_url: str | None) -> Lent:
        lent = Lent(
            clock=self._clock,
            health=self._health,
            commit=self._commit,
            begin=self._begin_always,
            new_id=self._new_id,
            show=self._show,
            shop=lambda: self.shop,
            forget=self._forget,
            erase=self.on_erase,
            consent=self.on_consent,
            memory=self.memory_of,
            changed=lambda: self._lapses.changed(),
            site_key=self._site_key,
            public_url=(public_url or "").rstrip("/"),
            random=secrets.token_bytes,
        )
        made = self_service(lent, self._stage, self.recognition, self.advice, surfaces)
        self._choices, self.selfservice, self.handovers = made
        chain = self._keychain
        ring = (lambda: chain.ring) if chain is not None else Keyring
        self.takeaways = Takeaways(lent, self._store, self._stage, self.advice, ring, lambda: self.life.times())
        self.advice.may_take, self._holders["takeaways"] = self.takeaways.may_take, self.takeaways
        return lent

    def _take_orders(self, beside: Beside) -> Orders:
        return Orders(
            clock=self._clock,
            health=self._health,
            commit=self._commit,
            keychain=self._keychain,
            site_key=self._site_key,
            recognition=self.recognition,
            lapses=self._lapses,
            binding=self._binding,
            forgetting=self._forgetting,
            forget=self._forget,
            read_shop=self._read_shop,
            refresh_loops=self._loops.refresh,
            beside=beside,
        )

    @property
    def screens(self) -> Mapping[str, str]:
        """Screen id -> zone id."""
        return self._stage.screens

    @property
    def tills(self) -> frozenset[str]:
        """Tills at which a tap says who buys."""
        return self._tills.names

    @property
    def stale(self) -> Stale:
        """How old what headquarters sent is."""
        return self.life.stale

    async def start(self) -> None:
        """Load what survived the restart: members and catalogue, never presence; every screen begins neutral."""
        if self._keychain is not None:
            own = self._keychain.gateway
            await self._keychain.load()
            await self._store.run(lambda tx: tx.put_meta("store_id", own), vital=True)
        await self._forgetting.start()
        await self.baskets.load()
        await self._read_shop()
        await self._loops.refresh(everywhere=True)

    # --- in: radio and readers -------------------------------------------------------------------------------

    def sighted(self, sighting: Sighting) -> None:
        """A member was heard. Almost all sightings end here, in memory."""
        if self.recognition.held:
            return
        change = self._presence.observe(sighting)
        if change is not None:
            self._visits.changed(change)

    def anchored(self, anchor: str, receiver: str, rssi_dbm: int, at_ms: int) -> None:
        """One of the shop's own beacons was heard: it levels the receivers."""
        self._presence.anchored(anchor, receiver, rssi_dbm, at_ms)

    def tapped(self, tap: Tap) -> None:
        """Somebody showed a card or phone."""
        if self.staffing.takes(tap):
            return
        if self.recognition.held and tap.member_id is not None:
            tap = Tap(None, tap.reader, tap.at_ms, trouble=Trouble.AGAIN)  # they may have been erased elsewhere
        self._begin(self._taps.on_tap(tap))

    def awaits(self, reader: str) -> bool:
        """Whether somebody typed a one-time code at this reader's screen and now shows what is to be bound."""
        return reader in self._receivers and self._binding.awaits(self._receivers[reader].screen)

    # --- in: people at surfaces ------------------------------------------------------------------------------

    async def on_screen(self, screen: str, dialogue_id: str, choice: str) -> Outcome:
        """The person at the screen chose "yes", "more", "not_now", "advice", "more_time", "code" or "cancel"."""
        return await self._taps.on_screen(screen, dialogue_id, choice)

    async def on_code(self, screen: str, dialogue_id: str, code: str) -> Literal["ok", "wrong", "gone", "wait"]:
        """The person at the screen typed a one-time code."""
        if self.recognition.held:
            return "wait"
        return await self._binding.on_code(screen, dialogue_id, code)

    def sale_at(self, till: str) -> tuple[str, str, int, int | None] | None:
        """Who buys at this till: member id, proof, how long it still counts (ms), what it may redeem (None = any)."""
        now_ms = self._clock.now_ms()
        sale = self._tills.at(till, now_ms)
        if sale is None:
            return None
        most_cents = redeemable_cents(sale.proof, self.shop.bearer_limit_cents)
        return sale.member_id, sale.proof, sale.until_ms - now_ms, most_cents

    def end_sale(self, till: str) -> Literal["ok", "gone"]:
        """The till is done with this sale."""
        return "ok" if self._tills.done(till) else "gone"

    def readers_for(self, tablet: str) -> list[tuple[str, str, bool]]:
        """Readers that a tablet may stand beside: id, zone, whether this one does."""
        readers = (one for one in self._receivers.values() if one.advice)
        return [(one.id, one.zone, self.advice.beside(one.id) == tablet) for one in readers]

    def on_reader(self, tablet: str, reader: str | None) -> Literal["ok", "refused"]:
        """A tablet stands beside `reader` from now on, or beside none; "refused" if that reader is not for advice."""
        if reader is not None and (reader not in self._receivers or not self._receivers[reader].advice):
            return "refused"
        self.advice.stand(tablet, reader)
        return "ok"

    async def on_accept(self, handshake_id: str, tablet: str) -> Literal["open", "taken", "gone", "refused"]:
        """A colleague accepts a request for advice."""
        return await self.advice.accept(handshake_id, tablet)

    async def on_close(self, handshake_id: str, tablet: str) -> Literal["ok", "gone"]:
        """The colleague is done."""
        return await self.advice.close(handshake_id, tablet)

    async def on_consent(self, member_id: str, choices: Mapping[Purpose, bool], act: Act) -> Receipt:
        """What a member decided in this shop; it counts everywhere before this returns. Raises as Choices.decide."""
        return await self._works.to_its_end(self._choices.decide(member_id, choices, act))

    # --- in: the shop's own acts for a member ------------------------------------------------------------------

    def memory_of(self, member_id: str) -> dict[str, object]:
        """What memory alone knows of a member, for their export; None where it knows nothing."""
        visit = self._visits.visit_of(member_id)
        announced, announced_at_ms = self.advice.announced(member_id)
        links, sessions = self.selfservice.open_for(member_id)
        return {
            "zone": self._presence.zone_of(member_id) or (visit[1] if visit is not None else None),
            "visit_id": visit[0] if visit is not None else None,
            "screens": list(self._stage.screens_of(member_id)) or None,
            "request": self.advice.request_of(member_id),
            "announced": announced or None,
            "announced_at_ms": announced_at_ms,
            "links": links or None,
            "sessions": sessions or None,
            "owed": [purpose.value for purpose in self._choices.owed_to(member_id)] or None,
        } | {name: value for holder in self._holders.values() for name, value in holder.memory_of(member_id).items()}

    def present(self) -> set[str]:
        """Of whom a surface or a visit knows something."""
        held = {member_id for holder in self._holders.values() for member_id in holder.members}
        return held | self._visits.members | self._stage.members | self.advice.members

    # --- in: headquarters and time ---------------------------------------------------------------------------

    async def on_hq_change(self, delta: Delta) -> str:
        """Apply a delta; "applied", "gap" (send me what is between) or "stale". Surfaces follow at once."""
        return await self._works.to_its_end(self.orders.change(delta))

    async def on_erasures(self, batch: Erasures) -> Followed:
        """Obey a message of headquarters' stream of erasures, and say what was cleared."""
        return await self._works.to_its_end(self._forgetting.on_erasures(batch))

    async def on_head(self, erase_seq: int) -> None:
        """Headquarters' newest erasure: until it is done here, nobody is known."""
        await self._works.to_its_end(self._forgetting.on_head(erase_seq))

    async def on_erase(self, member_id: str, channel: str) -> Literal["ok", "gone"]:
        """A member asked in the shop to be forgotten: done here at once; "gone" = nobody. As Forgetting.request."""
        return await self._works.to_its_end(self._forgetting.request(member_id, channel))

    def on_tick(self, now_ms: int, trusted: bool = True, world: bool = False) -> None:
        """Let go of what is over. `trusted`: the clock is synchronised; `world`: it is no simulation's."""
        self._visits.expire(now_ms)
        for screen in self._stage.expire(now_ms):
            self._show(screen)
        for holder in self._holders.values():
            holder.expire(now_ms)
        self.checkout.tick(now_ms)
        self.selfservice.tick(now_ms)
        expired = self.advice.expire(now_ms)
        if expired:
            self._begin(self.advice.tell_closed(expired, "timeout"), always=True)
        self._forgetting.tick(now_ms)
        if now_ms >= self._forget_proofs_ms:
            self._forget_proofs_ms = now_ms + FORGET_PROOFS_MS
            self._begin(self._forget_proofs(now_ms), always=True)
        self.recognition.tick(now_ms, trusted)
        self._lapses.tick(now_ms, trusted, world)
        self.life.tick(now_ms, trusted)
        if now_ms >= self._loop_refresh_ms:
            self._loop_refresh_ms = now_ms + LOOP_REFRESH_MS
            self._begin(self._loops.refresh())

    def on_clock_step(self, delta_ms: int) -> None:
        """The system's time was corrected: nobody leaves, stays or expires because of it."""
        self._health.count("clock.steps")
        for part in (self._presence, self._visits, self._stage, self.advice, self._binding, self._surfaces):
            part.shift(delta_ms)
        for holder in self._holders.values():
            holder.shift(delta_ms)
        self.selfservice.shift(delta_ms)
        self._loop_refresh_ms = self._forget_proofs_ms = 0
        self._forgetting.clock_stepped(delta_ms)
        self.recognition.clock_stepped(delta_ms)
        self._lapses.clock_stepped()
        self.checkout.clock_stepped()
        self.life.clock_stepped(delta_ms)

    async def settled(self) -> None:
        """Wait until everything that came in so far is committed and shown."""
        await self._works.settled()

    # --- show (after the commit) -----------------------------------------------------------------------------

    def _forget(self, member_id: str) -> dict[str, int]:
        """Wipe a member from every surface, at once; how many places of each kind that were."""
        screens = self._stage.forget(member_id)
        for screen in screens:
            self._show(screen)
        places = {
            "visits": self._visits.forget(member_id),
            "screens": len(screens),
            "requests": self.advice.forget(member_id),
        } | {place: holder.forget(member_id) for place, holder in self._holders.items()}
        return {place: count for place, count in places.items() if count}

    def forget_all(self) -> None:
        """Wipe everybody from every surface."""
        for member_id in self.present():
            self._forget(member_id)

    def _aged(self, stale: Stale) -> None:
        """Tablets hear how old profiles are; members are recognised, or nobody for the time being."""
        serves = stale.state != "paused"
        if serves != self._serves:
            self._serves = serves
            self.recognition.allow(self.shop.notice, serves=serves)
        self.staffing.aged()
        self.advice.refresh()

    def _wiped(self) -> None:
        """No profile is in the file any more: nor is any elsewhere."""
        self.forget_all()
        self._forgetting.wiped()
        self._begin(self.staffing.load(), always=True)

    async def _forget_proofs(self, now_ms: int) -> None:
        await self._commit(lambda tx: tx.forget_past(now_ms), GROUP_MS)

    async def _read_shop(self) -> None:
        self.shop = await self._store.run(lambda tx: tx.shop(), vital=True)
        self.recognition.allow(self.shop.notice, serves=self._serves)
        await self.segments.load()
        await self.staffing.load()

    def _show(self, screen: str) -> None:
        self._surfaces.show(screen, self._stage.render(screen, self._clock.now_ms()))
