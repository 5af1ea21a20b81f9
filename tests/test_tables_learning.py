"""Outcomes are counted once, within their window, without a member, and never without bound."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.core.learning import WHOLE, Arm, Learning, Prior, Tally
from gateway.core.spans import DAY_MS
from gateway.errors import PeerError
from gateway.records import Tx
from gateway.store import Store
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


async def test_what_is_taken_back_is_not_remembered(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.db", "e" * 32, bytes(32))

    def fails(tx: Tx) -> None:
        tx.note_shown("d1", ARM, NOW_MS, ON)
        assert tx.tallies([ARM])
        raise PeerError("gone")

    await store.run(lambda tx: tx.note_shown("d0", Arm("o2"), NOW_MS, ON))
    with pytest.raises(PeerError):
        await store.run(fails)
    assert await store.run(lambda tx: tx.tallies([ARM])) == {}
    assert await store.run(lambda tx: tx.tallies([Arm("o2")])) == {Arm("o2"): Tally(WHOLE, 0, 20_000)}
    store.close()


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["shown", "taken", "forget"]), st.sampled_from("ab"), st.sampled_from(["", "s", "t"])
        ),
        max_size=25,
    )
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
def test_what_is_kept_in_memory_is_what_the_table_says(tx: Tx, steps: list[tuple[str, str, str]]) -> None:
    for number, (what, offer_id, slot) in enumerate(steps):
        if what == "forget":
            tx.forget_offer(offer_id)
        elif what == "shown":
            tx.note_shown(f"d{number}", Arm(offer_id, slot, "coffee.x"), NOW_MS, ON)
        else:
            tx.note_taken(f"d{number - 1}", NOW_MS, ON)
        rows = tx.db.execute("SELECT offer_id, slot, segment, shown, taken, day FROM learning_tally").fetchall()
        table = {Arm(*row[:3]): Tally(*row[3:]) for row in rows}
        assert {arm: one for arm, one in tx.tallies_of("ab").items() if arm.offer_id in "ab"} == table
