"""The answer to a request for access: every table, in words, and nothing of anybody else."""

import json
from pathlib import Path

import pytest

from gateway.core.basket import Basket, Scan
from gateway.core.changes import BalancePut
from gateway.core.gs1 import Item
from gateway.core.model import (
    ConsentRecord,
    ConsentState,
    Contact,
    Credential,
    CredentialKind,
    Decision,
    Event,
    Guard,
    Member,
    Notice,
    Offer,
    Purpose,
    Reason,
    ShopConfig,
    TalkingPoint,
)
from gateway.core.points import PointsStep
from gateway.core.redemption import Redemption, State, Step, Times
from gateway.core.usual import Bought, Product, Purchases
from gateway.export import COVERED, NOT_PERSONAL, Export, _receipts, export, readable, schema
from gateway.records import Tx
from gateway.tables.rows import FLOOR

NOW_MS = 1_800_000_000_000
SECRET = bytes(range(100, 116))
DOCS = Path(__file__).parents[1] / "docs"


@pytest.fixture
def tx(tx: Tx) -> Tx:
    tx.put_shop(ShopConfig({"de": "Muster"}, notice=Notice("7", "Muster GmbH", "privacy@muster.example")))
    tx.put_offer(Offer("o1", {"de": "Espresso", "en": "Espresso"}, {}))
    tx.put_meta(FLOOR, "5")
    for name in ("Ada", "Bob"):
        fill(tx, name)
    return tx


def fill(tx: Tx, name: str) -> None:
    """Something in every table that can hold a pseudonym."""
    who = f"m-{name.lower()}"
    words = {"de": f"Thema {name}", "en": f"Topic {name}"}
    tx.put_member(Member(who, name, "de", (f"tea-{name}",), (f"cup-{name}",), (TalkingPoint(words, words),)))
    tx.put_credential(Credential(f"c-{name}", who, CredentialKind.EID, SECRET, 10, 5))
    tx.add_consent(
        ConsentRecord(f"e-{name}", who, Purpose.STAFF_ADVICE, ConsentState.GIVEN, 5, None, 4, "7", f"app-{name}")
    )
    tx.park(f"u-{name}", who, "unknown_purpose", json.dumps({"purpose": f"new-{name}"}), False, NOW_MS)
    tx.record(Decision(f"d-{name}", NOW_MS, "tap", who, "coffee", f"bar-{name}", "o1", (Reason("o1", "chosen"),)))
    tx.note_contact(who, f"d-{name}", Contact(NOW_MS, "o1", True, f"bar-{name}", "accepted"))
    tx.audit(NOW_MS, who, f"tablet/{name}", "card.opened", {"handshake_id": f"h-{name}"}, [Purpose.STAFF_ADVICE])
    tx.emit(Event("visit.entered", NOW_MS, {"member_id": who, "zone": f"zone-{name}"}))
    tx.admit(who, Guard(name.encode().ljust(16, b"-"), 17))
    coffee = Purchases((Product("p1", f"bread-{name}"),), (Bought(NOW_MS - 5, True, ("p1",)),))
    tx.store_purchases(who, coffee, NOW_MS)
    held = Redemption(f"r-{name}", "o1", f"till-{name}", 250, NOW_MS + 60_000, who)
    tx.save_redemption(Step(held, State.RESERVED, 250), Times(NOW_MS, NOW_MS, NOW_MS))
    tx.put_balance(BalancePut(who, 340, 1), "")
    tx.add_points(PointsStep(f"{held.redemption_id}.2", who, 15, held.redemption_id), 1, NOW_MS)
    scanned = Basket(f"k-{name}", who, (Scan("s1", Item(f"{name}-tea"), 1),), ("o1",))
    tx.open_basket(scanned, name.encode().ljust(16, b"*"), NOW_MS + 60_000)
    tx.put_binding(f"b-{name}", who, name.encode().ljust(16, b"+"), NOW_MS + 60_000)


def test_every_table_is_in_the_export_or_has_a_reason_not_to_be(tx: Tx) -> None:
    assert sorted([*COVERED, *NOT_PERSONAL]) == sorted(tx._db.table_names())
    for table in tx._db.table_names():
        columns = {column.name for column in tx._db[table].columns}
        assert ("member_id" not in columns) or table in COVERED, table
    for table, section in COVERED.items():
        assert section in Export.model_fields
        assert tx._db[table].count >= 2, f"{table}: this test fills it for two members"


