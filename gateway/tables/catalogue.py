"""What headquarters wants shown, and how the shop is set up."""

from dataclasses import asdict, replace
from hashlib import sha256

from pydantic import TypeAdapter
from sqlite_utils import Database

from gateway.core.eligible import Rule
from gateway.core.model import Offer, ShopConfig
from gateway.core.restraint import horizon_ms
from gateway.core.shelf import Place, Shelf, shelve
from gateway.core.vault import Vault
from gateway.tables.rows import Rows, as_json

# A shop has some dozens of screens and tablets, each in a zone, each asked with and without a gesture. Of a thousand
# offers a shelf has 100 kB, mostly shared reasons; beyond this many all are made anew.
MAX_SHELVES = 64

_OFFER: TypeAdapter[Offer] = TypeAdapter(Offer)
_UNSET = ShopConfig()
_CONFIG: TypeAdapter[ShopConfig] = TypeAdapter(ShopConfig)


class Catalogue(Rows):
    """The table `offer`, and the shop's configuration."""

    def __init__(self, db: Database, vault: Vault) -> None:
        super().__init__(db, vault)
        self._catalogue: tuple[int, tuple[Offer, ...]] | None = None
        self._shop: tuple[str, ShopConfig] | None = None
        self._shelves: dict[Place, Shelf] = {}
        self._shelved: tuple[Offer, ...] | None = None  # of which catalogue they are
        self._digest: tuple[tuple[Offer, ...], str] | None = None
        self._policy: tuple[ShopConfig, str] | None = None
        self._horizon: tuple[tuple[Offer, ...], ShopConfig, int] | None = None

    def offers(self) -> tuple[Offer, ...]:
        """The catalogue, parsed once per version."""
        version = self.hq_version
        if self._catalogue is None or self._catalogue[0] != version:
            rows = self._all("SELECT body FROM offer ORDER BY offer_id")
            offers: list[Offer] = []
            rules: dict[Rule, Rule] = {}
            for row in rows:
                offer = _OFFER.validate_json(row[0])
                if offer.eligibility is not None:  # equal ones are one object, so that a decision asks each once
                    offer = replace(offer, eligibility=rules.setdefault(offer.eligibility, offer.eligibility))
                offers.append(offer)
            self._catalogue = version, tuple(offers)
        return self._catalogue[1]

    def catalogue_digest(self) -> str:
        """16 hex digits of the catalogue that `offers` gives."""
        offers = self.offers()
        if self._digest is None or self._digest[0] is not offers:
            digest = sha256()
            for (body,) in self._all("SELECT body FROM offer ORDER BY offer_id"):
                digest.update(str(body).encode() + b"\n")
            self._digest = offers, digest.hexdigest()[:16]
        return self._digest[1]

    def policy_digest(self) -> str:
        """16 hex digits of the shop's configuration."""
        shop = self.shop()
        if self._policy is None or self._policy[0] is not shop:
            self._policy = shop, sha256((self.meta("shop") or "").encode()).hexdigest()[:16]
        return self._policy[1]

    def horizon_ms(self) -> int:
        """How far back the rules of this catalogue and shop ask for a member's contacts."""
        offers, shop = self.offers(), self.shop()
        # Both are the same objects until something else is read, so they are compared and not their many fields.
        if self._horizon is None or self._horizon[0] is not offers or self._horizon[1] is not shop:
            self._horizon = offers, shop, horizon_ms(offers, shop)
        return self._horizon[2]

    def shelf(self, place: Place, at_ms: int) -> Shelf:
        """What of the catalogue could be said there at all; kept until the catalogue or the time changes it."""
        offers = self.offers()
        if self._shelved is not offers or len(self._shelves) >= MAX_SHELVES:
            self._shelved, self._shelves = offers, {}
        shelf = self._shelves.get(place)
        if shelf is None or not shelf.holds(at_ms):
            shelf = self._shelves[place] = shelve(offers, place, at_ms)
        return shelf

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
            return _UNSET
        if self._shop is None or self._shop[0] != body:
            self._shop = body, _CONFIG.validate_json(body)
        return self._shop[1]

    def put_shop(self, config: ShopConfig) -> None:
        self.put_meta("shop", as_json(asdict(config)))
