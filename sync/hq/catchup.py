"""What is next for a gateway on the line: deltas, or a snapshot of members and deltas without them. No SQL."""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

from gateway.apply import MAX_STEP
from gateway.core.snapshot import Held
from gateway.health import Health
from sync import messages, packing, signing, snapshot_messages, topics
from sync.hq.file import Row
from sync.hq.ledger import Ledger
from sync.hq.snapshots import Snapshot
from sync.topics import Topics

# Room for what stands round a delta's ops: {"v":1,"type":"delta","parent":..,"version":..,"at_ms":..,"without":..,
# "ops":[]} with four 19-digit numbers is 150 bytes; and for the signature.
DELTA_OPS_BYTES = messages.MAX_PAYLOAD_BYTES - 256 - signing.ENVELOPE_BYTES

SWEEP_S = 600.0  # how often snapshots are looked at whose time is over
MAKE_AGAIN_S = 5.0  # after another process was found to make one, or the line was numbered anew

log = logging.getLogger(__name__)

Told = tuple[str, bytes, int]  # leaf, payload, and until when it counts, 0 = without end


class Meal(NamedTuple):
    """What to send, and the version to which it leads."""

    told: tuple[Told, ...]
    reached: int


@dataclass(slots=True)
class _Course:
    """A gateway on its way to a snapshot, as it asked; `snapshot` None = it is to be made, `told`: the manifest that it
    has or was sent."""

    have: int
    members: int | None
    told: Held | None
    snapshot: str | None = None


class Catchup:
    """What is kept in mind of one connection: who is on the way to which snapshot."""

    def __init__(self, ledger: Ledger, health: Health, now_ms: Callable[[], int]) -> None:
        self._ledger = ledger
        self._health = health
        self._now_ms = now_ms
        self._courses: dict[Topics, _Course] = {}  # at most ledger.MAX_GATEWAYS of about 300 bytes
        self._asked: set[Topics] = set()  # on this connection
        self._waiting: set[Topics] = set()  # for a snapshot, as it was when the connection began
        self._make = asyncio.Event()
        self._mend = asyncio.Event()
        self._mend.set()  # somebody may have been erased while nobody looked

    def expect(self, gateways: Iterable[Row]) -> None:
        """Those whose members are behind the rest get nothing of the line before they ask for it."""
        waiting = (row for row in gateways if row["members_version"] is not None)
        self._waiting = {Topics(row["tenant"], row["store"], row["gateway"]) for row in waiting}

    def look(self) -> None:
        """The line has grown: somebody may have been erased."""
        self._mend.set()

    async def take(self, where: Topics, req: messages.Req) -> int:
        """A gateway's question; the version after which it is fed."""
        self._asked.add(where)
        self._courses.pop(where, None)
        if not req.snapshots:
            return req.have if req.members is None else req.members
        await self._plan(where, _Course(req.have, req.members, req.snapshot), req.snapshot)
        return req.have

    async def _plan(self, where: Topics, course: _Course, held: Held | None) -> None:
        found = await asyncio.to_thread(self._ledger.choose, course.have, course.members, held, self._now_ms())
        if found == "deltas":
            self._courses.pop(where, None)
            return
        course.snapshot = found.snapshot_id if isinstance(found, Snapshot) else None
        self._courses[where] = course
        if course.snapshot is None:
            self._make.set()

    async def next(self, where: Topics, parent: int, version: int) -> Meal | None:
        """What follows `parent` for a gateway, `version` being the newest; None = nothing does now."""
        course = self._courses.get(where)
        if course is None:
            if parent == version or (where not in self._asked and await self._may_ask_for_one(where, parent)):
                return None
            return await self._delta(where, parent, None)
        if course.snapshot is None:
            return None
        snapshot = await asyncio.to_thread(self._ledger.snapshot, course.snapshot)
        if snapshot is None:  # its time is over, or the line was numbered anew
            course.have = parent
            await self._plan(where, course, None)
            return Meal((), parent)
        if course.told != snapshot.held:
            return await self._manifest(course, snapshot, parent)
        return await self._delta(where, parent, snapshot.version) if parent < snapshot.version else None

    async def _may_ask_for_one(self, where: Topics, parent: int) -> bool:
        """Whether what a gateway asks comes before what it lacks: it would get most of a snapshot as deltas."""
        return where in self._waiting or await asyncio.to_thread(self._ledger.is_far, parent)

    async def _manifest(self, course: _Course, snapshot: Snapshot, parent: int) -> Meal | None:
        """None = a chunk is about to be written anew, then it is told."""
        parts = await asyncio.to_thread(self._ledger.manifest, snapshot.snapshot_id)
        if not parts:
            return None
        course.told = parts[0].held
        self._health.count("hq.manifests")
        told = [(topics.SNAP, snapshot_messages.snapshot(part), part.until_ms) for part in parts]
        return Meal(tuple(told), parent)

    async def _delta(self, where: Topics, parent: int, without: int | None) -> Meal:
        find = self._ledger.changes_after
        ops, reached = await asyncio.to_thread(find, parent, DELTA_OPS_BYTES, where.name, without)
        if reached - parent > MAX_STEP:  # one that no gateway takes: it is led there by steps without changes
            ops, reached = [], parent + MAX_STEP
        payload = packing.pack(messages.delta(parent, reached, ops, self._now_ms(), without))
        return Meal(((topics.DELTA, payload, 0),), reached)

    # --- beside it ---------------------------------------------------------------------------------------------

    async def run(self, hungry: Callable[[Topics], None]) -> None:
        """Make, mend and drop snapshots; `hungry` is told who may be fed then. For ever."""
        async with asyncio.TaskGroup() as parts:
            parts.create_task(self._mend_all(hungry))
            parts.create_task(self._make_all(hungry))

    async def _mend_all(self, hungry: Callable[[Topics], None]) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(SWEEP_S):
                    await self._mend.wait()
            self._mend.clear()
            await asyncio.to_thread(self._ledger.sweep_snapshots, self._now_ms())
            mended = await asyncio.to_thread(self._ledger.mend_snapshots)
            for where, course in self._courses.items():
                if course.snapshot in mended:
                    hungry(where)

    async def _make_all(self, hungry: Callable[[Topics], None]) -> None:
        while True:
            await self._make.wait()
            self._make.clear()
            if all(course.snapshot for course in self._courses.values()):
                continue  # whoever asked meanwhile has the last one
            made = await self._made()
            for where, course in list(self._courses.items()):
                if course.snapshot is None:
                    await self._plan(where, course, made)
                    hungry(where)
            if made is None and self._make.is_set():
                await asyncio.sleep(MAKE_AGAIN_S)

    async def _made(self) -> Held | None:
        """A new snapshot; None = it came to nothing, or another process makes one."""
        stopped = threading.Event()
        log.info("a snapshot of members is being made")
        try:
            made = await asyncio.to_thread(self._ledger.build_snapshot, self._now_ms, stopped=stopped.is_set)
        finally:
            stopped.set()  # the thread would go on
        if made is None:
            return None
        self._health.count("hq.snapshots")
        log.info("snapshot of version %d: %d members, %d chunks", made.version, made.members, made.chunks)
        return made.held
