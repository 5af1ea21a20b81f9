"""gateway.results: what a measurement prints."""

from gateway.results import Result, percentile


def test_a_result_is_printed_with_everything() -> None:
    assert Result("a_us", 1.5, "us", "at most 5", {"peer": 2.0}).as_dict() == {
        "name": "a_us",
        "value": 1.5,
        "unit": "us",
        "goal": "at most 5",
        "peers": {"peer": 2.0},
    }


def test_a_percentile_is_one_of_the_values() -> None:
    values = [float(number) for number in range(100, 0, -1)]
    assert (percentile(values, 0.99), percentile(values, 0.5), percentile([7.0], 0.99)) == (99.0, 50.0, 7.0)
