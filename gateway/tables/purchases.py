"""What members bought, one sealed row each. Whether it may be kept or read is not decided here (gateway.records)."""

from dataclasses import asdict

from pydantic import TypeAdapter

from gateway.core.usual import Purchases
from gateway.tables.rows import PURCHASE_BODY, Rows, as_json

_PURCHASES: TypeAdapter[Purchases] = TypeAdapter(Purchases)


class PurchaseRows(Rows):
    """The table `purchase`. What does not open is as if it were not there."""

    def stored_purchases(self, member_id: str) -> Purchases | None:
        """All that is stored; None = nothing."""
        row = self._one("SELECT body FROM purchase WHERE member_id = ?", member_id)
        body = None if row is None else self._open(PURCHASE_BODY, row[0], member_id)
        return None if body is None else _PURCHASES.validate_json(body)

    def store_purchases(self, member_id: str, purchases: Purchases, now_ms: int) -> None:
        body = self._seal(PURCHASE_BODY, as_json(asdict(purchases)).encode(), member_id)
        self._put("purchase", member_id=member_id, kept_from_ms=self.kept_from(now_ms), body=body)

    def drop_purchases(self, member_id: str) -> bool:
        """Whether there were any."""
        return bool(self._db.execute("DELETE FROM purchase WHERE member_id = ?", [member_id]).rowcount)
