"""The wire form of segments: precise refusals, both ways the same, and the published form and example are true."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.changes import SegmentsPut
from gateway.core.eligible import parse as rule
from gateway.core.segment import FIELDS, LEAST_STAY_MS, MAX_SEGMENTS, MAX_STAY_MS, Segment
from gateway.errors import PeerError
from sync import ops, segments

DOCS = Path(__file__).parents[1] / "docs"
WINE = {"at_least": ["visit.minutes.wine", 5]}
ONE = {"segment_id": "s", "rule": WINE}


@pytest.mark.parametrize(
    ("body", "reason", "place"),
    [
        ([], "fields", ""),
        ({"segments": [ONE | {"name": "x"}]}, "fields", "segments.0.name"),
        ({"segments": [{"segment_id": "s"}]}, "fields", "segments.0.rule"),
        ({"segments": [ONE | {"segment_id": "Herr Muster"}]}, "fields", "segments.0.segment_id"),
        ({"segments": [ONE | {"stay_ms": 9_999}]}, "range", "segments.0.stay_ms"),
        ({"segments": [ONE] * (MAX_SEGMENTS + 1)}, "fields", "segments"),
        ({"segments": [ONE, ONE]}, "segments", "segments.1.segment_id: expected a name that no other segment has"),
        (
            {"segments": [ONE, {"segment_id": "t", "rule": {"all": [{"is": ["hour", 1]}]}}]},
            "segments",
            "segments.1.rule.all.0.is.0: expected a field of visit or basket",
        ),
        (
            {"segments": [ONE | {"leave": {"has": ["visit.zones", "wine"]}}]},
            "segments",
            "segments.0.leave.has.1: expected a list of one or more values",
        ),
        (
            {"segments": [{"segment_id": f"s{n}", "rule": {"any": [WINE] * 20}} for n in range(14)]},
            "segments",
            "segments: expected at most 512 conditions in all of them",
        ),
    ],
)
def test_a_refusal_says_where_and_what_was_expected(body: object, reason: str, place: str) -> None:
    with pytest.raises(PeerError) as refused:
        ops.parse({"op": "segments.put", "body": body})
    assert (refused.value.reason, refused.value.field) == (reason, place)


LEAVES = st.sampled_from(
    [WINE, {"is": ["zone", "tea"]}, {"not": {"has": ["visit.zones", ["tea"]]}}, {"below": ["basket.cents", 500]}]
)
SEGMENTS = st.builds(
    Segment,
    st.from_regex(r"[a-z0-9][a-z0-9_-]{0,8}", fullmatch=True).map(lambda text: f"s{text}"),
    LEAVES.map(rule),
    st.none() | LEAVES.map(rule),
    st.integers(LEAST_STAY_MS, MAX_STAY_MS),
)


@given(st.lists(SEGMENTS, max_size=5, unique_by=lambda one: one.segment_id))
def test_it_survives_the_wire(listed: list[Segment]) -> None:
    change = SegmentsPut(tuple(listed))
    assert ops.parse(json.loads(json.dumps(ops.dump(change)))) == change


def test_the_published_form_is_the_one_of_the_code() -> None:
    published = json.loads((DOCS / "segments.schema.json").read_text(encoding="utf-8"))
    assert published == segments.schema()
    named = {part.split('"')[0] for part in json.dumps(published).split('"#/$defs/')[1:]}
    assert named <= set(published["$defs"])


def test_the_page_names_every_field_and_its_example_is_taken() -> None:
    page = (DOCS / "segments.md").read_text(encoding="utf-8")
    for name in FIELDS | segments.SegmentBody.model_fields.keys():
        assert f"`{name}`" in page, name
    listed, offer = re.findall(r"```json\n(.*?)\n```", page, re.DOTALL)
    change = segments.parse(json.loads(listed))
    assert [one.segment_id for one in change.segments] == ["lingers-at-wine", "undecided", "big-basket"]
    assert ops.parse(json.loads(offer)) is not None
