"""The kernel's Bluetooth management socket as an ear: a passive scan that BlueZ's daemon neither needs nor sees.

An advertisement monitor makes the kernel scan for as long as it stands: without pause, without scan requests, with the
controller's filter for repeats off, and with every RSSI. The daemon drops what comes from a scan that it did not ask
for before it creates a device (src/adapter.c), so it writes no stranger to its cache; `make test-vm` shows it. A
discovery would give every name on the air to the daemon, and stop every 10 s.
"""

import asyncio
import errno
import re
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn, TypeVar

from drivers import frames, mgmtwire
from drivers.ears import Ears
from drivers.ladder import TICK_S, Ladder
from drivers.mgmtwire import Answer, Command, Event, Heard, Notice, Status
from gateway.config import SourceTable
from gateway.core.ports import Clock
from gateway.errors import ConfigError, PeerError, UnavailableError
from gateway.health import Health

# Linux's own 30 of 60 ms hear half of everything. All the time, with the channel changing every 60 ms.
SCAN_INTERVAL_SLOTS = SCAN_WINDOW_SLOTS = 96

# Controllers that filter by themselves (Microsoft's extension; not a Raspberry Pi's) send only what matches one of
# these; for all others the kernel hands out everything. By AD type, offset, value:
_PATTERNS = (
    (0x01, 0, b"\x02"),  # flags of a phone or tag: limited or general discoverable, with and without classic Bluetooth
    (0x01, 0, b"\x04"),
    (0x01, 0, b"\x05"),
    (0x01, 0, b"\x06"),
    (0x01, 0, b"\x1a"),
    (0x16, 0, bytes.fromhex("aafe")),  # Eddystone
    (0xFF, 0, bytes.fromhex("4c000215")),  # iBeacon
    (0xFF, 0, bytes.fromhex("4c0001")),  # iOS overflow
    (0xFF, 2, bytes.fromhex("beac")),  # AltBeacon
    *frames.APP_PATTERNS,
)

T = TypeVar("T")

# So many messages a turn of the loop: 64 members' cost 0.4 ms on x86-64, an estimated 2 ms on a Pi 4, so a flood delays
# a tap by no more than that.
BATCH = 64
# Answers take milliseconds; powering on an adapter that loads its firmware, seconds.
CALL_S = 10
# An adapter that has just appeared is being set up and answers Busy for a second or two. 3 s in all.
RETRY_PAUSES_S = (0.2, 0.4, 0.8, 1.6)

# What a person in the shop reads and can do.
_TROUBLES = {
    "no_bluetooth": (
        "no Bluetooth socket: the service may not open one, or this kernel or container has none",
        "Install systemd/store-gateway.service.d/mgmt.conf; in a container, use the host's network.",
    ),
    "denied": (
        "this user may not manage Bluetooth (CAP_NET_ADMIN is missing)",
        "Install systemd/store-gateway.service.d/mgmt.conf. ble: does without.",
    ),
    "no_adapter": ("the Bluetooth adapter is not there", "Plug it in, or name another one in [[source]]."),
    "no_low_energy": ("the adapter knows no Bluetooth Low Energy", "Use another adapter."),
    "rfkill": ("the Bluetooth adapter is blocked", "sudo rfkill unblock bluetooth"),
    "off": ("the Bluetooth adapter was switched off", "Nothing: it is switched on again by itself."),
    "busy": ("the Bluetooth adapter is busy", "Stop other programs that manage it; else replug the adapter."),
    "stopped": ("another program stopped the scan", "Nothing: the scan starts again by itself."),
    "no_monitor": ("this kernel cannot monitor advertisements", "Use ble: in place of mgmt:, or Linux 5.10 or newer."),
    "no_answer": ("the kernel does not answer", "Replug the adapter; else restart the box."),
    "other": ("the Bluetooth adapter failed", "Replug the adapter; then run store-gateway doctor."),
}
_TROUBLE_OF_STATUS: dict[int, str] = {
    Status.UNKNOWN_COMMAND: "no_monitor",
    Status.NOT_SUPPORTED: "no_monitor",
    Status.BUSY: "busy",
    Status.INVALID_INDEX: "no_adapter",
    Status.RFKILLED: "rfkill",
    Status.PERMISSION_DENIED: "denied",
}
_TROUBLE_OF_ERRNO: dict[int | None, str] = {
    errno.EAFNOSUPPORT: "no_bluetooth",
    errno.EPROTONOSUPPORT: "no_bluetooth",
    errno.EPERM: "denied",
    errno.EACCES: "denied",
}


