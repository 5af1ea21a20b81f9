"""settings.put on the wire: there and back, bounded, and a bad one passed over alone."""

import json
from typing import Any

import pytest

from gateway.core.trial import MAX_WINDOW_MS, MIN_WINDOW_MS, WINDOW_MS, SettingsPut, SettingsRefused
from gateway.errors import PeerError
from gateway.merging import MAX_DOCUMENT_BYTES
from sync import leftout, ops, settings

BODY: dict[str, Any] = {"settings_id": "s-1", "gateway": "t/s/g", "document": {"screen": [{"id": "bar", "zone": "x"}]}}


def op(**fields: object) -> dict[str, Any]:
    return {"op": "settings.put", "body": BODY | fields}


def test_there_and_back() -> None:
    change = ops.parse(op())
    assert change == SettingsPut("s-1", "t/s/g", WINDOW_MS, '{"screen":[{"id":"bar","zone":"x"}]}')
    assert ops.parse(ops.dump(change)) == change
    everybody = ops.parse(op(gateway="all"))
    assert isinstance(everybody, SettingsPut)
    assert everybody.gateway == ""
    assert settings.body(everybody)["gateway"] == "all"


@pytest.mark.parametrize(
    ("fields", "reason", "place"),
    [
        ({"gateway": ""}, "fields", "gateway"),
        ({"gateway": "ALL"}, "fields", "gateway"),
        ({"settings_id": "no good"}, "fields", "settings_id"),
        ({"document": []}, "fields", "document"),
        ({"window_ms": MIN_WINDOW_MS - 1}, "range", "window_ms"),
        ({"window_ms": MAX_WINDOW_MS + 1}, "range", "window_ms"),
        ({"document": {"a": "ä" * (MAX_DOCUMENT_BYTES // 2)}}, "too_large", "document"),
        ({"more": 1}, "fields", "more"),
    ],
)
def test_bad_ones_are_refused_with_the_place(fields: dict[str, Any], reason: str, place: str) -> None:
    with pytest.raises(PeerError) as caught:
        ops.parse(op(**fields))
    assert caught.value.reason == reason
    assert place in caught.value.field


def test_a_bad_one_holds_up_nothing_else() -> None:
    listed = [op(window_ms=1), {"op": "offer.drop", "body": {"offer_id": "o"}}, op(mia=1), op(settings_id=5)]
    changes, refused = leftout.parse(listed)
    assert len(changes) == 1
    assert refused == (
        SettingsRefused("s-1", "fields", "window_ms"),
        SettingsRefused("s-1", "fields", ""),  # the peer's own word is not told
        SettingsRefused("", "fields", "settings_id"),
    )
    assert leftout.parse([{"op": "settings.put", "body": 7}])[1] == (SettingsRefused("", "fields", ""),)


def test_what_the_document_says_is_not_looked_at_here() -> None:
    change = ops.parse(op(document={"anything": {"deep": [1]}}))
    assert isinstance(change, SettingsPut)
    assert json.loads(change.document) == {"anything": {"deep": [1]}}
