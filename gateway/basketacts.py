"""What happens to customers' own baskets inside one transaction: whose they are, what is taken off, what tills hear.

These functions run in the writer thread. Whose a basket is, is asked again at each step: a withdrawal counts at once.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.core import basketcode
from gateway.core.basket import (
    MAX_BENEFITS,
    Basket,
    Benefit,
    Priced,
    Scan,
    Shown,
    added,
    each_cents,
    price,
    recheck,
)
from gateway.core.basketcode import Code
from gateway.core.gs1 import Embedded, parse
from gateway.core.model import Contact, Event, Offer, Proof, Purpose
from gateway.core.offers import Person, one_of_each_group, sift
from gateway.core.prices import Article, article_of
from gateway.core.redemption import Refused, Step, Times
from gateway.core.tills import Sale
from gateway.records import Tx
from gateway.reserving import Ahead, AtTill, suppose
from gateway.situations import said, situation_of

# Customers with a phone in hand at once; a large shop has two hundred. A row has up to 45 kB: 23 MB at the very worst.
MAX_BASKETS = 500
MAX_NOBODYS = 350  # < MAX_BASKETS: the others are kept for members, who have one each
OCCASION_MS = 14_400_000  # of somebody whose visit is not known: as long as a basket may wait at the most (idle_min)
KEPT_MS = 600_000  # behind the end of its code: a till that lost the answer asks again and gets it
# Offers that a new basket asks for one by one, best first; 0.3 ms of the writer each on a Pi is 20 ms.
MAX_ASKED = 4 * MAX_BENEFITS
PLACEMENT = "scan"  # what a contact in a basket is noted as
_MINUTE_MS = 60_000
# So long at the most is any basket kept from now on: what bears a later time was written by a clock that was wrong.
MAX_WAIT_MS = (240 + 60) * _MINUTE_MS + KEPT_MS

Result = Literal["ok", "off", "busy", "gone", "empty"]


@dataclass(frozen=True, slots=True)
class Typed:
    """One scan as a phone sends it."""

    scan_id: str
    code: str
    count: int


@dataclass(frozen=True, slots=True)
class View:
    """What the phone shows. `refused`: scans that are no article, by their id. `code` "" = none counts."""

    result: Result
    basket: Basket | None = None
    priced: Priced | None = None
    benefits: tuple[Benefit, ...] = ()
    refused: Mapping[str, str] | None = None
    left_ms: int = 0  # how long the code counts
    letters: str = ""  # that a till may be told in its place
    list_version: int = 0
    embedded: tuple[Embedded, ...] = ()
    goods: tuple[tuple[str, int, int], ...] = ()  # category, cents, count of each line


@dataclass(frozen=True, slots=True)
class Answer:
    """What a till is told; `reason` of a "no"."""

    reason: str | None
    basket_id: str = ""
    shown: Shown | None = None


Outcome = Answer | Literal["conflict", "busy"]


@dataclass(frozen=True, slots=True)
class Told:
    """What a till is told, and whether that is new. `member_id`: whose basket it is, until they stand at the till;
    `at_ms`: when it was shown."""

    outcome: Outcome
    news: bool = False
    member_id: str | None = None
    at_ms: int = 0


def begin(tx: Tx, basket: Basket, visit_id: str, times: Times, *, hq_there: bool = False) -> View:
    """A basket with nothing in it, which is nowhere yet; of a member it has the benefits that are theirs now.

    `visit_id`: of the member, "" where none is known. However often somebody begins, it is one contact in a visit.
    `hq_there`: whether the line to headquarters stands, here and in what follows.
    """
    if not tx.scan_rules().on:
        return View("off")
    person = _person(tx, basket.member_id, times.now_ms)
    if _is_full(tx, person):
        return View("busy")
    if person is None:
        return look(tx, replace(basket, member_id=None), times, hq_there=hq_there)
    who = person.member_id
    occasion = visit_id or tx.newest_at(who, PLACEMENT, times.now_ms - OCCASION_MS) or basket.basket_id
    offers = _eligible(tx, person, tx.met_by(who, occasion), times, hq_there)
    for offer in offers:  # they asked for it, and it is a contact like any other
        tx.note_contact(who, occasion, Contact(times.now_ms, offer.offer_id, True, PLACEMENT))
    return look(tx, replace(basket, offers=tuple(offer.offer_id for offer in offers)), times, hq_there=hq_there)


def disown(tx: Tx, member_id: str) -> int:
    """A member's baskets go on as nobody's, without benefits; how many."""
    held = tx.baskets_of(member_id)
    for basket, until_ms in held:
        tx.save_basket(replace(basket, member_id=None, offers=(), code=""), until_ms)
    return len(held)


def look(
    tx: Tx, basket: Basket, times: Times, refused: Mapping[str, str] | None = None, *, hq_there: bool = False
) -> View:
    """What the basket costs now."""
    articles, version = _articles(tx, basket.scans), tx.prices_version
    benefits, embedded = _benefits(tx, basket, articles, times, hq_there), tx.scan_rules().embedded
    priced = price(basket.scans, articles, benefits)
    paid = ((articles[one.gtin].category, one.cents - one.benefit_cents, one.count) for one in priced.lines)
    said = refused or {}
    return View("ok", basket, priced, benefits, said, list_version=version, embedded=embedded, goods=tuple(paid))


def scan(
    tx: Tx,
    cookie: bytes,
    typed: Sequence[Typed],
    times: Times,
    fresh: Basket | None,
    has_room: bool,
    *,
    hq_there: bool = False,
) -> View:
    """Add scans, each once by its id; a code that was made before counts no more.

    With the first one the basket is written down, if there is a place for it; another one of its member goes.
    `fresh`: what this phone has begun, `has_room`: whether its address may fill one more.
    """
    basket, rules = live(tx, cookie, fresh), tx.scan_rules()
    if basket is None or not rules.on:
        return View("gone")
    scans, refused, heard = [], {}, {one.scan_id for one in basket.scans}
    for one in typed:
        if one.scan_id in heard:
            continue  # whatever the list says of it by now
        item = parse(one.code, rules.embedded)
        if isinstance(item, Refused):
            refused[one.scan_id] = item.reason
        else:
            scans.append(Scan(one.scan_id, item, one.count))
    listed = _articles(tx, scans)
    for new in scans:
        article = listed.get(new.item.gtin)
        each = Refused("scan.unknown") if article is None else each_cents(new.item, article)
        if isinstance(each, Refused):
            refused[new.scan_id] = each.reason
    known = [new for new in scans if new.scan_id not in refused]
    all_scans, left_out = added(basket.scans, known)
    if left_out:
        tx.count("baskets.full")
        refused |= {new.scan_id: "scan.full" for new in known[-left_out:]}
    if len(all_scans) > len(basket.scans):
        until_ms = times.latest_ms + rules.idle_min * _MINUTE_MS
        if basket.scans:
            basket = replace(basket, scans=all_scans, code="")
            tx.save_basket(basket, until_ms)
        else:
            person = _person(tx, basket.member_id, times.now_ms)
            for older in _open(tx, person):
                tx.drop_basket(older.basket_id)
            if _is_full(tx, person) or (person is None and not has_room):
                return View("busy")
            kept = basket if person is not None else replace(basket, member_id=None, offers=())
            basket = replace(kept, scans=all_scans)
            tx.open_basket(basket, cookie, until_ms)
    return look(tx, basket, times, refused, hq_there=hq_there)


def _open(tx: Tx, person: Person | None) -> list[Basket]:
    """The baskets of a member that no till has seen."""
    held = tx.baskets_of(person.member_id) if person is not None else []
    return [basket for basket, _ in held if not basket.till]


def _is_full(tx: Tx, person: Person | None) -> bool:
    """Whether there is no place for one more basket; a member who has one only replaces it."""
    if person is not None:
        return tx.basket_count() >= MAX_BASKETS and not _open(tx, person)
    return tx.basket_count() >= MAX_BASKETS or tx.basket_count(nobodys=True) >= MAX_NOBODYS


def make_code(
    tx: Tx,
    cookie: bytes,
    private: Ed25519PrivateKey,
    times: Times,
    fresh: Basket | None = None,
    *,
    hq_there: bool = False,
) -> View:
    """A one-time code for the basket as it is; the one before counts no more.

    It ends counted from the latest time that it may be by now, as tills ask for it, and not from the clock, which may
    be behind that.
    """
    basket, rules = live(tx, cookie, fresh), tx.scan_rules()
    if basket is None or not rules.on:
        return View("gone")
    view = look(tx, basket, times, hq_there=hq_there)
    if view.priced is None or not view.priced.count:
        return replace(view, result="empty")
    left_ms = rules.code_min * _MINUTE_MS
    ends_s = (times.latest_ms + left_ms) // 1000
    code = Code(basket.basket_id, view.priced.digest, view.priced.sum_cents, view.priced.count, ends_s)
    basket = replace(basket, code=basketcode.issue(private, code))
    tx.save_basket(basket, max(times.latest_ms + rules.idle_min * _MINUTE_MS, ends_s * 1000 + KEPT_MS))
    letters = basketcode.letters(private, basket.basket_id, basket.code)
    return replace(view, basket=basket, left_ms=left_ms, letters=letters)


def show(
    tx: Tx, till: str, key: str, text: str, private: Ed25519PrivateKey, times: Times, *, hq_there: bool = False
) -> Told:
    """What a till is told of a code, once. Whoever asks again under the same key hears whose it is as long as they do
    not stand there: the box may have died in between."""
    asked = hashlib.sha256(b"basket " + text.encode()).digest()
    before = tx.answered(till, key)
    if before is not None:
        if before[0] != asked:
            return Told("conflict")
        said = json.loads(before[1])
        kept = None if said["reason"] is not None else tx.basket(said["basket_id"])
        if kept is None or kept.shown is None:
            return Told(Answer(said["reason"] or "basket.gone"))
        owner = _person(tx, kept.member_id, times.now_ms)
        member_id = None if owner is None else owner.member_id
        return Told(Answer(None, kept.basket_id, kept.shown), False, member_id, said.get("at_ms", 0))
    if not tx.has_room_for_requests():
        return Told("busy")
    answer, member_id = _show(tx, till, text, private, times, hq_there)
    said = {"reason": answer.reason, "basket_id": answer.basket_id, "at_ms": times.now_ms}
    tx.keep_answer(till, key, asked, json.dumps(said), times.now_ms)
    return Told(answer, True, member_id, times.now_ms)


def stands(tx: Tx, member_id: str, basket_id: str) -> None:
    """Its member stands at the till: what was shown there is nobody's from now on."""
    for basket, until_ms in tx.baskets_of(member_id):
        if basket.basket_id == basket_id:
            tx.save_basket(replace(basket, member_id=None), until_ms)


