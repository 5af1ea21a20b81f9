"""The kernel's Bluetooth management messages as bytes, and the socket they travel on. Knows no source and no ears.

Source: doc/mgmt-api.txt of BlueZ; checked against the kernel in `make test-vm`. All numbers are little endian; every
message begins with code, controller index and length of what follows.
"""

import ctypes
import os
import socket
import struct
from dataclasses import dataclass
from enum import IntEnum

from drivers.frames import RSSI_RANGE_DBM
from gateway.errors import PeerError


class Command(IntEnum):
    READ_INFO = 0x0004
    SET_POWERED = 0x0005
    SET_LOW_ENERGY = 0x000D
    SET_DEFAULTS = 0x004C
    READ_MONITORS = 0x0051
    ADD_MONITOR = 0x0052
    REMOVE_MONITOR = 0x0053


class Status(IntEnum):
    SUCCESS = 0x00
    UNKNOWN_COMMAND = 0x01
    FAILED = 0x03
    NO_RESOURCES = 0x07
    BUSY = 0x0A
    REJECTED = 0x0B
    NOT_SUPPORTED = 0x0C
    NOT_POWERED = 0x0F
    INVALID_INDEX = 0x11
    RFKILLED = 0x12
    PERMISSION_DENIED = 0x14


class Event(IntEnum):
    """What happened to the adapter, if it is ours to know."""

    INDEX_REMOVED = 0x0005
    NEW_SETTINGS = 0x0006
    MONITOR_REMOVED = 0x002C


_COMMAND_COMPLETE = 0x0001
_COMMAND_STATUS = 0x0002
_DEVICE_FOUND = 0x0012
_MONITOR_DEVICE_FOUND = 0x002F

_HEADER = struct.Struct("<HHH")
_ANSWER = struct.Struct("<HB")
# address 6 (least significant octet first), its type, RSSI, flags, length of the AD structures that follow
_FOUND = struct.Struct("<6sBbIH")
_MONITOR_HANDLE_BYTES = 2
ALL_MONITORS = 0
_BR_EDR, _LE_RANDOM = 0, 2

# Read Controller Information: address 6, version 1, manufacturer 2, then supported and current settings.
_INFO = struct.Struct("<6xBHII")
POWERED = 1 << 0
LOW_ENERGY = 1 << 9

# Read Advertisement Monitor Features: supported 4, enabled 4, most monitors 2, most patterns 1, count of handles 2.
_FEATURES = struct.Struct("<11xH")

# Set Default System Configuration: scan interval and window while only monitors want a scan, in slots of 0.625 ms.
_MONITOR_INTERVAL, _MONITOR_WINDOW = 0x0013, 0x0014
_PATTERN_VALUE_BYTES = 31

# One message a datagram. Extended advertising carries up to 1,650 octets; a longer message is cut off and counted.
MESSAGE_BYTES = 4096

_AF_BLUETOOTH = 31
_BTPROTO_HCI = 1
_DEVICE_NONE = 0xFFFF
_CHANNEL_CONTROL = 3
_SO_RCVBUFFORCE = 33
_SO_MEMINFO = 55
_MEMINFO_DROPS = 8
# Linux counts about 800 bytes for an advertisement and doubles what is asked for, so this holds some 2,600 of them
# (calculated): 2.6 s at 1,000/s, longer than the loop ever stands still. The system's default holds a tenth.
_BUFFER_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Heard:
    """One advertisement: RSSI in dBm or None, raw AD structures, the sender's address as Ears wants it."""

    rssi_dbm: int | None
    ad: bytes
    address: bytes  # 6 bytes, most significant first, if it is a random one; else empty


@dataclass(frozen=True, slots=True)
class Answer:
    """To a command; `data` is empty where it failed. `status` may be a number that Status does not name."""

    command: int
    status: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Notice:
    """`value`: the current settings, the monitor's handle, or 0."""

    event: Event
    value: int


def decode(message: bytes, adapter: int) -> Heard | Answer | Notice | None:
    """What the kernel says of `adapter` (2 for hci2); None for another one's, for classic Bluetooth and unused events.

    Raises PeerError("mgmt") for a message that is cut off or lies about its length.
    """
    try:
        code, index, length = _HEADER.unpack_from(message)
        if length != len(message) - _HEADER.size:
            raise PeerError("mgmt")
        if index != adapter:
            return None
        if code == _MONITOR_DEVICE_FOUND:
            return _heard(message, _HEADER.size + _MONITOR_HANDLE_BYTES)
        if code == _DEVICE_FOUND:
            return _heard(message, _HEADER.size)
        if code in (_COMMAND_COMPLETE, _COMMAND_STATUS):
            command, status = _ANSWER.unpack_from(message, _HEADER.size)
            return Answer(command, status, message[_HEADER.size + _ANSWER.size :] if not status else b"")
        if code == Event.INDEX_REMOVED:
            return Notice(Event.INDEX_REMOVED, 0)
        if code == Event.NEW_SETTINGS:
            return Notice(Event.NEW_SETTINGS, _number(message[_HEADER.size :], 4))
        if code == Event.MONITOR_REMOVED:
            return Notice(Event.MONITOR_REMOVED, _number(message[_HEADER.size :], _MONITOR_HANDLE_BYTES))
    except struct.error:
        raise PeerError("mgmt") from None
    return None


