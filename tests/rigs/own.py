"""A shop with its real pages' application: members' phones, the screens and the tablets as HTTP clients."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from display.api import create_app
from display.hub import Hub
from gateway.core.changes import Change
from gateway.core.keyring import Held
from gateway.core.model import QueueEntry, ScreenContent, StaffCard
from tests.rigs.proofs import Proofs
from tests.rigs.shop import NOTICE, Shop, open_shop
from tests.rigs.shopfront import KEY

BASE = "http://gateway.shop:8080"


class Own:
    """A shop, its application, and as many browsers as a test wants."""

    def __init__(self, shop: Shop, base: str = BASE) -> None:
        self.shop = shop
        self.base = base
        self.hub = Hub(shop.clock, shop.health)
        _follow(shop, self.hub)
        self.app: FastAPI = create_app(
            shop.flow,
            self.hub,
            shop.health,
            shop.clock,
            KEY,
            "1.2.3",
            public_url=base,
            me=shop.flow.selfservice,
            handovers=shop.flow.handovers,
            takeaways=shop.flow.takeaways,
            showing=Proofs(shop.clock, shop.health).parts,
            staffing=shop.flow.staffing,
        )
        self._browsers: list[httpx.AsyncClient] = []

    def browser(self, address: str = "192.0.2.7") -> "Browser":
        """A browser with cookies of its own."""
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False, client=(address, 1))
        client = httpx.AsyncClient(transport=transport, base_url=self.base)
        self._browsers.append(client)
        return Browser(client)

    async def tablet(self) -> "Browser":
        """A browser that the manager's link let in."""
        one = self.browser()
        await one.client.get("/tablet", params={"key": KEY})
        return one

    async def touch(self, choice: str, screen: str = "bar") -> str:
        """Choose something of the dialogue at a screen."""
        dialogue = self.shop.walls.screens[screen].dialogue
        assert dialogue is not None
        body = {"dialogue_id": dialogue.dialogue_id, "choice": choice}
        answer = await self.browser().client.post(f"/api/v1/screens/{screen}/answer", json=body)
        await self.shop.settle()
        return str(answer.json()["result"])

    def shown(self, screen: str = "bar") -> ScreenContent:
        return self.shop.walls.screens[screen]

    async def scan(self, reader: str = "coffee-nfc", screen: str = "bar", member: str = "mia") -> "Browser":
        """Tap, ask for one's own data, scan the code; the screen has not confirmed the phone yet."""
        await self.shop.tap(member, reader)
        assert await self.touch("my_data", screen) == "ok"
        phone = self.browser()
        assert (await phone.open(self.link(screen))).status_code == 303
        return phone

    async def phone(self, reader: str = "coffee-nfc", screen: str = "bar", member: str = "mia") -> "Browser":
        """The same, confirmed."""
        phone = await self.scan(reader, screen, member)
        assert await self.touch("mine", screen) == "ok"
        return phone

    def link(self, screen: str = "bar") -> str:
        """The address in the code that a screen shows."""
        dialogue = self.shown(screen).dialogue
        assert dialogue is not None
        assert re.fullmatch(rf"{self.base}/h/[a-z2-7]{{26}}", dialogue.link)
        return dialogue.link

    async def close(self) -> None:
        for one in self._browsers:
            await one.aclose()
        await self.shop.settle()
        self.shop.store.close()


class Browser:
    """One device with its cookies."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        self.requests = 0

    async def open(self, url: str) -> httpx.Response:
        self.requests += 1
        return await self.client.get(url)

    async def post(self, url: str, body: Any = None) -> dict[str, Any]:
        """The answer's JSON, and its status as `status`."""
        self.requests += 1
        answer = await self.client.post(f"/api/v1/{url}", json={} if body is None else body)
        return {**answer.json(), "status": answer.status_code}

    async def me(self) -> dict[str, Any]:
        answer = await self.open("/api/v1/me")
        return {**answer.json(), "status": answer.status_code}

    async def states(self) -> dict[str, str]:
        """The state of each purpose."""
        return {one["purpose"]: one["state"] for one in (await self.me())["purposes"]}


def agreed(language: str = "en", **more: object) -> dict[str, object]:
    """What a form says of notice and age."""
    shown = {"language": language, "notice_version": NOTICE.version, "notice_sha256": NOTICE.sha256("en")}
    return {**shown, "age": "16plus", **more}


@asynccontextmanager
async def own_shop(path: Path, *changes: Change, base: str = BASE, keys: Sequence[Held] = ()) -> AsyncIterator[Own]:
    own = Own(await open_shop(path, *changes, public_url=base, keys=keys), base)
    await own.shop.tick()  # the clock is synchronised, so what is given counts
    try:
        yield own
    finally:
        await own.close()


def _follow(shop: Shop, hub: Hub) -> None:
    """What the shop's walls show, the hub shows, too."""
    walls = shop.walls
    show, queue, open_card, close_card, lock = walls.show, walls.queue, walls.open_card, walls.close_card, walls.lock

    def both_show(screen: str, content: ScreenContent) -> None:
        show(screen, content)
        hub.show(screen, content)

    def both_queue(entries: tuple[QueueEntry, ...]) -> None:
        queue(entries)
        hub.queue(entries)

    def both_open(tablet: str, card: StaffCard) -> None:
        open_card(tablet, card)
        hub.open_card(tablet, card)

    def both_close(tablet: str, handshake_id: str, reason: str) -> None:
        close_card(tablet, handshake_id, reason)
        hub.close_card(tablet, handshake_id, reason)

    def both_lock(tablet: str, locked: bool) -> None:
        lock(tablet, locked)
        hub.lock(tablet, locked)

    walls.show, walls.queue, walls.open_card = both_show, both_queue, both_open
    walls.close_card, walls.lock = both_close, both_lock
    walls.on_till = hub.till


async def together(*works: Any) -> list[Any]:
    """Their values, begun at the same time."""
    return list(await asyncio.gather(*works))
