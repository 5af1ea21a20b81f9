"""Who gets deltas and who a snapshot, in which order; and a gateway on a real broker that takes one."""

import asyncio
import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gateway.core.changes import Delta
from gateway.core.fetching import Want
from gateway.core.snapshot import Held, ManifestPart
from gateway.core.streams import Stream
from gateway.health import Health
from sync import link, messages, pieces, snapshot_messages, topics
from sync.hq import chunking, server
from sync.hq.catchup import Catchup
from sync.hq.ledger import Ledger
from sync.hq.pulse import Pulse
from sync.hq.snapshots import LASTS_MS
from sync.messages import Req
from tests.rigs.broker import Broker
from tests.rigs.mirror import Mirror
from tests.rigs.orders import ALL, EPOCH, KEY, SHOP, consent, key, member, offer
from tests.rigs.waiting import until

NOW_MS = 1_790_000_000_000
ENOUGH_S = 20  # only ends a hanging test
ERASE = {"op": "member.erase", "body": {"member_id": "m-07"}}


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with closing(Ledger(tmp_path / "hq.db")) as made:
        made.snapshot_least = 10  # of these few members
        made.record_ops([offer("o-1"), *people(1, 20), offer("o-2")])
        yield made


def people(first: int, last: int) -> list[dict[str, Any]]:
    found = []
    for who in (f"m-{number:02}" for number in range(first, last + 1)):
        found += [member(who), key(f"c-{who}", who), consent(f"e-{who}", who)]
    return found


def asks(have: int = 0, members: int | None = None, held: Held | None = None, *, snapshots: bool = True) -> Req:
    return Req(have, EPOCH, dict.fromkeys(Stream, 0), 0, snapshots, members, held)


async def until_fed(catchup: Catchup, condition: Any) -> None:
    """Let headquarters make and mend until somebody may be fed and `condition` holds."""
    fed = asyncio.Event()
    task = asyncio.create_task(catchup.run(lambda _: fed.set()))
    try:
        async with asyncio.timeout(ENOUGH_S):
            while not condition():
                await fed.wait()
                fed.clear()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def meal(catchup: Catchup, ledger: Ledger, parent: int) -> tuple[list[ManifestPart | Delta], int] | None:
    found = await catchup.next(SHOP, parent, ledger.version())
    if found is None:
        return None
    parsed: list[ManifestPart | Delta] = []
    for leaf, payload, until_ms in found.told:
        if leaf == topics.SNAP:
            parsed.append(snapshot_messages.parse_snapshot(payload))
            assert until_ms == NOW_MS + LASTS_MS
        else:
            parsed.append(messages.parse_delta(payload))
            assert (leaf, until_ms) == (topics.DELTA, 0)
    return parsed, found.reached


async def made(ledger: Ledger) -> tuple[Catchup, Health]:
    """A shop that has nothing has asked, and its snapshot is made."""
    health = Health()
    catchup = Catchup(ledger, health, lambda: NOW_MS)
    assert await catchup.take(SHOP, asks()) == 0
    assert await meal(catchup, ledger, 0) is None, "nothing of members before the snapshot is there"
    await until_fed(catchup, lambda: health.counts.get("hq.snapshots"))
    return catchup, health


async def test_a_snapshot_is_made_told_and_followed_by_the_rest(ledger: Ledger) -> None:
    catchup, health = await made(ledger)
    ledger.record_ops([member("m-99")])
    told = await meal(catchup, ledger, 0)
    assert told is not None
    ((part,), reached) = told
    assert isinstance(part, ManifestPart)
    assert (part.version, part.members, part.ops, reached) == (62, 20, 60, 0)
    told = await meal(catchup, ledger, 0)
    assert told is not None
    ((delta,), reached) = told
    assert isinstance(delta, Delta)
    assert (delta.parent, delta.version, delta.without, len(delta.changes), reached) == (0, 62, 62, 2, 62)
    assert await meal(catchup, ledger, 62) is None, "what is newer waits until it has switched"
    assert await catchup.take(SHOP, asks(62, 0, part.held)) == 62
    assert await meal(catchup, ledger, 62) is None
    assert await catchup.take(SHOP, asks(62)) == 62
    told = await meal(catchup, ledger, 62)
    assert told is not None
    assert told[1] == 63
    assert health.counts == {"hq.snapshots": 1, "hq.manifests": 1}


