"""What the virtual machine's Bluetooth adapter hears: a controller of bumble's that is given advertisements to report.

Like a real controller it sends a scan response only in an active scan. Told to be `strict`, it drops repeats while
"filter duplicates" is on; how strict real ones are differs. Told to be `deaf`, it reports nothing until the host stops
the scan or resets it. Not simulated: a radio, its collisions and losses, connections, extended advertising.
"""

import asyncio
import itertools
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bumble import hci
from bumble.controller import Controller
from bumble.transport import open_transport

SLOT_MS = 0.625
# Up and down in steps of 1 dB: BlueZ hides steps below 8 dB unless it is told not to.
RSSI_WALK_DB = (0, 1, 2, 3, 2, 1)
INTERVAL_S = 0.25


@dataclass(frozen=True)
class Sender:
    """One device on the air; `rssi_dbm` is its weakest, `scan_response` its AD structures for active scanners."""

    name: str
    address: str
    public: bool
    ad: bytes
    rssi_dbm: int
    scan_response: bytes | None = None  # None: it can't be connected to, nor asked


class Air(Controller):
    """The adapter's controller. `scans` is the history of what the host's kernel made it do."""

    def __init__(self, address: str) -> None:
        super().__init__("adapter", public_address=address)
        self.scans: list[dict[str, Any]] = []
        self.filter_duplicates = False
        self.strict = False
        self.deaf: str | None = None  # until "scan" (the next stop of the scan) or "reset"
        self._reported: set[tuple[str, bytes]] = set()

    def plug(self, source: Any, sink: Any) -> None:
        """Connect to a (new) bridge in the guest; the controller is as after power-on."""
        self.host = sink
        source.set_packet_sink(self)

    async def beside(self, path: Path, senders: Sequence[Sender], conversation: Coroutine[Any, Any, None]) -> None:
        """On the air at the guest's port while it talks."""
        async with await open_transport(f"unix:{path}") as port:
            self.plug(port.source, port.sink)
            sending = asyncio.create_task(self.send(senders))
            try:
                await conversation
            finally:
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)

    def on_hci_le_set_scan_enable_command(self, command: Any) -> Any:
        self._reported.clear()
        if not command.le_scan_enable and self.deaf == "scan":
            self.deaf = None
        enabled = bool(command.le_scan_enable)
        scan = {"on": enabled}
        if enabled:
            scan |= {
                "active": bool(self.le_scan_type),
                "interval_ms": self.le_scan_interval * SLOT_MS,
                "window_ms": self.le_scan_window * SLOT_MS,
                "filter_duplicates": bool(command.filter_duplicates),
            }
        if not self.scans or self.scans[-1] != scan:
            self.scans.append(scan)
        return super().on_hci_le_set_scan_enable_command(command)

    def on_hci_reset_command(self, command: Any) -> Any:
        self.le_scan_enable = False
        if self.deaf == "reset":
            self.deaf = None
        return super().on_hci_reset_command(command)

    async def send(self, senders: Sequence[Sender]) -> None:
        """Put them all on the air until cancelled."""
        for step in itertools.count():
            for place, sender in enumerate(senders):
                if self.le_scan_enable and self.deaf is None:
                    self._report(sender, sender.rssi_dbm + RSSI_WALK_DB[(step + place) % len(RSSI_WALK_DB)])
                await asyncio.sleep(INTERVAL_S / len(senders))

    def _report(self, sender: Sender, rssi_dbm: int) -> None:
        kinds = hci.HCI_LE_Advertising_Report_Event.EventType
        reports = [(kinds.ADV_NONCONN_IND if sender.scan_response is None else kinds.ADV_IND, sender.ad)]
        if sender.scan_response is not None and self.le_scan_type:
            reports.append((kinds.SCAN_RSP, sender.scan_response))
        for kind, data in reports:
            if self.strict and self.filter_duplicates and (sender.address, data) in self._reported:
                continue
            self._reported.add((sender.address, data))
            address_type = hci.Address.PUBLIC_DEVICE_ADDRESS if sender.public else hci.Address.RANDOM_DEVICE_ADDRESS
            report = hci.HCI_LE_Advertising_Report_Event.Report(
                event_type=kind,
                address_type=address_type,
                address=hci.Address(sender.address, address_type),
                data=data,
                rssi=rssi_dbm,
            )
            self.send_hci_packet(hci.HCI_LE_Advertising_Report_Event([report]))
