"""The body of a `segments.put`: all running segments of the shops at once, as JSON, to the change and back. Pure."""

from typing import Annotated, Any

from pydantic import Field, StringConstraints

from gateway.core import eligible, segment
from gateway.core.changes import SegmentsPut
from gateway.core.segment import Segment
from gateway.errors import PeerError
from sync.fields import validate
from sync.forms import Body


class SegmentBody(Body):
    """core.segment.Segment; its rules are read by core.eligible."""

    segment_id: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")]
    rule: dict[str, Any]
    leave: dict[str, Any] | None = None
    stay_ms: Annotated[int, Field(ge=segment.LEAST_STAY_MS, le=segment.MAX_STAY_MS)] = segment.STAY_MS


class SegmentsBody(Body):
    """changes.SegmentsPut; that no name is used twice is checked by `parse`."""

    segments: Annotated[list[SegmentBody], Field(max_length=segment.MAX_SEGMENTS)]


def parse(body: object) -> SegmentsPut:
    """The change. Raises PeerError: "fields", "range", or "segments" with the place and what was expected there.

    The place is made of our own words and of numbers.
    """
    wire = validate(SegmentsBody, body)
    found: list[Segment] = []
    for number, one in enumerate(wire.segments):
        place = f"segments.{number}"
        rule = _rule(one.rule, f"{place}.rule")
        leave = None if one.leave is None else _rule(one.leave, f"{place}.leave")
        found.append(Segment(one.segment_id, rule, leave, one.stay_ms))
        wrong = segment.misfit(found[-1])
        if wrong is not None:
            raise PeerError("segments", f"{place}.{wrong}")
        if any(one.segment_id == other.segment_id for other in found[:-1]):
            raise PeerError("segments", f"{place}.segment_id: expected a name that no other segment has")
    if segment.size(found) > segment.MAX_TERMS:
        raise PeerError("segments", f"segments: expected at most {segment.MAX_TERMS} conditions in all of them")
    return SegmentsPut(tuple(found))


def body(change: SegmentsPut) -> dict[str, Any]:
    """What `parse` turns back into `change`; every field is written."""
    return {
        "segments": [
            {
                "segment_id": one.segment_id,
                "rule": eligible.plain(one.rule),
                "leave": None if one.leave is None else eligible.plain(one.leave),
                "stay_ms": one.stay_ms,
            }
            for one in change.segments
        ]
    }


def schema() -> dict[str, Any]:
    """The JSON Schema of the body, as docs/segments.schema.json publishes it.

    What it can't say is checked by `parse`: a rule's depth and size, which fields it may ask, and nothing sensitive.
    """
    whole = SegmentsBody.model_json_schema()
    one = whole["$defs"]["SegmentBody"]["properties"]
    one["rule"] = {"$ref": "#/$defs/rule"}
    one["leave"] = {"anyOf": [{"$ref": "#/$defs/rule"}, {"type": "null"}], "default": None}
    whole["$defs"]["rule"] = eligible.schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **whole,
        "title": "Segments",
        "description": "The body of a segments.put: all running segments, in place of those before.",
    }


def _rule(tree: object, place: str) -> eligible.Rule:
    try:
        return eligible.parse(tree)
    except PeerError as error:
        wrong = error.field
    raise PeerError("segments", f"{place}.{wrong}")
