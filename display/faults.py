"""Which troubles of readers and radios staff can mend, and where those stand. Pure; the words are the page's."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from gateway.config import Config
from gateway.health import Part

PART = "receiver:"  # what sources call their state in health

Kind = Literal["reader", "radio", "remote", "ear"]
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
    """What a receiver is, for people: its kind, and the zone it stands in ("" = not known)."""

    kind: Kind
    zone: str


UNKNOWN = Ear("ear", "")


def ears(config: Config) -> dict[str, Ear]:
    """Receiver id -> what it is, for every source that names a receiver."""
    zones = {table.id: table.zone for table in config.receiver}
    return {
        table.receiver: Ear(_KINDS.get(table.scheme, "ear"), zones.get(table.receiver, ""))
        for table in config.source
        if table.receiver is not None
    }


def troubles(parts: Iterable[Part], known: Mapping[str, Ear]) -> tuple[Part, ...]:
    """Receivers that need somebody. A radio's "degraded" is left out: an empty shop sounds the same as a deaf radio."""
    return tuple(
        part
        for part in parts
        if part.name.startswith(PART)
        and (part.state == "down" or (part.state == "degraded" and ear_of(part, known).kind == "reader"))
    )


def ear_of(part: Part, known: Mapping[str, Ear]) -> Ear:
    """The receiver that `part` speaks of."""
    return known.get(part.name.removeprefix(PART), UNKNOWN)