def _heard(message: bytes, at: int) -> Heard | None:
    address, kind, rssi_dbm, _flags, length = _FOUND.unpack_from(message, at)
    ad = message[at + _FOUND.size :]
    if len(ad) != length:
        raise PeerError("mgmt")
    if kind == _BR_EDR:
        return None
    return Heard(
        rssi_dbm if rssi_dbm in RSSI_RANGE_DBM else None,
        ad,
        address[::-1] if kind == _LE_RANDOM else b"",
    )


def settings(info: bytes) -> tuple[int, int]:
    """(supported, current) settings from the answer to READ_INFO. Raises PeerError("mgmt")."""
    try:
        _, _, supported, current = _INFO.unpack_from(info)
    except struct.error:
        raise PeerError("mgmt") from None
    return supported, current


def current_settings(answer: bytes) -> int:
    """The settings from the answer to a command that changes one. Raises PeerError("mgmt")."""
    return _number(answer, 4)


def handle(answer: bytes) -> int:
    """The monitor's handle from the answer to ADD_MONITOR. Raises PeerError("mgmt")."""
    return _number(answer, _MONITOR_HANDLE_BYTES)


def monitors(answer: bytes) -> set[int]:
    """The handles of all monitors from the answer to READ_MONITORS. Raises PeerError("mgmt")."""
    try:
        (count,) = _FEATURES.unpack_from(answer)
        return set(struct.unpack_from(f"<{count}H", answer, _FEATURES.size))
    except struct.error:
        raise PeerError("mgmt") from None


def _number(data: bytes, length: int) -> int:
    if len(data) != length:
        raise PeerError("mgmt")
    return int.from_bytes(data, "little")


def handle_bytes(monitor: int) -> bytes:
    """Data for REMOVE_MONITOR."""
    return monitor.to_bytes(_MONITOR_HANDLE_BYTES, "little")


def encode(command: Command, adapter: int, data: bytes = b"") -> bytes:
    """A command to `adapter`; `data` is at most 65,535 bytes."""
    return _HEADER.pack(command, adapter, len(data)) + data


def scan_window(interval_slots: int, window_slots: int) -> bytes:
    """Data for SET_DEFAULTS: how long (window) and how often (interval) a passive scan listens, in 0.625 ms."""
    return struct.pack("<HBHHBH", _MONITOR_INTERVAL, 2, interval_slots, _MONITOR_WINDOW, 2, window_slots)


def patterns(wanted: tuple[tuple[int, int, bytes], ...]) -> bytes:
    """Data for ADD_MONITOR: (AD type, offset, value of up to 31 bytes), any of which is to match."""
    packed = b"".join(
        bytes([kind, offset, len(value)]) + value.ljust(_PATTERN_VALUE_BYTES, b"\0") for kind, offset, value in wanted
    )
    return bytes([len(wanted)]) + packed


def connect() -> socket.socket:
    """The management socket, not blocking. Raises OSError, e.g. EAFNOSUPPORT without Bluetooth in this kernel.

    Without CAP_NET_ADMIN it opens too, and the kernel answers PERMISSION_DENIED to every command.
    """
    sock = socket.socket(_AF_BLUETOOTH, socket.SOCK_RAW | socket.SOCK_NONBLOCK, _BTPROTO_HCI)
    try:
        # socket.bind cannot name a channel.
        address = struct.pack("=HHH", _AF_BLUETOOTH, _DEVICE_NONE, _CHANNEL_CONTROL)
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.bind(sock.fileno(), address, len(address)) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
    except OSError:
        sock.close()
        raise
    return sock


def widen(sock: socket.socket) -> None:
    """Let the kernel keep more for us than it would; without CAP_NET_ADMIN it stays as it is."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER_BYTES)
    except OSError:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)


def dropped(sock: socket.socket) -> int:
    """How many messages the kernel threw away since the socket was opened, because nobody read them in time."""
    memory = sock.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, 4 * (_MEMINFO_DROPS + 1))
    return int(struct.unpack_from("=I", memory, 4 * _MEMINFO_DROPS)[0])
