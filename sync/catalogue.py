"""The published form of a catalogue: the JSON Schema of the body of an `offer.put`, made from the forms. Pure."""

from typing import Any

from gateway.core import eligible, template
from sync.fields import CONTROLS
from sync.forms import OfferBody


def schema() -> dict[str, Any]:
    """As docs/catalogue.schema.json publishes it.

    What it can't say is said in words and checked by `ops.parse`: a cap has one period; a rule's depth and size; which
    field a rule may read for the offer's purpose; how many placeholders a text has, and what they need beside them.
    """
    offer = OfferBody.model_json_schema()
    offer["properties"]["eligibility"] = {"anyOf": [{"$ref": "#/$defs/rule"}, {"type": "null"}], "default": None}
    offer["$defs"]["rule"] = eligible.schema()
    named = "|".join(template.SLOTS)
    for name in ("title", "text", "badge", "more"):
        for text in offer["properties"][name]["patternProperties"].values():
            text["pattern"] = rf"^(?:[^{{}}{CONTROLS}]|\{{(?:{named})\}})*$"
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **offer,
        "title": "Offer",
        "description": "The body of an offer.put: one offer of a store gateway's catalogue.",
    }
