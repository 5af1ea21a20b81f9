"""The receipt: what the person is told, and nothing of what only the controller keeps."""

import dataclasses
import json

from gateway.core.model import AgeGate, ConsentRecord, ConsentState, Notice, Purpose
from gateway.core.receipt import SCHEMA_VERSION, Item, Receipt, as_json, receipt_of

NOTICE = Notice("3", "Muster GmbH", "privacy@muster.example")


def act(purpose: Purpose, state: ConsentState, **more: object) -> ConsentRecord:
    return ConsentRecord(
        f"e-{purpose}", "m-1", purpose, state, 1_795_000_000_000, receipt_id="r-1", notice_version="3", **more
    )


def test_a_receipt_lists_each_purpose_once_in_a_fixed_order() -> None:
    advice = act(Purpose.STAFF_ADVICE, ConsentState.REFUSED)
    ble = act(Purpose.RECOGNISE_BLE, ConsentState.GIVEN, valid_until_ms=1_795_000_060_000)
    receipt = receipt_of("r-1", [advice, ble, dataclasses.replace(ble, hq_seq=9)], NOTICE)
    assert receipt.items == (
        Item(Purpose.RECOGNISE_BLE, ConsentState.GIVEN, 1_795_000_060_000),
        Item(Purpose.STAFF_ADVICE, ConsentState.REFUSED),
    )
    assert (receipt.controller, receipt.contact) == ("Muster GmbH", "privacy@muster.example")


def test_the_file_says_what_when_and_how_to_take_it_back() -> None:
    entry = act(Purpose.RECOGNISE_NFC, ConsentState.GIVEN, channel="tablet", method="toggle", language="de")
    said = as_json(receipt_of("r-1", [entry], NOTICE))
    assert json.loads(json.dumps(said)) == said
    assert (said["schema_version"], said["receipt_id"], said["pii_principal_id"]) == (SCHEMA_VERSION, "r-1", "m-1")
    assert said["event_time"] == "2026-11-18T11:06:40Z"
    assert said["purposes"] == [{"purpose": "recognise_nfc", "event_state": "given", "validity_until": None}]
    assert said["withdraw_at"]


def test_what_only_the_controller_keeps_is_in_no_receipt() -> None:
    kept = {"staff_id": "colleague-9", "device_id": "tablet-9", "supersedes": "event-9", "store_id": "acme/m/g-9"}
    entry = act(Purpose.RECOGNISE_NFC, ConsentState.GIVEN, hq_seq=987_654, age_gate=AgeGate.OVER_16, **kept)
    text = json.dumps(as_json(receipt_of("r-1", [entry], NOTICE)))
    for value in (*kept.values(), "987654", entry.event_id):
        assert value not in text
    assert not {"hq_seq", "prev", "mac"} & {field.name for field in dataclasses.fields(Receipt)}


def test_a_time_beyond_every_clock_stays_a_number() -> None:
    entry = dataclasses.replace(act(Purpose.RECOGNISE_NFC, ConsentState.GIVEN), given_at_ms=2**53 - 1)
    assert as_json(receipt_of("r-1", [entry], None))["event_time"] == str(2**53 - 1)
