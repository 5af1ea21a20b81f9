"""Which coupons' passes in wallets are out of date: a list that a wallet service works off, each coupon in it once."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints

from gateway.errors import PeerError
from sync.fields import EXACT, INT64_MAX, Id, Ms, validate
from sync.hq.file import Row
from sync.hq.versions import Versions
from sync.spent import COUPON_NAME

ISSUED = "coupon.issued"
# One for each coupon; 200 bytes each: 200 MB. Nobody who works the list off comes near it; else the oldest go.
MAX_DUE = 1_000_000


class _Issued(BaseModel):
    model_config = EXACT
    offer_id: Id
    coupon: Annotated[str, StringConstraints(pattern=COUPON_NAME)]
    until_ms: Annotated[int, Field(ge=0, le=INT64_MAX)]
    place: Annotated[str, StringConstraints(max_length=64)]


class Passes(Versions):
    """The table `pass_due`."""

    def _issued(self, body: Row, at_ms: Ms, where: tuple[str, str, str]) -> str | None:
        """A shop signed a coupon for a phone. Returns why that is not followed, or None."""
        try:
            issued = validate(_Issued, body)
        except PeerError as error:
            return error.reason
        self._pass_due(issued.coupon, "issued", issued.offer_id, where, at_ms)
        return None

    def _pass_due(
        self,
        coupon: str,
        state: Literal["issued", "used", "reversed"],
        offer_id: str,
        where: tuple[str, str, str],
        at_ms: int,
    ) -> None:
        """Inside a transaction: what the pass is to say now; under a new number, so that nobody strikes it unseen."""
        self._db.execute("DELETE FROM pass_due WHERE coupon = ?", (coupon,))
        self._db.execute(
            "INSERT INTO pass_due (number, coupon, state, offer_id, store, at_ms) VALUES (?, ?, ?, ?, ?, ?)",
            (self._next("pass"), coupon, state, offer_id, "/".join(where[:2]), at_ms),
        )
        self._db.execute("DELETE FROM pass_due WHERE number <= (SELECT max(number) FROM pass_due) - ?", (MAX_DUE,))

    def passes_due(self, limit: int) -> list[Row]:
        """The oldest ones: `number`, `coupon`, `state` ("issued", "used", "reversed"), `offer_id`, `store`, `at_ms`."""
        return self._read("SELECT * FROM pass_due ORDER BY number LIMIT ?", (limit,))

    def passes_done(self, number: int) -> int:
        """All up to this number are brought up to date; how many that were. Twice is as good as once."""
        with self._write():
            return int(self._db.execute("DELETE FROM pass_due WHERE number <= ?", (number,)).rowcount)
