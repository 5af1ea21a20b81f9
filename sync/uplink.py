"""The gateway's line to HQ: connect, greet, send the outbox, take what comes down; and again, for as long as it takes.

Knows no SQL and no paho: the store and the transport are handed in. What to send is decided in sync.outbox,
what a message means in sync.inbox.
"""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Protocol

from gateway.core.changes import EraseReceipt, OutboxRow
from gateway.core.command import Answer
from gateway.core.fetching import PIECE_BYTES
from gateway.core.ports import Clock
from gateway.core.streams import Stream
from gateway.errors import BusyError, UnavailableError
from gateway.health import Health
from sync import command_messages, erase_messages, event_messages, messages, pieces, reporting, topics
from sync.backoff import Backoff
from sync.confirmed import Confirmed
from sync.event_messages import Ack
from sync.fetchers import Fetching
from sync.inbox import CommandPort, FlowPort, Inbox, SnapshotPort
from sync.link import Transport
from sync.messages import Head
from sync.outbox import Ask, Sender
from sync.pacing import BYTES_PER_S, Underway
from sync.standing import Standing
from sync.together import first_to_end
from sync.topics import Topics
from sync.verifying import Verifier

# A gap makes us ask; the answer is on its way for less than this. While nothing changes, the pause doubles: an
# HQ whose deltas this version cannot read must not be asked for them every second.
ASK_EVERY_S = 1.0
MAX_ASK_EVERY_S = 300.0
# While a snapshot is taken nothing changes either, and what follows it is to come soon after its switch.
STAGED_ASK_EVERY_S = 16.0
# HQ tells its version before the delta that leads to it. Only if nothing at all has come after this time, the
# delta was lost.
HEAD_GRACE_S = 2.0
# With HQ's ack every 200 ms and the first two probes after 10 and 30 s, 30 s of silence is no accident.
SILENT_MS = 30_000
# Headquarters' head says whether we are up to date, and what time it is. A broker keeps the last one, so only one that
# came after we asked shows that somebody is there. 24 questions a day are 5 KB.
TOUCH_EVERY_S = 3_600.0
FIRST_TOUCH_S = 60.0
# Shorter connections do not reset the back-off: two gateways with one client id throw each other out for ever.
STABLE_MS = 30_000


class Store(Protocol):
    """What the line needs of the gateway's database; `gateway.store` implements it. All raise StoreError."""

    @property
    def epoch(self) -> str:
        """The random id of this outbox, 32 hex digits."""

    async def next_boot(self) -> int:
        """A number greater than all before; committed before it is returned."""

    async def outbox_after(
        self, seq: int, limit: int, stream: Stream | None = None, upto: int | None = None
    ) -> list[OutboxRow]:
        """The waiting rows of a stream with the lowest numbers above `seq`, up to `upto`, in order, at most `limit`."""

    async def outbox_newest(self) -> Mapping[Stream, int]:
        """Of each stream the highest number that waits, 0 = none does."""

    async def acknowledge(self, stream: Stream, seq: int) -> None:
        """HQ has all of this stream up to `seq`: delete them. Doing it twice changes nothing."""

    async def last_number(self) -> int:
        """The newest number that any event was ever given."""

    async def renumber(self, new_epoch: str) -> None:
        """Go on under another epoch: this database is a backup."""

    async def acknowledged(self) -> Mapping[Stream, int]:
        """Up to where HQ has confirmed each stream: every row of it above that is still to be sent."""

    async def hq_version(self) -> int:
        """The HQ version that the shop works with, 0 = none yet."""

    async def erase_seq(self) -> int:
        """The number up to which HQ's erasures are done, 0 = none yet."""


