"""A snapshot is taken to its end through kills, erasures, a full disk and whatever else; or not at all."""

import asyncio
import random
import shutil
from pathlib import Path

import pytest

from gateway import snapshots, switching
from gateway.core.changes import Delta, Erasure, Erasures
from gateway.core.model import ConsentState, Purpose
from gateway.errors import PeerError, StoreError
from gateway.records import Tx
from gateway.snapshots import Snapshots
from gateway.staging import Staging
from gateway.tables.beside import SWAPPED
from tests.rigs.shop import SITE_KEY, START_MS, Shop, consent, member, open_shop
from tests.rigs.snapped import DAY_MS, Headquarters, Snapped

NFC = Purpose.RECOGNISE_NFC
PEOPLE = [one for number in range(30) for one in member(f"m{number:02}", NFC)]
STEPS = ["staging", "copying", "checking", "noting", "ready"]


@pytest.fixture
async def box(tmp_path: Path):
    shop = await open_shop(tmp_path, *member("old", NFC), *member("m01", NFC))
    one = Snapped(shop, tmp_path)
    yield one
    one.close()
    await shop.settle()
    shop.store.close()


@pytest.fixture(autouse=True)
def _small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "COPY_ROWS", 10)
    monkeypatch.setattr(snapshots, "LOOK_ROWS", 10)
    monkeypatch.setattr(snapshots, "PAUSE_S", 0)


async def reopened(box: Snapped, folder: Path) -> Snapped:
    """As after a kill: what is in memory is gone."""
    await box.shop.settle()
    box.close()
    box.shop.store.close()
    shop = await open_again(folder)
    again = Snapped(shop, folder)
    box.shop, box.snapshots = shop, again.snapshots  # the fixture closes these
    again.snapshots._ask = box._ask
    return again


def files(folder: Path, which: str = "*") -> list[Path]:
    return list(folder.glob(which))


async def open_again(folder: Path):
    shop = Shop(folder)
    await shop.flow.start()
    shop.version = await shop.store.hq_version()
    return shop


async def whole(box: Snapped, count: int) -> None:
    """The members of the snapshot count, and nothing else is left."""
    found = await box.shop.store.run(lambda tx: (tx.member_count(), tx.snapshot(), tx.beside(), tx.members_version))
    assert found == (count, None, (), box.shop.version)
    broken = await box.shop.store.run(lambda tx: tx.check_consents("", 1_000)[1])
    assert broken == []
    assert not list(box.snapshots._folder.glob("snapshot.db*"))


@pytest.mark.parametrize("seed", range(4))
async def test_killed_at_any_moment_it_goes_on_and_asks_for_one_chunk_again_at_most(
    box: Snapped, tmp_path: Path, seed: int
) -> None:
    rng = random.Random(seed)
    hq, kills = Headquarters(500, PEOPLE), 0
    await box.offer(hq)
    while True:
        for _ in range(rng.randrange(1, 12)):
            waits = await box.turn(hq)
        if waits and await box.underway() is None:
            break
        kills += 1
        box = await reopened(box, tmp_path)
    assert kills > 3
    assert len(hq.asked) - len(set(hq.hashes)) <= kills
    await whole(box, 30)


POINTS = [
    (Staging, "take"),
    (Staging, "keep"),
    (Tx, "make_next"),
    (Tx, "put_next"),
    (Tx, "note_parked"),
    (Tx, "exchange"),
    (Tx, "bring_log"),
    (Tx, "finish"),
    (Tx, "drop_some"),
]


@pytest.mark.parametrize(("owner", "name"), POINTS, ids=[name for _, name in POINTS])
@pytest.mark.parametrize("after", [False, True])
async def test_a_step_that_breaks_is_done_once_more(
    box: Snapped, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: type, name: str, after: bool
) -> None:
    """At each of these: before it, or once it was done and before it was committed."""
    await box.shop.store.run(lambda tx: tx.add_consent(consent("m01", NFC, ConsentState.GIVEN, 0).record))
    hq, real, broke = Headquarters(500, PEOPLE), getattr(owner, name), 0

    def breaks(*values, **named):
        nonlocal broke
        if broke:
            return real(*values, **named)
        if after:
            real(*values, **named)
        broke += 1
        raise StoreError("killed")

    monkeypatch.setattr(owner, name, breaks)
    await box.offer(hq)
    for _ in range(400):
        try:
            done = await box.turn(hq) and await box.underway() is None
        except StoreError:
            box = await reopened(box, tmp_path)
            done = False
        if done:
            break
    assert broke == 1
    assert len(hq.asked) <= len(hq.hashes) + 1
    await whole(box, 30)


