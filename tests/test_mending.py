"""A damaged database: put aside, read as far as it goes, made anew; nobody's no is lost, and no event is sent twice."""

import secrets
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway import keycopy, mending
from gateway.core.model import ConsentRecord, ConsentState, Credential, CredentialKind, Event, Member, Purpose
from gateway.dbfile import ASIDE, DATABASE
from gateway.errors import ConfigError
from gateway.records import Tx
from gateway.store import Store

ROOT, NOW_MS = bytes(range(32)), 1_800_000_000_000
MEMBERS = 400
PAGE = 4_096

Harm = Callable[[bytes], bytes]


def opened(folder: Path, root: bytes = ROOT) -> Store:
    mending.at_start(folder, lambda: (root,), NOW_MS)
    return Store(folder / DATABASE, secrets.token_hex(16), root, NOW_MS)


def record(member_id: str, state: ConsentState, hq_seq: int, at_ms: int) -> ConsentRecord:
    return ConsentRecord(f"{member_id}-{state}", member_id, Purpose.RECOGNISE_BLE, state, at_ms, hq_seq=hq_seq)


def withdraw(tx: Tx) -> None:
    tx.take_consent(record("m-0009", ConsentState.GIVEN, 1, NOW_MS - 9), NOW_MS)
    tx.take_consent(record("m-0009", ConsentState.WITHDRAWN, 2, NOW_MS - 5), NOW_MS)


def fill(tx: Tx) -> None:
    for number in range(MEMBERS):
        member_id = f"m-{number:04}"
        tx.put_member(Member(member_id, call_name=f"Rufname-{number}"))
        tx.put_credential(Credential(f"c-{number}", member_id, CredentialKind.IBEACON, secrets.token_bytes(16)))
        tx.take_consent(record(member_id, ConsentState.GIVEN, 1 + number, NOW_MS - 9_000), NOW_MS)
        tx.emit(Event("visit.entered", NOW_MS, {"member_id": member_id, "zone": "coffee", "visit_id": f"v-{number}"}))
    tx.put_meta("hq_version", "7")
    tx.put_meta("store_id", "munich-1")


async def filled(folder: Path) -> str:
    store = opened(folder)
    await store.run(fill)
    # Withdrawn here: headquarters has not heard of it yet.
    await store.run(lambda tx: tx.take_consent(record("m-0003", ConsentState.WITHDRAWN, 0, NOW_MS - 5), NOW_MS))
    await store.run(lambda tx: tx.erase_member("m-0005", 0, NOW_MS))
    store.close()
    return store.epoch


def harmed(folder: Path, harm: Harm) -> None:
    path = folder / DATABASE
    path.write_bytes(harm(path.read_bytes()))


