"""Erasure at work: headquarters' stream and what is asked for here, until no byte of it is left in memory or on disk.

The order is always the same: out of memory, ledger and commit, out of memory once more for what came between, then the
copies in the file. Nobody is known at all while headquarters knows of an erasure that this shop does not.
"""

from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Literal, NamedTuple

from gateway.core.changes import EraseReceipt, Erasures
from gateway.core.model import Event
from gateway.core.ports import Clock
from gateway.errors import PeerError, StoreError
from gateway.health import Health
from gateway.recognition import Recognition
from gateway.records import Tx
from gateway.store import Store
from gateway.works import Commit

# HQ numbers one by one, and jumps by about our own number after it was restored. A larger jump would put its line out
# of reach for ever, and with it everybody's recognition.
MAX_STEP = 1_000_000_000
# Pseudonyms whose copies in the file are looked for, one by one; of more, every page is wiped instead, because each
# one costs a search through the file (60 ms for 100,000 members).
MAX_SOUGHT = 20
AGAIN_MS = 1_000  # each try may hold up commits for records.PURGE_WAIT_MS
HELD_MS = 60_000  # headquarters takes what asks for an erasure within a second, or is away for long
LATE_MS = 60_000  # a doctor or a backup reads the file for seconds
PART = "wiping"
LATE = "what was erased still stands in the database's files, because another program reads them"
LATE_HELP = "End the other program that has gateway.db open, such as a backup or a database viewer."


class Followed(NamedTuple):
    """What became of a message of the stream: "gap" = one before it is missing. `seq`: up to where all is done."""

    outcome: Literal["done", "gap"]
    seq: int
    receipts: tuple[EraseReceipt, ...]


