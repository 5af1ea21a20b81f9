"""The published schema of an offer is the one of the code, and names every field."""

import dataclasses
import json
from pathlib import Path

from gateway.core.eligible import FIELDS
from gateway.core.model import Offer
from sync.catalogue import schema

DOCS = Path(__file__).parents[1] / "docs"


def test_the_published_schema_is_the_one_of_the_code() -> None:
    assert json.loads((DOCS / "catalogue.schema.json").read_text(encoding="utf-8")) == schema()


def test_it_names_every_field_and_nothing_else() -> None:
    assert set(schema()["properties"]) == {field.name for field in dataclasses.fields(Offer)}
    assert schema()["additionalProperties"] is False


def test_every_reference_in_it_leads_somewhere() -> None:
    text = json.dumps(schema())
    named = {part.split('"')[0] for part in text.split('"#/$defs/')[1:]}
    assert named <= set(schema()["$defs"])
    assert "rule" in named


def test_the_page_names_every_field_of_a_rule() -> None:
    page = (DOCS / "mqtt.md").read_text(encoding="utf-8")
    for name in FIELDS:
        assert f"`{name}`" in page, name
