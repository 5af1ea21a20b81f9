"""What is decided inside one transaction: consent, profile, counters and the record are of one instant.

These functions run in the writer thread, so they see the transaction and their arguments and no live state.
"""

from collections.abc import Callable
from typing import Literal

from gateway.core.consent import given, may
from gateway.core.handshake import Handshake
from gateway.core.model import Decision, Event, Offer, OfferLine, Purpose, StaffCard, Tap
from gateway.core.offers import Person, Situation, decide, sift, slide_of
from gateway.core.presence import PresenceChange
from gateway.core.stage import Dialogue
from gateway.records import Tx

CARD_OFFERS = 3  # what a colleague can say in one breath

Made = tuple[Decision, Offer | None]


class Decisions:
    """`new_id` gives a fresh id for each decision."""

    def __init__(self, new_id: Callable[[], str]) -> None:
        self._new_id = new_id

    def arrive(
        self, tx: Tx, change: PresenceChange, visit_id: str, screens: tuple[str, ...], company: tuple[str, ...]
    ) -> list[Made] | None:
        """One decision for each screen of the zone that a member entered; `company` stands there already.

        None for a colleague: nothing is decided and nothing is told about where colleagues are.
        """
        person = tx.person(change.member_id, change.at_ms)
        if person is None or not may(Purpose.RECOGNISE_BLE, person.consents, change.at_ms).ok:
            return []
        if person.member.staff:
            return None
        zone = change.zone or ""
        body = {"visit_id": visit_id, "member_id": change.member_id, "zone": zone}
        tx.emit(Event(f"visit.{change.kind}", change.at_ms, body))
        others = tuple(p for m in company if (p := tx.person(m, change.at_ms)) is not None)
        made = []
        for screen in screens:
            made.append(self._decide(tx, "zone", change.at_ms, zone, screen, person, others))
            # What the first screen says is this person's contact: the next one finds the budget spent.
            person = tx.person(change.member_id, change.at_ms) or person
        return made

    def greet(self, tx: Tx, tap: Tap, screen: str, zone: str, idle_ms: int) -> Dialogue | None:
        """The dialogue for a member's tap at a screen, or None where the tap may not be resolved."""
        person = tx.person(tap.member_id, tap.at_ms) if tap.member_id is not None else None
        if person is None or not may(Purpose.RECOGNISE_NFC, person.consents, tap.at_ms).ok:
            return None
        decision, offer = self._decide(tx, "tap", tap.at_ms, zone, screen, person)
        member, consents = person.member, person.consents
        greets = may(Purpose.PUBLIC_PERSONAL_GREETING, consents, tap.at_ms).ok and member.call_name
        return Dialogue(
            dialogue_id=decision.decision_id,
            member_id=member.member_id,
            language=member.language,
            call_name=member.call_name if greets else None,
            slide=slide_of(offer) if offer is not None else None,
            more=offer.more if offer is not None else {},
            offer_id=decision.offer_id,
            decision_id=decision.decision_id,
            may_ask_advice=may(Purpose.STAFF_ADVICE, consents, tap.at_ms).ok,
            step="offer" if offer is not None else "nothing",
            expires_at_ms=tap.at_ms + idle_ms,
        )

    def ask(
        self, tx: Tx, handshake_id: str, member_id: str, zone: str, via: Literal["tap", "screen"], now_ms: int
    ) -> str | None:
        """What tablets may call the member who asks for advice, or None without consent to it."""
        person = tx.person(member_id, now_ms)
        if person is None or not may(Purpose.STAFF_ADVICE, person.consents, now_ms).ok:
            return None
        body = {"handshake_id": handshake_id, "member_id": member_id, "zone": zone, "via": via}
        tx.emit(Event("handshake.asked", now_ms, body))
        return person.member.call_name

    def card(self, tx: Tx, handshake: Handshake, tablet: str, now_ms: int, until_ms: int) -> StaffCard | None:
        """The card for the colleague who accepted, or None if the consent to advice is not in force now."""
        person = tx.person(handshake.member_id, now_ms)
        if person is None or not may(Purpose.STAFF_ADVICE, person.consents, now_ms).ok:
            return None
        body = {"handshake_id": handshake.handshake_id, "member_id": handshake.member_id, "tablet": tablet}
        tx.emit(Event("handshake.accepted", now_ms, body))
        member = person.member
        history = may(Purpose.PURCHASE_HISTORY, person.consents, now_ms).ok
        personal = may(Purpose.PERSONALISE_OFFERS, person.consents, now_ms).ok
        situation = Situation("", now_ms, "tap", handshake.zone, "", person, (), tx.offers(), tx.shop())
        best = sift(situation)[1][:CARD_OFFERS]
        return StaffCard(
            handshake_id=handshake.handshake_id,
            call_name=member.call_name,
            language=member.language,
            zone=handshake.zone,
            via=handshake.via,
            asked_at_ms=handshake.asked_at_ms,
            usual=member.usual if history else (),
            talking_points=member.talking_points if personal else (),
            offers=tuple(OfferLine(offer.offer_id, offer.title, offer.badge) for offer in best),
            consents=given(person.consents, now_ms),
            closes_at_ms=until_ms,
        )

    def _decide(
        self,
        tx: Tx,
        trigger: Literal["zone", "tap"],
        at_ms: int,
        zone: str,
        screen: str,
        person: Person,
        others: tuple[Person, ...] = (),
    ) -> Made:
        offers = tx.offers()
        situation = Situation(self._new_id(), at_ms, trigger, zone, screen, person, others, offers, tx.shop())
        decision = decide(situation)
        tx.record(decision)
        return decision, next((offer for offer in offers if offer.offer_id == decision.offer_id), None)
