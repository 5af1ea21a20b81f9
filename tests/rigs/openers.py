"""How a test comes to each state of each page: an opener leaves `page` there and keeps its server until it is left."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from fastapi import Response
from playwright.async_api import Page, expect

from display.pages import Pages, qr_svg
from display.takeaway import add_takeaways
from gateway.core.arrivals import Arrivals, Arrived
from gateway.core.changes import OfferPut, OutboxRow, PricesPut, ScanPut
from gateway.core.model import DialogueView, Proof, Purpose, ScreenContent, ShopConfig, Slide
from gateway.core.prices import part_of
from gateway.core.redemption import State
from gateway.health import Health
from gateway.life import Stale
from gateway.serving import serve
from sync import event_messages
from sync.hq import web
from sync.hq.ledger import Ledger
from sync.hq.pulse import Pulse
from sync.topics import Topics
from tests.rigs.everypage import port, still
from tests.rigs.own import own_shop
from tests.rigs.ownpages import CODE, RECEIPT, OwnPages, mount
from tests.rigs.shop import member
from tests.rigs.shopfront import KEY, SHOP, FakePath, WallClock, Window, card, request, slide, window
from tests.rigs.tillpage import served

# Names that pages must bear: long without a place to break, from right to left, with signs of four bytes.
LONG = "Maximiliane-Alexandrawilhelmine von Donaudampfschifffahrtsgesellschaft"
RIGHT_TO_LEFT = "مريم الأندلسي"
EMOJI = "Zoë 🌷👩‍👩‍👧"
TOKEN = "abcdefghijklmnopqrstuvwxyz"
LINK = f"http://gateway.shop:8080/h/{TOKEN}"
GIVEN_MS = 1_767_603_600_000
GIVEN = {"recognise_nfc": ("given", GIVEN_MS), "staff_advice": ("given", GIVEN_MS)}
LONG_OFFER = Slide(
    "slide-long",
    {
        "de": "Handgeschöpfte Zartbitterschokoladentäfelchen aus der Familienmanufaktur am Bodensee",
        "en": "Hand-poured dark chocolate tablets from the family workshop beside Lake Constance",
    },
    {
        "de": "Mit gerösteten Haselnüssen aus dem Piemont, getrockneten Sauerkirschen und einer Prise Meersalz, in der "
        "wiederverwendbaren Blechdose, solange der Vorrat reicht, und nur in diesem Geschäft.",
        "en": "With roasted hazelnuts from Piedmont, dried sour cherries and a pinch of sea salt, in a tin to keep, "
        "while stocks last, and in this shop only.",
    },
    {"de": "Nur bis Samstagabend", "en": "Until Saturday night"},
    "chocolate",
)

Opener = Callable[[Page, str, Path], AbstractAsyncContextManager[None]]


async def _code(token: str) -> Response:
    return Response(qr_svg(f"http://gateway.shop:8080/h/{token}"), media_type="image/svg+xml")


def screen(content: Callable[[str], ScreenContent] | None = None, join: str = "") -> Opener:
    """The public screen; `content` gets the language of the dialogue."""

    @asynccontextmanager
    async def open_it(page: Page, language: str, folder: Path) -> AsyncIterator[None]:
        path = FakePath(shop=replace(SHOP, join_url=join))
        async with window(path, port()) as shop:
            shop.app.add_api_route("/h/{token}.svg", _code)
            shown = content(language) if content else None
            if shown and not shown.dialogue:
                shop.hub.show("coffee", shown)
            await page.goto(f"{shop.url}/screen?id=coffee")
            await expect(page.locator("html")).to_have_attribute(
                "data-level", shown.level if shown and not shown.dialogue else "L0"
            )
            if shown and shown.dialogue:
                shop.hub.show("coffee", shown)
                await expect(page.locator("html")).to_have_attribute("data-step", shown.dialogue.step)
            yield

    return open_it


def loop(one: Slide) -> Opener:
    return screen(lambda language: ScreenContent("L2", (one,), None, "decision-2"))


def step(
    name: str,
    choices: tuple[str, ...] = (),
    who: str | None = "Anna",
    about: Slide | None = None,
    link: str = "",
    digits: str = "",
    join: str = "",
) -> Opener:
    """One step of the dialogue after a tap."""

    def content(language: str) -> ScreenContent:
        more = {
            "de": "Hell geröstet, mit Noten von Jasmin und Zitrone.",
            "en": "A light roast with notes of jasmine and lemon.",
        }
        view = DialogueView(f"d-{name}", name, language, who, about, more, choices, 90_000, link, digits)  # type: ignore[arg-type]  # a test's own words
        return ScreenContent("L3" if who else "L1", (slide(),), view, "decision-1")

    return screen(content, join)


@dataclass(frozen=True, slots=True)
class OnTablet:
    """What a tablet is shown, and how it is seen that it came."""

    shop: Window
    page: Page

    async def id(self) -> str:
        cookies = {one.get("name"): one.get("value") for one in await self.page.context.cookies()}
        value = next(value for name, value in cookies.items() if name and "tablet" in name)
        return (value or "").partition(".")[0]


def tablet(
    name: str = "", who: str = "Anna", stale: Stale | None = None, fault: bool = False, row: bool = False
) -> Opener:
    """The staff's tablet: "" empty, "queue", "card", "handover", "lost"."""

    @asynccontextmanager
    async def open_it(page: Page, language: str, folder: Path) -> AsyncIterator[None]:
        path = FakePath(stale=stale) if stale else FakePath()
        async with window(path, port()) as shop:
            now_ms = WallClock().now_ms()
            if fault:
                shop.health.set("receiver:coffee-nfc", "down", now_ms - 240_000, "The reader stopped answering.", "")
                shop.hub.look()
                shop.hub.look()
            if name in ("queue", "card"):
                here = Arrivals()
                here.add(Arrived("a-1", "m-1", EMOJI, ("Espresso", "Toast"), "coffee", now_ms - 40_000))
                waiting = [
                    request(1, now_ms - 15_000, who),
                    request(2, now_ms - 95_000),
                    request(3, now_ms - 3_000, RIGHT_TO_LEFT),
                ]
                shop.hub.queue((*waiting, *here.entries()))
            await page.goto(f"{shop.url}/tablet?key={KEY}")
            await expect(page.locator("staff-tablet")).to_have_attribute("data-live", "yes")
            if name == "card":
                one = await OnTablet(shop, page).id()
                shop.hub.open_card(one, replace(card(now_ms + 290_000), call_name=who))
                await expect(page.locator(".person h2")).to_have_text(who)
            if name == "handover":
                await page.locator(".button.hand").click()
                await expect(page.locator(".handover")).to_be_visible()
            if name == "lost":
                shop.hub.close()
                await expect(page.locator(".link")).to_have_attribute("data-state", "lost")
                await still(page)  # the sign of the loss takes its place, nothing else
            yield

    return open_it


