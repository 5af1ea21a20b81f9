"""Recordings: their lines, read and written, and the source that plays one back at the pace it was heard."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from drivers.ears import Ears
from drivers.frames import RSSI_RANGE_DBM
from gateway.config import SourceTable
from gateway.core.ports import Clock
from gateway.errors import ConfigError, PeerError, UnavailableError
from gateway.health import Health

# The longest extended advertisement makes a line of 3.5 kB, a card of 8 kB one of 16 kB. One line of this size is
# the most that is ever in memory.
MAX_LINE_BYTES = 64 * 1024
MAX_AD_BYTES = 1650  # Bluetooth Core, Vol 4 Part E, 7.8.57: the most that extended advertising can carry
MAX_RECEIVER_CHARS = 24  # as the ids of the configuration
# One damaged time must not put the playback to sleep for good; the longest honest silence is a Sunday.
MAX_GAP_MS = 48 * 3_600_000

# More than this behind or ahead means that the clock was stepped or the box slept: go on from here instead of
# catching up. Above any pause of the event loop, below anything a person would wait for.
MAX_LAG_MS = 5_000
# Without a wait between records the loop breathes after this many; 16 us each with ears and all (x86-64), so 1 ms.
RECORDS_PER_BREATH = 64


@dataclass(frozen=True, slots=True)
class Adv:
    """An advertisement as one receiver heard it, `t_ms` after the start; `ad` holds the raw AD structures."""

    t_ms: int
    receiver: str
    rssi_dbm: int
    ad: bytes
    address: str = ""


@dataclass(frozen=True, slots=True)
class Touch:
    """A card or phone shown to a reader; `ndef` is the message as read, or None where there was none."""

    t_ms: int
    receiver: str
    ndef: bytes | None
    uid: str = ""


Record = Adv | Touch


def to_line(record: Record) -> str:
    """The record as one line of JSON, with its line feed."""
    fields: dict[str, Any] = {"t_ms": record.t_ms, "receiver": record.receiver}
    if isinstance(record, Adv):
        fields |= {"kind": "adv", "address": record.address, "rssi": record.rssi_dbm, "adv": record.ad.hex()}
    else:
        fields |= {"kind": "tap", "uid": record.uid}
        if record.ndef is not None:
            fields["ndef"] = record.ndef.hex()
    return json.dumps(fields) + "\n"


def from_line(line: bytes) -> Record:
    """The record in one line. Raises PeerError with a reason that holds nothing of the line."""
    try:
        fields = json.loads(line.decode())
    except (ValueError, RecursionError):
        raise PeerError("json") from None  # the library's error quotes the line
    if not isinstance(fields, dict):
        raise PeerError("json")
    t_ms, receiver = fields.get("t_ms"), fields.get("receiver")
    if type(t_ms) is not int or t_ms < 0:
        raise PeerError("time")
    if not isinstance(receiver, str) or not 0 < len(receiver) <= MAX_RECEIVER_CHARS:
        raise PeerError("receiver")
    if fields.get("kind") == "adv":
        rssi = fields.get("rssi")
        if type(rssi) is not int or rssi not in RSSI_RANGE_DBM:
            raise PeerError("rssi")
        ad = _bytes(fields.get("adv"))
        if len(ad) > MAX_AD_BYTES:
            raise PeerError("hex")
        return Adv(t_ms, receiver, rssi, ad, _label(fields.get("address")))
    if fields.get("kind") == "tap":
        ndef = fields.get("ndef")
        return Touch(t_ms, receiver, None if ndef is None else _bytes(ndef), _label(fields.get("uid")))
    raise PeerError("kind")


def _bytes(value: object) -> bytes:
    if not isinstance(value, str):
        raise PeerError("hex")
    try:
        return bytes.fromhex(value)
    except ValueError:
        raise PeerError("hex") from None


def _label(value: object) -> str:
    return value if isinstance(value, str) else ""


def scan(path: Path) -> Iterator[Record | PeerError]:
    """The lines of a file in order, one in memory at a time; a broken line is the PeerError that says why.

    Raises UnavailableError when the file cannot be read.
    """
    try:
        # Opening a pipe or a terminal would hold up the whole gateway until somebody writes.
        if path.exists() and not path.is_file():
            raise UnavailableError(f"the recording {path} is not a file")
        with path.open("rb") as file:
            last_ms = 0
            while line := file.readline(MAX_LINE_BYTES + 1):
                if line.isspace():
                    continue
                try:
                    if len(line) > MAX_LINE_BYTES:
                        _skip_line(file, line)
                        raise PeerError("too_long")
                    record = from_line(line)
                    if not last_ms <= record.t_ms <= last_ms + MAX_GAP_MS:
                        raise PeerError("time")
                except PeerError as error:
                    yield error
                    continue
                last_ms = record.t_ms
                yield record
    except OSError as error:
        raise UnavailableError(f"the recording {path} cannot be read ({error.strerror})") from error


def _skip_line(file: BinaryIO, chunk: bytes) -> None:
    while chunk and not chunk.endswith(b"\n"):
        chunk = file.readline(MAX_LINE_BYTES)


def read(path: Path) -> Iterator[Record]:
    """The records of a file in order, without the broken lines. Raises UnavailableError as `scan` does."""
    return (item for item in scan(path) if not isinstance(item, PeerError))


def deliver(record: Record, ears: Ears) -> None:
    """Let the ears hear or feel what the record holds."""
    if isinstance(record, Adv):
        ears.heard(record.receiver, record.rssi_dbm, record.ad)
    else:
        ears.touched(record.receiver, record.ndef)


class Pace:
    """Keeps a story's own times in step with the shop's clock, through pauses and steps of that clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last_ms: int | None = None
        self._origin_ms = 0  # the clock's time at the story's 0
        self._unslept = 0

    async def until(self, t_ms: int) -> None:
        """Wait until the story's time `t_ms`, which never decreases. The first call starts it and does not wait."""
        now_ms = self._clock.now_ms()
        step_ms = 0 if self._last_ms is None else t_ms - self._last_ms
        wait_ms = self._origin_ms + t_ms - now_ms
        if self._last_ms is None or not -MAX_LAG_MS <= wait_ms <= step_ms + MAX_LAG_MS:
            wait_ms = step_ms
            self._origin_ms = now_ms + step_ms - t_ms
        self._last_ms = t_ms
        if wait_ms > 0:
            self._unslept = 0
            await self._clock.sleep(wait_ms)
        else:
            await self.breathe()

    async def breathe(self) -> None:
        """Let the event loop run once in RECORDS_PER_BREATH calls."""
        self._unslept += 1
        if self._unslept >= RECORDS_PER_BREATH:
            self._unslept = 0
            await self._clock.sleep(0)


