"""Lines for systemd's journal with fields, so that whoever reads it asks for a part or a state and parses no text.

Its own protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL): one datagram for a line. Fields hold words of our code, of the
configuration, and no more than the line itself does.
"""

import logging
import os
import socket
import struct
from collections.abc import Mapping
from pathlib import Path

SOCKET = Path("/run/systemd/journal/socket")
PRIORITY = {"DEBUG": 7, "INFO": 6, "WARNING": 4, "ERROR": 3, "CRITICAL": 2}  # syslog(3)


def is_stderr(fd: int = 2) -> bool:
    """Whether what is written to standard error goes to the journal as it is ($JOURNAL_STREAM, systemd.exec(5))."""
    try:
        about = os.fstat(fd)
    except OSError:
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{about.st_dev}:{about.st_ino}"


def packed(fields: Mapping[str, str]) -> bytes:
    """One entry as a datagram."""
    parts: list[bytes] = []
    for name, value in fields.items():
        told = value.encode(errors="replace")
        if b"\n" in told:
            parts.append(name.encode() + b"\n" + struct.pack("<Q", len(told)) + told + b"\n")
        else:
            parts.append(name.encode() + b"=" + told + b"\n")
    return b"".join(parts)


class Journal(logging.Handler):
    """Hands lines to the journal; to `instead` what it does not take at once, because nobody waits for a log."""

    def __init__(self, instead: logging.Handler, path: Path = SOCKET) -> None:
        super().__init__()
        self._instead = instead
        self._path = str(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    def emit(self, record: logging.LogRecord) -> None:
        fields = {
            "MESSAGE": self.format(record),
            "PRIORITY": str(PRIORITY.get(record.levelname, 6)),
            "SYSLOG_IDENTIFIER": "store-gateway",
            "LOGGER": record.name,
            "CODE_FILE": record.pathname,
            "CODE_LINE": str(record.lineno),
            **getattr(record, "fields", {}),
        }
        try:
            self._socket.sendto(packed(fields), self._path)
        except OSError:
            self._instead.handle(record)

    def close(self) -> None:
        self._socket.close()
        super().close()
