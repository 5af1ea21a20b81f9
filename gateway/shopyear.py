"""A simulated year of people in a shop: when they come, what happens to them, how they answer, under several policies.

What is decided, the shipped rules decide (`CoreShop`: gateway.core alone; through the tables: evaluate_restraint).
Not simulated: radio, walking, and that people change their ways because of offers.
"""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from gateway.core.gate import Profile
from gateway.core.localtime import begins_ms
from gateway.core.model import (
    Cap,
    Channel,
    ConsentRecord,
    ConsentState,
    Contact,
    Decision,
    Member,
    Offer,
    Pause,
    Purpose,
    Restraint,
    ShopConfig,
)
from gateway.core.offers import Person, Situation, decide, one_of_each_group, place_of, sift
from gateway.core.restraint import horizon_ms
from gateway.core.shelf import Place, Shelf, shelve
from gateway.core.spans import DAY_MS
from gateway.restraintcheck import How, Moment

FIRST_MS = 1_767_222_000_000  # 2026-01-01 00:00 in Berlin: a year with both changes of the clocks
TEXT = {"de": "Guten Tag", "en": "Good day"}
LIKED = ("coffee", "tea", "wine", "bread")
ZONES = ("coffee", "tea", "wine")
CARD_OFFERS = 3

# One shop with its policy each; a person belongs to one of them.
POLICIES: Mapping[str, ShopConfig] = {
    "as shipped": ShopConfig(restraint=Restraint("Europe/Berlin", 20 * 60, 9 * 60, holdout_bp=500, holdout_salt="a")),
    "shy": ShopConfig(
        contacts_per_day=2,
        contact_gap_ms=3_600_000,
        restraint=Restraint("Europe/Berlin", 18 * 60, 10 * 60, 2, DAY_MS, 1_000, "b"),
    ),
    "eager": ShopConfig(
        contacts_per_day=8,
        contact_gap_ms=10_000,
        restraint=Restraint("Europe/Berlin", 22 * 60, 6 * 60, 5, 3_600_000, 200, "c"),
    ),
    "measured": ShopConfig(
        contacts_per_day=4,
        contact_gap_ms=600_000,
        restraint=Restraint("America/New_York", 21 * 60, 8 * 60, 3, 7_200_000, 2_500, "d"),
    ),
}

_CAPS = (
    (Cap("impressions", 3, period_ms=7 * DAY_MS),),
    (Cap("impressions", 1, calendar="day"), Cap("acceptances", 2, calendar="month")),
    (Cap("impressions", 2, "placement", calendar="week"),),
)
_PAUSES = (Pause(), Pause(dismissed_ms=30 * DAY_MS), Pause(shown_ms=3_600_000, redeemed_ms=14 * DAY_MS))
_TARGETED = [
    Offer(
        f"offer-{number:02}",
        TEXT,
        TEXT,
        interests=(LIKED[number % 4],) if number % 3 else (),
        category="coffee",
        public_safe=number % 5 != 4,
        zones=(ZONES[number % 3],) if number % 4 == 1 else (),
        priority=number % 3,
        groups=(f"group-{number % 6}",) if number % 2 else (),
        caps=_CAPS[number % 3],
        pause=_PAUSES[number % 3],
        control_bp=1_000 if number % 7 == 0 else 0,
    )
    for number in range(18)
]
OFFERS = (*_TARGETED, Offer("loop", TEXT, TEXT, audience="everyone"))


@dataclass(frozen=True, slots=True)
class Somebody:
    """A simulated person. `manner`: how they take what is said to them."""

    member: Member
    consents: Mapping[Purpose, ConsentRecord]
    policy: str
    visits: float  # a year
    manner: Literal["ignores", "answers", "dismisses"]


class Shop(Protocol):
    """What can happen to one person; each gives what the log says of it."""

    def beacon(self, at_ms: int, zone: str, screens: tuple[str, ...], in_company: bool) -> list[Moment]: ...

    def tap(self, at_ms: int, zone: str, screen: str, how: How) -> Moment: ...

    def card(self, at_ms: int, zone: str) -> Moment: ...

    def answer(self, to: Moment, what: Literal["accepted", "dismissed"], at_ms: int) -> Moment: ...

    def redeem(self, offer_id: str, at_ms: int) -> Moment: ...


def somebody(number: int, seed: int) -> Somebody:
    """The person of that number; the same for the same seed."""
    draw = random.Random(f"who {seed} {number}")
    member_id = f"member-{number:05}"
    given = [purpose for purpose in Purpose if purpose is not Purpose.PERSONALISE_OFFERS or draw.random() < 0.95]
    ends_ms = FIRST_MS + draw.randrange(365) * DAY_MS if draw.random() < 0.05 else None
    consents = {
        purpose: ConsentRecord(
            f"{member_id} {purpose}", member_id, purpose, ConsentState.GIVEN, 1, valid_until_ms=ends_ms, hq_seq=1
        )
        for purpose in given
    }
    return Somebody(
        Member(member_id, interests=tuple(one for one in LIKED if draw.random() < 0.5)),
        consents,
        list(POLICIES)[number % len(POLICIES)],
        draw.choice((4.0, 12.0, 30.0, 60.0)),
        draw.choice(("ignores", "ignores", "answers", "dismisses")),
    )


