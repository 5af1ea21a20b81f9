"""What is refused says why in a fixed word, and carries nothing of the input."""

import pytest
from pydantic import BaseModel

from gateway.errors import PeerError
from sync.fields import EXACT, MAX_MS, MAX_SAID, Id, Ms, is_id, validate


class _Thing(BaseModel):
    model_config = EXACT

    thing_id: Id
    at_ms: Ms


def test_exactly_the_fields_of_exactly_their_types() -> None:
    assert validate(_Thing, {"thing_id": "t-1", "at_ms": MAX_MS}).thing_id == "t-1"


@pytest.mark.parametrize(
    ("value", "reason", "field"),
    [
        ({"thing_id": "t-1", "at_ms": MAX_MS + 1}, "range", "at_ms"),
        ({"thing_id": "t-1", "at_ms": -1}, "range", "at_ms"),
        ({"thing_id": "t 1", "at_ms": -1}, "fields", "thing_id"),
        ({"thing_id": "t-1", "at_ms": 1.0}, "fields", "at_ms"),
        ({"thing_id": "t-1", "at_ms": 1, "secret": 1}, "fields", "secret"),
        ({"thing_id": "t-1"}, "fields", "at_ms"),
        ("t-1", "fields", ""),
    ],
)
def test_what_is_refused_says_why(value: object, reason: str, field: str) -> None:
    with pytest.raises(PeerError) as caught:
        validate(_Thing, value)
    assert (caught.value.reason, caught.value.field) == (reason, field)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_an_id_is_told_from_other_texts() -> None:
    assert [is_id(text) for text in ("a", "A.b:c-1", "", "-a", "a b", "x" * 65)] == [True, True] + 4 * [False]


def test_every_fault_is_said_in_words_and_nothing_of_a_value_is() -> None:
    with pytest.raises(PeerError) as caught:
        validate(_Thing, {"thing_id": ["hunter2"], "at_mss": 1, "x" * 99: "hunter2"})
    error = caught.value
    assert error.said == (
        "thing_id: expected a text, found a list",
        "at_ms: missing",
        "at_mss: no such field; at_ms perhaps",
        f"{'x' * 64}: no such field",
    )
    assert str(error) == "fields"
    with pytest.raises(PeerError) as caught:
        validate(_Thing, dict.fromkeys((f"f{number}" for number in range(999)), 1))
    assert len(caught.value.said) == MAX_SAID
