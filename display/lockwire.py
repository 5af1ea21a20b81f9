"""What leaves for a locked tablet, and of its shift: allow-lists, no name of a customer. Pure."""

from collections.abc import Iterable

from display import wire
from gateway.cardoffers import Held
from gateway.health import Part
from gateway.staffing import LockView, Person, ShiftLine


def lock(view: LockView, waiting: int, slides: list[wire.Json], speed: float) -> wire.Json:
    """The lock's page: how many people wait, and who may open it; `slides` where nobody may, for everybody."""
    return {
        "state": view.state,
        "waiting": waiting,
        "colleagues": [person(one, speed) for one in view.colleagues],
        "badge": view.badge,
        "slides": slides,
    }


def person(one: Person | None, speed: float) -> wire.Json | None:
    """A colleague; `wait_ms` in real milliseconds until a PIN is looked at."""
    if one is None:
        return None
    return {
        "staff_id": one.staff_id,
        "initials": one.initials,
        "name": one.name,
        "role": one.role,
        "gate": one.gate,
        "wait_ms": wire.real_ms(one.wait_ms, speed),
        "badge": one.badge,
    }


def hq(parts: Iterable[Part]) -> wire.Json:
    """Whether headquarters is away, and since when (UTC ms)."""
    part = next((one for one in parts if one.name == "hq"), None)
    away = part is not None and part.state != "ok"
    return {"away": away, "since_ms": part.since_ms if part is not None and away else None}


def held(one: Held, speed: float) -> wire.Json:
    """What became of an offer of the open card at a till."""
    ttl_ms = wire.real_ms(one.left_ms, speed)
    return {"offer_id": one.offer_id, "till": one.till, "state": one.state.value, "ttl_ms": ttl_ms}


def line(one: ShiftLine) -> wire.Json:
    """A redemption of the shift."""
    return {
        "redemption_id": one.redemption_id,
        "title": wire.text(one.title),
        "cents": one.cents,
        "reversed_cents": one.reversed_cents,
        "state": one.state.value,
        "till": one.till,
        "at_ms": one.at_ms,
        "who": one.who,
        "synced": one.synced,
    }
