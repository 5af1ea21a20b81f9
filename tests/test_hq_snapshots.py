"""A snapshot and what follows it give exactly what all deltas give, whatever happens meanwhile; the erased are gone."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gateway.core.fetching import Want
from gateway.core.snapshot import CHUNK_BYTES, Held, ManifestPart
from sync import messages, snapshot_messages
from sync.hq import chunking, snapshots
from sync.hq.ledger import Ledger
from sync.hq.snapshots import KEEP, LASTS_MS, Snapshot
from tests.rigs.mirror import Mirror
from tests.rigs.orders import ALL, SHOP, batch, code, consent, key, member, offer, sealed

pytestmark = pytest.mark.usefixtures("each_database")

NOW_MS = 1_790_000_000_000


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with closing(Ledger(tmp_path / "hq.db")) as made:
        made.snapshot_least = 10  # type: ignore[misc]  # of these few members
        yield made


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if a message held some forty members."""
    monkeypatch.setattr(chunking, "_FULL_BYTES", 2_000)


def people(first: int, last: int, name: str = "Ada") -> list[dict[str, Any]]:
    found = []
    for number in range(first, last + 1):
        who = f"m-{number:04}"
        found += [member(who, f"{name} {number}"), key(f"c-{number}", who), consent(f"e-{number}", who)]
    return found


def make(ledger: Ledger, now_ms: int = NOW_MS) -> Snapshot:
    made = ledger.build_snapshot(lambda: now_ms)
    assert made is not None
    return made


def fetched(ledger: Ledger, manifest: list[ManifestPart]) -> Mirror:
    """The members as a gateway takes them, chunk by chunk."""
    mirror = Mirror()
    for part in manifest:
        for name in part.sha256:
            piece = ledger.piece(Want(name, 0))
            assert piece.size == len(piece.data)
            mirror.apply(snapshot_messages.parse_chunk(piece.data))
    return mirror


def fed(ledger: Ledger, mirror: Mirror, version: int = 0, without: int | None = None) -> Mirror:
    ops, reached = ledger.changes_after(version, ALL, SHOP.name, without)
    delta = messages.parse_delta(messages.delta(version, reached, [], without=without))
    mirror.apply(messages.parse_ops(ops))
    assert delta.version == reached
    return mirror


def switched(ledger: Ledger, snapshot: Snapshot) -> Mirror:
    """A gateway that had nothing takes a snapshot, the rest beside it, and then what follows."""
    mirror = fetched(ledger, ledger.manifest(snapshot.snapshot_id))
    fed(ledger, mirror, 0, snapshot.version)
    return fed(ledger, mirror, snapshot.version)


def same(ledger: Ledger, snapshot: Snapshot) -> None:
    by_snapshot, by_deltas = switched(ledger, snapshot), fed(ledger, Mirror())
    assert by_snapshot.members == by_deltas.members
    assert by_snapshot.rest == by_deltas.rest


def test_it_gives_what_all_deltas_give(ledger: Ledger) -> None:
    ledger.record_ops(people(1, 40))
    ledger.record_ops([offer("o-1"), sealed(SHOP.name), code("b-1", "m-0003")])
    bought = {"op": "purchases.put", "body": {"member_id": "m-0005", "products": [], "visits": []}}
    ledger.record_ops(
        [bought, consent("e-w", "m-0002", "withdrawn", 9), {"op": "member.erase", "body": {"member_id": "m-0009"}}]
    )
    ledger.record_ops([{"op": "credential.drop", "body": {"credential_id": "c-4"}}, key("c-6", "m-0007")])
    ledger.resend("m-0002")
    assert ledger.set_points("m-0011", 40)
    made = make(ledger)
    assert (made.version, made.revision, made.members) == (ledger.version(), 1, 39)
    same(ledger, made)
    held = fetched(ledger, ledger.manifest(made.snapshot_id))
    assert held.rest == {}
    assert len(held.members) == 39
    rest, reached = ledger.changes_after(0, ALL, SHOP.name, made.version)
    assert {op["op"] for op in rest} == {"offer.put", "key.put", "binding.put", "member.erase"}
    assert reached == made.version


def test_what_happens_while_it_is_made_comes_after_it(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "PAGE", 7)
    ledger.record_ops(people(1, 30))
    read, pages = ledger._read, []

    def reading(sql: str, values: tuple[object, ...] = ()) -> list[dict[str, Any]]:
        rows = read(sql, values)
        if "ORDER BY member_id" in sql:
            pages.append(len(rows))
            n = len(pages)
            ledger.record_ops([member(f"m-{n:04}", "early"), member(f"m-{30 - n:04}", "late"), key("c-3", f"m-{n:04}")])
            ledger.record_ops([consent(f"w-{n}", f"m-{n:04}", "withdrawn", 9), member(f"m-new-{n}")])
        return rows

    monkeypatch.setattr(ledger, "_read", reading)
    made = make(ledger)
    monkeypatch.undo()
    assert len(pages) > 5
    assert made.version == 90
    same(ledger, made)


