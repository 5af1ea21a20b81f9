"""What the pages ask of the path (gateway.flow), and the forms in which a page's or a till's request comes."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, model_validator

from gateway import basketacts
from gateway.basketacts import Typed, View
from gateway.checkout import Asked, Outcome
from gateway.core import basketcode
from gateway.core.coupon import MAX_CHARACTERS
from gateway.core.model import ShopConfig
from gateway.core.onetime import CODE_FORM
from gateway.core.prices import Article
from gateway.core.redemption import MAX_CENTS
from gateway.life import Stale
from gateway.sales import MAX_LINES, SaleOutcome, Sold
from gateway.tilldesk import TillView

RECEIPT_FORM = r"^[A-Za-z0-9._:/#-]{1,64}$"  # a number, so that nobody's name gets into the ledger

Choice = Literal[
    "yes", "more", "not_now", "advice", "more_time", "code", "cancel",
    "my_data", "mine", "not_mine", "forget_me", "forget_yes", "take",
]  # fmt: skip


class Path(Protocol):
    """Each answer is a value, never an exception."""

    @property
    def screens(self) -> Mapping[str, str]:
        """Screen id -> zone id."""

    @property
    def tills(self) -> Collection[str]:
        """Tills at which a tap says who buys."""

    @property
    def shop(self) -> ShopConfig: ...

    @property
    def stale(self) -> Stale:
        """How old what headquarters sent is."""

    async def on_screen(self, screen: str, dialogue_id: str, choice: str) -> str:
        """ "ok", "gone" or "refused"."""

    async def on_code(self, screen: str, dialogue_id: str, code: str) -> str:
        """ "ok", "wrong", "gone" or "wait"."""

    async def on_accept(self, handshake_id: str, tablet: str) -> str:
        """ "open", "taken", "gone" or "refused"."""

    async def on_close(self, handshake_id: str, tablet: str) -> str:
        """ "ok" or "gone"."""

    def readers_for(self, tablet: str) -> list[tuple[str, str, bool]]:
        """Readers that this tablet may stand beside: id, zone, whether it does."""

    def on_reader(self, tablet: str, reader: str | None) -> str:
        """ "ok" or "refused"."""

    def sale_at(self, till: str) -> tuple[str, str, int, int | None] | None:
        """Member id, proof, ms left, most cents it may redeem (None = any); None = nobody known is at this till."""

    def end_sale(self, till: str) -> str:
        """ "ok" or "gone"."""

    @property
    def till_desk(self) -> "TillCounter":
        """Where tills redeem, and what their pages show."""

    @property
    def baskets(self) -> "ShopBaskets":
        """Where customers scan for themselves."""

    @property
    def advice(self) -> "Counsel":
        """What a colleague does with a card, or with who was announced."""


class Counsel(Protocol):
    """Of gateway.advice, what a tablet asks."""

    async def why(self, handshake_id: str, offer_id: str, tablet: str) -> Mapping[str, tuple[str, ...]] | None:
        """Sentences by language; None = no such card or offer."""

    async def offer_usual(self, entry_id: str, tablet: str) -> str:
        """ "ok", "gone" or "refused"."""


class ShopBaskets(Protocol):
    """What phones and tills ask of customers' own baskets (gateway.baskets)."""

    async def start(self, member_id: str | None, language: str, source: str = "") -> tuple[View, str]: ...

    async def see(self, cookie: str | None) -> View: ...

    async def scan(self, cookie: str | None, typed: Sequence[Typed], source: str = "") -> View: ...

    async def code(self, cookie: str | None) -> View: ...

    async def end(self, cookie: str | None) -> None: ...

    async def price_list(self, pack: Callable[[int, list[Article]], bytes]) -> bytes: ...

    async def at_till(self, till: str, key: str, text: str) -> basketacts.Outcome:
        """The answer, after its commit; "conflict" or "busy"."""


class TillCounter(Protocol):
    """What tills ask (gateway.tilldesk)."""

    async def ask(self, till: str, key: str, asked: Asked) -> Outcome:
        """The answer, after its commit; "conflict" or "busy"."""

    async def sell(self, till: str, key: str, sold: Sold) -> SaleOutcome:
        """The answer to a sale that is reported, after its commit; "conflict" or "busy"."""

    async def view(self, till: str) -> TillView:
        """What the page of this till shows now."""


