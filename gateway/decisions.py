"""What is decided inside one transaction: consent, profile, counters and the record are of one instant.

These functions run in the writer thread, so they see the transaction and their arguments and no live state.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from gateway.core.consent import given, may
from gateway.core.handshake import Handshake
from gateway.core.model import Decision, Event, Offer, OfferLine, Proof, Purpose, StaffCard, Tap
from gateway.core.offers import Person, Situation, decide, sift, slide_of
from gateway.core.presence import PresenceChange
from gateway.core.stage import WELCOME_MS, Dialogue
from gateway.records import Tx

CARD_OFFERS = 3  # what a colleague can say in one breath

Made = tuple[Decision, Offer | None]


@dataclass(frozen=True, slots=True)
class Arrival:
    """What a member's own tap says about their visit. `former`: visit id and zone until then, None if it begins one."""

    change: PresenceChange
    visit_id: str
    via: Literal["door", "tap"]
    former: tuple[str, str] | None = None


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

    def admit(self, tx: Tx, tap: Tap) -> Literal["new", "spent", "nobody"]:
        """Spend the proof of a member's tap; "nobody" where the tap may not be resolved, and nothing is kept."""
        if _tapper(tx, tap) is None or tap.member_id is None or tap.guard is None:
            return "nobody"
        return "new" if tx.admit(tap.member_id, tap.guard) else "spent"

    def visit(self, tx: Tx, tap: Tap, arrival: Arrival) -> Literal["guest", "colleague", "nobody"]:
        """Tell of a visit that a tap began or moved; of colleagues nothing is told."""
        person = _tapper(tx, tap)
        if person is None:
            return "nobody"
        if person.member.staff:
            return "colleague"
        body = {"visit_id": arrival.visit_id, "member_id": tap.member_id, "zone": arrival.change.zone or ""}
        tx.emit(Event(f"visit.{arrival.change.kind}", tap.at_ms, body | {"via": arrival.via}))
        return "guest"

    def identify(self, tx: Tx, tap: Tap, till: str) -> bool:
        """Whether the tap says who buys at this till."""
        person = _tapper(tx, tap)
        if person is None or person.member.staff:
            return False
        body = {"till": till, "member_id": tap.member_id, "proof": tap.proof, "receiver": tap.reader}
        tx.emit(Event("sale.identified", tap.at_ms, body))
        return True

    def greet(self, tx: Tx, tap: Tap, screen: str, zone: str, idle_ms: int, *, door: bool = False) -> Dialogue | None:
        """The dialogue for a member's tap at a screen, or None where the tap may not be resolved."""
        person = _tapper(tx, tap)
        if person is None:
            return None
        decision, offer = self._decide(tx, "tap", tap.at_ms, zone, screen, person, proof=tap.proof)
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
            step="welcome" if door else "offer" if offer is not None else "nothing",
            expires_at_ms=tap.at_ms + (WELCOME_MS if door and offer is not None else idle_ms),
            proof=tap.proof,
            value_cents=offer.value_cents if offer is not None else 0,
            idle_ms=idle_ms,
        )

    def answered(self, tx: Tx, kind: str, dialogue: Dialogue, proof: Proof, now_ms: int) -> None:
        """Tell what the member chose in a dialogue, by a touch or by a tap of this `proof`."""
        body = {"member_id": dialogue.member_id, "decision_id": dialogue.decision_id, "offer_id": dialogue.offer_id}
        tx.tell(Event(kind, now_ms, body | {"proof": proof}))

    def ask(
        self, tx: Tx, handshake_id: str, member_id: str, zone: str, via: Literal["tap", "screen"], now_ms: int
    ) -> str | None:
        """What tablets may call the member who asks for advice, or None without consent to it."""
        person = tx.person(member_id, now_ms)
        if person is None or not may(Purpose.STAFF_ADVICE, person.consents, now_ms).ok:
            return None
        if not may(Purpose.RECOGNISE_NFC, person.consents, now_ms).ok:
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
        used = {Purpose.STAFF_ADVICE: True, Purpose.PURCHASE_HISTORY: history, Purpose.PERSONALISE_OFFERS: personal}
        purposes = [purpose for purpose, gave in used.items() if gave]
        detail = {"handshake_id": handshake.handshake_id, "zone": handshake.zone, "via": handshake.via}
        tx.audit(now_ms, handshake.member_id, f"tablet:{tablet}", "card.opened", detail, purposes)
        situation = Situation(
            "", now_ms, "tap", handshake.zone, "", person, (), tx.offers(), tx.shop(), handshake.proof
        )
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
        proof: Proof = Proof.BEARER,
    ) -> Made:
        offers = tx.offers()
        situation = Situation(self._new_id(), at_ms, trigger, zone, screen, person, others, offers, tx.shop(), proof)
        decision = decide(situation)
        tx.record(decision)
        return decision, next((offer for offer in offers if offer.offer_id == decision.offer_id), None)


def _tapper(tx: Tx, tap: Tap) -> Person | None:
    """Who tapped, or None for a stranger and for a member who may not be recognised by a tap now."""
    person = tx.person(tap.member_id, tap.at_ms) if tap.member_id is not None else None
    if person is None or not may(Purpose.RECOGNISE_NFC, person.consents, tap.at_ms).ok:
        return None
    return person
