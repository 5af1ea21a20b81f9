"""One adapter of BlueZ: its power and life over D-Bus, its scan through bleak. Alone imports bleak and dbus_fast.

bleak mirrors every device that BlueZ reports, until BlueZ forgets it: 30 s after it was last heard (main.conf,
TemporaryTimeout). Nothing else here keeps what was heard, and the mirror is dropped when BlueZ goes away.
BlueZ's words: doc/org.bluez.Adapter.rst and doc/org.bluez.Device.rst.
"""

import asyncio
import logging
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from bleak import BleakScanner
from bleak.backends.bluezdbus.manager import get_global_bluez_manager
from bleak.backends.bluezdbus.scanner import BleakScannerBlueZDBus
from bleak.exc import BleakBluetoothNotAvailableError, BleakDBusError, BleakError
from dbus_fast import AuthError, BusType, DBusFastError, Message, MessageType, Variant
from dbus_fast.aio import MessageBus

from gateway.errors import UnavailableError

# At DEBUG both write every stranger's address and payload to the log, and their errors may quote a message.
for _name in ("bleak", "dbus_fast"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)

BLUEZ = "org.bluez"
ADAPTER = "org.bluez.Adapter1"
PROPERTIES = "org.freedesktop.DBus.Properties"
OBJECT_MANAGER = "org.freedesktop.DBus.ObjectManager"
BUS = "org.freedesktop.DBus"

# BlueZ reports only RSSI steps of 8 dB or more (src/device.c, RSSI_THRESHOLD) unless the discovery filter names an
# RSSI; -120 dBm lets everything pass. DuplicateData: unchanged advertisements are reported too.
FILTERS: Any = {"RSSI": -120, "DuplicateData": True}

# Answers take milliseconds; the slowest seen, an adapter that is just coming up, 3 s.
CALL_S = 10
CLOSE_S = 1
STOP_S = 5
# An adapter that has just appeared answers Busy for a second or two. 3 s in all, then the supervisor's turn.
RETRY_PAUSES_S = (0.2, 0.4, 0.8, 1.6)
_PASSING = ("busy", "off")
# The kernel gives each adapter the lowest free number. Asking for one that is not there costs 1 ms.
HIGHEST_ADAPTER = 15
RFKILL = Path("/sys/class/rfkill")

# What a person in the shop reads and can do.
TROUBLES = {
    "no_bus": ("there is no D-Bus system bus", "Start dbus; in a container, mount /run/dbus."),
    "no_bluez": ("BlueZ is not running", "sudo systemctl start bluetooth"),
    "denied": ("this user may not use Bluetooth", "Add the service's user to the group bluetooth."),
    "no_adapter": ("the Bluetooth adapter is not there", "Plug it in, or name another one in [[source]]."),
    "off": ("the Bluetooth adapter is switched off", "sudo systemctl restart bluetooth; else replug the adapter."),
    "blocked": ("the Bluetooth adapter is blocked (rfkill)", "sudo rfkill unblock bluetooth"),
    "busy": ("the Bluetooth adapter is busy", "Stop other programs that scan; else replug the adapter."),
    "no_answer": ("BlueZ does not answer", "sudo systemctl restart bluetooth"),
    "other": ("Bluetooth failed", "sudo systemctl restart bluetooth; then run store-gateway doctor."),
}
_TROUBLE_OF = {
    f"{BUS}.Error.ServiceUnknown": "no_bluez",
    f"{BUS}.Error.NameHasNoOwner": "no_bluez",
    f"{BUS}.Error.NoReply": "no_answer",
    f"{BUS}.Error.AccessDenied": "denied",
    f"{BUS}.Error.UnknownObject": "no_adapter",
    f"{BUS}.Error.UnknownMethod": "no_adapter",  # what BlueZ itself answers for a path that is gone
    f"{BUS}.Error.InvalidArgs": "no_property",
    f"{BUS}.Error.UnknownProperty": "no_property",
    "org.bluez.Error.NotReady": "off",
    "org.bluez.Error.Blocked": "blocked",
    "org.bluez.Error.Busy": "busy",
    "org.bluez.Error.InProgress": "busy",
}