def _show(
    tx: Tx, till: str, text: str, private: Ed25519PrivateKey, times: Times, hq_there: bool = False
) -> tuple[Answer, str | None]:
    typed = basketcode.typed_letters(text)
    if typed is not None:
        found = _spelled(tx, typed, private)
        if found is None:
            return Answer("basket.letters"), None
        text = found
    code = basketcode.verify(text, private.public_key(), times.latest_ms)
    if isinstance(code, Refused):
        return Answer(code.reason), None
    basket = tx.basket(code.basket_id)
    if basket is None:
        return Answer("basket.gone"), None
    if basket.till:
        return Answer("basket.used"), None
    if basket.code != text:
        return Answer("basket.superseded"), None
    view, rules = look(tx, basket, times, hq_there=hq_there), tx.scan_rules()
    priced = view.priced
    if priced is None or priced.digest != code.digest:
        return Answer("basket.changed"), None
    verdict = recheck(rules, basket, priced, basketcode.draw_key(private))
    shown = Shown(priced.lines, priced.unknown, priced.sum_cents, priced.count, verdict)
    owner = _person(tx, basket.member_id, times.now_ms)
    member_id = None if owner is None else owner.member_id
    over = replace(basket, member_id=member_id, offers=(), scans=(), till=till, shown=shown)
    tx.save_basket(over, code.ends_s * 1000 + KEPT_MS)
    body = {"basket_id": basket.basket_id, "till": till, "items": shown.items, "cents": shown.cents}
    tx.emit(Event("basket.shown", times.now_ms, body | {"recheck": verdict.needed, "reason": verdict.reason}))
    return Answer(None, basket.basket_id, shown), member_id


