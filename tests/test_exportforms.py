"""The published forms of a copy of somebody's data."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from gateway.exportforms import BasketLine, ConsentRow, Export, schema

DOCS = Path(__file__).parent.parent / "docs"


def test_the_published_schema_is_the_one_of_the_forms() -> None:
    assert json.loads((DOCS / "export.schema.json").read_text(encoding="utf-8")) == schema()


def test_every_section_has_to_be_there() -> None:
    assert set(schema()["required"]) == set(Export.model_fields)


def test_what_is_made_here_has_no_field_that_its_form_does_not_name() -> None:
    with pytest.raises(ValidationError, match="extra"):
        BasketLine.model_validate({"gtin": "04006381333931", "count": 1, "colour": "red"})


def test_a_stored_record_is_shown_with_fields_of_a_later_release() -> None:
    record = {"event_id": "e1", "purpose": "staff_advice", "state": "given", "given_at_ms": 5}
    record |= {"valid_until_ms": None, "notice_version": "1", "channel": "web", "mood": "good"}
    assert ConsentRow.model_validate(record).model_dump()["mood"] == "good"
