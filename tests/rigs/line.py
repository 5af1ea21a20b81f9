"""Both ends of the wire in small: a shop around an Uplink, and an HQ that commits to a dict and then acknowledges."""

import asyncio
import random
from typing import Literal

from gateway.core.changes import Delta, EraseReceipt, Erasures, OutboxRow
from gateway.core.streams import Stream
from gateway.errors import StoreError
from gateway.forgetting import Followed
from gateway.health import Health, Part
from sync import erase_messages, event_messages, messages, topics
from sync.hq.marks import Held, joined
from sync.link import Address, Transport
from sync.topics import Topics
from sync.uplink import Uplink
from sync.verifying import Verifier

PLACE = Topics("acme", "berlin", "gw1")
EPOCH = "5e" * 16
GATEWAY_KEY = b"k" * 32
ERASE = {"op": "member.erase", "body": {"member_id": "m1"}}


class Shop:
    """The gateway around an Uplink: an outbox in memory, a version, a clock that can be pushed forward."""

    speed = 1.0
    epoch = EPOCH

    def __init__(
        self, port: int, verifier: Verifier | None = None, protocol: Literal["auto", "5", "3.1.1"] = "auto"
    ) -> None:
        self.rows: list[OutboxRow] = []
        self.seq = self.boot = self.version = 0
        self.watermarks = dict.fromkeys(Stream, 0)
        self.streams: dict[int, Stream] = {}  # of events that are not vital
        self.pushed_ms = self.erased = self.told = 0
        self.forgotten: list[str] = []
        self.broken_disk = False
        self.deltas: list[Delta] = []
        self.deleted: list[int] = []
        self.health = Health()
        rng = random.Random(3)
        self.rng = rng
        transport = Transport(Address("127.0.0.1", port, protocol), "gw-acme-berlin-gw1", rng)
        self.with_hq: list[int | None] = []
        self.with_members: list[bool] = []
        ports = self, self, self, self.health, rng, GATEWAY_KEY
        self.uplink = Uplink(PLACE, transport, *ports, self._is_with_hq, None, verifier)
        self.uplink._confirmed.quiet_s = 0.0  # else each test waits for what a card is spared

    def _is_with_hq(self, at_ms: int | None, whole: bool) -> None:
        self.with_hq.append(at_ms)
        self.with_members.append(whole)

    def happen(self, count: int, size: int = 20, stream: Stream = Stream.VITAL) -> None:
        for _ in range(count):
            self.seq += 1
            self.streams[self.seq] = stream
            self.rows.append(OutboxRow(self.seq, self.now_ms(), "visit.entered", '{"fill":"' + "x" * size + '"}'))
        self.uplink.wake()

    @property
    def part(self) -> Part | None:
        return next((part for part in self.health.parts if part.name == "hq"), None)

    # Clock

    def now_ms(self) -> int:
        return int(asyncio.get_running_loop().time() * 1000) + self.pushed_ms

    async def sleep(self, ms: float) -> None:
        await asyncio.sleep(ms / 1000)

    # Store

    async def next_boot(self) -> int:
        self.boot += 1
        return self.boot

    async def outbox_after(
        self, seq: int, limit: int, stream: Stream | None = None, upto: int | None = None
    ) -> list[OutboxRow]:
        await asyncio.sleep(0)
        end = self.seq if upto is None else upto
        return [row for row in self.rows if seq < row.seq <= end and stream in (None, self.streams[row.seq])][:limit]

    async def outbox_newest(self) -> dict[Stream, int]:
        waiting = {stream: [row.seq for row in self.rows if self.streams[row.seq] is stream] for stream in Stream}
        return {stream: max(seqs, default=0) for stream, seqs in waiting.items()}

    async def acknowledge(self, stream: Stream, seq: int) -> None:
        if self.broken_disk:
            raise StoreError("disk full")
        self.watermarks[stream] = max(self.watermarks[stream], seq)
        self.deleted.append(seq)
        self.rows = [row for row in self.rows if row.seq > seq or self.streams[row.seq] is not stream]

    async def acknowledged(self) -> dict[Stream, int]:
        return dict(self.watermarks)

    async def last_number(self) -> int:
        return self.seq

    async def renumber(self, new_epoch: str) -> None:
        self.epoch = new_epoch

    async def hq_version(self) -> int:
        return self.version

    async def erase_seq(self) -> int:
        return self.erased

    # Flow

    async def on_hq_change(self, delta: Delta) -> str:
        if delta.version <= self.version:
            return "stale"
        if delta.parent != self.version:
            return "gap"
        self.deltas.append(delta)
        self.version = delta.version
        return "applied"

    async def on_erasures(self, batch: Erasures) -> Followed:
        if batch.parent <= self.erased:
            self.erased = max(self.erased, batch.seq)
            self.forgotten += [order.member_id for order in batch.orders]
            return Followed("done", self.erased, tuple(EraseReceipt(one.seq, {"member": 1}) for one in batch.orders))
        return Followed("gap", self.erased, ())

    async def on_head(self, erase_seq: int) -> None:
        self.told = erase_seq


