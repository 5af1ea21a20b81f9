"""Copies of deleted rows between cells and pointers: SQLite leaves some, the search finds them, zeros change no row."""

import os
import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gateway import wipe
from gateway.store import Store

MEMBERS = 4_000
GONE = 150


def crowded(path: Path, seed: int) -> list[bytes]:
    """A database whose pages were split often, from which members were deleted; their pseudonyms."""
    rng = random.Random(seed)
    Store(path, "e" * 32, bytes(32)).close()
    ids = [f"m-{rng.randbytes(8).hex()}" for _ in range(MEMBERS)]
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("PRAGMA secure_delete = ON")
        for member_id in ids:
            body = "x" * rng.randrange(60, 900)
            db.execute("INSERT INTO member VALUES (?, ?)", [member_id, body])
            db.execute(
                "INSERT INTO credential VALUES (?, ?, 'eid', ?, 10, 0, 0)", [rng.randbytes(6).hex(), member_id, b"k"]
            )
        gone = rng.sample(ids, GONE)
        for member_id in gone:
            for table in ("member", "credential"):
                db.execute(f"DELETE FROM {table} WHERE member_id = ?", [member_id])
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return [member_id.encode() for member_id in gone]


@pytest.fixture
def database(tmp_path: Path):
    path = tmp_path / "gateway.db"
    gone = crowded(path, 1)
    fd = os.open(path, os.O_RDWR)
    yield path, gone, fd
    os.close(fd)


def content(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return list(db.iterdump())


def left(path: Path, needles: list[bytes]) -> list[bytes]:
    data = path.read_bytes()
    return [needle for needle in needles if needle in data]


def test_secure_delete_alone_leaves_copies_and_the_search_finds_their_pages(database) -> None:
    path, gone, fd = database
    remain = left(path, gone)
    assert remain  # else this module has no reason to be
    pages = wipe.pages_with(fd, gone)
    data, size = path.read_bytes(), wipe.page_bytes(fd)
    assert pages >= {data.index(needle) // size for needle in remain}
    assert all(any(needle in data[n * size : (n + 1) * size] for needle in remain) for n in pages)


def test_wiping_the_pages_found_leaves_nothing_and_changes_no_row(database) -> None:
    path, gone, fd = database
    before = content(path)
    pages = wipe.pages_with(fd, gone)
    assert 0 < wipe.wipe(fd, pages) <= len(pages)
    assert left(path, gone) == []
    assert wipe.pages_with(fd, gone) == set()
    assert content(path) == before


def test_wiping_every_page_changes_no_row_and_twice_nothing_at_all(database) -> None:
    path, gone, fd = database
    before = content(path)
    assert wipe.wipe(fd, wipe.all_pages(fd)) > 10
    assert wipe.wipe(fd, wipe.all_pages(fd)) == 0
    assert left(path, gone) == []
    assert content(path) == before


def test_a_row_that_is_there_is_found_and_never_touched(database) -> None:
    path, _, fd = database
    with closing(sqlite3.connect(path)) as db:
        (alive,) = db.execute("SELECT member_id FROM member").fetchone()
    pages = wipe.pages_with(fd, [alive.encode()])
    wipe.wipe(fd, pages)
    assert wipe.pages_with(fd, [alive.encode()])


@pytest.mark.parametrize("seed", range(20))
def test_pages_that_make_no_sense_are_left_alone(seed: int) -> None:
    page = random.Random(seed).randbytes(4096)
    start, end = wipe.unallocated(page, first=False)
    if page[0] not in (0x02, 0x05, 0x0A, 0x0D):
        assert (start, end) == (0, 0)
    broken = bytes([0x0D, 0, 0, 0, 9, 0x0F, 0, 0]) + bytes(4088)  # nine cells that begin before the content
    assert wipe.unallocated(broken, first=False) == (0, 0)
    assert wipe.unallocated(b"", first=True) == (0, 0)


def test_a_needle_across_two_pieces_is_found(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    crowded(path, 2)
    needle = b"m-needle-across"
    with path.open("r+b") as file:
        file.truncate(3 * wipe.PIECE_BYTES)
        file.seek(wipe.PIECE_BYTES - 5)
        file.write(needle)
    fd = os.open(path, os.O_RDWR)
    assert wipe.pages_with(fd, [needle]) == {(wipe.PIECE_BYTES - 5) // wipe.page_bytes(fd)}
    os.close(fd)


def test_a_file_that_is_none_of_sqlites_has_no_pages(tmp_path: Path) -> None:
    path = tmp_path / "other"
    path.write_bytes(b"something else that is long enough")
    fd = os.open(path, os.O_RDWR)
    assert wipe.pages_with(fd, [b"else"]) == set()
    assert list(wipe.all_pages(fd)) == []
    os.close(fd)
