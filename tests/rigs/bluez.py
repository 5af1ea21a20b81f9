"""A fake BlueZ on a private D-Bus daemon, for the real bleak: one adapter, advertisements on command, faults.

What it does like BlueZ: discovery per client, nothing reported without discovery, RSSI steps under 8 dB held back
unless the discovery filter names RSSI (src/device.c). What it leaves out: a radio, connections, passive
scanning, and forgetting devices by itself.
"""

import asyncio
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from dbus_fast import BusType, Message, MessageType, Variant
from dbus_fast.aio import MessageBus

ADAPTER = "org.bluez.Adapter1"
DEVICE = "org.bluez.Device1"
PROPERTIES = "org.freedesktop.DBus.Properties"
OBJECT_MANAGER = "org.freedesktop.DBus.ObjectManager"
RSSI_STEP_DB = 8  # BlueZ, src/device.c: RSSI_THRESHOLD

BUS_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
    <allow user="*"/>
  </policy>
</busconfig>
"""

Properties = dict[str, Variant]


class FakeBluez:
    """`async with FakeBluez() as bluez`, then set DBUS_SYSTEM_BUS_ADDRESS to `bluez.address` for who shall use it."""

    def __init__(self, adapter: str = "hci0") -> None:
        self.address = ""
        self.adapter_path = f"/org/bluez/{adapter}"
        self.calls: list[str] = []  # adapter methods in the order they came
        self.filter: dict[str, Any] = {}  # of the last SetDiscoveryFilter
        self.fail_start_discovery: list[str] = []  # D-Bus error names, one used up by each StartDiscovery
        self.start_delay_s = 0.0  # how long StartDiscovery takes to be answered
        self.hang = False  # method calls get no answer
        self.omit_rssi = False
        self.omit_roles = False
        self.broken_object = False  # an object without a property that bleak counts on
        self._has_adapter = True
        self._powered = True
        self._sessions: set[str] = set()  # unique names of the clients that discover
        self._devices: dict[str, Properties] = {}
        self._reported_dbm: dict[str, int] = {}
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._daemon: subprocess.Popen[str] | None = None
        self._bus: MessageBus | None = None

    async def __aenter__(self) -> Self:
        self._start_daemon()
        await self._connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._disconnect()
        self.stop_daemon()

    @property
    def discovering(self) -> bool:
        return bool(self._sessions)

    async def advertise(self, address: str, rssi_dbm: int, ad: bytes) -> None:
        """Put one advertisement on the air; nobody is told while nobody discovers."""
        if not self.discovering or not self._has_adapter:
            return
        path = self._device_path(address)
        heard = {} if self.omit_rssi else {"RSSI": Variant("n", rssi_dbm)}
        heard |= data_properties(ad)
        known = self._devices.get(path)
        if known is None:
            self._devices[path] = self._new_device(address) | heard
            self._reported_dbm[path] = rssi_dbm
            self._signal("/", OBJECT_MANAGER, "InterfacesAdded", "oa{sa{sv}}", [path, {DEVICE: self._devices[path]}])
            return
        step_db = abs(rssi_dbm - self._reported_dbm[path])
        if step_db == 0 or (step_db < RSSI_STEP_DB and not {"RSSI", "Pathloss"} & self.filter.keys()):
            heard.pop("RSSI", None)
        else:
            self._reported_dbm[path] = rssi_dbm
        if not self.filter.get("DuplicateData", True):
            heard = {name: value for name, value in heard.items() if known.get(name) != value}
        known |= heard
        if heard:
            self._signal(path, PROPERTIES, "PropertiesChanged", "sa{sv}as", [DEVICE, heard, []])

    async def forget_device(self, address: str) -> None:
        """What BlueZ does by itself 30 s after it last heard a device that is not paired."""
        path = self._device_path(address)
        del self._devices[path]
        self._signal("/", OBJECT_MANAGER, "InterfacesRemoved", "oas", [path, [DEVICE]])

    async def remove_adapter(self) -> None:
        for path in list(self._devices):
            del self._devices[path]
            self._signal("/", OBJECT_MANAGER, "InterfacesRemoved", "oas", [path, [DEVICE]])
        self._sessions.clear()
        self._has_adapter = False
        self._signal("/", OBJECT_MANAGER, "InterfacesRemoved", "oas", [self.adapter_path, [ADAPTER]])

    async def add_adapter(self) -> None:
        self._has_adapter = True
        body = [self.adapter_path, {ADAPTER: self._adapter()}]
        self._signal("/", OBJECT_MANAGER, "InterfacesAdded", "oa{sa{sv}}", body)

    async def power(self, on: bool) -> None:
        self._powered = on
        if not on:
            self._sessions.clear()
        changed = {"Powered": Variant("b", on), "Discovering": Variant("b", self.discovering)}
        self._signal(self.adapter_path, PROPERTIES, "PropertiesChanged", "sa{sv}as", [ADAPTER, changed, []])

    async def stop_bluez(self) -> None:
        """bluetoothd is gone, the D-Bus daemon stays."""
        await self._disconnect()

    async def restart(self) -> None:
        """bluetoothd dies and comes back: its name is lost and regained, and all sessions and devices are gone."""
        await self._disconnect()
        self._sessions.clear()
        self._devices.clear()
        await self._connect()
        await self.add_adapter()

    def stop_daemon(self) -> None:
        """End the D-Bus daemon itself, under everybody."""
        if self._daemon is not None:
            self._daemon.terminate()
            self._daemon.wait(5)
            assert self._daemon.stdout is not None
            self._daemon.stdout.close()
            self._daemon = None
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def _start_daemon(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="bluez-")
        config = Path(self._folder.name, "bus.conf")
        config.write_text(BUS_CONFIG.format(socket=Path(self._folder.name, "bus")))
        command = ["dbus-daemon", f"--config-file={config}", "--nofork", "--print-address"]
        self._daemon = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._daemon.stdout is not None
        self.address = self._daemon.stdout.readline().strip()
        assert self.address, "dbus-daemon did not start"

    async def _connect(self) -> None:
        self._bus = await MessageBus(bus_address=self.address, bus_type=BusType.SYSTEM).connect()
        self._bus.add_message_handler(self._on_message)
        rule = "type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged'"
        await self._bus.call(
            Message(
                destination="org.freedesktop.DBus",
                path="/org/freedesktop/DBus",
                interface="org.freedesktop.DBus",
                member="AddMatch",
                signature="s",
                body=[rule],
            )
        )
        await self._bus.request_name("org.bluez")

    async def _disconnect(self) -> None:
        if self._bus is not None:
            self._bus.disconnect()
            with suppress(EOFError, OSError):  # the daemon was stopped before us
                await self._bus.wait_for_disconnect()  # type: ignore[no-untyped-call]
            self._bus = None

    def _on_message(self, message: Message) -> Message | bool | None:
        if message.message_type is MessageType.SIGNAL:
            if message.member == "NameOwnerChanged" and not message.body[2]:
                self._sessions.discard(message.body[0])
            return None
        if message.message_type is not MessageType.METHOD_CALL:
            return None
        if self.hang:
            return True
        if message.interface == OBJECT_MANAGER:
            return Message.new_method_return(message, "a{oa{sa{sv}}}", [self._objects()])
        if message.path != self.adapter_path or not self._has_adapter:
            return Message.new_error(message, "org.freedesktop.DBus.Error.UnknownObject", "no such object")
        if message.interface == PROPERTIES and message.member == "Get":
            return Message.new_method_return(message, "v", [self._adapter()[message.body[1]]])
        reply = self._on_adapter_call(message)
        if message.member == "StartDiscovery" and self.start_delay_s:
            assert self._bus is not None
            asyncio.get_running_loop().call_later(self.start_delay_s, self._bus.send, reply)
            return True
        return reply

    def _on_adapter_call(self, message: Message) -> Message:
        member, sender = message.member or "", message.sender or ""
        self.calls.append(member)
        error = None
        if member == "SetDiscoveryFilter":
            self.filter = {name: variant.value for name, variant in message.body[0].items()}
        elif member == "StartDiscovery":
            error = self._start_error(sender)
            if error is None:
                self._sessions.add(sender)
        elif member == "StopDiscovery":
            error = None if sender in self._sessions else "org.bluez.Error.Failed"
            self._sessions.discard(sender)
        if error is not None:
            return Message.new_error(message, error, "told to fail")
        return Message.new_method_return(message)

    def _start_error(self, sender: str) -> str | None:
        if self.fail_start_discovery:
            return self.fail_start_discovery.pop(0)
        if not self._powered:
            return "org.bluez.Error.NotReady"
        return "org.bluez.Error.InProgress" if sender in self._sessions else None

    def _signal(self, path: str, interface: str, member: str, signature: str, body: list[Any]) -> None:
        assert self._bus is not None
        self._bus.send(Message.new_signal(path, interface, member, signature, body))

    def _objects(self) -> dict[str, dict[str, Properties]]:
        objects: dict[str, dict[str, Properties]] = {"/org/bluez": {}}
        if self._has_adapter:
            objects[self.adapter_path] = {ADAPTER: self._adapter()}
        if self.broken_object:
            service = {"org.bluez.GattService1": {"UUID": Variant("s", uuid128(0x180F))}}
            objects[f"{self.adapter_path}/dev_00_00_00_00_00_00/service0001"] = service
        return objects | {path: {DEVICE: properties} for path, properties in self._devices.items()}

    def _adapter(self) -> Properties:
        properties = {
            "Address": Variant("s", "00:1A:7D:00:00:01"),
            "Name": Variant("s", "rig"),
            "Alias": Variant("s", "rig"),
            "Powered": Variant("b", self._powered),
            "Discovering": Variant("b", self.discovering),
        }
        return properties if self.omit_roles else properties | {"Roles": Variant("as", ["central", "peripheral"])}

    def _device_path(self, address: str) -> str:
        return f"{self.adapter_path}/dev_{address.replace(':', '_')}"

    def _new_device(self, address: str) -> Properties:
        texts = {"Address": address, "AddressType": "random", "Alias": address.replace(":", "-")}
        flags = ("Paired", "Trusted", "Blocked", "LegacyPairing", "Connected", "ServicesResolved")
        properties = {name: Variant("s", text) for name, text in texts.items()}
        properties |= {name: Variant("b", False) for name in flags}
        return properties | {"UUIDs": Variant("as", []), "Adapter": Variant("o", self.adapter_path)}


def data_properties(ad: bytes) -> Properties:
    """AD structures as the properties of Device1 that BlueZ makes of them."""
    uuids: list[str] = []
    services: dict[str, Variant] = {}
    companies: dict[int, Variant] = {}
    at = 0
    while at < len(ad) and ad[at]:
        kind, data = ad[at + 1], ad[at + 2 : at + 1 + ad[at]]
        at += 1 + ad[at]
        key = int.from_bytes(data[:2], "little")
        if kind in (0x02, 0x03):
            uuids += [uuid128(int.from_bytes(data[i : i + 2], "little")) for i in range(0, len(data), 2)]
        elif kind == 0x16:
            services[uuid128(key)] = Variant("ay", data[2:])
        elif kind == 0xFF:
            companies[key] = Variant("ay", data[2:])
    found: tuple[tuple[str, str, Any], ...] = (
        ("UUIDs", "as", uuids),
        ("ServiceData", "a{sv}", services),
        ("ManufacturerData", "a{qv}", companies),
    )
    return {name: Variant(signature, value) for name, signature, value in found if value}


def uuid128(short: int) -> str:
    return f"0000{short:04x}-0000-1000-8000-00805f9b34fb"
