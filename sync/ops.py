"""The operations by which HQ changes a shop, as JSON objects `{"op": .., "body": {..}}`, to Changes and back. Pure."""

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

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
from gateway.core.eid import MAX_EXPONENT
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

INT64_MAX = 2**63 - 1  # SQLite's integer
# Times and durations also pass through browsers, whose integers are exact up to 2^53.
MAX_MS = 2**53 - 1

# Bounds on what one shop page can show; the whole message is bounded to 96 KiB anyway.
MAX_TEXT = 2_000  # characters of one sentence or paragraph
MAX_LANGUAGES = 16
MAX_ITEMS = 64  # interests, habits, talking points, zones of an offer
MAX_ZONES = 256  # of a shop
# NDEF text has to fit on the tag (NTAG216: 888 bytes).
MAX_NDEF_BYTES = 1024

Ms = Annotated[int, Field(ge=0, le=MAX_MS)]
Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$")]
_PlaceId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,23}$")]  # as config.Id
_Word = Annotated[str, StringConstraints(min_length=1, max_length=120)]
_Short = Annotated[str, StringConstraints(max_length=120)]
_Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2}$")]
_Text = Annotated[
    dict[_Language, Annotated[str, StringConstraints(max_length=MAX_TEXT)]], Field(max_length=MAX_LANGUAGES)
]
_Words = Annotated[list[_Word], Field(max_length=MAX_ITEMS)]
_Int64 = Annotated[int, Field(ge=-INT64_MAX - 1, le=INT64_MAX)]
_Small = Annotated[int, Field(ge=0, le=1_000_000)]
# A beacon's clock has 32 bits of seconds and may start anywhere, so its zero lies up to 2^32 s before today.
_Second = Annotated[int, Field(ge=-(2**33), le=2**33)]
_Key = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]


