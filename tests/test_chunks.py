"""One chunk at a time is asked for, and only what is what its hash says, and holds members alone, is kept."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
import zstandard

from gateway.chunks import MAX_MISSING, MAX_TRIES, Staged
from gateway.core.changes import OfferDrop
from gateway.core.fetching import AGAIN_MS, Piece
from gateway.core.model import Purpose
from gateway.core.snapshot import CHUNK_RAW_BYTES
from sync import ops, packing
from sync.messages import compact
from tests.rigs.shop import member, open_shop
from tests.rigs.snapped import Headquarters, Snapped

MANY = [one for number in range(12) for one in member(f"m{number:02}", Purpose.RECOGNISE_NFC)]


@pytest.fixture
async def box(tmp_path: Path):
    shop = await open_shop(tmp_path, *member("old", Purpose.RECOGNISE_NFC))
    one = Snapped(shop, tmp_path)
    yield one
    one.close()
    await shop.settle()
    shop.store.close()


async def test_each_is_asked_for_once_and_after_the_former_is_kept(box: Snapped) -> None:
    hq = Headquarters(500, MANY)
    await box.offer(hq)
    await box.go(hq, "copying")
    assert hq.asked == hq.hashes


async def test_one_that_does_not_come_is_asked_for_again_after_a_while(box: Snapped) -> None:
    hq = Headquarters(500, MANY)
    await box.offer(hq)
    await box.go(hq, "staging")
    await box.snapshots.turn()
    chunks = box.snapshots.chunks
    assert len(await chunks.next_wants()) == 1
    waiting = asyncio.ensure_future(chunks.next_wants())
    await asyncio.sleep(0)
    assert not waiting.done()
    box.shop.clock.ms += AGAIN_MS
    chunks._ask.set()
    assert await waiting == (await wanted(box),)
    chunks.connected()  # another line: at once
    assert await chunks.next_wants() == (await wanted(box),)


async def wanted(box: Snapped):
    want = box.snapshots.chunks._want
    assert want is not None
    return want


def bomb() -> bytes:
    return packing.frame(bytes(CHUNK_RAW_BYTES + 1))


def unsized() -> bytes:
    """A frame that does not say how much it will be."""
    return zstandard.ZstdCompressor(write_content_size=False).compress(b"{" * CHUNK_RAW_BYTES * 4)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (bomb(), "too_large"),
        (unsized(), "packed"),
        (packing.frame(compact(ops.dump(OfferDrop("o"))).encode()), "op"),
        (packing.frame(b'{"op": "member.erase", "body": {"member_id": "old"}}'), "op"),
        (packing.frame(b"[1]"), "not_json"),
        (b"no frame at all", "packed"),
    ],
)
async def test_one_that_cannot_be_read_ends_the_snapshot_and_nothing_else(
    box: Snapped, data: bytes, reason: str
) -> None:
    hq = Headquarters(500, MANY)
    hq.chunks[1] = data  # headquarters' own mistake: the manifest names it so
    await box.offer(hq)
    await box.go(hq)
    told = await box.shop.bodies("snapshot.refused")
    assert told == [{"version": 500, "snapshot_id": hq.name, "reason": reason}]
    assert hq.asked.count(hq.hashes[1]) == MAX_TRIES
    found = await box.shop.store.run(lambda tx: (tx.member_count(), tx.members_version, tx.hq_version, tx.beside()))
    assert found == (1, 1, 1, ())
    assert not list(box.snapshots._folder.glob("snapshot.db*"))
    assert (await box.snapshots.standing()) == (False, None, None)


async def test_a_tampered_one_is_asked_for_again_and_nothing_of_it_is_kept(box: Snapped) -> None:
    hq = Headquarters(500, MANY)
    bad = 2

    def mangle(piece: Piece) -> Piece:
        nonlocal bad
        if piece.sha256 == hq.hashes[2] and bad:
            bad -= 1
            return replace(piece, data=bytes(len(piece.data)))
        return piece

    box.mangle = mangle
    await box.offer(hq)
    await box.go(hq)
    assert box.shop.health.counts["snapshot.chunks_wrong"] == 2
    assert await box.shop.store.run(lambda tx: tx.member_count()) == 12


async def test_one_that_headquarters_is_writing_anew_is_waited_for(box: Snapped) -> None:
    """Somebody in it was erased: it is gone until a newer manifest names another."""
    first = Headquarters(500, MANY)
    await box.offer(first)
    await box.go(first, "staging")
    for _ in range(4):
        await box.turn(first)
    second = Headquarters(500, MANY[:-2], revision=2, name=first.name)
    box.mangle = lambda piece: Piece(piece.sha256, 0, None) if piece.sha256 == first.hashes[-1] else piece
    for _ in range(40):
        await box.turn(first)
        box.snapshots.chunks.connected()
    assert box.shop.health.counts["snapshot.chunks_missing"] > 1
    assert box.asks > 1
    for part in second.parts():
        await box.snapshots.on_part(part)
    await box.go(second)
    assert await box.shop.store.run(lambda tx: (tx.member_count(), tx.snapshot())) == (12, None)
    assert "snapshot.switched" in await box.shop.types()


async def test_one_that_is_never_there_ends_it(box: Snapped) -> None:
    hq = Headquarters(500, MANY)
    box.mangle = lambda piece: Piece(piece.sha256, 0, None)
    await box.offer(hq)
    for _ in range(4 * MAX_MISSING):
        await box.turn(hq)
        box.snapshots.chunks.connected()
    assert [body["reason"] for body in await box.shop.bodies("snapshot.refused")] == ["missing"]


async def test_fewer_ops_than_the_manifest_says_are_not_believed(box: Snapped) -> None:
    hq = Headquarters(500, MANY)
    for part in hq.parts(ops=len(MANY) + 1):
        await box.snapshots.on_part(part)
    await box.offer(hq)
    await box.go(hq)
    assert [body["reason"] for body in await box.shop.bodies("snapshot.refused")] == ["count"]


async def test_a_piece_that_nobody_waits_for_is_dropped(box: Snapped) -> None:
    box.snapshots.chunks.take(Piece("a" * 64, 0, 1, b"x"))
    assert not box.snapshots.chunks.wants("a" * 64)
    assert box.snapshots.chunks._pieces.empty()
    assert Staged("waits") == ("waits", "")
