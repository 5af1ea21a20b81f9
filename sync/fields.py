"""What fields of the wire look like, and how a body is checked against them. Knows no message and no operation."""

from difflib import get_close_matches
from typing import Annotated, Any, TypeVar

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
Category = Annotated[str, StringConstraints(pattern=r"^(?:[a-z0-9][a-z0-9_.-]{0,63})?$")]  # "" or "alcohol.wine"
MAX_TEXT = 2_000  # characters of one sentence or paragraph
MAX_LANGUAGES = 16
Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2}$")]
Text = Annotated[
    dict[Language, Annotated[str, StringConstraints(max_length=MAX_TEXT)]], Field(max_length=MAX_LANGUAGES)
]
# What is said on screens, phones and tills: no control character but the line feed, and none that turns round what
# stands beside it (UAX #9: embeddings, overrides, isolates).
CONTROLS = r"\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069"
NO_CONTROLS = rf"^[^{CONTROLS}]*$"
ONE_LINE = rf"^[^{CONTROLS}\n]*$"
Said = Annotated[
    dict[Language, Annotated[str, StringConstraints(max_length=MAX_TEXT, pattern=NO_CONTROLS)]],
    Field(max_length=MAX_LANGUAGES),
]


EXACT = ConfigDict(
    strict=True, extra="forbid", defer_build=True
)  # a body has exactly its fields, each of exactly its type


class _Named(BaseModel):
    id: Id


_M = TypeVar("_M", bound=BaseModel)

_OUT_OF_RANGE = ("greater_than_equal", "less_than_equal")
MAX_SAID = 50  # faults of one body in words; whoever has more sent something else
_MAX_STEP = 64  # characters of one step of a place
# What a value may be, by the kind of error; {..} are bounds of ours.
_EXPECTED = {
    "greater_than_equal": "expected a number of at least {ge}",
    "less_than_equal": "expected a number of at most {le}",
    "less_than": "expected a number below {lt}",
    "literal_error": "expected {expected}",
    "enum": "expected {expected}",
    "string_type": "expected a text",
    "int_type": "expected a whole number",
    "bool_type": "expected true or false",
    "list_type": "expected a list",
    "dict_type": "expected an object",
    "model_type": "expected an object",
    "string_too_long": "expected at most {max_length} characters",
    "string_too_short": "expected at least {min_length} characters",
    "too_long": "expected at most {max_length} entries",
    "string_pattern_mismatch": "expected the form {pattern}",
}
_KINDS = {str: "a text", bool: "true or false", int: "a whole number", float: "a number with a point", list: "a list"}
_KINDS |= {dict: "an object", type(None): "null"}


def is_id(text: str) -> bool:
    """Whether a text is an `Id`."""
    try:
        validate(_Named, {"id": text})
    except PeerError:
        return False
    return True


def validate(model: type[_M], value: object) -> _M:
    """`value` as `model`. Raises PeerError: "range" where only numbers are too large or too small, else "fields"; all
    that is wrong is `said` in words."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        items = error.errors(include_url=False)
    reason = "range" if all(item["type"] in _OUT_OF_RANGE for item in items) else "fields"
    place = ".".join(str(step) for step in items[0]["loc"])
    said = tuple(dict.fromkeys(_in_words(dict(item), model) for item in items[:MAX_SAID]))
    del items  # the input itself; and raised outside the handler: the cause would carry it into a log
    raise PeerError(reason, place, said)


def _in_words(item: dict[str, Any], model: type[BaseModel]) -> str:
    """One fault: where, and whether the field is unknown, missing, or has another value than was expected."""
    steps = [str(step)[:_MAX_STEP] for step in item["loc"] if not str(step).startswith(("function-", "["))]
    place = ".".join(steps) or "(the whole)"
    kind, bounds = item["type"], item.get("ctx", {})
    if kind == "missing":
        return f"{place}: missing"
    if kind == "extra_forbidden":
        near = get_close_matches(steps[-1], model.model_fields, 1) if len(steps) == 1 else []
        return f"{place}: no such field" + (f"; {near[0]} perhaps" if near else "")
    if kind == "string_pattern_mismatch" and bounds["pattern"].startswith("^[^"):
        return f"{place}: expected no control character"
    if kind in _EXPECTED:
        found = _KINDS.get(type(item["input"])) if kind.endswith("_type") else None
        return f"{place}: {_EXPECTED[kind].format(**bounds)}" + (f", found {found}" if found else "")
    return f"{place}: expected another value"