# BlueZ's path of the device and the properties of org.bluez.Device1 as they are now, plain values.
OnAdvertisement = Callable[[str, Mapping[str, Any]], None]
_BLEAK_ERRORS = (BleakError, DBusFastError, OSError, EOFError, KeyError)


class BluezError(UnavailableError):
    """What is wrong with bus, BlueZ or adapter: `name` is a key of TROUBLES, the text is for people."""

    def __init__(self, name: str) -> None:
        detail, self.action = TROUBLES.get(name, TROUBLES["other"])
        super().__init__(detail)
        self.name = name


class _Scanner(BleakScannerBlueZDBus):
    """bleak's scanner without its own table of devices, and without the objects that it makes of each advertisement."""

    on_advertisement: OnAdvertisement

    def _handle_advertising_data(self, path: str, props: Any) -> None:
        self.on_advertisement(path, props)


class Adapter:
    """The adapter `wanted` ("hci0", or its address) on a bus connection of its own. Every method may raise BluezError.

    `on_advertisement` must not raise.
    """

    def __init__(self, wanted: str, on_advertisement: OnAdvertisement) -> None:
        self._wanted = wanted
        self._on_advertisement = on_advertisement
        self._bus: MessageBus | None = None
        self._ended: asyncio.Task[None] | None = None
        self._scanner: BleakScanner | None = None
        self._news = asyncio.Event()
        self._is_stale = False  # bleak's connection and mirror are to be made anew
        self._path = ""

    async def open(self) -> None:
        """Connect, find the adapter, switch it on if need be, and scan."""
        self._bus, self._ended = await _connected(self._news.set)
        self._bus.add_message_handler(self._on_message)
        self._path = await self._find()
        for rule in _rules(self._path):
            await _call(self._bus, "/org/freedesktop/DBus", BUS, "AddMatch", "s", [rule], destination=BUS)
        await self._power_on_if_off()
        if self._is_stale:
            await _drop_mirror()
            self._is_stale = False
        try:
            await self.start_scan()
        except BluezError as trouble:
            if trouble.name != "busy":
                raise
            # Up to 5.87 BlueZ may lose track of a discovery and refuse others until the power goes off (issue 807).
            await self.power_cycle()

    async def close(self) -> None:
        """Stop the scan and give the connection back."""
        with suppress(BluezError):
            await self._stop_scan()
        bus, ended, self._bus, self._ended = self._bus, self._ended, None, None
        if bus is not None and ended is not None:
            bus.disconnect()
            await asyncio.wait({ended}, timeout=CLOSE_S)
            ended.cancel()

    async def news(self) -> None:
        """Wait until adapter, BlueZ or bus may have gone, or the power changed."""
        await self._news.wait()
        self._news.clear()

    async def switch_on(self) -> bool:
        """Switch the adapter on and scan again if somebody switched it off; True if that was so."""
        if not await self._power_on_if_off():
            return False
        await self.restart_scan()
        return True

    async def is_scanning(self) -> bool:
        """False if BlueZ says that it does not discover; a BlueZ that does not say is believed."""
        return await self._read("Discovering") is not False

    async def start_scan(self) -> None:
        """Discover with our filter; patient with an adapter that is just coming up."""
        name = self._path.rpartition("/")[2]
        backend = type("_Scanner", (_Scanner,), {"on_advertisement": staticmethod(self._on_advertisement)})
        scanner = self._scanner = BleakScanner(bluez={"adapter": name, "filters": FILTERS}, backend=backend)
        for pause_s in (*RETRY_PAUSES_S, None):
            try:
                await _start_once(scanner)
                return
            except _BLEAK_ERRORS as error:
                trouble = _trouble_of(error)
                if trouble not in _PASSING or pause_s is None:
                    self._is_stale = True
                    raise BluezError(trouble) from error
            await asyncio.sleep(pause_s)

    async def restart_scan(self) -> None:
        """Stop discovering and start again."""
        try:
            await self._stop_scan()
        except BluezError as trouble:
            if trouble.name not in ("other", "off", "busy"):  # "other": there was no discovery of ours
                raise
        await self.start_scan()

    async def _stop_scan(self) -> None:
        scanner, self._scanner = self._scanner, None
        if scanner is None:
            return
        try:
            async with asyncio.timeout(STOP_S):
                await scanner.stop()
        except _BLEAK_ERRORS as error:
            self._is_stale = True  # BlueZ may go on for a client that it takes for alive
            raise BluezError(_trouble_of(error)) from error

    async def power_cycle(self) -> None:
        """Switch the adapter off and on, and scan again."""
        await self._power(False)
        await self._power(True)
        await self.restart_scan()

    async def reopen(self) -> None:
        """Begin anew: other connections, bleak's too, and the adapter looked up again."""
        await self.close()
        self._is_stale = True
        await self.open()

    async def _find(self) -> str:
        if not _is_address(self._wanted):
            return _path_of(self._wanted)
        for name, address in (await _adapters(self._open_bus)).items():
            if address == self._wanted.upper():
                return _path_of(name)
        raise BluezError("no_adapter")

    async def _power_on_if_off(self) -> bool:
        if await self._read("Powered") is not False:
            return False
        if _is_blocked(self._path.rpartition("/")[2]):
            raise BluezError("blocked")
        await self._power(True)
        return True

    async def _power(self, on: bool) -> None:
        body = [ADAPTER, "Powered", Variant("b", on)]
        await self._patiently("Set", "ssv", body, PROPERTIES)

    async def _read(self, name: str) -> Any:
        """A property of the adapter, None if this BlueZ does not have it."""
        return await _read(self._open_bus, self._path, name)

    async def _patiently(
        self, member: str, signature: str = "", body: list[Any] | None = None, interface: str = ADAPTER
    ) -> None:
        for pause_s in RETRY_PAUSES_S:
            try:
                await self._ask(member, signature, body, interface)
                return
            except BluezError as trouble:
                if trouble.name not in _PASSING:
                    raise
            await asyncio.sleep(pause_s)
        await self._ask(member, signature, body, interface)

    async def _ask(
        self, member: str, signature: str = "", body: list[Any] | None = None, interface: str = ADAPTER
    ) -> None:
        await _call(self._open_bus, self._path, interface, member, signature, body)

    @property
    def _open_bus(self) -> MessageBus:
        if self._bus is None:  # a step of the ladder failed to open it anew
            raise BluezError("no_bus")
        return self._bus

    def _on_message(self, message: Message) -> None:
        """A change of power, the adapter's removal, BlueZ's coming or going."""
        if message.message_type is not MessageType.SIGNAL:
            return
        if message.member == "NameOwnerChanged":
            self._is_stale = True
        if message.member != "PropertiesChanged" or "Powered" in message.body[1]:
            self._news.set()


