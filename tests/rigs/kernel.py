"""A fake kernel at the other end of the management socket: one adapter, advertisements on command, faults.

What it does like Linux (checked with it in `make test-vm`): advertisements only while there is power and a monitor,
monitors that outlive their socket, refusals by status, news to every socket but the one that caused them. What it
leaves out: a radio, discovery, all other commands.
"""

import asyncio
import socket
import struct
from contextlib import suppress

from drivers.mgmtwire import LOW_ENERGY, POWERED, Command, Status

HEADER = struct.Struct("<HHH")
COMMAND_COMPLETE, COMMAND_STATUS, INDEX_REMOVED, NEW_SETTINGS = 0x0001, 0x0002, 0x0005, 0x0006
DEVICE_FOUND, MONITOR_REMOVED, MONITOR_DEVICE_FOUND = 0x0012, 0x002C, 0x002F
RANDOM, PUBLIC = 2, 1
MOST_MONITORS = 32


def found(
    ad: bytes,
    rssi_dbm: int,
    address: str = "C0:11:22:33:44:55",
    kind: int = RANDOM,
    index: int = 0,
    active: bool = False,
) -> bytes:
    """One advertisement as the kernel tells it, of a passive scan for monitors or of an active one."""
    body = bytes.fromhex(address.replace(":", ""))[::-1] + struct.pack("<BbIH", kind, rssi_dbm, 0, len(ad)) + ad
    if not active:
        body = struct.pack("<H", 0) + body
    return HEADER.pack(DEVICE_FOUND if active else MONITOR_DEVICE_FOUND, index, len(body)) + body


class FakeKernel:
    """Give `connect` to the source. `asked` are the commands in the order they came."""

    def __init__(self) -> None:
        self.asked: list[Command] = []
        self.supported = POWERED | LOW_ENERGY
        self.settings = 0
        self.monitors: set[int] = set()
        self.refuse: dict[Command, list[Status]] = {}  # statuses, one used up by each such command
        self.always: dict[Command, Status] = {}
        self.mute = False  # takes commands and answers nothing
        self.cut_answers = False
        self.deaf_until: Command | str = ""  # this command, or "connect"
        self.present = True
        self.open_error: OSError | None = None
        self.opened = 0
        self._next_handle = 1
        self._ends: list[socket.socket] = []

    def connect(self) -> socket.socket:
        """What mgmtwire.connect does."""
        if self.open_error is not None:
            raise self.open_error
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for end in (ours, theirs):
            end.setblocking(False)
        self.opened += 1
        self._heal("connect")
        self._ends.append(ours)
        asyncio.get_running_loop().add_reader(ours, self._on_command, ours)
        return theirs

    def close(self) -> None:
        for end in list(self._ends):
            self._drop(end)

    @property
    def scanning(self) -> bool:
        return bool(self.present and self.settings & POWERED and self.settings & LOW_ENERGY and self.monitors)

    def send(self, message: bytes, but: socket.socket | None = None) -> None:
        for end in self._ends:
            if end is not but:
                end.send(message)

    def advertise(self, ad: bytes, rssi_dbm: int, address: str = "C0:11:22:33:44:55", kind: int = RANDOM) -> None:
        """On the air now; nobody hears it without a scan."""
        if self.scanning and not self.deaf_until:
            self.send(found(ad, rssi_dbm, address, kind))

    def switch_off(self, tell: bool = True) -> None:
        """As another program does it; `tell`: the news arrives."""
        self.settings &= ~POWERED
        if tell:
            self.send(HEADER.pack(NEW_SETTINGS, 0, 4) + struct.pack("<I", self.settings))

    def clear_monitors(self, tell: bool = True) -> None:
        """As bluetoothd does when it starts."""
        gone, self.monitors = self.monitors, set()
        for handle in gone if tell else ():
            self.send(HEADER.pack(MONITOR_REMOVED, 0, 2) + struct.pack("<H", handle))

    def unplug(self) -> None:
        self.present = False
        self.settings = 0
        self.monitors = set()
        self.send(HEADER.pack(INDEX_REMOVED, 0, 0))

    def _drop(self, end: socket.socket) -> None:
        asyncio.get_running_loop().remove_reader(end)
        self._ends.remove(end)
        end.close()

    def _on_command(self, end: socket.socket) -> None:
        message = end.recv(4096)
        if not message:
            self._drop(end)
            return
        code, index, length = HEADER.unpack_from(message)
        data = message[HEADER.size :]
        assert length == len(data)
        command = Command(code)
        self.asked.append(command)
        if self.mute:
            return
        queue = self.refuse.get(command, [])
        status = queue.pop(0) if queue else self.always.get(command, Status.SUCCESS)
        if not self.present or index != 0:
            status = Status.INVALID_INDEX
        answer = b""
        if status is Status.SUCCESS:
            status, answer = self._obey(command, data)
        if status is Status.SUCCESS:
            reply = struct.pack("<HB", command, status) + answer
            self._tell(end, COMMAND_COMPLETE, reply[:2] if self.cut_answers else reply)
        else:
            self._tell(end, COMMAND_STATUS, struct.pack("<HB", command, status))

    def _tell(self, end: socket.socket, code: int, data: bytes) -> None:
        with suppress(BrokenPipeError):  # who asked has gone
            end.send(HEADER.pack(code, 0, len(data)) + data)

    def _obey(self, command: Command, data: bytes) -> tuple[Status, bytes]:
        answer = b""
        match command:
            case Command.READ_INFO:
                answer = bytes(6) + struct.pack("<BHII", 9, 0xFFFF, self.supported, self.settings) + bytes(263)
            case Command.SET_POWERED | Command.SET_LOW_ENERGY:
                bit = POWERED if command is Command.SET_POWERED else LOW_ENERGY
                self.settings = self.settings | bit if data[0] else self.settings & ~bit
                answer = struct.pack("<I", self.settings)
            case Command.READ_MONITORS:
                handles = sorted(self.monitors)
                answer = struct.pack(f"<IIHBH{len(handles)}H", 1, 0, MOST_MONITORS, 16, len(handles), *handles)
            case Command.ADD_MONITOR:
                assert len(data) == 1 + 34 * data[0]
                if not self.settings & POWERED:
                    return Status.FAILED, b""
                if len(self.monitors) == MOST_MONITORS:
                    return Status.NO_RESOURCES, b""
                self.monitors.add(self._next_handle)
                answer = struct.pack("<H", self._next_handle)
                self._next_handle += 1
            case Command.REMOVE_MONITOR:
                handle = int.from_bytes(data, "little")
                self.monitors = self.monitors - {handle} if handle else set()
                answer = data
        if command is not Command.SET_POWERED or data[0]:
            self._heal(command)
        return Status.SUCCESS, answer

    def _heal(self, what: Command | str) -> None:
        if self.deaf_until == what:
            self.deaf_until = ""
