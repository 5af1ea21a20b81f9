import asyncio

import pytest

from gateway.core.fetching import PIECE_BYTES, Piece, Want
from gateway.errors import PeerError
from gateway.health import Health
from sync import pieces
from sync.hq.fileserver import MAX_WANTS, FileServer
from sync.topics import Topics

ONE, OTHER = Topics("acme", "s1", "gw-1"), Topics("acme", "s2", "gw-1")
FILM, PICTURE = "ab" * 32, "cd" * 32


class Files:
    """Headquarters' folder with a film alone."""

    def piece(self, want: Want) -> Piece:
        return (
            Piece(want.sha256, want.start, 100 * PIECE_BYTES, bytes(PIECE_BYTES))
            if want.sha256 == FILM
            else Piece(want.sha256, want.start, None)
        )


async def handed_out(server: FileServer, count: int) -> list[tuple[Topics, int]]:
    out: list[tuple[Topics, int]] = []
    enough = asyncio.Event()

    async def publish(where: Topics, payload: bytes) -> None:
        out.append((where, pieces.parse_piece(payload).start // PIECE_BYTES))
        if len(out) == count:
            enough.set()

    running = asyncio.create_task(server.run(publish))
    await asyncio.wait_for(enough.wait(), 20)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return out


def server() -> tuple[FileServer, Health]:
    health = Health()
    return FileServer(Files(), health), health  # type: ignore[arg-type]  # all it asks of the ledger


def ask(made: FileServer, where: Topics, sha256: str, start: int, known: bool = True) -> None:
    made.take(where, pieces.want(Want(sha256, start * PIECE_BYTES)), known)


async def test_one_piece_per_gateway_and_round() -> None:
    made, health = server()
    for number in range(3):
        ask(made, ONE, FILM, number)
    ask(made, OTHER, FILM, 7)
    assert await handed_out(made, 4) == [(ONE, 0), (OTHER, 7), (ONE, 1), (ONE, 2)]
    assert health.counts == {"hq.pieces": 4}


async def test_a_question_counts_once_and_few_of_them_wait() -> None:
    made, health = server()
    for number in [*range(MAX_WANTS - 1), 0, MAX_WANTS, MAX_WANTS + 1, MAX_WANTS + 2]:
        ask(made, ONE, FILM, number)
    assert len(await handed_out(made, MAX_WANTS)) == MAX_WANTS
    assert health.counts["hq.wants_dropped"] == 2


async def test_who_never_greeted_is_not_heeded_and_what_is_missing_is_said() -> None:
    made, health = server()
    ask(made, OTHER, FILM, 0, known=False)
    ask(made, ONE, PICTURE, 0)
    assert await handed_out(made, 1) == [(ONE, 0)]
    assert health.counts == {"hq.files_missing": 1, "hq.wants_dropped": 1}


async def test_rubbish_is_the_peers_fault() -> None:
    made, _ = server()
    with pytest.raises(PeerError):
        made.take(ONE, b"{}", True)
