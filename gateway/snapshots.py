"""Takes a snapshot of the members: its chunks are made ready in a file beside the database (gateway.chunks), copied
into it, and then count in one moment. The shop works with the former members until then, and whatever goes wrong.

Each step is a few rows of the writer's time, and how far it is stands in the database: a kill or a power cut at any
moment costs one chunk at most. Lives on the event loop; `run` is its only task.
"""

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

from gateway import switching
from gateway.chunks import Chunks, Parse
from gateway.core.model import Event
from gateway.core.ports import Clock
from gateway.core.snapshot import Held, ManifestPart
from gateway.errors import PeerError, StoreError
from gateway.health import Health
from gateway.records import Tx
from gateway.store import Store
from gateway.tables.beside import BEFORE, NEXT, SWAPPED
from gateway.tables.snapshots import Underway
from gateway.touched import Touched

PART = "snapshot"
# Rows that are copied in one commit: 4 ms of the writer here, 20 ms on a Pi 4, about what a tap's own commit takes.
COPY_ROWS = 1_000
# Rows that are looked through or deleted in one commit: a log that has to be opened takes 0.3 ms.
LOOK_ROWS = 500
PAUSE_S = 0.01  # between two commits, so that what happens in the shop comes first
LOOK_S = 5.0  # how soon an erasure reaches the file beside the database, and the next thing to do is looked for
# A member with five ops takes 3 kB in the file, 3 kB in the database, and the former ones are there until after.
BYTES_PER_OP = 1_500
SPARE_BYTES = 64 * 1024 * 1024  # for the log, and for the shop meanwhile

NO_ROOM = "the disk has no room to take all members at once ({need} MB); they come one by one, which takes longer"
ROOM_HELP = "Delete what the box does not need, or give it a larger disk."
REFUSED = "headquarters' snapshot of members was refused ({reason}); they come one by one, which takes longer"
REFUSED_HELP = "Nothing to do here. At headquarters: store-gateway hq snapshot makes a new one."
TABLES = tuple(SWAPPED)


