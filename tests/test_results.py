"""gateway.results: what a measurement prints."""

import pytest

from gateway.results import Result, percentile


def test_a_result_is_printed_with_everything() -> None:
    assert Result("a_us", 1.5, "us", "at most 5", {"peer": 2.0}).as_dict() == {
        "name": "a_us",
        "value": 1.5,
        "unit": "us",
        "goal": "at most 5",
        "peers": {"peer": 2.0},
        "absent": {},
        "verdict": "reached",
    }


def test_a_peer_that_is_not_there_says_why() -> None:
    assert Result("a", 1.0, "", "-").beside == "-"
    found = Result("a", 1.0, "", "-", {"one": 2.5}, {"another": "not installed"})
    assert found.beside == "one 2.5, another - (not installed)"


@pytest.mark.parametrize(
    ("value", "goal", "verdict"),
    [
        (5.0, "at most 5", "reached"),
        (5.01, "at most 5", "missed"),
        (2.0, "below 2", "missed"),
        (1.99, "under 2", "reached"),
        (1_000.5, "one request of 100 tills: at most 1,000", "missed"),
        (49.0, "each reserved and confirmed: at least 50", "missed"),
        (90.0, "at least 90 of 100", "reached"),
        (0.333, "at most a third", "reached"),
        (0.334, "at most a third", "missed"),
        (0.4199, "at least 0.42", "missed"),
        (1.0, "at most 3 with 4 receivers", ""),
        (1.0, "at least 75 (4 receivers), 60 (12)", ""),
        (1.0, "lower", ""),
        (1.0, "-", ""),
    ],
)
def test_a_goal_that_is_missed_says_so(value: float, goal: str, verdict: str) -> None:
    result = Result("a", value, "", goal)
    assert result.verdict == verdict
    assert result.judged == (f"{goal}: {verdict}" if verdict else goal)


def test_a_percentile_is_one_of_the_values() -> None:
    values = [float(number) for number in range(100, 0, -1)]
    assert (percentile(values, 0.99), percentile(values, 0.5), percentile([7.0], 0.99)) == (99.0, 50.0, 7.0)
