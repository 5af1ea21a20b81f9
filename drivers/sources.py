"""Opens a device path. Every path, simulated or real, is one `Source` that talks to the same Ears."""

from typing import Protocol

from drivers.ears import Ears
from gateway.config import SourceTable
from gateway.core.ports import Clock
from gateway.errors import ConfigError
from gateway.health import Health


class Source(Protocol):
    """A device that hears until it is cancelled or lost."""

    async def run(self) -> None:
        """Hear until cancelled. Returns at the end of a recording; raises UnavailableError when the device is lost."""


def open_source(table: SourceTable, ears: Ears, clock: Clock, health: Health) -> Source:
    """The source behind a device path. Raises ConfigError for options that the path does not take."""
    # Imported on use: a gateway without a radio need not load bleak, one without a reader need not load nfcpy.
    match table.scheme:
        case "ble":
            from drivers.ble import BleSource

            return BleSource(table, ears, clock, health)
        case "mgmt":
            from drivers.mgmt import MgmtSource

            return MgmtSource(table, ears, clock, health)
        case "nfc":
            from drivers.nfc import NfcSource

            return NfcSource(table, ears, clock, health)
        case "pcsc":
            from drivers.pcsc import PcscSource

            return PcscSource(table, ears, clock, health)
        case "serial":
            from drivers.typed import TypedSource

            return TypedSource(table, ears, clock, health)
        case "replay":
            from drivers.replay import ReplaySource

            return ReplaySource(table, ears, clock, health)
        case "sim":
            from drivers.sim import SimSource

            return SimSource(table, ears, clock, health)
    raise ConfigError(f"{table.path}: no such kind of device path")