def test_every_section_is_filled_and_explained(tx: Tx) -> None:
    data = export(tx, "m-ada", NOW_MS, {"zone": "coffee", "till": None})
    for section in COVERED.values():
        assert data[section], section
    assert set(data["about"]) == {*COVERED.values(), "memory"}
    assert data["unclear"][0]["text"] == '{"purpose": "new-Ada"}'
    assert data["memory"] == {"zone": "coffee"}
    assert (data["controller"], data["notice_version"]) == ("Muster GmbH", "7")
    assert data["consents"][0]["channel"] == "app-Ada"
    assert data["credentials"] == [{"credential_id": "c-Ada", "kind": "eid", "clock_offset_s": 0}]
    assert data["views"][0]["actor"] == "tablet/Ada"
    (decision,) = data["decisions"]
    assert decision["offer"] == {"de": "Espresso", "en": "Espresso"}
    assert decision["reasons"][0]["words"]["en"] == "It fitted and came first."
    advice = next(one for one in data["in_force"] if one["purpose"] == "staff_advice")
    assert (advice["ok"], len(data["in_force"])) == (True, len(Purpose))
    assert "90" in data["about"]["decisions"]["kept"]["en"]


def test_nothing_of_another_member_is_in_it(tx: Tx) -> None:
    for text in (json.dumps(export(tx, "m-ada", NOW_MS)), readable(export(tx, "m-ada", NOW_MS), "de")):
        assert "Ada" in text
        assert "bob" not in text.lower()


def test_no_key_and_no_code_is_in_it(tx: Tx) -> None:
    text = json.dumps(export(tx, "m-ada", NOW_MS))
    assert SECRET.hex() not in text
    assert b"Ada".ljust(16, b"+").hex() not in text


def test_somebody_unknown_gets_empty_sections(tx: Tx) -> None:
    data = export(tx, "m-nobody", NOW_MS)
    assert data["profile"] is None
    assert all(data[section] == [] for section in COVERED.values() if section != "profile")
    assert data["unclear"] == []


def test_every_field_of_profile_and_consent_is_in_it(tx: Tx) -> None:
    data = export(tx, "m-ada", NOW_MS)
    assert set(data["profile"]) >= {*Member.__dataclass_fields__}
    assert set(data["consents"][0]) >= {*ConsentRecord.__dataclass_fields__}


def test_a_copy_has_the_published_form(tx: Tx) -> None:
    data = export(tx, "m-ada", NOW_MS)
    assert Export.model_validate(json.loads(json.dumps(data))).model_dump(mode="json") == data
    assert set(data) == set(schema()["required"])


def test_receipts_are_made_of_the_records_of_one_act(tx: Tx) -> None:
    rows = [
        {"receipt_id": "r1", "given_at_ms": 5, "purpose": "staff_advice", "state": "given"},
        {"receipt_id": "r1", "given_at_ms": 5, "purpose": "marketing_push", "state": "refused"},
        {"receipt_id": "", "given_at_ms": 1, "purpose": "recognise_ble", "state": "given"},
    ]
    (receipt,) = _receipts(rows)
    assert receipt.purposes == {"staff_advice": "given", "marketing_push": "refused"}


def test_who_joined_here_is_told_that_it_came_from_them(tx: Tx) -> None:
    before = export(tx, "m-ada", NOW_MS)["about"]
    assert before["profile"]["source"]["en"] == "from headquarters, or from you in a shop"
    tx.audit(NOW_MS, "m-ada", "tablet:T1", "member.enrolled")
    after = export(tx, "m-ada", NOW_MS)["about"]
    assert after["profile"]["source"]["en"] == "given by you in this shop"
    assert after["codes"]["source"]["en"] == "made in this shop"
    assert after["views"] == before["views"]


def test_what_is_in_force_is_told_in_the_present_and_areas_by_their_names(tx: Tx) -> None:
    tx.put_shop(ShopConfig({"de": "Muster"}, {"coffee": {"de": "Kaffee", "en": "Coffee"}}))
    data = export(tx, "m-ada", NOW_MS)
    advice = next(one for one in data["in_force"] if one["purpose"] == "staff_advice")
    assert advice["words"]["de"] == "Die Einwilligung gilt."
    assert data["zones"] == {"coffee": {"de": "Kaffee", "en": "Coffee"}}
    assert data["unclear"][0]["words"]["en"] == "The shop does not know this purpose."
