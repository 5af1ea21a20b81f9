"""HQ's end of the wire: takes, commits and confirms events; feeds gateways the version line. No SQL, no HTTP."""

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass

from gateway.core.spans import DAY_MS
from gateway.core.streams import Stream
from gateway.errors import BusyError, PeerError, StoreError, UnavailableError
from gateway.health import Health, State
from sync import erase_messages, event_messages, link, messages, report_messages, topics
from sync.backoff import Backoff
from sync.hq import claims, lanes, staging
from sync.hq.catchup import Catchup
from sync.hq.commanding import Commander
from sync.hq.commits import Commits
from sync.hq.fileserver import FileServer
from sync.hq.intake import Reported
from sync.hq.ledger import Ledger
from sync.hq.marks import NOTHING, Held
from sync.hq.pulse import Pulse
from sync.hq.restored import Watch
from sync.hq.signer import Signer
from sync.hq.storage import RefusedError
from sync.topics import Topics

# Contract: at most one cumulative acknowledgement per stream of a gateway in this time; a burst of batches costs one
# message.
ACK_EVERY_MS = 200

# A head that is older says nothing about now: whoever holds the rest back can't keep a shop in the belief that nothing
# has changed. Gateways ask once an hour, and clocks may differ by hours.
HEAD_COUNTS_MS = DAY_MS

# Gateways fed at once: 20 deltas of 96 KiB are 2 MB, and one each fills the window of the connection.
ROUND = link.WINDOW

# Erasures are sent again to gateways that have not confirmed them. A confirmation takes a commit and a flush: 100 ms on
# a slow SD card.
ERASE_AGAIN_S = 15.0

PULSE_WAIT_MS = 60_000  # only bounds an idle wait; every change rings

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Role:
    """What of headquarters' work one connection does; by itself all of it."""

    topics: tuple[str, ...] = (topics.ALL_UP,)
    leads: bool = True  # tells gateways what is new, and follows how far they are
    takes: Callable[[Topics], bool] = lambda _: True  # whose messages
    client: str = ""  # what follows headquarters' name in the client id
    part: str = "broker"  # in health


ALONE = Role()


async def serve(
    ledger: Ledger,
    address: link.Address,
    pulse: Pulse,
    health: Health,
    now_ms: Callable[[], int],
    rng: random.Random,
    signer: Signer | None = None,
    role: Role = ALONE,
) -> None:
    """Serve gateways until cancelled; a broker that is away or a disk that is full is tried again for ever. `signer`
    None: nothing is signed."""
    backoff = Backoff()
    while True:
        busy = False
        try:
            # A new number for every connection: gateways that see it send again what HQ may have missed meanwhile.
            boot = await asyncio.to_thread(ledger.next_boot) if role.leads else 0
            session = _Session(ledger, boot, pulse, health, now_ms, signer, role)
            await _connected(session, await asyncio.to_thread(lambda: ledger.name), address, rng, backoff)
        except* (UnavailableError, StoreError) as group:
            reason, busy = _first(group), group.subgroup(BusyError) is not None
            health.count("hq.lost")
            health.set(role.part, "degraded", now_ms(), str(reason), "Check that broker and database run, with room.")
            log.warning("broker or ledger away: %s", reason)
        await asyncio.sleep(backoff.next_ms(rng, busy) / 1000)


async def _connected(
    session: "_Session", name: str, address: link.Address, rng: random.Random, backoff: Backoff
) -> None:
    """One connection from CONNECT to its end, which is always an error."""
    transport = link.Transport(address, f"rg-hq-{name}{session.role.client}", rng)
    try:
        await transport.connect()
        if not transport.shares and any(topic.startswith(topics.SHARED) for topic in session.role.topics):
            raise UnavailableError(
                "this broker can't share subscriptions: begin each process with --part instead of --share"
            )
        await transport.subscribe(session.role.topics)
        backoff.reset()
        await session.run(transport)
    finally:
        await transport.close()


