"""Baskets that customers scan themselves, one sealed row each, until they are over. Whose they may be is not decided
here (gateway.baskets)."""

from dataclasses import asdict

from pydantic import TypeAdapter

from gateway.core.basket import Basket
from gateway.tables.rows import BASKET_BODY, Rows, as_json

_BASKET: TypeAdapter[Basket] = TypeAdapter(Basket)


class Baskets(Rows):
    """The table `basket`. What does not open is as if it were not there."""

    def basket(self, basket_id: str) -> Basket | None:
        return self._basket(self._one("SELECT basket_id, body FROM basket WHERE basket_id = ?", basket_id))

    def basket_behind(self, cookie: bytes) -> Basket | None:
        """The basket of the phone that shows what this is the hash of."""
        return self._basket(self._one("SELECT basket_id, body FROM basket WHERE cookie = ?", cookie))

    def baskets_of(self, member_id: str) -> list[tuple[Basket, int]]:
        """A member's baskets, and until when each is kept."""
        rows = self._all("SELECT basket_id, body, until_ms FROM basket WHERE member_id = ?", member_id)
        return [(basket, int(row[2])) for row in rows if (basket := self._basket(row)) is not None]

    def basket_count(self, nobodys: bool = False) -> int:
        """How many there are in all, or of nobody who is known."""
        return int(self._one("SELECT count(*) FROM basket WHERE member_id IS NULL OR NOT ?", nobodys)[0])

    def basket_ids(self) -> list[str]:
        """Of all of them."""
        return [str(row[0]) for row in self._all("SELECT basket_id FROM basket")]

    def baskets_with_members(self) -> dict[str, str]:
        """Whose basket each is, of those that are somebody's."""
        rows = self._all("SELECT basket_id, member_id FROM basket WHERE member_id IS NOT NULL")
        return {str(basket_id): str(member_id) for basket_id, member_id in rows}

    def open_basket(self, basket: Basket, cookie: bytes, until_ms: int) -> None:
        """A new one."""
        self._put(
            "basket",
            basket_id=basket.basket_id,
            cookie=cookie,
            member_id=basket.member_id,
            until_ms=until_ms,
            body=self._sealed(basket),
        )

    def save_basket(self, basket: Basket, until_ms: int) -> None:
        """What is in it now, and until when it is kept."""
        self._db.execute(
            "UPDATE basket SET member_id = ?, until_ms = ?, body = ? WHERE basket_id = ?",
            [basket.member_id, until_ms, self._sealed(basket), basket.basket_id],
        )

    def drop_basket(self, basket_id: str) -> None:
        self._db.execute("DELETE FROM basket WHERE basket_id = ?", [basket_id])

    def drop_baskets(self, surely_ms: int, limit: int, latest_until_ms: int) -> list[str]:
        """Baskets whose time has surely come go; their ids. None is kept for longer than until `latest_until_ms`."""
        self._db.execute("UPDATE basket SET until_ms = ?1 WHERE until_ms > ?1", [latest_until_ms])
        rows = self._all("SELECT basket_id FROM basket WHERE until_ms <= ? ORDER BY until_ms LIMIT ?", surely_ms, limit)
        for (basket_id,) in rows:
            self.drop_basket(str(basket_id))
        return [str(row[0]) for row in rows]

    def _sealed(self, basket: Basket) -> bytes:
        return self._seal(BASKET_BODY, as_json(asdict(basket)).encode(), basket.basket_id)

    def _basket(self, row: tuple[object, ...] | None) -> Basket | None:
        if row is None:
            return None
        body = self._open(BASKET_BODY, row[1], row[0])  # type: ignore[arg-type]  # a blob, as the column is
        return None if body is None else _BASKET.validate_json(body)
