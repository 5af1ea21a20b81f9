"""`store-gateway evaluate restraint`: a simulated year of people, and whether everybody was left in peace in it.

It prints and never judges. The year is gateway.shopyear's, the checker gateway.restraintcheck. Everybody goes through
the rules of gateway.core; the first few also through the tables of a real file, where each silence has its row.
"""

import itertools
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from gateway.core.handshake import Handshake
from gateway.core.localtime import begins_ms
from gateway.core.model import Contact, Offer, Tap
from gateway.core.presence import PresenceChange
from gateway.core.shelf import Place, Shelf
from gateway.core.stage import Dialogue
from gateway.core.vault import KEY_BYTES
from gateway.dbfile import DATABASE, open_file
from gateway.decisions import Decisions
from gateway.errors import ConfigError
from gateway.plot import bar_chart, below
from gateway.records import Tx
from gateway.restraintcheck import How, Moment, check, fullest, held_out
from gateway.results import Result
from gateway.shopyear import FIRST_MS, OFFERS, POLICIES, CoreShop, Somebody, somebody, year

PEOPLE, DAYS, SEED = 5_000, 365, 20_261_122
# How many also go through the tables: a decision costs ten times as much there.
IN_TABLES = 500
COMPANION = "companion"  # stands beside everybody who is in company
MOST_TOLD = 12  # contacts a day that the chart tells apart


@dataclass(slots=True)
class Sums:
    """Over all people: what happened, and what was wrong with it."""

    people: int = 0
    held_out: int = 0
    moments: Counter[str] = field(default_factory=Counter)  # by how
    contacts: Counter[str] = field(default_factory=Counter)
    silences: Counter[str] = field(default_factory=Counter)  # unasked moments in which nothing was said, by reason
    per_day: Counter[int] = field(default_factory=Counter)  # person-days by contacts, all channels
    unasked_per_day: Counter[int] = field(default_factory=Counter)  # the same of unasked ones alone
    fullest: Counter[str] = field(default_factory=Counter)  # by policy: most unasked contacts in 24 hours
    most: int = 0  # contacts over all channels in 24 hours
    breaches: Counter[str] = field(default_factory=Counter)
    rows_missing: int = 0

    def add(self, who: Somebody, moments: list[Moment], days: int, offers: tuple[Offer, ...]) -> None:
        """One person's time, checked."""
        shop = POLICIES[who.policy]
        rules = shop.restraint
        self.people += 1
        self.held_out += held_out(rules.holdout_bp, rules.holdout_salt, who.member.member_id)
        self.breaches.update(breach.rule for breach in check(moments, who.member.member_id, shop, offers))
        by_day: Counter[int] = Counter()
        unasked_by_day: Counter[int] = Counter()
        for one in moments:
            if one.answer:
                self.moments[one.answer] += 1
                continue
            self.moments[one.how] += 1
            if one.said:
                self.contacts[one.how] += 1
                day_ms = begins_ms("day", one.at_ms, rules.time_zone)
                by_day[day_ms] += 1
                unasked_by_day[day_ms] += one.how == "beacon"
            elif one.how == "beacon":
                self.silences[_why(one)] += 1
        self.per_day.update(by_day.values())
        self.unasked_per_day.update(unasked_by_day.values())
        self.per_day[0] += days - len(by_day)
        everything, unasked = fullest(moments)
        self.fullest[who.policy] = max(self.fullest[who.policy], unasked)
        self.most = max(self.most, everything)


def _why(one: Moment) -> str:
    """The reason for all of them; where each offer had its own, that which most had."""
    whole = [code for candidate, code in one.reasons if candidate == "*" and code != "nothing_eligible"]
    each = Counter(code for candidate, code in one.reasons if candidate[0] not in "*@")
    return whole[0] if whole else f"mostly {each.most_common(1)[0][0]}" if each else "nothing_eligible"


