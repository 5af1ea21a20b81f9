"""What headquarters wants shown, how often the shop gave it out, and how the shop is set up."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, replace
from hashlib import sha256

from pydantic import TypeAdapter, ValidationError
from sqlite_utils import Database

from gateway.core.changes import CataloguePart
from gateway.core.eligible import Rule
from gateway.core.model import Cap, Offer, ShopConfig
from gateway.core.restraint import COUNTED, horizon_ms, since_ms
from gateway.core.shelf import Place, Shelf, shelve
from gateway.core.sound import is_sound
from gateway.core.vault import Vault
from gateway.errors import PeerError
from gateway.tables.rows import Rows, as_json

# A shop has some dozens of screens and tablets, each in a zone, each asked with and without a gesture. Of a thousand
# offers a shelf has 100 kB, mostly shared reasons; beyond this many all are made anew.
MAX_SHELVES = 64

# Days, weeks and months begin on a quarter of an hour everywhere, so by the calendar nothing is counted that is not
# meant; a window that rolls is longer by a quarter at most. 90 days of one offer have 8,640 rows at most, 60 bytes
# each.
QUARTER_MS = 900_000

REFUSED = "catalogue_refused"  # the key of the catalogue of which nothing is taken

_OFFERS: TypeAdapter[list[Offer]] = TypeAdapter(list[Offer])
_OFFER: TypeAdapter[Offer] = TypeAdapter(Offer)
_UNSET = ShopConfig()
_CONFIG: TypeAdapter[ShopConfig] = TypeAdapter(ShopConfig)


class Catalogue(Rows):
    """The tables `offer`, `catalogue_part` and `offer_count`, and the shop's configuration."""

    def __init__(self, db: Database, vault: Vault) -> None:
        super().__init__(db, vault)
        self._catalogue: tuple[int, tuple[Offer, ...]] | None = None
        self._by_id: tuple[tuple[Offer, ...], dict[str, Offer]] | None = None
        self._unreadable: tuple[str, ...] = ()
        self._shop: tuple[str, ShopConfig] | None = None
        self._shelves: dict[Place, Shelf] = {}
        self._shelved: tuple[Offer, ...] | None = None  # of which catalogue they are
        self._digest: tuple[tuple[Offer, ...], str] | None = None
        self._policy: tuple[ShopConfig, str] | None = None
        self._shared: tuple[tuple[Offer, ...], frozenset[str]] | None = None
        self._horizon: tuple[tuple[Offer, ...], ShopConfig, int] | None = None

    def is_shared(self, offer_id: str) -> bool:
        """Whether an offer has a cap of the whole shop."""
        offers = self.offers()
        if self._shared is None or self._shared[0] is not offers:
            capped = (offer for offer in offers if any(cap.per == "store" for cap in offer.caps))
            self._shared = offers, frozenset(offer.offer_id for offer in capped)
        return offer_id in self._shared[1]

    def count_given(self, offer_id: str, what: str, at_ms: int) -> None:
        """One more of it was shown, accepted or redeemed; only counted where the shop shares it."""
        if self.is_shared(offer_id):
            self._db.execute(
                """INSERT INTO offer_count VALUES (?, ?, ?, 1)
                   ON CONFLICT (offer_id, what, quarter_ms) DO UPDATE SET count = count + 1""",
                [offer_id, what, at_ms // QUARTER_MS * QUARTER_MS],
            )

    def uncount_given(self, offer_id: str, what: str, at_ms: int) -> None:
        """What was counted at that time was taken back."""
        self._db.execute(
            "UPDATE offer_count SET count = count - 1 WHERE offer_id = ? AND what = ? AND quarter_ms = ? AND count > 0",
            [offer_id, what, at_ms // QUARTER_MS * QUARTER_MS],
        )

    def given(self, offers: Iterable[Offer], at_ms: int, latest_ms: int = 0) -> dict[tuple[str, Cap], int]:
        """How often each of these offers was given out in the window of each of its caps of the whole shop.

        `latest_ms`: the latest time that it may be. Up to then what was given out later than now counts too, from
        before a clock went back.
        """
        zone, found = self.shop().restraint.time_zone, {}
        for offer in offers:
            for cap in offer.caps:
                if cap.per == "store":
                    from_ms = since_ms(cap, at_ms, zone) // QUARTER_MS * QUARTER_MS
                    (count,) = self._one(
                        """SELECT coalesce(sum(count), 0) FROM offer_count
                           WHERE offer_id = ? AND what = ? AND quarter_ms BETWEEN ? AND ?""",
                        *(offer.offer_id, COUNTED[cap.what], from_ms, max(at_ms, latest_ms)),
                    )
                    found[offer.offer_id, cap] = int(count)
        return found

    def offers(self) -> tuple[Offer, ...]:
        """The catalogue, parsed once per version; a row that can't be handled is passed over (`unreadable_offers`)."""
        version = self.hq_version
        if self._catalogue is None or self._catalogue[0] != version:
            rows = self._all("SELECT offer_id, body FROM offer ORDER BY offer_id")
            offers: list[Offer] = []
            unreadable: list[str] = []
            rules: dict[Rule, Rule] = {}
            for offer_id, body in rows:
                offer = _read(offer_id, body)
                if offer is None:
                    unreadable.append(str(offer_id))
                    if offer_id not in self._unreadable:
                        self.count("catalogue.unreadable")
                    continue
                if offer.eligibility is not None:  # equal ones are one object, so that a decision asks each once
                    offer = replace(offer, eligibility=rules.setdefault(offer.eligibility, offer.eligibility))
                offers.append(offer)
            self._catalogue, self._unreadable = (version, tuple(offers)), tuple(unreadable)
        return self._catalogue[1]

    def offer(self, offer_id: str) -> Offer | None:
        """One of `offers`, None for one that is not among them."""
        offers = self.offers()
        if self._by_id is None or self._by_id[0] is not offers:
            self._by_id = offers, {one.offer_id: one for one in offers}
        return self._by_id[1].get(offer_id)

    def unreadable_offers(self) -> tuple[str, ...]:
        """The ids of kept offers that `offers` passes over: of another version, or damaged."""
        self.offers()
        return self._unreadable

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

    def has_room_for(self, offer_id: str, most: int) -> bool:
        """Whether an offer may be put without there being more than `most`."""
        count, known = self._one("SELECT count(*), count(*) FILTER (WHERE offer_id = ?) FROM offer", offer_id)
        return bool(known or count < most)

    def put_offer(self, offer: Offer) -> None:
        self._keep_former(offer.offer_id)
        self._catalogue = None
        self._put("offer", offer_id=offer.offer_id, body=as_json(asdict(offer)))

    def drop_offer(self, offer_id: str) -> None:
        self._keep_former(offer_id)
        self._catalogue = None
        for table in ("offer", "offer_count"):
            self._db.execute(f"DELETE FROM {table} WHERE offer_id = ?", [offer_id])

    def _keep_former(self, offer_id: str) -> None:
        """While a catalogue is on trial, keep of an offer what it was before, once, with what was counted of it."""
        self._db.execute(
            """INSERT OR IGNORE INTO offer_former SELECT :id, (SELECT body FROM offer WHERE offer_id = :id),
               (SELECT json_group_array(json_array(what, quarter_ms, count)) FROM offer_count WHERE offer_id = :id)
               FROM trial WHERE what = 'catalogue'""",
            {"id": offer_id},
        )

    def stage(self, part: CataloguePart) -> tuple[Offer, ...] | None:
        """Keep a part of a catalogue; all of its offers once it is whole. Another catalogue's parts go.

        Raises PeerError "fields" where a part that was kept can't be read any more.
        """
        if part.catalogue_id == self.meta(REFUSED):
            return None
        other = "(catalogue_id, parts) <> (?, ?)"
        self._db.execute(f"DELETE FROM catalogue_part WHERE {other}", [part.catalogue_id, part.parts])
        offers = as_json([asdict(offer) for offer in part.offers])
        self._put("catalogue_part", part=part.part, catalogue_id=part.catalogue_id, parts=part.parts, offers=offers)
        rows = self._all("SELECT offers FROM catalogue_part ORDER BY part")
        if len(rows) < part.parts:
            return None
        self._db.execute("DELETE FROM catalogue_part")
        found: tuple[Offer, ...] | None = None
        with suppress(ValidationError):
            found = tuple(offer for row in rows for offer in _OFFERS.validate_json(row[0]))
        if found is None:  # raised out here: a cause would carry the row
            raise PeerError("fields", "offers")
        return found

    def refuse_catalogue(self, catalogue_id: str) -> None:
        """Nothing of this catalogue is taken, whichever of its parts come still; "" = of the one that is under way."""
        self._db.execute("DELETE FROM catalogue_part")
        self.put_meta(REFUSED, catalogue_id)

    def replace_offers(self, offers: Iterable[Offer]) -> set[str]:
        """These are the catalogue from now on; the ids of the offers that are no more."""
        wanted = {offer.offer_id: offer for offer in offers}
        gone = {str(offer_id) for (offer_id,) in self._all("SELECT offer_id FROM offer")} - wanted.keys()
        for offer_id in gone:
            self.drop_offer(offer_id)
        stand = dict(self._all("SELECT offer_id, body FROM offer"))
        for offer in wanted.values():
            if stand.get(offer.offer_id) != as_json(asdict(offer)):
                self.put_offer(offer)
        return gone

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


def _read(offer_id: object, body: str) -> Offer | None:
    """The offer of a row; None for one that can't be handled, whatever wrote it."""
    try:
        offer = _OFFER.validate_json(body)
    except ValidationError:
        return None
    return offer if offer.offer_id == offer_id and is_sound(offer) else None
