"""The Bluetooth ear: an active scan through BlueZ. Alone imports bleak and dbus_fast; keeps nothing of what it hears.

What stays outside our hands: bleak's own table mirrors BlueZ's, which forgets a device 30 s after it last
heard it (main.conf, TemporaryTimeout), and loses the entry with it.
"""

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, NoReturn

from bleak import BleakScanner
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData
from bleak.exc import BleakBluetoothNotAvailableError, BleakDBusError, BleakError
from dbus_fast import BusType, DBusFastError, Message, MessageType
from dbus_fast.aio import MessageBus

from drivers.ears import Ears
from gateway.config import SourceTable
from gateway.core.ports import Clock
from gateway.errors import ConfigError, UnavailableError
from gateway.health import Health

# At DEBUG both libraries write every stranger's address and payload to the log.
for _name in ("bleak", "dbus_fast"):
    logging.getLogger(_name).setLevel(logging.WARNING)

_BLUEZ = "org.bluez"
_ADAPTER_INTERFACE = "org.bluez.Adapter1"

# BlueZ reports only RSSI steps of 8 dB or more (src/device.c, RSSI_THRESHOLD) unless the discovery filter names an
# RSSI; -120 dBm lets everything pass. DuplicateData: unchanged advertisements are reported too.
_FILTERS: Any = {"RSSI": -120, "DuplicateData": True}
_NO_RSSI_DBM = -127  # bleak's word for "BlueZ gave none"

# A shop is never without an advertisement for so long; habluetooth's watchdog uses the same figure.
SILENCE_S = 90
# One small D-Bus call each. 90 s must be a multiple, or silence is noticed late.
TICK_S = 5
# BlueZ may be between two discoveries at one tick, but not at two in a row.
STOPPED_TICKS = 2
# Answers take milliseconds; the slowest seen, an adapter that is just coming up, 3 s.
CALL_S = 10
STOP_S = 5
# An adapter that has just appeared answers Busy for a second or two. 3 s in all, then the supervisor's turn.
RETRY_PAUSES_S = (0.2, 0.4, 0.8, 1.6)
_PASSING = {f"org.bluez.Error.{name}" for name in ("Busy", "NotReady", "InProgress")}

_VENDOR_ERRORS = (BleakError, DBusFastError, OSError, EOFError, KeyError)

# What a person in the shop reads and can do.
_TROUBLES = {
    "no_bus": ("there is no D-Bus system bus", "Start dbus; in a container, mount /run/dbus."),
    "no_bluez": ("BlueZ is not running", "sudo systemctl start bluetooth"),
    "denied": ("this user may not use Bluetooth", "Add the service's user to the group bluetooth."),
    "no_adapter": ("the Bluetooth adapter is not there", "Plug it in, or name another one in [[source]]."),
    "off": ("the Bluetooth adapter is switched off", "rfkill unblock bluetooth; bluetoothctl power on"),
    "busy": ("the Bluetooth adapter is busy", "Stop other programs that scan; else replug the adapter."),
    "stopped": ("BlueZ stopped the scan", "Nothing: the scan starts again by itself."),
    "no_answer": ("BlueZ does not answer", "sudo systemctl restart bluetooth"),
    "silent": (f"no advertisement for {SILENCE_S} s", "Check the antenna; else replug the adapter."),
    "other": ("Bluetooth failed", "sudo systemctl restart bluetooth; then run store-gateway doctor."),
}
_TROUBLE_OF_DBUS_ERROR = {
    "org.freedesktop.DBus.Error.ServiceUnknown": "no_bluez",
    "org.freedesktop.DBus.Error.NameHasNoOwner": "no_bluez",
    "org.freedesktop.DBus.Error.NoReply": "no_answer",
    "org.freedesktop.DBus.Error.AccessDenied": "denied",
    "org.freedesktop.DBus.Error.UnknownObject": "no_adapter",
    "org.freedesktop.DBus.Error.UnknownMethod": "no_adapter",  # what BlueZ itself answers for a path that is gone
    "org.bluez.Error.NotReady": "off",
    "org.bluez.Error.Busy": "busy",
    "org.bluez.Error.InProgress": "busy",
}


class _Lost(Exception):  # noqa: N818 - a finding of ours, turned into UnavailableError at the door
    def __init__(self, trouble: str) -> None:
        super().__init__(trouble)
        self.trouble = trouble