@pytest.mark.parametrize("until", STEPS)
async def test_whoever_is_erased_meanwhile_never_comes_back(box: Snapped, tmp_path: Path, until: str) -> None:
    hq = Headquarters(500, PEOPLE)
    await box.offer(hq)
    await box.go(hq, until)
    for _ in range(3 if until in ("staging", "copying") else 0):
        await box.turn(hq)
    await box.shop.flow.on_erasures(Erasures(0, 1, (Erasure(1, "m01"),)))
    await box.go(hq)
    await box.shop.tick(60_000)
    await whole(box, 29)
    assert await box.shop.store.run(lambda tx: tx.knows("m01")) is False
    box.shop.store.close()
    assert [path.name for path in files(tmp_path) if b"m01" in path.read_bytes()] == []


async def test_an_erasure_reaches_the_file_beside_the_database_even_after_a_kill(box: Snapped, tmp_path: Path) -> None:
    hq = Headquarters(500, PEOPLE)
    await box.offer(hq)
    await box.go(hq, "staging")
    for _ in range(6):
        await box.turn(hq)
    assert b"m01" in (tmp_path / "snapshot.db").read_bytes() + (tmp_path / "snapshot.db-wal").read_bytes()
    await box.shop.flow.on_erasures(Erasures(0, 1, (Erasure(1, "m01"),)))
    box = await reopened(box, tmp_path)
    await box.snapshots.turn()
    box.snapshots.chunks.end()
    assert b"m01" not in (tmp_path / "snapshot.db").read_bytes()
    await box.go(hq)
    await whole(box, 29)


@pytest.mark.parametrize("until", STEPS)
async def test_what_was_withdrawn_elsewhere_meanwhile_stays_withdrawn(box: Snapped, until: str) -> None:
    hq = Headquarters(500, PEOPLE)
    await box.offer(hq)
    await box.go(hq, until)
    await box.shop.push(consent("m01", NFC, ConsentState.WITHDRAWN, 99))
    await box.go(hq)
    found = await box.shop.store.run(lambda tx: tx.consents("m01")[NFC].state)
    assert found is ConsentState.WITHDRAWN


async def test_a_disk_without_room_is_said_and_members_come_one_by_one(
    box: Snapped, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "SPARE_BYTES", shutil.disk_usage("/tmp").total * 1_000)
    for part in Headquarters(500, PEOPLE).parts():
        await box.snapshots.on_part(part)
    assert await box.underway() is None
    assert box.asks == 1
    assert await box.snapshots.standing() == (False, None, None)
    (part,) = [one for one in box.shop.health.parts if one.name == "snapshot"]
    assert (part.state, "no room" in part.detail) == ("degraded", True)


async def test_a_disk_that_fills_up_meanwhile_is_given_back(box: Snapped, monkeypatch: pytest.MonkeyPatch) -> None:
    hq = Headquarters(500, PEOPLE)
    await box.offer(hq)
    await box.go(hq, "staging")

    def full(*_):
        raise StoreError("the disk refused: database or disk is full")

    monkeypatch.setattr(Staging, "keep", full)
    with pytest.raises(StoreError) as refused:
        await box.go(hq)
    await box.snapshots._disk_refused(refused.value)
    assert not list(box.snapshots._folder.glob("snapshot.db*"))
    assert await box.underway() is None
    assert [body["reason"] for body in await box.shop.bodies("snapshot.refused")] == ["disk"]
    assert await box.snapshots.standing() == (False, None, None)
    await box.shop.tap("m01", "coffee-nfc")  # the shop works on
    assert box.shop.step() == "offer"


@pytest.mark.parametrize(
    ("other", "reason"),
    [({"until_ms": START_MS, "made_ms": 0}, "expired"), ({"version": 0 + 1, "chunks": 2}, "rolled_back")],
)
async def test_a_manifest_that_is_not_taken_is_counted_by_its_reason(box: Snapped, other, reason: str) -> None:
    await box.shop.push()
    (part,) = Headquarters(500, PEOPLE[:3]).parts(**other)
    with pytest.raises(PeerError, match=f"snapshot_{reason}"):
        await box.snapshots.on_part(part)
    assert await box.underway() is None


async def test_one_that_expires_meanwhile_is_given_up(box: Snapped) -> None:
    hq = Headquarters(500, PEOPLE)
    await box.offer(hq)
    await box.go(hq, "copying")
    box.surely_ms += 8 * DAY_MS
    await box.go(hq)
    found = await box.shop.store.run(lambda tx: (tx.hq_version, tx.members_version, tx.beside(), tx.member_count()))
    assert found == (1, 1, (), 2)
    assert [body["reason"] for body in await box.shop.bodies("snapshot.refused")] == ["expired"]