def restraint(people: int, days: int, seed: int, plot: Path | None) -> list[Result]:
    """All figures. Raises ConfigError for a chart that can't be written."""
    began_s = time.process_time()
    core, tables = in_core(people, days, seed), in_tables(min(people, IN_TABLES), days, seed)
    if plot is not None:
        try:
            plot.write_text(chart(core), encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"{plot}: {error.strerror}") from error
    figures = [*_figures("core", core), *_figures("tables", tables)]
    took = Result("processor_s", round(time.process_time() - began_s, 1), "s", "below 600")
    rows = Result("tables.rows_missing", tables.rows_missing, "", "0")
    return [*figures, rows, took]


def in_core(people: int, days: int, seed: int, offers: tuple[Offer, ...] = OFFERS) -> Sums:
    """A year of everybody by the rules alone."""
    sums = Sums()
    shelves: dict[str, dict[Place, Shelf]] = {name: {} for name in POLICIES}
    for number in range(people):
        who = somebody(number, seed)
        shop = CoreShop(who, offers, shelves[who.policy])
        sums.add(who, list(year(who, days, seed, shop)), days, offers)
    return sums


def in_tables(people: int, days: int, seed: int) -> Sums:
    """The same through the tables of a shop, one shop for each policy; also whether each silence has its row."""
    sums = Sums()
    for policy in POLICIES:
        with TemporaryDirectory(prefix="store-gateway-") as folder:
            tx = open_file(Path(folder, "shop", DATABASE), bytes(KEY_BYTES), FIRST_MS)
            with closing(tx.db), tx.db.atomic():
                tx.put_shop(POLICIES[policy])
                for offer in OFFERS:
                    tx.put_offer(offer)
                _enter(tx, somebody(0, seed), COMPANION)
                for number in range(people):
                    who = somebody(number, seed)
                    if who.policy == policy:
                        _live(tx, who, days, seed, sums)
    return sums


def _live(tx: Tx, who: Somebody, days: int, seed: int, sums: Sums) -> None:
    _enter(tx, who, who.member.member_id)
    shop = TableShop(tx, who)
    moments = list(year(who, days, seed, shop))
    sums.add(who, moments, days, OFFERS)
    sums.rows_missing += shop.rows_missing(moments)


def _enter(tx: Tx, who: Somebody, member_id: str) -> None:
    tx.put_member(replace(who.member, member_id=member_id))
    for record in who.consents.values():
        tx.take_consent(
            replace(record, member_id=member_id, event_id=f"{member_id} {record.purpose}"), record.given_at_ms
        )


