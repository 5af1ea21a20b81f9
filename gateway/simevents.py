"""What a shop's day tells headquarters, drawn from the visits of the simulated shop: types, bodies and times, without
radios, rules or a database.

In proportion it is what the demo reports, where a test counts it: decisions, moves, comings and goings, taps, requests
for advice, and beside them what a till and the screens tell. The hours of the day are those of gateway.shopyear.

Not simulated, so do not judge headquarters by it: events that make it work beyond storing them (consents given in the
shop, bindings, enrolments, points, coupons, leases), because they need members and budgets that it knows.
"""

import heapq
import itertools
from collections.abc import Iterator
from functools import lru_cache
from random import Random
from typing import Any, NamedTuple

from drivers.shopday import TAP_SHARES, any_visit
from drivers.shopfloor import ZONES, Point

OPEN_HOURS = (1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 1)  # from 8 to 20: after work there are twice as many people
MEAN_HOUR = sum(OPEN_HOURS) / len(OPEN_HOURS)
VISIT_EVENTS = 8.46  # of one visit on average; a test counts them
SCREENS_SHARE = 0.4  # of all events are proofs of play: 4 screens that send every 20 s are 8,640 of 20,000 a day
LONGEST_VISIT_S = 400.0  # whoever came in so long before the beginning has left again

MEMBERS = 5_000
SURE_MS = (3_000, 9_000)  # until presence is certain of a zone
DWELLED_MS = 60_000
GONE_MS = 45_000  # after the last frame somebody counts as gone
SALE_SHARE = 0.6  # of taps at the till end in a receipt
REDEEM_SHARE = 0.2
TRIED_SHARE = 0.3  # of decisions weighed every offer; the others ended before, for the person or the moment
OFFERS = (
    *("o-bread", "o-filter", "o-firstflush", "o-flowers", "o-grapefizz", "o-houseroast", "o-mountain"),
    *("o-phone-roast", "o-picnic", "o-pralines", "o-seasalt", "o-till-honey", "o-totebag", "o-vineyards"),
)
WHY_NOT = ("zone", "interests", "placement", "ranked_lower", "in_the_loop")
SCREENS = {"entrance-nfc": "entrance", "coffee-nfc": "coffee", "till-nfc": "till"}  # reader -> screen beside it

SHAPES = 256
NAMED = ("member_id", "visit_id", "decision_id", "handshake_id", "redemption_id")

Body = dict[str, Any]


class Happening(NamedTuple):
    """An event, `at_s` seconds after the beginning."""

    at_s: float
    type: str
    body: Body


def day(rng: Random, per_s: float, seconds: float) -> Iterator[Happening]:
    """A day of `seconds` with `per_s` events a second on average, by rising time. It begins with people in the shop."""
    visits = _visits(rng, per_s * (1 - SCREENS_SHARE), seconds)
    plays = _plays(rng, per_s * SCREENS_SHARE, seconds)
    return heapq.merge(visits, plays, key=lambda one: one.at_s)


def crowd(at_s: float, seconds: float) -> float:
    """How busy the shop is by then, beside the mean of the day."""
    hour = min(max(int(at_s / seconds * len(OPEN_HOURS)), 0), len(OPEN_HOURS) - 1)
    return OPEN_HOURS[hour] / MEAN_HOUR


def _visits(rng: Random, per_s: float, seconds: float) -> Iterator[Happening]:
    most = max(OPEN_HOURS) / MEAN_HOUR
    come_s = -LONGEST_VISIT_S
    order = itertools.count()
    ahead: list[tuple[float, int, Happening]] = []
    while come_s < seconds:
        come_s += rng.expovariate(per_s / VISIT_EVENTS * most)
        while ahead and ahead[0][0] < min(come_s, seconds):
            yield heapq.heappop(ahead)[2]
        if rng.random() < crowd(come_s, seconds) / most:
            names: dict[str, str] = {"member_id": f"sim-{rng.randrange(MEMBERS):04}"}
            for one in rng.choice(_shapes()):
                at_s = come_s + one.at_s
                if at_s >= 0:
                    happening = Happening(at_s, one.type, _renamed(rng, one.body, names))
                    heapq.heappush(ahead, (at_s, next(order), happening))


def _plays(rng: Random, per_s: float, seconds: float) -> Iterator[Happening]:
    at_s = rng.expovariate(per_s)
    while at_s < seconds:
        plays = [
            {
                "play_id": _id(rng),
                "content": f"{rng.getrandbits(256):064x}",
                "title": "Freshly roasted this morning",
                "decision_id": None,
                "slot": "loop",
                "started_ms": 1_795_000_000_000 + int(at_s * 1000),
                "visible_ms": 10_000,
                "completed": True,
            }
            for _ in range(2)
        ]
        yield Happening(at_s, "screen.played", {"screen": rng.choice(tuple(ZONES)), "plays": plays})
        at_s += rng.expovariate(per_s)


