"""The operations by which HQ changes a shop, as JSON objects `{"op": .., "body": {..}}`, to Changes and back. Pure.

What their bodies look like is in sync.forms.
"""

import base64
import dataclasses
import json
import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from gateway.core import eligible
from gateway.core.brand import BrandPut
from gateway.core.changes import (
    BalancePut,
    BindingDrop,
    BindingPut,
    Booked,
    CataloguePart,
    Change,
    ConfigPut,
    ConsentAdd,
    ConsentPark,
    ConsentRestore,
    CouponsPut,
    CouponUsed,
    CredentialDrop,
    CredentialPut,
    KeyDrop,
    KeyPut,
    LearningPut,
    LeasePut,
    MemberErase,
    MemberPut,
    OfferDrop,
    OfferPut,
    PointsPut,
    PricesPut,
    PurchasesPut,
    ScanPut,
    SegmentsPut,
    StaffPut,
    StockPut,
)
from gateway.core.content import ContentPut
from gateway.core.coupon import PublicKey
from gateway.core.ed25519 import is_anybodys
from gateway.core.keyring import KeyUse
from gateway.core.learning import Arm, Learning, Prior
from gateway.core.model import (
    AgeGate,
    ClockQuality,
    ConsentRecord,
    ConsentState,
    Habit,
    Keep,
    Member,
    Notice,
    Purpose,
    Restraint,
    ShopConfig,
    TalkingPoint,
)
from gateway.core.redemption import CouponClass
from gateway.core.trial import SettingsPut
from gateway.errors import PeerError
from sync import content, credentials, forms, offers, points, prices, purchases, segments, settings, spent, staff, stock
from sync.fields import CONTROLS, validate

_UNREADABLE = re.compile(rf"[{CONTROLS}\n]")


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
            return MemberPut(_member(validate(forms.MemberBody, body)))
        case "member.erase":
            return MemberErase(validate(forms.MemberRef, body).member_id)
        case "credential.put":
            return credentials.parse(body)
        case "credential.drop":
            return CredentialDrop(validate(forms.CredentialRef, body).credential_id)
        case "consent.add":
            return ConsentAdd(consent(body))
        case "consent.restore":
            restore = validate(forms.RestoreBody, body)
            records = tuple(ConsentRecord(**dict(record)) for record in restore.records)
            if any(record.member_id != restore.member_id for record in records):
                raise PeerError("fields", "member_id")
            return ConsentRestore(restore.member_id, records)
        case "offer.put":
            return OfferPut(offers.parse(body))
        case "catalogue.put":
            return offers.parse_part(body)
        case "offer.drop":
            return OfferDrop(validate(forms.OfferRef, body).offer_id)
        case "purchases.put":
            return purchases.parse(body)
        case "config.put":
            config = validate(forms.ConfigBody, body)
            notice = None if config.notice is None else Notice(**dict(config.notice))
            names = ("bind_prefixes", "sensitive", "public_safe")
            lists = {name: tuple(getattr(config, name)) for name in names}
            keep = {"retention": Keep(**dict(config.retention)), "restraint": Restraint(**dict(config.restraint))}
            return ConfigPut(ShopConfig(**dict(config) | {"notice": notice} | lists | keep))
        case "segments.put":
            return segments.parse(body)
        case "learning.put":
            return LearningPut(_learning(validate(forms.LearningBody, body)))
    return _parse_secret(op["op"], body)


def parse_or_park(op: object) -> Change:
    """As `parse`, for a gateway, where nothing may sink its whole delta that an older headquarters took: a consent that
    this version can't read waits, and a name loses the characters that would garble a screen."""
    try:
        return parse(_readable(_without_unknown(op)))
    except PeerError:
        if not isinstance(op, dict) or op.get("op") != "consent.add" or not isinstance(op.get("body"), dict):
            raise
        body = op["body"]
        try:
            ref = forms.ConsentRef.model_validate(body)
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
    if len(text) > forms.MAX_PARKED_TEXT:
        text = json.dumps({"purpose": purpose, "state": state})
    return ConsentPark(ref.event_id, ref.member_id, purpose[: forms.MAX_WORD], state[: forms.MAX_WORD], reason, text)


def _without_unknown(op: object) -> object:
    """A member's log without the records for purposes that this version does not know: they allow nothing here."""
    if not isinstance(op, dict) or op.get("op") != "consent.restore" or not isinstance(op.get("body"), dict):
        return op
    records = op["body"].get("records")
    if not isinstance(records, list):
        return op
    known = [one for one in records if not isinstance(one, dict) or one.get("purpose") in list(Purpose)]
    return {**op, "body": {**op["body"], "records": known}}


def _readable(op: object) -> object:
    if not isinstance(op, dict) or op.get("op") != "member.put" or not isinstance(op.get("body"), dict):
        return op
    name = op["body"].get("call_name")
    if not isinstance(name, str):
        return op
    return {**op, "body": {**op["body"], "call_name": _UNREADABLE.sub("", name)}}


