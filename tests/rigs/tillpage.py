"""A whole shop whose pages are served on a free port, with offers for a till: what the page of a till is tested on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.core import coupon
from gateway.core.changes import Change, CouponsPut, LeasePut, OfferPut
from gateway.core.coupon import PublicKey
from gateway.core.model import Offer, Purpose
from gateway.core.redemption import CouponClass
from gateway.core.spans import DAY_MS
from gateway.serving import serve
from tests.rigs.own import Browser, Own, own_shop
from tests.rigs.shop import START_MS, member

HQ = Ed25519PrivateKey.from_private_bytes(b"headquarters' key for tests only")
RULES = CouponsPut(
    (CouponClass("once", "allow", max_cents=500, member_day=1), CouponClass("online", "deny")),
    (PublicKey("k1", HQ.public_key().public_bytes_raw()),),
)
LEASE = LeasePut("", "l-1", "b-1", "cents", 2_000, START_MS + DAY_MS)


def text(german: str, english: str) -> dict[str, str]:
    return {"de": german, "en": english}


OFFERS = (
    Offer(
        "roast",
        text("Zwei Pfund zum Preis von einem", "Two pounds for the price of one"),
        text("Alle Röstungen im Regal, auch gemahlen.", "All roasts on the shelf, ground as well."),
        value_cents=450,
        interests=("coffee",),
        priority=3,
        coupon_class="once",
    ),
    Offer(
        "cake",
        text("Stück Kuchen zum Kaffee", "A slice of cake with your coffee"),
        text("Nach Wahl aus der Vitrine.", "Any one of the counter."),
        value_cents=320,
        priority=2,
        budget_id="b-1",
    ),
    Offer(
        "course",
        text("Röstkurs am Samstag", "Roasting course on Saturday"),
        text("Anzahlung wird angerechnet.", "What was paid is credited."),
        value_cents=2_500,
        priority=1,
    ),
    Offer(
        "bag",
        text("Eigener Becher", "Your own cup"),
        text("Für alle, die einen mitbringen.", "For everybody who brings one."),
        audience="everyone",
        value_cents=30,
    ),
    Offer(
        "live",
        text("Tagespreis der Zentrale", "Head office's price of the day"),
        text("Wird dort gebucht.", "Booked there."),
        audience="everyone",
        value_cents=100,
        coupon_class="online",
    ),
)
REDEMPTIONS = "/api/v1/tills/till-1/redemptions"
ALL = (Purpose.RECOGNISE_NFC, Purpose.STAFF_ADVICE, Purpose.PERSONALISE_OFFERS, Purpose.PUBLIC_PERSONAL_GREETING)


def issued(offer_id: str = "bag", number: int = 1, **more: Any) -> str:
    """A coupon of headquarters."""
    return coupon.issue(HQ, "k1", offer_id, (START_MS + DAY_MS) // 1000, number.to_bytes(8, "big"), **more)


class Served:
    """A shop with its pages on `url`; the server can be stopped and started again on the same port."""

    def __init__(self, own: Own, port: int = 0) -> None:
        self.own = own
        self.shop = own.shop
        self.port = port
        self._running: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._running = asyncio.create_task(
            serve(self.own.app, "127.0.0.1", self.port, ready.set_result, self.own.hub.close)
        )
        self.port = await ready

    async def stop(self) -> None:
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait({self._running})

    async def told(self, kind: str) -> list[dict[str, Any]]:
        """The bodies of the events of one type."""
        return await self.shop.bodies(kind)


@asynccontextmanager
async def served(path: Path, *changes: Change, port: int = 0) -> AsyncIterator[Served]:
    """The shop with OFFERS and a member "mia" who agreed to everything that a till may use."""
    offers = [OfferPut(offer) for offer in OFFERS]
    async with own_shop(path, *offers, RULES, LEASE, *member("mia", *ALL), *changes) as own:
        one = Served(own, port)
        await one.start()
        try:
            yield one
        finally:
            await one.stop()


async def redeemed(tablet: Browser, number: int = 1, offer: str = "cake") -> str:
    """Reserve and confirm an offer at the till, as its page on this tablet does."""
    key = {"Idempotency-Key": f"reserve-{number:04}"}
    one = (await tablet.client.post(REDEMPTIONS, json={"offer_id": offer}, headers=key)).json()
    assert one["result"] == "reserved", one
    key = {"Idempotency-Key": f"confirm-{number:04}"}
    body = {"receipt": f"B-{number}"}
    done = await tablet.client.post(f"{REDEMPTIONS}/{one['redemption_id']}/confirm", json=body, headers=key)
    assert done.json()["result"] == "committed"
    return str(one["redemption_id"])