class BleSource:
    """`ble:hci0`: every advertisement BlueZ hears, straight to the ears. Raises ConfigError for another path."""

    def __init__(self, table: SourceTable, ears: Ears, clock: Clock, health: Health) -> None:
        if not re.fullmatch(r"hci\d+", table.target) or table.options:
            raise ConfigError(f"{table.path}: expected ble: and an adapter's name without options, e.g. ble:hci0")
        self._adapter = table.target
        self._receiver = table.receiver or table.target
        self._ears = ears
        self._clock = clock
        self._health = health
        self._heard = 0

    async def run(self) -> NoReturn:
        """Scan until cancelled. Raises UnavailableError in plain words when bus, BlueZ, adapter or air is gone."""
        try:
            await self._scan()
        except (_Lost, *_VENDOR_ERRORS) as error:
            detail, action = _TROUBLES[_trouble_of(error)]
            self._set_health("down", detail, action)
            raise UnavailableError(detail) from error

    async def _scan(self) -> NoReturn:
        self._heard = 0
        scanner = BleakScanner(self._on_advertisement, bluez={"adapter": self._adapter, "filters": _FILTERS})
        try:
            await self._start(scanner)
            async with _system_bus() as bus:
                await self._watch(bus)
        finally:
            await self._stop(scanner)

    async def _start(self, scanner: BleakScanner) -> None:
        for pause_s in RETRY_PAUSES_S:
            try:
                await _start_once(scanner)
                break
            except BleakDBusError as error:
                if error.dbus_error not in _PASSING:
                    raise
            await asyncio.sleep(pause_s)
        else:
            await _start_once(scanner)
        if not self._heard:
            self._set_health("degraded", "listening, nothing heard yet", "Nothing, unless it lasts a minute.")

    async def _stop(self, scanner: BleakScanner) -> None:
        try:
            async with asyncio.timeout(STOP_S):
                await scanner.stop()
        except _VENDOR_ERRORS:  # most often because the adapter is gone already
            self._health.count("ble.stop_failed")

    async def _watch(self, bus: MessageBus) -> NoReturn:
        quiet_ticks = stopped_ticks = 0
        while True:
            heard = self._heard
            await asyncio.sleep(TICK_S)
            quiet_ticks = quiet_ticks + 1 if self._heard == heard else 0
            if quiet_ticks * TICK_S >= SILENCE_S:
                self._health.count("ble.silent")
                raise _Lost("silent")
            stopped_ticks = 0 if await self._is_discovering(bus) else stopped_ticks + 1
            if stopped_ticks == STOPPED_TICKS:
                self._health.count("ble.stopped")
                raise _Lost("stopped")

    async def _is_discovering(self, bus: MessageBus) -> bool:
        """Raises an error when the adapter is gone: bleak drops it from its table and tells nobody."""
        reply = await _call(
            bus,
            f"/org/bluez/{self._adapter}",
            "org.freedesktop.DBus.Properties",
            "Get",
            "ss",
            [_ADAPTER_INTERFACE, "Discovering"],
        )
        return bool(reply[0].value)

    def _on_advertisement(self, _: BLEDevice, data: AdvertisementData) -> None:
        if not self._heard:
            self._set_health("ok", "hears advertisements", "")
        self._heard += 1
        if data.rssi == _NO_RSSI_DBM:
            self._health.count("ble.no_rssi")
            return
        self._ears.heard_fields(self._receiver, data.rssi, data.service_data, data.manufacturer_data)

    def _set_health(self, state: Any, detail: str, action: str) -> None:
        self._health.set(f"receiver:{self._receiver}", state, self._clock.now_ms(), detail, action)


async def adapters() -> list[str]:
    """Names of the adapters that BlueZ knows, sorted; empty without one, without BlueZ or without D-Bus."""
    try:
        async with _system_bus() as bus:
            (objects,) = await _call(bus, "/", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")
    except _VENDOR_ERRORS:
        return []
    return sorted(path.rpartition("/")[2] for path, interfaces in objects.items() if _ADAPTER_INTERFACE in interfaces)


async def _start_once(scanner: BleakScanner) -> None:
    starting = asyncio.create_task(scanner.start())
    try:
        async with asyncio.timeout(CALL_S):
            await asyncio.shield(starting)
    finally:
        # Cancelled half-way, bleak would never stop the discovery that BlueZ goes on to start for us.
        if not starting.done():
            await asyncio.wait({starting}, timeout=STOP_S)
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)


async def _call(
    bus: MessageBus, path: str, interface: str, member: str, signature: str = "", body: list[Any] | None = None
) -> list[Any]:
    """The body of BlueZ's reply. Raises BleakDBusError for an error reply, TimeoutError or EOFError for none."""
    message = Message(_BLUEZ, path, interface, member, signature=signature, body=body or [])
    if not bus.connected:
        raise EOFError("the D-Bus connection is lost")
    async with asyncio.timeout(CALL_S):
        reply = await bus.call(message)
    if reply.message_type is MessageType.ERROR:
        raise BleakDBusError(reply.error_name or "", reply.body)
    return reply.body


@asynccontextmanager
async def _system_bus() -> AsyncIterator[MessageBus]:
    bus = MessageBus(bus_type=BusType.SYSTEM)
    async with asyncio.timeout(CALL_S):
        await bus.connect()
    try:
        yield bus
    finally:
        bus.disconnect()
        with suppress(*_VENDOR_ERRORS):  # how the connection ended is no news, but must be picked up
            async with asyncio.timeout(STOP_S):
                await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]


def _trouble_of(error: BaseException) -> str:
    if isinstance(error, _Lost):
        return error.trouble
    if isinstance(error, BleakDBusError):
        return _TROUBLE_OF_DBUS_ERROR.get(error.dbus_error, "other")
    if isinstance(error, BleakBluetoothNotAvailableError):
        return "denied"  # the bus refused to let us in; the other reasons come only without an adapter's name
    if isinstance(error, TimeoutError):
        return "no_answer"
    if isinstance(error, BleakError):
        return "no_adapter"  # bleak knows no such adapter
    if isinstance(error, (OSError, EOFError, DBusFastError)):
        return "no_bus"
    return "other"
