"""An operator's offers: every mistake at once and in its place, what nobody can have meant, and what nobody knows."""

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gateway import __main__
from gateway.core.changes import CouponsPut
from gateway.core.redemption import CouponClass
from sync import messages
from sync.hq import proofreading, service
from sync.hq.ledger import Ledger

TEXT = {"en": "Tea"}
GTIN = "4006381333931"
UNTIL_MS = 1_900_000_000_000


def body(offer_id: str = "o-1", **more: Any) -> dict[str, Any]:
    return {"offer_id": offer_id, "title": TEXT, "text": TEXT} | more


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"audiance": "everyone"}, "audiance: no such field; audience perhaps"),
        ({"x": 1}, "x: no such field"),
        ({"audience": "all"}, "audience: expected 'everyone' or 'members'"),
        ({"public_safe": "yes"}, "public_safe: expected true or false, found a text"),
        ({"zones": "wine"}, "zones: expected a list, found a text"),
        ({"title": "Tea"}, "title: expected an object, found a text"),
        ({"priority": 1.5}, "priority: expected a whole number"),
        ({"value_cents": None}, "value_cents: expected a whole number, found null"),
        ({"control_bp": 10_001}, "control_bp: expected a number of at most 10000"),
        ({"purpose": "spam"}, "purpose: expected 'recognise_ble', "),
        ({"title": {"en": "a\u202eb"}}, "title.en: expected no control character"),
        ({"badge": {"en": "a\x1b[31m"}}, "badge.en: expected no control character"),
        ({"more": {"de": "\u2066"}}, "more.de: expected no control character"),
        ({"zones": ["Wine"]}, "zones.0: expected the form ^[a-z0-9]"),
        ({"valid_until_ms": 1_900_000_000}, "valid_until_ms: expected milliseconds since 1970; found seconds, 1900000"),
        ({"valid_from_ms": UNTIL_MS, "valid_until_ms": UNTIL_MS}, "valid_until_ms: expected more than valid_from_ms"),
        ({"price_ref": "4006381333932"}, "price_ref: expected 1 as the last digit, the check digit of a GTIN; found 2"),
        ({"title": {}}, "title: expected a text in one language at least"),
        ({"title": {"de": "Tee", "en": " "}}, "title.en: expected a text; found none"),
        ({"eligibility": {"is": ["weekday", 9]}}, "eligibility.is.1: expected a number from 1 to 7, since it is the w"),
        (
            {"eligibility": {"all": [{"is": ["weekday", 1]}, {"not": {"in": ["hour", [23, 24]]}}]}},
            "eligibility.all.1.not.in.1.1: expected a number from 0 to 23, since it is the hour; found 24",
        ),
        ({"eligibility": {"below": ["weekday", 9]}}, "eligibility.below.1: expected a number from 2 to 8"),
        ({"eligibility": {"at_least": ["hour", 24]}}, "eligibility.at_least.1: expected a number from 0 to 23"),
        ({"price_ref": "tea"}, "price_ref: expected a GTIN of 8, 12, 13 or 14 digits"),
    ],
)
def test_each_mistake_is_told_apart(wrong: dict[str, Any], said: str) -> None:
    (found,) = proofreading.faults(body(**wrong))
    assert found.startswith(said)


def test_a_missing_field_and_what_is_no_object_are_told() -> None:
    assert proofreading.faults({"offer_id": "o-1", "title": TEXT}) == ["text: missing"]
    assert proofreading.faults("tea") == ["(the whole): expected an object, found a text"]


def test_what_may_be_meant_is_no_mistake() -> None:
    fine = body(valid_from_ms=5, valid_until_ms=UNTIL_MS, price_ref=GTIN, title={"en": "Tea\nand more", "ar": "شاي"})
    assert proofreading.faults(fine) == []
    bounds = [{"below": ["hour", 24]}, {"at_least": ["weekday", 7]}, {"in": ["hour", [0, 23]]}, {"is": ["company", 99]}]
    assert proofreading.faults(body(eligibility={"any": bounds})) == []


def test_an_end_that_is_over_is_doubted_behind_the_rest() -> None:
    listed = [body("past", valid_until_ms=UNTIL_MS), body("lasts", valid_until_ms=UNTIL_MS + 1), body("x", zones=["y"])]
    found = proofreading.doubts(listed, {"z"}, set(), set(), UNTIL_MS)
    assert found == ["x: zone y is none of config.put", "past: valid_until_ms is over; nobody is shown it"]


def test_whoever_publishes_what_has_ended_hears_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    db, file = tmp_path / "hq.db", tmp_path / "o.jsonl"
    Ledger(db).close()
    file.write_text(json.dumps({"op": "offer.put", "body": body("old", valid_until_ms=1_577_836_800_000)}))  # 2020
    assert __main__.main(["hq", "publish-offers", "--db", str(db), str(file)]) == 0
    assert capsys.readouterr().err == "perhaps not meant: old: valid_until_ms is over; nobody is shown it\n"


def test_all_of_them_are_told_at_once() -> None:
    rule = {"is": ["colour", "red"]}
    caps = [{"what": "impressions", "limit": 1}]
    many = body("o-2", caps=caps, eligibility=rule, text={"en": "{price}", "de": "{x}"}, purpose="greet_on_entry")
    listed = [body(colour=1, audience="all", zones=["A", "b", "C"]), body("o-2"), many, body("o-2"), 7]
    found = proofreading.faults_of(listed)
    assert sorted(one.split(": ")[0] for one in found) == [
        "offers.0.audience", "offers.0.colour", "offers.0.zones.0", "offers.0.zones.2",
        "offers.2.caps.0", "offers.2.eligibility.is.0", "offers.2.offer_id", "offers.2.text.de", "offers.2.text.en",
        "offers.3.offer_id", "offers.4.(the whole)",
    ]  # fmt: skip


