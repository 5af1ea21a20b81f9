"""Outcomes are counted once, within their window, without a member, and never without bound."""

import pytest

from gateway.core.learning import WHOLE, Arm, Learning, Prior, Tally
from gateway.core.spans import DAY_MS
from gateway.records import Tx
from gateway.tables import learning

NOW_MS = 20_000 * DAY_MS
ARM = Arm("o1", "till", "coffee")
ON = Learning(on=True, window_ms=3_600_000, people={"coffee": 80}, priors={Arm("o1"): Prior(90_000, 30), ARM: Prior(1)})


def test_off_until_headquarters_speaks(tx: Tx) -> None:
    assert tx.learning() == Learning()
    tx.put_learning(ON)
    assert tx.learning() == ON


def test_an_offer_is_counted_when_shown_and_when_taken_once(tx: Tx) -> None:
    assert tx.note_shown("d1", ARM, NOW_MS, ON)
    assert tx.tallies([ARM])[ARM] == Tally(WHOLE, 0, 20_000)
    assert tx.note_taken("d1", NOW_MS + 5, ON)
    assert not tx.note_taken("d1", NOW_MS + 6, ON), "a redemption after an acceptance is the same outcome"
    assert tx.tallies([ARM]) == dict.fromkeys(
        [Arm("o1", slot, one) for one in ("", "coffee") for slot in ("", "till")], Tally(WHOLE, WHOLE, 20_000)
    )


def test_what_is_taken_too_late_or_was_never_shown_counts_for_nothing(tx: Tx) -> None:
    assert not tx.note_taken("nobody", NOW_MS, ON)
    tx.note_shown("d1", ARM, NOW_MS, ON)
    assert not tx.note_taken("d1", NOW_MS + ON.window_ms, ON)
    assert tx.tallies([ARM])[ARM].taken == 0


def test_windows_end_with_what_is_shown_later(tx: Tx) -> None:
    for number in range(120):
        tx.note_shown(f"old{number}", ARM, NOW_MS, ON)
    for number in range(3):
        tx.note_shown(f"new{number}", ARM, NOW_MS + ON.window_ms, ON)
    rows = tx.db.execute("SELECT decision_id FROM learning_open").fetchall()
    assert sorted(row[0] for row in rows) == ["new0", "new1", "new2"]


def test_full_is_full(tx: Tx, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learning, "MAX_TALLIES", 8)
    assert tx.note_shown("d1", ARM, NOW_MS, ON)
    assert tx.note_shown("d2", Arm("o2", "till", "coffee"), NOW_MS, ON)
    assert not tx.note_shown("d3", Arm("o3"), NOW_MS, ON)
    assert tx.tallies([Arm("o3")]) == {}
    monkeypatch.setattr(learning, "MAX_TALLIES", 600)
    monkeypatch.setattr(learning, "MAX_OPEN", 2)
    assert not tx.note_shown("d4", ARM, NOW_MS, ON)


def test_an_offer_that_is_no_more_is_forgotten(tx: Tx) -> None:
    tx.note_shown("d1", ARM, NOW_MS, ON)
    tx.note_shown("d2", Arm("o2"), NOW_MS, ON)
    tx.forget_offer("o1")
    assert tx.tallies([ARM]) == {}
    assert not tx.note_taken("d1", NOW_MS, ON)
    assert tx.note_taken("d2", NOW_MS, ON)


def test_a_clock_that_is_behind_takes_no_day_back(tx: Tx) -> None:
    tx.put_meta("surely_ms", str(NOW_MS))
    assert tx.learning_day(5) == 20_000
    assert tx.learning_day(NOW_MS + DAY_MS) == 20_001
