import hashlib
import random

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gateway.core import fetching
from gateway.core.fetching import AGAIN_MS, PIECE_BYTES, WINDOW, Fetch, Piece
from sync import messages, pieces

SHA = "5" * 64


def piece(size: int, number: int, data: bytes | None = None) -> Piece:
    start = number * PIECE_BYTES
    return Piece(SHA, start, size, bytes(min(PIECE_BYTES, size - start)) if data is None else data)


def test_a_piece_fits_a_message() -> None:
    assert len(pieces.piece(Piece("f" * 64, 2**26, 2**26, bytes(PIECE_BYTES)))) <= messages.MAX_PAYLOAD_BYTES
    assert AGAIN_MS > 1_000 * WINDOW * PIECE_BYTES / 256_000  # the contract's pace does not look like a loss


def test_the_window_bounds_what_is_asked() -> None:
    fetch = Fetch(SHA, 10 * PIECE_BYTES)
    assert [want.start // PIECE_BYTES for want in fetch.wants(0)] == [0, 1, 2, 3]
    assert fetch.wants(1) == ()
    assert fetch.take(piece(fetch.size, 0)) == bytes(PIECE_BYTES)
    assert [want.start // PIECE_BYTES for want in fetch.wants(2)] == [4]


def test_a_lost_piece_is_asked_for_again() -> None:
    fetch = Fetch(SHA, 3 * PIECE_BYTES)
    assert len(fetch.wants(0)) == 3
    assert fetch.take(piece(fetch.size, 1)) == b""  # early: kept, not written
    assert fetch.wants(AGAIN_MS - 1) == ()
    assert [want.start // PIECE_BYTES for want in fetch.wants(AGAIN_MS)] == [0, 2]
    assert len(fetch.take(piece(fetch.size, 0)) or b"") == 2 * PIECE_BYTES


def test_a_clock_that_was_put_back_asks_again() -> None:
    fetch = Fetch(SHA, 1)
    assert len(fetch.wants(50_000)) == 1
    assert len(fetch.wants(40_000)) == 1


def test_after_a_cut_everything_is_asked_for_again() -> None:
    fetch = Fetch(SHA, 2 * PIECE_BYTES)
    assert len(fetch.wants(0)) == 2
    fetch.cut()
    assert len(fetch.wants(1)) == 2


def test_what_is_not_of_this_file_is_none_of_it() -> None:
    fetch = Fetch(SHA, 2 * PIECE_BYTES + 5)
    for wrong in (
        Piece("6" * 64, 0, fetch.size, bytes(PIECE_BYTES)),
        Piece(SHA, 0, fetch.size + 1, bytes(PIECE_BYTES)),
        Piece(SHA, 0, fetch.size, bytes(PIECE_BYTES - 1)),
        Piece(SHA, 1, fetch.size, bytes(PIECE_BYTES)),
        Piece(SHA, 3 * PIECE_BYTES, fetch.size, b""),
        Piece(SHA, 2 * PIECE_BYTES, fetch.size, bytes(6)),
        Piece(SHA, 0, None),
    ):
        assert fetch.take(wrong) is None
    assert fetch.held == 0


def test_twice_is_harmless() -> None:
    fetch = Fetch(SHA, 2 * PIECE_BYTES)
    assert fetch.take(piece(fetch.size, 0)) != b""
    assert fetch.take(piece(fetch.size, 0)) == b""
    assert fetch.take(piece(fetch.size, 1)) != b""
    assert fetch.is_done


@given(st.integers(0, 5 * PIECE_BYTES), st.integers(1, 4 * PIECE_BYTES))
def test_a_cut_keeps_whole_pieces(held: int, size: int) -> None:
    kept = fetching.whole_pieces(held, size)
    assert kept <= min(held, size)
    assert kept == size or kept % PIECE_BYTES == 0
    assert min(held, size) - kept < PIECE_BYTES


class Line(RuleBasedStateMachine):
    """Pieces that are lost, come twice, late and out of order, and a gateway that dies: the file comes out right."""

    def __init__(self) -> None:
        super().__init__()
        self.data = random.Random(7).randbytes(6 * PIECE_BYTES + 123)
        self.fetch = Fetch(SHA, len(self.data))
        self.disk = bytearray()
        self.flying: list[Piece] = []
        self.now_ms = 0

    @rule()
    def ask(self) -> None:
        for want in self.fetch.wants(self.now_ms):
            self.flying.append(Piece(SHA, want.start, len(self.data), self.data[want.start : want.start + PIECE_BYTES]))

    @rule(at=st.integers(0, 20), twice=st.booleans())
    def arrive(self, at: int, twice: bool) -> None:
        if self.flying:
            one = self.flying[at % len(self.flying)]
            if not twice:
                self.flying.remove(one)
            self.disk += self.fetch.take(one) or b""

    @rule(at=st.integers(0, 20))
    def lose(self, at: int) -> None:
        if self.flying:
            self.flying.pop(at % len(self.flying))

    @rule(ms=st.integers(0, 2 * AGAIN_MS))
    def wait(self, ms: int) -> None:
        self.now_ms += ms

    @rule()
    def lose_the_line(self) -> None:
        self.flying.clear()
        self.fetch.cut()

    @rule(torn=st.integers(0, PIECE_BYTES))
    def die(self, torn: int) -> None:
        left = max(0, len(self.disk) - torn)
        held = fetching.whole_pieces(left, len(self.data))
        del self.disk[held:]
        self.fetch = Fetch(SHA, len(self.data), held)

    @invariant()
    def what_is_written_is_the_beginning_of_the_file(self) -> None:
        assert bytes(self.disk) == self.data[: len(self.disk)]
        assert len(self.disk) == self.fetch.held
        assert len(self.fetch._early) <= WINDOW
        assert len(self.fetch._asked) <= WINDOW

    def teardown(self) -> None:
        for _ in range(20):
            self.now_ms += AGAIN_MS
            self.flying.clear()
            self.ask()
            while self.flying:
                self.arrive(0, False)
        assert self.fetch.is_done
        assert hashlib.sha256(self.disk).digest() == hashlib.sha256(self.data).digest()


TestLine = Line.TestCase
TestLine.settings = settings(max_examples=30, stateful_step_count=40, deadline=None)
