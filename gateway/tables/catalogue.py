"""What headquarters wants shown, and how the shop is set up."""

from dataclasses import asdict

from pydantic import TypeAdapter
from sqlite_utils import Database

from gateway.core.model import Offer, ShopConfig
from gateway.core.vault import Vault
from gateway.tables.rows import Rows, as_json

_OFFER: TypeAdapter[Offer] = TypeAdapter(Offer)
_CONFIG: TypeAdapter[ShopConfig] = TypeAdapter(ShopConfig)


class Catalogue(Rows):
    """The table `offer`, and the shop's configuration."""

    def __init__(self, db: Database, vault: Vault) -> None:
        super().__init__(db, vault)
        self._catalogue: tuple[int, tuple[Offer, ...]] | None = None
        self._shop: tuple[str, ShopConfig] | None = None

    def offers(self) -> tuple[Offer, ...]:
        """The catalogue, parsed once per version."""
        version = self.hq_version
        if self._catalogue is None or self._catalogue[0] != version:
            rows = self._all("SELECT body FROM offer ORDER BY offer_id")
            self._catalogue = version, tuple(_OFFER.validate_json(row[0]) for row in rows)
        return self._catalogue[1]

    def put_offer(self, offer: Offer) -> None:
        self._catalogue = None
        self._put("offer", offer_id=offer.offer_id, body=as_json(asdict(offer)))

    def drop_offer(self, offer_id: str) -> None:
        self._catalogue = None
        self._db.execute("DELETE FROM offer WHERE offer_id = ?", [offer_id])

    def shop(self) -> ShopConfig:
        """What HQ configured, or the defaults; parsed again only if it is another text."""
        body = self.meta("shop")
        if body is None:
            return ShopConfig()
        if self._shop is None or self._shop[0] != body:
            self._shop = body, _CONFIG.validate_json(body)
        return self._shop[1]

    def put_shop(self, config: ShopConfig) -> None:
        self.put_meta("shop", as_json(asdict(config)))