class Uplink:
    """One gateway's line to HQ. Lives on the event loop; `run` is its only task."""

    def __init__(
        self,
        place: Topics,
        transport: Transport,
        store: Store,
        flow: FlowPort,
        clock: Clock,
        health: Health,
        rng: random.Random,
        public_key: bytes,
        with_hq: Callable[[int | None, bool], None] = lambda at_ms, whole: None,
        fetching: Fetching | None = None,
        verifier: Verifier | None = None,
        commands: CommandPort | None = None,
        reports: reporting.Reporter | None = None,
        snapshots: SnapshotPort | None = None,
    ) -> None:
        """`with_hq` is told when headquarters has said that we have its newest version, with its time if it tells, and
        whether its members are here as well: those that a snapshot brings come later. `verifier` None: no signature is
        looked at. `snapshots` None: members come as deltas alone."""
        self._place = place
        self._transport = transport
        self._store = store
        self._clock = clock
        self._health = health
        self._rng = rng
        self._public_key = public_key
        self._fetching = fetching
        self._reports = reports
        take_piece = fetching.take if fetching is not None else None
        self._snapshots = snapshots
        self._inbox = Inbox(place, flow, self, health, take_piece, verifier, commands, snapshots)
        self._sender = Sender(store.epoch)
        self._underway = Underway(transport.publish)
        self._confirmed = Confirmed(store.acknowledge)
        self._unheard = set(Stream)  # of which HQ has not said a word in this run
        self._wake = asyncio.Event()
        self._ask = asyncio.Event()
        self._news = asyncio.Event()
        self._head_version = self._head_erase_seq = 0
        self._heads = 0  # of this connection; the first may be one that the broker kept
        self._with_hq = with_hq
        self._is_connected = self._members_behind = False
        self._standing = Standing(transport, clock, health)

    @property
    def is_there(self) -> bool:
        """Whether headquarters is: the line stands, and what was sent is confirmed."""
        return self._is_connected and self._sender.silent_ms(self._real_ms()) < SILENT_MS

    def wake(self) -> None:
        """Events were committed: send them. Never blocks; call it on the event loop."""
        self._wake.set()

    async def answer(self, answer: Answer, bundle: bytes | None) -> None:
        """Tell headquarters what became of its command, the bundle first. Without the line nothing happens: it asks
        again, on every connect."""
        with suppress(UnavailableError):
            if bundle is not None:
                sent = command_messages.Sent(answer.command_id, bundle)
                await self._transport.publish(self._place.up(topics.BUNDLE), command_messages.bundle(sent))
            await self._transport.publish(self._place.up(topics.ACK), command_messages.done(answer))

    async def run(self) -> None:
        """Keep the line up until cancelled. Losing it is normal life; StoreError ends it."""
        backoff = Backoff()
        while True:
            connected_ms, busy = None, False
            try:
                await self._connect()
                connected_ms = self._real_ms()
                self._is_connected = True
                await first_to_end(
                    self._send(),
                    self._underway.run(),
                    self._receive(),
                    self._ask_for_gaps(),
                    self._watch_head(),
                    self._touch(),
                    self._ask_for_pieces(),
                    self._confirmed.run(),
                    reporting.told(self._reports, self._place.up(topics.HEALTH), self._transport.publish),
                )
            except UnavailableError as error:
                busy = isinstance(error, BusyError)
                self._standing.lost(self._real_ms(), error)
            finally:
                self._is_connected = False
                # Without goodbye: the broker then tells HQ by our will that we are gone.
                await self._transport.abandon()
            if connected_ms is not None and self._real_ms() - connected_ms >= STABLE_MS:
                backoff.reset()
            await asyncio.sleep(backoff.next_ms(self._rng, busy) / 1000)

    # --- called by the inbox --------------------------------------------------------------------------------

    async def acked(self, ack: Ack) -> None:
        """See LinkPort."""
        if ack.stream in self._unheard and ack.epoch == self._store.epoch:
            await self._renumber_backup(ack)
        self._transport.heard()
        before, behind = self._sender.acked[ack.stream], self._sender.is_behind
        if not self._sender.ack(ack, self._real_ms()):
            return
        self._wake.set()
        after = self._sender.acked[ack.stream]
        if after > before:
            caught_up = behind and not self._sender.is_behind
            self._confirmed.note(ack.stream, after, after - before, at_once=caught_up)

    async def _renumber_backup(self, ack: Ack) -> None:
        """Headquarters' first word about a stream in this run tells of numbers that nobody here ever gave: then this
        database is a backup, and what happens now would be taken for what happened then."""
        self._unheard.discard(ack.stream)
        seq = max(ack.seq, *(last for _, last in ack.ahead), 0)
        if seq > self._sender.highest(ack.stream) and seq > await self._store.last_number():
            await self._store.renumber(f"{self._rng.getrandbits(128):032x}")
            self._health.count("hq.renumbered")
            raise UnavailableError("this database is a backup: its events go on under another name")

    async def headed(self, head: Head) -> None:
        """See LinkPort."""
        self._head_version, self._head_erase_seq = head.version, head.erase_seq
        self._heads += 1
        if self._heads > 1:  # the first may be one that the broker kept
            self._transport.heard()
        self._news.set()
        self._compare(await self._store.hq_version(), head.at_ms)
        if self._sender.head(head.boot):
            self._ask.set()  # what HQ sent or we asked before it restarted may be lost
            self._wake.set()

    async def applied(self, version: int) -> None:
        """See LinkPort."""
        await self._transport.publish(self._place.up(topics.ACK), messages.applied(version))
        self._compare(version, None)

    async def erased(self, seq: int, receipts: Sequence[EraseReceipt]) -> None:
        """See LinkPort."""
        await self._transport.publish(self._place.up(topics.ACK), erase_messages.erased(seq, receipts))

    def ask(self) -> None:
        """See LinkPort."""
        self._ask.set()

    # --- one connection -------------------------------------------------------------------------------------

    async def _connect(self) -> None:
        self._heads = 0
        self._underway = Underway(self._transport.publish)
        if self._sender.epoch != self._store.epoch:
            self._sender = Sender(self._store.epoch)
            self._confirmed.forget()
        await self._confirmed.let_go()
        boot = await self._store.next_boot()
        version = await self._store.hq_version()
        state = self._place.up(topics.STATE)
        told = boot, self._store.epoch, version, self._public_key
        await self._transport.connect(state, messages.state(False, *told))
        await self._transport.subscribe(self._inbox.subscriptions)
        await self._transport.publish(state, messages.state(True, *told), retain=True)
        await self._request()
        self._sender.connected(await self._store.acknowledged(), await self._store.outbox_newest())
        self._health.count("hq.connections")
        self._report()

    async def _receive(self) -> None:
        async for message in self._transport.messages():
            trouble = self._inbox.trouble
            await self._inbox.handle(message.topic, message.payload)
            message.done()  # only now: what was not applied, the broker may keep
            if self._inbox.trouble != trouble:
                self._report()

    async def _send(self) -> None:
        while True:
            if self._wake.is_set():
                self._wake.clear()
                self._sender.committed(await self._store.outbox_newest())
            if self._sender.tick(self._real_ms()):
                self._health.count("hq.stalls")
            self._report()
            ask = self._sender.wants()
            if ask is None:
                await self._sleep_until(self._sender.next_deadline())
            else:
                await self._send_batch(ask)

    async def _send_batch(self, ask: Ask) -> None:
        """Publish what the sender asks for, at the contract's pace."""
        rows = await self._store.outbox_after(ask.after, event_messages.MAX_EVENTS, ask.stream, ask.upto)
        batch = self._sender.take(ask, rows, self._real_ms())
        if batch is None:
            return  # nothing is there, or an ack or a restart of HQ has moved the sender meanwhile
        if batch.spoiled:
            self._health.count("hq.unsendable", batch.spoiled)
        await self._underway.send(self._place.up(topics.EVENTS), batch.payload)
        self._health.count("hq.batches")

    async def _sleep_until(self, deadline_ms: int | None) -> None:
        if deadline_ms is None:
            await self._wake.wait()
            return
        try:
            async with asyncio.timeout(max(0, deadline_ms - self._real_ms()) / 1000):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _have(self) -> tuple[int, int]:
        """What the shop works with: HQ's version, and up to where its erasures are done."""
        return await self._store.hq_version(), await self._store.erase_seq()

    async def _request(self) -> tuple[object, ...]:
        self._ask.clear()
        version, erase_seq = have = await self._have()
        wants, members, held = (False, None, None) if self._snapshots is None else await self._snapshots.standing()
        self._members_behind = members is not None
        told, seen = (version, self._store.epoch, self._sender.acked, erase_seq), await self._inbox.seen()
        asked = messages.req(*told, seen=seen, snapshots=wants, members=members, snapshot=held)
        await self._transport.publish(self._place.up(topics.REQ), asked)
        return *have, members, held

    async def _ask_for_gaps(self) -> None:
        pause_s, asked = ASK_EVERY_S, None  # _connect has just asked
        while True:
            await asyncio.sleep(pause_s)
            await self._ask.wait()
            have = await self._request()
            most_s = MAX_ASK_EVERY_S if have[-1] is None else STAGED_ASK_EVERY_S
            pause_s = min(pause_s * 2, most_s) if have == asked else ASK_EVERY_S
            asked = have

    async def _watch_head(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            before = await self._have()
            await asyncio.sleep(HEAD_GRACE_S)
            have = await self._have()
            if have[0] < self._head_version or have[1] < self._head_erase_seq:
                if have == before:
                    self._ask.set()
                self._news.set()  # look again until we are there

    async def _touch(self) -> None:
        """Ask now and then, so that headquarters tells its version and time."""
        pause_s = FIRST_TOUCH_S
        while True:
            await asyncio.sleep(max(ASK_EVERY_S, pause_s / self._clock.speed))
            self._ask.set()
            self._report()  # what was wrong may be over, and a shop at night tells nothing
            pause_s = TOUCH_EVERY_S

    async def _ask_for_pieces(self) -> None:
        """At the contract's pace, reckoned by the answers."""
        if self._fetching is None:
            await asyncio.Event().wait()
            return
        self._fetching.connected()
        while True:
            for want in await self._fetching.next_wants():
                await self._transport.publish(self._place.up(topics.WANT), pieces.want(want))
                await asyncio.sleep(PIECE_BYTES / BYTES_PER_S)

    def _compare(self, have: int, at_ms: int | None) -> None:
        if self._heads > 1 and have == self._head_version:
            self._inbox.caught_up()
            self._with_hq(at_ms, not self._members_behind)

    # --- time and health ------------------------------------------------------------------------------------

    def _real_ms(self) -> int:
        """The line is as slow as it is, also when the shop's time runs faster."""
        return int(self._clock.now_ms() / self._clock.speed)

    def _report(self) -> None:
        real_ms = self._real_ms()
        self._standing.stands(real_ms, self._inbox.trouble, self._sender.silent_ms(real_ms) >= SILENT_MS)