async def test_what_it_holds_is_not_told_again_but_another_revision_is(ledger: Ledger) -> None:
    catchup, _ = await made(ledger)
    found = ledger.newest_snapshot()
    assert found is not None
    await catchup.take(SHOP, asks(62, 0, found.held))
    assert await meal(catchup, ledger, 62) is None
    ledger.record_ops([ERASE], NOW_MS)
    assert await meal(catchup, ledger, 62) is None, "not before it is written anew"
    catchup.look()
    await until_fed(catchup, lambda: ledger.manifest(found.snapshot_id))
    told = await meal(catchup, ledger, 62)
    assert told is not None
    assert isinstance(told[0][0], ManifestPart)
    assert (told[0][0].held, told[0][0].members) == (Held(found.snapshot_id, 2), 19)
    assert await meal(catchup, ledger, 62) is None


async def test_old_gateways_and_those_that_lack_little_get_deltas(ledger: Ledger) -> None:
    catchup = Catchup(ledger, Health(), lambda: NOW_MS)
    for question, after in ((asks(snapshots=False), 0), (asks(55), 55), (asks(62, 30, snapshots=False), 30)):
        assert await catchup.take(SHOP, question) == after
        told = await meal(catchup, ledger, after)
        assert told is not None
        assert isinstance(told[0][0], Delta)
        assert (told[0][0].parent, told[0][0].without, told[1]) == (after, None, 62)
    assert await meal(catchup, ledger, 62) is None


async def test_whose_members_wait_is_fed_only_once_it_has_asked(ledger: Ledger) -> None:
    where = {"tenant": SHOP.tenant, "store": SHOP.store, "gateway": SHOP.gateway}
    catchup = Catchup(ledger, Health(), lambda: NOW_MS)
    catchup.expect([where | {"members_version": None}])
    assert await meal(catchup, ledger, 60) is not None
    catchup.expect([where | {"members_version": 0}])
    assert await meal(catchup, ledger, 60) is None
    await catchup.take(SHOP, asks(60, snapshots=False))
    assert await meal(catchup, ledger, 60) is not None


async def test_a_shop_that_lacks_much_is_heard_before_it_is_fed(ledger: Ledger) -> None:
    catchup = Catchup(ledger, Health(), lambda: NOW_MS)
    assert await meal(catchup, ledger, 0) is None
    assert await meal(catchup, ledger, 55) is not None, "who lacks little waits for nothing"
    await catchup.take(SHOP, asks(snapshots=False))
    assert await meal(catchup, ledger, 0) is not None


async def test_one_that_is_gone_is_replaced(ledger: Ledger) -> None:
    catchup, health = await made(ledger)
    await meal(catchup, ledger, 0)
    ledger.overtake(SHOP, 500)
    assert await meal(catchup, ledger, 0) == ([], 0), "another one is to be made"
    await until_fed(catchup, lambda: health.counts["hq.snapshots"] == 2)
    told = await meal(catchup, ledger, 0)
    assert told is not None
    assert isinstance(told[0][0], ManifestPart)
    assert told[0][0].version > 500