class Hq:
    """Headquarters in small: commits, then acknowledges up to where nothing is missing."""

    def __init__(self, port: int, boot: int = 1) -> None:
        self.line = Transport(Address("127.0.0.1", port), "hq", random.Random(boot))
        self.boot = boot
        self.version = 0
        self.held: dict[tuple[str, int], int] = {}  # (epoch, seq) -> how often it arrived
        self.epoch = ""
        self.marks = dict.fromkeys(Stream, Held(0, ()))
        self.most_unacked = 0
        self.mute = False
        self.answers = True
        self.tells_ms: int | None = None  # HQ's time in the head with which it answers a request
        self.reqs: list[int] = []
        self.applied: list[int] = []
        self.erased: list[erase_messages.Erased] = []
        self.erase_reqs: list[int] = []
        self.states: list[messages.State] = []
        self.order: list[str] = []

    async def connect(self) -> None:
        await self.line.connect()
        await self.line.subscribe([topics.ALL_UP])
        await self.down(topics.HEAD, messages.head(self.version, self.boot), retain=True)

    async def down(self, leaf: str, payload: bytes, retain: bool = False) -> None:
        await self.line.publish(PLACE.down(leaf), payload, retain)

    async def publish_delta(self, parent: int, version: int) -> None:
        self.version = version
        await self.down(topics.DELTA, messages.delta(parent, version, [ERASE]))

    async def confirm(self, stream: Stream = Stream.VITAL) -> None:
        held = self.marks[stream]
        ahead = held.ahead[-event_messages.MAX_AHEAD :]
        await self.down(topics.ACK, event_messages.ack(self.epoch, held.watermark, stream, ahead))

    def confirmed(self, payload: bytes) -> None:
        if messages.kind_of(payload) == "erased":
            self.erased.append(erase_messages.parse_erased(payload))
        else:
            self.applied.append(messages.parse_applied(payload))

    async def serve(self) -> None:
        async for message in self.line.messages():
            _, _, leaf = topics.parse(message.topic)
            self.order.append(leaf)
            if leaf == topics.EVENTS:
                batch = event_messages.parse_events(message.payload)
                for row in batch.rows:
                    self.held[batch.epoch, row.seq] = self.held.get((batch.epoch, row.seq), 0) + 1
                if self.epoch not in ("", batch.epoch):  # another outbox; what is before, its gateway has confirmed
                    self.marks = dict.fromkeys(Stream, Held(batch.first - 1, ()))
                self.epoch = batch.epoch
                self.marks[batch.stream] = joined(self.marks[batch.stream], batch.first, batch.last)
                if not self.mute:
                    await self.confirm(batch.stream)
            elif leaf == topics.REQ:
                req = messages.parse_req(message.payload)
                self.reqs.append(req.have)
                self.erase_reqs.append(req.erase_seq)
                if self.tells_ms is not None:
                    await self.down(topics.HEAD, messages.head(self.version, self.boot, 0, self.tells_ms), retain=True)
                if self.answers and self.reqs[-1] < self.version:
                    await self.publish_delta(self.reqs[-1], self.version)
            elif leaf == topics.ACK:
                self.confirmed(message.payload)
            else:
                self.states.append(messages.parse_state(message.payload))
            message.done()