def test_a_wrong_file_is_not_read_to_its_end() -> None:
    found = proofreading.faults_of([7] * 5_000)
    assert len(found) == proofreading.MAX_FAULTS + 1
    assert found[-1] == proofreading.MORE


def test_what_headquarters_does_not_know_is_doubted() -> None:
    rule = {"all": [{"in": ["zone", ["wine", "attic"]]}, {"has": ["member.interests", ["tea"]]}]}
    listed = [
        body("a", zones=["wine", "cellar"], coupon_class="day", budget_id="autumn"),
        body("b", eligibility=rule, audience="everyone"),
        body("c", zones=["wine"], coupon_class="week", budget_id="winter"),
        {"offer_id": "old", "headline": "x"},
    ]
    assert proofreading.doubts(listed, {"wine"}, {"week"}, {"winter"}) == [
        "a: zone cellar is none of config.put",
        "a: coupon_class day is none of coupons.put",
        "a: there is no budget autumn (hq set-budget); nobody is shown it",
        "b: zone attic is none of config.put",
        "b: for everyone, so nobody's member.interests is known; audience members perhaps",
        "old: not an offer of this version; gateways pass over it",
    ]
    assert proofreading.doubts([body(zones=["anywhere"])], set(), set(), set()) == []
    assert len(proofreading.doubts([body(budget_id="x")] * 99, set(), set(), set())) == proofreading.MAX_FAULTS + 1


@pytest.mark.parametrize("audience", ["members", "everyone"])
def test_an_offer_that_asks_for_a_basket_is_told_to_ask_for_a_segment(audience: str) -> None:
    rule = {"all": [{"at_least": ["basket.cents", 2_000]}, {"has": ["basket.categories", ["tea"]]}]}
    assert proofreading.doubts([body(audience=audience, eligibility=rule)], set(), set(), set()) == [
        "o-1: no offer is told basket.categories, only a running segment is; visit.segments perhaps"
    ]


def test_an_operator_hears_how_many_offers_stand_and_what_is_doubtful(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    db, file = tmp_path / "hq.db", tmp_path / "c.json"
    with closing(Ledger(db)) as ledger:
        ledger.record_ops([messages.op_of(CouponsPut((CouponClass("day"),)))])
    service.put_budget(db, "autumn", "cents", 100)
    listed = [body("a", coupon_class="day", budget_id="autumn"), body("b"), body("c", coupon_class="night")]
    file.write_text(json.dumps({"offers": listed}))
    publish = ["hq", "publish-catalogue", "--db", str(db), str(file)]
    assert __main__.main(publish) == 0
    told = capsys.readouterr()
    assert told.out == "3 offers stand in place of all others; version 2\n"
    assert told.err == "perhaps not meant: c: coupon_class night is none of coupons.put\n"
    assert __main__.main(publish) == 0
    assert capsys.readouterr().out == "3 offers stand in place of all others (they did before); version 2\n"


def test_a_catalogue_without_offers_takes_none_away_unless_that_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    db, full, none = tmp_path / "hq.db", tmp_path / "c.json", tmp_path / "none.json"
    Ledger(db).close()
    full.write_text(json.dumps({"offers": [body("a"), body("b")]}))
    none.write_text('{"offers": []}')
    publish = ["hq", "publish-catalogue", "--db", str(db)]
    assert __main__.main([*publish, str(none)]) == 0  # nothing there goes
    assert __main__.main([*publish, str(full)]) == 0
    assert __main__.main([*publish, str(none)]) == 78
    assert "none.json: offers: expected one, or --empty; found none, and all 2 would go" in (capsys.readouterr().err)
    assert service.standing(db)[0] == 2
    assert __main__.main([*publish, str(none), "--empty"]) == 0
    assert service.standing(db)[0] == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"offers": [\n  {"offer_id": "a" "title": {}}\n]}', r"line 2, column 20: expecting ',' delimiter"),
        ('{"offers": [{"offer_id": "a", "offer_id": "b"}]}', "offer_id stands twice in one object"),
        ('{"offers": [' + json.dumps(body("a", x=1, y=2)) + "]}", "offers.0.y: no such field"),
    ],
)
def test_a_broken_file_says_where(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, said: str) -> None:
    db, file = tmp_path / "hq.db", tmp_path / "c.json"
    Ledger(db).close()
    file.write_text(text)
    assert __main__.main(["hq", "publish-catalogue", "--db", str(db), str(file)]) == 78
    assert said in capsys.readouterr().err
    with closing(Ledger(db)) as ledger:
        assert ledger.offers() == []


@pytest.mark.parametrize(
    "asked",
    [["publish-catalogue", "f"], ["publish-offers", "f"], ["import-members", "f"], ["push-config", "f"], ["budgets"],
     ["withdraw", "m"], ["set-budget", "b", "--total", "1"], ["passes"], ["bind", "m"], ["resend", "m"], ["points"],
     ["publish-prices", "f"], ["push-segments", "f"], ["erase", "m", "--even-unknown"]],
)  # fmt: skip
def test_a_slip_in_the_path_of_the_database_makes_no_other_one(
    tmp_path: Path, asked: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    db = tmp_path / "hp.db"
    verb, *more = asked
    assert __main__.main(["hq", verb, "--db", str(db), *more]) == 78
    assert "hp.db: no such file; expected headquarters' database" in capsys.readouterr().err
    assert not db.exists()