def _spelled(tx: Tx, typed: str, private: Ed25519PrivateKey) -> str | None:
    """The code that these letters stand for; None if it is no basket's newest."""
    for basket_id in tx.basket_ids():
        if basketcode.are_of(private, basket_id, typed):
            basket = tx.basket(basket_id)
            if basket is not None and basketcode.letters(private, basket_id, basket.code) == typed:
                return basket.code
    return None


def live(tx: Tx, cookie: bytes, fresh: Basket | None = None) -> Basket | None:
    """The basket of a phone, while it is not over. Of whom it may not be known any more, it is nobody's.

    `fresh`: one of this phone in which nothing is yet.
    """
    basket = tx.basket_behind(cookie)
    if basket is None:
        return fresh
    return None if basket.till else basket


def _person(tx: Tx, member_id: str | None, now_ms: int) -> Person | None:
    """Whose basket it is, as long as they agree to be recognised by what they did: a tap."""
    person = None if member_id is None else tx.person(member_id, now_ms)
    if person is None or person.staff or not person.profile.may(Purpose.RECOGNISE_NFC, now_ms).ok:
        return None
    return person


def _eligible(tx: Tx, person: Person, met: frozenset[str], times: Times, hq_there: bool) -> list[Offer]:
    """Offers for this person on their own phone that take something off one article; the best one of each article.

    `met`: those that they were promised in this visit. They come first, and that they were met is nothing against them.
    """
    situation = situation_of(tx, "", "tap", times.now_ms, "", PLACEMENT, person, channel="phone")
    promised = [offer for offer_id in sorted(met) if (offer := tx.offer(offer_id)) is not None]
    fitting = [one for one in sift(situation)[1] if one.offer_id not in met]
    wanted = (one for one in (*promised, *fitting) if one.price_ref and one.value_cents)
    at = _before_a_till(tx, person, times, hq_there)
    kept = [one for one in islice(wanted, MAX_ASKED) if _given(tx, at, person, one) is not None]
    found: dict[str, Offer] = {}
    for offer in one_of_each_group(kept):
        found.setdefault(article_of(offer) or "", offer)
    return list(found.values())[:MAX_BENEFITS]