class _Lost(UnavailableError):  # noqa: N818 - a finding of ours, and what run() raises
    """`trouble` is a key of _TROUBLES; `status` is the kernel's, if it gave one."""

    def __init__(self, trouble: str, status: int | None = None) -> None:
        self.detail, self.action = _TROUBLES[trouble]
        super().__init__(self.detail)
        self.status = status


class MgmtSource:
    """`mgmt:hci0`: every advertisement the adapter hears, straight to the ears. Raises ConfigError for another path."""

    def __init__(
        self,
        table: SourceTable,
        ears: Ears,
        clock: Clock,
        health: Health,
        connect: Callable[[], socket.socket] = mgmtwire.connect,
    ) -> None:
        if not re.fullmatch(r"hci\d{1,4}", table.target) or table.options:
            raise ConfigError(f"{table.path}: expected mgmt: and an adapter's name without options, e.g. mgmt:hci0")
        self._receiver = table.receiver or table.target
        self._ears = ears
        self._clock = clock
        self._health = health
        self._heard = 0
        self._kernel = _Kernel(int(table.target.removeprefix("hci")), self._on_heard, health, connect)
        steps = (("restart_scan", self._restart_scan), ("power_cycle", self._power_cycle), ("reopen", self._reopen))
        self._ladder = Ladder(steps, self._receiver, ears, clock, health)

    async def run(self) -> NoReturn:
        """Scan until cancelled. Raises UnavailableError in plain words when kernel, adapter or air is gone."""
        try:
            await self._open()
            self._ladder.opened()
            while True:
                await self._kernel.trouble(TICK_S)
                if not self._kernel.count_dropped():
                    await self._kernel.check()
                await self._ladder.tick(self._heard)
        except _Lost as lost:
            self._health.set(f"receiver:{self._receiver}", "down", self._clock.now_ms(), lost.detail, lost.action)
            raise
        finally:
            self._kernel.close()

    async def _open(self) -> None:
        kernel = self._kernel
        kernel.open()
        supported, current = await kernel.settings()
        if not supported & mgmtwire.LOW_ENERGY:
            raise _Lost("no_low_energy")
        if not current & mgmtwire.LOW_ENERGY:
            await kernel.ask(Command.SET_LOW_ENERGY, b"\x01")
        await kernel.power(True)
        await kernel.add_monitor()  # asked without power, Linux 6.1 answers BUSY and goes on to

    async def _restart_scan(self) -> None:
        await self._kernel.remove_monitor()
        await self._kernel.add_monitor()

    async def _power_cycle(self) -> None:
        await self._kernel.power(False)
        await self._kernel.power(True)

    async def _reopen(self) -> None:
        self._kernel.close()
        await self._open()

    def _on_heard(self, heard: Heard) -> None:
        self._heard += 1
        if heard.rssi_dbm is None:
            self._health.count("ble.no_rssi")
        else:
            self._ears.heard(self._receiver, heard.rssi_dbm, heard.ad, heard.address)