class ReplaySource:
    """`replay:FILE[?speed=N]`; app sets the clock's speed."""

    def __init__(self, table: SourceTable, ears: Ears, clock: Clock, health: Health) -> None:
        self._path = Path(table.target)
        self._ears = ears
        self._clock = clock
        self._health = health
        if not table.target:
            raise ConfigError(f"{table.path}: a file name is missing after `replay:`")
        check_options(table, {"speed"})

    async def run(self) -> None:
        """Play the file once. Returns at its end; raises UnavailableError when it cannot be read."""
        pace = Pace(self._clock)
        for item in scan(self._path):
            if isinstance(item, PeerError):
                self._health.count("replay.bad_line")
                await pace.breathe()
            else:
                await pace.until(item.t_ms)
                deliver(item, self._ears)


def check_options(table: SourceTable, known: set[str]) -> None:
    """Raises ConfigError for an option outside `known` or a `speed` that is not a number above 0."""
    for name, value in table.options.items():
        if name not in known:
            raise ConfigError(f"{table.path}: unknown option {name!r}; known: {', '.join(sorted(known))}")
        if name == "speed":
            try:
                speed = float(value)
            except ValueError:
                speed = 0.0
            if not 0 < speed < float("inf"):
                raise ConfigError(f"{table.path}: `speed` must be a number above 0")