def test_who_is_erased_while_it_is_made_is_not_in_it(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger.record_ops(people(1, 30))
    keep, erased = ledger._keep, []

    def keeping(*of: Any) -> bool:
        if not erased:
            erased.append(1)
            ledger.record_ops([{"op": "member.erase", "body": {"member_id": "m-0017"}}], NOW_MS)
        return keep(*of)

    monkeypatch.setattr(ledger, "_keep", keeping)
    made = make(ledger)
    assert "m-0017" not in fetched(ledger, ledger.manifest(made.snapshot_id)).members
    assert (made.members, made.ops) == (29, 87)
    same(ledger, made)


def pieces_of(ledger: Ledger) -> list[bytes]:
    return [bytes(row["data"]) for row in ledger._read("SELECT data FROM snapshot_piece ORDER BY number")]


def test_who_is_erased_leaves_it_at_once_and_the_rest_stays(ledger: Ledger, small_chunks: None) -> None:
    ledger.record_ops(people(1, 150))
    made = make(ledger)
    assert made.chunks > 2
    before = ledger.manifest(made.snapshot_id)[0]
    ledger.record_ops([{"op": "member.erase", "body": {"member_id": "m-0075"}}], NOW_MS)
    assert len(pieces_of(ledger)) == made.chunks - 1, "gone with the erasure, before anybody wrote it anew"
    assert ledger.manifest(made.snapshot_id) == []
    now = ledger.snapshot(made.snapshot_id)
    assert now is not None
    assert now.held == Held(made.snapshot_id, 2)
    assert ledger.mend_snapshots() == {made.snapshot_id}
    assert ledger.mend_snapshots() == set()
    (after,) = ledger.manifest(made.snapshot_id)
    assert (after.revision, after.members, after.ops) == (2, 149, 447)
    changed = [old for old, new in zip(before.sha256, after.sha256, strict=True) if old != new]
    assert len(changed) == 1
    assert ledger.piece(Want(changed[0], 0)).size is None
    same(ledger, made)


@pytest.mark.sqlite
def test_no_byte_of_the_erased_is_left_in_the_file(ledger: Ledger, tmp_path: Path) -> None:
    ledger.record_ops(people(1, 40))
    make(ledger)
    (piece,) = pieces_of(ledger)

    def found() -> list[int]:
        files = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
        return [at for at in range(0, len(piece) - 32, 32) if piece[at : at + 32] in files]

    assert found()
    ledger.record_ops([{"op": "member.erase", "body": {"member_id": "m-0017"}}], NOW_MS)
    assert found() == []
    ledger.mend_snapshots()
    assert len(pieces_of(ledger)) == 1


def test_a_member_of_several_chunks_leaves_all_of_them(ledger: Ledger, small_chunks: None) -> None:
    ledger.record_ops(people(1, 2))
    acts = [consent(f"e-{n:032x}", "m-0001a", at_ms=n + 1) for n in range(200)]
    ledger.record_ops([member("m-0001a"), *acts])
    made = make(ledger)
    assert made.chunks > 1
    same(ledger, made)
    assert made.members == 3
    ledger.record_ops([{"op": "member.erase", "body": {"member_id": "m-0001a"}}], NOW_MS)
    ledger.mend_snapshots()
    manifest = ledger.manifest(made.snapshot_id)
    assert manifest[0].members == 2
    assert set(fetched(ledger, manifest).members) == {"m-0001", "m-0002"}
    same(ledger, made)


def test_everybody_erased_leaves_an_empty_chunk(ledger: Ledger) -> None:
    ledger.record_ops(people(1, 2))
    made = make(ledger)
    for number in (1, 2):
        ledger.record_ops([{"op": "member.erase", "body": {"member_id": f"m-000{number}"}}], NOW_MS)
    ledger.mend_snapshots()
    (part,) = ledger.manifest(made.snapshot_id)
    assert (part.members, part.ops, part.revision, part.chunks) == (0, 0, 2, 1)
    same(ledger, made)


def test_a_snapshot_of_nobody_is_one(ledger: Ledger) -> None:
    ledger.record_ops([offer("o-1")])
    made = make(ledger)
    assert (made.members, made.ops, made.chunks) == (0, 0, 1)
    same(ledger, made)


# --- who gets one ------------------------------------------------------------------------------------------


def test_whoever_lacks_little_gets_deltas(ledger: Ledger) -> None:
    ledger.record_ops(people(1, 3))
    assert ledger.choose(0, None, None, NOW_MS) == "deltas"
    ledger.record_ops([*people(4, 4), *(offer(f"o-{n}") for n in range(20))])
    assert ledger.choose(0, None, None, NOW_MS) is None, "one has to be made"
    assert ledger.choose(2, None, None, NOW_MS) == "deltas"
    made = make(ledger)
    assert ledger.choose(0, None, None, NOW_MS) == made
    assert ledger.choose(made.version, 0, None, NOW_MS) == made, "whose members wait gets one, however few they are"
    assert ledger.choose(made.version, None, None, NOW_MS) == "deltas"


def test_one_that_lags_is_only_finished(ledger: Ledger) -> None:
    ledger.record_ops(people(1, 20))
    old = make(ledger)
    ledger.record_ops(people(21, 24))
    assert ledger.choose(0, None, None, NOW_MS) == old, "12 of 60 ops are less than a quarter"
    ledger.record_ops(people(25, 26))
    assert ledger.choose(0, None, None, NOW_MS) is None
    assert ledger.choose(0, 0, old.held, NOW_MS) == old
    assert ledger.choose(old.version + 1, 0, old.held, NOW_MS) is None, "it would lead back"
    new = make(ledger)
    assert ledger.choose(0, None, None, NOW_MS) == new
    assert ledger.choose(0, 0, old.held, NOW_MS) == old


def test_two_are_kept_until_their_time_is_over(ledger: Ledger) -> None:
    ledger.record_ops(people(1, 20))
    made = []
    for number in range(KEEP + 2):
        ledger.record_ops([member("m-0001", f"Ada {number}th")])
        made.append(make(ledger, NOW_MS + number))
    assert [ledger.snapshot(one.snapshot_id) for one in made] == [None, None, *made[2:]]
    assert len(pieces_of(ledger)) == KEEP
    end_ms = NOW_MS + 2 + LASTS_MS
    assert ledger.choose(0, None, None, end_ms - 1) is None, "what ends soon is not begun"
    assert ledger.choose(0, 0, made[2].held, end_ms - 1) == made[2]
    assert ledger.choose(0, 0, made[2].held, end_ms) is None
    ledger.sweep_snapshots(end_ms)
    assert [ledger.snapshot(one.snapshot_id) for one in made[2:]] == [None, made[3]]
    assert len(pieces_of(ledger)) == 1


def test_one_at_a_time_is_made_and_a_killed_one_is_forgotten(ledger: Ledger) -> None:
    ledger.record_ops(people(1, 20))
    begun = ledger._begin(NOW_MS)
    assert begun is not None
    assert ledger.build_snapshot(lambda: NOW_MS + 59_999) is None
    made = ledger.build_snapshot(lambda: NOW_MS + 60_000)
    assert made is not None
    assert not ledger._keep(begun, 0, next(ledger._chunks(60)), NOW_MS), "whoever was slow notices"
    assert ledger._read("SELECT count(*) AS n FROM snapshot") == [{"n": 1}]


def test_one_that_is_stopped_leaves_nothing(ledger: Ledger) -> None:
    ledger.record_ops(people(1, 20))
    assert ledger.build_snapshot(lambda: NOW_MS, stopped=lambda: True) is None
    for table in ("snapshot", "snapshot_chunk", "snapshot_piece"):
        assert ledger._read(f"SELECT count(*) AS n FROM {table}") == [{"n": 0}]


def test_a_line_that_is_numbered_anew_has_no_snapshot(ledger: Ledger) -> None:
    ledger.record_ops(people(1, 20))
    old = make(ledger)
    assert ledger.overtake(SHOP, 1_000)
    assert ledger.snapshot(old.snapshot_id) is None
    assert ledger.manifest(old.snapshot_id) == []
    new = make(ledger)
    assert new.version > 1_000
    same(ledger, new)


def test_how_far_it_is_is_told(ledger: Ledger, small_chunks: None) -> None:
    ledger.record_ops(people(1, 150))
    told: list[tuple[int, int]] = []
    made = ledger.build_snapshot(lambda: NOW_MS, lambda *far: told.append(far))
    assert made is not None
    assert told == sorted(told)
    assert len(told) == made.chunks
    assert told[-1] == (150, 150)
    assert 0 < made.packed <= made.chunks * CHUNK_BYTES


def test_it_is_known_whose_members_wait(ledger: Ledger) -> None:
    ledger.ingest(SHOP, batch(1, 1), NOW_MS)
    ledger.saw_members(SHOP, 0)
    assert ledger.gateways()[0]["members_version"] == 0
    ledger.saw_members(SHOP, None)
    assert ledger.gateways()[0]["members_version"] is None


@pytest.mark.sqlite
def test_pages_and_counts_are_found_by_an_index(ledger: Ledger, tmp_path: Path) -> None:
    ledger.record_ops(people(1, 20))
    seen: list[str] = []
    read = ledger._read
    ledger._read = lambda sql, values=(): (seen.append(sql), read(sql, values))[1]  # type: ignore[method-assign]  # to listen
    list(ledger._lines(60))
    ledger.is_far(59)
    with closing(sqlite3.connect(tmp_path / "hq.db")) as db:
        plans = [
            " ".join(row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {sql}", ["1"] * sql.count("?"))) for sql in seen
        ]
    assert "USING INDEX change_member (member_id>?)" in plans[0]
    assert "TEMP B-TREE" not in plans[0]
    assert "USING INTEGER PRIMARY KEY (rowid>?)" in plans[-1]
