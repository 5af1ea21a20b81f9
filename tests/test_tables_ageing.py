"""What goes by its age, in pieces; what stays of decisions is nobody's."""

from gateway.core.model import Decision, Reason
from gateway.core.spans import DAY_MS
from gateway.records import Tx
from gateway.tables.ageing import FEWEST_PEOPLE, Aged

NOW_MS = 1_800_000_000_000
TODAY_MS = NOW_MS - NOW_MS % DAY_MS
DECISIONS = Aged("decision", "decision_id", "kept_from_ms")


def decide(tx: Tx, number: int, at_ms: int, member: str = "m1", offer: str | None = "o1", screen: str = "bar") -> None:
    tx.record(Decision(f"d{number:05}", at_ms, "zone", member, "coffee", screen, offer, (Reason("*", "x"),)))


def test_rows_go_oldest_first_and_never_more_than_the_limit(tx: Tx) -> None:
    for number in range(10):
        decide(tx, number, NOW_MS + 9 - number)
    assert tx.drop_before(DECISIONS, NOW_MS + 8, 5) == 5
    assert tx.oldest(DECISIONS) == NOW_MS + 5
    assert tx.drop_before(DECISIONS, NOW_MS + 8, 5) == 3
    assert tx.drop_before(DECISIONS, NOW_MS + 8, 5) == 0
    assert len(tx.decisions("m1")) == 2


def test_an_empty_table_has_no_oldest_row(tx: Tx) -> None:
    assert tx.oldest(DECISIONS) is None


def test_rows_of_a_wrong_time_age_anew(tx: Tx) -> None:
    for number, at_ms in enumerate((NOW_MS - 5, NOW_MS, NOW_MS + 5, NOW_MS + 10)):
        decide(tx, number, at_ms)
    assert tx.age_anew(DECISIONS, NOW_MS + 5, None, NOW_MS + 1, 1) == 1
    assert tx.age_anew(DECISIONS, NOW_MS + 5, None, NOW_MS + 1, 9) == 1
    assert tx.age_anew(DECISIONS, NOW_MS - 9, NOW_MS, NOW_MS + 2, 9) == 1
    assert [row["kept_from_ms"] - NOW_MS for row in tx.decisions("m1")] == [2, 0, 1, 1]
    assert [row["at_ms"] - NOW_MS for row in tx.decisions("m1")] == [-5, 0, 5, 10]


def test_counts_are_kept_for_five_people_and_never_for_fewer(tx: Tx) -> None:
    number = 0
    for person in range(FEWEST_PEOPLE):
        decide(tx, (number := number + 1), TODAY_MS + person, f"m{person}")
        decide(tx, (number := number + 1), TODAY_MS + person, f"m{person}", None)
    for _ in range(50):
        decide(tx, (number := number + 1), TODAY_MS, "m1", "o2")
    for person in range(FEWEST_PEOPLE - 1):
        decide(tx, (number := number + 1), TODAY_MS, f"m{person}", "o1", "hall")
    decide(tx, number + 1, TODAY_MS + DAY_MS, "m9")
    assert tx.screens_of(TODAY_MS) == ["bar", "hall"]
    for _ in range(2):
        assert [tx.count_decisions(TODAY_MS, screen) for screen in ("bar", "hall")] == [2, 0]
    assert tx.db.execute("SELECT * FROM decision_day ORDER BY offer_id").fetchall() == [
        (TODAY_MS, "coffee", "bar", "zone", "", 5),
        (TODAY_MS, "coffee", "bar", "zone", "o1", 5),
    ]
