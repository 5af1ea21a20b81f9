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
    SCRYPT_P,
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
    p: Annotated[int, Field(ge=1, le=MAX_SCRYPT_P)] = SCRYPT_P


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


def pin_body(pin: PinHash) -> dict[str, Any]:
    """The body of a PIN's hash; what is as usual is left out, so that 200 colleagues fit one operation."""
    usual = {"n": SCRYPT_N, "r": SCRYPT_R, "p": SCRYPT_P}
    costs = {name: value for name, value in (("n", pin.n), ("r", pin.r), ("p", pin.p)) if value != usual[name]}
    return {"salt": pin.salt.hex(), "digest": pin.digest.hex(), **costs}


def _plain(one: Colleague) -> dict[str, Any]:
    badge = None
    if one.badge is not None:
        badge = credentials.body(CredentialPut("badge", "badge", one.badge.kind, one.badge.value))
        badge = {name: value for name, value in badge.items() if name not in ("credential_id", "member_id")}
    shown = {"staff_id": one.staff_id, "initials": one.initials, "name": one.name, "pin": pin_body(one.pin)}
    more: dict[str, tuple[object, object]] = {
        "role": (one.role, "staff"),
        "badge": (badge, None),
        "opens": (one.opens, "pin"),
    }
    more |= {"active": (one.active, True)}
    return shown | {name: value for name, (value, usual) in more.items() if value != usual}
