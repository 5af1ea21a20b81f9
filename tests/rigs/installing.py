"""A gateway's installer's page with the real service behind it, and a fob that a test lets be heard."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from display.api import create_app
from display.hub import Hub
from drivers import frames
from drivers.ears import Ears
from gateway.config import Config
from gateway.core.fob import Fob
from gateway.core.identity import Resolver
from gateway.health import Health
from gateway.installing import Installing
from gateway.placing import placed
from gateway.serving import serve
from gateway.store import Store
from tests.rigs.listener import Collector
from tests.rigs.shopfront import KEY, FakePath, WallClock

BEACON = bytes(range(20))
LOUD = {"entrance": "entrance-ble", "coffee": "coffee-ble", "wine": "wine-ble"}


class Shop:
    """A gateway's pages with the real service behind them; `heard` plays the installer's fob."""

    def __init__(self, folder: Path) -> None:
        self.config = Config.model_validate(
            {
                "gateway": {"tenant": "t", "store": "s", "id": "g", "data_dir": folder},
                "source": [{"path": "sim:1"}],
                "receiver": [
                    *({"id": one, "zone": zone} for zone, one in LOUD.items()),
                    {"id": "coffee-nfc", "zone": "coffee", "screen": "coffee"},
                ],
                "screen": [{"id": "coffee", "zone": "coffee"}, {"id": "wine", "zone": "wine"}],
                "anchor": [{"id": "test-fob", "beacon": f"ibeacon:{BEACON.hex()}"}],
            }
        )
        self.clock, self.health, self.fob = WallClock(), Health(), Fob()
        self.store = Store(folder / "gateway.db", "e" * 32, bytes(32))
        resolver = Resolver(self.store.identifier_key)
        anchors = {one.token: one.id for one in self.config.anchor}
        self.ears = Ears(resolver, Collector(), self.clock, self.health, anchors, None, self.fob)
        laid = placed(self.config, None)
        self.service = Installing(self.config, laid, self.fob, resolver, self.store, self.clock, self.health)
        self.hub = Hub(self.clock, self.health, {})
        self.app = create_app(FakePath(), self.hub, self.health, self.clock, KEY, "0.1.0", installing=self.service)
        self.url = ""

    def heard(self, receiver: str, rssi_dbm: int) -> None:
        self.ears.heard(receiver, rssi_dbm, frames.encode_ibeacon(BEACON, -59))

    async def walks(self, zone: str) -> None:
        """Be heard in a zone for as long as a spot takes, at once."""
        for _ in range(20):
            for other, receiver in LOUD.items():
                self.heard(receiver, -52 if other == zone else -78)
            await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def open_shop(folder: Path, port: int = 0) -> AsyncIterator[Shop]:
    shop = Shop(folder)
    ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    running = asyncio.create_task(serve(shop.app, "127.0.0.1", port, ready.set_result, shop.hub.close))
    shop.url = f"http://127.0.0.1:{await ready}"
    try:
        yield shop
    finally:
        running.cancel()
        await asyncio.wait({running})
        shop.store.close()