class Snapshots:
    """`present` are those of whom memory knows something, `follow` has all surfaces follow what changed for them, `ask`
    has headquarters send what is missing, `surely_ms` is the time that has surely come; the others as `Chunks` says."""

    def __init__(
        self,
        store: Store,
        folder: Path,
        gateway: str,
        parse: Parse,
        clock: Clock,
        health: Health,
        present: Callable[[], Collection[str]],
        follow: Callable[[Touched], Awaitable[None]],
        ask: Callable[[], None],
        surely_ms: Callable[[], int],
    ) -> None:
        self._store = store
        self._folder = folder
        self._clock = clock
        self._health = health
        self._present = present
        self._follow = follow
        self._ask = ask
        self._surely_ms = surely_ms
        self._stir = asyncio.Event()
        self.chunks = Chunks(store, folder, gateway, parse, clock, health, self._stir.set, ask)
        self._no_room = False
        self._owes_ask = False  # a manifest came while another snapshot was not cleared away
        self._gave_up = False  # and what is asked for instead is not here yet

    # --- the line's side (sync.uplink, sync.inbox) -------------------------------------------------------------

    async def standing(self) -> tuple[bool, int | None, Held | None]:
        """For the question to headquarters: whether it may send a snapshot, the version of the members where that is
        behind the rest, and the manifest that is here whole. Raises StoreError."""

        def read(tx: Tx) -> tuple[bool, int | None, Held | None]:
            behind = tx.members_version if tx.members_version < tx.hq_version else None
            return tx.wants_snapshots, behind, tx.snapshot_held()

        wants, behind, held = await self._store.run(read, vital=True)
        return wants and not self._no_room, behind, held

    async def on_part(self, part: ManifestPart) -> None:
        """Keep a part of a manifest. Raises PeerError for one that is not taken, and StoreError."""
        underway = await self._store.run(Tx.snapshot, vital=True)
        begins = underway is None or underway.snapshot_id != part.snapshot_id
        if begins and not await self._has_room(part.ops * BYTES_PER_OP + SPARE_BYTES):
            return
        surely_ms = self._surely_ms()
        taken = await self._store.run(lambda tx: tx.take_part(part, surely_ms), vital=True)
        self._stir.set()
        match taken:
            case "whole":
                self._ask()  # now the rest of the line may come without members
            case "busy":
                self._owes_ask = True
            case "expired" | "rolled_back" | "refused":
                raise PeerError(f"snapshot_{taken}")

    async def _has_room(self, need_bytes: int) -> bool:
        free = (await asyncio.to_thread(shutil.disk_usage, self._folder)).free
        if free < need_bytes and not self._no_room:
            self._no_room = True
            self._say("degraded", NO_ROOM.format(need=need_bytes // 1_000_000), ROOM_HELP)
            self._ask()  # now without
        return free >= need_bytes

    # --- the shop's side ---------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Take what headquarters offers, for ever."""
        try:
            while True:
                self._stir.clear()
                try:
                    waits = await self.turn()
                except StoreError as error:
                    await self._disk_refused(error)
                    waits = True
                if waits:
                    try:
                        async with asyncio.timeout(LOOK_S):
                            await self._stir.wait()
                    except TimeoutError:
                        continue
        finally:
            self.chunks.end()

    async def turn(self) -> bool:
        """One step of what there is to do; True = nothing more until something happens. Raises StoreError."""
        underway, form = await self._store.run(lambda tx: (tx.snapshot(), tx.form()), vital=True)
        if underway is None:
            return not await self._clear()
        if underway.until_ms <= self._surely_ms():
            await self._give_up(underway, "expired")
            return False
        if underway.step != "manifest" and (underway.marks, underway.schema) != form:
            await self._give_up(underway, "form")  # other keys seal now, or another release made the tables
            return False
        match underway.step:
            case "manifest":
                return await self._begin()
            case "staging":
                return await self._stage(underway)
            case "copying":
                await self._copy(underway)
            case "checking":
                await self.chunks.drop()
                await self._step(underway, partial(_checked, underway=underway))
            case "noting":
                await self._step(underway, partial(_noted, underway=underway))
            case "ready":
                return not await self._switch(underway)
        await asyncio.sleep(PAUSE_S)
        return False

    async def _begin(self) -> bool:
        """Once the manifest is whole, the rest of the line is here, and nothing of a former one is left."""

        def begin(tx: Tx) -> Literal["waits", "clear", "begun"]:
            now = tx.snapshot()
            if now is None or tx.snapshot_held() is None or tx.hq_version < now.version:
                return "waits"
            if tx.has_beside(NEXT) or tx.has_beside(BEFORE):
                return "clear"
            tx.begin_noting()
            marks, schema = tx.form()
            tx.put_snapshot(replace(now, step="staging", stage=now.snapshot_id, marks=marks, schema=schema))
            return "begun"

        found = await self._store.run(begin)
        if found == "clear":
            await self._clear()
        return found == "waits"

    async def _stage(self, underway: Underway) -> bool:
        found = await self.chunks.turn(underway)
        match found.state:
            case "refused":
                await self._give_up(underway, found.reason, refuse=True)
            case "whole":
                await self._step(underway, partial(_staged, underway=underway))
            case "waits" if found.reason:
                self._say("ok", found.reason)
        return found.state == "waits"

    async def _copy(self, underway: Underway) -> None:
        """The next rows of the next table."""
        table, *after = underway.at or (TABLES[0],)
        found = await self.chunks.rows(underway.stage, str(table), after, COPY_ROWS)
        if found is None:
            await self._give_up(underway, "file")
            return
        rows, last = found

        def copied(tx: Tx) -> Underway:
            if rows:
                tx.put_next(str(table), rows)
            at = _further(str(table), last)
            return replace(underway, step="copying" if at else "checking", at=at)

        await self._step(underway, copied)

    async def _switch(self, underway: Underway) -> bool:
        """Whether it came to that."""
        present, now_ms = self._present(), self._clock.now_ms()
        touched = await self._store.run(partial(switching.switch, present=present, now_ms=now_ms), vital=True)
        if touched is None:
            self._say("ok", f"members of version {underway.version} are here; the rest of the line is not yet")
            return False
        self._health.count("snapshot.switched")
        self._say("ok")
        await self._follow(touched)
        self._ask()
        return True

    async def _step(self, underway: Underway, work: Callable[[Tx], Underway]) -> None:
        """Do `work` and keep how far that came, in one commit; nothing if something else is underway by now."""

        def step(tx: Tx) -> None:
            if tx.snapshot() == underway:
                tx.put_snapshot(work(tx))

        await self._store.run(step)

    # --- leaving -----------------------------------------------------------------------------------------------

    async def _clear(self) -> bool:
        """Delete a little of what is not needed any more; whether there was anything."""
        await self.chunks.drop()

        def clear(tx: Tx) -> bool:
            return tx.drop_some(NEXT, LOOK_ROWS) or tx.drop_some(BEFORE, LOOK_ROWS)

        found = await self._store.run(clear)
        if found:
            await asyncio.sleep(PAUSE_S)
        elif self._owes_ask:
            self._owes_ask = False
            self._ask()
        elif self._gave_up and await self._store.run(lambda tx: tx.wants_snapshots):
            self._gave_up = False
            self._say("ok")
        return found

    async def _give_up(self, underway: Underway, reason: str, *, refuse: bool = False) -> None:
        now_ms = self._clock.now_ms()
        told = {"version": underway.version, "snapshot_id": underway.snapshot_id, "reason": reason}

        def give_up(tx: Tx) -> None:
            now = tx.snapshot()
            if now is not None and now.snapshot_id == underway.snapshot_id:
                tx.give_up(refuse=refuse)
                tx.emit(Event("snapshot.refused", now_ms, told))

        await self._store.run(give_up, vital=True)
        self._health.count("snapshot.refused")
        self._gave_up = not self._no_room
        self._say("degraded", REFUSED.format(reason=reason), REFUSED_HELP)
        self._ask()

    async def _disk_refused(self, error: StoreError) -> None:
        """The shop needs what room there is: what was taken is given back."""
        self._health.count("snapshot.disk_refused")
        self._say("degraded", f"members of a snapshot can't be kept: {error}", ROOM_HELP)
        if "full" not in str(error):
            return
        try:
            await self.chunks.drop()
            underway = await self._store.run(Tx.snapshot, vital=True)
            self._no_room = True
            if underway is not None:
                await self._give_up(underway, "disk")
        except StoreError:
            return  # then with the next turn

    def _say(self, state: Literal["ok", "degraded"], detail: str = "", action: str = "") -> None:
        self._health.set(PART, state, self._clock.now_ms(), detail, action)


# --- steps of the database, each a part of one commit --------------------------------------------------------------


def _further(table: str, last: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """Behind the row with the key `last`; without one the next table from its beginning, () = there is none."""
    return (table, *last) if last else TABLES[TABLES.index(table) + 1 :][:1]


def _staged(tx: Tx, underway: Underway) -> Underway:
    tx.make_next()
    return replace(underway, step="copying", at=())


def _checked(tx: Tx, underway: Underway) -> Underway:
    """Whoever was erased while rows were copied is not among them."""
    table, *after = underway.at or (TABLES[0],)
    rows = tx.whose(str(table), after, LOOK_ROWS) if tx.erasure_count else []
    for member_id in {member_id for _, member_id in rows}:
        if tx.is_erased(member_id):
            tx.drop_next_of(member_id)
    at = _further(str(table), rows[-1][0] if rows else ())
    return replace(underway, step="checking" if at else "noting", at=at)


def _noted(tx: Tx, underway: Underway) -> Underway:
    """What only this shop knows is to come along."""
    at = switching.note(tx, underway.at, LOOK_ROWS)
    return replace(underway, step="noting" if at else "ready", at=at)
