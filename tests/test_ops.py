import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.changes import (
    Change,
    ConfigPut,
    ConsentAdd,
    CredentialDrop,
    CredentialPut,
    MemberErase,
    MemberPut,
    OfferDrop,
    OfferPut,
)
from gateway.core.model import (
    ConsentRecord,
    ConsentState,
    CredentialKind,
    Member,
    Notice,
    Offer,
    Purpose,
    ShopConfig,
    TalkingPoint,
)
from gateway.errors import PeerError
from sync import ops

ids = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}", fullmatch=True)
places = st.from_regex(r"[a-z0-9][a-z0-9-]{0,23}", fullmatch=True)
plain = st.characters(exclude_categories=["Cs"])
short = st.text(plain, max_size=40)
words = st.lists(st.text(plain, min_size=1, max_size=20), max_size=4).map(tuple)
texts = st.dictionaries(st.sampled_from(["de", "en", "fr"]), st.text(plain, max_size=60), max_size=3)
ms = st.integers(0, ops.MAX_MS)
small = st.integers(0, 1000)
credentials = st.one_of(
    st.builds(
        CredentialPut,
        credential_id=ids,
        member_id=ids,
        kind=st.just(CredentialKind.EID),
        value=st.binary(min_size=16, max_size=16),
        exponent=st.integers(0, 15),
        clock_zero_s=st.integers(-(2**33), 2**33),
    ),
    st.builds(
        CredentialPut,
        ids,
        ids,
        st.sampled_from([CredentialKind.APP, CredentialKind.RPA]),
        st.binary(min_size=16, max_size=16),
    ),
    st.builds(
        CredentialPut,
        credential_id=ids,
        member_id=ids,
        kind=st.just(CredentialKind.UID),
        value=st.binary(min_size=16, max_size=16),
        trackable_wording=st.text(plain, min_size=1, max_size=20),
    ),
    st.builds(
        CredentialPut,
        credential_id=ids,
        member_id=ids,
        kind=st.sampled_from([CredentialKind.IBEACON, CredentialKind.ALTBEACON]),
        value=st.binary(min_size=20, max_size=20),
        trackable_wording=st.text(plain, min_size=1, max_size=20),
    ),
    st.builds(CredentialPut, ids, ids, st.just(CredentialKind.NDEF), st.binary(min_size=1, max_size=60)),
)
changes: st.SearchStrategy[Change] = st.one_of(
    st.builds(
        MemberPut,
        st.builds(
            Member,
            ids,
            short,
            st.sampled_from(["de", "en"]),
            words,
            words,
            st.lists(st.builds(TalkingPoint, texts, texts), max_size=3).map(tuple),
        ),
    ),
    st.builds(MemberErase, ids),
    credentials,
    st.builds(CredentialDrop, ids),
    st.builds(
        ConsentAdd,
        st.builds(
            ConsentRecord,
            ids,
            ids,
            st.sampled_from(Purpose),
            st.sampled_from(ConsentState),
            ms,
            st.none() | ms,
            st.integers(0, ops.INT64_MAX),
            short,
            short,
        ),
    ),
    st.builds(
        OfferPut,
        st.builds(
            Offer,
            offer_id=ids,
            title=texts,
            text=texts,
            badge=texts,
            more=texts,
            art=places,
            zones=st.lists(places, max_size=3).map(tuple),
            interests=words,
            audience=st.sampled_from(["everyone", "members"]),
            public_safe=st.booleans(),
            priority=st.integers(-(2**63), 2**63 - 1),
            valid_from_ms=ms,
            valid_until_ms=st.none() | ms,
            cap_per_member=st.none() | small,
        ),
    ),
    st.builds(OfferDrop, ids),
    st.builds(
        ConfigPut,
        st.builds(
            ShopConfig,
            store_name=texts,
            zones=st.dictionaries(places, texts, max_size=4),
            notice=st.none() | st.builds(Notice, st.text(plain, min_size=1, max_size=9), short, short),
            contacts_per_day=small,
            contact_gap_ms=ms,
            zone_offer_ms=ms,
            dialogue_ms=ms,
            ask_ms=ms,
            card_ms=ms,
        ),
    ),
)


@settings(deadline=None)
@given(changes)
def test_parse_is_the_inverse_of_dump_through_json(change: Change) -> None:
    assert ops.parse(json.loads(json.dumps(ops.dump(change)))) == change


@settings(deadline=None)
@given(
    changes,
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    ),
    st.data(),
)
def test_a_spoiled_field_is_refused_or_still_a_change(change: Change, junk: Any, data: st.DataObject) -> None:
    op = ops.dump(change)
    field = data.draw(st.sampled_from([*op["body"], "surplus"]))
    op["body"][field] = junk
    try:
        parsed = ops.parse(op)
    except PeerError as error:
        assert error.reason in {"fields", "range"}
    else:
        assert field != "surplus"
        assert isinstance(parsed, type(change))


