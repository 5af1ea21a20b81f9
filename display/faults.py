"""Which troubles of readers, radios and screens staff can mend, where those stand, what ails them. Pure; without words
for people."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from gateway.config import Config
from gateway.health import Part

PART = "receiver:"  # what sources call their state in health
SCREEN = "screen:"  # and what gateway.heartbeats calls a screen's

Kind = Literal["reader", "radio", "remote", "ear", "screen"]
Cause = Literal["ok", "degraded", "down", "unplugged", "absent", "silent", "barred"]
_KINDS: Mapping[str, Kind] = {
    "nfc": "reader",
    "serial": "reader",
    "pcsc": "reader",
    "ble": "radio",
    "mgmt": "radio",
    "mqtt": "remote",
}


@dataclass(frozen=True, slots=True)
class Ear:
    """What a receiver is, for people: its kind, the zone it stands in ("" = not known), and whether it is the only one
    of its kind there; if not, people need its id too."""

    kind: Kind
    zone: str
    alone: bool = True


UNKNOWN = Ear("ear", "")
NOWHERE: Mapping[str, str] = {}


def ears(config: Config) -> dict[str, Ear]:
    """Receiver id -> what it is, for every receiver that a source hears with: one that names none (a simulated shop,
    a recording) speaks for all that are placed."""
    zones = {table.id: table.zone for table in config.receiver}
    every = any(table.receiver is None for table in config.source)
    found = {name: Ear("ear", zone) for name, zone in zones.items()} if every else {}
    found |= {
        table.receiver: Ear(_KINDS.get(table.scheme, "ear"), zones.get(table.receiver, ""))
        for table in config.source
        if table.receiver is not None
    }
    beside = Counter(found.values())
    return {receiver: replace(ear, alone=beside[ear] == 1) for receiver, ear in found.items()}


def troubles(parts: Iterable[Part], known: Mapping[str, Ear]) -> tuple[Part, ...]:
    """Receivers and screens that need somebody. A radio's "degraded" is left out: an empty shop sounds the same as a
    deaf radio."""
    return tuple(
        part
        for part in parts
        if (part.name.startswith(SCREEN) and part.state != "ok")
        or (
            part.name.startswith(PART)
            and (part.state == "down" or (part.state == "degraded" and ear_of(part, known).kind == "reader"))
        )
    )


def ear_of(part: Part, known: Mapping[str, Ear], screens: Mapping[str, str] = NOWHERE) -> Ear:
    """The receiver or screen that `part` speaks of. `screens`: the zone of each."""
    if part.name.startswith(SCREEN):
        zone = screens.get(part.name.removeprefix(SCREEN), "")
        return Ear("screen", zone, sum(one == zone for one in screens.values()) == 1)
    return known.get(part.name.removeprefix(PART), UNKNOWN)


def cause_of(part: Part, ear: Ear) -> Cause:
    """What ails it, as far as another hint follows from that; elsewhere its state. For a reader that is down:
    "unplugged", "absent" (nothing is at its path), "silent" (unplugging may wake it), "barred" (for a technician)."""
    if ear.kind != "reader" or part.state != "down":
        return part.state
    if "was unplugged" in part.detail:
        return "unplugged"
    if part.action.startswith("Plug the reader in"):
        return "absent"
    return "silent" if not part.action or "unplug" in part.action.lower() else "barred"
