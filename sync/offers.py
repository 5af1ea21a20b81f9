"""The bodies of `offer.put` and `catalogue.put` to offers. Pure.

What only code can check is checked here: rules, caps, texts, and what an offer's purpose may read.
"""

from typing import Annotated, Any

from pydantic import BaseModel, Field

from gateway.core import eligible, template
from gateway.core.changes import MAX_OFFERS, CataloguePart
from gateway.core.gate import overreach
from gateway.core.model import Cap, Offer, Pause
from gateway.errors import PeerError
from sync.fields import EXACT, Id, validate
from sync.forms import OfferBody

MAX_PARTS = 256  # of 64 KiB at most: more than 5,000 offers of usual size need
_LISTS = ("zones", "interests", "stores", "placements", "channels", "groups")


class PartBody(BaseModel):
    model_config = EXACT

    catalogue_id: Id
    part: Annotated[int, Field(ge=1, le=MAX_PARTS)]
    parts: Annotated[int, Field(ge=1, le=MAX_PARTS)]
    offers: Annotated[list[Any], Field(max_length=MAX_OFFERS)]


def parse(body: object) -> Offer:
    """One offer. Raises PeerError: "fields", "range", "purpose", "eligibility", "cap" or "template" with the place."""
    offer, wrong = _read(validate(OfferBody, body))
    if wrong:
        raise PeerError(*wrong[0])
    return offer


def faults(body: object) -> list[str]:
    """All that is wrong with one offer, in words, each with its place; of a rule the first thing."""
    try:
        wire = validate(OfferBody, body)
    except PeerError as error:
        return list(error.said)
    said = {"purpose": "{}: not for the offer's purpose to read", "eligibility": "eligibility.{}"}
    return [said.get(reason, "{}").format(place) for reason, place in _read(wire)[1]]


def _read(wire: OfferBody) -> tuple[Offer, list[tuple[str, str]]]:
    """The offer, and what only code can find wrong with it: reason and place, beginning with what is checked first."""
    wrong = [
        ("cap", f"caps.{number}: expected either period_ms or calendar")
        for number, cap in enumerate(wire.caps)
        if (cap.period_ms == 0) == (cap.calendar == "")
    ]
    rule = None
    try:
        rule = None if wire.eligibility is None else eligible.parse(wire.eligibility)
    except PeerError as error:
        wrong.append((error.reason, error.field))
    lists = {name: tuple(getattr(wire, name)) for name in _LISTS}
    counted = {"caps": tuple(Cap(**dict(cap)) for cap in wire.caps), "pause": Pause(**dict(wire.pause))}
    offer = Offer(**dict(wire) | lists | counted | {"eligibility": rule})
    too_far = overreach(offer)
    if too_far is not None:
        wrong.append(("purpose", too_far))
    return offer, [*wrong, *(("template", fault) for fault in template.faults(offer))]


def parse_part(body: object) -> CataloguePart:
    """Raises PeerError as `parse` does; the place begins with the offer's, such as "offers.17.title.de: expected ..".
    "twice": an id that stands in it before."""
    wire = validate(PartBody, body)
    if wire.part > wire.parts:
        raise PeerError("range", "part")
    return CataloguePart(wire.catalogue_id, wire.part, wire.parts, parse_all(wire.offers))


def parse_all(listed: list[Any]) -> tuple[Offer, ...]:
    """Offers that stand beside each other. Raises PeerError as `parse_part`."""
    found: dict[str, Offer] = {}
    for number, body in enumerate(listed):
        wrong: tuple[str, str] | None = None
        try:
            offer = parse(body)
        except PeerError as error:
            inside = f"eligibility.{error.field}" if error.reason == "eligibility" else error.field
            wrong = error.reason, f"offers.{number}.{inside}".rstrip(".")
        else:
            if offer.offer_id in found:
                wrong = "twice", f"offers.{number}.offer_id"
            found[offer.offer_id] = offer
        if wrong is not None:  # outside the handler: a cause would carry the refused input
            raise PeerError(*wrong)
    return tuple(found.values())
