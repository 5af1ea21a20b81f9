"""Readers that type lines: certified wallet-pass readers on a serial line (VTAP and its like), one pass a line.

What protocol they spoke with the phone, and with which keys, is their own affair; we see a line and trust it as far as
the operator says.
"""

import asyncio
import errno
import os
import termios
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import serial

from drivers.ears import Ears
from drivers.talk import Found, Outcome, Refused, Rest
from gateway.config import SourceTable
from gateway.core.model import CredentialKind, Proof, Token, Trouble
from gateway.core.ports import Clock
from gateway.errors import ConfigError, UnavailableError
from gateway.health import Health

BAUDS = (9_600, 19_200, 38_400, 57_600, 115_200)
# A pass holds an id; Smart Tap's own limit for a redemption value is shorter than this.
LINE_BYTES_MAX = 512
# People tap once in seconds; a reader that types faster has gone mad, or is none.
LINES_PER_S_MAX = 10
# An unplugged device is noticed by its node as well as by its file: some adapters hang up late.
LOOK_S = 0.1
# Between two tries to open a device that is there and cannot be opened.
AGAIN_S = (0.2, 5.0)

_GONE = "Plug the reader in, or correct the path in the configuration."
_ACTIONS: Mapping[int, str] = {
    errno.ENOENT: _GONE,
    errno.ENODEV: _GONE,
    errno.ENXIO: _GONE,
    errno.EACCES: "Add the gateway's user to the group dialout.",
    errno.EPERM: "Add the gateway's user to the group dialout.",
    errno.EBUSY: "Stop the other program that uses it.",
    errno.EAGAIN: "Stop the other program that uses it.",
}
_ELSE = "Unplug the reader and plug it in again."


class TypedSource:
    """`serial:/dev/ttyACM0[?baud=9600][&proof=bearer]`. Raises ConfigError for another path or option."""

    def __init__(self, table: SourceTable, ears: Ears, clock: Clock, health: Health) -> None:
        options = table.options
        unknown = sorted(options.keys() - {"baud", "proof"})
        if not table.target.startswith("/dev/") and not Path(table.target).is_absolute():
            raise ConfigError(f"{table.path}: expected serial: and a device, e.g. serial:/dev/ttyACM0")
        if unknown:
            raise ConfigError(f"{table.path}: unknown option {unknown[0]!r}; known: baud, proof")
        if options.get("baud", "9600") not in map(str, BAUDS):
            raise ConfigError(f"{table.path}: baud: expected one of {', '.join(map(str, BAUDS))}")
        if options.get("proof", "bearer") not in ("bearer", "signed"):
            raise ConfigError(f"{table.path}: proof: expected bearer, or signed where only wallet passes are typed")
        self._port = table.target
        self._baud = int(options.get("baud", "9600"))
        self._proof = Proof(options.get("proof", "bearer"))
        self._reader = table.receiver or ""
        self._ears = ears
        self._clock = clock
        self._health = health
        self._lines = Lines()
        self._rest = Rest()

    async def run(self) -> NoReturn:
        """Read lines until cancelled, also through unplugging."""
        again_s = AGAIN_S[0]
        while True:
            try:
                with self._open() as port:
                    self._health.set(f"receiver:{self._reader}", "ok", self._clock.now_ms(), "the pass reader listens")
                    again_s = AGAIN_S[0]
                    await self._listen(port)
            except (OSError, termios.error) as error:
                self._say_down(error)
            except UnavailableError:
                self._say_down(OSError(errno.ENODEV, "unplugged"))
            self._lines = Lines()
            if not self._is_there():
                await asyncio.sleep(LOOK_S)
                continue
            await asyncio.sleep(again_s)
            again_s = min(2 * again_s, AGAIN_S[1])

    def _is_there(self) -> bool:
        return Path(self._port).exists()

    def _open(self) -> serial.Serial:
        return serial.Serial(self._port, self._baud, timeout=0, exclusive=True)

    async def _listen(self, port: serial.Serial) -> NoReturn:
        loop = asyncio.get_running_loop()
        lost: asyncio.Future[None] = loop.create_future()
        node = os.fstat(port.fileno()).st_rdev

        def ready() -> None:
            try:
                data = port.read(4 * LINE_BYTES_MAX)
            except (OSError, termios.error) as error:
                if not lost.done():
                    lost.set_exception(error)
                return
            self._take(data)

        loop.add_reader(port.fileno(), ready)
        try:
            while True:
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_S):
                        await asyncio.shield(lost)
                try:
                    there = os.stat(self._port).st_rdev == node  # noqa: PTH116 - Path.stat() says the same, slower
                except OSError:
                    there = False
                if not there:
                    raise UnavailableError("unplugged")
        finally:
            loop.remove_reader(port.fileno())
            lost.cancel()

    def _take(self, data: bytes) -> None:
        now_ms = self._clock.now_ms()
        for line in self._lines.feed(data, now_ms):
            outcome = judge(line, self._proof)
            if self._rest.is_new(outcome, now_ms):
                self._ears.presented(self._reader, outcome)
        if self._lines.dropped:
            self._health.count("nfc.typed_dropped", self._lines.dropped)
            self._lines.dropped = 0

    def _say_down(self, error: Exception) -> None:
        number = error.args[0] if error.args and isinstance(error.args[0], int) else getattr(error, "errno", None)
        detail = f"The pass reader at {self._port} is not there or does not answer."
        action = _ACTIONS.get(number or 0, _ELSE if self._is_there() else _GONE)
        self._health.set(f"receiver:{self._reader}", "down", self._clock.now_ms(), detail, action)


def judge(line: bytes, proof: Proof) -> Outcome:
    """What one line means: the value of a pass, or something that no pass holds."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        return Refused("typed.encoding", Trouble.AGAIN)
    if not text.isprintable():
        return Refused("typed.control", Trouble.AGAIN)
    return Found(Token(CredentialKind.PASS, text.encode()), proof)


class Lines:
    """Bytes of a serial line -> whole lines, bounded in length and number."""

    def __init__(self) -> None:
        self._buffer = b""
        self._overlong = False
        self._second = -1
        self._in_second = 0
        self.dropped = 0  # lines that were too long or too many; the caller takes it

    def feed(self, data: bytes, now_ms: int) -> list[bytes]:
        """The lines that `data` completes, without their ends and surrounding blanks; empty ones are left out."""
        *ended, rest = (self._buffer + data).replace(b"\r", b"\n").split(b"\n")
        lines = []
        for line in ended:
            if self._overlong or len(line) > LINE_BYTES_MAX or (line.strip() and not self._admits(now_ms)):
                self.dropped += 1
            elif line.strip():
                lines.append(line.strip())
            self._overlong = False
        if len(rest) > LINE_BYTES_MAX:
            rest, self._overlong = b"", True
        self._buffer = rest
        return lines

    def _admits(self, now_ms: int) -> bool:
        if now_ms // 1000 != self._second:
            self._second, self._in_second = now_ms // 1000, 0
        self._in_second += 1
        return self._in_second <= LINES_PER_S_MAX
