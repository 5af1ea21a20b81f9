"""The line between a shop's two boxes, over the shop's broker: who serves (gateway.core.seat), and what each tells the
other of contacts, sales and proofs (gateway.copying).

Everything goes over one topic, so that the broker has one order of it. Whoever takes over has by its claim's return
all that the other one's broker took before; so what a box did may leave it once the broker has the copy.
"""

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import NoReturn

from gateway.copying import read, take
from gateway.core.model import Event
from gateway.core.ports import Clock
from gateway.core.seat import Said, Seat
from gateway.errors import PeerError, UnavailableError
from gateway.health import Cause, Health, State
from gateway.records import Tx
from gateway.store import GROUP_MS, Store
from sync.link import Transport
from sync.pair_messages import Lot, Pair, Word
from sync.together import first_to_end

PART = "standby"

TICK_S = 0.1
POLL_S = 1.0  # for changes that nobody woke us for
# The broker stands in the shop: to try it twice a second costs nothing, and a lease lasts 7 s.
AGAIN_S = (0.2, 1.0)
# > three words of the other one.
MISSED_MS = 7_000
REWIND_MS = 5_000  # what is sent again is on its way for so long before it is sent once more
GOODBYE_S = 1.0

_NO_BROKER = "Check the shop's broker and this box's network: without the broker neither box serves."
_LOOK = "Look at the other box's power and network."
_APART = "Bring the other box back. If it is gone for good, take [standby] out of this box's file and start it anew."


