"""What fields of the wire look like, and how a body is checked against them. Knows no message and no operation."""

from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from gateway.core.localtime import LAST_MS
from gateway.errors import PeerError

INT64_MAX = 2**63 - 1  # SQLite's integer
MAX_EXACT = 2**53 - 1  # counts also pass through browsers, whose integers are exact up to here
MAX_MS = LAST_MS  # whoever writes microseconds for milliseconds is told so

Ms = Annotated[int, Field(ge=0, le=MAX_MS)]
Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$")]
Gateway = Annotated[str, StringConstraints(pattern=r"^(?:[a-z0-9][a-z0-9-]{0,23}/){2}[a-z0-9][a-z0-9-]{0,23}$")]
Word = Annotated[str, StringConstraints(min_length=1, max_length=120)]


EXACT = ConfigDict(strict=True, extra="forbid")  # a body has exactly its fields, each of exactly its type


class _Named(BaseModel):
    id: Id


_M = TypeVar("_M", bound=BaseModel)

_OUT_OF_RANGE = ("greater_than_equal", "less_than_equal")


def is_id(text: str) -> bool:
    """Whether a text is an `Id`."""
    try:
        validate(_Named, {"id": text})
    except PeerError:
        return False
    return True


def validate(model: type[_M], value: object) -> _M:
    """`value` as `model`. Raises PeerError: "range" where only numbers are too large or too small, else "fields"."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        items = error.errors(include_url=False, include_context=False, include_input=False)
    # Raised outside the handler: the cause would carry the refused input into a log.
    reason = "range" if all(item["type"] in _OUT_OF_RANGE for item in items) else "fields"
    raise PeerError(reason, ".".join(str(step) for step in items[0]["loc"]))
