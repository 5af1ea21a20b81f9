"""The body of `staff.put`, all colleagues of the shops, to a StaffPut and back. Pure."""

from typing import Annotated, Any

from pydantic import BaseModel, Field, StringConstraints

from gateway.core.changes import CredentialPut, StaffPut
from gateway.core.staff import (
    HASH_BYTES,
    MAX_COLLEAGUES,
    MAX_SCRYPT_N,
    MAX_SCRYPT_P,
    SALT_BYTES,
    SCRYPT_N,
    SCRYPT_R,
    Badge,
    Colleague,
    Opens,
    PinHash,
    Role,
)
from gateway.errors import PeerError
from sync import credentials
from sync.fields import EXACT, NO_CONTROLS, Id, validate

MAX_NAME = 60  # characters; the lock shows one line of some 20 and cuts the rest
MAX_INITIALS = 4

_Line = Annotated[str, StringConstraints(min_length=1, pattern=NO_CONTROLS)]


class _Body(BaseModel):
    model_config = EXACT


class PinBody(_Body):
    """core.staff.PinHash; salt and digest in hex."""

    salt: Annotated[str, StringConstraints(pattern=rf"^[0-9a-f]{{{2 * SALT_BYTES}}}$")]
    digest: Annotated[str, StringConstraints(pattern=rf"^[0-9a-f]{{{2 * HASH_BYTES}}}$")]
    n: Annotated[int, Field(ge=SCRYPT_N, le=MAX_SCRYPT_N)] = SCRYPT_N
    r: Annotated[int, Field(ge=SCRYPT_R, le=SCRYPT_R)] = SCRYPT_R
    p: Annotated[int, Field(ge=1, le=MAX_SCRYPT_P)] = 1


class ColleagueBody(_Body):
    """core.staff.Colleague; `badge`: `kind` and what the kind has, as in `credential.put`."""

    staff_id: Id
    initials: Annotated[_Line, Field(max_length=MAX_INITIALS)]
    name: Annotated[_Line, Field(max_length=MAX_NAME)]
    role: Role = "staff"
    pin: PinBody
    badge: dict[str, Any] | None = None
    opens: Opens = "pin"
    active: bool = True


class StaffBody(_Body):
    """changes.StaffPut."""

    colleagues: Annotated[list[ColleagueBody], Field(max_length=MAX_COLLEAGUES)]


def parse(body: object) -> StaffPut:
    """Raises PeerError: "fields", "range"; also where an id or a badge stands twice, or a badge is missing or is of a
    kind that no reader reads."""
    wire = validate(StaffBody, body)
    found = tuple(_colleague(number, one) for number, one in enumerate(wire.colleagues))
    badges = [(one.badge.kind, one.badge.value) for one in found if one.badge is not None]
    if len({one.staff_id for one in found}) < len(found) or len(set(badges)) < len(badges):
        raise PeerError("fields", "colleagues")
    return StaffPut(found)


def _colleague(number: int, wire: ColleagueBody) -> Colleague:
    place = f"colleagues.{number}"
    pin = PinHash(bytes.fromhex(wire.pin.salt), bytes.fromhex(wire.pin.digest), wire.pin.n, wire.pin.r, wire.pin.p)
    if wire.pin.n & (wire.pin.n - 1):
        raise PeerError("fields", f"{place}.pin.n")
    if wire.badge is None and wire.opens != "pin":
        raise PeerError("fields", f"{place}.badge")
    badge = None if wire.badge is None else _badge(place, wire.badge)
    shown = wire.staff_id, wire.initials, wire.name, wire.role
    return Colleague(*shown, pin, badge, wire.opens, wire.active)


def _badge(place: str, wire: dict[str, Any]) -> Badge:
    try:
        put = credentials.parse({"credential_id": "badge", "member_id": "badge", **wire})
    except PeerError as error:
        raise PeerError(error.reason, f"{place}.badge") from None
    if not put.kind.tapped:
        raise PeerError("fields", f"{place}.badge.kind")
    return Badge(put.kind, put.value)


def body(put: StaffPut) -> dict[str, Any]:
    """The body that `parse` turns back into `put`."""
    return {"colleagues": [_plain(one) for one in put.colleagues]}


def _plain(one: Colleague) -> dict[str, Any]:
    badge = None
    if one.badge is not None:
        badge = credentials.body(CredentialPut("badge", "badge", one.badge.kind, one.badge.value))
        badge = {name: value for name, value in badge.items() if name not in ("credential_id", "member_id")}
    pin = {"salt": one.pin.salt.hex(), "digest": one.pin.digest.hex(), "n": one.pin.n, "r": one.pin.r, "p": one.pin.p}
    return {
        "staff_id": one.staff_id,
        "initials": one.initials,
        "name": one.name,
        "role": one.role,
        "pin": pin,
        "badge": badge,
        "opens": one.opens,
        "active": one.active,
    }
