"""A play is stored once, by its own id, and the oldest go when there are too many."""

import pytest

from gateway.core.play import Play
from gateway.records import Tx
from gateway.tables import plays


def play(number: int) -> Play:
    return Play(f"01{number:024d}", "slide-tea", "Tee", None, "main", 1_000 * number, 12_000, True)


def test_only_what_is_new_comes_back(tx: Tx) -> None:
    assert tx.keep_plays("coffee", [play(1), play(2)], 5) == [play(1), play(2)]
    assert tx.keep_plays("coffee", [play(2), play(3), play(3)], 6) == [play(3)]
    assert tx.keep_plays("coffee", [play(1)], 7) == []
    assert tx.plays_of("coffee") == [play(1).play_id, play(2).play_id, play(3).play_id]
    assert tx.plays_of("wine") == []


def test_the_oldest_go_first(tx: Tx, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plays, "MAX_ROWS", 3)
    for number in range(5):
        tx.keep_plays("coffee", [play(number)], number)
    assert tx.plays_of("coffee") == [play(number).play_id for number in (2, 3, 4)]