def consent(body: object) -> ConsentRecord:
    """A consent record from its body. Raises PeerError."""
    return ConsentRecord(**dict(validate(forms.ConsentBody, body)))


def _parse_secret(name: str, body: object) -> Change:
    """The operations on keys, one-time codes, what tills may redeem, stock, prices and baskets."""
    match name:
        case "key.put":
            key = validate(forms.KeyBody, body)
            return KeyPut(**dict(key) | {"sealed": base64.b64decode(key.sealed)})
        case "key.drop":
            return KeyDrop(**dict(validate(forms.KeyRef, body)))
        case "binding.put":
            return BindingPut(**dict(validate(forms.BindingBody, body)))
        case "binding.drop":
            return BindingDrop(validate(forms.BindingRef, body).binding_id)
        case "lease.put":
            return LeasePut(**dict(validate(forms.LeaseBody, body)))
        case "points.put":
            return points.parse_points(body)
        case "balance.put":
            return points.parse_balance(body)
        case "coupons.put":
            return _coupons(validate(forms.CouponsBody, body))
        case "stock.put":
            return stock.parse(body)
        case "staff.put":
            return staff.parse(body)
        case "prices.put" | "scan.put":
            return prices.parse(name, body)
        case "content.put":
            return content.parse_content(body)
        case "brand.put":
            return content.parse_brand(body)
        case "settings.put":
            return settings.parse(body)
    if name in spent.OPS:
        return spent.parse(name, body)
    raise PeerError("op")


def _coupons(wire: forms.CouponsBody) -> CouponsPut:
    """Raises PeerError "fields" where a class or key is named twice."""
    classes = tuple(CouponClass(**dict(one)) for one in wire.classes)
    keys = tuple(PublicKey(one.key_id, bytes.fromhex(one.key), one.until_ms, one.store) for one in wire.keys)
    if len({one.name for one in classes}) < len(classes) or len({one.key_id for one in keys}) < len(keys):
        raise PeerError("fields")
    if any(is_anybodys(one.key) for one in keys):
        raise PeerError("fields", "key")
    return CouponsPut(classes, keys)


def _learning(wire: forms.LearningBody) -> Learning:
    priors = {Arm(one.offer_id, one.slot, one.segment): Prior(one.mean_ppm, one.weight) for one in wire.priors}
    if len(priors) < len(wire.priors):
        raise PeerError("fields", "priors")
    return Learning(**dict(wire) | {"priors": priors})


def _member(wire: forms.MemberBody) -> Member:
    talk = tuple(TalkingPoint(point.text, point.because, point.category) for point in wire.talking_points)
    usual = tuple(one if isinstance(one, str) else Habit(one.text, one.category) for one in wire.usual)
    return Member(
        wire.member_id, wire.call_name, wire.language, tuple(wire.interests), usual, talk, wire.staff, wire.age
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
        case CataloguePart():
            head = {"catalogue_id": change.catalogue_id, "part": change.part, "parts": change.parts}
            return _op("catalogue.put", head | {"offers": _plain(change.offers)})
        case OfferDrop(offer_id):
            return _op("offer.drop", {"offer_id": offer_id})
        case ConfigPut(config):
            return _op("config.put", _plain(config))
        case PurchasesPut():
            return _op("purchases.put", purchases.body(change))
        case LearningPut(learning):
            priors = [{**arm._asdict(), **_plain(prior)} for arm, prior in learning.priors.items()]
            return _op("learning.put", _plain(dataclasses.replace(learning, priors={})) | {"priors": priors})
        case SegmentsPut():
            return _op("segments.put", segments.body(change))
        case KeyPut():
            return _op("key.put", _plain(change) | {"sealed": base64.b64encode(change.sealed).decode()})
        case KeyDrop():
            return _op("key.drop", _plain(change))
        case BindingPut():
            return _op("binding.put", _plain(change))
        case BindingDrop():
            return _op("binding.drop", _plain(change))
        case LeasePut():
            return _op("lease.put", _plain(change))
        case CouponsPut():
            return _op("coupons.put", _plain(change))
        case StockPut():
            return _op("stock.put", stock.body(change))
        case StaffPut():
            return _op("staff.put", staff.body(change))
        case PointsPut():
            return _op("points.put", points.points_body(change))
        case BalancePut():
            return _op("balance.put", points.balance_body(change))
        case PricesPut() | ScanPut():
            name, value = prices.body(change)
            return _op(name, _plain(value))
        case CouponUsed() | Booked():
            return _op(*spent.dump(change))
        case ContentPut():
            return _op("content.put", _plain(change))
        case BrandPut(brand):
            return _op("brand.put", _plain(brand))
        case SettingsPut():
            return _op("settings.put", settings.body(change))


def _op(name: str, body: dict[str, Any]) -> dict[str, Any]:
    return {"op": name, "body": body}


def _plain(value: Any) -> Any:
    """A frozen value of core.model as what JSON has: objects, lists, strings, numbers."""
    if isinstance(value, eligible.Rule):
        return eligible.plain(value)
    if dataclasses.is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Purpose | ConsentState | KeyUse | AgeGate | ClockQuality):
        return value.value
    return value
