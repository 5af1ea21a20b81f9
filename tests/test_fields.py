"""What is refused says why in a fixed word, and carries nothing of the input."""

import pytest
from pydantic import BaseModel

from gateway.errors import PeerError
from sync.fields import EXACT, MAX_MS, Id, Ms, is_id, validate


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
