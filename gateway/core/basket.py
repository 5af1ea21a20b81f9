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
from gateway.core.redemption import Refused

# A full trolley has 100 things, each scanned once and a few taken back. An id and a line are 150 bytes: 45 kB.
MAX_SCANS = 300
MAX_COUNT = 99  # of one article, as typed at once
MAX_BENEFITS = 16
DIGEST_BYTES = 16
MAX_LABEL = 99_999  # grams or cents of one piece: what the five digits of a shop's own label say


@dataclass(frozen=True, slots=True)
class ScanRules:
    """How the shop handles baskets. Checked again: `recheck_bp` of 10,000, drawn by `secret`, the gateway's own key and
    the basket's id, those of nobody who is known (`recheck_anonymous`), those that cost `recheck_cents` or more (0 = no
    limit), and all in which something costs what a label says."""

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
    """`cents`: of all pieces together, the benefit not taken off; `grams` of one piece. `label`: it costs what a label
    of the shop says, or a label said another price than the list."""

    gtin: str
    title: Text
    count: int
    each_cents: int
    cents: int
    grams: int | None = None
    offer_id: str = ""
    benefit_cents: int = 0
    code: str = ""  # that a phone sends for one more of the same, or one less
    label: bool = False


@dataclass(frozen=True, slots=True)
class Priced:
    """What the basket costs now. `unknown`: articles that the list does not know; the till looks at them."""

    lines: tuple[Line, ...]
    unknown: tuple[str, ...]
    check: bool  # a colleague looks at it, for an article in it

    @property
    def label(self) -> bool:
        """Whether anything in it hangs on a label."""
        return any(line.label for line in self.lines)

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
    reason: Literal["label", "drawn", "anonymous", "sum", "article", "unknown", "none"]


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
    doubted: bool = False


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


def each_cents(item: Item, article: Article) -> int | Refused:
    """What one piece costs: by the list, whatever its code says; by its weight (half a cent and more counts as one) or
    its label only where the list says so. Whoever scans can make a code that says anything.

    "scan.label": weight or price is missing, or is nothing that a label of the shop says. "scan.unknown": the list
    names no price for what has one on its label.
    """
    if article.unit == "piece":
        return Refused("scan.unknown") if item.cents and not article.cents else article.cents
    if article.unit == "label":
        said = item.cents or 0
        return said if max(1, article.cents) <= said <= MAX_LABEL else Refused("scan.label")
    grams = item.grams or 0
    cents = (article.cents * grams + 500) // 1000
    return cents if 0 < grams <= MAX_LABEL and (cents or not article.cents) else Refused("scan.label")


def counted(item: Item, article: Article) -> Item:
    """The item with what counts of its code, and nothing else: things that are sold alike are the same."""
    cents = item.cents if article.unit == "label" else None
    return Item(item.gtin, cents, item.grams if article.unit == "kg" else None)


def code_of(item: Item) -> str:
    """A code that `gs1.parse` reads as the same item, but for its lot."""
    grams = "" if item.grams is None else f"(3103){item.grams:06}"
    cents = "" if item.cents is None else f"(3922){item.cents}"
    return f"(01){item.gtin}{grams}{cents}" if grams or cents else item.gtin


def price(scans: Sequence[Scan], articles: Mapping[str, Article], benefits: Sequence[Benefit] = ()) -> Priced:
    """The basket by the list, by GTIN; a benefit counts once. What has no price that can be told is unknown."""
    sums: dict[_Key, _Sum] = {}
    for scan in scans:
        listed = articles.get(scan.item.gtin)
        item = scan.item if listed is None else counted(scan.item, listed)
        one = sums.setdefault((item.gtin, item.cents, item.grams), _Sum(item))
        one.count += scan.count
        if listed is not None and scan.item.cents is not None and scan.item.cents != each_cents(scan.item, listed):
            one.doubted = True
    lines, unknown, check = [], [], False
    left = {benefit.gtin: benefit for benefit in reversed(benefits)}
    for key in sorted(sums, key=lambda one: (one[0], one[1] or 0, one[2] or 0)):
        one = sums[key]
        if one.count <= 0:
            continue
        article = articles.get(one.item.gtin)
        each = Refused("scan.unknown") if article is None else each_cents(one.item, article)
        if article is None or isinstance(each, Refused):
            unknown.append(one.item.gtin)
            continue
        benefit = left.pop(article.gtin, None)
        off = 0 if benefit is None else min(benefit.cents, each)
        offer_id = "" if benefit is None else benefit.offer_id
        cents, grams, code = each * one.count, one.item.grams, code_of(one.item)
        label = one.doubted or article.unit != "piece"
        lines.append(Line(article.gtin, article.title, one.count, each, cents, grams, offer_id, off, code, label))
        check = check or article.check
    return Priced(tuple(lines), tuple(dict.fromkeys(unknown)), check)


def recheck(rules: ScanRules, basket: Basket, priced: Priced, key: bytes) -> Recheck:
    """Decided by the basket alone and two secrets, so that showing it again draws nothing anew. `key`: this gateway's
    own, which no phone has, whatever headquarters chose."""
    if priced.label:
        return Recheck(True, "label")
    if priced.unknown:
        return Recheck(True, "unknown")
    if priced.check:
        return Recheck(True, "article")
    if rules.recheck_cents and priced.sum_cents >= rules.recheck_cents:
        return Recheck(True, "sum")
    if rules.recheck_anonymous and basket.member_id is None:
        return Recheck(True, "anonymous")
    secret = hmac.digest(key, rules.secret.encode(), "sha256")
    drawn = hmac.digest(secret, basket.basket_id.encode(), "sha256")
    if int.from_bytes(drawn[:8]) % 10_000 < rules.recheck_bp:
        return Recheck(True, "drawn")
    return Recheck(False, "none")
