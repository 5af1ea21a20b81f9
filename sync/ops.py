"""The operations by which HQ changes a shop, as JSON objects `{"op": .., "body": {..}}`, to Changes and back. Pure."""

import base64
import dataclasses
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StringConstraints, ValidationError

from gateway.core.changes import (
    BindingDrop,
    BindingPut,
    Change,
    ConfigPut,
    ConsentAdd,
    ConsentPark,
    ConsentRestore,
    CredentialDrop,
    CredentialPut,
    KeyDrop,
    KeyPut,
    MemberErase,
    MemberPut,
    OfferDrop,
    OfferPut,
)
from gateway.core.gate import overreach
from gateway.core.keyring import MAX_MATERIAL_BYTES, KeyUse
from gateway.core.model import (
    AgeGate,
    ClockQuality,
    ConsentRecord,
    ConsentState,
    Habit,
    Keep,
    Member,
    Notice,
    Offer,
    Purpose,
    ShopConfig,
    TalkingPoint,
)
from gateway.core.onetime import CODE_DIGITS
from gateway.core.sealing import OVERHEAD_BYTES
from gateway.errors import PeerError
from sync import credentials
from sync.fields import EXACT, INT64_MAX, Id, Ms, Word, validate
from sync.notices import NoticeBody

# Bounds on what one shop page can show; the whole message is bounded to 96 KiB anyway.
MAX_TEXT = 2_000  # characters of one sentence or paragraph
MAX_LANGUAGES = 16
MAX_ITEMS = 64  # interests, habits, talking points, zones of an offer
MAX_ZONES = 256  # of a shop
MAX_SEALED = 2_048  # characters of base64
MAX_PREFIXES = 16  # a retailer has one or two addresses on its tags, and some older ones
MAX_PARKED_TEXT = 4_000  # characters of a consent that waits; an honest one has 1,000
MAX_WORD = 64  # characters of a purpose or state that nobody knows
MAX_RESTORED = 64  # consents of one member in one op: 64 of at most 1 kB fit it
MAX_CATEGORIES = 64  # that a retailer adds to the two dozen built-in sensitive ones
MAX_KEEP_DAYS = 3_650  # ten years; nothing here has to be kept, or counts, for longer
MAX_STALE_DAYS = 90  # a shop without headquarters for a season serves no one by name
MAX_URL = 200  # what a QR code still shows in modules that a phone reads across a counter
assert (MAX_MATERIAL_BYTES + OVERHEAD_BYTES + 2) // 3 * 4 <= MAX_SEALED

_PlaceId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,23}$")]  # as config.Id
_Short = Annotated[str, StringConstraints(max_length=120)]
_Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2}$")]
_Text = Annotated[
    dict[_Language, Annotated[str, StringConstraints(max_length=MAX_TEXT)]], Field(max_length=MAX_LANGUAGES)
]
_Words = Annotated[list[Word], Field(max_length=MAX_ITEMS)]
_Category = Annotated[str, StringConstraints(pattern=r"^(?:[a-z0-9][a-z0-9_.-]{0,63})?$")]  # "" or "alcohol.wine"
_CategoryWord = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
_Int64 = Annotated[int, Field(ge=-INT64_MAX - 1, le=INT64_MAX)]
_Code = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.-]{0,31}$")]
_IdOrNone = Annotated[str, StringConstraints(pattern=r"^(?:[A-Za-z0-9][A-Za-z0-9._:-]{0,63})?$")]
_Small = Annotated[int, Field(ge=0, le=1_000_000)]
_BASE64 = r"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
_Gateway = Annotated[str, StringConstraints(pattern=r"^(?:[a-z0-9][a-z0-9-]{0,23}/){2}[a-z0-9][a-z0-9-]{0,23}$")]
_Days = Annotated[int, Field(ge=1, le=MAX_KEEP_DAYS)]
_JoinUrl = Annotated[
    str,
    StringConstraints(pattern=r"^(?:https://[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?:/[!#-;=?-~]*)?)?$", max_length=MAX_URL),
]

# Whole up to a slash behind the host, or "https://shop.example" would let https://shop.example.evil in.
_Prefix = Annotated[
    str, StringConstraints(pattern=r"^https://[A-Za-z0-9.-]+(?::[0-9]{1,5})?/[!#-;=?-~]*$", max_length=MAX_URL)
]


class _Body(BaseModel):
    model_config = EXACT


class _TalkingPointBody(_Body):
    text: _Text
    because: _Text
    category: _Category = ""


class _HabitBody(_Body):
    text: Word
    category: _Category = ""


class _MemberBody(_Body):
    member_id: Id
    call_name: _Short = ""
    language: _Language = "de"
    interests: _Words = []
    usual: Annotated[list[Word | _HabitBody], Field(max_length=MAX_ITEMS)] = []
    talking_points: Annotated[list[_TalkingPointBody], Field(max_length=MAX_ITEMS)] = []
    staff: bool = False
    age: Annotated[AgeGate, Field(strict=False)] = AgeGate.UNKNOWN


