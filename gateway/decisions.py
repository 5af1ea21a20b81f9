"""What is decided inside one transaction: consent, profile, counters and the record are of one instant.

These functions run in the writer thread, so they see the transaction and their arguments and no live state.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar

from gateway.core.anonymous import slide_of
from gateway.core.arrivals import Arrived
from gateway.core.consent import given
from gateway.core.eligible import Value
from gateway.core.explain import card_line
from gateway.core.gate import CALL_NAME, LANGUAGE, TALKING_POINTS, USUAL, Field, No, may_follow
from gateway.core.handshake import Handshake
from gateway.core.learning import Arm
from gateway.core.model import Contact, Decision, Event, Offer, Proof, Purpose, Reason, StaffCard, Tap
from gateway.core.offers import Person, decide, one_of_each_group, sift
from gateway.core.presence import PresenceChange
from gateway.core.recorded import inputs_of
from gateway.core.segments import Change
from gateway.core.shelf import Place
from gateway.core.stage import GESTURE_MS, WELCOME_MS, Dialogue
from gateway.core.template import fill
from gateway.records import Tx
from gateway.situations import chooser, situation_of, store_of, tapper

CARD_OFFERS = 3  # what a colleague can say in one breath

OTHERWISE = "de"  # the language where a member's own may not be read

ALL_TABLETS = "tablets"  # who sees, in the audit, what stands in the list that every tablet shows

# What a choice in a dialogue is for caps and pauses; "more" is neither a yes nor a no.
_ANSWERED: dict[str, Literal["accepted", "dismissed"]] = {"offer.accepted": "accepted", "offer.declined": "dismissed"}

USUAL_OFFER = "@usual"  # what stands for it among contacts; "@" begins no offer's id

Made = tuple[Decision, Offer | None]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Arrival:
    """What a member's own tap says about their visit. `former`: visit id and zone until then, None if it begins one."""

    change: PresenceChange
    visit_id: str
    via: Literal["door", "tap"]
    former: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """A member's visit at one instant: its facts (eligible.FIELDS), and the segments that changed just now."""

    visit_id: str = ""
    facts: Mapping[str, Value] = field(default_factory=dict)
    changes: tuple[Change, ...] = ()