class _Kernel:
    """One adapter's end of the socket: commands and answers, advertisements, trouble. May be opened again."""

    def __init__(
        self,
        adapter: int,
        on_heard: Callable[[Heard], None],
        health: Health,
        connect: Callable[[], socket.socket],
    ) -> None:
        self._adapter = adapter
        self._on_heard = on_heard
        self._health = health
        self._connect = connect
        self._sock: socket.socket | None = None
        self._found: asyncio.Future[str] | None = None  # a key of _TROUBLES
        self._asked: tuple[Command, asyncio.Future[Answer]] | None = None
        self._monitor: int | None = None  # the kernel keeps it while the adapter is off
        self._dropped = 0
        self._is_on = False

    def open(self) -> None:
        """Raises _Lost where there is no such socket."""
        try:
            self._sock = self._connect()
        except OSError as error:
            raise _Lost(_TROUBLE_OF_ERRNO.get(error.errno, "other")) from error
        mgmtwire.widen(self._sock)
        self._dropped = 0
        loop = asyncio.get_running_loop()
        self._found = loop.create_future()
        loop.add_reader(self._sock, self._on_readable)

    def close(self) -> None:
        """Take the monitor away and close. The kernel obeys without our waiting for its answer."""
        sock, self._sock = self._sock, None
        if sock is None:
            return
        asyncio.get_running_loop().remove_reader(sock)
        if self._monitor is not None and self._is_on:
            data = mgmtwire.handle_bytes(self._monitor)
            with suppress(OSError):
                sock.send(mgmtwire.encode(Command.REMOVE_MONITOR, self._adapter, data))
            self._monitor = None
        sock.close()
        self._is_on = False

    async def trouble(self, within_s: float) -> None:
        """Wait for so long; raises _Lost when something is wrong."""
        assert self._found is not None
        await asyncio.wait({self._found}, timeout=within_s)
        if self._found.done():
            raise _Lost(self._found.result())

    def count_dropped(self) -> int:
        """Count and return how many messages the kernel threw away lately, because the loop stood still."""
        if self._sock is None:
            return 0
        before, self._dropped = self._dropped, mgmtwire.dropped(self._sock)
        lately = self._dropped - before
        if lately:
            self._health.count("ble.dropped", lately)
        return lately

    async def check(self) -> None:
        """Raises _Lost unless the adapter has power and our monitor stands: the event may have been thrown away."""
        if not (await self.settings())[1] & mgmtwire.POWERED:
            self._is_on = False
            raise _Lost("off")
        monitors = self._read(mgmtwire.monitors, await self.ask(Command.READ_MONITORS))
        if self._monitor not in monitors:
            self._monitor = None
            raise _Lost("stopped")

    async def settings(self) -> tuple[int, int]:
        """(supported, current); raises _Lost, most often because there is no such adapter."""
        return self._read(mgmtwire.settings, await self.ask(Command.READ_INFO))

    async def power(self, on: bool) -> None:
        """Switch the adapter; when another switches it off after that, it is trouble. Raises _Lost."""
        await self.ask(Command.SET_POWERED, bytes([on]))

    async def add_monitor(self) -> None:
        """Begin to scan; there must be power. Raises _Lost."""
        with suppress(_Lost):
            await self.remove_monitor()  # one that stands since before the power went
        try:
            await self.ask(Command.SET_DEFAULTS, mgmtwire.scan_window(SCAN_INTERVAL_SLOTS, SCAN_WINDOW_SLOTS))
        except _Lost as lost:  # where it refuses, half the duty is better than none
            if lost.status is None:
                raise
            self._health.count("ble.mgmt.half_duty")
        try:
            await self.ask(Command.ADD_MONITOR, mgmtwire.patterns(_PATTERNS))
        except _Lost as lost:
            if lost.status != Status.NO_RESOURCES:
                raise
            # The kernel keeps the monitors of programs that were killed, 32 in all: only these can have filled it.
            self._health.count("ble.mgmt.monitors_cleared")
            await self.ask(Command.REMOVE_MONITOR, mgmtwire.handle_bytes(mgmtwire.ALL_MONITORS))
            await self.ask(Command.ADD_MONITOR, mgmtwire.patterns(_PATTERNS))

    async def remove_monitor(self) -> None:
        """Stop to scan. Raises _Lost."""
        handle, self._monitor = self._monitor, None
        if handle is not None:
            await self.ask(Command.REMOVE_MONITOR, mgmtwire.handle_bytes(handle))

    async def ask(self, command: Command, data: bytes = b"") -> bytes:
        """The data of the kernel's answer; asks again while it is busy. Raises _Lost for another answer or none."""
        for pause_s in (*RETRY_PAUSES_S, None):
            answer = await self._ask_once(command, data)
            if answer.status == Status.SUCCESS:
                return answer.data
            if answer.status != Status.BUSY or pause_s is None:
                break
            await asyncio.sleep(pause_s)
        raise _Lost(_TROUBLE_OF_STATUS.get(answer.status, "other"), answer.status)

    async def _ask_once(self, command: Command, data: bytes) -> Answer:
        if self._sock is None or self._found is None or self._found.done():
            raise _Lost(self._found.result() if self._found is not None and self._found.done() else "other")
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._asked = (command, answer)
        try:
            # Some kernels return 0 for a message that they took; what counts is the answer.
            self._sock.send(mgmtwire.encode(command, self._adapter, data))
            async with asyncio.timeout(CALL_S):
                return await answer
        except TimeoutError:
            raise _Lost("no_answer") from None
        except OSError as error:
            raise _Lost(_TROUBLE_OF_ERRNO.get(error.errno, "other")) from error
        finally:
            self._asked = None

    def _on_readable(self) -> None:
        for _ in range(BATCH):
            if self._sock is None or self._is_lost():
                return
            try:
                message = self._sock.recv(mgmtwire.MESSAGE_BYTES)
            except BlockingIOError:
                return
            except OSError:
                message = b""
            if not message:
                self._lose("other")
                return
            try:
                self._take(mgmtwire.decode(message, self._adapter))
            except PeerError as error:
                self._health.count(f"ble.malformed.{error.reason}")

    def _take(self, message: Heard | Answer | Notice | None) -> None:
        match message:
            case Heard():
                self._on_heard(message)
            case Answer() if self._asked is not None and self._asked[0] == message.command:
                self._on_answer(message, self._asked[1])
            case Notice(Event.INDEX_REMOVED):
                self._monitor = None
                self._lose("no_adapter")
            case Notice(Event.MONITOR_REMOVED, handle) if handle == self._monitor:
                self._monitor = None
                self._lose("stopped")
            case Notice(Event.NEW_SETTINGS, current) if self._is_on and not current & mgmtwire.POWERED:
                self._is_on = False
                self._lose("off")

    def _on_answer(self, answer: Answer, asked: asyncio.Future[Answer]) -> None:
        # Here and not where it is awaited: the next message may already say that another program undid it.
        if answer.status == Status.SUCCESS and answer.command == Command.ADD_MONITOR:
            self._monitor = mgmtwire.handle(answer.data)
        elif answer.status == Status.SUCCESS and answer.command == Command.SET_POWERED:
            self._is_on = bool(mgmtwire.current_settings(answer.data) & mgmtwire.POWERED)
        if not asked.done():
            asked.set_result(answer)

    def _is_lost(self) -> bool:
        return self._found is not None and self._found.done()

    def _lose(self, trouble: str) -> None:
        if self._found is not None and not self._found.done():
            self._found.set_result(trouble)
        if self._asked is not None and not self._asked[1].done():
            self._asked[1].set_exception(_Lost(trouble))
        if self._sock is not None:  # or a socket at its end would wake the loop without end
            asyncio.get_running_loop().remove_reader(self._sock)

    @staticmethod
    def _read(decode: Callable[[bytes], T], answer: bytes) -> T:
        try:
            return decode(answer)
        except PeerError as error:
            raise _Lost("other") from error
