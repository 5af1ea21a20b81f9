import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core import eligible
from gateway.core.changes import (
    BindingDrop,
    BindingPut,
    Change,
    ConfigPut,
    ConsentAdd,
    ConsentPark,
    ConsentRestore,
    CouponsPut,
    CredentialDrop,
    KeyDrop,
    KeyPut,
    LearningPut,
    LeasePut,
    MemberErase,
    MemberPut,
    OfferDrop,
    OfferPut,
    PurchasesPut,
    StockPut,
)
from gateway.core.coupon import PublicKey
from gateway.core.ed25519 import is_anybodys
from gateway.core.keyring import MAX_MATERIAL_BYTES, KeyUse
from gateway.core.learning import HALF_LIVES, Arm, Learning, Prior
from gateway.core.model import (
    AgeGate,
    Cap,
    ClockQuality,
    ConsentRecord,
    ConsentState,
    Habit,
    Member,
    Notice,
    Offer,
    Pause,
    Purpose,
    Restraint,
    ShopConfig,
    TalkingPoint,
)
from gateway.core.redemption import CouponClass
from gateway.core.sealing import OVERHEAD_BYTES
from gateway.core.usual import Bought, Product, Purchases
from gateway.errors import PeerError
from sync import forms, ops
from sync.fields import INT64_MAX, MAX_MS
from sync.forms import MAX_KEEP_DAYS, MAX_PARKED_TEXT, MAX_RESTORED
from tests import test_credentials as credentials
from tests import test_sync_prices as prices

