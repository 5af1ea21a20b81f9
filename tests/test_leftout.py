"""A bad offer of a delta is passed over, anything else that is bad refuses all of it."""

import pytest

from gateway.core.changes import MemberErase, OfferRefused, SegmentsRefused
from gateway.errors import PeerError
from sync import leftout

OFFER = {"offer_id": "o-1", "title": {"en": "Tea"}, "text": {"en": "Two for one"}, "interests": ["tea"]}


@pytest.mark.parametrize(
    ("body", "refused"),
    [
        (OFFER | {"purpose": "purchase_history"}, OfferRefused("o-1", "purpose", "interests")),
        (OFFER | {"price_of_tomorrow": 7}, OfferRefused("o-1", "fields")),
        (OFFER | {"priority": 2**64}, OfferRefused("o-1", "range", "priority")),
        (OFFER | {"caps": [{"what": "x", "limit": 1}]}, OfferRefused("o-1", "fields", "caps.0.what")),
        (OFFER | {"title": {"in Swabian": "x"}}, OfferRefused("o-1", "fields")),  # whose words the place is made of
        (
            OFFER | {"eligibility": {"is": ["name", "Mia"]}},
            OfferRefused("o-1", "eligibility", "is.0: expected a known field"),
        ),
        (
            OFFER | {"title": {"en": "{0.__class__}"}},
            OfferRefused(
                "o-1", "template", "title.en: expected only the placeholders price, value, until, store, zone"
            ),
        ),
        (OFFER | {"offer_id": "no id at all"}, OfferRefused("", "fields", "offer_id")),
        ("rubbish", OfferRefused("", "fields")),
    ],
)
def test_a_bad_offer_does_not_hold_up_what_comes_with_it(body: object, refused: OfferRefused) -> None:
    erase = {"op": "member.erase", "body": {"member_id": "m-1"}}
    changes, left_out = leftout.parse([{"op": "offer.put", "body": body}, erase])
    assert (changes, left_out) == ((MemberErase("m-1"),), (refused,))


@pytest.mark.parametrize(
    "op", [{"op": "consent.add", "body": {}}, {"op": "offer.burn", "body": {}}, {"op": "config.put", "body": 1}, None]
)
def test_anything_else_that_is_bad_holds_up_all_of_it(op: object) -> None:
    with pytest.raises(PeerError):
        leftout.parse([{"op": "offer.put", "body": OFFER}, op])


@pytest.mark.parametrize(
    ("body", "refused"),
    [
        ({"segments": [{"segment_id": "s"}]}, SegmentsRefused("fields", "segments.0.rule")),
        ({"segments": [{"segment_id": "s", "rule": {}, "of Mia": 1}]}, SegmentsRefused("fields")),
        (
            {"segments": [{"segment_id": "s", "rule": {"is": ["name", "Mia"]}}]},
            SegmentsRefused("segments", "segments.0.rule.is.0: expected a known field"),
        ),
    ],
)
def test_bad_segments_do_not_hold_up_what_comes_with_them(body: object, refused: SegmentsRefused) -> None:
    erase = {"op": "member.erase", "body": {"member_id": "m-1"}}
    changes, left_out = leftout.parse([{"op": "segments.put", "body": body}, erase])
    assert (changes, left_out) == ((MemberErase("m-1"),), (refused,))
