"""What tablets are told of members: who asks for advice, whose card is open, and who came in and wants to be greeted.

The digital handshake: a member asks, tablets ring, one colleague's card opens and closes.

A tablet may stand beside a reader: a tap there opens the card on it at once, because the colleague holds it out.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Literal, TypeVar

from gateway.core.arrivals import Arrivals, Arrived
from gateway.core.handshake import Handshake, Handshakes
from gateway.core.model import Event, Proof, Purpose, ShopConfig, StaffCard
from gateway.core.ports import Clock, Surfaces
from gateway.decisions import Decisions, Spot
from gateway.errors import StoreError
from gateway.health import Health
from gateway.records import Tx
from gateway.store import GROUP_MS
from gateway.works import Commit

T = TypeVar("T")


class Advice:
    """All requests and open cards; every method runs on the event loop."""

    def __init__(
        self,
        decisions: Decisions,
        surfaces: Surfaces,
        clock: Clock,
        health: Health,
        commit: Commit,
        new_id: Callable[[], str],
        shop: Callable[[], ShopConfig],
        denies: Callable[[str], bool],
    ) -> None:
        self._decisions = decisions
        self._surfaces = surfaces
        self._clock = clock
        self._health = health
        self._commit = commit
        self._new_id = new_id
        self._shop = shop
        self._denies = denies
        self._handshakes = Handshakes()
        self._arrivals = Arrivals()
        self._asking: set[str] = set()
        self._cards: dict[str, StaffCard] = {}  # those that are open, by handshake
        self._offering: set[str] = set()  # whose usual is just being noted as offered
        self._colleagues: dict[str, str] = {}  # who carries a known phone, and in which zone
        self._beside: dict[str, str] = {}  # reader -> the tablet that stands beside it
        # Whether an offer of a card may go to its customer's phone; set once there is somebody who hands it out.
        self.may_take: Callable[[Tx, str, Proof], bool] = lambda tx, offer_id, proof: False
        # Who works at a tablet, "" = nobody or everybody; set once there are colleagues.
        self.colleague: Callable[[str], str] = lambda tablet: ""

    def stand(self, tablet: str, reader: str | None) -> None:
        """From now on `tablet` stands beside `reader`, and no other does; None takes it away from wherever it stood."""
        self._beside = {at: other for at, other in self._beside.items() if other != tablet and at != reader}
        if reader is not None:
            self._beside[reader] = tablet

    def beside(self, reader: str) -> str | None:
        """The tablet that stands beside this reader."""
        return self._beside.get(reader)

    def greets(self, member_id: str) -> bool:
        """Whether a member who comes in now may be announced: not again, and not while a colleague is with them."""
        return self._arrivals.is_due(member_id, self._clock.now_ms()) and not self._handshakes.has(member_id)

    def announce(self, arrived: Arrived) -> None:
        """A member came in who wants to be greeted; what let us know it is committed."""
        if self._denies(arrived.member_id):
            return  # withdrew while the disk wrote, and it could not take that
        self._arrivals.add(replace(arrived, at_ms=self._clock.now_ms()))  # it may have been set while the disk wrote
        self._ring()

    def left(self, member_id: str) -> None:
        """A member is not here any more; a request stays until it times out."""
        if self._arrivals.end(member_id):
            self._ring()

    def request_of(self, member_id: str) -> str | None:
        """Whether this member's request for advice is "asked" or "open", None without one."""
        handshake = self._handshakes.of(member_id)
        return None if handshake is None else handshake.state

    def announced(self, member_id: str) -> tuple[bool, int | None]:
        """Whether tablets announce this member now, and when they last began to (ms), None if not that we know."""
        return self._arrivals.announced(member_id)

    async def tapped(self, member_id: str, zone: str, reader: str, proof: Proof) -> None:
        """A member tapped at a reader for advice: the tablet beside it opens, or all tablets ring."""
        tablet = self._beside.get(reader)
        if tablet is None or not self._surfaces.sees(tablet) or self._handshakes.is_busy(tablet):
            await self.ask(member_id, zone, "tap", proof)
            return
        asked = self._handshakes.of(member_id)
        if asked is not None:
            await self.accept(asked.handshake_id, tablet)
            return
        await self.ask(member_id, zone, "tap", proof, ring=False)
        asked = self._handshakes.of(member_id)
        if asked is None or asked.tablet is not None:
            return
        if self._handshakes.is_busy(tablet):  # a card was opened on it while the disk wrote
            self._ring()
        else:
            await self.accept(asked.handshake_id, tablet)

    async def ask(
        self,
        member_id: str,
        zone: str,
        via: Literal["tap", "screen"],
        proof: Proof = Proof.BEARER,
        *,
        ring: bool = True,
    ) -> None:
        """A member asks for advice, by a tap at a reader or at the screen; without `ring` no tablet hears of it yet."""
        if self._handshakes.has(member_id) or member_id in self._asking:
            return
        now_ms = self._clock.now_ms()
        handshake_id = self._new_id()
        self._asking.add(member_id)
        try:
            label = await self._commit(lambda tx: self._decisions.ask(tx, handshake_id, member_id, zone, via, now_ms))
        finally:
            self._asking.discard(member_id)
        if label is None:
            self._health.count("handshake.no_consent")
            return
        if self._denies(member_id):
            return  # withdrew while the disk wrote, and it could not take that
        now_ms = self._clock.now_ms()  # it may have been set while the disk wrote
        expires_at_ms = now_ms + self._shop().ask_ms
        self._handshakes.ask(Handshake(handshake_id, member_id, label, zone, via, now_ms, expires_at_ms, None, proof))
        self._arrivals.end(member_id)
        if ring:
            self._ring()

    async def accept(self, handshake_id: str, tablet: str) -> Literal["open", "taken", "gone", "refused"]:
        """A colleague accepts; exactly one does. The card opens after the acceptance is committed."""
        now_ms = self._clock.now_ms()
        until_ms = now_ms + self._shop().card_ms
        before = self._handshakes.get(handshake_id)
        outcome = self._handshakes.accept(handshake_id, tablet, until_ms, self.colleague(tablet))
        handshake = self._handshakes.get(handshake_id)
        if outcome != "open" or handshake is None:
            return outcome
        if handshake == before:  # asking again from the tablet that has it only puts the card in view, beside others
            if (held := self._cards.get(handshake_id)) is not None:
                self._surfaces.open_card(tablet, replace(held, closes_at_ms=handshake.expires_at_ms))
            return outcome
        card = None
        try:
            card = await self._commit(lambda tx: self._card(tx, handshake, tablet, now_ms, until_ms))
        except StoreError:
            self._health.count("flow.not_committed")
        finally:
            if card is None:
                self._handshakes.close(handshake_id)
            self._ring()
        if card is None:
            return "refused"
        standing = self._handshakes.get(handshake_id)
        if standing is None:
            return "gone"
        card = self._cards[handshake_id] = replace(card, closes_at_ms=standing.expires_at_ms)  # it follows the clock
        self._surfaces.open_card(tablet, card)
        return "open"

    async def why(self, handshake_id: str, offer_id: str, tablet: str) -> Mapping[str, tuple[str, ...]] | None:
        """Sentences by language, why an offer stands on the card that is open on this tablet, as it was decided with
        the card; None = no such card or offer. That somebody asked is noted before."""
        card, member_id = self._cards.get(handshake_id), self.member_at(handshake_id, tablet)
        line = next((one for one in card.offers if one.offer_id == offer_id), None) if card is not None else None
        if line is None or member_id is None:
            return None
        who, now_ms = member_id, self._clock.now_ms()
        detail = {"handshake_id": handshake_id, "offer_id": offer_id} | self._by(tablet)
        seen = [Purpose.STAFF_ADVICE]
        await self._commit(lambda tx: tx.audit(now_ms, who, f"tablet:{tablet}", "why.shown", detail, seen))
        return line.why if self.member_at(handshake_id, tablet) == who else None

    def card(self, handshake_id: str) -> StaffCard | None:
        """The card that is open for this request."""
        return self._cards.get(handshake_id)

    async def offer_usual(self, entry_id: str, tablet: str) -> Literal["ok", "gone", "refused"]:
        """A colleague offers the usual to whose card is open on this tablet, or to whom the door announced; once more
        changes nothing."""
        card, arrived = self._cards.get(entry_id), self._arrivals.get(entry_id)
        member_id = self.member_at(entry_id, tablet) if arrived is None else arrived.member_id
        shown = card if arrived is None else arrived
        if shown is None or member_id is None:
            return "gone"
        if shown.usual_offered or entry_id in self._offering:
            return "ok"
        who, now_ms = member_id, self._clock.now_ms()
        at = Spot("card" if arrived is None else "door", shown.zone)
        self._offering.add(entry_id)
        try:
            by = at, tablet, now_ms, self.colleague(tablet)
            noted = await self._commit(lambda tx: self._decisions.offer_usual(tx, entry_id, who, *by))
        finally:
            self._offering.discard(entry_id)
        if not noted:
            return "refused"
        self._arrivals.offered(entry_id)
        if arrived is not None:
            self._ring()
        card, standing = self._cards.get(entry_id), self._handshakes.get(entry_id)
        if card is not None and standing is not None:  # it may have been closed, or the clock set, while the disk wrote
            self._cards[entry_id] = replace(card, usual_offered=True, closes_at_ms=standing.expires_at_ms)
            self._surfaces.open_card(tablet, self._cards[entry_id])
        return "ok"

    async def close(self, handshake_id: str, tablet: str, reason: str = "closed") -> Literal["ok", "gone"]:
        """The colleague is done, or the tablet was locked: the card is wiped at once, the event follows."""
        handshake = self._handshakes.close(handshake_id, tablet)
        if handshake is None:
            return "gone"
        self._wipe([handshake], reason)
        await self.tell_closed([handshake], reason)
        return "ok"

    def _card(self, tx: Tx, handshake: Handshake, tablet: str, now_ms: int, until_ms: int) -> StaffCard | None:
        card = self._decisions.card(tx, handshake, tablet, now_ms, until_ms)
        if card is None:
            return None
        lines = (replace(line, may_take=self.may_take(tx, line.offer_id, handshake.proof)) for line in card.offers)
        return replace(card, offers=tuple(lines))

    def member_at(self, handshake_id: str, tablet: str) -> str | None:
        """Whose card of this handshake is open on this tablet; None = it is not."""
        handshake = self._handshakes.get(handshake_id)
        return handshake.member_id if handshake is not None and handshake.tablet == tablet else None

    def asked(self, handshake_id: str, tablet: str) -> tuple[str, Proof] | None:
        """Whose card of this handshake is open on this tablet, and by what proof they asked; None = it is not."""
        handshake = self._handshakes.get(handshake_id)
        if handshake is None or handshake.tablet != tablet:
            return None
        return handshake.member_id, handshake.proof

    async def leave(self, tablet: str, reason: str = "closed") -> None:
        """The tablet goes into other hands, or into none: what is open on it is wiped at once."""
        ended = self._handshakes.leave(tablet)
        self._wipe(ended, reason)
        if ended:
            await self.tell_closed(ended, reason)

    def expire(self, now_ms: int) -> list[Handshake]:
        """Wipe what waited or stood open too long; `tell_closed` is to follow."""
        expired = self._handshakes.expire(now_ms)
        self._wipe(expired, "timeout")
        if self._arrivals.expire(now_ms):
            self._ring()
        return expired

    @property
    def members(self) -> set[str]:
        """Everybody who asks, whose card is open or who is announced, and the colleagues on the floor."""
        return self._handshakes.members | self._arrivals.members | self._colleagues.keys()

    def forget(self, member_id: str) -> int:
        """Wipe a member from every tablet, at once; how many requests and cards that were."""
        ended = self._handshakes.forget(member_id)
        self._wipe(ended, "withdrawn")
        if self._arrivals.forget(member_id):
            self._ring()
        self.colleague_is(member_id, None)
        return len(ended)

    def shift(self, delta_ms: int) -> None:
        """Follow a step of the clock."""
        self._handshakes.shift(delta_ms)
        self._arrivals.shift(delta_ms)

    def is_colleague(self, member_id: str) -> bool:
        """Whether this is a colleague who is on the floor."""
        return member_id in self._colleagues

    def colleague_is(self, member_id: str, zone: str | None) -> None:
        """A colleague is in a zone now, or nowhere that we know; tablets see how many are near, never who."""
        if self._colleagues.get(member_id) == zone:
            return
        if zone is None:
            del self._colleagues[member_id]
        else:
            self._colleagues[member_id] = zone
        self._ring()

    async def tell_closed(self, ended: list[Handshake], reason: str) -> None:
        """Headquarters learns that these are over."""
        now_ms = self._clock.now_ms()

        def tell(tx: Tx) -> None:
            for handshake in ended:
                body = {"handshake_id": handshake.handshake_id, "member_id": handshake.member_id, "reason": reason}
                by = {"staff_id": handshake.staff_id} if handshake.staff_id else {}
                tx.tell(Event("handshake.closed", now_ms, body | by))
                if reason == "locked" and tx.has_member(handshake.member_id):
                    detail = {"handshake_id": handshake.handshake_id, "reason": reason} | by
                    tx.audit(now_ms, handshake.member_id, f"tablet:{handshake.tablet}", "card.closed", detail)

        await self._commit(tell, GROUP_MS)

    def refresh(self) -> None:
        """Send tablets the queue again, and with it what stands beside it."""
        self._ring()

    def _by(self, tablet: str) -> dict[str, str]:
        staff_id = self.colleague(tablet)
        return {"staff_id": staff_id} if staff_id else {}

    def _ring(self) -> None:
        near = list(self._colleagues.values())
        entries = (*self._handshakes.entries(), *self._arrivals.entries())
        self._surfaces.queue(tuple(replace(entry, colleagues_near=near.count(entry.zone)) for entry in entries))

    def _wipe(self, ended: list[Handshake], reason: str) -> None:
        if not ended:
            return
        for handshake in ended:
            self._cards.pop(handshake.handshake_id, None)
            if handshake.tablet is not None:
                self._surfaces.close_card(handshake.tablet, handshake.handshake_id, reason)
        self._ring()
