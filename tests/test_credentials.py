"""Every kind of credential to bytes and back, nothing of another shape, and what a shop says that it bound."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.changes import CredentialPut
from gateway.core.model import CredentialKind
from gateway.errors import PeerError
from sync import credentials

ids = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}", fullmatch=True)
plain = st.characters(exclude_categories=["Cs"])
changes = st.one_of(
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
    st.builds(CredentialPut, ids, ids, st.just(CredentialKind.SIGNED), st.binary(min_size=1, max_size=64)),
    st.builds(CredentialPut, ids, ids, st.just(CredentialKind.SUN), st.binary(min_size=7, max_size=7)),
    st.builds(CredentialPut, ids, ids, st.just(CredentialKind.HCE), st.binary(min_size=32, max_size=32)),
    st.builds(
        CredentialPut,
        ids,
        ids,
        st.just(CredentialKind.HCE),
        st.binary(min_size=32, max_size=32).map(lambda x: bytes([2 + x[0] % 2]) + x),
    ),
    st.builds(CredentialPut, ids, ids, st.just(CredentialKind.PASS), st.binary(min_size=1, max_size=512)),
    st.builds(
        CredentialPut,
        ids,
        ids,
        st.just(CredentialKind.CHIP),
        st.sampled_from([4, 7, 10])
        .flatmap(lambda size: st.binary(min_size=size, max_size=size))
        .filter(lambda uid: len(uid) != 4 or uid[0] != 8),
    ),
)


@settings(deadline=None)
@given(changes)
def test_parse_is_the_inverse_of_body(change: CredentialPut) -> None:
    assert credentials.parse(json.loads(json.dumps(credentials.body(change)))) == change


def test_every_kind_is_drawn_above_and_known_here() -> None:
    assert set(credentials.FORMS) == {kind.value for kind in CredentialKind}


@pytest.mark.parametrize("value", ["08" * 7, "08" * 10, "18000000", "80000000", "0a000000"])
def test_only_a_random_number_is_no_chips(value: str) -> None:
    put = credentials.parse({"credential_id": "c1", "member_id": "m1", "kind": "chip", "value": value})
    assert put.value == bytes.fromhex(value)


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
        {"kind": "ndef", "value": "00" * (credentials.MAX_NDEF_BYTES + 1)},
        {"kind": "signed", "value": ""},
        {"kind": "signed", "value": "61" * 65},
        {"kind": "sun", "value": "00" * 4},
        {"kind": "sun", "value": "04DE5F1EACC040"},
        {"kind": "hce", "value": "04" + "00" * 32},
        {"kind": "hce", "value": "00" * 33},
        {"kind": "hce", "value": "04" + "00" * 64},
        {"kind": "pass", "value": "00" * 513},
        {"kind": "pass", "value": ""},
        {"kind": "chip", "value": "08112233"},
        {"kind": "chip", "value": "00" * 5},
        {"kind": "chip", "value": "0x112233"},
        {"kind": "magic", "value": "00"},
        {"kind": ["eid"], "value": "00"},
    ],
)
def test_credentials_of_another_shape_are_refused(own: dict[str, object]) -> None:
    with pytest.raises(PeerError):
        credentials.parse({"credential_id": "c1", "member_id": "m1", **own})


@pytest.mark.parametrize("kind", [kind for kind in CredentialKind if kind.trackable])
def test_a_beacon_that_anybody_can_follow_needs_its_own_wording(kind: CredentialKind) -> None:
    value = "00" * (16 if kind is CredentialKind.UID else 20)
    body = {"credential_id": "c1", "member_id": "m1", "kind": kind.value, "value": value}
    for wording in ({}, {"trackable_wording": ""}, {"trackable_wording": None}, {"trackable_wording": 1}):
        with pytest.raises(PeerError) as caught:
            credentials.parse(body | wording)
        assert (caught.value.reason, caught.value.field) == ("fields", "trackable_wording")
    change = credentials.parse(body | {"trackable_wording": "2026-11"})
    assert change.trackable_wording == "2026-11"


BOUND = {
    "binding_id": "b-1",
    "member_id": "m-1",
    "credential_id": "c-1",
    "kind": "sun",
    "value": "04de5f1eacc040",
    "proof": "proven",
}


@given(changes, st.data())
def test_what_is_wrong_in_a_field_is_said_in_its_kinds_own_words(change: CredentialPut, data: st.DataObject) -> None:
    body = credentials.body(change)
    field = data.draw(st.sampled_from(sorted(body.keys() - {"kind"})))
    wrong: dict[str, object] = body | {field: []}
    with pytest.raises(PeerError) as caught:
        credentials.parse(wrong)
    assert caught.value.field == field
    words = credentials.expected(wrong, field)
    assert words.startswith(f"{field} of kind {change.kind.value} to be ")
    assert len(words) < 140


@pytest.mark.parametrize("kind", CredentialKind)
def test_a_missing_or_surplus_field_is_answered_with_those_of_the_kind(kind: CredentialKind) -> None:
    words = credentials.expected({"kind": kind.value, "more": 1}, "more")
    assert words.startswith(f"exactly the fields of kind {kind.value}: credential_id, member_id, kind, ")
    assert credentials.expected({"kind": "magic"}, "kind") == credentials.expected([], "kind")


def test_a_bound_card_is_a_credential() -> None:
    bound = credentials.parse_bound(BOUND | {"reader": "bar-nfc"})
    put = CredentialPut("c-1", "m-1", CredentialKind.SUN, bytes.fromhex("04de5f1eacc040"))
    assert bound == credentials.Bound("b-1", "m-1", "c-1", put)
    chip = {name: value for name, value in BOUND.items() if name != "value"} | {"kind": "chip", "proof": "bearer"}
    assert credentials.parse_bound(chip) == credentials.Bound("b-1", "m-1", "c-1", None)


@pytest.mark.parametrize(
    "own", [{"kind": "chip"}, {"kind": "eid"}, {"value": None}, {"value": "zz"}, {"proof": "sworn"}, {"binding_id": 7}]
)
def test_what_cannot_have_been_bound_is_refused(own: dict[str, object]) -> None:
    with pytest.raises(PeerError, match="fields"):
        credentials.parse_bound(BOUND | own)
    for nothing in (None, [], "b-1", {}):
        with pytest.raises(PeerError, match="fields"):
            credentials.parse_bound(nothing)
