"""A shop window for tests: a path that answers as told, clocks, sample content, and the real server on a free port."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from fastapi import FastAPI

from display import content
from display.api import create_app
from display.faults import Ear
from display.hub import Hub
from drivers import people
from gateway.checkout import Answer, Asked, Outcome
from gateway.core.model import (
    DialogueView,
    Notice,
    OfferLine,
    QueueEntry,
    ScreenContent,
    ShopConfig,
    Slide,
    StaffCard,
    TalkingPoint,
)
from gateway.core.trial import Report
from gateway.devices import Devices
from gateway.health import Health
from gateway.https import Https
from gateway.life import Stale
from gateway.sales import Recorded, SaleOutcome, Sold
from gateway.serving import serve
from gateway.tilldesk import TillView
from tests.rigs.proofs import Proofs

KEY = "manager-key-for-tests"
SHOP = ShopConfig(
    store_name={"de": "Kontor am Markt", "en": "Kontor at the Market"},
    zones={"coffee": {"de": "Kaffeeregal", "en": "Coffee shelf"}, "wine": {"de": "Weinkeller", "en": "Wine cellar"}},
    notice=Notice(
        "2026-11", "Kontor GmbH, Markt 1, 20095 Hamburg", "datenschutz@kontor.example", "customers", people.NOTICE
    ),
)


EARS = {"coffee-nfc": Ear("reader", "coffee"), "wine-nfc": Ear("reader", "wine"), "coffee-ble": Ear("radio", "coffee")}


class HandClock:
    """A clock that moves when a test says so."""

    def __init__(self, now_ms: int = 1_000_000, speed: float = 1.0) -> None:
        self.at_ms = now_ms
        self.speed = speed

    def now_ms(self) -> int:
        return self.at_ms

    async def sleep(self, ms: float) -> None:
        self.at_ms += round(ms)


class WallClock:
    """The machine's clock, for pages in a real browser."""

    speed = 1.0

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    async def sleep(self, ms: float) -> None:
        await asyncio.sleep(ms / 1000)


