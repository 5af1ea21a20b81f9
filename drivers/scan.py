"""BlueZ's discovery of one adapter through bleak. Alone imports bleak.

By itself bleak mirrors every device that BlueZ reports, 1.7 kB each, until BlueZ forgets it: 30 s after it was last
heard (main.conf, TemporaryTimeout). Here it mirrors members' devices alone, and that is dropped when BlueZ goes away.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from bleak import BleakScanner
from bleak.backends.bluezdbus.manager import get_global_bluez_manager
from bleak.backends.bluezdbus.scanner import BleakScannerBlueZDBus
from bleak.exc import BleakBluetoothNotAvailableError, BleakDBusError, BleakError

from drivers import troubles
from drivers.troubles import BluezError

# At DEBUG it writes every stranger's address and payload to the log, and its errors may quote a message.
logging.getLogger("bleak").setLevel(logging.CRITICAL)

# BlueZ reports only RSSI steps of 8 dB or more (src/device.c, RSSI_THRESHOLD) unless the discovery filter names an
# RSSI; -120 dBm lets everything pass. DuplicateData: unchanged advertisements are reported too.
FILTERS: Any = {"RSSI": -120, "DuplicateData": True}

DEVICE = "org.bluez.Device1"
_DEVICE_MARK = "/dev_"  # in the path of a device, after its adapter's
# BlueZ's path of the device and the properties of org.bluez.Device1, plain values: of a device that is mirrored all as
# they are now, else those that came with this signal. The answer: whether the device is to be mirrored.
OnAdvertisement = Callable[[str, Mapping[str, Any]], bool]
# KeyError: a property that bleak counts on is missing.
_ERRORS = (BleakError, OSError, EOFError, KeyError)


class _Mirror(dict[str, dict[str, dict[str, Any]]]):
    """bleak's mirror of BlueZ's objects, by path. A device that nobody put in here is new each time bleak looks.

    bleak looks up with `[]` for a signal of changes, and with `setdefault` for a device that BlueZ adds. With our
    filter BlueZ repeats level and data in every signal, so nothing is missed of a device that is not in here.
    """

    def __missing__(self, path: str) -> dict[str, dict[str, Any]]:
        adapter, is_device, _ = path.partition(_DEVICE_MARK)
        if not is_device:
            raise KeyError(path)
        return {DEVICE: {"Adapter": adapter}}

    def setdefault(self, path: str, default: Any = None) -> Any:
        return default if _DEVICE_MARK in path and path not in self else super().setdefault(path, default)


class _Scanner(BleakScannerBlueZDBus):
    """bleak's scanner without its own table of devices, and without the objects that it makes of each advertisement."""

    on_advertisement: OnAdvertisement
    _mirror: _Mirror

    async def start(self) -> None:
        manager = await get_global_bluez_manager()
        if not isinstance(manager._properties, _Mirror):
            # What BlueZ knew before us stays until it is heard, or BlueZ forgets it.
            manager._properties = _Mirror(manager._properties)
        self._mirror = manager._properties
        await super().start()

    def _handle_advertising_data(self, path: str, props: Any) -> None:
        if self.on_advertisement(path, props):
            self._mirror[path] = {DEVICE: props}
        else:
            self._mirror.pop(path, None)


class Scan:
    """Starts and stops the discovery of an adapter. Methods raise BluezError. `on_advertisement` must not raise."""

    def __init__(self, on_advertisement: OnAdvertisement) -> None:
        # A class of its own for each scan, because bleak makes the object.
        self._backend = type("_Scanner", (_Scanner,), {"on_advertisement": staticmethod(on_advertisement)})
        self._scanner: BleakScanner | None = None
        self._is_stale = False  # bleak's connection and mirror are to be made anew

    def forget(self) -> None:
        """BlueZ went away, or is not to be trusted: begin with another connection and an empty mirror."""
        self._is_stale = True

    async def start(self, adapter: str) -> None:
        """Discover on "hci0" with our filter; patient with an adapter that is just coming up."""
        if self._is_stale:
            await _drop_mirror()
            self._is_stale = False
        scanner = self._scanner = BleakScanner(bluez={"adapter": adapter, "filters": FILTERS}, backend=self._backend)
        for pause_s in (*troubles.RETRY_PAUSES_S, None):
            try:
                await _start_once(scanner)
                return
            except _ERRORS as error:
                trouble = _trouble_of(error)
                if trouble not in troubles.PASSING or pause_s is None:
                    self._is_stale = True
                    raise BluezError(trouble) from error
            await asyncio.sleep(pause_s)

    async def stop(self) -> None:
        """End the discovery, if there is one."""
        scanner, self._scanner = self._scanner, None
        if scanner is None:
            return
        try:
            async with asyncio.timeout(troubles.STOP_S):
                await scanner.stop()
        except _ERRORS as error:
            trouble = _trouble_of(error)
            # "other": there was no discovery any more. Else BlueZ may go on for a client that it takes for alive.
            self._is_stale = self._is_stale or trouble not in ("other", "off")
            raise BluezError(trouble) from error


async def _start_once(scanner: BleakScanner) -> None:
    starting = asyncio.create_task(scanner.start())
    try:
        async with asyncio.timeout(troubles.CALL_S):
            await asyncio.shield(starting)
    finally:
        # Cancelled half-way, bleak would never stop the discovery that BlueZ goes on to start for us.
        if not starting.done():
            await asyncio.wait({starting}, timeout=troubles.STOP_S)
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)


async def _drop_mirror() -> None:
    """Make bleak begin anew: without BlueZ's word nothing ever leaves its mirror of BlueZ's devices."""
    with suppress(*_ERRORS):
        manager = await get_global_bluez_manager()
        if manager._bus is not None:
            manager._bus.disconnect()
            await asyncio.sleep(0)


def _trouble_of(error: BaseException) -> str:
    """The key of TROUBLES for what bleak raised."""
    if isinstance(error, BleakDBusError):
        return troubles.name_of(error.dbus_error)
    if isinstance(error, BleakBluetoothNotAvailableError):
        return "denied"  # the bus refused to let us in; the other reasons come only without an adapter's name
    if isinstance(error, TimeoutError):
        return "no_answer"
    if isinstance(error, BleakError):
        return "no_adapter"  # bleak knows no such adapter
    return "no_bus" if isinstance(error, (OSError, EOFError)) else "other"