async def adapters() -> dict[str, str]:
    """Name and address of the adapters that BlueZ knows; empty without one, without BlueZ or without D-Bus."""
    try:
        bus, ended = await _connected(lambda: None)
    except BluezError:
        return {}
    try:
        return await _adapters(bus)
    except BluezError:
        return {}
    finally:
        bus.disconnect()
        await asyncio.wait({ended}, timeout=CLOSE_S)


async def _adapters(bus: MessageBus) -> dict[str, str]:
    # By number and not by GetManagedObjects, which would bring every device that BlueZ has heard.
    found = {}
    for number in range(HIGHEST_ADAPTER + 1):
        try:
            address = await _read(bus, _path_of(f"hci{number}"), "Address")
        except BluezError as trouble:
            if trouble.name != "no_adapter":
                raise
        else:
            found[f"hci{number}"] = str(address or "").upper()
    return found


async def _connected(on_end: Callable[[], None]) -> tuple[MessageBus, asyncio.Task[None]]:
    """A connection and the task that ends with it; `on_end` is called when it is lost."""
    try:
        bus = MessageBus(bus_type=BusType.SYSTEM)
        async with asyncio.timeout(CALL_S):
            await bus.connect()
    except AuthError as error:
        raise BluezError("denied") from error
    except (DBusFastError, OSError, EOFError) as error:  # OSError: TimeoutError too
        raise BluezError("no_bus") from error
    ended = asyncio.create_task(_wait_for_end(bus))
    ended.add_done_callback(lambda _: on_end())
    return bus, ended


