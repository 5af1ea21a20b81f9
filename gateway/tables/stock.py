"""How much of each article the shop has, as far as headquarters says and tills redeem."""

from collections.abc import Iterable

from gateway.core.changes import StockPut
from gateway.tables.rows import Rows

# Articles that offers promise, and some; a large shop has 50,000 in all. 100 bytes each: 2 MB.
MAX_ARTICLES = 20_000


class Stock(Rows):
    """The table `stock`. Units None, and no row, = not known."""

    def stock(self, articles: Iterable[str]) -> dict[str, int]:
        """The units of these articles, of those that are known."""
        wanted = list(articles)
        if not wanted:
            return {}
        marks = ", ".join("?" * len(wanted))
        rows = self._all(f"SELECT article, units FROM stock WHERE units IS NOT NULL AND article IN ({marks})", *wanted)
        return {str(article): int(units) for article, units in rows}

    def put_stock(self, put: StockPut) -> bool:
        """Follow headquarters' word, but for articles of which it said something newer. False = too many articles, and
        those beyond the bound are not known."""
        if put.whole:
            self._db.execute("DELETE FROM stock WHERE at_ms <= ?", [put.at_ms])
        room = MAX_ARTICLES - int(self._one("SELECT count(*) FROM stock")[0])
        full = False
        for article, units in sorted(put.units.items()):
            known = self._one("SELECT at_ms FROM stock WHERE article = ?", article)
            if known is None and room <= 0:
                full = True
            elif known is None or known[0] <= put.at_ms:
                room -= known is None
                self._put("stock", article=article, units=units, at_ms=put.at_ms)
        return not full

    def take_stock(self, article: str) -> None:
        """One unit was sold here; headquarters' next word stands above it."""
        self._db.execute("UPDATE stock SET units = units - 1 WHERE article = ? AND units > 0", [article])