class _Body(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class _TalkingPointBody(_Body):
    text: _Text
    because: _Text


class _MemberBody(_Body):
    member_id: Id
    call_name: _Short = ""
    language: _Language = "de"
    interests: _Words = []
    usual: _Words = []
    talking_points: Annotated[list[_TalkingPointBody], Field(max_length=MAX_ITEMS)] = []
    staff: bool = False


class _MemberRef(_Body):
    member_id: Id


class _CredentialBody(_Body):
    credential_id: Id
    member_id: Id


class _EidBody(_CredentialBody):
    kind: Literal["eid"]
    identity_key: _Key
    exponent: Annotated[int, Field(ge=0, le=MAX_EXPONENT)] = 10
    clock_zero_s: _Second = 0


class _AppBody(_CredentialBody):
    kind: Literal["app"]
    key: _Key


class _RpaBody(_CredentialBody):
    kind: Literal["rpa"]
    irk: _Key


class _UidBody(_CredentialBody):
    kind: Literal["uid"]
    value: _Key  # namespace 10 bytes + instance 6
    trackable_wording: _Word


class _BeaconBody(_CredentialBody):
    kind: Literal["ibeacon", "altbeacon"]
    value: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")]  # an iBeacon's UUID 16 + major 2 + minor 2
    trackable_wording: _Word


class _NdefBody(_CredentialBody):
    kind: Literal["ndef"]
    value: Annotated[str, StringConstraints(pattern=r"^(?:[0-9a-f]{2})+$", max_length=2 * MAX_NDEF_BYTES)]


_Credential = _EidBody | _AppBody | _RpaBody | _UidBody | _BeaconBody | _NdefBody
_CREDENTIALS: dict[str, type[_Credential]] = {
    "eid": _EidBody,
    "app": _AppBody,
    "rpa": _RpaBody,
    "uid": _UidBody,
    "ibeacon": _BeaconBody,
    "altbeacon": _BeaconBody,
    "ndef": _NdefBody,
}
# What each kind of key is called on the wire; the others say `value`.
_KEY_FIELDS = {CredentialKind.EID: "identity_key", CredentialKind.APP: "key", CredentialKind.RPA: "irk"}


class _CredentialRef(_Body):
    credential_id: Id


class _ConsentBody(_Body):
    event_id: Id
    member_id: Id
    purpose: Annotated[Purpose, Field(strict=False)]
    state: Annotated[ConsentState, Field(strict=False)]
    given_at_ms: Ms
    valid_until_ms: Ms | None = None
    hq_seq: Annotated[int, Field(ge=0, le=INT64_MAX)] = 0
    notice_version: _Short = ""
    channel: _Short = "hq"


class _OfferBody(_Body):
    offer_id: Id
    title: _Text
    text: _Text
    badge: _Text = {}
    more: _Text = {}
    art: _PlaceId = "bag"
    zones: Annotated[list[_PlaceId], Field(max_length=MAX_ITEMS)] = []
    interests: _Words = []
    audience: Literal["everyone", "members"] = "members"
    public_safe: bool = False
    priority: _Int64 = 0
    valid_from_ms: Ms = 0
    valid_until_ms: Ms | None = None
    cap_per_member: _Small | None = None


class _OfferRef(_Body):
    offer_id: Id


class _NoticeBody(_Body):
    version: _Word
    controller: Annotated[str, StringConstraints(max_length=MAX_TEXT)]
    contact: Annotated[str, StringConstraints(max_length=MAX_TEXT)]


class _ConfigBody(_Body):
    store_name: _Text = {}
    zones: Annotated[dict[_PlaceId, _Text], Field(max_length=MAX_ZONES)] = {}
    notice: _NoticeBody | None = None
    contacts_per_day: _Small = ShopConfig().contacts_per_day
    contact_gap_ms: Ms = ShopConfig().contact_gap_ms
    zone_offer_ms: Ms = ShopConfig().zone_offer_ms
    dialogue_ms: Ms = ShopConfig().dialogue_ms
    ask_ms: Ms = ShopConfig().ask_ms
    card_ms: Ms = ShopConfig().card_ms


_M = TypeVar("_M", bound=BaseModel)

_OUT_OF_RANGE = ("greater_than_equal", "less_than_equal")


def validate(model: type[_M], value: object) -> _M:
    """`value` as `model`. Raises PeerError: "range" where only numbers are too large or too small, else "fields"."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        items = error.errors(include_url=False, include_context=False, include_input=False)
    # Raised outside the handler: the cause would carry the refused input into a log.
    reason = "range" if all(item["type"] in _OUT_OF_RANGE for item in items) else "fields"
    raise PeerError(reason, ".".join(str(step) for step in items[0]["loc"]))


def parse(op: object) -> Change:
    """One operation. Raises PeerError: "op" for one that this version does not know, "fields", "range"."""
    if not isinstance(op, dict) or not isinstance(op.get("op"), str):
        raise PeerError("op")
    if op.keys() != {"op", "body"}:
        raise PeerError("fields")
    body = op["body"]
    match op["op"]:
        case "member.put":
            return MemberPut(_member(validate(_MemberBody, body)))
        case "member.erase":
            return MemberErase(validate(_MemberRef, body).member_id)
        case "credential.put":
            return _credential(body)
        case "credential.drop":
            return CredentialDrop(validate(_CredentialRef, body).credential_id)
        case "consent.add":
            return ConsentAdd(ConsentRecord(**dict(validate(_ConsentBody, body))))
        case "offer.put":
            wire = validate(_OfferBody, body)
            return OfferPut(Offer(**dict(wire) | {"zones": tuple(wire.zones), "interests": tuple(wire.interests)}))
        case "offer.drop":
            return OfferDrop(validate(_OfferRef, body).offer_id)
        case "config.put":
            config = validate(_ConfigBody, body)
            notice = None if config.notice is None else Notice(**dict(config.notice))
            return ConfigPut(ShopConfig(**dict(config) | {"notice": notice}))
    raise PeerError("op")


def _member(wire: _MemberBody) -> Member:
    points = tuple(TalkingPoint(point.text, point.because) for point in wire.talking_points)
    words = tuple(wire.interests), tuple(wire.usual)
    return Member(wire.member_id, wire.call_name, wire.language, *words, points, wire.staff)


def _credential(body: object) -> CredentialPut:
    named = body.get("kind") if isinstance(body, dict) else None
    if not isinstance(named, str) or named not in _CREDENTIALS:
        raise PeerError("fields", "kind")
    fields = dict(validate(_CREDENTIALS[named], body))
    kind = CredentialKind(fields.pop("kind"))
    value = bytes.fromhex(fields.pop(_KEY_FIELDS.get(kind, "value")))
    return CredentialPut(kind=kind, value=value, **fields)


def dump(change: Change) -> dict[str, Any]:
    """The operation that `parse` turns back into `change`; every field is written."""
    match change:
        case MemberPut(member):
            return _op("member.put", _plain(member))
        case MemberErase(member_id):
            return _op("member.erase", {"member_id": member_id})
        case CredentialPut():
            return _op("credential.put", _credential_body(change))
        case CredentialDrop(credential_id):
            return _op("credential.drop", {"credential_id": credential_id})
        case ConsentAdd(record):
            return _op("consent.add", _plain(record))
        case OfferPut(offer):
            return _op("offer.put", _plain(offer))
        case OfferDrop(offer_id):
            return _op("offer.drop", {"offer_id": offer_id})
        case ConfigPut(config):
            return _op("config.put", _plain(config))


def _op(name: str, body: dict[str, Any]) -> dict[str, Any]:
    return {"op": name, "body": body}


def _credential_body(put: CredentialPut) -> dict[str, Any]:
    body: dict[str, Any] = {
        "credential_id": put.credential_id,
        "member_id": put.member_id,
        "kind": put.kind.value,
    }
    body[_KEY_FIELDS.get(put.kind, "value")] = put.value.hex()
    if put.kind is CredentialKind.EID:
        body |= {"exponent": put.exponent, "clock_zero_s": put.clock_zero_s}
    if put.kind.trackable:
        body["trackable_wording"] = put.trackable_wording
    return body


def _plain(value: Any) -> Any:
    """A frozen value of core.model as what JSON has: objects, lists, strings, numbers."""
    if dataclasses.is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Purpose | ConsentState):
        return value.value
    return value
