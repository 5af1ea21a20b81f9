"""The chunks of a snapshot, one at a time: asked for, checked, and made ready in the file beside the database. The next
one is asked for when the former is kept, so a cut costs one.

Knows no MQTT: the line asks `next_wants` what to ask headquarters for, and hands over what comes with `take`. Lives on
the event loop.
"""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

from gateway.core.changes import Change
from gateway.core.fetching import AGAIN_MS, Piece, Want
from gateway.core.ports import Clock
from gateway.errors import PeerError
from gateway.health import Health
from gateway.records import Tx
from gateway.staging import FILE, MIRRORED, Staging, Told
from gateway.store import GROUP_MS, Store
from gateway.tables.snapshots import Underway

MAX_TRIES = 3  # of a chunk that is not what its hash says, or can't be read
# Answers that there is no such chunk, AGAIN_MS apart: headquarters writes one anew where somebody in it was erased, and
# then sends another manifest.
MAX_MISSING = 60

Parse = Callable[[bytes], Sequence[Change]]


class Staged(NamedTuple):
    """ "waits" = for a chunk; "goes_on"; "whole" = all chunks are kept; "refused" = no good, for this reason."""

    state: Literal["waits", "goes_on", "whole", "refused"]
    reason: str = ""


class Chunks:
    """`parse` reads a chunk (PeerError); `gateway`: our own "tenant/store/id"; `stir` wakes who calls `turn`; `ask` has
    headquarters send its manifest again."""

    def __init__(
        self,
        store: Store,
        folder: Path,
        gateway: str,
        parse: Parse,
        clock: Clock,
        health: Health,
        stir: Callable[[], None],
        ask: Callable[[], None],
    ) -> None:
        self._store = store
        self._path = folder / FILE
        self._gateway = gateway
        self._parse = parse
        self._clock = clock
        self._health = health
        self._stir = stir
        self._ask_hq = ask
        self._staging: Staging | None = None
        self._want: Want | None = None
        self._asked_ms: int | None = None
        self._tries = self._missing = 0
        self._erasures = -1  # as many the file beside the database knows of
        self._pieces: asyncio.Queue[Piece] = asyncio.Queue(1)  # 64 KiB
        self._ask = asyncio.Event()

    # --- the line's side (sync.uplink) -------------------------------------------------------------------------

    def connected(self) -> None:
        """The line stands anew: what was asked for before may never come."""
        self._asked_ms = None
        self._ask.set()

    async def next_wants(self) -> tuple[Want, ...]:
        """The chunk to ask headquarters for next; waits until there is one."""
        while True:
            now_ms = self._real_ms()
            if self._want is not None and (self._asked_ms is None or not 0 <= now_ms - self._asked_ms < AGAIN_MS):
                self._asked_ms = now_ms
                return (self._want,)
            self._ask.clear()
            try:
                async with asyncio.timeout(AGAIN_MS / 1000 if self._want is not None else None):
                    await self._ask.wait()
            except TimeoutError:
                continue

    def wants(self, sha256: str) -> bool:
        """Whether this is the chunk that is waited for."""
        return self._want is not None and self._want.sha256 == sha256

    def take(self, piece: Piece) -> None:
        """A piece has come. Never blocks; one too many is dropped."""
        if self.wants(piece.sha256) and self._pieces.empty():
            self._pieces.put_nowait(piece)
            self._stir()

    # --- the shop's side ---------------------------------------------------------------------------------------

    async def turn(self, underway: Underway) -> Staged:
        """One step of the staging. Raises StoreError."""
        staging = await self._made()
        await asyncio.to_thread(staging.open, underway.stage)
        await self.forget()
        held = await asyncio.to_thread(lambda: staging.chunks)
        if held >= underway.chunks:
            self._want = None
            ops = await asyncio.to_thread(lambda: staging.ops)
            return Staged("whole") if ops in (underway.ops, -1) else Staged("refused", "count")
        wanted = await self._store.run(lambda tx: tx.chunk_hash(held))
        if wanted is None or not self.wants(wanted):  # of a newer manifest, or not asked for yet
            self._want = None if wanted is None else Want(wanted, 0)
            self._asked_ms, self._tries = None, 0
            self._ask.set()
        if self._pieces.empty():
            return Staged("waits", f"members of version {underway.version}: {100 * held // underway.chunks} %")
        piece = self._pieces.get_nowait()
        return await self._took(underway, staging, held, piece) if self.wants(piece.sha256) else Staged("goes_on")

    async def _took(self, underway: Underway, staging: Staging, number: int, piece: Piece) -> Staged:
        if piece.size is None:
            self._health.count("snapshot.chunks_missing")
            self._missing += 1
            self._ask_hq()
            return Staged("refused", "missing") if self._missing > MAX_MISSING else Staged("waits")
        try:
            if piece.start or hashlib.sha256(piece.data).hexdigest() != piece.sha256:
                raise PeerError("hash")
            changes = await asyncio.to_thread(self._parse, piece.data)
        except PeerError as error:
            self._health.count("snapshot.chunks_wrong")
            self._tries += 1
            if self._tries >= MAX_TRIES:
                self._want = None
                return Staged("refused", error.reason)
            self.connected()
            return Staged("waits")
        await self._keep(underway, staging, number, changes)
        self._health.count("snapshot.chunks")
        self._want, self._missing = None, 0
        return Staged("goes_on")

    async def _keep(self, underway: Underway, staging: Staging, number: int, changes: Sequence[Change]) -> None:
        """What it has to tell is committed before it is: no ledger ever knows less than what counts."""

        def read(tx: Tx) -> tuple[dict[str, str], dict[tuple[str, str], str]]:
            return {key: value for key in MIRRORED if (value := tx.meta(key)) is not None}, tx.notices()

        shop, notices = await self._store.run(read)
        told = await asyncio.to_thread(staging.take, changes, shop, notices, self._clock.now_ms())
        if told.events or told.withdrawals or told.balances:
            await self._store.run(partial(_tell, told=told, gateway=self._gateway), GROUP_MS)
        await asyncio.to_thread(staging.keep, number, len(changes), underway.revision)

    async def rows(
        self, stage: str, table: str, after: Sequence[object], limit: int
    ) -> tuple[list[tuple[Any, ...]], tuple[str | int, ...]] | None:
        """The next raw rows of a table and the key of the last one; None = the file is not the one it was."""
        staging = await self._made()
        if not await asyncio.to_thread(staging.open, stage):
            return None
        await self.forget()
        return await asyncio.to_thread(staging.rows, table, after, limit)

    async def forget(self) -> None:
        """Whoever was erased in the shop is erased in the file beside its database too."""
        count = await self._store.run(lambda tx: tx.erasure_count)
        if count == self._erasures:
            return
        staging = await self._made()
        digests = await self._store.run(lambda tx: frozenset(tx.erasures()))
        if await asyncio.to_thread(staging.forget, digests):
            self._health.count("snapshot.forgotten")
        self._erasures = count

    async def drop(self) -> None:
        """Nothing is staged any more, and no file is left of it. Raises StoreError."""
        self._want = None
        if self._staging is None and not await asyncio.to_thread(self._path.exists):
            return
        staging = await self._made()
        await asyncio.to_thread(staging.drop)
        self._staging, self._erasures = None, -1

    def end(self) -> None:
        """What runs in the other thread ends at its next pause; where it was, it goes on at the next start."""
        if self._staging is not None:
            self._staging.end()
        self._staging, self._erasures = None, -1

    async def _made(self) -> Staging:
        if self._staging is None:
            vault = await self._store.run(Tx.lent_vault)
            self._staging = Staging(self._path, vault, self._store.identifier_key, self._gateway)
        return self._staging

    def _real_ms(self) -> int:
        """The line is as slow as it is, also when the shop's time runs faster."""
        return int(self._clock.now_ms() / self._clock.speed)


def _tell(tx: Tx, told: Told, gateway: str) -> None:
    for event in told.events:
        tx.emit(event)
    tx.note_withdrawn(told.withdrawals)
    for balance in told.balances:
        if not tx.is_erased(balance.member_id):
            tx.put_balance(balance, gateway)
