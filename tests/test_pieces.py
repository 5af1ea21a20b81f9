import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.fetching import PIECE_BYTES, Piece, Want
from gateway.errors import PeerError
from sync import pieces

SHA = "d" * 64


@given(st.integers(0, 1_000).map(lambda n: n * PIECE_BYTES), st.binary(max_size=99) | st.just(bytes(PIECE_BYTES)))
def test_back_and_forth(start: int, data: bytes) -> None:
    assert pieces.parse_want(pieces.want(Want(SHA, start))) == Want(SHA, start)
    piece = Piece(SHA, start, start + len(data) + 1, data)
    assert pieces.parse_piece(pieces.piece(piece)) == piece


def test_a_file_that_is_not_there() -> None:
    assert pieces.parse_piece(pieces.piece(Piece(SHA, 0, None))) == Piece(SHA, 0, None)


def header(**other: object) -> bytes:
    return json.dumps({"v": 1, "type": "piece", "sha256": SHA, "start": 0, "size": 5} | other).encode()


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (header() + b"\n" + bytes(PIECE_BYTES + 1), "range"),
        (header(size=None) + b"\nx", "range"),
        (header(size=0) + b"\n", "range"),
        (header(size=2**40) + b"\n", "range"),
        (header(start=-1) + b"\n", "range"),
        (header(sha256="x") + b"\n", "fields"),
        (header(more=1) + b"\n", "fields"),
        (header(v=2) + b"\n", "version"),
        (header(type="want") + b"\n", "type"),
        (b" " * 600 + b"\n", "too_large"),
        (header() + b"\n" + bytes(97 * 1024), "too_large"),
        (b"\xff\n", "not_json"),
        (b"", "not_json"),
    ],
)
def test_refusals_of_a_piece(payload: bytes, reason: str) -> None:
    with pytest.raises(PeerError) as raised:
        pieces.parse_piece(payload)
    assert raised.value.reason == reason


def test_refusals_of_a_question() -> None:
    with pytest.raises(PeerError, match="range"):
        pieces.parse_want(pieces.want(Want(SHA, 1)))
    with pytest.raises(PeerError, match="fields"):
        pieces.parse_want(pieces.want(Want("..", 0)))


@given(st.binary(max_size=300))
def test_no_bytes_bring_it_down(data: bytes) -> None:
    for payload in (data, header() + data):
        try:
            pieces.parse_piece(payload)
        except PeerError:
            continue