class _MemberRef(_Body):
    member_id: Id


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
    channel: _Code = "unknown"
    receipt_id: _IdOrNone = ""
    supersedes: _IdOrNone = ""
    notice_id: _IdOrNone = ""
    notice_sha256: Annotated[str, StringConstraints(pattern=r"^(?:[0-9a-f]{64})?$")] = ""
    language: Annotated[str, StringConstraints(pattern=r"^(?:[a-z]{2})?$")] = ""
    jurisdiction: Annotated[str, StringConstraints(pattern=r"^(?:[A-Z]{2})?$")] = ""
    method: _Code = "unknown"
    device_id: _IdOrNone = ""
    store_id: Annotated[str, StringConstraints(pattern=r"^(?:[A-Za-z0-9][A-Za-z0-9._:/-]{0,79})?$")] = ""
    staff_id: _IdOrNone = ""
    age_gate: Annotated[AgeGate, Field(strict=False)] = AgeGate.UNKNOWN
    clock: Annotated[ClockQuality, Field(strict=False)] = ClockQuality.UNKNOWN


class _RestoreBody(_Body):
    member_id: Id
    records: Annotated[list[_ConsentBody], Field(max_length=MAX_RESTORED)]


class _ConsentRef(BaseModel):
    """What must be readable of a consent, so that it can wait by its name."""

    event_id: Id
    member_id: Id


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
    value_cents: _Small = 0
    public_safe: bool = False
    priority: _Int64 = 0
    valid_from_ms: Ms = 0
    valid_until_ms: Ms | None = None
    cap_per_member: _Small | None = None
    purpose: Annotated[Purpose, Field(strict=False)] = Purpose.PERSONALISE_OFFERS
    category: _Category = ""


class _OfferRef(_Body):
    offer_id: Id


class _KeepBody(_Body):
    decisions: _Days = Keep().decisions
    audit: _Days = Keep().audit
    counts: _Days = Keep().counts


class _ConfigBody(_Body):
    store_name: _Text = {}
    zones: Annotated[dict[_PlaceId, _Text], Field(max_length=MAX_ZONES)] = {}
    notice: NoticeBody | None = None
    contacts_per_day: _Small = ShopConfig().contacts_per_day
    contact_gap_ms: Ms = ShopConfig().contact_gap_ms
    zone_offer_ms: Ms = ShopConfig().zone_offer_ms
    dialogue_ms: Ms = ShopConfig().dialogue_ms
    ask_ms: Ms = ShopConfig().ask_ms
    card_ms: Ms = ShopConfig().card_ms
    sale_ms: Ms = ShopConfig().sale_ms
    bearer_limit_cents: _Small = ShopConfig().bearer_limit_cents
    join_url: _JoinUrl = ""
    bind_prefixes: Annotated[list[_Prefix], Field(max_length=MAX_PREFIXES)] = []
    consent_days: Annotated[int, Field(ge=0, le=MAX_KEEP_DAYS)] = 0
    child_programme: bool = False
    sensitive: Annotated[list[_CategoryWord], Field(max_length=MAX_CATEGORIES)] = []
    retention: _KeepBody = _KeepBody()
    stale_days: Annotated[int, Field(ge=1, le=MAX_STALE_DAYS)] = ShopConfig().stale_days


class _KeyRef(_Body):
    gateway: _Gateway
    key_id: Id


class _KeyBody(_KeyRef):
    use: Annotated[KeyUse, Field(strict=False)]
    from_ms: Ms
    until_ms: Ms | None = None
    sealed: Annotated[str, StringConstraints(pattern=_BASE64, min_length=1, max_length=MAX_SEALED)]


class _BindingRef(_Body):
    binding_id: Id


class _BindingBody(_BindingRef):
    member_id: Id
    code: Annotated[str, StringConstraints(pattern=rf"^[0-9]{{{CODE_DIGITS}}}$")]
    valid_until_ms: Ms


def parse(op: object) -> Change:
    """One operation. Raises PeerError: "op" for one that this version does not know, "fields", "range", and "purpose"
    with the field's name for an offer whose rule reads what its purpose may not."""
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
            return credentials.parse(body)
        case "credential.drop":
            return CredentialDrop(validate(_CredentialRef, body).credential_id)
        case "consent.add":
            return ConsentAdd(consent(body))
        case "consent.restore":
            restore = validate(_RestoreBody, body)
            records = tuple(ConsentRecord(**dict(record)) for record in restore.records)
            if any(record.member_id != restore.member_id for record in records):
                raise PeerError("fields", "member_id")
            return ConsentRestore(restore.member_id, records)
        case "offer.put":
            return OfferPut(_offer(validate(_OfferBody, body)))
        case "offer.drop":
            return OfferDrop(validate(_OfferRef, body).offer_id)
        case "config.put":
            config = validate(_ConfigBody, body)
            notice = None if config.notice is None else Notice(**dict(config.notice))
            lists = {"bind_prefixes": tuple(config.bind_prefixes), "sensitive": tuple(config.sensitive)}
            keep = {"retention": Keep(**dict(config.retention))}
            return ConfigPut(ShopConfig(**dict(config) | {"notice": notice} | lists | keep))
    return _parse_secret(op["op"], body)


