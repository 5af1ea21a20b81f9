"""What an operator on the box may do with devices: list, approve, revoke. The running service answers by its hatch.

Knows no socket and no terminal.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.core.devices import MAX_LANGUAGES, MAX_NAME_CHARS, Grant
from gateway.core.ports import Clock
from gateway.devices import Devices, Listed
from gateway.errors import StoreError

BY = "operator"
PREFIX = "device."

Answer = dict[str, Any]


class Ask(BaseModel):
    """One request. "device.approve" needs all but the id, "device.token" the same without a code,
    "device.revoke" the id alone."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    verb: Literal["device.list", "device.approve", "device.revoke", "device.token"]
    device_id: str = Field(default="", max_length=64)
    code: str = Field(default="", max_length=16)
    kind: Literal["screen", "tablet", "till"] = "screen"
    role: Literal["display", "staff", "manager", "till", "installer"] = "display"
    place: str = Field(default="", max_length=64)
    name: str = Field(default="", max_length=MAX_NAME_CHARS)
    languages: list[Annotated[str, Field(pattern=r"^[a-z]{2}$")]] = Field(default=[], max_length=MAX_LANGUAGES)
    orientation: Literal["landscape", "portrait"] = "landscape"


def is_for(asked: object) -> bool:
    """Whether an operator's request is about devices."""
    return isinstance(asked, dict) and str(asked.get("verb", "")).startswith(PREFIX)


class DeviceDesk:
    """Lives on the event loop."""

    def __init__(self, devices: Devices, clock: Clock) -> None:
        self._devices = devices
        self._clock = clock

    async def answer(self, asked: object) -> Answer:
        """{"result": "ok", ..}; of a code wrong, wait, refused or full; "gone" for no such active device, "many" for
        the beginning of several ids, "wrong_form" for no request, "disk" where the disk refuses."""
        try:
            ask = Ask.model_validate(asked)
        except ValidationError:
            return {"result": "wrong_form"}
        try:
            match ask.verb:
                case "device.list":
                    now_ms = self._clock.now_ms()
                    listed = [told(one, now_ms) for one in self._devices.listed()]
                    return {"result": "ok", "devices": listed, "waiting": self._devices.waiting}
                case "device.approve":
                    found = await self._devices.approve(ask.code, _grant(ask), BY)
                    return {"result": found.result, "wait_ms": found.wait_ms, "kind": found.kind}
                case "device.token":
                    made = await self._devices.issue(_grant(ask), BY)
                    return {"result": made.result, "id": made.device_id, "key": made.key}
                case "device.revoke":
                    return await self._revoke(ask.device_id)
        except StoreError:
            return {"result": "disk"}

    async def _revoke(self, begins: str) -> Answer:
        ids = [one.device.device_id for one in self._devices.listed() if one.device.device_id.startswith(begins)]
        if not begins or not ids:
            return {"result": "gone"}
        if len(ids) > 1:
            return {"result": "many"}
        return {"result": await self._devices.revoke(ids[0], BY)}


def _grant(ask: Ask) -> Grant:
    return Grant(ask.kind, ask.role, ask.place, ask.name.strip(), tuple(ask.languages), ask.orientation)


def told(one: Listed, now_ms: int) -> Answer:
    """A device for an operator's terminal."""
    device, grant = one.device, one.device.grant
    return {
        "id": device.device_id,
        "state": "active" if device.is_active else "revoked",
        "as": f"{grant.kind}:{grant.place}" if grant.place else grant.kind,
        "role": grant.role,
        "name": grant.name,
        "languages": list(grant.languages),
        "orientation": grant.orientation,
        "via": device.via,
        "paired_ms": device.paired_ms,
        "paired_by": device.paired_by,
        "seen_ago_ms": None if one.seen_ms is None else now_ms - one.seen_ms,
        "streams": one.streams,
    }
