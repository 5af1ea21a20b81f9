"""What of a delta may be left out so that the rest is not held up: an offer that is wrong, or the whole catalogue that
holds one, or segments that are, or what screens show between offers, or settings, and nothing else. Pure.

A delta that is refused comes again and again, and with it waits everything behind it. A withdrawal must not wait for
an offer to be mended. Of anything else a gateway that skipped it would not know what it lacks.
"""

from collections.abc import Sequence

from pydantic import BaseModel

from gateway.core.brand import ROLES
from gateway.core.changes import CataloguePart, Change, OfferRefused, SegmentsRefused
from gateway.core.content import ContentRefused
from gateway.core.trial import SettingsRefused
from gateway.errors import PeerError
from sync import ops, settings
from sync.content import BrandBody, ContentBody, ItemBody
from sync.fields import Id, validate
from sync.forms import CapBody, OfferBody, PauseBody
from sync.segments import SegmentBody

_BELOW = frozenset(CapBody.model_fields) | frozenset(PauseBody.model_fields)


class _Named(BaseModel):
    offer_id: Id


class _Catalogue(BaseModel):
    catalogue_id: Id


_PART = ("catalogue_id", "part", "parts", "offers")


_LEFT_OUT = ("offer.put", "catalogue.put", "segments.put", "content.put", "brand.put", settings.OP)

Refused = OfferRefused | SegmentsRefused | ContentRefused | SettingsRefused


def parse(listed: Sequence[object]) -> tuple[tuple[Change, ...], tuple[Refused, ...]]:
    """The operations of a delta in their order, and what of them is passed over. Raises PeerError for the rest."""
    changes: list[Change] = []
    refused: list[Refused] = []
    for op in listed:
        try:
            changes.append(ops.parse_or_park(op))
        except PeerError as error:
            if not isinstance(op, dict) or op.get("op") not in _LEFT_OUT:
                raise
            if op["op"] == "offer.put":
                refused.append(_refused(op.get("body"), error))
            elif op["op"] == "segments.put":
                refused.append(_refused_segments(error))
            elif op["op"] == settings.OP:
                refused.append(settings.refused(op.get("body"), error))
            elif op["op"] in ("content.put", "brand.put"):
                refused.append(_refused_content(op["op"], error))
            else:
                changes.append(_without(op.get("body"), error))
    return tuple(changes), tuple(refused)


# Errors whose place is made of our own words and of numbers; of another error it may be the peer's.
_OURS = ("purpose", "eligibility", "cap", "template", "twice")


def _refused(body: object, error: PeerError) -> OfferRefused:
    """`field` only where it is of our own words: then the place, and what was expected there."""
    try:
        known = validate(_Named, body).offer_id
    except PeerError:
        known = ""
    told = error.reason in _OURS or _is_ours(error.field)
    return OfferRefused(known, error.reason, error.field if told else "")


def _refused_segments(error: PeerError) -> SegmentsRefused:
    """Likewise."""
    first, *below = error.field.split(".")
    ours = first == "segments" and all(step.isdecimal() or step in SegmentBody.model_fields for step in below)
    return SegmentsRefused(error.reason, error.field if ours or error.reason == "segments" else "")


def _refused_content(name: str, error: PeerError) -> ContentRefused:
    """Likewise; the place of a fault in the values themselves may hold a word of the peer's, so its steps are looked at
    one by one."""
    known = BrandBody.model_fields if name == "brand.put" else {**ContentBody.model_fields, **ItemBody.model_fields}
    place = error.field.partition(":")[0]
    ours = all(step.isdecimal() or step in known or step in _WORDS for step in place.split("."))
    return ContentRefused("brand" if name == "brand.put" else "content", error.reason, place if ours else "")


_WORDS = ("de", "en", "sha256", "bytes", "until", "hours", *ROLES)


def _without(body: object, error: PeerError) -> CataloguePart:
    """The part of a catalogue of which nothing is taken, with what is wrong in it."""
    said = body if isinstance(body, dict) else {}
    try:
        name = validate(_Catalogue, {"catalogue_id": said.get("catalogue_id")}).catalogue_id
    except PeerError:
        name = ""
    first, _, rest = error.field.partition(".")
    number, _, inside = rest.partition(".")
    offers = said.get("offers")
    if first != "offers" or not number.isdecimal() or not isinstance(offers, list) or int(number) >= len(offers):
        place = error.field if first in _PART else ""
        return CataloguePart(name, 0, 0, (), OfferRefused("", error.reason, place))
    refused = _refused(offers[int(number)], PeerError(error.reason, inside))
    place = f"offers.{number}.{refused.field}".rstrip(".")
    return CataloguePart(name, 0, 0, (), OfferRefused(refused.offer_id, refused.reason, place))


def _is_ours(place: str) -> bool:
    """Whether a place is a field of an offer, and below it our fields and numbers alone."""
    first, *below = place.split(".")
    return first in OfferBody.model_fields and all(step.isdecimal() or step in _BELOW for step in below)