async def test_another_one_begins_once_the_former_is_cleared_away(box: Snapped) -> None:
    hq = Headquarters(500, PEOPLE)
    await box.offer(hq)
    await box.go(hq, "copying")
    newer = Headquarters(600, PEOPLE[:9])
    asks = box.asks
    for part in newer.parts():
        await box.snapshots.on_part(part)
    assert await box.underway() is None
    await box.go(newer)
    assert box.asks > asks  # for its manifest
    await box.offer(newer)
    await box.go(newer)
    await whole(box, 3)


async def test_a_file_that_is_lost_while_its_rows_are_copied_ends_it(box: Snapped, tmp_path: Path) -> None:
    hq = Headquarters(500, PEOPLE)
    await box.offer(hq)
    await box.go(hq, "copying")
    box.snapshots.chunks.end()
    for path in files(tmp_path, "snapshot.db*"):
        path.unlink()
    await box.go(hq)
    assert [body["reason"] for body in await box.shop.bodies("snapshot.refused")] == ["file"]
    assert await box.shop.store.run(lambda tx: tx.member_count()) == 2


async def test_members_wait_for_the_rest_of_the_line(box: Snapped) -> None:
    hq = Headquarters(500, PEOPLE)
    await box.offer(hq, rest=False)
    assert await box.snapshots.turn()
    assert hq.asked == []
    wants, behind, held = await box.snapshots.standing()
    assert (wants, behind, held) == (True, None, hq.parts()[0].held)
    await box.offer(hq)
    assert (await box.snapshots.standing())[1] == 1
    await box.go(hq)
    await whole(box, 30)


async def test_how_far_it_is_stands_in_health(box: Snapped) -> None:
    hq = Headquarters(500, PEOPLE)
    await box.offer(hq)
    await box.go(hq, "staging")
    for _ in range(len(hq.chunks)):
        await box.turn(hq)
    (part,) = [one for one in box.shop.health.parts if one.name == "snapshot"]
    assert part.detail.startswith("members of version 500: ")
    await box.go(hq)
    (part,) = [one for one in box.shop.health.parts if one.name == "snapshot"]
    assert (part.state, part.detail) == ("ok", "")


async def test_the_service_takes_it_by_itself_and_ends_in_time(box: Snapped, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "LOOK_S", 0.01)
    hq = Headquarters(500, PEOPLE)
    await box.offer(hq)

    async def line() -> None:
        while True:
            for want in await box.snapshots.chunks.next_wants():
                box.snapshots.chunks.take(hq.answer(want))

    tasks = [asyncio.ensure_future(box.snapshots.run()), asyncio.ensure_future(line())]
    async with asyncio.timeout(60):
        while "snapshot.switched" not in box.shop.health.counts:  # noqa: ASYNC110 - a counter has no event
            await asyncio.sleep(0.01)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert await box.shop.store.run(lambda tx: tx.member_count()) == 30
    assert set(SWAPPED) == set(snapshots.TABLES)
    assert isinstance(box.snapshots, Snapshots)
    assert switching.switch is not None


async def test_another_key_for_the_data_ends_it_before_its_time_is_wasted(box: Snapped) -> None:
    hq = Headquarters(500, PEOPLE)
    await box.offer(hq)
    await box.go(hq, "copying")
    roots = (SITE_KEY,)
    await box.shop.store.run(lambda tx: (tx.ask_rekey(), tx.add_field_key(roots, START_MS)))
    await box.shop.store.run(lambda tx: tx.load_field_keys(roots))
    await box.snapshots.turn()
    assert [body["reason"] for body in await box.shop.bodies("snapshot.refused")] == ["form"]
    await box.go(hq)  # it is cleared away
    await box.offer(hq)  # once more, under the new key
    await box.go(hq)
    await whole(box, 30)
    assert await box.shop.store.run(lambda tx: tx.member("m01")) is not None


async def test_health_is_well_again_once_deltas_have_overtaken_what_was_refused(box: Snapped) -> None:
    hq = Headquarters(500, PEOPLE)
    hq.chunks[0] = b"no frame"
    await box.offer(hq)
    await box.go(hq)
    assert state(box) == "degraded"
    box.shop.version = 1
    assert await box.shop.flow.on_hq_change(Delta(1, 500, tuple(PEOPLE))) == "applied"
    await box.snapshots.turn()
    assert state(box) == "ok"


def state(box: Snapped) -> str:
    return next(part.state for part in box.shop.health.parts if part.name == "snapshot")