class Forgetting:
    """All erasures; every method runs on the event loop. `forget` wipes a member from every surface and counts the
    places, `forget_all` everybody; `ended` is told the one-time codes that count no more, `erased` who was erased."""

    def __init__(
        self,
        store: Store,
        recognition: Recognition,
        clock: Clock,
        health: Health,
        commit: Commit,
        begin: Callable[[Coroutine[Any, Any, None]], None],
        forget: Callable[[str], dict[str, int]],
        forget_all: Callable[[], None],
        ended: Callable[[set[str]], None],
        erased: Callable[[str], None],
    ) -> None:
        self._store = store
        self._recognition = recognition
        self._clock = clock
        self._health = health
        self._commit = commit
        self._begin = begin
        self._forget = forget
        self._forget_all = forget_all
        self._ended = ended
        self._erased = erased
        self._known = 0
        self._sought: set[str] = set()  # copies of these may stand in the file; more than MAX_SOUGHT = of anybody
        self._everything = False
        self._sweeping = False
        self._again_ms: int | None = None
        self._owed_since_ms: int | None = None

    async def start(self) -> None:
        """Before anybody is recognised: what an interrupted erasure or a restored database left undone."""
        recovery = self._store.recovery
        if recovery.erased:
            self._health.count("erase.restored", recovery.erased)
        if self._store.withdrawn_again.again:
            self._health.count("consent.restored", self._store.withdrawn_again.again)
        have, self._known, doubted, owed = await self._store.run(_standing, vital=True)
        self._recognition.hold(doubted or self._known > have or self._store.is_in_pieces)
        if owed:
            self._everything = True
            self._begin(self._sweep())

    # --- from headquarters -----------------------------------------------------------------------------------

    async def on_head(self, seq: int) -> None:
        """Headquarters' newest number: while ours is lower, nobody is known here. Raises PeerError, StoreError."""
        have, doubted = await self._store.run(lambda tx: (tx.erase_seq, tx.erasures_doubted), vital=True)
        if seq - have > MAX_STEP:
            raise PeerError("erase_jump")
        behind = seq > have
        if behind and not self._recognition.held:
            self._recognition.hold(True)
            self._forget_all()
        if seq != self._known or (doubted and not behind):
            self._known = seq
            await self._commit(lambda tx: _heard(tx, seq, doubted and behind), vital=True)
        if not behind:
            self._recognition.hold(self._store.is_in_pieces)

    async def on_erasures(self, batch: Erasures) -> Followed:
        """Obey a message of the stream. An order is obeyed even if one before it is missing. Raises PeerError, and
        StoreError after it was obeyed in memory."""
        if batch.seq - batch.parent > MAX_STEP:
            raise PeerError("erase_jump")
        now_ms = self._clock.now_ms()
        seen = {order.member_id: self._out_of_memory(order.member_id) for order in batch.orders}

        def work(tx: Tx) -> tuple[Followed, set[str], bool]:
            codes: set[str] = set()
            for order in batch.orders:
                codes |= tx.bindings_of(order.member_id)
                tx.erase_member(order.member_id, order.seq, now_ms, seen[order.member_id])
            receipts = tuple(EraseReceipt(order.seq, tx.erase_receipt(order.member_id)) for order in batch.orders)
            have = tx.erase_seq
            if batch.parent > have:
                return Followed("gap", have, receipts), codes, True
            if batch.seq > have:
                have = batch.seq
                tx.reached_erasure(have)
            return Followed("done", have, receipts), codes, tx.erasures_doubted

        followed: Followed
        followed, codes, unsure = await self._commit(work, vital=True)
        self._gone(seen, codes)
        if not unsure and followed.seq >= self._known:
            self._recognition.hold(self._store.is_in_pieces)
        return followed

    # --- asked for here --------------------------------------------------------------------------------------

    async def request(self, member_id: str, channel: str) -> Literal["ok", "gone"]:
        """A member asked here to be forgotten: done at once, and headquarters is told. "gone" = nobody by that id.

        Raises StoreError after it was obeyed in memory; it is then to be asked for again.
        """
        now_ms = self._clock.now_ms()
        seen = self._out_of_memory(member_id)

        def work(tx: Tx) -> tuple[bool, set[str]]:
            codes = tx.bindings_of(member_id)
            known = tx.knows(member_id)
            if known:
                tx.erase_member(member_id, 0, now_ms, seen)
                tx.emit(Event("erasure.requested", now_ms, {"member_id": member_id, "channel": channel}))
            return known or tx.is_erased(member_id), codes

        done, codes = await self._commit(work, vital=True)
        self._gone({member_id}, codes)
        return "ok" if done else "gone"

    def followed(self, member_ids: Iterable[str]) -> None:
        """A delta erased these members; it is committed."""
        self._gone(member_ids, set())

    def wiped(self) -> None:
        """Many profiles are gone from the tables at once: their bytes follow."""
        self._everything = True
        self._begin(self._sweep())

    # --- out of memory, out of the files ---------------------------------------------------------------------

    def _out_of_memory(self, member_id: str) -> dict[str, int]:
        self._recognition.forget(member_id)
        return self._forget(member_id)

    def _gone(self, member_ids: Iterable[str], codes: set[str]) -> None:
        """The erasure is committed: what was decided before it and shown since goes as well."""
        self._ended(codes)
        for member_id in member_ids:
            self._forget(member_id)
            self._recognition.erased(member_id)
            self._erased(member_id)
            self._sought.add(member_id)
        if len(self._sought) > MAX_SOUGHT:
            self._everything = True
            self._sought.clear()
        if self._everything:  # a headquarters that tells thousands of erasures sends them in many messages
            self._again_ms = self._again_ms or self._clock.now_ms() + AGAIN_MS
        else:
            self._begin(self._sweep())

    async def _sweep(self) -> None:
        """Erased bytes leave the log and the file; while somebody reads them, a little later."""
        if self._sweeping:
            self._again_ms = self._clock.now_ms()
            return
        self._sweeping = True
        everything, sought = self._everything, frozenset(self._sought)
        try:
            left = await self._store.sweep(None if everything else {one.encode() for one in sought})
        except StoreError:
            left = "busy"
        finally:
            self._sweeping = False
        now_ms = self._clock.now_ms()
        if left == "busy":
            self._health.count("store.purge_waits")
            self._owed_since_ms = now_ms if self._owed_since_ms is None else self._owed_since_ms
            self._again_ms = now_ms + AGAIN_MS
            return
        if left == "held":
            await self._wait_for_headquarters(now_ms)
            return
        self._sought -= sought
        self._everything = self._everything and not everything
        if self._sought or self._everything:
            self._again_ms = now_ms
            return
        self._owed_since_ms = None
        self._health.set(PART, "ok", now_ms)
        await self._commit(lambda tx: tx.owe_sweep(tx.asks_for_erasure()), vital=True)

    async def _wait_for_headquarters(self, now_ms: int) -> None:
        """The event that asks for an erasure has to name the member until it is confirmed; then it is swept once more.

        Without one it is a pseudonym that is also a word of somebody else's row: all copies of everything go instead.
        """
        asked: bool = await self._commit(lambda tx: tx.asks_for_erasure(), vital=True)
        self._everything = self._everything or not asked
        self._owed_since_ms, self._again_ms = None, now_ms + (HELD_MS if asked else AGAIN_MS)

    def tick(self, now_ms: int) -> None:
        """Try again what is owed, and say so if that lasts."""
        if self._owed_since_ms is not None and now_ms - self._owed_since_ms >= LATE_MS:
            self._health.set(PART, "degraded", now_ms, LATE, LATE_HELP)
        if self._again_ms is not None and now_ms >= self._again_ms:
            self._again_ms = None
            self._begin(self._sweep())

    def clock_stepped(self, delta_ms: int) -> None:
        """Follow a step of the clock."""
        if self._again_ms is not None:
            self._again_ms += delta_ms
        if self._owed_since_ms is not None:
            self._owed_since_ms += delta_ms


def _standing(tx: Tx) -> tuple[int, int, bool, bool]:
    return tx.erase_seq, tx.erase_known, tx.erasures_doubted, tx.owes_sweep


def _heard(tx: Tx, seq: int, doubted: bool) -> None:
    tx.heard_of_erasure(seq)
    tx.doubt_erasures(doubted)
