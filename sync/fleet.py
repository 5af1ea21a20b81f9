"""A fleet of simulated stores in one process, each with the product's own line (sync.uplink) and connection.

What happens in the stores is handed in. Everything from the outbox to the topics, pace, back-off and acknowledgements
is the gateway's own code; only the database (sync.simstore) and each connection's thread (sync.sockets) are not.
"""

import asyncio
import heapq
import random
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from gateway.core.model import Event
from gateway.core.ports import Clock
from gateway.errors import UnavailableError
from gateway.health import Health
from sync import link
from sync.event_messages import Ack
from sync.simstore import SimStore, Tally
from sync.sockets import Sockets
from sync.topics import Topics
from sync.uplink import Uplink

GATEWAY = "gw1"
# So many stores begin in a second, as after a roll-out; after an outage of the broker all of them come at once.
STARTS_PER_S = 200
CONNECTED_S = 60.0  # the day begins without those that are not there by then
TELL_EVERY_S = 10.0
DARK_S = (1.0, 20.0)  # how long a store that lost its line is without
# A batch whose acknowledgement was lost is sent again after 10 s, then after 20 and 40 (sync.outbox), and a
# headquarters that fell behind needs its time; where nothing is missing none of it is waited for.
DRAIN_S = 300.0
POLL_S = 0.1
OVERHEAD_BYTES = 9  # of a PUBLISH beside topic and payload: its head, number and receipt

AT_ONCE = 20  # events that are due are written down before the lines get their turn: 1 ms

Phase = Literal["connecting", "day", "draining"]  # the stores connect, their day goes on, the rest is sent
# When, in seconds from the beginning, what, with what body; by rising time.
Day = Iterator[tuple[float, str, dict[str, object]]]


@dataclass(frozen=True, slots=True)
class Plan:
    """`seconds`: how long a day takes; `churn`: the share of stores that lose their line each minute."""

    stores: int
    tenant: str
    seconds: float
    churn: float = 0.0
    seed: int = 1


@dataclass(slots=True)
class Wire:
    """Messages of all stores and their bytes, without TCP."""

    up: int = 0
    up_bytes: int = 0
    down: int = 0
    down_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: `at_s` seconds of `phase`."""

    phase: Phase
    at_s: float
    connected: int
    committed: int
    acknowledged: int


class Line(link.Transport):
    """A store's connection, which counts what passes and can be cut."""

    def __init__(self, fleet: "Fleet", client_id: str, rng: random.Random) -> None:
        super().__init__(fleet.address, client_id, rng, fleet.sockets.start)
        self._wire = fleet.wire
        self._clock = fleet.clock
        self._dark_until_ms = 0
        self.up = False

    async def connect(self, will_topic: str | None = None, will_payload: bytes = b"") -> None:
        """As the product's, but for a line that is cut."""
        if self._clock.now_ms() < self._dark_until_ms:
            raise UnavailableError("the line is cut")
        await super().connect(will_topic, will_payload)
        self.up = True

    async def publish(self, topic: str, payload: bytes, retain: bool = False, qos: Literal[0, 1] = 1) -> None:
        """As the product's."""
        self._wire.up += 1
        self._wire.up_bytes += len(topic) + len(payload) + OVERHEAD_BYTES
        await super().publish(topic, payload, retain, qos)

    async def messages(self) -> AsyncIterator[link.Message]:
        """As the product's."""
        async for message in super().messages():
            self._wire.down += 1
            self._wire.down_bytes += len(message.topic) + len(message.payload) + OVERHEAD_BYTES
            yield message

    async def abandon(self) -> None:
        """As the product's."""
        self.up = False
        await super().abandon()

    async def cut(self, dark_s: float) -> None:
        """Break the connection; none is had for `dark_s`."""
        self._dark_until_ms = self._clock.now_ms() + round(dark_s * 1000)
        await self.abandon()


class StoreUplink(Uplink):
    """The product's line, which lets events go as soon as they are confirmed: here that costs no disk anything."""

    def __init__(self, memory: SimStore, fleet: "Fleet", place: Topics, line: Line, rng: random.Random) -> None:
        super().__init__(place, line, memory, memory, fleet.clock, fleet.health, rng, rng.randbytes(32))
        self._memory = memory

    async def acked(self, ack: Ack) -> None:
        """See LinkPort."""
        await super().acked(ack)
        await self._memory.acknowledge(ack.stream, self._sender.acked[ack.stream])