ids = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}", fullmatch=True)
places = st.from_regex(r"[a-z0-9][a-z0-9-]{0,23}", fullmatch=True)
plain = st.characters(exclude_categories=["Cs"])
printed = st.characters(exclude_categories=["Cs", "Cc"])
gateways = st.from_regex(r"[a-z0-9]{1,24}/[a-z0-9]{1,24}/[a-z0-9]{1,24}", fullmatch=True)
short = st.text(plain, max_size=40)
word = st.text(plain, min_size=1, max_size=20)
words = st.lists(word, max_size=4).map(tuple)
categories = st.from_regex(r"([a-z0-9][a-z0-9_.-]{0,63})?", fullmatch=True)
texts = st.dictionaries(st.sampled_from(["de", "en", "fr"]), st.text(plain, max_size=60), max_size=3)
shown = st.characters(exclude_categories=["Cs", "Cc", "Cf"]) | st.just("\n")
sayings = st.text(shown, max_size=30).map(lambda text: text.replace("{", "(").replace("}", ")"))
offered = st.dictionaries(
    st.sampled_from(["de", "en", "fr"]), st.tuples(sayings, st.sampled_from(["", "{store}"]), sayings).map("".join)
)
ms = st.integers(0, MAX_MS)
small = st.integers(0, 1000)
no_id = st.just("") | ids
codes = st.from_regex(r"[a-z0-9][a-z0-9_.-]{0,31}", fullmatch=True)
minutes = st.integers(0, 1_439)
periods = st.integers(0, forms.MAX_PERIOD_MS)
caps = st.builds(
    lambda what, limit, per, period_ms, calendar: Cap(what, limit, per, 0 if calendar else period_ms, calendar),
    st.sampled_from(["impressions", "acceptances", "redemptions"]),
    st.integers(1, forms.MAX_CAP),
    st.sampled_from(["offer", "placement"]),
    st.integers(1, forms.MAX_PERIOD_MS),
    st.sampled_from(["", "day", "week", "month"]),
)
RULES = [  # those of tests/test_eligible.py are many more; here is one of each kind that an offer for members may ask
    {"all": [{"is": ["zone", "coffee"]}, {"not": {"below": ["hour", 9]}}]},
    {"any": [{"has": ["member.interests", ["tea"]]}, {"in": ["weekday", [6, 7]]}]},
]
rules = st.sampled_from([eligible.parse(rule) for rule in RULES])
coupon_classes = st.builds(
    CouponClass, ids, st.sampled_from(["allow", "lease", "deny"]), *[st.none() | small for _ in range(4)]
)
coupon_keys = st.builds(
    PublicKey,
    st.from_regex(r"[A-Za-z0-9._~-]{1,16}", fullmatch=True),
    st.binary(min_size=32, max_size=32).filter(lambda key: not is_anybodys(key)),
    st.none() | ms,
)
records = st.builds(
    ConsentRecord,
    event_id=ids,
    member_id=st.just("m-1"),
    purpose=st.sampled_from(Purpose),
    state=st.sampled_from(ConsentState),
    given_at_ms=ms,
    valid_until_ms=st.none() | ms,
    hq_seq=st.integers(0, INT64_MAX),
    notice_version=short,
    channel=codes,
    receipt_id=no_id,
    supersedes=no_id,
    notice_id=no_id,
    notice_sha256=st.sampled_from(["", "0f" * 32]),
    language=st.sampled_from(["", "de"]),
    jurisdiction=st.sampled_from(["", "EU"]),
    method=codes,
    device_id=no_id,
    store_id=st.just("") | gateways,
    staff_id=no_id,
    age_gate=st.sampled_from(AgeGate),
    clock=st.sampled_from(ClockQuality),
)
segments = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,5}(\.[a-z0-9]{1,4}){0,3}", fullmatch=True)
changes: st.SearchStrategy[Change] = st.one_of(
    st.builds(
        MemberPut,
        st.builds(
            Member,
            ids,
            short,
            st.sampled_from(["de", "en"]),
            words,
            st.lists(word | st.builds(Habit, word, categories), max_size=4).map(tuple),
            st.lists(st.builds(TalkingPoint, texts, texts, categories), max_size=3).map(tuple),
            st.booleans(),
            st.sampled_from(AgeGate),
        ),
    ),
    st.builds(MemberErase, ids),
    credentials.changes,
    st.builds(CredentialDrop, ids),
    st.builds(ConsentAdd, records),
    st.builds(ConsentRestore, st.just("m-1"), st.lists(records, max_size=3).map(tuple)),
    st.builds(
        OfferPut,
        st.builds(
            Offer,
            offer_id=ids,
            title=offered,
            text=offered,
            badge=offered,
            more=offered,
            art=places,
            zones=st.lists(places, max_size=3).map(tuple),
            interests=words,
            audience=st.sampled_from(["everyone", "members"]),
            public_safe=st.booleans(),
            priority=st.integers(-(2**63), 2**63 - 1),
            valid_from_ms=ms,
            valid_until_ms=st.none() | ms,
            cap_per_member=st.none() | small,
            value_cents=small,
            category=categories,
            stores=st.lists(places, max_size=3).map(tuple),
            placements=st.lists(places, max_size=3).map(tuple),
            channels=st.lists(st.sampled_from(["public", "tablet", "phone", "till"]), max_size=4).map(tuple),
            eligibility=st.none() | rules,
            groups=st.lists(places, max_size=3).map(tuple),
            caps=st.lists(caps, max_size=3).map(tuple),
            pause=st.builds(Pause, periods, periods, periods),
            control_bp=st.integers(0, 10_000),
            budget_id=st.just("") | ids,
            coupon_class=st.just("") | ids,
            stock_ref=st.just("") | ids,
            price_ref=st.just("") | ids,
            price_cents=small,
        ),
    ),
    st.builds(OfferDrop, ids),
    st.builds(
        PurchasesPut,
        ids,
        st.builds(
            Purchases,
            st.lists(st.builds(Product, ids, ids, categories, small, *[st.none() | small] * 5), max_size=3).map(tuple),
            st.lists(st.builds(Bought, ms, st.booleans(), st.lists(ids, max_size=3).map(tuple)), max_size=3).map(tuple),
        ),
    ),
    st.builds(
        LearningPut,
        st.builds(
            Learning,
            st.booleans(),
            st.sampled_from(HALF_LIVES),
            st.integers(1, forms.MAX_WINDOW_MS),
            st.dictionaries(segments, small, max_size=4),
            st.dictionaries(
                st.builds(Arm, ids, st.just("") | places, st.just("") | segments),
                st.builds(Prior, st.integers(1, 999_999), st.integers(1, forms.MAX_PRIOR_WEIGHT)),
                max_size=4,
            ),
        ),
    ),
    st.builds(
        ConfigPut,
        st.builds(
            ShopConfig,
            store_name=texts,
            zones=st.dictionaries(places, texts, max_size=4),
            notice=st.none()
            | st.builds(
                Notice,
                st.text(plain, min_size=1, max_size=9),
                short,
                short,
                st.just("") | ids,
                st.dictionaries(
                    st.sampled_from(["de", "en"]), st.text(printed | st.just("\n"), min_size=1, max_size=40)
                ),
                st.sampled_from(["EU", "CH"]),
            ),
            contacts_per_day=small,
            contact_gap_ms=ms,
            zone_offer_ms=ms,
            dialogue_ms=ms,
            ask_ms=ms,
            restraint=st.builds(
                Restraint, st.sampled_from(["UTC", "Europe/Berlin"]), minutes, minutes, backoff_ms=periods
            ),
            card_ms=ms,
            sale_ms=ms,
            bearer_limit_cents=small,
            consent_days=st.integers(0, MAX_KEEP_DAYS),
            child_programme=st.booleans(),
            join_url=st.sampled_from(["", "https://join.example", "https://join.example:8443/new?shop=1&x=%20#top"]),
            sensitive=st.lists(places, max_size=3).map(tuple),
            bind_prefixes=st.sampled_from([(), ("https://card.example/",), ("https://a.example:8443/c?id=",) * 16]),
        ),
    ),
    st.builds(
        KeyPut, gateways, ids, st.sampled_from(KeyUse), ms, st.none() | ms, st.binary(min_size=1, max_size=1_536)
    ),
    st.builds(KeyDrop, gateways, ids),
    st.builds(BindingPut, ids, ids, st.from_regex(r"[0-9]{8}", fullmatch=True), ms),
    st.builds(BindingDrop, ids),
    st.builds(
        StockPut, gateways, st.dictionaries(ids, st.none() | st.integers(0, 10**9), max_size=5), ms, st.booleans()
    ),
    st.builds(LeasePut, gateways, ids, ids, st.sampled_from(["units", "cents"]), st.integers(1, 10**12), ms),
    st.builds(
        CouponsPut,
        st.lists(coupon_classes, max_size=3, unique_by=lambda one: one.name).map(tuple),
        st.lists(coupon_keys, max_size=3, unique_by=lambda one: one.key_id).map(tuple),
    ),
    prices.changes,
)


