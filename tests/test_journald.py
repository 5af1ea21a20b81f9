"""Lines for systemd's journal: what stands in the datagram, and what becomes of it when nobody takes it."""

import logging
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway import logs
from gateway.health import Health
from gateway.journald import Journal, is_stderr, packed


def parsed(datagram: bytes) -> dict[str, str]:
    """As the protocol's specification says to read it."""
    found: dict[str, str] = {}
    while datagram:
        line, _, rest = datagram.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            (size,) = struct.unpack("<Q", rest[:8])
            value, rest = rest[8 : 8 + size], rest[9 + size :]
        found[name.decode()], datagram = value.decode(), rest
    return found


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
        one.bind(str(tmp_path / "socket"))
        one.settimeout(5)
        yield one


class Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


def test_a_part_is_told_with_its_fields(journal: socket.socket, tmp_path: Path) -> None:
    handler = Journal(Kept(), tmp_path / "socket")
    handler.setFormatter(logs.Discreet("%(message)s"))
    log = logging.getLogger("gateway")
    log.addHandler(handler)
    try:
        Health(logs.journal).set("standby", "down", 1, "no broker", "Look.", "standby_alone")
        told = parsed(journal.recv(4096))
    finally:
        log.removeHandler(handler)
        handler.close()
    assert told["MESSAGE"] == "standby is down: no broker. Look."
    assert {name: told[name] for name in ("PRIORITY", "LOGGER", "SYSLOG_IDENTIFIER")} == {
        "PRIORITY": "4",
        "LOGGER": "gateway",
        "SYSLOG_IDENTIFIER": "store-gateway",
    }
    assert told["STORE_GATEWAY_PART"] == "standby" and told["STORE_GATEWAY_STATE"] == "down"
    assert told["STORE_GATEWAY_CAUSE"] == "standby_alone" and told["CODE_FILE"].endswith("logs.py")


def test_an_exceptions_text_reaches_no_field(journal: socket.socket, tmp_path: Path) -> None:
    handler = Journal(Kept(), tmp_path / "socket")
    handler.setFormatter(logs.Discreet("%(message)s"))
    try:
        raise ValueError("Mia\nPRIORITY=0")
    except ValueError as error:
        record = logging.LogRecord("gateway", logging.ERROR, __file__, 1, "broken", (), (ValueError, error, None))
    handler.handle(record)
    datagram = journal.recv(4096)
    handler.close()
    assert b"Mia" not in datagram and parsed(datagram)["PRIORITY"] == "3"


def test_a_line_break_makes_no_field() -> None:
    fields = {"MESSAGE": "one\nPRIORITY=0", "PRIORITY": "6"}
    assert parsed(packed(fields)) == fields


def test_what_the_journal_does_not_take_is_written_instead(tmp_path: Path) -> None:
    kept = Kept()
    handler = Journal(kept, tmp_path / "nobody")
    handler.handle(logging.LogRecord("gateway", logging.INFO, __file__, 1, "here", (), None))
    handler.close()
    assert [one.getMessage() for one in kept.records] == ["here"]


def test_standard_error_is_the_journals_only_where_systemd_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    about = os.fstat(2)
    monkeypatch.setenv("JOURNAL_STREAM", f"{about.st_dev}:{about.st_ino}")
    assert is_stderr()
    monkeypatch.setenv("JOURNAL_STREAM", f"{about.st_dev}:{about.st_ino + 1}")
    assert not is_stderr()
    monkeypatch.delenv("JOURNAL_STREAM")
    assert not is_stderr() and not is_stderr(10_000)
