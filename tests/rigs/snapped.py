"""A shop that takes a snapshot from a headquarters that holds its members in a list; for tests of all its parts."""

import hashlib
import random
from collections.abc import Callable, Sequence
from pathlib import Path

from gateway.core.changes import Change, Delta
from gateway.core.fetching import Piece, Want
from gateway.core.snapshot import PART_CHUNKS, ManifestPart
from gateway.snapshots import Snapshots
from gateway.tables.snapshots import Underway
from sync import ops, snapshot_messages
from sync.messages import compact
from tests.rigs.shop import START_MS, Shop, basics

GATEWAY = "acme/munich-1/gw-1"
DAY_MS = 86_400_000
OPS_A_CHUNK = 10


class Headquarters:
    """Snapshot number `version` of these members, in chunks of OPS_A_CHUNK ops."""

    def __init__(self, version: int, members: Sequence[Change], revision: int = 1, name: str = "") -> None:
        listed = [list(members[at : at + OPS_A_CHUNK]) for at in range(0, len(members), OPS_A_CHUNK)] or [[]]
        self.version, self.revision, self.members = version, revision, members
        self.name = name or hashlib.sha256(f"snapshot {version}".encode()).hexdigest()[:32]
        self.chunks = [snapshot_messages.chunk([compact(ops.dump(one)) for one in part]) for part in listed]
        self.until_ms = START_MS + 7 * DAY_MS
        self.erase_seq = 0
        self.asked: list[str] = []

    @property
    def hashes(self) -> list[str]:
        return [hashlib.sha256(one).hexdigest() for one in self.chunks]

    def parts(self, **other: object) -> list[ManifestPart]:
        """The manifest."""
        count = -(-len(self.chunks) // PART_CHUNKS)
        whole = {
            "snapshot_id": self.name,
            "revision": self.revision,
            "version": self.version,
            "erase_seq": self.erase_seq,
            "made_ms": START_MS,
            "until_ms": self.until_ms,
            "members": len(self.members),
            "ops": len(self.members),
            "chunks": len(self.chunks),
        } | other
        return [
            ManifestPart(
                **whole,  # type: ignore[arg-type]  # as the manifest has them
                part=part + 1,
                parts=count,
                first=part * PART_CHUNKS,
                sha256=tuple(self.hashes[part * PART_CHUNKS : (part + 1) * PART_CHUNKS]),
            )
            for part in range(count)
        ]

    def answer(self, want: Want) -> Piece:
        """The chunk, or that there is none."""
        self.asked.append(want.sha256)
        data = dict(zip(self.hashes, self.chunks, strict=True)).get(want.sha256)
        return Piece(want.sha256, 0, None) if data is None else Piece(want.sha256, 0, len(data), data)


class Snapped:
    """A shop and what takes snapshots in it. `mangle` changes answers on their way."""

    def __init__(self, shop: Shop, folder: Path) -> None:
        self.shop = shop
        self.asks = 0
        self.surely_ms = START_MS
        self.mangle: Callable[[Piece], Piece | None] = lambda piece: piece
        self.snapshots = Snapshots(
            shop.store,
            folder,
            GATEWAY,
            snapshot_messages.parse_chunk,
            shop.clock,
            shop.health,
            shop.flow.present,
            shop.flow.orders.switched,
            self._ask,
            lambda: self.surely_ms,
        )

    def _ask(self) -> None:
        self.asks += 1

    async def offer(self, hq: Headquarters, *, rest: bool = True) -> None:
        """Headquarters sends its manifest, and the rest of its line."""
        for part in hq.parts():
            await self.snapshots.on_part(part)
        if rest:
            have = await self.shop.store.hq_version()
            delta = Delta(have, hq.version, basics(), without=hq.version)
            assert await self.shop.flow.on_hq_change(delta) == "applied"
            self.shop.version = hq.version

    async def underway(self) -> Underway | None:
        return await self.shop.store.run(lambda tx: tx.snapshot())

    async def turn(self, hq: Headquarters) -> bool:
        """One step, and headquarters answers what was asked for."""
        waits = await self.snapshots.turn()
        want = self.snapshots.chunks._want
        if want is not None and self.snapshots.chunks._asked_ms is None:
            (asked,) = await self.snapshots.chunks.next_wants()
            piece = self.mangle(hq.answer(asked))
            if piece is not None:
                self.snapshots.chunks.take(piece)
                return False
        return waits

    async def go(self, hq: Headquarters, until: str = "", most: int = 2_000) -> None:
        """Until the step of that name is reached, "" = until nothing is left to do."""
        for _ in range(most):
            underway = await self.underway()
            if until and underway is not None and underway.step == until:
                return
            if await self.turn(hq) and not until:
                await self.shop.settle()
                return
        raise AssertionError(f"not {until or 'done'} after {most} steps: {await self.underway()}")

    def close(self) -> None:
        self.snapshots.chunks.end()


def people(count: int, seed: int = 1) -> random.Random:
    """For whoever draws members."""
    return random.Random(seed * 1_000 + count)
