"""Has what headquarters wants on screens fetched, verified and then shown, all of it at once; until then, and whatever
goes wrong, what was shown stays.

Knows no MQTT: the line asks `next_wants` what to ask headquarters for, and hands over what comes with `take`.
"""

import asyncio
import errno
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gateway.contentfiles import ContentFiles
from gateway.core import brand as brands
from gateway.core import content, media
from gateway.core.brand import Brand
from gateway.core.content import FileRef, Item, Manifest
from gateway.core.fetching import AGAIN_MS, WINDOW, Fetch, Piece, Want
from gateway.core.model import Event
from gateway.core.ports import Clock
from gateway.health import Health
from gateway.records import Tx
from gateway.store import Store

PART = "content"
# A file whose bytes do not have its hash is asked for again so often; then headquarters is told.
MAX_TRIES = 3
# What was refused is tried again after this time (real ms): an operator may have mended it.
LATER_MS = 3_600_000
FULL_AGAIN_MS = 60_000  # a full disk is looked at again

MORE = "Ask headquarters to publish it again."
ROOM = "Delete what the box does not need, or give it a larger disk."
NO_ROOM = "the disk has no room for what headquarters wants on screens; the former stays"

What = Literal["content", "brand"]


@dataclass(frozen=True, slots=True)
class _Goal:
    """A manifest or brand that is wanted and not shown, with its files and what each is used as."""

    what: What
    name: str
    files: tuple[tuple[FileRef, str], ...]
    fault: str = ""