def year(who: Somebody, days: int, seed: int, shop: Shop) -> Iterator[Moment]:
    """What happens to them in so many days, by time."""
    draw = random.Random(f"year {seed} {who.member.member_id}")
    free_ms = FIRST_MS
    while True:
        free_ms += round(draw.expovariate(who.visits / 365) * DAY_MS)
        day_ms = begins_ms("day", free_ms, POLICIES[who.policy].restraint.time_zone)
        hour = draw.choice((7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 17, 18, 18, 19, 20, 21))
        at_ms = max(free_ms, day_ms + hour * 3_600_000 + draw.randrange(3_600_000))
        if at_ms >= FIRST_MS + days * DAY_MS:
            return
        for moment in _visit(who, at_ms, draw, shop):
            yield moment
            free_ms = max(free_ms, moment.at_ms + 10_000)


def _visit(who: Somebody, at_ms: int, draw: random.Random, shop: Shop) -> Iterator[Moment]:
    taken: list[str] = []
    for _ in range(draw.randrange(1, 10)):
        at_ms += draw.choice((10_000, 45_000, 130_000, 400_000, 900_000, 2_000_000))
        zone, what = draw.choice(ZONES), draw.random()
        if what < 0.65:
            screens = draw.choice((("bar",), ("bar",), ("bar", "shelf")))
            yield from shop.beacon(at_ms, zone, screens, draw.random() < 0.15)
            continue
        if what < 0.72:
            yield shop.card(at_ms, zone)
            continue
        how: How = "tap" if what < 0.88 else "phone" if what < 0.94 else "till"
        said = shop.tap(at_ms, zone, {"tap": "bar", "phone": "phone", "till": "counter"}[how], how)
        yield said
        if said.said and who.manner != "ignores" and draw.random() < 0.6:
            at_ms += 5_000
            taken += said.said if who.manner == "answers" else ()
            yield shop.answer(said, "accepted" if who.manner == "answers" else "dismissed", at_ms)
    if taken and draw.random() < 0.7:
        yield shop.redeem(taken[-1], at_ms + 60_000)


class CoreShop:
    """One person in a shop that is the rules of gateway.core and a list of contacts, nothing else."""

    def __init__(self, who: Somebody, offers: tuple[Offer, ...], shelves: dict[Place, Shelf]) -> None:
        """`shelves`: kept by the caller for everybody of one policy."""
        self._who = who
        self._shop = POLICIES[who.policy]
        self._offers = offers
        self._shelves = shelves
        self._horizon_ms = horizon_ms(offers, self._shop)
        self._profile = Profile(who.member, who.consents)
        stranger = ConsentRecord("x", "x", Purpose.PERSONALISE_OFFERS, ConsentState.GIVEN, 1, hq_seq=1)
        self._company = Person(Profile(Member("x", interests=LIKED[:1]), {Purpose.PERSONALISE_OFFERS: stranger}))
        self._contacts: list[Contact] = []

    def beacon(self, at_ms: int, zone: str, screens: tuple[str, ...], in_company: bool) -> list[Moment]:
        made = []
        for screen in screens:
            situation = self._situation(at_ms, "zone", zone, screen)
            others = (self._company,) if in_company else ()
            made.append(self._noted(decide(replace(situation, others=others)), "beacon"))
        return made

    def tap(self, at_ms: int, zone: str, screen: str, how: How) -> Moment:
        channel: Channel = "phone" if how == "phone" else "public"
        return self._noted(decide(self._situation(at_ms, "tap", zone, screen, channel)), how)

    def card(self, at_ms: int, zone: str) -> Moment:
        reasons, ranked = sift(self._situation(at_ms, "tap", zone, "tablet", "tablet"))
        said = tuple(offer.offer_id for offer in one_of_each_group(ranked)[:CARD_OFFERS])
        self._contacts += [Contact(at_ms, offer_id, True, "tablet") for offer_id in said]
        return Moment(at_ms, "card", "tablet", said, tuple((one.candidate, one.code) for one in reasons))

    def answer(self, to: Moment, what: Literal["accepted", "dismissed"], at_ms: int) -> Moment:
        self._contacts.append(Contact(at_ms, to.said[0], True, to.placement, what))
        return Moment(at_ms, to.how, to.placement, to.said[:1], (), what)

    def redeem(self, offer_id: str, at_ms: int) -> Moment:
        self._contacts.append(Contact(at_ms, offer_id, True, "till-1", "redeemed"))
        return Moment(at_ms, "till", "till-1", (offer_id,), (), "redeemed")

    def _situation(
        self, at_ms: int, trigger: Literal["zone", "tap"], zone: str, screen: str, channel: Channel = "public"
    ) -> Situation:
        self._contacts = [one for one in self._contacts if one.at_ms > at_ms - self._horizon_ms]
        person = Person(self._profile, tuple(self._contacts))
        made = Situation("d", at_ms, trigger, zone, screen, person, (), self._offers, self._shop, channel=channel)
        place = place_of(made)
        if place not in self._shelves:
            self._shelves[place] = shelve(self._offers, place, at_ms)
        return replace(made, shelf=self._shelves[place])

    def _noted(self, made: Decision, how: How) -> Moment:
        said = () if made.offer_id is None else (made.offer_id,)
        self._contacts += [Contact(made.at_ms, offer_id, how != "beacon", made.screen) for offer_id in said]
        return Moment(made.at_ms, how, made.screen, said, tuple((one.candidate, one.code) for one in made.reasons))