async def _wait_for_end(bus: MessageBus) -> None:
    # How it ended is no news, but must be picked up.
    await asyncio.gather(bus.wait_for_disconnect(), return_exceptions=True)  # type: ignore[no-untyped-call]


async def _read(bus: MessageBus, path: str, name: str) -> Any:
    """A property of the adapter at `path`, None if this BlueZ does not have it. Raises BluezError."""
    try:
        (value,) = await _call(bus, path, PROPERTIES, "Get", "ss", [ADAPTER, name])
    except BluezError as trouble:
        if trouble.name != "no_property":
            raise
        return None
    return value.value


async def _call(
    bus: MessageBus,
    path: str,
    interface: str,
    member: str,
    signature: str = "",
    body: list[Any] | None = None,
    destination: str = BLUEZ,
) -> list[Any]:
    """The body of the reply. Raises BluezError for an error reply, and for none within CALL_S."""
    message = Message(destination, path, interface, member, signature=signature, body=body or [])
    if not bus.connected:
        raise BluezError("no_bus")
    try:
        async with asyncio.timeout(CALL_S):
            reply: Message | None = await bus.call(message)
    except TimeoutError as error:
        raise BluezError("no_answer") from error
    except (DBusFastError, OSError, EOFError, ValueError) as error:  # whatever ended the connection meanwhile
        raise BluezError("no_bus") from error
    if reply is None:
        raise BluezError("no_bus")
    if reply.message_type is MessageType.ERROR:
        raise BluezError(_TROUBLE_OF.get(reply.error_name or "", "other"))
    return reply.body


def _rules(path: str) -> tuple[str, ...]:
    """What the bus shall bring: this adapter's power and removal, and BlueZ's own coming and going."""
    of_bluez = f"type='signal',sender='{BLUEZ}'"
    return (
        f"{of_bluez},interface='{OBJECT_MANAGER}',member='InterfacesRemoved',arg0path='{path}'",
        f"{of_bluez},interface='{PROPERTIES}',member='PropertiesChanged',path='{path}'",
        f"type='signal',sender='{BUS}',interface='{BUS}',member='NameOwnerChanged',arg0='{BLUEZ}'",
    )


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


async def _drop_mirror() -> None:
    """Make bleak begin anew: without BlueZ's word nothing ever leaves its mirror of BlueZ's devices."""
    with suppress(*_BLEAK_ERRORS):
        manager = await get_global_bluez_manager()
        if manager._bus is not None:
            manager._bus.disconnect()
            await asyncio.sleep(0)


def _trouble_of(error: BaseException) -> str:
    """The key of TROUBLES for what bleak raised."""
    if isinstance(error, BleakDBusError):
        return _TROUBLE_OF.get(error.dbus_error, "other")
    if isinstance(error, BleakBluetoothNotAvailableError):
        return "denied"  # the bus refused to let us in; the other reasons come only without an adapter's name
    if isinstance(error, TimeoutError):
        return "no_answer"
    if isinstance(error, BleakError):
        return "no_adapter"  # bleak knows no such adapter
    return "no_bus" if isinstance(error, (OSError, EOFError, DBusFastError)) else "other"


def _path_of(name: str) -> str:
    return f"/org/bluez/{name}"


def is_adapter(target: str) -> bool:
    """Whether a device path's target names an adapter, as "hci0" or by its address."""
    return bool(re.fullmatch(r"hci\d{1,3}", target)) or _is_address(target)


def _is_address(target: str) -> bool:
    return bool(re.fullmatch(r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}", target))


def _is_blocked(name: str) -> bool:
    """Whether rfkill holds the adapter down, by a key of the device or by command; False where there is no rfkill."""
    for switch in RFKILL.glob("rfkill*"):
        with suppress(OSError):
            if (switch / "name").read_text().strip() == name:
                return "1" in (switch / "soft").read_text() + (switch / "hard").read_text()
    return False
