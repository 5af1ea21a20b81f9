import dataclasses
from typing import Any

import pytest

from gateway.core.keyring import MAX_MATERIAL_BYTES
from gateway.core.model import (
    Cap,
    ConsentRecord,
    Habit,
    Member,
    Notice,
    Offer,
    Pause,
    Restraint,
    ShopConfig,
    TalkingPoint,
)
from gateway.core.sealing import OVERHEAD_BYTES
from gateway.errors import PeerError
from sync import forms
from sync.fields import MAX_TEXT, validate
from sync.messages import MAX_PAYLOAD_BYTES


@pytest.mark.parametrize(
    ("model", "noun"),
    [
        (forms.MemberBody, Member),
        (forms.TalkingPointBody, TalkingPoint),
        (forms.HabitBody, Habit),
        (forms.ConsentBody, ConsentRecord),
        (forms.OfferBody, Offer),
        (forms.CapBody, Cap),
        (forms.PauseBody, Pause),
        (forms.RestraintBody, Restraint),
        (forms.NoticeBody, Notice),
        (forms.ConfigBody, ShopConfig),
    ],
)
def test_wire_bodies_have_the_fields_of_the_nouns(model: Any, noun: Any) -> None:
    assert set(model.model_fields) == {field.name for field in dataclasses.fields(noun)}


BODIES = [form for form in vars(forms).values() if isinstance(form, type) and issubclass(form, forms.Body)]


@pytest.mark.parametrize("form", BODIES, ids=lambda form: form.__name__)
def test_a_body_has_no_other_fields(form: type[forms.Body]) -> None:
    assert form.model_config["extra"] == "forbid"
    assert form.model_config["strict"]


@pytest.mark.parametrize(
    ("form", "body", "reason"),
    [
        (forms.MemberBody, {"member_id": "m", "interests": ["tea"] * (forms.MAX_ITEMS + 1)}, "fields"),
        (forms.MemberBody, {"member_id": "m", "usual": [{"text": "tea", "category": "No Category"}]}, "fields"),
        (forms.OfferBody, {"offer_id": "o", "title": {"en": "x" * (MAX_TEXT + 1)}, "text": {}}, "fields"),
        (forms.OfferBody, {"offer_id": "o", "title": {}, "text": {}, "value_cents": 1_000_001}, "range"),
        (forms.NoticeBody, {"version": "1", "controller": "", "contact": "", "text": {"en": "one\rtwo"}}, "fields"),
        (forms.CapBody, {"what": "impressions", "limit": 1, "period_ms": forms.MAX_PERIOD_MS + 1}, "range"),
        (forms.ConfigBody, {"restraint": {"quiet_from_min": 1_440}}, "fields"),
        (forms.ConfigBody, {"consent_days": forms.MAX_CONSENT_DAYS + 1}, "range"),
        (forms.ConfigBody, {"bind_prefixes": ["https://shop.example"]}, "fields"),
        (forms.ConfigBody, {"sensitive": ["tea"] * (forms.MAX_CATEGORIES + 1)}, "fields"),
    ],
)
def test_what_lies_beyond_a_bound_is_refused(form: type[forms.Body], body: dict[str, Any], reason: str) -> None:
    with pytest.raises(PeerError, match=reason):
        validate(form, body)


def test_a_reference_reads_over_what_it_does_not_know() -> None:
    ref = validate(forms.ConsentRef, {"event_id": "e-1", "member_id": "m-1", "purpose": "read_minds"})
    assert (ref.event_id, ref.member_id) == ("e-1", "m-1")


def test_a_notice_and_a_sealed_key_of_the_largest_size_fit_a_message() -> None:
    assert forms.MAX_NOTICE * forms.MAX_NOTICE_LANGUAGES * 2 < MAX_PAYLOAD_BYTES
    assert (MAX_MATERIAL_BYTES + OVERHEAD_BYTES + 2) // 3 * 4 <= forms.MAX_SEALED