@dataclass
class FakePath:
    """Answers from `answers` (per call name) and remembers every call."""

    screens: Mapping[str, str] = field(default_factory=lambda: {"coffee": "coffee", "wine": "wine"})
    tills: frozenset[str] = frozenset({"till-1"})
    sale: tuple[str, str, int, int | None] | None = None
    shop: ShopConfig = SHOP
    stale: Stale = Stale("fresh", 7)  # noqa: RUF009 - frozen
    readers: tuple[tuple[str, str], ...] = (("advice-nfc", "wine"),)
    beside: str | None = None
    answers: dict[str, str | Exception] = field(default_factory=dict)
    outcome: Outcome = Answer("reserved", None, "r-1", "o-1", 250, 600_000)  # noqa: RUF009 - frozen
    recorded: SaleOutcome = Recorded(17)  # noqa: RUF009 - frozen
    sold: list[tuple[str, str, Sold]] = field(default_factory=list)
    till_view: TillView | None = None
    reasons: dict[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    asked: list[tuple[str, str, Asked]] = field(default_factory=list)
    calls: list[tuple[str, ...]] = field(default_factory=list)

    def _answer(self, name: str, default: str, *args: str) -> str:
        self.calls.append((name, *args))
        answer = self.answers.get(name, default)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def on_screen(self, screen: str, dialogue_id: str, choice: str) -> str:
        return self._answer("screen", "ok", screen, dialogue_id, choice)

    async def on_code(self, screen: str, dialogue_id: str, code: str) -> str:
        return self._answer("code", "ok", screen, dialogue_id, code)

    def readers_for(self, tablet: str) -> list[tuple[str, str, bool]]:
        return [(reader, zone, reader == self.beside) for reader, zone in self.readers]

    def on_reader(self, tablet: str, reader: str | None) -> str:
        result = self._answer("reader", "ok", tablet, str(reader))
        self.beside = reader if result == "ok" else self.beside
        return result

    def sale_at(self, till: str) -> tuple[str, str, int, int | None] | None:
        return self.sale

    def end_sale(self, till: str) -> str:
        return self._answer("done", "ok", till)

    @property
    def till_desk(self) -> "FakePath":
        return self

    async def sell(self, till: str, key: str, sold: Sold) -> SaleOutcome:
        self.sold.append((till, key, sold))
        return self.recorded

    async def view(self, till: str) -> TillView:
        return self.till_view or TillView(till, None, (), (), True)

    async def ask(self, till: str, key: str, asked: Asked) -> Outcome:
        self.asked.append((till, key, asked))
        return self.outcome

    @property
    def advice(self) -> "FakePath":
        return self

    async def why(self, handshake_id: str, offer_id: str, tablet: str) -> Mapping[str, tuple[str, ...]] | None:
        self.calls.append(("why", handshake_id, offer_id, tablet))
        return self.reasons.get(offer_id)

    async def offer_usual(self, entry_id: str, tablet: str) -> str:
        return self._answer("usual", "ok", entry_id, tablet)

    async def on_accept(self, handshake_id: str, tablet: str) -> str:
        return self._answer("accept", "open", handshake_id, tablet)

    async def on_close(self, handshake_id: str, tablet: str) -> str:
        return self._answer("close", "ok", handshake_id, tablet)


def slide(art: str = "coffee", title: str = "Frisch geröstet", badge: str = "2 für 1") -> Slide:
    return Slide(
        f"slide-{art}",
        {"de": title, "en": "Freshly roasted"},
        {"de": "Äthiopien Sidamo, heute Morgen aus der Trommel.", "en": "Ethiopia Sidamo, from this morning's drum."},
        {"de": badge, "en": "2 for 1"} if badge else {},
        art,
    )


def talk(step: str = "offer", ttl_ms: int = 20_000, call_name: str | None = "Anna") -> DialogueView:
    offering = step in ("offer", "more")
    return DialogueView(
        "dialogue-1",
        step,
        "de",
        call_name,
        slide() if offering or step == "accepted" else None,
        {"de": "Hell geröstet, mit Noten von Jasmin und Zitrone. Am besten als Filter."},
        ("yes", "more", "not_now", "advice", "more_time") if offering else (),
        ttl_ms,
    )


def talking(step: str = "offer", ttl_ms: int = 20_000, call_name: str | None = "Anna") -> ScreenContent:
    return ScreenContent("L3" if call_name else "L1", (slide(),), talk(step, ttl_ms, call_name), "decision-1")


def request(number: int = 1, asked_at_ms: int = 1_000_000, label: str = "") -> QueueEntry:
    return QueueEntry(f"handshake-{number}", label, "coffee", "tap", asked_at_ms, "asked", None)


def card(closes_at_ms: int, number: int = 1) -> StaffCard:
    return StaffCard(
        handshake_id=f"handshake-{number}",
        call_name="Anna",
        language="de",
        zone="coffee",
        via="tap",
        asked_at_ms=closes_at_ms - 300_000,
        usual=("Espresso Nr. 4, 500 g", "Hafermilch", "Mandelhörnchen"),
        talking_points=(
            TalkingPoint(
                {"de": "Neue Ernte aus Sidamo ist da", "en": "The new Sidamo harvest is in"},
                {"de": "mag helle Röstungen", "en": "likes light roasts"},
            ),
            TalkingPoint(
                {"de": "Entkalker nicht vergessen", "en": "Remember descaler"},
                {"de": "Maschine vor sechs Monaten gekauft", "en": "bought the machine six months ago"},
            ),
        ),
        offers=(
            OfferLine("o1", {"de": "Zwei Pfund zum Preis von einem", "en": "Two for one"}, {"de": "2 für 1"}),
            OfferLine("o2", {"de": "Röstkurs am Samstag", "en": "Roasting course"}, {}),
        ),
        consents=("recognise_nfc", "personalise_offers", "staff_advice"),
        closes_at_ms=closes_at_ms,
    )


def accepted(entry: QueueEntry, tablet: str) -> QueueEntry:
    return replace(entry, state="open", tablet=tablet)


@dataclass
class Window:
    """A running server and what stands behind it."""

    path: FakePath
    hub: Hub
    health: Health
    app: FastAPI
    proofs: Proofs
    running: "asyncio.Task[None] | None" = None
    port: int = 0

    async def end(self) -> None:
        """Stop serving, as the program does at its end."""
        if self.running is not None:
            self.running.cancel()
            await asyncio.wait({self.running})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextlib.asynccontextmanager
async def window(
    path: FakePath | None = None,
    port: int = 0,
    public_url: str | None = "http://gateway.shop:8080",
    ears: Mapping[str, Ear] | None = None,
    devices: Devices | None = None,
    shop_url: str | None = None,
    tls: Https | None = None,
    shown: content.Shown = content.NOTHING,
    settings: Callable[[], Report] = Report,
) -> AsyncIterator[Window]:
    """The real hub, application and server, ended on leaving."""
    clock, health = WallClock(), Health()
    path, hub = path or FakePath(), Hub(clock, health, EARS if ears is None else ears)
    proofs = Proofs(clock, health)
    app = create_app(
        path,
        hub,
        health,
        clock,
        KEY,
        "0.1.0",
        public_url=public_url,
        devices=devices,
        shop_url=shop_url,
        shown=shown,
        showing=proofs.parts,
        secure=tls,
        installable=tls is not None,
        settings=settings,
    )
    shop = Window(path, hub, health, app, proofs)
    ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    secure_port = tls.port if tls is not None else None
    running = shop.running = asyncio.create_task(
        serve(app, "127.0.0.1", port, ready.set_result, hub.close, None, secure_port, tls, health.count)
    )
    try:
        both: set[asyncio.Future[Any]] = {running, ready}
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            await running
        shop.port = ready.result()
        yield shop
    finally:
        await shop.end()