KEY = {"gateway": "acme/munich/gw", "key_id": "k", "use": "hce", "from_ms": 0, "sealed": "c2VhbGVk"}
OFFER = {"offer_id": "o-1", "title": {"en": "Tea"}, "text": {"en": "Two for one"}, "interests": ["tea"]}
WEEKLY = {"what": "impressions", "limit": 1, "calendar": "week"}
BOTH_PERIODS = WEEKLY | {"period_ms": 5}
CODE = {"binding_id": "b", "member_id": "m", "code": "12345678", "valid_until_ms": 5}


def test_a_class_or_key_of_coupons_is_named_once_and_no_key_is_anybodys() -> None:
    one = {"key_id": "k", "key": "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"}
    for body in (
        {"classes": [{"name": "c"}, {"name": "c"}]},
        {"keys": [one, one]},
        {"keys": [{"key_id": "k", "key": "00" * 32}]},
    ):
        with pytest.raises(PeerError, match="fields"):
            ops.parse({"op": "coupons.put", "body": body})


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
        ({"op": "learning.put", "body": {"half_life_days": 29}}, "range"),
        ({"op": "learning.put", "body": {"half_life_days": 61}}, "range"),
        ({"op": "learning.put", "body": {"on": 1}}, "fields"),
        ({"op": "learning.put", "body": {"window_ms": 0}}, "range"),
        ({"op": "learning.put", "body": {"people": {"a..b": 60}}}, "fields"),
        ({"op": "learning.put", "body": {"priors": [{"offer_id": "o", "mean_ppm": 1_000_000}]}}, "range"),
        ({"op": "learning.put", "body": {"priors": [{"offer_id": "o", "mean_ppm": 5}] * 2}}, "fields"),
        ({"op": "config.put", "body": {"contacts_per_day": -1}}, "range"),
        ({"op": "config.put", "body": {"contacts_per_day": True}}, "fields"),
        ({"op": "config.put", "body": {"contacts_per_day": 6.0}}, "fields"),
        ({"op": "config.put", "body": {"card_ms": 2**53}}, "range"),
        ({"op": "config.put", "body": {"join_url": "http://join.example"}}, "fields"),
        ({"op": "config.put", "body": {"join_url": "https://"}}, "fields"),
        ({"op": "config.put", "body": {"join_url": "https://join.example/a b"}}, "fields"),
        ({"op": "config.put", "body": {"join_url": 'https://join.example/"'}}, "fields"),
        ({"op": "config.put", "body": {"join_url": "https://join.example/<b>"}}, "fields"),
        ({"op": "config.put", "body": {"join_url": "https://join.example/\n"}}, "fields"),
        ({"op": "config.put", "body": {"join_url": "https://join.example@evil.example/"}}, "fields"),
        ({"op": "config.put", "body": {"join_url": "https://" + "a" * forms.MAX_URL}}, "fields"),
        ({"op": "config.put", "body": {"bind_prefixes": "https://card.example/"}}, "fields"),
        ({"op": "config.put", "body": {"bind_prefixes": [""]}}, "fields"),
        ({"op": "config.put", "body": {"bind_prefixes": ["https://"]}}, "fields"),
        ({"op": "config.put", "body": {"bind_prefixes": ["https://card.example"]}}, "fields"),
        ({"op": "config.put", "body": {"bind_prefixes": ["https://card.example@evil.example/"]}}, "fields"),
        ({"op": "config.put", "body": {"bind_prefixes": ["http://card.example/"]}}, "fields"),
        ({"op": "config.put", "body": {"bind_prefixes": ["https://card.example/\n"]}}, "fields"),
        ({"op": "config.put", "body": {"bind_prefixes": ["https://card.example/"] * 17}}, "fields"),
        ({"op": "config.put", "body": {"bearer_limit_cents": 1_000_001}}, "range"),
        ({"op": "key.put", "body": KEY | {"gateway": "acme/munich"}}, "fields"),
        ({"op": "key.put", "body": KEY | {"gateway": "acme/munich/gw/1"}}, "fields"),
        ({"op": "key.put", "body": KEY | {"use": "rsa"}}, "fields"),
        ({"op": "key.put", "body": KEY | {"sealed": ""}}, "fields"),
        ({"op": "key.put", "body": KEY | {"sealed": "c2VhbGVk=="}}, "fields"),
        ({"op": "key.put", "body": KEY | {"sealed": "c2Vh\nbGVk"}}, "fields"),
        ({"op": "key.put", "body": KEY | {"sealed": "AAAA" * 513}}, "fields"),
        ({"op": "key.put", "body": KEY | {"from_ms": -1}}, "range"),
        ({"op": "key.put", "body": KEY | {"material": {}}}, "fields"),
        ({"op": "key.drop", "body": {"key_id": "k"}}, "fields"),
        ({"op": "offer.put", "body": OFFER | {"purpose": "greet_on_entry"}}, "purpose"),
        ({"op": "offer.put", "body": OFFER | {"purpose": "purchase_history"}}, "purpose"),
        ({"op": "offer.put", "body": OFFER | {"purpose": "recognise_ble", "interests": []}}, "purpose"),
        ({"op": "offer.put", "body": OFFER | {"purpose": "anything"}}, "fields"),
        ({"op": "offer.put", "body": OFFER | {"category": "Alcohol"}}, "fields"),
        ({"op": "offer.put", "body": OFFER | {"channels": ["radio"]}}, "fields"),
        ({"op": "offer.put", "body": OFFER | {"control_bp": 10_001}}, "range"),
        (
            {"op": "offer.put", "body": OFFER | {"caps": [{"what": "impressions", "limit": 0, "calendar": "day"}]}},
            "range",
        ),
        ({"op": "offer.put", "body": OFFER | {"caps": [{"what": "impressions", "limit": 1}]}}, "cap"),
        ({"op": "offer.put", "body": OFFER | {"caps": [BOTH_PERIODS]}}, "cap"),
        ({"op": "offer.put", "body": OFFER | {"caps": [WEEKLY] * (forms.MAX_CAPS + 1)}}, "fields"),
        ({"op": "offer.put", "body": OFFER | {"eligibility": []}}, "fields"),
        ({"op": "offer.put", "body": OFFER | {"eligibility": {}}}, "eligibility"),
        ({"op": "offer.put", "body": OFFER | {"eligibility": {"has": ["member.usual", ["x"]]}}}, "purpose"),
        ({"op": "config.put", "body": {"restraint": {"holdout_bp": 10_001}}}, "range"),
        ({"op": "config.put", "body": {"restraint": {"time_zone": "../../x y"}}}, "fields"),
        ({"op": "config.put", "body": {"sensitive": ["alcohol.wine"]}}, "fields"),
        ({"op": "config.put", "body": {"sensitive": ["x"] * 65}}, "fields"),
        ({"op": "member.put", "body": {"member_id": "m1", "age": "17"}}, "fields"),
        ({"op": "member.put", "body": {"member_id": "m1", "usual": [{"category": "tea"}]}}, "fields"),
        ({"op": "binding.put", "body": CODE | {"code": "1234567"}}, "fields"),
        ({"op": "binding.put", "body": CODE | {"code": 12345678}}, "fields"),
        ({"op": "binding.put", "body": CODE | {"code": "1234567\u0663"}}, "fields"),
        ({"op": "binding.put", "body": CODE | {"valid_until_ms": 2**53}}, "range"),
    ],
)
def test_reasons(op: object, reason: str) -> None:
    with pytest.raises(PeerError) as caught:
        ops.parse(op)
    assert caught.value.reason == reason
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None, "the refused input must not travel with the error"


