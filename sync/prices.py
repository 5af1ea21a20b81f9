"""The bodies of `prices.put` and `scan.put` to changes and back. Pure."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StringConstraints

from gateway.core.basket import ScanRules
from gateway.core.changes import PricesPut, ScanPut
from gateway.core.gs1 import Embedded, gtin_of
from gateway.core.prices import MAX_PART, MAX_PRICE_CENTS, PARTS, Article, Unit, part_of
from gateway.errors import PeerError
from sync.fields import EXACT, INT64_MAX, NO_CONTROLS, validate

MAX_TITLE = 60  # characters; a phone shows one line of 30
MAX_EMBEDDED = 11  # "02" and "20" to "29"

_Title = Annotated[
    dict[
        Annotated[str, StringConstraints(pattern=r"^[a-z]{2}$")],
        Annotated[str, StringConstraints(min_length=1, max_length=MAX_TITLE, pattern=NO_CONTROLS)],
    ],
    Field(min_length=1, max_length=4),
]


class _Body(BaseModel):
    model_config = EXACT


class ArticleBody(_Body):
    """core.prices.Article."""

    gtin: Annotated[str, StringConstraints(pattern=r"^[0-9]{14}$")]
    title: _Title
    cents: Annotated[int, Field(ge=0, le=MAX_PRICE_CENTS)]
    unit: Unit = "piece"
    category: Annotated[str, StringConstraints(pattern=r"^(?:[a-z0-9][a-z0-9_.-]{0,63})?$")] = ""
    check: bool = False


class PricesBody(_Body):
    """changes.PricesPut."""

    list_version: Annotated[int, Field(ge=0, le=INT64_MAX)]
    part: Annotated[int, Field(ge=0, lt=PARTS)]
    articles: Annotated[list[ArticleBody], Field(max_length=MAX_PART)] = []


class EmbeddedBody(_Body):
    """core.gs1.Embedded."""

    prefix: Annotated[str, StringConstraints(pattern=r"^(?:02|2[0-9])$")]
    holds: Literal["price", "weight"]


class ScanBody(_Body):
    """core.basket.ScanRules."""

    on: bool = False
    recheck_bp: Annotated[int, Field(ge=0, le=10_000)] = 500
    recheck_anonymous: bool = True
    recheck_cents: Annotated[int, Field(ge=0, le=MAX_PRICE_CENTS)] = 0
    secret: Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{0,64}$")] = ""
    idle_min: Annotated[int, Field(ge=5, le=240)] = 60
    code_min: Annotated[int, Field(ge=1, le=60)] = 10
    embedded: Annotated[list[EmbeddedBody], Field(max_length=MAX_EMBEDDED)] = []


def article(body: object) -> Article:
    """An article from its body. Raises PeerError: "fields", "range"; a GTIN with a wrong check digit is a field."""
    wire = validate(ArticleBody, body)
    if gtin_of(wire.gtin) is None:
        raise PeerError("fields", "gtin")
    return Article(**dict(wire))


def parse(name: str, body: object) -> PricesPut | ScanPut:
    """Raises PeerError: "fields", "range"."""
    if name == "prices.put":
        put = validate(PricesBody, body)
        articles = tuple(Article(**dict(one)) for one in put.articles)
        for number, one in enumerate(articles):
            if gtin_of(one.gtin) is None or part_of(one.gtin) != put.part:
                raise PeerError("fields", f"articles.{number}.gtin")
        if len({one.gtin for one in articles}) < len(articles):
            raise PeerError("fields", "articles")
        return PricesPut(put.list_version, put.part, articles)
    wire = validate(ScanBody, body)
    embedded = tuple(Embedded(one.prefix, one.holds) for one in wire.embedded)
    if len({one.prefix for one in embedded}) < len(embedded):
        raise PeerError("fields", "embedded")
    return ScanPut(ScanRules(**dict(wire) | {"embedded": embedded}))


def body(change: PricesPut | ScanPut) -> tuple[str, Any]:
    """The name of the operation, and the value whose fields are its body."""
    return ("prices.put", change) if isinstance(change, PricesPut) else ("scan.put", change.rules)