NOTHING = Look()


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a tablet shows a member: on a card, or as somebody who came in."""

    via: Literal["card", "door"]
    zone: str


class Decisions:
    """`new_id` gives a fresh id for each decision."""

    def __init__(self, new_id: Callable[[], str]) -> None:
        self._new_id = new_id

    def arrive(
        self,
        tx: Tx,
        change: PresenceChange,
        visit_id: str,
        screens: tuple[str, ...],
        company: tuple[str, ...],
        look: Look = NOTHING,
    ) -> list[Made] | None:
        """One decision for each screen of the zone that a member entered; `company` stands there already.

        None for a colleague: nothing is decided and nothing is told about where colleagues are.
        """
        person = tx.person(change.member_id, change.at_ms)
        if person is None or not person.profile.may(Purpose.RECOGNISE_BLE, change.at_ms).ok:
            return []
        if person.staff:
            return None
        zone = change.zone or ""
        body = {"visit_id": visit_id, "member_id": change.member_id, "zone": zone}
        tx.emit(Event(f"visit.{change.kind}", change.at_ms, body))
        if may_follow(person.profile, change.at_ms):
            _tell_segments(tx, person, look, change.at_ms)
        return self._at_screens(tx, change.at_ms, zone, screens, person, company, look)

    def change_segments(
        self,
        tx: Tx,
        member_id: str,
        at_ms: int,
        zone: str,
        screens: tuple[str, ...],
        look: Look,
    ) -> tuple[str, ...] | None:
        """Tell which segments changed; those of the `screens` in `zone` whose offers ask for them.

        None for somebody who may not be followed (any more): nothing is told.
        """
        person = tx.person(member_id, at_ms)
        if person is None or not may_follow(person.profile, at_ms):
            return None
        _tell_segments(tx, person, look, at_ms)
        if not person.profile.may(Purpose.RECOGNISE_BLE, at_ms).ok:
            return ()  # here by their own taps alone: nothing is said unasked
        names = {one.segment_id for one in look.changes}
        store = store_of(tx)
        return tuple(s for s in screens if names & tx.shelf(Place("zone", store, zone, s, "public"), at_ms).segments)

    def appear(
        self,
        tx: Tx,
        member_id: str,
        at_ms: int,
        zone: str,
        screens: tuple[str, ...],
        company: tuple[str, ...],
        look: Look,
    ) -> list[Made]:
        """One decision for each screen that may now change because of a member; `company` is there too."""
        person = tx.person(member_id, at_ms)
        if person is None or person.staff or not person.profile.may(Purpose.RECOGNISE_BLE, at_ms).ok:
            return []
        return self._at_screens(tx, at_ms, zone, screens, person, company, look)

    def _at_screens(
        self,
        tx: Tx,
        at_ms: int,
        zone: str,
        screens: tuple[str, ...],
        person: Person,
        company: tuple[str, ...],
        look: Look,
    ) -> list[Made]:
        others = tuple(p for m in company if (p := tx.person(m, at_ms)) is not None)
        made = []
        for number, screen in enumerate(screens):
            if number:  # what the first screen says is this person's contact: the next one finds the budget spent
                person = tx.person(person.member_id, at_ms) or person
            made.append(self._decide(tx, "zone", at_ms, zone, screen, person, others, facts=look.facts))
        return made

    def announce(self, tx: Tx, change: PresenceChange, recognised_by: Purpose) -> Arrived | None:
        """What tablets are told of a member who came in and wants to be greeted, or None; no card opens by it.

        `recognised_by`: the purpose that let this arrival be seen at all.
        """
        if change.kind != "entered":
            return None
        person = tx.person(change.member_id, change.at_ms)
        if person is None or person.staff or not person.profile.may(recognised_by, change.at_ms).ok:
            return None
        name = person.profile.read_or("", CALL_NAME, Purpose.GREET_ON_ENTRY, change.at_ms)
        if not name:
            return None
        arrived = Arrived(
            arrival_id=self._new_id(),
            member_id=person.member_id,
            label=name,
            usual=tx.usual(person.profile, Purpose.GREET_ON_ENTRY, change.at_ms),
            zone=change.zone or "",
            at_ms=change.at_ms,
        )
        body = {"arrival_id": arrived.arrival_id, "member_id": arrived.member_id, "zone": arrived.zone}
        tx.emit(Event("visit.announced", change.at_ms, body))
        seen: list[Field[Any]] = [CALL_NAME, USUAL] if arrived.usual else [CALL_NAME]
        detail = {"arrival_id": arrived.arrival_id, "zone": arrived.zone}
        purposes = _opened(seen, Purpose.GREET_ON_ENTRY)
        tx.audit(change.at_ms, arrived.member_id, ALL_TABLETS, "member.announced", detail, purposes)
        return arrived

    def admit(self, tx: Tx, tap: Tap) -> Literal["new", "spent", "nobody"]:
        """Spend the proof of a member's tap; "nobody" where the tap may not be resolved, and nothing is kept."""
        if tapper(tx, tap) is None or tap.member_id is None or tap.guard is None:
            return "nobody"
        return "new" if tx.admit(tap.member_id, tap.guard) else "spent"

    def visit(self, tx: Tx, tap: Tap, arrival: Arrival) -> Literal["guest", "colleague", "nobody"]:
        """Tell of a visit that a tap began or moved; of colleagues nothing is told."""
        person = tapper(tx, tap)
        if person is None:
            return "nobody"
        if person.staff:
            return "colleague"
        body = {"visit_id": arrival.visit_id, "member_id": tap.member_id, "zone": arrival.change.zone or ""}
        tx.emit(Event(f"visit.{arrival.change.kind}", tap.at_ms, body | {"via": arrival.via}))
        return "guest"

    def identify(self, tx: Tx, tap: Tap, till: str) -> bool:
        """Whether the tap says who buys at this till."""
        person = tapper(tx, tap)
        if person is None or person.staff:
            return False
        body = {"till": till, "member_id": tap.member_id, "proof": tap.proof, "receiver": tap.reader}
        tx.emit(Event("sale.identified", tap.at_ms, body))
        return True

    def greet(
        self,
        tx: Tx,
        tap: Tap,
        screen: str,
        zone: str,
        idle_ms: int,
        *,
        door: bool = False,
        facts: Mapping[str, Value] | None = None,
    ) -> Dialogue | None:
        """The dialogue for a member's tap at a screen, or None where the tap may not be resolved."""
        person = tapper(tx, tap)
        if person is None:
            return None
        noted: list[Reason] = []
        call_name = _read(person, CALL_NAME, Purpose.PUBLIC_PERSONAL_GREETING, tap.at_ms, noted)
        decision, offer = self._decide(
            tx, "tap", tap.at_ms, zone, screen, person, proof=tap.proof, noted=tuple(noted), facts=facts
        )
        return Dialogue(
            dialogue_id=decision.decision_id,
            member_id=person.member_id,
            language=person.profile.read_or(OTHERWISE, LANGUAGE, Purpose.RECOGNISE_NFC, tap.at_ms),
            call_name=call_name or None,
            slide=slide_of(offer) if offer is not None else None,
            more=offer.more if offer is not None else {},
            offer_id=decision.offer_id,
            decision_id=decision.decision_id,
            may_ask_advice=person.profile.may(Purpose.STAFF_ADVICE, tap.at_ms).ok,
            step="welcome" if door else "offer" if offer is not None else "nothing",
            expires_at_ms=tap.at_ms + (WELCOME_MS if door and offer is not None else min(idle_ms, GESTURE_MS)),
            proof=tap.proof,
            value_cents=offer.value_cents if offer is not None else 0,
            idle_ms=idle_ms,
        )

    def answered(self, tx: Tx, kind: str, dialogue: Dialogue, proof: Proof, now_ms: int) -> None:
        """Tell what the member chose in a dialogue, by a touch or by a tap of this `proof`."""
        body = {"member_id": dialogue.member_id, "decision_id": dialogue.decision_id, "offer_id": dialogue.offer_id}
        what, who, shown_by = _ANSWERED.get(kind), dialogue.member_id, dialogue.decision_id
        if what and dialogue.offer_id and who and shown_by and tx.has_member(who):
            answer = Contact(now_ms, dialogue.offer_id, True, tx.placement_of(shown_by), what)
            tx.note_contact(who, shown_by, answer)
            if what == "accepted":
                tx.note_taken(shown_by, now_ms, tx.learning())
        tx.tell(Event(kind, now_ms, body | {"proof": proof}))

    def ask(
        self, tx: Tx, handshake_id: str, member_id: str, zone: str, via: Literal["tap", "screen"], now_ms: int
    ) -> str | None:
        """What tablets may call the member who asks for advice, or None without consent to it."""
        person = tx.person(member_id, now_ms)
        if person is None or not person.profile.may(Purpose.STAFF_ADVICE, now_ms).ok:
            return None
        if not person.profile.may(Purpose.RECOGNISE_NFC, now_ms).ok:
            return None
        body = {"handshake_id": handshake_id, "member_id": member_id, "zone": zone, "via": via}
        tx.emit(Event("handshake.asked", now_ms, body))
        label = person.profile.read_or("", CALL_NAME, Purpose.STAFF_ADVICE, now_ms)
        if label:  # without one they are a guest with a number, and nothing of the profile is seen
            detail = {"handshake_id": handshake_id, "zone": zone, "via": via}
            purposes = _opened([CALL_NAME], Purpose.STAFF_ADVICE)
            tx.audit(now_ms, member_id, ALL_TABLETS, "advice.asked", detail, purposes)
        return label

    def card(self, tx: Tx, handshake: Handshake, tablet: str, now_ms: int, until_ms: int) -> StaffCard | None:
        """The card for the colleague who accepted, or None if the consent to advice is not in force now."""
        person = tx.person(handshake.member_id, now_ms)
        if person is None or not person.profile.may(Purpose.STAFF_ADVICE, now_ms).ok:
            return None
        by = {"staff_id": handshake.staff_id} if handshake.staff_id else {}
        body = {"handshake_id": handshake.handshake_id, "member_id": handshake.member_id, "tablet": tablet}
        tx.emit(Event("handshake.accepted", now_ms, body | by))
        profile = person.profile
        purposes = [
            purpose
            for purpose in (Purpose.STAFF_ADVICE, Purpose.PURCHASE_HISTORY, Purpose.PERSONALISE_OFFERS)
            if profile.may(purpose, now_ms).ok
        ]
        detail = {"handshake_id": handshake.handshake_id, "zone": handshake.zone, "via": handshake.via} | by
        tx.audit(now_ms, handshake.member_id, f"tablet:{tablet}", "card.opened", detail, purposes)

        def read(field: Field[T], otherwise: T) -> T:
            return profile.read_or(otherwise, field, Purpose.STAFF_ADVICE, now_ms)

        situation = situation_of(
            tx, "", "tap", now_ms, handshake.zone, tablet, person, proof=handshake.proof, channel="tablet"
        )
        shop, prices = situation.shop, situation.prices
        with tx.deciding():
            best = one_of_each_group(sift(situation)[1])[:CARD_OFFERS]
        best = [fill(offer, handshake.zone, shop, prices) for offer in best]
        for offer in best:  # what a colleague says is a contact like any other
            shown = Contact(now_ms, offer.offer_id, True, tablet)
            tx.note_contact(handshake.member_id, handshake.handshake_id, shown)
        points = tx.points(profile, Purpose.STAFF_ADVICE, now_ms)
        return StaffCard(
            handshake_id=handshake.handshake_id,
            call_name=read(CALL_NAME, ""),
            language=read(LANGUAGE, OTHERWISE),
            zone=handshake.zone,
            via=handshake.via,
            asked_at_ms=handshake.asked_at_ms,
            usual=tx.usual(profile, Purpose.STAFF_ADVICE, now_ms),
            talking_points=read(TALKING_POINTS, ()),
            offers=tuple(card_line(offer, place, now_ms, shop.restraint.time_zone) for place, offer in enumerate(best)),
            consents=given(person.consents, now_ms),
            closes_at_ms=until_ms,
            points=None if points is None else points.points,
        )

    def offer_usual(
        self, tx: Tx, entry_id: str, member_id: str, at: Spot, tablet: str, now_ms: int, staff_id: str = ""
    ) -> bool:
        """Note that a colleague offers the member what they usually take; False where that may not be known now."""
        purpose = Purpose.GREET_ON_ENTRY if at.via == "door" else Purpose.STAFF_ADVICE
        profile = tx.profile(member_id)
        if profile is None or not tx.usual(profile, purpose, now_ms):
            return False
        tx.note_contact(member_id, entry_id, Contact(now_ms, USUAL_OFFER, True, tablet))
        body = {"entry_id": entry_id, "member_id": member_id, "zone": at.zone, "via": at.via, "tablet": tablet}
        body |= {"staff_id": staff_id} if staff_id else {}
        tx.emit(Event("usual.offered", now_ms, body))
        return True

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
        noted: tuple[Reason, ...] = (),
        facts: Mapping[str, Value] | None = None,
    ) -> Made:
        """`noted`: reasons that are known already, kept with those of the offers. `facts`: of the person's visit."""
        known = facts if facts and may_follow(person.profile, at_ms) else None
        learning, new_id = tx.learning(), self._new_id()
        with tx.deciding():
            situation = situation_of(tx, new_id, trigger, at_ms, zone, screen, person, others, proof, facts=known)
            choose = chooser(tx, learning, situation) if learning.on else None
            decision = decide(situation, choose)
        digests = tx.catalogue_digest(), tx.policy_digest()
        inputs = inputs_of(situation, decision, choose is not None, *digests, tx.horizon_ms())
        decision = replace(decision, reasons=(*noted, *decision.reasons))
        tx.record(decision, inputs)
        choice, shown = decision.choice, decision.offer_id
        if shown is not None and choice is not None and choice.why == "learned":
            arm = Arm(shown, screen, choice.segment)
            if not tx.note_shown(decision.decision_id, arm, at_ms, learning):
                tx.count("learning.full")
        offer = next((one for one in situation.offers if one.offer_id == shown), None)
        return decision, None if offer is None else fill(offer, zone, situation.shop, situation.prices)


def _tell_segments(tx: Tx, person: Person, look: Look, at_ms: int) -> None:
    """Tell headquarters who came into which segment or left it, and why; not where they have been."""
    for one in look.changes:
        state = "in" if one.inside else "out"
        body = {"visit_id": look.visit_id, "member_id": person.member_id, "segment": one.segment_id}
        tx.emit(Event("segment.changed", at_ms, body | {"state": state, "why": one.why}))
        tx.count(f"segments.{state}")


def _opened(seen: Sequence[Field[Any]], purpose: Purpose) -> list[Purpose]:
    """Everything that had to be given so that these fields were seen for `purpose`, each once."""
    return list(dict.fromkeys(needed for field in seen for needed in field.purposes[purpose]))


def _read(person: Person, field: Field[T], purpose: Purpose, at_ms: int, noted: list[Reason]) -> T | None:
    """The field, or None with the reason noted under the field's name ("@" begins no offer's id)."""
    found = person.profile.read(field, purpose, at_ms)
    if isinstance(found, No):
        noted.append(Reason(f"@{field.name}", found.reason))
        return None
    return found
