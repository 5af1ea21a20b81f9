"""The Bluetooth ear through BlueZ and bleak: from advertisements to the ears, and the life of a scan. Keeps nothing."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NoReturn

from drivers import bluez, ladder
from drivers.bluez import Adapter
from drivers.ears import Ears
from drivers.frames import RSSI_RANGE_DBM
from drivers.ladder import Ladder
from drivers.troubles import BluezError
from gateway.config import SourceTable
from gateway.core.ports import Clock
from gateway.errors import ConfigError
from gateway.health import Health, State

# BlueZ may be between two discoveries at one tick, but not at two in a row.
STOPPED_TICKS = 2

_NOTHING: Mapping[Any, bytes] = {}
# "/org/bluez/hci0/dev_5A_11_22_33_44_55": the two highest bits of a resolvable private address are 01.
_ADDRESS_CHARS = 17
_RESOLVABLE = frozenset("4567")


class BleSource:
    """`ble:hci0` or `ble:AA:BB:CC:DD:EE:FF`: what BlueZ hears, straight to the ears. ConfigError for another path."""

    def __init__(self, table: SourceTable, ears: Ears, clock: Clock, health: Health) -> None:
        if not bluez.is_adapter(table.target) or table.options:
            raise ConfigError(
                f"{table.path}: expected ble: and an adapter's name or address without options, e.g. ble:hci0"
            )
        self._receiver = table.receiver or table.target
        self._heard_fields = ears.heard_fields
        self._clock = clock
        self._health = health
        self._adapter = adapter = Adapter(table.target, self._on_advertisement)
        steps = (
            ("restart_scan", adapter.restart_scan),
            ("power_cycle", adapter.power_cycle),
            ("reopen", adapter.reopen),
        )
        self._ladder = Ladder(steps, self._receiver, ears, clock, health)
        self._heard = 0
        self._is_new = True  # nothing heard since the adapter was opened

    async def run(self) -> NoReturn:
        """Hear until cancelled. Raises UnavailableError in plain words when bus, BlueZ, adapter or air is gone."""
        try:
            await self._adapter.open()
            if self._is_new:
                self._ladder.opened()
            await self._watch()
        except BluezError as trouble:
            self._set_health("down", str(trouble), trouble.action)
            raise
        finally:
            self._is_new = True
            await self._adapter.close()

    async def _watch(self) -> NoReturn:
        loop = asyncio.get_running_loop()
        due_s = loop.time() + ladder.TICK_S
        stopped_ticks = 0
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(due_s):
                    await self._adapter.news()
            if await self._adapter.switch_on():
                self._health.count("ble.switched_on")
            if loop.time() < due_s:
                continue
            due_s = loop.time() + ladder.TICK_S
            stopped_ticks = 0 if await self._adapter.is_scanning() else stopped_ticks + 1
            if stopped_ticks == STOPPED_TICKS:
                self._health.count("ble.stopped")
                await self._adapter.restart_scan()
                stopped_ticks = 0
            await self._ladder.tick(self._heard)

    def _on_advertisement(self, path: str, device: Mapping[str, Any]) -> bool:
        """One advertisement: BlueZ's path of the device and its properties. False for a stranger's, as most are."""
        self._heard += 1
        if self._is_new:
            self._is_new = False
            self._set_health("ok", "hears advertisements", "")
        get = device.get
        rssi = get("RSSI")
        if type(rssi) is not int or rssi not in RSSI_RANGE_DBM:
            self._health.count("ble.no_rssi")
            return False
        address = _random_address(path, device) if path[-_ADDRESS_CHARS] in _RESOLVABLE else b""
        services, companies = get("ServiceData", _NOTHING), get("ManufacturerData", _NOTHING)
        return self._heard_fields(self._receiver, rssi, services, companies, get("UUIDs", ()), address)

    def _set_health(self, state: State, detail: str, action: str) -> None:
        self._health.set(f"receiver:{self._receiver}", state, self._clock.now_ms(), detail, action)


def _random_address(path: str, device: Mapping[str, Any]) -> bytes:
    """The address that the path ends in, 6 bytes, most significant first; empty if BlueZ calls it a public one.

    It does so once, when it adds the device.
    """
    if device.get("AddressType") == "public":
        return b""
    return bytes.fromhex(path[-_ADDRESS_CHARS:].replace("_", ""))