class _Session:
    """What HQ keeps in mind while one connection lasts; all of it can be rebuilt from ledger and gateways."""

    def __init__(
        self,
        ledger: Ledger,
        boot: int,
        pulse: Pulse,
        health: Health,
        now_ms: Callable[[], int],
        signer: Signer | None,
        role: Role,
    ) -> None:
        self.role = role
        self._ledger = ledger
        self._commits = Commits(ledger.together)
        self._boot = boot
        self._pulse = pulse
        self._health = health
        self._now_ms = now_ms
        self._signer = signer
        # Per gateway, at most intake.MAX_GATEWAYS entries of about 300 bytes each:
        self._holds: dict[Topics, int] = {}  # the version that it holds or was sent
        self._born: set[Topics] = set()  # whose births it has heard
        self._online: set[Topics] = set()
        self._heads: dict[Topics, tuple[int, int]] = {}  # version and erasure of the retained head
        self._keyed: set[Topics] = set()  # who was shown the keys
        self._signs: State = "ok"  # how long the keys serve, as it was last told
        self._erased: dict[Topics, int] = {}  # up to where it has confirmed erasures
        self._erase_sent: dict[Topics, int] = {}  # and was sent them
        self._hungry: dict[Topics, None] = {}  # to be fed, in order
        self._acks: dict[tuple[Topics, str, Stream], Held] = {}
        self._commander = Commander(ledger, health, now_ms)
        self._files = FileServer(ledger, health)
        self._catchup = Catchup(ledger, health, now_ms)
        self._restored = Watch(ledger, health, now_ms)
        self._food = asyncio.Event()
        self._ackable = asyncio.Event()

    async def run(self, transport: link.Transport) -> None:
        self._transport = transport
        rows = await asyncio.to_thread(self._ledger.gateways) if self.role.leads else []
        self._catchup.expect(rows)
        await self._restored.look()
        for row in rows:
            where = Topics(row["tenant"], row["store"], row["gateway"])
            self._holds[where] = row["applied_version"]
            self._erased[where] = self._erase_sent[where] = row["erase_seq"]
            if row["online"]:
                self._online.add(where)
            self._feed_soon(where)
        self._health.set(self.role.part, "ok", self._now_ms())
        async with asyncio.TaskGroup() as tasks:
            received = lanes.run(transport.messages(), self._take_one, self._pulse.ring)
            tasks.create_task(received, name="hq receive")
            tasks.create_task(self._acknowledge(), name="hq acknowledge")
            if not self.role.leads:
                return
            tasks.create_task(self._feed_all(), name="hq feed")
            tasks.create_task(self._watch_versions(), name="hq versions")
            tasks.create_task(self._remind(), name="hq erasures")
            tasks.create_task(self._files.run(self._hand_out), name="hq files")
            tasks.create_task(self._commander.run(self._command), name="hq commands")
            rolled = staging.run(self._ledger, self._pulse, self._health, self._now_ms)
            tasks.create_task(rolled, name="hq roll-outs")
            tasks.create_task(self._catchup.run(self._feed_soon), name="hq snapshots")

    # --- from the gateways ----------------------------------------------------------------------------------

    async def _take_one(self, message: link.Message) -> None:
        try:
            where, way, leaf = topics.parse(message.topic)
            if way == "up" and self.role.takes(where):
                await self._take(where, leaf, message.payload)
        except PeerError as error:
            self._health.count(f"hq.dropped.{error.reason}")  # a fixed word of ours
        except RefusedError as error:
            self._health.count("hq.dropped.refused")
            log.warning("%s: dropped: %s", message.topic, error)
        message.done()  # after the commit: what the ledger did not take, the broker sends again

    async def _take(self, where: Topics, leaf: str, payload: bytes) -> None:
        now_ms = self._now_ms()
        if leaf == topics.EVENTS:
            batch = event_messages.parse_events(payload)
            done = await self._commits.do_with_others(self._ledger.ingest_all, Reported(where, batch, now_ms))
            for name in done.counters():
                self._health.count(name)
            self._acks[where, batch.epoch, batch.stream] = done.held
            self._ackable.set()
            self._meet(where)
        elif leaf == topics.STATE:
            state = messages.parse_state(payload)
            # The first one of a connection may be an old one that the broker kept.
            if (
                state.online
                and where in self._born
                and await self._commits.do(self._ledger.shows_two, where, state, now_ms)
            ):
                self._health.count("hq.clone")
            self._born.add(where)
            if not await self._commits.do(self._ledger.saw_state, where, state, now_ms):
                self._health.count("hq.late_wills")
            elif state.online:
                self._online.add(where)
                self._holds[where] = state.version
                self._erase_sent[where] = self._erased.setdefault(where, 0)
                self._feed_soon(where)
            else:
                self._online.discard(where)
        elif leaf == topics.REQ:
            await self._take_request(where, messages.parse_req(payload), now_ms)
        elif leaf == topics.ACK:
            await self._take_receipt(where, payload, now_ms)
        elif leaf == topics.HEALTH:
            await asyncio.to_thread(self._ledger.saw_report, where, report_messages.parse_health(payload), now_ms)
        elif leaf == topics.BUNDLE:
            await self._commander.take(where, leaf, payload)
        elif leaf == topics.WANT:
            self._files.take(where, payload, where in self._holds)

    def _meet(self, where: Topics) -> None:
        """Somebody reports whose greeting was lost, in a broker whose queue was full: a head makes them ask."""
        if self.role.leads and where not in self._holds:
            self._holds[where] = 0
            self._feed_soon(where)

    async def _take_request(self, where: Topics, req: messages.Req, now_ms: int) -> None:
        behind, erased_behind, held, boot, ahead = await self._commits.do(self._note_request, where, req, now_ms)
        claims.tell(self._health, where, ahead, now_ms)
        if erased_behind:
            self._erase_sent = dict(self._erased)  # the numbers are others now: everybody gets all of them again
        if behind or erased_behind or boot > self._boot:
            await self._restored.found()
        self._acks |= {(where, req.epoch, stream): one for stream, one in held.items()}
        self._ackable.set()
        self._online.add(where)
        self._holds[where] = await self._catchup.take(where, req)
        self._erased[where] = self._erase_sent[where] = req.erase_seq
        self._commander.came(where)
        if boot > self._boot:
            self._boot, self._heads = boot, {}
            for other in self._holds:
                self._feed_soon(other)
        self._heads.pop(where, None)  # the answer repeats the head, for brokers that retain nothing
        self._keyed.discard(where)  # and the keys
        self._feed_soon(where)

    def _note_request(
        self, where: Topics, req: messages.Req, now_ms: int
    ) -> tuple[bool, bool, dict[Stream, Held], int, list[str]]:
        """In the ledger's thread: whether it was behind, in versions and in erasures; what of each stream it has; the
        boot number that its heads need; which gateways claim more than is believed."""
        ledger = self._ledger
        ledger.saw_version(where, req.have, now_ms, req.epoch)
        ledger.saw_members(where, req.members)
        ledger.saw_erased(where, req.erase_seq, (), now_ms)
        behind = ledger.overtake(where, req.have, now_ms), ledger.overtake_erasures(where, req.erase_seq, now_ms)
        boot = ledger.boot_for(where, self._boot, req.seen, now_ms)
        return *behind, ledger.resume(where, req.epoch, req.acked), boot, ledger.claimants()

    async def _take_receipt(self, where: Topics, payload: bytes, now_ms: int) -> None:
        """What a gateway has applied, whom it has erased, or what became of a command."""
        if messages.kind_of(payload) == "done":
            await self._commander.take(where, topics.ACK, payload)
            return
        if messages.kind_of(payload) != "erased":
            await self._commits.do(self._ledger.saw_version, where, messages.parse_applied(payload), now_ms)
            return
        done = erase_messages.parse_erased(payload)
        await self._commits.do(self._ledger.saw_erased, where, done.seq, done.receipts, now_ms)
        self._erased[where] = done.seq

    # --- to the gateways ------------------------------------------------------------------------------------

    async def _acknowledge(self) -> None:
        while True:
            await self._ackable.wait()
            self._ackable.clear()
            acks, self._acks = self._acks, {}
            async with asyncio.TaskGroup() as sends:
                for (where, epoch, stream), held in acks.items():
                    if held != NOTHING:
                        ahead = held.ahead[-event_messages.MAX_AHEAD :]
                        payload = event_messages.ack(epoch, held.watermark, stream, ahead)
                        sends.create_task(self._tell(where, topics.ACK, payload))
            await asyncio.sleep(ACK_EVERY_MS / 1000)

    async def _watch_versions(self) -> None:
        """Feed everybody when HQ has recorded something."""
        version = seen = -1
        while not self._pulse.closed:
            newest = await asyncio.to_thread(self._ledger.version)
            if newest != version:
                version = newest
                self._catchup.look()
                for where in self._holds:
                    self._feed_soon(where)
            seen = await self._pulse.wait(seen, PULSE_WAIT_MS)

    async def _tell(self, where: Topics, leaf: str, payload: bytes, *, retain: bool = False, until_ms: int = 0) -> None:
        """Publish, signed where this headquarters signs; `until_ms`: how long it counts, 0 = without end."""
        topic = where.down(leaf)
        if self._signer is not None:
            payload = self._signer.sign(topic, leaf, payload, until_ms)
        await self._transport.publish(topic, payload, retain)

    async def _hand_out(self, where: Topics, payload: bytes) -> None:
        await self._tell(where, topics.PIECE, payload)

    async def _command(self, where: Topics, payload: bytes, until_ms: int) -> None:
        await self._tell(where, topics.CMD, payload, until_ms=until_ms)

    def _feed_soon(self, where: Topics) -> None:
        self._hungry[where] = None
        self._food.set()

    async def _feed_all(self) -> None:
        """One message per hungry gateway and round, so that a long catch-up of one does not starve the others."""
        while True:
            await self._food.wait()
            self._food.clear()
            while self._hungry:
                round_of = list(self._hungry)[:ROUND]
                for where in round_of:
                    del self._hungry[where]
                newest = await asyncio.to_thread(self._ledger.newest)
                async with asyncio.TaskGroup() as meals:
                    for where in round_of:
                        meals.create_task(self._feed(where, *newest))

    async def _remind(self) -> None:
        """Send erasures again to gateways that are there and have not confirmed them."""
        while True:
            self._look_at_keys()
            await asyncio.sleep(ERASE_AGAIN_S)
            released = await self._restored.look()
            for where in self._online:
                if released or self._erased.get(where, 0) < self._erase_sent.get(where, 0):
                    self._erase_sent[where] = self._erased.get(where, 0)
                    self._feed_soon(where)

    def _look_at_keys(self) -> None:
        if self._signer is not None:
            self._signs = self._signer.tell(self._health, self._signs, self._now_ms())

    async def _feed_erasures(self, where: Topics) -> bool:
        """Send the next erasures that this gateway was not sent on this connection; False = there are none."""
        parent = self._erase_sent.get(where, 0)
        orders = await asyncio.to_thread(self._ledger.erasures_after, parent, erase_messages.MAX_ORDERS)
        if not orders:
            return False
        if self._erase_sent.get(where, 0) == parent:  # no request came in between
            self._erase_sent[where] = orders[-1].seq
            await self._tell(where, topics.ERASE, erase_messages.erase(parent, orders))
        return True

    async def _feed(self, where: Topics, version: int, erase_seq: int) -> None:
        """The keys first, without which nothing is believed; erasures before anything else, then the head that tells of
        them, then changes. `version`, `erase_seq`: the newest of the ledger."""
        if self._signer is not None and where not in self._keyed:
            self._keyed.add(where)
            await self._transport.publish(where.down(topics.KEYS), self._signer.keys, retain=True)
        is_behind = self._erase_sent.get(where, 0) < erase_seq
        if is_behind and where in self._online and await self._feed_erasures(where):
            self._feed_soon(where)
            return
        if self._heads.get(where) != (version, erase_seq):
            self._heads[where] = version, erase_seq
            now_ms = self._now_ms()
            payload = messages.head(version, self._boot, erase_seq, now_ms)
            await self._tell(where, topics.HEAD, payload, retain=True, until_ms=now_ms + HEAD_COUNTS_MS)
        parent = self._holds[where]
        if where not in self._online:
            return
        if self._restored.keeps_back(parent, version):
            return
        meal = await self._catchup.next(where, parent, version)
        if meal is None:
            return
        if self._holds[where] == parent:  # no request came in between
            self._holds[where] = meal.reached
            for leaf, payload, until_ms in meal.told:
                await self._tell(where, leaf, payload, until_ms=until_ms)
        self._feed_soon(where)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
