"""A fake BlueZ on a private D-Bus daemon: adapters, discovery, advertisements on command. For bench and tests.

What it does like BlueZ: discovery per client, nothing reported without discovery, RSSI steps under 8 dB held back
unless the discovery filter names RSSI (src/device.c), devices forgotten some time after they were last heard. What it
leaves out: a radio, connections, passive scanning. The faults that tests need are in tests/rigs/bluez.py.
"""

import asyncio
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from dbus_fast import BusType, Message, MessageType, Variant
from dbus_fast.aio import MessageBus

from gateway.errors import UnavailableError

ADAPTER = "org.bluez.Adapter1"
DEVICE = "org.bluez.Device1"
PROPERTIES = "org.freedesktop.DBus.Properties"
OBJECT_MANAGER = "org.freedesktop.DBus.ObjectManager"
_BUS = "org.freedesktop.DBus"
# A new device is about 900 bytes, and the kernel counts more than twice that; a socket takes 212 kB.
UNREAD = 50
RSSI_STEP_DB = 8  # BlueZ, src/device.c: RSSI_THRESHOLD
TEMPORARY_TIMEOUT_S = 30.0  # BlueZ, src/main.conf: TemporaryTimeout
SWEEP_S = 0.1

_BUS_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
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


@dataclass
class Radio:
    """One adapter and the devices that it knows, by object path; `heard_s` is in the order of time."""

    name: str
    address: str
    present: bool = True
    powered: bool = True
    filter: dict[str, Any] = field(default_factory=dict)  # of the last SetDiscoveryFilter
    sessions: set[str] = field(default_factory=set)  # unique names of the clients that discover
    devices: dict[str, Properties] = field(default_factory=dict)
    reported_dbm: dict[str, int] = field(default_factory=dict)
    heard_s: dict[str, float] = field(default_factory=dict)

    @property
    def path(self) -> str:
        return f"/org/bluez/{self.name}"

    def forget(self) -> Iterator[str]:
        """Empty the table; the paths that were in it."""
        paths = list(self.devices)
        for table in (self.devices, self.reported_dbm, self.heard_s):
            table.clear()
        yield from paths


