"""A sale that a till reports: points for the member who stands there, and their purchases where they agreed to that.

Of anybody else, and without that consent, only the total is told, and of nobody. What is asked again under its key gets
the same answer and changes nothing, as in gateway.checkout, whose keys these are too.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Literal

from gateway.core.model import Event
from gateway.core.usual import Bought
from gateway.crediting import credit_sale
from gateway.records import Tx
from gateway.reserving import AtTill

MAX_LINES = 200  # of one receipt; 60 bytes each fit the 16 KiB of a request


@dataclass(frozen=True, slots=True)
class SoldLine:
    """`cents` of the whole line."""

    article: str
    quantity: int
    cents: int


@dataclass(frozen=True, slots=True)
class Sold:
    """One receipt."""

    receipt: str
    lines: tuple[SoldLine, ...]

    @property
    def cents(self) -> int:
        return sum(line.cents for line in self.lines)

    @property
    def digest(self) -> bytes:
        """Equal for equal receipts, and for no others."""
        return hashlib.sha256(b"sale" + json.dumps(asdict(self), sort_keys=True).encode()).digest()


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a till is answered: the points that this sale brought, 0 for nobody's."""

    points: int


SaleOutcome = Recorded | Literal["conflict", "busy"]


def record_sale(tx: Tx, at: AtTill, key: str, sold: Sold, new_id: Callable[[], str]) -> tuple[SaleOutcome, bool]:
    """The answer to a reported sale, and whether it is new. A sale has an id of its own: a key is a till's, and may
    come again in another shop, or once its answer is forgotten."""
    before = tx.answered(at.till, key)
    if before is not None:
        digest, answer = before
        return (Recorded(json.loads(answer)["points"]) if digest == sold.digest else "conflict"), False
    if not tx.has_room_for_requests():
        return "busy", False
    now_ms = at.times.now_ms
    body = {"till": at.till, "receipt": sold.receipt, "cents": sold.cents, "lines": len(sold.lines)}
    tx.emit(Event("sale.recorded", now_ms, body))  # a total, and nobody's
    points, sale_id = 0, new_id()
    if at.sale is not None and tx.has_member(at.sale.member_id):
        member_id = at.sale.member_id
        points = credit_sale(tx, member_id, sale_id, sold.cents, now_ms)
        articles = tuple(dict.fromkeys(line.article for line in sold.lines))
        tx.add_purchase(member_id, Bought(now_ms, True, articles), now_ms)
    made = Recorded(points)
    tx.keep_answer(at.till, key, sold.digest, json.dumps(asdict(made) | {"sale_id": sale_id}), now_ms)
    return made, True
