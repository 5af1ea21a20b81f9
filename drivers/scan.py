"""BlueZ's discovery of one adapter through bleak. Alone imports bleak.

bleak mirrors every device that BlueZ reports, until BlueZ forgets it: 30 s after it was last heard (main.conf,
TemporaryTimeout). Nothing else here keeps what was heard, and the mirror is dropped when BlueZ goes away.
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

# BlueZ's path of the device and the properties of org.bluez.Device1 as they are now, plain values.
OnAdvertisement = Callable[[str, Mapping[str, Any]], None]
# KeyError: a property that bleak counts on is missing.
_ERRORS = (BleakError, OSError, EOFError, KeyError)


class _Scanner(BleakScannerBlueZDBus):
    """bleak's scanner without its own table of devices, and without the objects that it makes of each advertisement."""

    on_advertisement: OnAdvertisement

    def _handle_advertising_data(self, path: str, props: Any) -> None:
        self.on_advertisement(path, props)


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