def _benefits(
    tx: Tx, basket: Basket, articles: Mapping[str, Article], times: Times, hq_there: bool
) -> tuple[Benefit, ...]:
    """What was promised and still stands, so that no till has to refuse what the phone says.

    A till redeems what is in the basket one after another, so each is asked as if those before it were reserved; one
    whose article is not in it as if it came next.
    """
    person = _person(tx, basket.member_id, times.now_ms)
    if person is None:
        return ()
    promised = [offer for offer_id in basket.offers if (offer := tx.offer(offer_id)) is not None]
    if not promised:
        return ()
    bought = {line.gtin for line in price(basket.scans, articles).lines}
    at, given = _before_a_till(tx, person, times, hq_there), set[str]()
    for offer in sorted(promised, key=lambda one: article_of(one) not in bought):
        step = _given(tx, at, person, offer)
        if step is not None:
            given.add(offer.offer_id)
            if at.ahead is not None and article_of(offer) in bought:
                at.ahead.take(step)
    return tuple(
        Benefit(offer.offer_id, article_of(offer) or "", offer.value_cents, said(tx, offer).title)
        for offer in promised
        if offer.offer_id in given
    )


def _before_a_till(tx: Tx, person: Person, times: Times, hq_there: bool) -> AtTill:
    """As far as is known before there is a till: whose basket it is, and what is held."""
    sale = Sale("", person.member_id, Proof.BEARER, times.now_ms)
    return AtTill("", sale, times, hq_there, Ahead(tx.held()))


def _given(tx: Tx, at: AtTill, person: Person, offer: Offer) -> Step | None:
    """What it takes if the offer is taken off at a till, whichever that is; None = some till would refuse it."""
    caps = tuple(replace(cap, per="offer") if cap.per == "placement" else cap for cap in offer.caps)
    step = suppose(tx, at, person, replace(offer, caps=caps), met=True)
    return None if isinstance(step, Refused) else step


def _articles(tx: Tx, scans: Sequence[Scan]) -> dict[str, Article]:
    return tx.articles(scan.item.gtin for scan in scans)