class Store:
    """One simulated store: its outbox, its line, its day."""

    def __init__(self, number: int, fleet: "Fleet", day: Day) -> None:
        plan = fleet.plan
        rng = random.Random(f"store {plan.seed} {number}")
        self.place = Topics(plan.tenant, f"s{number:05}", GATEWAY)
        self.day = day
        # Never the same twice: headquarters would take the events of a second run for those of the first.
        self.memory = SimStore(f"{random.SystemRandom().getrandbits(128):032x}", fleet.tally)
        client_id = f"rg-{self.place.tenant}-{self.place.store}-{GATEWAY}"
        self.line = Line(fleet, client_id, rng)
        self.uplink = StoreUplink(self.memory, fleet, self.place, self.line, rng)
        self.memory.wake = self.uplink.wake


class Fleet:
    """All stores of a plan. `run` once."""

    def __init__(
        self,
        plan: Plan,
        address: link.Address,
        day: Callable[[int], Day],
        clock: Clock,
        told: Callable[[Progress], None] = lambda progress: None,
    ) -> None:
        """`day` makes what happens in the store with this number; `told` hears now and then how far it is. To be made
        on the event loop."""
        self.plan = plan
        self.address = address
        self.clock = clock
        self.health = Health()
        self.tally = Tally(clock.now_ms)
        self.wire = Wire()
        self.sockets = Sockets()
        self.connected_s = 0.0  # until all of them were there
        self._told = told
        self._phase: Phase = "connecting"
        self._since_s = 0.0
        self._rng = random.Random(f"fleet {plan.seed}")
        self.stores: Sequence[Store] = [Store(number, self, day(number)) for number in range(1, plan.stores + 1)]

    @property
    def connected(self) -> int:
        """How many stores have their line."""
        return sum(store.line.up for store in self.stores)

    @property
    def waiting(self) -> int:
        """Events that no store has a confirmation for."""
        return sum(store.memory.waiting for store in self.stores)

    async def run(self) -> None:
        """Connect the stores, let their day pass, and wait until everything is acknowledged or DRAIN_S are over."""
        begun_s = self._since_s = self._now_s()
        try:
            async with asyncio.TaskGroup() as tasks:
                parts = [tasks.create_task(self._open(store)) for store in self.stores]
                parts += [tasks.create_task(self.sockets.run()), tasks.create_task(self._tell())]
                await self._until(lambda: self.connected == len(self.stores), CONNECTED_S + self._starting_s)
                self.connected_s = self._now_s() - begun_s
                self._enter("day")
                churn = tasks.create_task(self._lose_lines())
                await self._live()
                churn.cancel()
                self._enter("draining")
                await self._until(lambda: not self.waiting, DRAIN_S)
                for part in parts:
                    part.cancel()
        finally:
            self.sockets.close()

    @property
    def _starting_s(self) -> float:
        return len(self.stores) / STARTS_PER_S

    def _now_s(self) -> float:
        return self.clock.now_ms() / 1000

    def _enter(self, phase: Phase) -> None:
        self._phase, self._since_s = phase, self._now_s()

    async def _open(self, store: Store) -> None:
        await asyncio.sleep(self._rng.uniform(0, self._starting_s))
        await store.uplink.run()

    async def _live(self) -> None:
        """Every store's events at their time, up to the end of the day."""
        ahead: list[tuple[float, int, str, dict[str, object]]] = []
        for number, store in enumerate(self.stores):
            for at_s, kind, body in islice(store.day, 1):
                heapq.heappush(ahead, (at_s, number, kind, body))
            await asyncio.sleep(0)
        start_s = self._now_s()
        at_once = 0
        while ahead:
            at_s, number, kind, body = ahead[0]
            wait_s = start_s + at_s - self._now_s()
            at_once += 1
            if wait_s > 0 or at_once == AT_ONCE:
                at_once = 0
                await asyncio.sleep(max(0.0, wait_s))
                continue
            store = self.stores[number]
            store.memory.commit(Event(kind, int((start_s + at_s) * 1000), body))
            following = next(store.day, None)
            if following is None:
                heapq.heappop(ahead)
            else:
                heapq.heapreplace(ahead, (following[0], number, following[1], following[2]))
        await asyncio.sleep(max(0.0, start_s + self.plan.seconds - self._now_s()))

    async def _lose_lines(self) -> None:
        per_s = self.plan.churn * len(self.stores) / 60
        while per_s > 0:
            await asyncio.sleep(self._rng.expovariate(per_s))
            await self._rng.choice(self.stores).line.cut(self._rng.uniform(*DARK_S))

    async def _tell(self) -> None:
        while True:
            await asyncio.sleep(TELL_EVERY_S)
            at_s = self._now_s() - self._since_s
            tally = self.tally
            self._told(Progress(self._phase, at_s, self.connected, tally.committed, tally.acknowledged))

    async def _until(self, done: Callable[[], bool], most_s: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(most_s):
                while not done():  # noqa: ASYNC110 - it is true by what many lines and a broker do
                    await asyncio.sleep(POLL_S)
