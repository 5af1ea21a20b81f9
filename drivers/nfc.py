"""The `nfc:` device paths: what they mean, and the source that runs a reader's thread beside the event loop.

The thread is in drivers.reader, nfcpy in drivers.frontend; neither is loaded before a source runs.
"""

import asyncio
import re
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from drivers import chip
from drivers.ears import Ears
from gateway.config import SourceTable
from gateway.core.ports import Clock
from gateway.errors import ConfigError, UnavailableError
from gateway.health import Health

if TYPE_CHECKING:
    from drivers.faults import LostError
    from drivers.talk import Outcome

# From "stop" to a closed device: at worst an opening that tries all rates (chip.USB_SERIAL_MS, six times chip.CHIP_MS,
# three times chip.RATE_MS) or a conversation's end. The thread is a daemon: one that is stuck in the kernel is left.
STOP_MS = 10_000

# A thread that has not moved for so long is stuck below Python. It is left where it is, and another one begins; after
# MAX_HUNG of them nothing but a start of the whole service helps, and the watchdog sees to that.
HUNG_MS = 60_000
LOOK_S = 5.0
MAX_HUNG = 3
HUNG = "nfc.hung"

_SERIAL = re.compile(r"tty:((?:S|ACM|AMA|USB)\d+|(?!(?:S|ACM|AMA|USB):)[A-Za-z0-9-]+):pn532")
# No search among serial ports for a PN532: nfcpy's raises the chip's rate, which a crash leaves behind.
_OTHERS = re.compile(
    r"usb(:[0-9a-fA-F]{3,4}(:[0-9a-fA-F]{3,4})?)?|tty:[A-Za-z0-9-]+:(?!pn532)[a-z0-9]+|udp:[A-Za-z0-9.-]+:\d{1,5}"
)
_SERIAL_NODES = ("serial0", "ttyAMA*", "ttyS0", "ttyUSB*", "ttyACM*")


def readers() -> list[str]:
    """Serial devices that may carry a reader, as "/dev/..." paths; looks at names only, opens nothing."""
    return sorted(str(node) for pattern in _SERIAL_NODES for node in Path("/dev").glob(pattern))


def serial_port(target: str) -> str | None:
    """The device node of a path that means a PN532 on a serial line, else None."""
    if target.startswith("/"):
        return target
    match = _SERIAL.fullmatch(target)
    if match is None:
        return None
    name = match[1]
    return f"/dev/tty{name}" if re.fullmatch(r"(S|ACM|AMA|USB)\d+", name) else f"/dev/{name}"


def _baud(table: SourceTable, port: str | None) -> int:
    options = table.options
    if set(options) - {"baud"} or (options and port is None):
        raise ConfigError(f"{table.path}: an nfc: path takes no options but `baud`, for a PN532 on a serial port")
    if options.get("baud", str(chip.BAUD)) not in map(str, chip.RATES):
        raise ConfigError(f"{table.path}: baud: expected one of {', '.join(map(str, chip.RATES))}")
    return int(options.get("baud", chip.BAUD))


class NfcSource:
    """The reader behind an `nfc:` path. Raises ConfigError for a path that names none."""

    def __init__(self, table: SourceTable, ears: Ears, clock: Clock, health: Health) -> None:
        self._path = table.target
        self._port = serial_port(table.target)
        self._baud = _baud(table, self._port)
        if self._port is None and not _OTHERS.fullmatch(table.target):
            raise ConfigError(
                f"{table.path}: expected nfc:tty:AMA0:pn532, nfc:usb:054c:06c1, nfc:udp:localhost:54321 or "
                "nfc:/dev/ttyAMA0 (a PN532)"
            )
        self._reader = table.receiver or ""
        self._ears = ears
        self._clock = clock
        self._health = health

    async def run(self) -> None:
        """Read cards until cancelled. A reader that is lost is opened again inside; health says what it is at."""
        from drivers.reader import Link, Reader

        loop = asyncio.get_running_loop()
        stop = threading.Event()
        ended: asyncio.Future[BaseException | None] = loop.create_future()

        def post(call: Callable[..., object], *args: object) -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody is left to hear
                loop.call_soon_threadsafe(call, *args)

        def presented(outcome: "Outcome") -> None:
            if not stop.is_set():
                self._ears.presented(self._reader, outcome)

        def state(lost: "LostError | None") -> None:
            if not stop.is_set():
                self._tell(lost)

        reader = Reader(
            self._path,
            self._port,
            self._ears.terminal,
            Link(
                presented=lambda outcome: post(presented, outcome),
                count=lambda name: post(self._health.count, name),
                state=lambda lost: post(state, lost),
            ),
            stop,
            self._baud,
        )

        def work() -> None:
            with suppress(Exception):  # raised again below; here it would be printed, with what it quotes of a card
                try:
                    reader.run()
                finally:
                    post(ended.set_result, sys.exception())

        threading.Thread(target=work, name=f"nfc-{self._reader}", daemon=True).start()
        try:
            while not (await asyncio.wait({ended}, timeout=LOOK_S))[0]:
                if reader.still_ms > HUNG_MS:
                    self._health.count(HUNG)
                    raise UnavailableError("the card reader's driver hangs; another try")
        finally:
            stop.set()
            await asyncio.wait({ended}, timeout=STOP_MS / 1000)
        error = ended.result()
        if error is not None:
            raise error

    def _tell(self, lost: "LostError | None") -> None:
        part, now_ms = f"receiver:{self._reader}", self._clock.now_ms()
        if lost is None:
            self._health.set(part, "ok", now_ms, "the card reader listens")
        else:
            self._health.set(part, "down", now_ms, str(lost), lost.action)