def own(state: OwnPages, view: str) -> Opener:
    """A customer's own page."""

    @asynccontextmanager
    async def open_it(page: Page, language: str, folder: Path) -> AsyncIterator[None]:
        async with window(FakePath(), port()) as shop:
            mount(shop.app, replace(state, states=dict(state.states), posts=[]))
            await page.goto(f"{shop.url}/me")
            await expect(page.locator("my-page")).to_have_attribute("data-view", view)
            yield

    return open_it


def at(
    address: str, ready: str, state: OwnPages | None = None, path: Callable[[], FakePath] = FakePath, health: str = ""
) -> Opener:
    """A page that is there as soon as `ready` is seen."""

    @asynccontextmanager
    async def open_it(page: Page, language: str, folder: Path) -> AsyncIterator[None]:
        async with window(path(), port()) as shop:
            if state is not None:
                mount(shop.app, replace(state, states=dict(state.states), posts=[]))
            if health:
                shop.health.set("nfc", health, WallClock().now_ms() - 60_000, "Leser antwortet nicht", "Kabel prüfen")
                shop.health.set("mqtt", "ok", WallClock().now_ms() - 600_000)
            await page.goto(f"{shop.url}{address}")
            await expect(page.locator(ready).first).to_be_visible()
            yield

    return open_it


def no_shop() -> FakePath:
    return FakePath(shop=ShopConfig(store_name=SHOP.store_name))


def two_tills() -> FakePath:
    return FakePath(tills=frozenset({"till-1", "till-2"}))


def coupon(state: State | None = None, over: bool = False) -> Opener:
    """An offer on a customer's phone."""

    @asynccontextmanager
    async def open_it(page: Page, language: str, folder: Path) -> AsyncIterator[None]:
        from tests.test_takeaway_pages import COUPON, GOOD, Coupons

        path = FakePath()
        async with window(path, port()) as shop:
            found = replace(GOOD, state=state, is_over=over)
            add_takeaways(shop.app, path, Coupons(found), Pages())  # type: ignore[arg-type]  # a test's own words
            await page.goto(f"{shop.url}/o/{COUPON}?language={language}")
            await expect(page.locator(".until")).to_be_visible()
            yield

    return open_it