class TableShop:
    """One person in a shop with its tables and all code that writes them."""

    def __init__(self, tx: Tx, who: Somebody) -> None:
        self._tx = tx
        self._member_id = who.member.member_id
        self._ids = itertools.count()
        self._decisions = Decisions(lambda: f"{self._member_id}-{next(self._ids):06}")
        self._dialogues: dict[int, Dialogue] = {}

    def beacon(self, at_ms: int, zone: str, screens: tuple[str, ...], in_company: bool) -> list[Moment]:
        change = PresenceChange(self._member_id, "entered", zone, None, at_ms)
        company = (COMPANION,) if in_company else ()
        made = self._decisions.arrive(self._tx, change, f"v{at_ms}", screens, company) or []
        return [
            Moment(
                at_ms,
                "beacon",
                decision.screen,
                () if decision.offer_id is None else (decision.offer_id,),
                tuple((one.candidate, one.code) for one in decision.reasons),
            )
            for decision, _ in made
        ]

    def tap(self, at_ms: int, zone: str, screen: str, how: How) -> Moment:
        dialogue = self._decisions.greet(self._tx, Tap(self._member_id, "reader", at_ms), screen, zone, 20_000)
        if dialogue is None or dialogue.decision_id is None:
            return Moment(at_ms, how, screen, (), (("*", "not_recognised"),))
        self._dialogues = {at_ms: dialogue}
        row = self._tx.decision(dialogue.decision_id)
        assert row is not None
        said = () if dialogue.offer_id is None else (dialogue.offer_id,)
        return Moment(at_ms, how, screen, said, tuple((candidate, code) for candidate, code in row["reasons"]))

    def card(self, at_ms: int, zone: str) -> Moment:
        asked = Handshake(f"h{self._member_id}{at_ms}", self._member_id, "", zone, "tap", at_ms, at_ms + 60_000)
        card = self._decisions.card(self._tx, asked, "tablet", at_ms, at_ms + 60_000)
        said = () if card is None else tuple(line.offer_id for line in card.offers)
        return Moment(at_ms, "card", "tablet", said, (("*", "nothing_eligible"),))

    def answer(self, to: Moment, what: Literal["accepted", "dismissed"], at_ms: int) -> Moment:
        dialogue = self._dialogues[to.at_ms]
        kind = {"accepted": "offer.accepted", "dismissed": "offer.declined"}[what]
        self._decisions.answered(self._tx, kind, dialogue, dialogue.proof, at_ms)
        return Moment(at_ms, to.how, to.placement, to.said[:1], (), what)

    def redeem(self, offer_id: str, at_ms: int) -> Moment:
        contact = Contact(at_ms, offer_id, True, "till-1", "redeemed")
        self._tx.note_contact(self._member_id, f"r{self._member_id}{at_ms}", contact)
        return Moment(at_ms, "till", "till-1", (offer_id,), (), "redeemed")

    def rows_missing(self, moments: list[Moment]) -> int:
        """How many moments that decide about a screen have no row in the table that says the same, with its reasons."""
        rows = Counter(
            (row["at_ms"], row["screen"], row["offer_id"])
            for row in self._tx.decisions(self._member_id)
            if row["reasons"]
        )
        decided = Counter(
            (one.at_ms, one.placement, one.said[0] if one.said else None)
            for one in moments
            if one.how != "card" and not one.answer and ("*", "not_recognised") not in one.reasons
        )
        return sum((decided - rows).values()) + sum((rows - decided).values())


def chart(sums: Sums) -> str:
    """Contacts per person and day, and why nothing was said, as SVG."""
    both = sums.per_day, sums.unasked_per_day
    days = {f"{count}": tuple(float(one[count]) for one in both) for count in range(1, MOST_TOLD)}
    days[f"{MOST_TOLD} or more"] = tuple(
        float(sum(many for count, many in one.items() if count >= MOST_TOLD)) for one in both
    )
    silences = {why: (float(count),) for why, count in sums.silences.most_common()}
    title = f"Contacts of a person on one day; on {sums.per_day[0]:,} days there was none"
    return below(
        [
            bar_chart(title, "person-days", ("all channels", "unasked"), days),
            bar_chart("Why nothing was said unasked", "moments", ("reason",), silences),
        ]
    )


def _figures(part: str, sums: Sums) -> list[Result]:
    unasked, asked = sums.contacts["beacon"], sum(sums.contacts.values()) - sums.contacts["beacon"]
    days = sum(sums.per_day.values())
    histogram = {f"days with {count}": float(sums.per_day[count]) for count in sorted(sums.per_day)}
    most = {
        f"{name}: most in 24 h (at most {POLICIES[name].contacts_per_day})": float(n)
        for name, n in sums.fullest.items()
    }
    others = {how: float(count) for how, count in sums.contacts.items() if how != "beacon"}
    return [
        Result(f"{part}.people", sums.people, "", "", {"held out": float(sums.held_out)}),
        Result(f"{part}.moments", sum(sums.moments.values()), "", "", {k: float(v) for k, v in sums.moments.items()}),
        Result(f"{part}.unasked_contacts", unasked, "", "", most),
        Result(f"{part}.asked_contacts", asked, "", "", others | {"most in 24 h, all channels": float(sums.most)}),
        Result(
            f"{part}.silences",
            sum(sums.silences.values()),
            "",
            "each with its reason",
            {why: float(count) for why, count in sums.silences.most_common()},
        ),
        Result(f"{part}.contacts_per_day", round((unasked + asked) / max(1, days), 4), "", "", histogram),
        Result(
            f"{part}.breaches",
            sum(sums.breaches.values()),
            "",
            "0",
            {rule: float(count) for rule, count in sums.breaches.items()},
        ),
    ]