class Contents:
    """What screens show between offers, and the shop's look. Lives on the event loop; `run` is its only task.

    `changed` is called when something else is shown, with what that is; `wake` when there is an event for headquarters.
    """

    def __init__(
        self,
        store: Store,
        folder: Path,
        clock: Clock,
        health: Health,
        changed: Callable[[What], None],
        wake: Callable[[], None],
    ) -> None:
        self._store = store
        self._files = ContentFiles(folder)
        self._clock = clock
        self._health = health
        self._changed = changed
        self._wake = wake
        self._manifest = Manifest("")
        self._brand = Brand()
        self._look = ""
        self._pieces: asyncio.Queue[Piece] = asyncio.Queue(2 * WINDOW)  # at most 512 KiB
        self._fetch: Fetch | None = None
        self._goal: _Goal | None = None
        self._tries: dict[str, int] = {}  # by file, of the goal alone
        self._refused: dict[tuple[What, str], int] = {}  # until when (real ms); at most one of each kind
        self._types: dict[str, str] = {}  # by file, of what was served
        self._full_until_ms = 0
        self._anew = False
        self._stir = asyncio.Event()
        self._ask = asyncio.Event()

    # --- what is shown ----------------------------------------------------------------------------------------

    @property
    def brand(self) -> Brand:
        return self._brand

    @property
    def look(self) -> str:
        """16 hex digits of the brand that is shown; "" for the product's own."""
        return self._look

    def items(self, screen: str, zone: str) -> tuple[Item, ...]:
        """What may ever be shown on this screen."""
        return content.for_screen(self._manifest.items, screen, zone)

    async def file(self, sha256: str) -> tuple[Path, str] | None:
        """Where a whole file is, and its own media type; None for one that is not here."""
        path = await asyncio.to_thread(self._files.path, sha256)
        if path is None:
            return None
        kind = self._types.get(sha256)
        if kind is None:
            try:
                kind = media.type_of(await asyncio.to_thread(self._files.head, sha256)) or ""
            except OSError:
                return None
            if len(self._types) >= 2 * content.MAX_ITEMS:
                self._types.clear()
            self._types[sha256] = kind
        return (path, kind) if kind else None

    # --- the line's side (sync.uplink) ------------------------------------------------------------------------

    async def next_wants(self) -> tuple[Want, ...]:
        """What to ask headquarters for next; waits until there is something."""
        while True:
            found = self._fetch.wants(self._real_ms()) if self._fetch is not None else ()
            if found:
                return found
            self._ask.clear()
            try:
                async with asyncio.timeout(AGAIN_MS / 1000 if self._fetch is not None else None):
                    await self._ask.wait()
            except TimeoutError:
                continue

    def take(self, piece: Piece) -> None:
        """A piece has come. Never blocks; one too many is dropped and asked for again."""
        try:
            self._pieces.put_nowait(piece)
        except asyncio.QueueFull:
            self._health.count("content.pieces_dropped")
        self._stir.set()

    def connected(self) -> None:
        """The line stands anew: what was asked for before may never come."""
        if self._fetch is not None:
            self._fetch.cut()
        self._ask.set()

    # --- the shop's side --------------------------------------------------------------------------------------

    def wanted(self) -> None:
        """Headquarters wants something else shown. Never blocks."""
        self._anew = True
        self._stir.set()

    async def load(self) -> None:
        """Show what was shown before a restart. Raises StoreError."""
        manifest, brand = await self._store.run(lambda tx: (tx.manifest("shown"), tx.brand("shown")), vital=True)
        self._show(manifest or Manifest(""), brand or Brand())

    async def run(self) -> None:
        """Fetch what is wanted, for ever."""
        await self._tidy()  # a power cut may have come between a swap and this
        while True:
            self._stir.clear()
            try:
                await self._work()
            except OSError as error:
                self._disk_refused(error)
            try:
                async with asyncio.timeout(self._pause_s()):
                    await self._stir.wait()
            except TimeoutError:
                continue

    async def _work(self) -> None:
        while True:
            if self._anew:
                self._anew, self._goal, self._fetch = False, None, None
                self._refused.clear()
            if not self._pieces.empty():
                await self._write(self._pieces.get_nowait())
                continue
            if self._fetch is not None or self._real_ms() < self._full_until_ms:
                return
            goal = self._goal or await self._next_goal()
            if goal is None:
                self._rest()
                return
            if not await self._begin(goal):
                await self._swap(goal)

    async def _next_goal(self) -> _Goal | None:
        """What is wanted and not shown, the brand first: it is small, and every page waits for it."""

        def read(tx: Tx) -> tuple[Brand | None, Manifest | None]:
            return tx.brand("wanted"), tx.manifest("wanted")

        brand, manifest = await self._store.run(read, vital=True)
        goals = []
        if brand is not None and brand != self._brand:
            fonts = tuple((font.file, "font") for font in brand.fonts)
            logo = () if brand.logo is None else ((brand.logo, "logo"),)
            goals.append(_Goal("brand", brands.look_of(brand), (*logo, *fonts)))
        if manifest is not None and manifest != self._manifest:
            uses = {item.file: item.kind for item in manifest.items if item.file is not None}
            fault = next(iter(content.whole_faults(manifest.items)), "")
            goals.append(_Goal("content", manifest.content_id, tuple(uses.items()), fault))
        now_ms = self._real_ms()
        for goal in goals:
            if now_ms < self._refused.get((goal.what, goal.name), 0):
                continue
            if not goal.fault:
                return goal
            await self._refuse(goal, "items")
        return None

    async def _begin(self, goal: _Goal) -> bool:
        """Begin the next file of a goal; False = all of them are here."""
        if self._goal is not goal:
            self._goal, self._tries = goal, {}
        missing = await asyncio.to_thread(lambda: [one for one in goal.files if not self._files.holds(one[0])])
        if not missing:
            return False
        self._tell(len(goal.files) - len(missing), len(goal.files))
        await self._begin_file(missing[0][0])
        return True

    async def _begin_file(self, ref: FileRef) -> None:
        held = await asyncio.to_thread(self._files.begin, ref)
        self._fetch = Fetch(ref.sha256, ref.bytes, held)
        if self._fetch.is_done:  # a power cut came between the last piece and the rename
            await self._finish(self._fetch)
        self._ask.set()

    async def _write(self, piece: Piece) -> None:
        fetch = self._fetch
        if fetch is None or piece.sha256 != fetch.sha256:
            self._health.count("content.pieces_unasked")
            return
        if piece.size is None:
            await self._file_refused(fetch, "missing", final=True)
            return
        data = fetch.take(piece)
        if data is None:
            self._health.count("content.pieces_wrong")
            if piece.size != fetch.size:
                await self._file_refused(fetch, "size", final=True)
            return
        if data:
            await asyncio.to_thread(self._files.append, data)
        if fetch.is_done:
            await self._finish(fetch)
        self._ask.set()

    async def _finish(self, fetch: Fetch) -> None:
        assert self._goal is not None
        ref, use = next(one for one in self._goal.files if one[0].sha256 == fetch.sha256)
        verdict = await asyncio.to_thread(self._files.finish, ref, use)
        if verdict == "ok":
            self._health.count("content.files")
            self._fetch = None
        else:
            await self._file_refused(fetch, verdict, final=verdict != "hash")

    async def _file_refused(self, fetch: Fetch, reason: str, *, final: bool) -> None:
        """A file that is not what headquarters said: asked for again a few times, then its goal is given up."""
        assert self._goal is not None
        goal, self._fetch = self._goal, None
        self._health.count(f"content.files_{reason}")  # fixed words of ours
        tries = self._tries[fetch.sha256] = self._tries.get(fetch.sha256, 0) + 1
        if final or tries > MAX_TRIES:
            await self._refuse(goal, reason, fetch.sha256)

    async def _refuse(self, goal: _Goal, reason: str, sha256: str = "") -> None:
        """Give a goal up for a while; headquarters is told once."""
        now_ms = self._clock.now_ms()
        self._goal = self._fetch = None
        self._refused[goal.what, goal.name] = self._real_ms() + LATER_MS
        told = {"name": goal.name, "reason": reason, "sha256": sha256}

        def note(tx: Tx) -> None:
            if tx.note_refused(goal.what, goal.name, reason):
                tx.emit(Event(f"{goal.what}.refused", now_ms, told))

        await self._store.run(note)
        self._wake()
        self._health.count(f"{goal.what}.refused")
        detail = f"headquarters' {goal.what} was refused ({reason})"
        self._health.set(PART, "degraded", now_ms, detail, MORE, "content_refused")

    async def _swap(self, goal: _Goal) -> None:
        """Every file is here: show it, then let go of what nothing needs any more."""
        now_ms = self._clock.now_ms()

        def swap(tx: Tx) -> tuple[bool, Manifest | None, Brand | None]:
            done = tx.show_wanted(goal.what, goal.name)
            if done:
                tx.emit(Event(f"{goal.what}.applied", now_ms, {"name": goal.name, "files": len(goal.files)}))
            return done, tx.manifest("shown"), tx.brand("shown")

        done, manifest, brand = await self._store.run(swap)
        self._goal = None
        if not done:  # meanwhile something else is wanted
            return
        self._show(manifest or Manifest(""), brand or Brand())
        self._health.count(f"{goal.what}.applied")
        self._health.set(PART, "ok", now_ms)
        self._changed(goal.what)
        self._wake()
        await self._tidy()

    async def _tidy(self) -> None:
        """Let go of files that are neither shown nor wanted."""

        def read(tx: Tx) -> Iterable[FileRef]:
            manifests = [tx.manifest("shown"), tx.manifest("wanted")]
            looks = [tx.brand("shown"), tx.brand("wanted")]
            return [ref for one in manifests if one is not None for ref in content.files_of(one.items)] + [
                ref for one in looks if one is not None for ref in brands.files_of(one)
            ]

        keep = frozenset(ref.sha256 for ref in await self._store.run(read, vital=True))
        try:
            await asyncio.to_thread(self._files.drop_others, keep)
        except OSError:
            self._health.count("content.not_dropped")  # tried again after the next swap

    def _show(self, manifest: Manifest, brand: Brand) -> None:
        self._manifest, self._brand, self._look = manifest, brand, brands.look_of(brand)

    def _rest(self) -> None:
        """Nothing is wanted that is not shown, or it was refused."""
        if not self._refused and any(part.name == PART for part in self._health.parts):
            self._health.set(PART, "ok", self._clock.now_ms())

    def _tell(self, held: int, of: int) -> None:
        told = f"{held} of {of} files of what headquarters wants on screens are here"
        self._health.set(PART, "ok", self._clock.now_ms(), told, cause="content_loading")

    def _disk_refused(self, error: OSError) -> None:
        self._fetch = None
        self._full_until_ms = self._real_ms() + FULL_AGAIN_MS
        self._health.count("content.disk_refused")
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        detail = NO_ROOM if full else "the disk refuses what headquarters wants on screens; the former stays"
        step = ROOM if full else "Check the disk."
        self._health.set(PART, "degraded", self._clock.now_ms(), detail, step, "content_room")

    def _pause_s(self) -> float | None:
        """Until the next look, None = until something happens."""
        now_ms = self._real_ms()
        due_ms = [at_ms for at_ms in (*self._refused.values(), self._full_until_ms) if at_ms > now_ms]
        return (min(due_ms) - now_ms) / 1000 if due_ms else None

    def _real_ms(self) -> int:
        """The line is as slow as it is, also when the shop's time runs faster."""
        return int(self._clock.now_ms() / self._clock.speed)