def test_the_field_that_an_offer_may_not_read_is_named() -> None:
    with pytest.raises(PeerError) as caught:
        ops.parse({"op": "offer.put", "body": OFFER | {"purpose": "greet_on_entry"}})
    assert caught.value.field == "interests"
    for fine in ({"purpose": "greet_on_entry", "interests": []}, {"purpose": "greet_on_entry", "audience": "everyone"}):
        assert isinstance(ops.parse({"op": "offer.put", "body": OFFER | fine}), OfferPut)


def test_a_refused_rule_says_where() -> None:
    with pytest.raises(PeerError) as caught:
        ops.parse({"op": "offer.put", "body": OFFER | {"eligibility": {"all": [{"is": ["zone", 5]}]}}})
    assert caught.value.field == "all.0.is.1: expected a text of 1 to 64 characters"


def test_plain_habits_stay_plain() -> None:
    habits = ["Espresso", {"text": "Chianti", "category": "alcohol.wine"}]
    change = ops.parse({"op": "member.put", "body": {"member_id": "m-1", "usual": habits}})
    assert isinstance(change, MemberPut)
    assert change.member.usual == ("Espresso", Habit("Chianti", "alcohol.wine"))
    assert ops.dump(change)["body"]["usual"] == habits


def test_the_largest_key_fits_its_op() -> None:
    change = KeyPut("acme/munich/gw", "k", KeyUse.VAS, 0, None, bytes(MAX_MATERIAL_BYTES + OVERHEAD_BYTES))
    assert ops.parse(ops.dump(change)) == change