def till(buyer: bool) -> Opener:
    """A till's page, with nobody or with somebody whose offer is held."""

    @asynccontextmanager
    async def open_it(page: Page, language: str, folder: Path) -> AsyncIterator[None]:
        async with served(folder, port=port()) as desk:
            await page.goto(f"{desk.url}/till?id=till-1&key={KEY}")
            await expect(page.locator("till-desk")).to_have_attribute("data-live", "yes")
            if buyer:
                await desk.shop.tap("mia", "till-nfc", Proof.BEARER)
                await expect(page.locator(".buyer h2")).to_have_text("Mia")
                await page.locator(".offers li button:not([hidden])").first.click()
                await expect(page.locator(".held li")).to_have_count(1)
                await still(page)
            yield
            await page.goto("about:blank")  # before the shop ends, which the page would notice

    return open_it


def scan(view: str) -> Opener:
    """A customer's own basket: "hello" before it is begun, "basket" with lines, "code" to be shown at the till."""

    @asynccontextmanager
    async def open_it(page: Page, language: str, folder: Path) -> AsyncIterator[None]:
        from tests.test_scan_pages import GOODS, OFFER, RULES, Shopping

        prices = [PricesPut(1, part_of(one.gtin), (one,)) for one in GOODS]
        changes = (*member("mia", *Purpose), *prices, ScanPut(RULES), OfferPut(OFFER))
        async with own_shop(folder, *changes, base=f"http://127.0.0.1:{port()}") as shop:
            ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
            running = asyncio.create_task(serve(shop.app, "127.0.0.1", port(), ready.set_result, shop.hub.close))
            await ready
            try:
                shopping = Shopping(shop, page.context, page)
                await page.goto(f"{shop.base}/scan")
                await expect(page.locator("[data-act=begin]")).to_be_visible()
                if view != "hello":
                    await shopping.begin()
                    await shopping.type(*[one.gtin for one in GOODS[:4]])
                    await shopping.sent()
                    await still(page)
                if view == "code":
                    await page.locator("[data-act=toTill]").click()
                    await shopping.view("code")
                    await page.locator(".paper img").evaluate("image => image.decode()")
                yield
                await page.goto("about:blank")
            finally:
                running.cancel()
                await asyncio.wait({running})

    return open_it


def headquarters(filled: bool) -> Opener:
    """Headquarters' console."""

    @asynccontextmanager
    async def open_it(page: Page, language: str, folder: Path) -> AsyncIterator[None]:
        now_ms = 1_790_000_000_000
        ledger, pulse = Ledger(folder / f"hq-{filled}-{language}.db"), Pulse()
        if filled:
            given = {"member_id": "m-1", "state": "given", "given_at_ms": 1}
            ledger.record_ops(
                [
                    {"op": "member.put", "body": {"member_id": "m-1", "call_name": LONG[:60]}},
                    *(
                        {"op": "consent.add", "body": given | {"event_id": f"e-{p}", "purpose": p}}
                        for p in ("recognise_ble", "staff_advice")
                    ),
                    {"op": "member.put", "body": {"member_id": "m-2", "call_name": RIGHT_TO_LEFT}},
                    {"op": "config.put", "body": {"zones": {"wine": {"de": "Weinregal", "en": "Wine shelf"}}}},
                    {
                        "op": "offer.put",
                        "body": {"offer_id": "o-1", "title": {"en": "Tea", "de": "Tee"}, "text": {"en": "Two for one"}},
                    },
                ]
            )
            for seq, kind in enumerate(("visit.entered", "decision.made", "shelf.emptied"), 1):
                row = OutboxRow(
                    seq, now_ms, kind, json.dumps({"member_id": "m-1", "zone": "wine", "offer_id": None, "reasons": []})
                )
                ledger.ingest(
                    Topics("acme", "munich-1", "gw-1"), event_messages.EventBatch("ab" * 16, seq, seq, (row,)), now_ms
                )
        url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(web.serve(ledger, pulse, Health(), lambda: now_ms, ("127.0.0.1", 0), url.set_result))
        try:
            await page.goto(await url)
            await expect(page.locator("#live")).not_to_be_empty()
            await expect(page.locator("#event-list > *").first).to_be_visible()
            if await page.evaluate("document.documentElement.lang") != language:
                await page.click("#language")
            yield
            await page.goto("about:blank")
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            ledger.close()

    return open_it


MEMBER = OwnPages(states=dict(GIVEN), call_name="Mia")
NEW = OwnPages(who="new", call_name="", age="unknown", handover=True, pin="1234")
WELCOME = OwnPages(code=CODE, receipt_id=RECEIPT, states=dict(GIVEN), handover=True, pin="1234")