@settings(deadline=None)
@given(st.recursive(st.none() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)))
def test_anything_else_is_a_peer_error(junk: Any) -> None:
    with pytest.raises(PeerError):
        ops.parse(junk)


@pytest.mark.parametrize(
    ("op", "reason"),
    [
        ({"op": "member.forget", "body": {}}, "op"),
        ({"op": 7, "body": {}}, "op"),
        ({"body": {}}, "op"),
        ({"op": "member.erase"}, "fields"),
        ({"op": "member.erase", "body": {"member_id": "m1"}, "why": ""}, "fields"),
        ({"op": "member.erase", "body": {}}, "fields"),
        ({"op": "member.erase", "body": {"member_id": 1}}, "fields"),
        ({"op": "member.erase", "body": {"member_id": "m 1"}}, "fields"),
        ({"op": "member.put", "body": {"member_id": "m1", "phone": "1"}}, "fields"),
        ({"op": "member.put", "body": {"member_id": "m1", "usual": "tea"}}, "fields"),
        ({"op": "config.put", "body": {"contacts_per_day": -1}}, "range"),
        ({"op": "config.put", "body": {"contacts_per_day": True}}, "fields"),
        ({"op": "config.put", "body": {"contacts_per_day": 6.0}}, "fields"),
        ({"op": "config.put", "body": {"card_ms": 2**53}}, "range"),
    ],
)
def test_reasons(op: object, reason: str) -> None:
    with pytest.raises(PeerError) as caught:
        ops.parse(op)
    assert caught.value.reason == reason
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None, "the refused input must not travel with the error"


def test_partial_config_takes_the_defaults() -> None:
    parsed = ops.parse({"op": "config.put", "body": {"zones": {"tea": {"de": "Tee"}}}})
    assert parsed == ConfigPut(ShopConfig(zones={"tea": {"de": "Tee"}}))


@pytest.mark.parametrize(
    "own",
    [
        {"kind": "eid", "identity_key": "00" * 15},
        {"kind": "eid", "identity_key": "00" * 16, "exponent": 16},
        {"kind": "eid", "value": "00" * 16},
        {"kind": "eid", "identity_key": "00" * 16, "trackable_wording": "1"},
        {"kind": "app"},
        {"kind": "app", "key": "00" * 17},
        {"kind": "app", "key": "0G" * 16},
        {"kind": "app", "key": "00" * 16, "exponent": 10},
        {"kind": "rpa", "key": "00" * 16},
        {"kind": "rpa", "irk": "00" * 15},
        {"kind": "ibeacon", "value": "00" * 19, "trackable_wording": "1"},
        {"kind": "ibeacon", "value": "0g" * 20, "trackable_wording": "1"},
        {"kind": "altbeacon", "value": "00" * 16, "trackable_wording": "1"},
        {"kind": "uid", "value": "00" * 20, "trackable_wording": "1"},
        {"kind": "ndef", "value": "00", "trackable_wording": "1"},
        {"kind": "ndef", "value": ""},
        {"kind": "ndef", "value": "00", "exponent": 3},
        {"kind": "ndef", "value": "00" * (ops.MAX_NDEF_BYTES + 1)},
        {"kind": "magic", "value": "00"},
        {"kind": ["eid"], "value": "00"},
    ],
)
def test_credentials_of_another_shape_are_refused(own: dict[str, object]) -> None:
    with pytest.raises(PeerError):
        ops.parse({"op": "credential.put", "body": {"credential_id": "c1", "member_id": "m1", **own}})


@pytest.mark.parametrize("kind", [kind for kind in CredentialKind if kind.trackable])
def test_a_beacon_that_anybody_can_follow_needs_its_own_wording(kind: CredentialKind) -> None:
    value = "00" * (16 if kind is CredentialKind.UID else 20)
    body = {"credential_id": "c1", "member_id": "m1", "kind": kind.value, "value": value}
    for wording in ({}, {"trackable_wording": ""}, {"trackable_wording": None}, {"trackable_wording": 1}):
        with pytest.raises(PeerError) as caught:
            ops.parse({"op": "credential.put", "body": body | wording})
        assert (caught.value.reason, caught.value.field) == ("fields", "trackable_wording")
    change = ops.parse({"op": "credential.put", "body": body | {"trackable_wording": "2026-11"}})
    assert isinstance(change, CredentialPut)
    assert change.trackable_wording == "2026-11"


@pytest.mark.parametrize(
    ("model", "noun"),
    [
        (ops._MemberBody, Member),
        (ops._TalkingPointBody, TalkingPoint),
        (ops._ConsentBody, ConsentRecord),
        (ops._OfferBody, Offer),
        (ops._NoticeBody, Notice),
        (ops._ConfigBody, ShopConfig),
    ],
)
def test_wire_bodies_have_the_fields_of_the_nouns(model: Any, noun: Any) -> None:
    assert set(model.model_fields) == {field.name for field in dataclasses.fields(noun)}