async def test_one_that_another_process_makes_is_waited_for(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sync.hq.catchup.MAKE_AGAIN_S", 0.01)
    begun = ledger._begin(NOW_MS)
    assert begun is not None
    build, tries = ledger.build_snapshot, []

    def building(*given: Any, **named: Any) -> Any:
        tries.append(1)
        if len(tries) == 2:
            with ledger._write():
                ledger._db.execute("DELETE FROM snapshot")
        return build(*given, **named)

    monkeypatch.setattr(ledger, "build_snapshot", building)
    await made(ledger)
    assert len(tries) == 2


# --- on a broker -------------------------------------------------------------------------------------------


class Taker:
    """A gateway that takes a snapshot: chunk after chunk, the rest beside it, then it switches and asks for more."""

    def __init__(self, port: int) -> None:
        self.transport = link.Transport(link.Address("127.0.0.1", port), "test-taker", random.Random(1))
        self.now, self.next = Mirror(), Mirror()
        self.version, self.members = 0, 0
        self.parts: dict[int, ManifestPart] = {}
        self.taken: set[int] = set()
        self.boots: set[int] = set()
        self.switched = False

    async def run(self) -> None:
        will = messages.state(False, 1, EPOCH, 0, KEY)
        await self.transport.connect(SHOP.up(topics.STATE), will)
        await self.transport.subscribe([SHOP.down(leaf) for leaf in topics.DOWN_LEAVES])
        await self.transport.publish(SHOP.up(topics.STATE), messages.state(True, 1, EPOCH, 0, KEY), retain=True)
        await self.ask()
        async for message in self.transport.messages():
            _, _, leaf = topics.parse(message.topic)
            if leaf == topics.SNAP:
                await self.manifest(snapshot_messages.parse_snapshot(message.payload))
            elif leaf == topics.HEAD:
                await self.head(messages.parse_head(message.payload))
            elif leaf == topics.PIECE:
                await self.piece(message.payload)
            elif leaf == topics.DELTA:
                await self.delta(messages.parse_delta(message.payload))
            message.done()

    async def ask(self) -> None:
        held = next(iter(self.parts.values())).held if self.is_listed else None
        members = self.members if self.members < self.version else None
        req = messages.req(self.version, EPOCH, snapshots=True, members=members, snapshot=held)
        await self.transport.publish(SHOP.up(topics.REQ), req)

    async def head(self, head: messages.Head) -> None:
        """Headquarters was not there yet when we asked."""
        if head.boot not in self.boots and not self.parts:
            await self.ask()
        self.boots.add(head.boot)

    @property
    def is_listed(self) -> bool:
        return bool(self.parts) and len(self.parts) == next(iter(self.parts.values())).parts

    async def manifest(self, part: ManifestPart) -> None:
        if any(one.held != part.held for one in self.parts.values()):
            self.parts.clear()
        self.parts[part.part] = part
        await self.want()

    async def want(self) -> None:
        """The next chunk; after the last one, everything counts."""
        if not self.is_listed:
            return
        hashes = [name for _, part in sorted(self.parts.items()) for name in part.sha256]
        missing = [number for number in range(len(hashes)) if number not in self.taken]
        if missing:
            await self.transport.publish(SHOP.up(topics.WANT), pieces.want(Want(hashes[missing[0]], 0)))
        elif self.version == self.parts[1].version and not self.switched:
            self.switched = True
            self.members = self.version
            self.now.members = self.next.members
            self.parts.clear()
            await self.ask()

    async def piece(self, payload: bytes) -> None:
        piece = pieces.parse_piece(payload)
        if piece.size is None:  # it was written anew; the manifest comes
            return
        listed = {part.first + at: one for part in self.parts.values() for at, one in enumerate(part.sha256)}
        numbers = {number for number, one in listed.items() if one == piece.sha256}
        self.next.apply(snapshot_messages.parse_chunk(piece.data))
        self.taken |= numbers
        await self.want()

    async def delta(self, delta: Delta) -> None:
        assert delta.parent == self.version
        pending = delta.without is not None
        assert pending is not self.switched, "no member comes beside the snapshot"
        assert not pending or delta.without == self.parts[1].version
        self.now.apply(delta.changes)
        self.version = delta.version
        if not pending:
            self.members = self.version
        await self.want()


@pytest.mark.broker
async def test_a_gateway_that_takes_a_snapshot_has_what_deltas_would_give(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunking, "_FULL_BYTES", 400)
    ledger.record_ops(people(21, 60))
    pulse, health = Pulse(), Health()
    with Broker() as broker:
        address = link.Address("127.0.0.1", broker.port)
        serving = server.serve(ledger, address, pulse, health, lambda: NOW_MS, random.Random(2))
        taker = Taker(broker.port)
        tasks = [asyncio.create_task(serving), asyncio.create_task(taker.run())]
        try:
            await until(lambda: taker.taken)
            ledger.record_ops([member("m-33", "Zoe"), ERASE, consent("e-no", "m-34", "withdrawn", 9)], NOW_MS)
            pulse.ring()
            await until(lambda: taker.switched and taker.version == ledger.version())
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)  # each to its end
            await taker.transport.close()
    by_deltas = Mirror()
    by_deltas.apply(messages.parse_ops(ledger.changes_after(0, ALL, SHOP.name)[0]))
    assert taker.now.members == by_deltas.members
    assert taker.now.rest == by_deltas.rest
    assert len(taker.taken) > 3
    assert health.counts["hq.snapshots"] == 1
    assert health.counts["hq.pieces"] >= len(taker.taken)
