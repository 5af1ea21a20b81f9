from pathlib import Path

import pytest

from gateway.core.content import FileRef
from gateway.core.fetching import PIECE_BYTES, Piece, Want
from sync.hq import blobs
from tests.rigs.bundles import answer, ref_of
from tests.rigs.pictures import png, webm

FILM = webm(2 * PIECE_BYTES + 9)
REF = ref_of(FILM)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "film.webm").write_bytes(FILM)
    blobs.put(tmp_path / "hq.content", tmp_path / "film.webm", REF)
    return tmp_path / "hq.content"


def test_pieces_make_the_file(folder: Path) -> None:
    for start in (0, PIECE_BYTES, 2 * PIECE_BYTES):
        want = Want(REF.sha256, start)
        assert blobs.piece(folder, want) == answer({REF.sha256: FILM}, want)


def test_what_is_not_there(folder: Path) -> None:
    assert blobs.piece(folder, Want("0" * 64, 0)) == Piece("0" * 64, 0, None)
    assert blobs.piece(folder, Want(REF.sha256, 3 * PIECE_BYTES)).size is None
    assert blobs.piece(folder / "nowhere", Want(REF.sha256, 0)).size is None


def test_the_same_file_again_is_not_written_again(folder: Path) -> None:
    before = (folder / REF.sha256).stat().st_mtime_ns
    blobs.put(folder, folder.parent / "film.webm", REF)
    assert (folder / REF.sha256).stat().st_mtime_ns == before


def test_a_file_that_changed_meanwhile(folder: Path) -> None:
    (folder.parent / "film.webm").write_bytes(png(1, 1))
    with pytest.raises(OSError, match="changed"):
        blobs.put(folder, folder.parent / "film.webm", FileRef("0" * 64, 5))


def test_only_what_is_needed_stays(folder: Path) -> None:
    (folder.parent / "p.png").write_bytes(png(1, 1))
    blobs.put(folder, folder.parent / "p.png", ref_of(png(1, 1)))
    blobs.drop_others(folder, {REF.sha256})
    assert [path.name for path in folder.iterdir()] == [REF.sha256]
    blobs.drop_others(folder / "nowhere", ())
