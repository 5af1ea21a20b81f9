"""The Bluetooth ear through BlueZ: from its signals to the ears, and the life of a scan. Keeps nothing of strangers."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NoReturn

from drivers import bluez, ladder
from drivers.bluez import Adapter, BluezError
from drivers.ears import Ears
from drivers.ladder import Ladder
from gateway.config import SourceTable
from gateway.core.ports import Clock
from gateway.errors import ConfigError
from gateway.health import Health, State

# BlueZ may be between two discoveries at one tick, but not at two in a row.
STOPPED_TICKS = 2

# BlueZ signals what changed, and beside a program that scans without an RSSI filter that may be the RSSI alone or
# the data alone. Of members' beacons the rest is known from before, for one to two turns after they were last heard;
# BlueZ itself forgets a device after 30 s. Strangers are never in here.
MEMORY_TURN_S = 60
# More members than ever stand in one radio's range; about 1 kB each, two turns: 4 MB at worst.
MEMORY_MOST = 2_000

_NO_RSSI_DBM = 127  # a controller's word for "not available" (Core specification, Vol 4 Part E, 7.7.65.2)
# "/org/bluez/hci0/dev_5A_11_22_33_44_55": the two highest bits of a resolvable private address are 01.
_ADDRESS_CHARS = 17
_RESOLVABLE = frozenset("4567")

_Fields = tuple[int, dict[str, bytes], dict[int, bytes], Sequence[str], bytes]
_NOTHING: _Fields = (_NO_RSSI_DBM, {}, {}, (), b"")


class BleSource:
    """`ble:hci0` or `ble:AA:BB:CC:DD:EE:FF`: what BlueZ hears, straight to the ears. ConfigError for another path."""

    def __init__(self, table: SourceTable, ears: Ears, clock: Clock, health: Health) -> None:
        if not bluez.is_adapter(table.target) or table.options:
            raise ConfigError(
                f"{table.path}: expected ble: and an adapter's name or address without options, e.g. ble:hci0"
            )
        self._receiver = table.receiver or table.target
        self._ears = ears
        self._clock = clock
        self._health = health
        self._adapter = adapter = Adapter(table.target, self._on_device)
        steps = (
            ("restart_scan", adapter.restart_scan),
            ("power_cycle", adapter.power_cycle),
            ("reopen", adapter.reopen),
        )
        self._ladder = Ladder(steps, self._receiver, ears, clock, health)
        self._heard = 0
        self._is_new = True  # nothing heard since the adapter was opened
        self._members: dict[str, _Fields] = {}  # by object path; those heard in this turn
        self._members_before: dict[str, _Fields] = {}

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
        turned_s = loop.time()
        due_s = turned_s + ladder.TICK_S
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
            if loop.time() >= turned_s + MEMORY_TURN_S:
                turned_s = loop.time()
                self._turn()
            await self._ladder.tick(self._heard)

    def _on_device(self, path: str, changed: dict[str, Any]) -> None:
        """One signal about a device: variants by property name. Most are advertisements, and most are strangers'."""
        rssi, services, companies = changed.get("RSSI"), changed.get("ServiceData"), changed.get("ManufacturerData")
        if rssi is None and services is None and companies is None:
            return  # a name, a connection: nothing was heard
        self._heard += 1
        if self._is_new:
            self._is_new = False
            self._set_health("ok", "hears advertisements", "")
        uuids = changed.get("UUIDs")
        known = self._members.get(path) or self._members_before.get(path) or _NOTHING
        try:
            fields: _Fields = (
                known[0] if rssi is None else rssi.value,
                known[1] if services is None else {uuid: data.value for uuid, data in services.value.items()},
                known[2] if companies is None else {company: data.value for company, data in companies.value.items()},
                known[3] if uuids is None else uuids.value,
                _address(path, changed) if path[-_ADDRESS_CHARS] in _RESOLVABLE else b"",
            )
        except (AttributeError, IndexError, TypeError, ValueError):  # not what BlueZ documents
            self._health.count("ble.malformed.dbus")
            return
        if fields[0] == _NO_RSSI_DBM:
            self._health.count("ble.no_rssi")
            return
        if self._ears.heard_fields(self._receiver, *fields):
            self._members[path] = fields
            if len(self._members) >= MEMORY_MOST:
                self._turn()
        elif known is not _NOTHING:
            self._members.pop(path, None)
            self._members_before.pop(path, None)

    def _turn(self) -> None:
        """Forget who was not heard for a whole turn."""
        self._members_before, self._members = self._members, {}

    def _set_health(self, state: State, detail: str, action: str) -> None:
        self._health.set(f"receiver:{self._receiver}", state, self._clock.now_ms(), detail, action)


def _address(path: str, changed: dict[str, Any]) -> bytes:
    """The resolvable address that the path ends in, 6 bytes; empty if BlueZ says that it is a public one.

    BlueZ names the type only when the device is new. A public address of the same form costs a look and matches
    a colleague's key by accident once in 16 million.
    """
    kind = changed.get("AddressType")
    if kind is not None and kind.value != "random":
        return b""
    return bytes.fromhex(path[-_ADDRESS_CHARS:].replace("_", ""))