class _Form(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class Answer(_Form):
    """A touch on the dialogue of a screen."""

    dialogue_id: str = Field(min_length=1, max_length=64)
    choice: Choice


class Code(_Form):
    """The one-time code that somebody typed at a screen."""

    dialogue_id: str = Field(min_length=1, max_length=64)
    code: str = Field(pattern=CODE_FORM)


class Beside(_Form):
    """The reader beside which a tablet stands, None = none any more."""

    receiver: str | None = Field(max_length=24)


class Which(_Form):
    """An offer of the card."""

    offer_id: str = Field(min_length=1, max_length=64)


class Why(BaseModel):
    """Sentences by language; "gone": the card is closed, or the offer is not on it."""

    result: Literal["ok", "gone"]
    why: dict[str, list[str]]


class Redeem(_Form):
    """An offer of the catalogue, or a coupon that is shown: one of the two. `cents` null = all that it is worth."""

    offer_id: str | None = Field(default=None, min_length=1, max_length=64)
    coupon: str | None = Field(default=None, min_length=1, max_length=MAX_CHARACTERS)
    cents: int | None = Field(default=None, ge=1, le=MAX_CENTS)

    @model_validator(mode="after")
    def _one_of_two(self) -> "Redeem":
        if (self.offer_id is None) == (self.coupon is None):
            raise ValueError("an offer or a coupon")
        return self


class Confirm(_Form):
    """The receipt is printed. `cents` null = all that is reserved."""

    receipt: str = Field(pattern=RECEIPT_FORM)
    cents: int | None = Field(default=None, ge=1, le=MAX_CENTS)


class Cancel(_Form):
    """There is no sale."""


class Reverse(_Form):
    """Goods came back. `cents` null = all that is left."""

    cents: int | None = Field(default=None, ge=1, le=MAX_CENTS)


class Line(_Form):
    """One line of a receipt; `cents` of the whole line."""

    article: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$")
    quantity: int = Field(ge=1, le=1_000)
    cents: int = Field(ge=0, le=MAX_CENTS)


class Sale(_Form):
    """A receipt is printed."""

    receipt: str = Field(pattern=RECEIPT_FORM)
    lines: list[Line] = Field(min_length=1, max_length=MAX_LINES)


class Points(BaseModel):
    """`points` that the sale brought, 0 for nobody's."""

    result: Literal["recorded"]
    points: int


class ShownBasket(_Form):
    """The code that a customer shows, or the letters below it."""

    code: str = Field(min_length=1, max_length=basketcode.MAX_CHARACTERS)


class BasketLine(BaseModel):
    """`cents`: of all `count` pieces; `benefit_cents`, of the offer `offer_id`, is still to be taken off. `label`: the
    shop's own label has to be looked at."""

    gtin: str
    title: Mapping[str, str]
    count: int
    each_cents: int
    cents: int
    grams: int | None
    offer_id: str
    benefit_cents: int
    label: bool


class BasketAtTill(BaseModel):
    """What is in a basket; the status of a "no" is 200. `recheck`: a colleague looks at it before it is paid."""

    result: Literal["ok", "refused"]
    reason: str | None
    basket_id: str | None = None
    cents: int | None = None
    items: int | None = None
    recheck: bool | None = None
    recheck_reason: str | None = None
    lines: list[BasketLine] = []
    unknown: list[str] = []


class Redeemed(BaseModel):
    """What became of it; the status of a "no" is 200."""

    result: Literal["reserved", "committed", "released", "reversed", "refused"]
    reason: str | None
    redemption_id: str | None
    offer_id: str | None
    cents: int | None
    ttl_ms: int | None


class Result(BaseModel):
    """What became of it; a "no" is a value, so the status is 200."""

    result: Literal["ok", "open", "taken", "gone", "refused", "wrong", "wait"]


class Reader(BaseModel):
    receiver: str
    zone: str
    mine: bool


class Readers(BaseModel):
    readers: list[Reader]


class AtTill(BaseModel):
    """Who buys; `may_redeem_cents` None = no limit by the strength of the proof."""

    member_id: str
    proof: str
    ttl_ms: int
    may_redeem_cents: int | None
