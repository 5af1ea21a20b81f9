"""The price list as headquarters sent it, what baskets are handled by, and which offers it contradicts."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict

from gateway.core.basket import ScanRules
from gateway.core.changes import PricesPut
from gateway.core.gs1 import Embedded
from gateway.core.model import Event, Offer
from gateway.core.prices import MAX_ARTICLES, Article, article_of, mispriced
from gateway.tables.catalogue import Catalogue
from gateway.tables.rows import as_json

_AT_ONCE = 500  # values of one question; SQLite takes 32,766
_REVISION = "prices_revision"  # rises with each change, so that what was read from the list can be kept
_VERSION = "prices_version"  # headquarters' number of the newest part
_WITHHELD = "withheld"  # offers that headquarters was told of, with the reason


class Prices(Catalogue):
    """The table `price`, and headquarters' rules for baskets."""

    _offer_prices: tuple[tuple[Offer, ...], int, Mapping[str, int]] | None = None

    @property
    def prices_revision(self) -> int:
        """Another number after each change of the list."""
        return int(self.meta(_REVISION) or 0)

    @property
    def prices_version(self) -> int:
        """Headquarters' number of the list; 0 = there is none."""
        return int(self.meta(_VERSION) or 0)

    def put_prices(self, put: PricesPut) -> bool:
        """Take one part of the list whole. False = the list would be too long; then the former part stands."""
        others = self._one("SELECT count(*) FROM price WHERE part <> ?", put.part)[0]
        if others + len(put.articles) > MAX_ARTICLES:
            return False
        self._db.execute("DELETE FROM price WHERE part = ?", [put.part])
        for one in put.articles:
            self._put("price", gtin=one.gtin, part=put.part, cents=one.cents, body=as_json(asdict(one)))
        self.put_meta(_REVISION, str(self.prices_revision + 1))
        self.put_meta(_VERSION, str(max(self.prices_version, put.list_version)))
        return True

    def price_cents(self, gtin: str) -> int | None:
        """What an article (14 digits) costs; None if the list does not know it."""
        row = self._one("SELECT cents FROM price WHERE gtin = ?", gtin)
        return None if row is None else int(row[0])

    def articles(self, gtins: Iterable[str]) -> dict[str, Article]:
        """Those of these articles that the list knows."""
        wanted, found = list(dict.fromkeys(gtins)), {}
        for start in range(0, len(wanted), _AT_ONCE):
            some = wanted[start : start + _AT_ONCE]
            marks = ", ".join("?" * len(some))
            for gtin, body in self._all(f"SELECT gtin, body FROM price WHERE gtin IN ({marks})", *some):
                found[str(gtin)] = Article(**json.loads(body))
        return found

    def price_page(self, after: str, limit: int) -> list[Article]:
        """The next articles of the list, by GTIN; empty at its end."""
        rows = self._all("SELECT body FROM price WHERE gtin > ? ORDER BY gtin LIMIT ?", after, limit)
        return [Article(**json.loads(row[0])) for row in rows]

    def offer_prices(self) -> Mapping[str, int]:
        """Cents by GTIN, of the articles that the catalogue's offers name; read anew when either has changed."""
        offers, kept = self.offers(), self._offer_prices
        named = any(offer.price_ref for offer in offers) if kept is None or kept[0] is not offers else kept[1] >= 0
        revision = self.prices_revision if named else -1  # of a catalogue that names no article nothing is read
        if kept is None or kept[0] is not offers or kept[1] != revision:
            gtins = {gtin for offer in offers if offer.price_ref and (gtin := article_of(offer)) is not None}
            prices = {gtin: one.cents for gtin, one in self.articles(gtins).items()}
            kept = self._offer_prices = offers, revision, prices
        return kept[2]

    def withheld_news(self, now_ms: int) -> list[Event]:
        """What headquarters has to hear of offers that the list contradicts: each once, until it changes."""
        prices, news = self.offer_prices(), []
        before: dict[str, list[object]] = json.loads(self.meta(_WITHHELD) or "{}")
        now: dict[str, list[object]] = {}
        for offer in self.offers():
            reason = mispriced(offer, prices)
            if reason is None:
                continue
            listed = prices.get(article_of(offer) or "")
            now[offer.offer_id] = [reason, listed, offer.price_cents, offer.value_cents]
            if before.get(offer.offer_id) != now[offer.offer_id]:
                body = {"offer_id": offer.offer_id, "reason": reason, "price_ref": offer.price_ref}
                news.append(Event("offer.withheld", now_ms, body | {"listed_cents": listed}))
        if now != before:
            self.put_meta(_WITHHELD, as_json(now))
        return news

    def scan_rules(self) -> ScanRules:
        """As headquarters sent them; before, nobody scans a basket."""
        body = self.meta("scan")
        if body is None:
            return ScanRules()
        plain = json.loads(body)
        return ScanRules(**plain | {"embedded": tuple(Embedded(**one) for one in plain["embedded"])})

    def put_scan_rules(self, rules: ScanRules) -> None:
        self.put_meta("scan", as_json(asdict(rules)))
