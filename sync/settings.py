"""The operation `settings.put`, to its change and back: what a gateway is to run with. Pure.

What the document in it says is read where it is tried (gateway.merging).
"""

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from gateway.core.trial import MAX_WINDOW_MS, MIN_WINDOW_MS, WINDOW_MS, SettingsPut, SettingsRefused
from gateway.errors import PeerError
from gateway.merging import MAX_DOCUMENT_BYTES
from sync.fields import EXACT, Gateway, Id, validate

OP = "settings.put"
ALL = "all"


class SettingsBody(BaseModel):
    """core.trial.SettingsPut."""

    model_config = EXACT
    settings_id: Id
    gateway: Gateway | Literal["all"]
    window_ms: Annotated[int, Field(ge=MIN_WINDOW_MS, le=MAX_WINDOW_MS)] = WINDOW_MS
    document: dict[str, Any]


class _Named(BaseModel):
    settings_id: Id


def parse(body: object) -> SettingsPut:
    """Raises PeerError; "too_large" for a document that no gateway reads."""
    wire = validate(SettingsBody, body)
    document = json.dumps(wire.document, ensure_ascii=False, separators=(",", ":"))
    if len(document.encode()) > MAX_DOCUMENT_BYTES:
        raise PeerError("too_large", "document")
    gateway = "" if wire.gateway == ALL else wire.gateway
    return SettingsPut(wire.settings_id, gateway, wire.window_ms, document)


def body(put: SettingsPut) -> dict[str, Any]:
    """The body that `parse` turns back."""
    return {
        "settings_id": put.settings_id,
        "gateway": put.gateway or ALL,
        "window_ms": put.window_ms,
        "document": json.loads(put.document),
    }


def refused(body: object, error: PeerError) -> SettingsRefused:
    """A settings.put that can't be read, as far as it says what it is called; the place only in our own words."""
    try:
        name = validate(_Named, {"settings_id": body.get("settings_id") if isinstance(body, dict) else None})
        settings_id = name.settings_id
    except PeerError:
        settings_id = ""
    place = error.field.partition(".")[0]
    reason = "too_large" if error.reason == "too_large" else "fields"
    return SettingsRefused(settings_id, reason, place if place in SettingsBody.model_fields else "")