@lru_cache(maxsize=1)
def _shapes() -> tuple[list[Happening], ...]:
    """Visits that are used again and again under other names: to walk one takes a millisecond, and a fleet has 30 new
    ones a second."""
    rng = Random("visits")
    return tuple(visit(rng) for _ in range(SHAPES))


def _renamed(rng: Random, body: Body, names: dict[str, str]) -> Body:
    """The body with ids of its own; `names` has those that this visit was given before."""
    fresh = dict(body)
    for key, value in body.items():
        if key in NAMED:
            name = key if key in ("member_id", "visit_id") else value
            fresh[key] = names.setdefault(name, _id(rng))
        elif isinstance(value, dict):
            fresh[key] = _renamed(rng, value, names)
    return fresh


def visit(rng: Random) -> list[Happening]:
    """What one member's visit tells, from the door to the door, by rising time."""
    way = any_visit(rng, 0, TAP_SHARES)
    who = {"visit_id": _id(rng), "member_id": f"sim-{rng.randrange(MEMBERS):04}"}
    told: list[tuple[int, str, Body]] = []
    zone, since_ms, dwelled = "", 0, False
    for leg in way.legs:
        here = _zone_of(leg.goal)
        if here is None or leg.origin != leg.goal:
            continue
        if here != zone:
            kind = "visit.moved" if zone else "visit.entered"
            zone, since_ms, dwelled = here, leg.start_ms, False
            sure_ms = leg.start_ms + rng.randint(*SURE_MS)
            told.append((sure_ms, kind, who | {"zone": zone}))
            told.append((sure_ms + rng.randint(2_000, 8_000), "decision.made", _decision(rng, who, zone, "zone", None)))
        elif not dwelled and leg.end_ms - since_ms >= DWELLED_MS:
            dwelled = True
            told.append((since_ms + DWELLED_MS, "visit.dwelled", who | {"zone": zone}))
    for tap_ms, reader in way.taps:
        told += [(tap_ms + late_ms, kind, body) for late_ms, kind, body in _tap(rng, who, reader)]
    told.append((way.end_ms + GONE_MS, "visit.left", who | {"zone": zone}))
    return [Happening(at_ms / 1000, kind, body) for at_ms, kind, body in sorted(told, key=lambda one: one[0])]


def _tap(rng: Random, who: Body, reader: str) -> Iterator[tuple[int, str, Body]]:
    """What a tap tells, and how much later."""
    member = {"member_id": who["member_id"]}
    if reader == "advice-nfc":
        asked = {"handshake_id": _id(rng)} | member
        yield 0, "handshake.asked", asked | {"zone": "wine", "via": "tap"}
        seen = {"actor": "tablets", "action": "advice.asked", "purposes": ["staff_advice"], "detail": asked}
        yield 0, "audit.viewed", member | seen
        yield rng.randint(20_000, 120_000), "handshake.closed", asked | {"reason": "timeout"}
        return
    screen = SCREENS[reader]
    yield 0, "decision.made", _decision(rng, who, screen, "tap", "bearer")
    if reader != "till-nfc":
        answer = rng.choice(("offer.accepted", "offer.declined"))
        yield 6_000, answer, member | {"decision_id": _id(rng), "offer_id": rng.choice(OFFERS), "proof": "bearer"}
        return
    yield 0, "sale.identified", member | {"till": "till-1", "proof": "bearer", "receiver": reader}
    if rng.random() < SALE_SHARE:
        receipt = {"till": "till-1", "receipt": str(rng.randrange(10_000)), "cents": rng.randrange(200, 9_000)}
        yield 30_000, "sale.recorded", receipt | {"lines": rng.randint(1, 20)}
    if rng.random() < REDEEM_SHARE:
        step = {"redemption_id": _id(rng), "offer_id": rng.choice(OFFERS), "till": "till-1", "cents": 200}
        step |= {"receipt": "", "coupon": "", "lease_id": ""} | member
        yield 12_000, "redemption.reserved", step | {"step": 1, "kind": "reserved"}
        yield 25_000, "redemption.committed", step | {"step": 2, "kind": "committed"}


def _decision(rng: Random, who: Body, zone: str, trigger: str, proof: str | None) -> Body:
    chosen, reasons = None, [["*", rng.choice(("budget.pause", "budget.day", "company_without_consent"))]]
    if rng.random() < TRIED_SHARE:
        chosen = rng.choice(OFFERS)
        reasons = [[offer, "chosen" if offer == chosen else rng.choice(WHY_NOT)] for offer in OFFERS]
    made = {"decision_id": _id(rng), "trigger": trigger, "member_id": who["member_id"], "zone": zone, "screen": zone}
    return made | {"offer_id": chosen, "proof": proof, "reasons": reasons}


def _zone_of(point: Point) -> str | None:
    return next((name for name, area in ZONES.items() if area.clamp(point) == point), None)


def _id(rng: Random) -> str:
    return f"{rng.getrandbits(128):032x}"
