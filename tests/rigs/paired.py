"""A shop window whose screens, tablets and tills are paired, on a real store."""

import contextlib
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from display import cookies
from gateway.core.ports import Clock
from gateway.devices import Devices
from gateway.health import Health
from gateway.store import Store
from tests.rigs.shopfront import KEY, FakePath, WallClock, Window, window

ELSEWHERE = {"X-Forwarded-For": "192.0.2.7"}  # as if a proxy asked for another machine
PLACES = ("coffee", "wine"), ("till-1", "till-2")


def devices_of(store: Store, clock: Clock, health: Health | None = None, woken: list[str] | None = None) -> Devices:
    """The service on this store; `woken` gets an entry whenever headquarters is to be told."""
    told = woken if woken is not None else []
    proof = lambda tablet: cookies.proof(tablet, KEY)  # noqa: E731 - one line of wiring
    health = health if health is not None else Health()
    return Devices(
        store.run, clock, health, secrets.token_bytes, proof, *PLACES, lambda: told.append("woken"), "shop/gw1"
    )


@dataclass
class Paired:
    """The window and its devices."""

    shop: Window
    devices: Devices
    store: Store

    @property
    def url(self) -> str:
        return self.shop.url


@contextlib.asynccontextmanager
async def paired(folder: Path, shop_url: str | None = None, port: int = 0) -> AsyncIterator[Paired]:
    """The server with the store in `folder`; both end on leaving."""
    store = Store(folder / "gateway.db", "e" * 32, bytes(32))
    try:
        devices = devices_of(store, WallClock())
        await devices.start()
        path = FakePath(tills=frozenset(PLACES[1]))
        async with window(path, port, devices=devices, shop_url=shop_url) as shop:
            yield Paired(shop, devices, store)
    finally:
        store.close()
