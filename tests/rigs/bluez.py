"""The fake BlueZ of `gateway.bench_bluez` with the faults of real ones: silence, refusals, gaps, removal, restarts."""

import asyncio

from dbus_fast import Message, Variant

from gateway.bench_bluez import (
    ADAPTER,
    DEVICE,
    OBJECT_MANAGER,
    PROPERTIES,
    PlainBluez,
    Properties,
    Radio,
    data_properties,
    uuid128,
)

__all__ = ["FakeBluez", "data_properties", "uuid128"]


class FakeBluez(PlainBluez):
    """As PlainBluez; the attributes below are faults, and may be changed at any time."""

    def __init__(self, *names: str, forget_after_s: float | None = None) -> None:
        super().__init__(*names, forget_after_s=forget_after_s)
        # Method -> D-Bus error names, one used up by each call; "PowerOn" is Properties.Set of Powered to true.
        self.fail: dict[str, list[str]] = {}
        # Nothing is heard until the named remedy: "restart_scan", "power_cycle", "reopen" or "never".
        self.deaf: dict[str, str] = {}  # by adapter
        self.start_delay_s = 0.0  # how long StartDiscovery takes to be answered
        self.hang = False  # method calls get no answer
        self.omit: set[str] = set()  # properties that are not there, of adapters and devices
        self._deaf_clients: dict[str, set[str]] = {}

    @property
    def is_up(self) -> bool:
        """Whether there is a bluetoothd on the bus."""
        return self._bus is not None

    @property
    def filter(self) -> dict[str, object]:
        return self.radios["hci0"].filter

    async def advertise(self, address: str, rssi_dbm: int, ad: bytes, adapter: str = "hci0") -> None:
        """Put one advertisement on the air; nobody is told while nobody discovers."""
        if adapter not in self.deaf:
            self.put_on_air(address, rssi_dbm, data_properties(ad), self.radios[adapter])

    def make_deaf(self, remedy: str, adapter: str = "hci0") -> None:
        """From now on the adapter hears nothing, until `remedy`; a stronger one helps too."""
        self.deaf[adapter] = remedy
        self._deaf_clients[adapter] = set(self.radios[adapter].sessions)

    async def remove_adapter(self, adapter: str = "hci0") -> None:
        radio = self.radios[adapter]
        for path in radio.forget():
            self._signal("/", OBJECT_MANAGER, "InterfacesRemoved", "oas", [path, [DEVICE]])
        radio.sessions.clear()
        radio.present = False
        self._signal("/", OBJECT_MANAGER, "InterfacesRemoved", "oas", [radio.path, [ADAPTER]])

    async def add_adapter(self, adapter: str = "hci0", as_name: str = "") -> None:
        """The adapter is back, with its address, under another name if one is given; in BlueZ's way switched on."""
        radio = self.radios.pop(adapter)
        radio.name, radio.present, radio.powered = as_name or adapter, True, True
        self.radios[radio.name] = radio
        body = [radio.path, {ADAPTER: self._adapter(radio)}]
        self._signal("/", OBJECT_MANAGER, "InterfacesAdded", "oa{sa{sv}}", body)

    async def power(self, on: bool, adapter: str = "hci0") -> None:
        self._set_power(self.radios[adapter], on)

    async def stop_bluez(self) -> None:
        """bluetoothd is gone, the D-Bus daemon stays."""
        await self._disconnect()
        for radio in self.radios.values():
            list(radio.forget())
            radio.sessions.clear()

    async def start_bluez(self) -> None:
        await self._connect()
        for name in list(self.radios):
            await self.add_adapter(name)

    async def restart(self) -> None:
        """bluetoothd dies and comes back: its name is lost and regained, and all sessions and devices are gone."""
        await self.stop_bluez()
        await self.start_bluez()

    async def restart_daemon(self) -> None:
        """The D-Bus daemon dies and comes back at the same address, and bluetoothd with it."""
        await self.stop_bluez()
        self._kill_daemon()
        self._start_daemon()
        await self.start_bluez()

    def signal_raw(self, path: str, changed: Properties) -> None:
        """A PropertiesChanged of a device exactly as given."""
        self._changed(path, DEVICE, changed)

    def _answer(self, message: Message) -> Message | bool:
        if self.hang:
            return True
        reply = super()._answer(message)
        if message.member == "StartDiscovery" and self.start_delay_s:
            assert self._bus is not None
            asyncio.get_running_loop().call_later(self.start_delay_s, self._bus.send, reply)
            return True
        return reply

    def _refusal(self, radio: Radio, message: Message) -> str | None:
        errors = self.fail.get(_key(message))
        return errors.pop(0) if errors else super()._refusal(radio, message)

    def _obey(self, radio: Radio, message: Message) -> None:
        super()._obey(radio, message)
        done = {"StartDiscovery": ("restart_scan",), "PowerOn": ("restart_scan", "power_cycle")}.get(_key(message), ())
        if message.member == "StartDiscovery" and message.sender not in self._deaf_clients.get(radio.name, ()):
            done = ("restart_scan", "power_cycle", "reopen")
        if self.deaf.get(radio.name) in done:
            del self.deaf[radio.name]

    def _shown(self, properties: Properties) -> Properties:
        return {name: value for name, value in properties.items() if name not in self.omit}


def _key(message: Message) -> str:
    if message.interface == PROPERTIES and message.member == "Set":
        value = message.body[2]
        assert isinstance(value, Variant)
        return "PowerOn" if value.value else "PowerOff"
    return message.member or ""
