"""Which member stands at which till's sale, with what proof and for how long. Pure; nothing of it is ever stored."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from gateway.core.model import Proof


@dataclass(frozen=True, slots=True)
class Sale:
    """A member's tap that counts for the sale at `till` until `until_ms`."""

    till: str
    member_id: str
    proof: Proof
    until_ms: int


class Tills:
    """All tills of the shop, each with one sale at most; a member is at one till at most.

    `changed` is told each till at which somebody came, or was let go.
    """

    def __init__(self, names: Iterable[str], changed: Callable[[str], None] = lambda till: None) -> None:
        self.names = frozenset(names)
        self._changed = changed
        self._sales: dict[str, Sale] = {}

    def identify(self, sale: Sale) -> None:
        """The member of `sale` stands at its till now; whoever stood there, and wherever they stood, is over."""
        self.forget(sale.member_id)
        self._sales[sale.till] = sale
        self._changed(sale.till)

    def at(self, till: str, now_ms: int) -> Sale | None:
        """Who stands at `till`, None for nobody who is known."""
        sale = self._sales.get(till)
        return sale if sale is not None and now_ms < sale.until_ms else None

    def till_of(self, member_id: str) -> str | None:
        """The till that this member stands at."""
        return next((till for till, sale in self._sales.items() if sale.member_id == member_id), None)

    def done(self, till: str) -> bool:
        """The sale is over; False if nobody stood there."""
        return self._let_go([till] if till in self._sales else []) > 0

    def over(self, sale: Sale) -> bool:
        """This sale is over; False if somebody else stands there by now, or nobody."""
        standing = self._sales.get(sale.till)
        return standing is not None and standing.member_id == sale.member_id and self.done(sale.till)

    def memory_of(self, member_id: str) -> dict[str, object]:
        """For the member's own export."""
        return {"till": self.till_of(member_id)}

    @property
    def members(self) -> set[str]:
        """Who stands at a till."""
        return {sale.member_id for sale in self._sales.values()}

    def forget(self, member_id: str) -> int:
        """Nothing of this member stays at any till; at how many they stood."""
        return self._let_go([till for till, sale in self._sales.items() if sale.member_id == member_id])

    def expire(self, now_ms: int) -> None:
        """Let go of sales whose time is over."""
        self._let_go([till for till, sale in self._sales.items() if now_ms >= sale.until_ms])

    def shift(self, delta_ms: int) -> None:
        """Follow a step of the clock."""
        self._sales = {till: replace(sale, until_ms=sale.until_ms + delta_ms) for till, sale in self._sales.items()}

    def _let_go(self, tills: list[str]) -> int:
        for till in tills:
            del self._sales[till]
            self._changed(till)
        return len(tills)
