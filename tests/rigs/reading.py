"""A reader's source on the event loop for tests: what it presented and when, and the NDEF of ISO-DEP cards."""

import asyncio
import secrets
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from drivers import tags
from drivers.ears import Ears
from drivers.nfc import NfcSource
from drivers.talk import CardGoneError, Exchange, Found, Outcome, Refused, Talk, Terminal
from gateway.config import NfcTable, SourceTable
from gateway.emulator.chip import Pn532Rig
from gateway.health import Health, Part

LIMIT_S = 60  # a loaded CI machine may need many readings; an idle one needs 0.1 s
SETTLE_S = 0.9  # eight looks: long enough for a second delivery to show, or a removal to be noticed


class StandingClock:
    """Stands at a second."""

    speed = 1.0

    def now_ms(self) -> int:
        return 1_000

    async def sleep(self, ms: float) -> None:
        await asyncio.sleep(ms / 1000)


class RecordingEars(Ears):
    """Keeps what was presented, with time.monotonic_ns() of it."""

    def __init__(self, nfc: NfcTable | None = None) -> None:
        self.presentations: list[tuple[int, str, Outcome]] = []
        self.terminal = Terminal("tenant/store", StandingClock(), secrets.token_bytes, nfc)

    def presented(self, reader: str, outcome: Outcome) -> None:
        assert threading.current_thread() is threading.main_thread()
        self.presentations.append((time.monotonic_ns(), reader, outcome))


class Bench:
    """One source that runs, and what came of it."""

    def __init__(self, path: str, nfc: NfcTable | None = None) -> None:
        self.ears = RecordingEars(nfc)
        self.health = Health()
        self.source = NfcSource(SourceTable(path=path, receiver="till"), self.ears, StandingClock(), self.health)
        self.task = asyncio.create_task(self.source.run())

    @property
    def outcomes(self) -> list[Outcome]:
        return [outcome for _, _, outcome in self.ears.presentations]

    @property
    def shown(self) -> list[bytes | str | None]:
        """Outcomes in short: a token's value, a reason, or None."""
        return [
            one.token.value if isinstance(one, Found) else one.reason if isinstance(one, Refused) else None
            for one in self.outcomes
        ]

    @property
    def part(self) -> Part | None:
        return next(iter(self.health.parts), None)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(LIMIT_S):
            while not condition():
                if self.task.done():
                    self.task.result()
                await asyncio.sleep(0.002)

    async def taps(self, n: int) -> None:
        await self.until(lambda: len(self.outcomes) >= n)

    async def counted(self, name: str, n: int = 1) -> None:
        await self.until(lambda: self.health.counts.get(name, 0) >= n)

    async def is_(self, state: str) -> None:
        await self.until(lambda: self.part is not None and self.part.state == state)

    async def stop(self) -> None:
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task


@asynccontextmanager
async def listening(rig: Pn532Rig, nfc: NfcTable | None = None) -> AsyncIterator[Bench]:
    """A source at the emulated reader that has opened it."""
    bench = Bench(f"nfc:{rig.path}", nfc)
    try:
        await bench.is_("ok")
        yield bench
    finally:
        await bench.stop()


def read_ndef(exchange: Exchange, talk: Talk) -> Outcome:
    """What a conversation does with a Type 4 card, in its shortest form; stands for drivers.resolve."""
    if not exchange(bytes.fromhex("00a4040007d276000085010100")).endswith(b"\x90\x00"):
        return None
    exchange(bytes.fromhex("00a4000c02e103"))
    container = exchange(bytes.fromhex("00b000000f"))
    exchange(bytes.fromhex("00a4000c02") + container[9:11])
    size = int.from_bytes(exchange(bytes.fromhex("00b0000002"))[:2], "big")
    step, message = min(int.from_bytes(container[3:5], "big"), 255), b""
    while len(message) < size:
        head = b"\x00\xb0" + (2 + len(message)).to_bytes(2, "big")
        part = exchange(head + bytes([min(step, size - len(message))]))[:-2]
        if not part:
            raise CardGoneError
        message += part
    return tags.judge(message, talk)
