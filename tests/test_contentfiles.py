import errno
import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from gateway.contentfiles import PART, RESERVE_BYTES, ContentFiles
from gateway.core.content import FileRef
from gateway.core.fetching import PIECE_BYTES
from tests.rigs.bundles import ref_of
from tests.rigs.pictures import png, webm

PICTURE = png(9, 7)
REF = ref_of(PICTURE)


def written(files: ContentFiles, data: bytes, ref: FileRef, use: str = "image") -> str:
    held = files.begin(ref)
    for start in range(held, len(data), PIECE_BYTES):
        files.append(data[start : start + PIECE_BYTES])
    return files.finish(ref, use)


def test_a_file_is_there_only_once_it_is_verified(tmp_path: Path) -> None:
    files = ContentFiles(tmp_path / "content")
    assert not files.holds(REF)
    assert files.path(REF.sha256) is None
    assert files.begin(REF) == 0
    files.append(PICTURE)
    assert not files.holds(REF)
    assert files.path(REF.sha256) is None
    assert files.finish(REF, "image") == "ok"
    assert files.holds(REF)
    path = files.path(REF.sha256)
    assert path is not None
    assert path.read_bytes() == PICTURE == files.head(REF.sha256)
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("data", "ref", "use", "why"),
    [
        (PICTURE[:-1] + b"x", REF, "image", "hash"),
        (PICTURE + b"x", REF, "image", "hash"),
        (PICTURE, REF, "video", "type"),
        (webm(50), ref_of(webm(50)), "image", "type"),
        (png(8_193, 1), ref_of(png(8_193, 1)), "image", "too_large"),
        (png(9, 0), ref_of(png(9, 0)), "logo", "size"),
        (png(640, 360)[:70], ref_of(png(640, 360)[:70]), "image", "torn"),
        (webm(900)[:700], ref_of(webm(900)[:700]), "video", "torn"),
    ],
)
def test_what_is_not_right_is_thrown_away(tmp_path: Path, data: bytes, ref: FileRef, use: str, why: str) -> None:
    files = ContentFiles(tmp_path)
    assert written(files, data, ref, use) == why
    assert list(tmp_path.iterdir()) == []


def test_a_cut_goes_on_where_whole_pieces_end(tmp_path: Path) -> None:
    film = webm(3 * PIECE_BYTES + 5)
    ref = ref_of(film)
    before = ContentFiles(tmp_path)
    before.begin(ref)
    before.append(film[: 2 * PIECE_BYTES + 99])
    after = ContentFiles(tmp_path)
    assert after.begin(ref) == 2 * PIECE_BYTES
    after.append(film[2 * PIECE_BYTES :])
    assert after.finish(ref, "video") == "ok"


def test_a_cut_before_the_rename(tmp_path: Path) -> None:
    before = ContentFiles(tmp_path)
    before.begin(REF)
    before.append(PICTURE)
    after = ContentFiles(tmp_path)
    assert after.begin(REF) == len(PICTURE)
    assert after.finish(REF, "image") == "ok"


def test_more_than_the_file_has_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / (REF.sha256 + PART)).write_bytes(bytes(len(PICTURE) + 10))
    files = ContentFiles(tmp_path)
    assert files.begin(REF) == len(PICTURE)
    assert files.finish(REF, "image") == "hash"
    assert written(files, PICTURE, REF) == "ok"


def test_names_that_are_no_hash_lead_nowhere(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    (tmp_path / "content").mkdir()
    files = ContentFiles(tmp_path / "content")
    for name in ("../secret", "secret", "", ".", "A" * 64, "a" * 63, REF.sha256 + PART):
        assert files.path(name) is None


def test_only_what_is_needed_stays(tmp_path: Path) -> None:
    files = ContentFiles(tmp_path / "content")
    assert files.drop_others(()) == 0
    assert written(files, PICTURE, REF) == "ok"
    other = png(2, 2)
    assert written(files, other, ref_of(other)) == "ok"
    files.begin(ref_of(b"begun"))
    (tmp_path / "content" / "README").write_text("not ours")
    assert files.drop_others({REF.sha256}) == 2
    assert {path.name for path in (tmp_path / "content").iterdir()} == {REF.sha256, "README"}


def test_a_disk_without_room_is_told_before_it_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    files = ContentFiles(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(0, 0, RESERVE_BYTES + len(PICTURE) - 1))
    with pytest.raises(OSError) as raised:
        files.begin(REF)
    assert raised.value.errno == errno.ENOSPC
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(0, 0, RESERVE_BYTES + len(PICTURE)))
    assert files.begin(REF) == 0