@pytest.mark.parametrize("many", [{"products": 129}, {"visits": 257}, {"lines": 65}])
def test_purchases_have_bounds(many: dict[str, int]) -> None:
    product, visit = {"product_id": "p-1", "text": "Tee"}, {"at_ms": 5, "products": ["p-1"] * many.get("lines", 1)}
    body = {"products": [product] * many.get("products", 1), "visits": [visit] * many.get("visits", 1)}
    with pytest.raises(PeerError):
        ops.parse({"op": "purchases.put", "body": {"member_id": "m-1"} | body})


def test_partial_config_takes_the_defaults() -> None:
    parsed = ops.parse({"op": "config.put", "body": {"zones": {"tea": {"de": "Tee"}}}})
    assert parsed == ConfigPut(ShopConfig(zones={"tea": {"de": "Tee"}}))


CONSENT = {"event_id": "e-1", "member_id": "m-1", "purpose": "recognise_ble", "state": "given", "given_at_ms": 5}


def consent_op(**said: object) -> dict[str, Any]:
    return {"op": "consent.add", "body": CONSENT | said}


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"purpose": "read_minds"}, "unknown_purpose"),
        ({"state": "paused"}, "unknown_state"),
        ({"surplus": 1}, "fields"),
        ({"given_at_ms": -1}, "fields"),
        ({"clock": "sundial"}, "fields"),
    ],
)
def test_a_consent_that_cannot_be_read_waits_by_its_name(said: dict[str, object], reason: str) -> None:
    op = consent_op(**said)
    with pytest.raises(PeerError):
        ops.parse(op)
    park = ops.parse_or_park(op)
    assert isinstance(park, ConsentPark)
    assert (park.event_id, park.member_id, park.reason) == ("e-1", "m-1", reason)
    assert json.loads(park.body) == op["body"]
    assert ops.dump(park) == op