def everything(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


def noise(data: bytes, start: int, size: int) -> bytes:
    return data[:start] + secrets.token_bytes(size) + data[start + size :]


def pages_of(folder: Path, table: str) -> list[int]:
    with sqlite3.connect(folder / DATABASE) as db:
        rows = db.execute("SELECT pageno FROM dbstat WHERE name = ? AND pagetype = 'leaf' ORDER BY pageno", [table])
        return [int(row[0]) for row in rows]


HARMS: dict[str, Harm] = {
    "header": lambda data: noise(data, 0, PAGE),
    "everything": lambda data: secrets.token_bytes(len(data)),
    "cut in half": lambda data: data[: len(data) // 2],
    "a tenth in the middle": lambda data: noise(data, len(data) // 2 // PAGE * PAGE, len(data) // 10),
    "nothing left": lambda data: b"x",
}


@pytest.mark.parametrize("harm", HARMS.values(), ids=HARMS)
async def test_the_shop_opens_whatever_was_damaged(tmp_path: Path, harm: Harm) -> None:
    epoch = await filled(tmp_path)
    harmed(tmp_path, harm)
    mending.ask(tmp_path)  # as the look at night does; the first three are found at the start too
    store = opened(tmp_path)
    try:
        mended = await store.run(Tx.mended)
        assert mended is not None and mended.keys in ("file", "copy") and store.is_in_pieces
        assert store.epoch != epoch
        waiting = await store.outbox_after(0, 10_000)
        assert {"database.mended", "tills.restored"} <= {row.type for row in waiting}
        assert all(row.body.startswith("{") for row in waiting)
        assert await store.run(lambda tx: tx.hq_version) == 0
        assert (await store.run(lambda tx: tx.member("m-0001"))) is None
        await store.run(lambda tx: tx.emit(Event("visit.left", NOW_MS, {"member_id": "m-0001"})))
        assert not (tmp_path / mending.FLAG).exists()
    finally:
        store.close()
    assert mending.is_whole(tmp_path / DATABASE, thorough=True)
    assert b"Rufname-" not in everything(tmp_path)
    assert (tmp_path / ASIDE).stat().st_mode & 0o077 == (tmp_path / DATABASE).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("name", ["header", "everything", "cut in half", "nothing left"])
async def test_what_no_database_is_is_found_at_the_start(tmp_path: Path, name: str) -> None:
    await filled(tmp_path)
    harmed(tmp_path, HARMS[name])
    store = opened(tmp_path)
    store.close()
    assert store.is_in_pieces and (tmp_path / ASIDE).exists()


async def test_after_an_unclean_end_all_of_it_is_looked_at(tmp_path: Path) -> None:
    await filled(tmp_path)
    (page, *_) = pages_of(tmp_path, "member")
    harmed(tmp_path, lambda data: noise(data, (page - 1) * PAGE, PAGE))
    mending.at_start(tmp_path, lambda: (ROOT,), NOW_MS)
    assert not (tmp_path / ASIDE).exists()  # after an orderly one the small tables alone
    (tmp_path / f"{DATABASE}-wal").write_bytes(b"x")
    mending.at_start(tmp_path, lambda: (ROOT,), NOW_MS)
    assert (tmp_path / ASIDE).exists()
    assert not mending.is_whole(tmp_path / ASIDE, thorough=True)
    assert not mending.is_table_whole(tmp_path / ASIDE, "member")
    assert mending.is_table_whole(tmp_path / ASIDE, "outbox") and "outbox" in mending.tables(tmp_path / ASIDE)


async def test_rows_on_both_sides_of_the_damage_are_kept_and_false_ones_dropped(tmp_path: Path) -> None:
    await filled(tmp_path)
    leaves = pages_of(tmp_path, "outbox")
    assert len(leaves) > 6
    lost = leaves[len(leaves) // 2]
    harmed(tmp_path, lambda data: noise(data, (lost - 1) * PAGE, PAGE))
    with sqlite3.connect(tmp_path / DATABASE) as db:
        db.execute("UPDATE outbox SET body = (SELECT body FROM outbox WHERE seq = 2) WHERE seq = 1")
    mending.ask(tmp_path)
    store = opened(tmp_path)
    try:
        mended = await store.run(Tx.mended)
        assert mended is not None and mended.keys == "file"
        numbers = [row.seq for row in await store.outbox_after(0, 10_000) if row.type == "visit.entered"]
        assert 1 not in numbers and {2, 3, MEMBERS} <= set(numbers) and MEMBERS * 0.8 < len(numbers) < MEMBERS
        assert mended.dropped["outbox"] >= 1 and "outbox" in mended.torn
        assert await store.run(lambda tx: tx.meta("store_id")) == "munich-1"
        new = await store.run(lambda tx: (tx.emit(Event("visit.left", NOW_MS, {})), tx.last_number)[1])
        assert new > max(numbers)
    finally:
        store.close()


async def test_a_withdrawal_that_nobody_else_knows_outlives_the_damage(tmp_path: Path) -> None:
    """Not one row is left: headquarters sends the old yes again, and the ledger takes it back."""
    await filled(tmp_path)
    harmed(tmp_path, HARMS["everything"])
    store = opened(tmp_path)
    for number in (3, 4):
        given = record(f"m-{number:04}", ConsentState.GIVEN, 1 + number, NOW_MS - 9_000)
        await store.run(lambda tx, one=given: tx.put_member(Member(one.member_id)))
        await store.run(lambda tx, one=given: tx.take_consent(one, NOW_MS))
    assert store.is_in_pieces  # gateway.forgetting recognises nobody
    await store.run(Tx.make_whole)
    store.close()
    again = opened(tmp_path)
    try:
        assert not again.is_in_pieces and again.withdrawn_again.again == 1 and again.epoch == store.epoch
        states = [
            (await again.run(lambda tx, who=who: tx.consents(who).get(Purpose.RECOGNISE_BLE))).state
            for who in ("m-0003", "m-0004")
        ]
        assert states == [ConsentState.WITHDRAWN, ConsentState.GIVEN]
        told = [row for row in await again.outbox_after(0, 10_000) if row.type == "consent.recorded"]
        assert len(told) == 1 and "m-0003" in told[0].body
        assert await again.run(lambda tx: tx.is_erased("m-0005"))
    finally:
        again.close()


async def test_without_any_key_the_shop_opens_all_the_same(tmp_path: Path) -> None:
    await filled(tmp_path)
    harmed(tmp_path, HARMS["everything"])
    (tmp_path / keycopy.NAME).unlink()
    store = opened(tmp_path)
    mended = await store.run(Tx.mended)
    store.close()
    assert mended is not None and mended.keys == "none" and store.is_in_pieces


async def test_another_root_than_the_copys_is_refused_and_nothing_is_lost(tmp_path: Path) -> None:
    await filled(tmp_path)
    harmed(tmp_path, HARMS["everything"])
    with pytest.raises(ConfigError, match="root key"):
        mending.at_start(tmp_path, lambda: (bytes(32),), NOW_MS)
    store = opened(tmp_path)  # with the right one it goes on
    mended = await store.run(Tx.mended)
    store.close()
    assert mended is not None and mended.keys == "copy"


async def test_a_root_key_that_is_not_there_moves_nothing(tmp_path: Path) -> None:
    await filled(tmp_path)
    harmed(tmp_path, HARMS["header"])
    with pytest.raises(ConfigError):
        mending.at_start(tmp_path, tuple, NOW_MS)
    assert (tmp_path / DATABASE).exists() and not (tmp_path / ASIDE).exists()


@pytest.mark.parametrize("stop", ["put aside", "log follows", "made", "in its place"])
async def test_a_power_cut_in_between_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: str) -> None:
    await filled(tmp_path)
    harmed(tmp_path, HARMS["header"])
    if stop == "log follows":
        (tmp_path / f"{DATABASE}-wal").touch(0o600)
    moves = {"put aside": 0, "log follows": 1, "made": 1, "in its place": 2}[stop]
    replace, unlink, done = Path.replace, Path.unlink, list[Path]()

    def moved(path: Path, target: Path) -> Path:
        if len(done) == moves:
            raise KeyboardInterrupt
        done.append(target)
        return replace(path, target)

    def gone(path: Path, missing_ok: bool = False) -> None:
        if path.name == mending.FLAG:
            raise KeyboardInterrupt
        unlink(path, missing_ok)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "replace", moved)
        patch.setattr(Path, "unlink", gone)
        mending.at_start(tmp_path, lambda: (ROOT,), NOW_MS)
    assert len(done) == moves and (tmp_path / mending.FLAG).exists()
    store = opened(tmp_path)
    mended = await store.run(Tx.mended)
    store.close()
    assert mended is not None and mended.keys in ("file", "copy") and not (tmp_path / mending.FLAG).exists()


@pytest.mark.parametrize(
    "ends", [lambda tx: tx.erase_member("m-0009", 3, NOW_MS), withdraw], ids=["erased", "withdrew"]
)
async def test_who_takes_back_ends_the_file_that_was_put_aside(tmp_path: Path, ends: Callable[[Tx], object]) -> None:
    await filled(tmp_path)
    harmed(tmp_path, HARMS["header"])
    store = opened(tmp_path)
    assert (tmp_path / ASIDE).exists()
    await store.run(ends)
    store.close()
    assert not (tmp_path / ASIDE).exists()


async def test_a_whole_file_stays_as_it_is(tmp_path: Path) -> None:
    epoch = await filled(tmp_path)
    store = opened(tmp_path)
    store.close()
    assert store.epoch == epoch and not store.is_in_pieces and not (tmp_path / ASIDE).exists()
    assert mending.is_whole(tmp_path / "none.db", thorough=True)  # opening it says what is wrong