class PairLine:
    """One box's end. Lives on the event loop. `uptime_ms`: a clock that nobody sets. `told`: called with whether this
    box serves, each time that changes."""

    def __init__(
        self,
        box: str,
        other: str,
        pair: Pair,
        transport: Transport,
        store: Store,
        seat: Seat,
        uptime_ms: Callable[[], int],
        clock: Clock,
        health: Health,
        rng: random.Random,
    ) -> None:
        self.told: Callable[[bool], None] = lambda _: None
        self._box, self._other = box, other
        self._pair = pair
        self._transport = transport
        self._store = store
        self._seat = seat
        self._uptime_ms = uptime_ms
        self._clock = clock
        self._health = health
        self._rng = rng
        self._is_begun = self._was_up = self._is_up = self._served = False
        self._name = ""  # under which our changes are numbered
        self._have: tuple[str, int] | None = None  # up to where the other one's changes are here; None = never heard
        self._is_sure = False  # nothing of the other one's is missing, and the line stood since
        self._asks = False
        self._next = self._published = 0  # our changes: sent up to, taken by the broker up to
        self._rewound_ms = 0
        self._known = self._dropped = 0  # of ours: the other one has them, and they are deleted, up to
        self._why = ""  # there is no connection
        self._work, self._moved = asyncio.Event(), asyncio.Event()
        self._heard_ms: int | None = None
        self._other_serves = False
        self._posts: set[asyncio.Task[None]] = set()

    @property
    def serves(self) -> bool:
        """Whether this box serves the shop at this instant; to be asked at each act and each answer."""
        return self._seat.serves(self._uptime_ms())

    @property
    def redeems(self) -> bool:
        """Whether it also knows all that was redeemed at the other one."""
        return self.serves and (self._is_sure or self._have is None)

    @property
    def other(self) -> str:
        """The other box's id."""
        return self._other

    def wake(self) -> None:
        """Something was committed."""
        self._work.set()

    async def copied(self) -> None:
        """Return once the broker has all that is committed here so far. Raises UnavailableError for a box that
        serves no more: what it did is kept, and nobody is told of it here."""
        head = await self._store.run(lambda tx: tx.copy_head(), vital=True)
        while self._published < head and self.serves:
            self._work.set()
            with suppress(TimeoutError):
                async with asyncio.timeout(TICK_S):
                    await self._moved.wait()
        if not self.serves:
            raise UnavailableError("the shop's other box serves now")

    async def run(self) -> NoReturn:
        """Keep the line up until cancelled; losing it is normal life."""
        if not self._is_begun:  # what was not sent before this start was told to nobody, and is asked for
            head, self._name, self._have, self._seat.term = await self._store.run(
                lambda tx: (tx.copy_head(), tx.copies_name(), tx.copied_from(), tx.standby_term()), vital=True
            )
            self._next = self._published = head
            self._is_begun = True
        await first_to_end(self._keep_line(), self._watch())
        raise AssertionError("both run for ever")

    async def leave(self) -> None:
        """Serve no more, and let the other one know at once."""
        said = self._seat.leaves(self._uptime_ms())
        if said is not None:
            with suppress(TimeoutError, UnavailableError):
                async with asyncio.timeout(GOODBYE_S):
                    await self._transport.publish(self._pair.topic, self._word(said))

    # --- the line --------------------------------------------------------------------------------------------

    async def _keep_line(self) -> NoReturn:
        while True:
            try:
                await self._transport.connect()
                await self._transport.subscribe([self._pair.topic])
                self._seat.joined(self._uptime_ms())
                self._was_up, self._is_up, self._asks = True, True, False
                self._health.count("standby.connections")
                await first_to_end(self._receive(), self._speak(), self._send())
            except UnavailableError as error:
                self._health.count("standby.losses")
                self._was_up, self._why = True, str(error)  # or it was tried: from now on health says that it is away
            finally:
                self._seat.parted()
                self._is_up = self._is_sure = False
                await self._transport.abandon()
            await asyncio.sleep(self._rng.uniform(*AGAIN_S))

    async def _receive(self) -> None:
        async for message in self._transport.messages():
            try:
                found = self._pair.parse(message.payload)
            except PeerError as error:
                self._health.count(f"standby.refused.{error.reason}")
            else:
                await (self._take(found) if isinstance(found, Lot) else self._hear(found))
            message.done()

    async def _speak(self) -> NoReturn:
        while True:
            now_ms = self._uptime_ms()
            if self._seat.is_silent(now_ms):
                raise UnavailableError("nothing comes back from the shop's broker")
            said = self._seat.due(now_ms)
            if said is not None and said.kind == "claim":
                await self._store.run(partial(Tx.put_standby_term, term=said.term), vital=True)
                self._health.count("standby.claims")
            if said is not None and (said.kind != "claim" or self._seat.stands(said)):
                self._post(said)
            await asyncio.sleep(TICK_S)

    def _post(self, said: Said) -> None:
        """Beside the rest: the broker's answer to one word may not hold up the next."""
        post = asyncio.ensure_future(self._publish(self._word(said)))
        self._posts.add(post)
        post.add_done_callback(self._posts.discard)

    async def _publish(self, payload: bytes) -> None:
        with suppress(UnavailableError):  # the line is lost: whoever receives finds out as well
            await self._transport.publish(self._pair.topic, payload)

    def _word(self, said: Said) -> bytes:
        epoch, have = self._have or ("", 0)
        return self._pair.word(Word(said, self._name, self._published, have, epoch, self._asks))

    # --- what the other one tells ----------------------------------------------------------------------------

    async def _hear(self, word: Word) -> None:
        if word.said.box not in (self._box, self._other):
            self._health.count("standby.third")
            return
        self._seat.heard(word.said, self._uptime_ms())
        if word.said.box == self._box:
            return
        self._heard_ms = self._uptime_ms()
        self._other_serves = word.said.kind == "renew"
        known = word.have if word.have_epoch == self._name else 0
        if known > self._known:
            self._known = known
            self._work.set()
        if word.asks and known < self._next and self._heard_ms - self._rewound_ms >= REWIND_MS:
            self._next, self._rewound_ms = known, self._heard_ms
            self._work.set()
        if self._have is None or self._have[0] != word.epoch:
            await self._take(Lot(self._other, word.epoch, 0, 0, ()))
        self._asks = self._have is None or word.head > self._have[1]
        self._is_sure = not self._asks

    async def _take(self, lot: Lot) -> None:
        if lot.box != self._other:
            return
        whole, counts = await self._store.run(
            lambda tx: (take(tx, lot.epoch, lot.after, lot.upto, lot.rows), tx.take_counts()), vital=True
        )
        for name, count in counts.items():
            self._health.count(name, count)
        if whole:
            have = self._have[1] if self._have is not None and self._have[0] == lot.epoch else 0
            self._have = lot.epoch, max(have, lot.upto)
            if lot.rows:
                self._health.count("standby.taken", len(lot.rows))
        else:
            self._asks, self._is_sure = True, False

    # --- what we tell ----------------------------------------------------------------------------------------

    async def _send(self) -> NoReturn:
        while True:
            after, known = self._next, self._known
            self._work.clear()
            if known > self._dropped:  # here, so that no word waits for the disk
                await self._store.run(partial(Tx.drop_copies, upto=known), GROUP_MS, vital=True)
                self._dropped = known
            upto, rows = await self._store.run(partial(read, after=after), vital=True)
            upto = max(upto, self._published) if not rows else upto  # what is asked for may be gone since long
            if upto == after:
                with suppress(TimeoutError):
                    async with asyncio.timeout(POLL_S):
                        await self._work.wait()
                continue
            lot = Lot(self._box, self._name, after, upto, tuple(dict(row) for row in rows))
            await self._transport.publish(self._pair.topic, self._pair.lot(lot))
            self._health.count("standby.told", len(rows))
            if self._next == after:
                self._next = upto
            self._published = max(self._published, upto)
            self._moved.set()
            self._moved = asyncio.Event()

    # --- who serves ------------------------------------------------------------------------------------------

    async def _watch(self) -> NoReturn:
        while True:
            serves = self.serves
            if serves != self._served:
                self._served = serves
                self._health.count("standby.took_over" if serves else "standby.stood_down")
                self.told(serves)
                if serves:
                    event = Event("standby.serves", self._clock.now_ms(), {"term": self._seat.term})
                    await self._store.run(partial(Tx.emit, event=event), vital=True)
            state, detail, cause = self._state()
            self._health.set(PART, state, self._clock.now_ms(), detail, self._action(), cause)
            await asyncio.sleep(TICK_S)

    def _state(self) -> tuple[State, str, Cause]:
        if not self._was_up:
            return "degraded", "connects to the shop's broker", "standby_starts"
        if not self._is_up:
            still = "serves for some seconds yet" if self.serves else "does not serve"
            return "down", f"no connection to the shop's broker ({self._why}); this box {still}", ""
        heard = self._heard_ms is not None and self._uptime_ms() - self._heard_ms < MISSED_MS
        if self.serves and not self.redeems:
            detail = f"serves, but redeems nothing: it may miss what was redeemed at {self._other}"
            return "degraded", detail, "standby_unsure"
        if self.serves:
            if heard:
                return "ok", f"serves; {self._other} stands by", "standby_serves"
            return "degraded", f"serves; {self._other} is not heard", "standby_alone"
        if heard and self._other_serves:
            return "ok", f"stands by; {self._other} serves", "standby_waits"
        return "degraded", "neither box serves yet", "standby_neither"

    def _action(self) -> str:
        if not self._is_up:
            return _NO_BROKER if self._was_up else ""
        if self.serves:
            heard = self._heard_ms is not None and self._uptime_ms() - self._heard_ms < MISSED_MS
            return "" if heard and self.redeems else _LOOK if self.redeems else _APART
        return ""