def parse_or_park(op: object) -> Change:
    """As `parse`, for a gateway: a consent that this version can't read waits instead of sinking its whole delta."""
    try:
        return parse(_without_unknown(op))
    except PeerError:
        if not isinstance(op, dict) or op.get("op") != "consent.add" or not isinstance(op.get("body"), dict):
            raise
        body = op["body"]
        try:
            ref = _ConsentRef.model_validate(body)
        except ValidationError:
            ref = None
        if ref is None:
            raise
    purpose, state = (body.get(name) if isinstance(body.get(name), str) else "" for name in ("purpose", "state"))
    reason = "fields"
    if purpose and purpose not in list(Purpose):
        reason = "unknown_purpose"
    elif state and state not in list(ConsentState):
        reason = "unknown_state"
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    if len(text) > MAX_PARKED_TEXT:
        text = json.dumps({"purpose": purpose, "state": state})
    return ConsentPark(ref.event_id, ref.member_id, purpose[:MAX_WORD], state[:MAX_WORD], reason, text)


def _without_unknown(op: object) -> object:
    """A member's log without the records for purposes that this version does not know: they allow nothing here."""
    if not isinstance(op, dict) or op.get("op") != "consent.restore" or not isinstance(op.get("body"), dict):
        return op
    records = op["body"].get("records")
    if not isinstance(records, list):
        return op
    known = [one for one in records if not isinstance(one, dict) or one.get("purpose") in list(Purpose)]
    return {**op, "body": {**op["body"], "records": known}}


def consent(body: object) -> ConsentRecord:
    """A consent record from its body. Raises PeerError."""
    return ConsentRecord(**dict(validate(_ConsentBody, body)))


def _parse_secret(name: str, body: object) -> Change:
    """The operations on keys and one-time codes."""
    match name:
        case "key.put":
            key = validate(_KeyBody, body)
            return KeyPut(**dict(key) | {"sealed": base64.b64decode(key.sealed)})
        case "key.drop":
            return KeyDrop(**dict(validate(_KeyRef, body)))
        case "binding.put":
            return BindingPut(**dict(validate(_BindingBody, body)))
        case "binding.drop":
            return BindingDrop(validate(_BindingRef, body).binding_id)
    raise PeerError("op")


def _offer(wire: _OfferBody) -> Offer:
    offer = Offer(**dict(wire) | {"zones": tuple(wire.zones), "interests": tuple(wire.interests)})
    too_far = overreach(offer)
    if too_far is not None:
        raise PeerError("purpose", too_far)
    return offer


def _member(wire: _MemberBody) -> Member:
    points = tuple(TalkingPoint(point.text, point.because, point.category) for point in wire.talking_points)
    usual = tuple(one if isinstance(one, str) else Habit(one.text, one.category) for one in wire.usual)
    return Member(
        wire.member_id, wire.call_name, wire.language, tuple(wire.interests), usual, points, wire.staff, wire.age
    )


def dump(change: Change) -> dict[str, Any]:
    """The operation that `parse` turns back into `change`; every field is written."""
    match change:
        case MemberPut(member):
            return _op("member.put", _plain(member))
        case MemberErase(member_id):
            return _op("member.erase", {"member_id": member_id})
        case CredentialPut():
            return _op("credential.put", credentials.body(change))
        case CredentialDrop(credential_id):
            return _op("credential.drop", {"credential_id": credential_id})
        case ConsentAdd(record):
            return _op("consent.add", _plain(record))
        case ConsentPark():
            return _op("consent.add", json.loads(change.body))
        case ConsentRestore():
            return _op("consent.restore", _plain(change))
        case OfferPut(offer):
            return _op("offer.put", _plain(offer))
        case OfferDrop(offer_id):
            return _op("offer.drop", {"offer_id": offer_id})
        case ConfigPut(config):
            return _op("config.put", _plain(config))
        case KeyPut():
            return _op("key.put", _plain(change) | {"sealed": base64.b64encode(change.sealed).decode()})
        case KeyDrop():
            return _op("key.drop", _plain(change))
        case BindingPut():
            return _op("binding.put", _plain(change))
        case BindingDrop():
            return _op("binding.drop", _plain(change))


def _op(name: str, body: dict[str, Any]) -> dict[str, Any]:
    return {"op": name, "body": body}


def _plain(value: Any) -> Any:
    """A frozen value of core.model as what JSON has: objects, lists, strings, numbers."""
    if dataclasses.is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Purpose | ConsentState | KeyUse | AgeGate | ClockQuality):
        return value.value
    return value
