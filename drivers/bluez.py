"""One adapter of BlueZ: its power, its life and its scan. Alone imports dbus_fast.

BlueZ's words: doc/org.bluez.Adapter.rst and doc/org.bluez.Device.rst.
"""

import asyncio
import logging
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from dbus_fast import AuthError, BusType, DBusFastError, Message, MessageType, Variant
from dbus_fast.aio import MessageBus

from drivers import troubles
from drivers.scan import OnAdvertisement, Scan
from drivers.troubles import BluezError

# At DEBUG it writes every stranger's address and payload to the log, and its errors may quote a message.
logging.getLogger("dbus_fast").setLevel(logging.CRITICAL)

BLUEZ = "org.bluez"
ADAPTER = "org.bluez.Adapter1"
PROPERTIES = "org.freedesktop.DBus.Properties"
OBJECT_MANAGER = "org.freedesktop.DBus.ObjectManager"
BUS = "org.freedesktop.DBus"

# Giving the connection back is a formality.
CLOSE_S = 1
# The kernel gives each adapter the lowest free number. Asking for one that is not there costs 1 ms.
HIGHEST_ADAPTER = 15
RFKILL = Path("/sys/class/rfkill")


class Adapter:
    """The adapter `wanted` ("hci0", or its address) on a bus connection of its own. Every method may raise BluezError.

    `on_advertisement` must not raise.
    """

    def __init__(self, wanted: str, on_advertisement: OnAdvertisement) -> None:
        self._wanted = wanted
        self._scan = Scan(on_advertisement)
        self._bus: MessageBus | None = None
        self._ended: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self._path = ""

    async def open(self) -> None:
        """Connect, find the adapter, switch it on if need be, and scan."""
        self._bus, self._ended = await _connected(self._news.set)
        self._bus.add_message_handler(self._on_message)
        self._path = await self._find()
        for rule in _rules(self._path):
            await _call(self._bus, "/org/freedesktop/DBus", BUS, "AddMatch", "s", [rule], destination=BUS)
        await self._power_on_if_off()
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
            await self._scan.stop()
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
        """Discover; patient with an adapter that is just coming up."""
        await self._scan.start(self._path.rpartition("/")[2])

    async def restart_scan(self) -> None:
        """Stop discovering and start again."""
        try:
            await self._scan.stop()
        except BluezError as trouble:
            if trouble.name not in ("other", "off", "busy"):  # "other": there was no discovery of ours
                raise
        await self.start_scan()

    async def power_cycle(self) -> None:
        """Switch the adapter off and on, and scan again."""
        await self._power(False)
        await self._power(True)
        await self.restart_scan()

    async def reopen(self) -> None:
        """Begin anew: other connections, bleak's too, and the adapter looked up again."""
        await self.close()
        self._scan.forget()
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
        for pause_s in troubles.RETRY_PAUSES_S:
            try:
                await self._ask(member, signature, body, interface)
                return
            except BluezError as trouble:
                if trouble.name not in troubles.PASSING:
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
            self._scan.forget()
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
        async with asyncio.timeout(troubles.CALL_S):
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
    await asyncio.gather(bus.wait_for_disconnect(), return_exceptions=True)  # type: ignore[no-untyped-call]  # dbus-fast gives it none


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
        async with asyncio.timeout(troubles.CALL_S):
            reply: Message | None = await bus.call(message)
    except TimeoutError as error:
        raise BluezError("no_answer") from error
    except (DBusFastError, OSError, EOFError, ValueError) as error:  # whatever ended the connection meanwhile
        raise BluezError("no_bus") from error
    if reply is None:
        raise BluezError("no_bus")
    if reply.message_type is MessageType.ERROR:
        raise BluezError(troubles.name_of(reply.error_name))
    return reply.body


def _rules(path: str) -> tuple[str, ...]:
    """What the bus shall bring: this adapter's power and removal, and BlueZ's own coming and going."""
    of_bluez = f"type='signal',sender='{BLUEZ}'"
    return (
        f"{of_bluez},interface='{OBJECT_MANAGER}',member='InterfacesRemoved',arg0path='{path}'",
        f"{of_bluez},interface='{PROPERTIES}',member='PropertiesChanged',path='{path}'",
        f"type='signal',sender='{BUS}',interface='{BUS}',member='NameOwnerChanged',arg0='{BLUEZ}'",
    )


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
