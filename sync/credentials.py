"""The body of `credential.put`, one form per kind of credential, to a CredentialPut and back; and what a shop says that
it bound. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StringConstraints

from gateway.core.changes import CredentialPut
from gateway.core.eid import MAX_EXPONENT
from gateway.core.model import CredentialKind, Proof
from gateway.errors import PeerError
from sync.fields import EXACT, Id, Word, validate

# NDEF text has to fit on the tag (NTAG216: 888 bytes).
MAX_NDEF_BYTES = 1024
MAX_SIGNED_BYTES = 64  # as an Id; it has to fit on a tag together with its signature
MAX_PASS_BYTES = 512  # Smart Tap's redemption value and VAS's payload are a few dozen characters in practice

# A beacon's clock has 32 bits of seconds and may start anywhere, so its zero lies up to 2^32 s before today.
_Second = Annotated[int, Field(ge=-(2**33), le=2**33)]
_Key = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
_HEX = r"^(?:[0-9a-f]{2})+$"
# A random UID, new at each tap, is 4 bytes that begin with 08 (ISO 14443-3, section 6.5.4): nobody's number.
_CHIP_UID = r"^(?:(?:0[0-79a-f]|[1-9a-f][0-9a-f])[0-9a-f]{6}|[0-9a-f]{14}|[0-9a-f]{20})$"


class _Body(BaseModel):
    model_config = EXACT


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
    trackable_wording: Word


class _BeaconBody(_CredentialBody):
    kind: Literal["ibeacon", "altbeacon"]
    value: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")]  # an iBeacon's UUID 16 + major 2 + minor 2
    trackable_wording: Word


class _NdefBody(_CredentialBody):
    kind: Literal["ndef"]
    value: Annotated[str, StringConstraints(pattern=_HEX, max_length=2 * MAX_NDEF_BYTES)]


class _SignedBody(_CredentialBody):
    kind: Literal["signed"]
    value: Annotated[str, StringConstraints(pattern=_HEX, max_length=2 * MAX_SIGNED_BYTES)]


class _SunBody(_CredentialBody):
    kind: Literal["sun"]
    value: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{14}$")]


class _HceBody(_CredentialBody):
    kind: Literal["hce"]
    value: Annotated[str, StringConstraints(pattern=r"^(?:0[23])?[0-9a-f]{64}$")]  # Ed25519, or P-256 compressed


class _PassBody(_CredentialBody):
    kind: Literal["pass"]
    value: Annotated[str, StringConstraints(pattern=_HEX, max_length=2 * MAX_PASS_BYTES)]


class _ChipBody(_CredentialBody):
    kind: Literal["chip"]
    value: Annotated[str, StringConstraints(pattern=_CHIP_UID)]


_Tapped = _NdefBody | _SignedBody | _SunBody | _HceBody | _PassBody | _ChipBody
_Credential = _EidBody | _AppBody | _RpaBody | _UidBody | _BeaconBody | _Tapped
FORMS: dict[str, type[_Credential]] = {
    "eid": _EidBody,
    "app": _AppBody,
    "rpa": _RpaBody,
    "uid": _UidBody,
    "ibeacon": _BeaconBody,
    "altbeacon": _BeaconBody,
    "ndef": _NdefBody,
    "signed": _SignedBody,
    "sun": _SunBody,
    "hce": _HceBody,
    "pass": _PassBody,
    "chip": _ChipBody,
}
# What an operator is told, beside the field of theirs that is not so. Tests hold this against the forms above.
_IDS = "1-64 of A-Z a-z 0-9 . _ : -, not a sign first"
_COMMON_FORMS = {
    "credential_id": _IDS,
    "member_id": _IDS,
    "identity_key": "32 lower-case hex digits",
    "key": "32 lower-case hex digits",
    "irk": "32 lower-case hex digits, most significant byte first",
    "exponent": f"a whole number from 0 to {MAX_EXPONENT}",
    "clock_zero_s": "a Unix second, a whole number",
    "trackable_wording": "the version of the wording that the member agreed to (docs/privacy-details.md)",
}
_VALUE_FORMS = {
    "uid": "32 lower-case hex digits: namespace and instance",
    "ibeacon": "40 lower-case hex digits: UUID, major, minor",
    "altbeacon": "40 lower-case hex digits: the beacon's id",
    "ndef": f"the text's UTF-8 bytes in lower-case hex, at most {MAX_NDEF_BYTES} bytes",
    "signed": f"the id's UTF-8 bytes in lower-case hex, at most {MAX_SIGNED_BYTES} bytes",
    "sun": "14 lower-case hex digits: the UID that the tag shows encrypted",
    "hce": "66 lower-case hex digits, a compressed P-256 key (02 or 03 first), or 64, an Ed25519 key",
    "pass": f"the pass's value as UTF-8 bytes in lower-case hex, at most {MAX_PASS_BYTES} bytes",
    "chip": "8, 14 or 20 lower-case hex digits: the UID; one of 8 that begins with 08 is random and nobody's",
}
# What each kind of key is called on the wire; the others say `value`.
_KEY_FIELDS = {CredentialKind.EID: "identity_key", CredentialKind.APP: "key", CredentialKind.RPA: "irk"}


def parse(body: object) -> CredentialPut:
    """Raises PeerError: "fields", "range"."""
    named = body.get("kind") if isinstance(body, dict) else None
    if not isinstance(named, str) or named not in FORMS:
        raise PeerError("fields", "kind")
    fields = dict(validate(FORMS[named], body))
    kind = CredentialKind(fields.pop("kind"))
    value = bytes.fromhex(fields.pop(_KEY_FIELDS.get(kind, "value")))
    return CredentialPut(kind=kind, value=value, **fields)


def expected(body: object, field: str) -> str:
    """What `parse` wanted of a body that it refused for `field`, in words for the operator whose file it is. It says
    nothing of what the body holds."""
    kind = body.get("kind") if isinstance(body, dict) else None
    if not isinstance(kind, str) or kind not in FORMS:
        return f"kind to be one of {', '.join(FORMS)}"
    form = _VALUE_FORMS.get(kind) if field == "value" else _COMMON_FORMS.get(field)
    fields = FORMS[kind].model_fields
    if form is None or field not in fields:
        return f"exactly the fields of kind {kind}: {', '.join(fields)}"
    return f"{field} of kind {kind} to be {form}"


def body(put: CredentialPut) -> dict[str, Any]:
    """The body that `parse` turns back into `put`."""
    fields: dict[str, Any] = {
        "credential_id": put.credential_id,
        "member_id": put.member_id,
        "kind": put.kind.value,
    }
    fields[_KEY_FIELDS.get(put.kind, "value")] = put.value.hex()
    if put.kind is CredentialKind.EID:
        fields |= {"exponent": put.exponent, "clock_zero_s": put.clock_zero_s}
    if put.kind.trackable:
        fields["trackable_wording"] = put.trackable_wording
    return fields


class _BoundBody(_Body):
    binding_id: Id
    member_id: Id
    credential_id: Id
    kind: Literal["ndef", "signed", "sun", "hce", "pass", "chip"]
    value: str | None = None
    proof: Annotated[Proof, Field(strict=False)]


@dataclass(frozen=True, slots=True)
class Bound:
    """A card or phone that a member bound with a one-time code. `put` None: a chip's number stays in its shop."""

    binding_id: str
    member_id: str
    credential_id: str
    put: CredentialPut | None


def parse_bound(body: object) -> Bound:
    """The body of an event `credential.bound`; what else it says is passed over. Raises PeerError: "fields"."""
    said = body if isinstance(body, Mapping) else {}
    wire = validate(_BoundBody, {name: said[name] for name in _BoundBody.model_fields if name in said})
    if (wire.value is None) != (wire.kind == "chip"):
        raise PeerError("fields", "value")
    fields = {"credential_id": wire.credential_id, "member_id": wire.member_id, "kind": wire.kind, "value": wire.value}
    put = None if wire.value is None else parse(fields)
    return Bound(wire.binding_id, wire.member_id, wire.credential_id, put)