@pytest.mark.parametrize("said", [{"event_id": ""}, {"event_id": 5}, {"member_id": None}, {"member_id": "a b"}])
def test_a_consent_without_a_name_can_not_even_wait(said: dict[str, object]) -> None:
    with pytest.raises(PeerError):
        ops.parse_or_park(consent_op(**said))


def test_a_name_of_an_older_headquarters_loses_what_would_garble_a_screen() -> None:
    op = {"op": "member.put", "body": {"member_id": "m-1", "call_name": "A\x00d\u202ea\n"}}
    with pytest.raises(PeerError, match="fields"):
        ops.parse(op)
    put = ops.parse_or_park(op)
    assert isinstance(put, MemberPut)
    assert put.member.call_name == "Ada"
    for name in (5, "x" * 121):
        with pytest.raises(PeerError, match="fields"):
            ops.parse_or_park({"op": "member.put", "body": {"member_id": "m-1", "call_name": name}})


def test_other_operations_are_never_parked() -> None:
    with pytest.raises(PeerError):
        ops.parse_or_park({"op": "offer.put", "body": {}})
    with pytest.raises(PeerError):
        ops.parse_or_park({"op": "consent.add", "body": []})
    assert isinstance(ops.parse_or_park(consent_op()), ConsentAdd)


def test_what_waits_is_bounded() -> None:
    park = ops.parse_or_park(consent_op(purpose="x" * 60_000, state="given"))
    assert isinstance(park, ConsentPark)
    assert len(park.purpose) <= 64
    park = ops.parse_or_park(consent_op(state="withdrawn", surplus="x" * 60_000))
    assert isinstance(park, ConsentPark)
    assert len(park.body) <= MAX_PARKED_TEXT
    assert json.loads(park.body)["state"] == "withdrawn"


def test_a_members_log_is_of_that_member_alone_and_bounded() -> None:
    body = {"member_id": "m-1", "records": [CONSENT] * MAX_RESTORED}
    assert len(ops.parse({"op": "consent.restore", "body": body}).records) == MAX_RESTORED
    for records in ([CONSENT] * (MAX_RESTORED + 1), [CONSENT | {"member_id": "m-2"}]):
        with pytest.raises(PeerError, match="fields"):
            ops.parse({"op": "consent.restore", "body": body | {"records": records}})


def test_a_members_log_is_taken_without_purposes_that_nobody_knows() -> None:
    strange = CONSENT | {"purpose": "read_minds"}
    op = {"op": "consent.restore", "body": {"member_id": "m-1", "records": [CONSENT, strange]}}
    with pytest.raises(PeerError):
        ops.parse(op)
    restore = ops.parse_or_park(op)
    assert isinstance(restore, ConsentRestore)
    assert [record.purpose for record in restore.records] == [Purpose.RECOGNISE_BLE]
    for spoiled in ({"records": 5}, {"records": [CONSENT | {"state": "paused"}]}, {"records": [5]}):
        with pytest.raises(PeerError):
            ops.parse_or_park({"op": "consent.restore", "body": op["body"] | spoiled})


def test_what_an_import_does_not_say_is_unknown() -> None:
    record = ops.parse(consent_op()).record
    assert (record.channel, record.method, record.age_gate, record.clock) == ("unknown",) * 4
    assert (record.receipt_id, record.notice_sha256, record.language, record.store_id) == ("",) * 4