class PlainBluez:
    """`async with PlainBluez() as bluez`, then set DBUS_SYSTEM_BUS_ADDRESS to `bluez.address` for who shall use it.

    Raises UnavailableError where there is no dbus-daemon.
    """

    def __init__(self, *names: str, forget_after_s: float | None = None) -> None:
        self.address = ""
        self.calls: list[str] = []  # adapter methods in the order they came
        self.radios = {
            name: Radio(name, f"00:1A:7D:00:00:{number:02X}") for number, name in enumerate(names or ("hci0",), 1)
        }
        self._forget_after_s = forget_after_s  # None: devices are never forgotten
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._daemon: subprocess.Popen[str] | None = None
        self._bus: MessageBus | None = None
        self._sweeper: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._start_daemon()
        await self._connect()
        if self._forget_after_s is not None:
            self._sweeper = asyncio.create_task(self._sweep(self._forget_after_s))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.gather(self._sweeper, return_exceptions=True)
        await self._disconnect()
        self.stop_daemon()

    @property
    def discovering(self) -> bool:
        """Whether any adapter has a client that discovers."""
        return any(radio.sessions for radio in self.radios.values())

    def put_on_air(self, address: str, rssi_dbm: int, data: Properties, radio: Radio) -> None:
        """Report one advertisement as BlueZ would: nobody is told while nobody discovers.

        After at most UNREAD of them, await `read_by_bus`: what does not fit into the socket ends the connection.
        """
        if not radio.sessions or not radio.present:
            return
        path = f"{radio.path}/dev_{address.replace(':', '_')}"
        now_s = asyncio.get_running_loop().time()
        radio.heard_s.pop(path, None)
        radio.heard_s[path] = now_s
        heard = {"RSSI": Variant("n", rssi_dbm), **data}
        known = radio.devices.get(path)
        if known is None:
            radio.devices[path] = _new_device(address, radio.path) | heard
            radio.reported_dbm[path] = rssi_dbm
            shown = self._shown(radio.devices[path])
            self._signal("/", OBJECT_MANAGER, "InterfacesAdded", "oa{sa{sv}}", [path, {DEVICE: shown}])
            return
        step_db = abs(rssi_dbm - radio.reported_dbm[path])
        if step_db < RSSI_STEP_DB and not {"RSSI", "Pathloss"} & radio.filter.keys():
            del heard["RSSI"]
        else:
            radio.reported_dbm[path] = rssi_dbm
        if not radio.filter.get("DuplicateData", True):
            heard = {name: value for name, value in heard.items() if name == "RSSI" or known.get(name) != value}
        known.update(heard)
        shown = self._shown(heard)
        if shown:
            self._changed(path, DEVICE, shown)

    async def read_by_bus(self) -> None:
        """Wait until the D-Bus daemon has taken everything that was sent."""
        assert self._bus is not None
        await self._bus.call(Message(_BUS, "/org/freedesktop/DBus", "org.freedesktop.DBus.Peer", "Ping"))

    async def forget_device(self, address: str, adapter: str = "hci0") -> None:
        """What BlueZ does by itself some time after it last heard a device that is not paired."""
        radio = self.radios[adapter]
        self._forget(radio, f"{radio.path}/dev_{address.replace(':', '_')}")

    def stop_daemon(self) -> None:
        """End the D-Bus daemon itself, under everybody."""
        self._kill_daemon()
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def _kill_daemon(self) -> None:
        if self._daemon is not None:
            self._daemon.terminate()
            self._daemon.wait(5)
            assert self._daemon.stdout is not None
            self._daemon.stdout.close()
            self._daemon = None

    def _start_daemon(self) -> None:
        if shutil.which("dbus-daemon") is None:
            raise UnavailableError("dbus-daemon is not installed: sudo apt install dbus")
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="bluez-")
        config, socket = Path(self._folder.name, "bus.conf"), Path(self._folder.name, "bus")
        config.write_text(_BUS_CONFIG.format(socket=socket))
        socket.unlink(missing_ok=True)
        command = ["dbus-daemon", f"--config-file={config}", "--nofork", "--print-address"]
        self._daemon = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self._daemon.stdout is not None
        if not self._daemon.stdout.readline():
            raise UnavailableError("dbus-daemon did not start")
        self.address = f"unix:path={socket}"  # without the guid, which changes when the daemon is started again

    async def _connect(self) -> None:
        self._bus = await MessageBus(bus_address=self.address, bus_type=BusType.SYSTEM).connect()
        self._bus.add_message_handler(self._on_message)
        rule = f"type='signal',sender='{_BUS}',member='NameOwnerChanged'"
        await self._bus.call(Message(_BUS, "/org/freedesktop/DBus", _BUS, "AddMatch", signature="s", body=[rule]))
        await self._bus.request_name("org.bluez")

    async def _disconnect(self) -> None:
        bus, self._bus = self._bus, None  # before the wait: whoever looks meanwhile may send no more
        if bus is not None:
            bus.disconnect()
            with suppress(EOFError, OSError):  # the daemon was stopped before us
                await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]  # dbus-fast gives it none

    async def _sweep(self, after_s: float) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            before_s = asyncio.get_running_loop().time() - after_s
            sent = 0
            for radio in self.radios.values():
                while radio.heard_s and (oldest := next(iter(radio.heard_s.items())))[1] <= before_s:
                    self._forget(radio, oldest[0])
                    sent += 1
                    if sent % UNREAD == 0:
                        await self.read_by_bus()

    def _forget(self, radio: Radio, path: str) -> None:
        for table in (radio.devices, radio.reported_dbm, radio.heard_s):
            table.pop(path)
        self._signal("/", OBJECT_MANAGER, "InterfacesRemoved", "oas", [path, [DEVICE]])

    def _on_message(self, message: Message) -> Message | bool | None:
        if message.message_type is MessageType.SIGNAL:
            if message.member == "NameOwnerChanged" and not message.body[2]:
                for radio in self.radios.values():
                    radio.sessions.discard(message.body[0])
            return None
        if message.message_type is not MessageType.METHOD_CALL:
            return None
        return self._answer(message)

    def _answer(self, message: Message) -> Message | bool:
        """The reply, or True for none."""
        if message.interface == OBJECT_MANAGER:
            return Message.new_method_return(message, "a{oa{sa{sv}}}", [self._objects()])
        radio = next((r for r in self.radios.values() if r.present and r.path == message.path), None)
        if radio is None:
            return Message.new_error(message, "org.freedesktop.DBus.Error.UnknownObject", "no such object")
        if message.interface == PROPERTIES and message.member == "Get":
            value = self._adapter(radio).get(message.body[1])
            if value is None:
                return Message.new_error(message, "org.freedesktop.DBus.Error.InvalidArgs", "No such property")
            return Message.new_method_return(message, "v", [value])
        self.calls.append(message.member or "")
        error = self._refusal(radio, message)
        if error is not None:
            return Message.new_error(message, error, "refused")
        self._obey(radio, message)
        return Message.new_method_return(message)

    def _refusal(self, radio: Radio, message: Message) -> str | None:
        """The D-Bus error that this call gets."""
        sender = message.sender or ""
        if message.member == "StartDiscovery" and not radio.powered:
            return "org.bluez.Error.NotReady"
        if message.member == "StartDiscovery" and sender in radio.sessions:
            return "org.bluez.Error.InProgress"
        if message.member == "StopDiscovery" and sender not in radio.sessions:
            return "org.bluez.Error.Failed"
        return None

    def _obey(self, radio: Radio, message: Message) -> None:
        sender = message.sender or ""
        match message.member:
            case "SetDiscoveryFilter":
                radio.filter = {name: variant.value for name, variant in message.body[0].items()}
            case "StartDiscovery":
                radio.sessions.add(sender)
            case "StopDiscovery":
                radio.sessions.discard(sender)
            case "Set":
                self._set_power(radio, message.body[2].value)

    def _set_power(self, radio: Radio, on: bool) -> None:
        radio.powered = on
        if not on:
            radio.sessions.clear()
        changed = {"Powered": Variant("b", on), "Discovering": Variant("b", bool(radio.sessions))}
        self._changed(radio.path, ADAPTER, changed)

    def _changed(self, path: str, interface: str, changed: Properties) -> None:
        self._signal(path, PROPERTIES, "PropertiesChanged", "sa{sv}as", [interface, changed, []])

    def _signal(self, path: str, interface: str, member: str, signature: str, body: list[Any]) -> None:
        assert self._bus is not None
        self._bus.send(Message.new_signal(path, interface, member, signature, body))

    def _objects(self) -> dict[str, dict[str, Properties]]:
        objects: dict[str, dict[str, Properties]] = {"/org/bluez": {}}
        for radio in self.radios.values():
            if radio.present:
                objects[radio.path] = {ADAPTER: self._adapter(radio)}
                objects |= {path: {DEVICE: self._shown(device)} for path, device in radio.devices.items()}
        return objects

    def _adapter(self, radio: Radio) -> Properties:
        return self._shown(
            {
                "Address": Variant("s", radio.address),
                "Name": Variant("s", "fake"),
                "Alias": Variant("s", "fake"),
                "Powered": Variant("b", radio.powered),
                "Discovering": Variant("b", bool(radio.sessions)),
                "Roles": Variant("as", ["central", "peripheral"]),
            }
        )

    def _shown(self, properties: Properties) -> Properties:
        """What of these is shown: here all."""
        return properties


def _new_device(address: str, adapter_path: str) -> Properties:
    texts = {"Address": address, "AddressType": "random", "Alias": address.replace(":", "-")}
    flags = ("Paired", "Trusted", "Blocked", "LegacyPairing", "Connected", "ServicesResolved")
    properties = {name: Variant("s", text) for name, text in texts.items()}
    properties |= {name: Variant("b", False) for name in flags}
    return properties | {"UUIDs": Variant("as", []), "Adapter": Variant("o", adapter_path)}


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
    """A 16-bit UUID in BlueZ's form."""
    return f"0000{short:04x}-0000-1000-8000-00805f9b34fb"
