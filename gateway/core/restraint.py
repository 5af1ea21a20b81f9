"""How much is enough for one person: the budget of contacts, quiet hours, back-off, caps, pauses and groups. Pure.

All of it follows from the contacts of that person over every channel, handed in, and says no with a code. Caps of a
whole shop follow from its counts.
"""

from collections.abc import Iterable, Mapping

from gateway.core.localtime import Calendar, begins_ms, is_within
from gateway.core.model import Cap, Contact, Offer, Restraint, ShopConfig
from gateway.core.spans import DAY_MS

# So far back contacts matter for the back-off; who was not bothered for a month begins anew.
MEMORY_MS = 30 * DAY_MS
MAX_DOUBLINGS = 10  # a pause of an hour has become 43 days then
_CALENDAR_MS = {"day": DAY_MS, "week": 7 * DAY_MS, "month": 31 * DAY_MS}
COUNTED = {"impressions": "shown", "acceptances": "accepted", "redemptions": "redeemed"}


def horizon_ms(offers: Iterable[Offer], shop: ShopConfig) -> int:
    """How far back contacts have to be known to decide about these offers: at least a day."""
    longest = MEMORY_MS if shop.restraint.backoff_ms else DAY_MS
    for offer in offers:
        pause = offer.pause
        longest = max(longest, pause.shown_ms, pause.dismissed_ms, pause.redeemed_ms)
        for cap in (cap for cap in offer.caps if cap.per != "store"):
            # An hour more: a day in which clocks are put back has 25.
            longest = max(longest, cap.period_ms, _CALENDAR_MS[cap.calendar] + 3_600_000 if cap.calendar else 0)
    return longest


def too_much(contacts: tuple[Contact, ...], shop: ShopConfig, at_ms: int) -> str | None:
    """Why this person is to be left alone now, unless they ask; None = one more contact is fine."""
    rules = shop.restraint
    if is_within(at_ms, rules.time_zone, rules.quiet_from_min, rules.quiet_until_min):
        return "budget.quiet"
    # A contact later than now was noted while the clock was ahead; it may not silence us until that time comes.
    shown = [one for one in contacts if one.what == "shown" and 0 <= at_ms - one.at_ms < DAY_MS]
    recent = {(one.at_ms, one.placement) for one in shown}  # several offers of one card are one contact
    if len(recent) >= shop.contacts_per_day:
        return "budget.day"
    if any(at_ms - shown_ms < shop.contact_gap_ms for shown_ms, _ in recent):
        return "budget.pause"
    return "budget.ignored" if _ignores(contacts, rules, at_ms) else None


def _ignores(contacts: tuple[Contact, ...], rules: Restraint, at_ms: int) -> bool:
    """Whether the last contacts in a row were not answered, and the silence after the last one is not over."""
    if not rules.backoff_ms:
        return False
    row, last_ms = 0, 0
    for one in sorted(contacts, key=lambda contact: contact.at_ms):
        if not 0 <= at_ms - one.at_ms < MEMORY_MS:
            continue
        if one.what == "shown" and not one.asked:
            row, last_ms = row + 1, one.at_ms
        elif one.what != "dismissed":  # a gesture, a yes or a redemption; a no is worse than no answer
            row = 0
    if row < rules.ignored:
        return False
    return at_ms - last_ms < rules.backoff_ms << min(row - rules.ignored, MAX_DOUBLINGS)


def since_ms(cap: Cap, at_ms: int, zone: str) -> int:
    """Where the window of a cap begins that holds this instant."""
    return begins_ms(cap.calendar, at_ms, zone) if cap.calendar else at_ms - cap.period_ms + 1


def given_out(offer: Offer, counts: Mapping[tuple[str, Cap], int]) -> str | None:
    """Whether all members of this shop together had enough of the offer. What is not counted yet is none."""
    for cap in offer.caps:
        if cap.per == "store" and counts.get((offer.offer_id, cap), 0) >= cap.limit:
            return "cap.store"
    return None


class Past:
    """What one person was shown and answered, as the rules of offers ask for it."""

    def __init__(self, contacts: tuple[Contact, ...], shop: ShopConfig, at_ms: int, placement: str) -> None:
        self._zone = shop.restraint.time_zone
        self._at_ms = at_ms
        self._placement = placement
        self._of: dict[str, list[Contact]] = {}
        self._holding: set[str] = set()  # offers that were shown, accepted or redeemed in the last 24 hours
        last_shown_ms: dict[str, int] = {}
        for one in sorted(contacts, key=lambda contact: contact.at_ms):
            if one.at_ms > at_ms:
                break
            self._of.setdefault(one.offer_id, []).append(one)
            if one.what == "shown":
                last_shown_ms[one.offer_id] = one.at_ms
            if one.what != "dismissed" and at_ms - one.at_ms < DAY_MS:
                self._holding.add(one.offer_id)
        # When each offer was shown last, as far as is known.
        self.last_shown_ms: Mapping[str, int] = last_shown_ms
        self._began_ms: dict[str, int] = {}  # by calendar
        self._groups: dict[str, str] = {}

    def learn_groups(self, offers: Mapping[str, Offer]) -> None:
        """Note which group belongs to whom: an offer that was shown or redeemed in the last 24 hours holds its own."""
        if not self._holding:
            return
        for offer_id in self._of:  # in the order of their first contact: of two the later one has the group
            offer = offers.get(offer_id) if offer_id in self._holding else None
            if offer is not None:
                self._groups.update(dict.fromkeys(offer.groups, offer_id))

    def exclusion(self, offer: Offer) -> str | None:
        """Why this person had enough of this offer, or None: caps, then pauses, then groups."""
        past = self._of.get(offer.offer_id)
        if past is None:
            if offer.cap_per_member == 0:
                return "cap.member"
            if not self._groups:
                return None
        else:
            code = self._capped(offer, past) or self._pausing(offer, past)
            if code is not None:
                return code
        for group in offer.groups:
            if self._groups.get(group, offer.offer_id) != offer.offer_id:
                return "group"
        return None

    def _capped(self, offer: Offer, past: list[Contact]) -> str | None:
        if offer.cap_per_member is not None:
            times = sum(one.what == "shown" and self._at_ms - one.at_ms < DAY_MS for one in past)
            if times >= offer.cap_per_member:
                return "cap.member"
        for cap in offer.caps:
            if cap.per == "store":
                continue
            since_ms = self._begins_ms(cap.calendar) if cap.calendar else self._at_ms - cap.period_ms + 1
            times = sum(
                one.what == COUNTED[cap.what]
                and one.at_ms >= since_ms
                and (cap.per == "offer" or one.placement == self._placement)
                for one in past
            )
            if times >= cap.limit:
                return f"cap.{cap.what}"
        return None

    def _begins_ms(self, calendar: Calendar) -> int:
        if calendar not in self._began_ms:
            self._began_ms[calendar] = begins_ms(calendar, self._at_ms, self._zone)
        return self._began_ms[calendar]

    def _pausing(self, offer: Offer, past: list[Contact]) -> str | None:
        pauses: Mapping[str, int] = {
            "shown": offer.pause.shown_ms,
            "dismissed": offer.pause.dismissed_ms,
            "redeemed": offer.pause.redeemed_ms,
        }
        for one in past:
            if self._at_ms - one.at_ms < pauses.get(one.what, 0):
                return f"pause.{one.what}"
        return None
