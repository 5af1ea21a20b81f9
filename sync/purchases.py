"""The body of `purchases.put`, what a member bought, to a change and back. Pure."""

from dataclasses import asdict
from typing import Annotated, Any

from pydantic import BaseModel, Field

from gateway.core.changes import PurchasesPut
from gateway.core.usual import MILLION, Bought, Product, Purchases
from sync.fields import EXACT, Category, Id, Ms, Word, validate

MAX_PRODUCTS = 128  # that one member takes often enough to be a habit
MAX_VISITS = 256  # twice a week for more than two years; a message holds about 2,000 lines of receipts anyway
MAX_TAKEN = 64  # products of one visit

_Ppm = Annotated[int, Field(ge=0, le=MILLION)]


class _ProductBody(BaseModel):
    model_config = EXACT
    product_id: Id
    text: Word
    category: Category = ""
    share_ppm: _Ppm = 0
    chain_ppm: _Ppm | None = None
    week_ppm: _Ppm | None = None
    chain_week_ppm: _Ppm | None = None
    chain_season_ppm: _Ppm | None = None
    again_ppm: _Ppm | None = None


class _BoughtBody(BaseModel):
    model_config = EXACT
    at_ms: Ms
    here: bool = True
    products: Annotated[list[Id], Field(max_length=MAX_TAKEN)]


class PurchasesBody(BaseModel):
    model_config = EXACT
    member_id: Id
    products: Annotated[list[_ProductBody], Field(max_length=MAX_PRODUCTS)]
    visits: Annotated[list[_BoughtBody], Field(max_length=MAX_VISITS)]


def parse(body: object) -> PurchasesPut:
    """Raises PeerError."""
    wire = validate(PurchasesBody, body)
    products = tuple(Product(**dict(product)) for product in wire.products)
    visits = tuple(Bought(visit.at_ms, visit.here, tuple(visit.products)) for visit in wire.visits)
    return PurchasesPut(wire.member_id, Purchases(products, visits))


def body(change: PurchasesPut) -> dict[str, Any]:
    """What is not known is left out."""
    products = [
        {name: value for name, value in asdict(product).items() if value is not None}
        for product in change.purchases.products
    ]
    visits = [
        {"at_ms": visit.at_ms, "here": visit.here, "products": list(visit.products)}
        for visit in change.purchases.visits
    ]
    return {"member_id": change.member_id, "products": products, "visits": visits}
