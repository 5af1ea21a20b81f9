"""A customer's own basket: what was scanned, what it costs by the list, and what the benefits take off. Pure.

Scans are added up by article, whatever order they come in, and one with an id that is known changes nothing: a phone
that was without the network sends them again.
"""

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from gateway.core.gs1 import Embedded, Item
from gateway.core.offer import Text
from gateway.core.prices import Article

# A full trolley has 100 things, each scanned once and a few taken back. An id and a line are 150 bytes: 45 kB.
MAX_SCANS = 300
MAX_COUNT = 99  # of one article, as typed at once
MAX_BENEFITS = 16
DIGEST_BYTES = 16


@dataclass(frozen=True, slots=True)
class ScanRules:
    """How the shop handles baskets. Checked again: `recheck_bp` of 10,000, drawn by `secret` and the basket's id,
    those of nobody who is known (`recheck_anonymous`), and those that cost `recheck_cents` or more (0 = no limit)."""

    on: bool = False
    recheck_bp: int = 500
    recheck_anonymous: bool = True
    recheck_cents: int = 0
    secret: str = ""
    idle_min: int = 60  # a basket without a scan for so long is wiped
    code_min: int = 10  # how long the code counts
    embedded: tuple[Embedded, ...] = ()


@dataclass(frozen=True, slots=True)
class Scan:
    """`count` things more of `item`, or fewer where it is negative. `scan_id`: made by the phone, for this alone."""

    scan_id: str
    item: Item
    count: int


@dataclass(frozen=True, slots=True)
class Basket:
    """`member_id` None: of nobody who is known, and without benefits. `offers`: whose benefits were promised in it."""

    basket_id: str
    member_id: str | None
    scans: tuple[Scan, ...] = ()
    offers: tuple[str, ...] = ()
    language: str = "de"
    code: str = ""  # the newest one-time code; "" = none counts
    till: str = ""  # where that was shown; then the basket is over
    shown: "Shown | None" = None  # what the till was told


@dataclass(frozen=True, slots=True)
class Benefit:
    """So much off one piece of an article, once in a basket."""

    offer_id: str
    gtin: str
    cents: int
    title: Text


@dataclass(frozen=True, slots=True)
class Line:
    """`cents`: of all pieces together, the benefit not taken off; `grams` of one piece."""

    gtin: str
    title: Text
    count: int
    each_cents: int
    cents: int
    grams: int | None = None
    offer_id: str = ""
    benefit_cents: int = 0
    code: str = ""  # that a phone sends for one more of the same, or one less


@dataclass(frozen=True, slots=True)
class Priced:
    """What the basket costs now. `unknown`: articles that the list does not know; the till looks at them."""

    lines: tuple[Line, ...]
    unknown: tuple[str, ...]
    check: bool  # a colleague looks at it, for an article in it

    @property
    def sum_cents(self) -> int:
        """What is to pay."""
        return sum(line.cents - line.benefit_cents for line in self.lines)

    @property
    def count(self) -> int:
        """How many things."""
        return sum(line.count for line in self.lines)

    @property
    def digest(self) -> str:
        """Of all that is to be paid: another basket or price has another one."""
        plain = json.dumps(asdict(self), sort_keys=True, ensure_ascii=True, separators=(",", ":"))
        return hashlib.sha256(plain.encode()).hexdigest()[: 2 * DIGEST_BYTES]


@dataclass(frozen=True, slots=True)
class Recheck:
    """Whether a colleague looks at the basket, and why or why not."""

    needed: bool
    reason: Literal["drawn", "anonymous", "sum", "article", "unknown", "none"]


@dataclass(frozen=True, slots=True)
class Shown:
    """What a till is told of a basket."""

    lines: tuple[Line, ...]
    unknown: tuple[str, ...]
    cents: int
    items: int
    recheck: Recheck


_Key = tuple[str, int | None, int | None]


@dataclass(slots=True)
class _Sum:
    item: Item
    count: int = 0


def added(basket_scans: Sequence[Scan], new: Iterable[Scan]) -> tuple[tuple[Scan, ...], int]:
    """The scans with the new ones, and how many were left out because there are too many. Known ids change nothing."""
    scans, known, left_out = list(basket_scans), {scan.scan_id for scan in basket_scans}, 0
    for scan in new:
        if scan.scan_id in known:
            continue
        if len(scans) >= MAX_SCANS:
            left_out += 1
            continue
        known.add(scan.scan_id)
        scans.append(scan)
    return tuple(scans), left_out


def each_cents(item: Item, article: Article) -> int:
    """What one piece costs: by its label, by its weight (half a cent and more counts as one), or by the list."""
    if item.cents is not None:
        return item.cents
    if item.grams is not None and article.unit == "kg":
        return (article.cents * item.grams + 500) // 1000
    return article.cents


def code_of(item: Item) -> str:
    """A code that `gs1.parse` reads as the same item, but for its lot."""
    grams = "" if item.grams is None else f"(3103){item.grams:06}"
    cents = "" if item.cents is None else f"(3922){item.cents}"
    return f"(01){item.gtin}{grams}{cents}" if grams or cents else item.gtin


def price(scans: Sequence[Scan], articles: Mapping[str, Article], benefits: Sequence[Benefit] = ()) -> Priced:
    """The basket by the list, by GTIN; a benefit counts once."""
    sums: dict[_Key, _Sum] = {}
    for scan in scans:
        item = scan.item
        key = (item.gtin, item.cents, item.grams)
        sums.setdefault(key, _Sum(item)).count += scan.count
    lines, unknown, check = [], [], False
    left = {benefit.gtin: benefit for benefit in reversed(benefits)}
    for key in sorted(sums, key=lambda one: (one[0], one[1] or 0, one[2] or 0)):
        one = sums[key]
        if one.count <= 0:
            continue
        article = articles.get(one.item.gtin)
        if article is None:
            unknown.append(one.item.gtin)
            continue
        each = each_cents(one.item, article)
        benefit = left.pop(article.gtin, None)
        off = 0 if benefit is None else min(benefit.cents, each)
        offer_id = "" if benefit is None else benefit.offer_id
        cents, grams, code = each * one.count, one.item.grams, code_of(one.item)
        lines.append(Line(article.gtin, article.title, one.count, each, cents, grams, offer_id, off, code))
        check = check or article.check
    return Priced(tuple(lines), tuple(dict.fromkeys(unknown)), check)


def recheck(rules: ScanRules, basket: Basket, priced: Priced) -> Recheck:
    """Decided by the basket alone and a secret, so that showing it again draws nothing anew."""
    if priced.unknown:
        return Recheck(True, "unknown")
    if priced.check:
        return Recheck(True, "article")
    if rules.recheck_cents and priced.sum_cents >= rules.recheck_cents:
        return Recheck(True, "sum")
    if rules.recheck_anonymous and basket.member_id is None:
        return Recheck(True, "anonymous")
    drawn = hmac.digest(rules.secret.encode(), basket.basket_id.encode(), "sha256")
    if int.from_bytes(drawn[:8]) % 10_000 < rules.recheck_bp:
        return Recheck(True, "drawn")
    return Recheck(False, "none")
