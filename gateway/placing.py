"""What the installer drew and walked, laid over the configuration when presence starts. Touches no running part."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from gateway.config import AnchorTable, Config, PresenceTable, ReceiverTable
from gateway.core.floor import Floor, Place
from gateway.core.presence import Presence
from gateway.errors import ConfigError
from gateway.mapfile import bluetooth, misplaced, radio_map_of

RADIO_MAP = "radio-map.json"  # in data_dir; what the walk of the installer's page writes

Source = Literal["walk", "positions", "receivers"]
_T = TypeVar("_T", ReceiverTable, AnchorTable)


@dataclass(frozen=True, slots=True)
class Placed:
    """The configuration as presence is to see it. `source`: what zones are told by; `unplaced`: receivers without which
    the plan's positions are of no use; `unfit`: why the page's own radio map is left aside, "" for no reason."""

    config: Config
    source: Source
    unplaced: tuple[str, ...] = ()
    unfit: str = ""


def radios(config: Config) -> tuple[str, ...]:
    """Receivers that hear beacons, as far as a configuration says: where a simulation or a recording brings them, those
    that are no reader."""
    known = bluetooth(config)
    if any(source.receiver is None for source in config.source):
        readers = {one.id for one in config.receiver if one.screen or one.advice or one.door or one.till}
        known = {one.id for one in config.receiver} - readers | known
    return tuple(sorted(known))


def placed(config: Config, floor: Floor | None) -> Placed:
    """`floor` goes before the positions of the file, if every radio has one then; a walk of the page's own is used if
    the file names none. Neither can keep the service from its start."""
    unplaced: tuple[str, ...] = ()
    hearing = radios(config)
    drawn = {name: floor.receivers[name] for name in hearing if name in floor.receivers} if floor is not None else {}
    if floor is not None and drawn:
        laid = _laid(config, drawn, floor.anchors)
        unplaced = tuple(one.id for one in laid.receiver if one.id in hearing and one.place is None)
        config = config if unplaced else laid
    found, unfit = config, ""
    own = config.gateway.data_dir / RADIO_MAP
    if config.presence.radio_map is None and own.exists():
        found, unfit = _with_map(config, own)
    if found.presence.radio_map is not None:
        return Placed(found, "walk", unplaced, unfit)
    several = len({one.place for one in found.receiver if one.place is not None}) > 1
    return Placed(found, "positions" if several else "receivers", unplaced, unfit)


def presence_in(config: Config) -> Presence:
    """Who is where, told by what this configuration knows of its receivers."""
    zones = {receiver.id: receiver.zone for receiver in config.receiver}
    anchors = {anchor.id: anchor.place for anchor in config.anchor if anchor.place is not None}
    return Presence(zones, radio_map=radio_map_of(config), anchors=anchors)


def _with_map(config: Config, path: Path) -> tuple[Config, str]:
    """`config` with the map in `path`, or as it is with the reason."""
    walked = config.model_copy(update={"presence": PresenceTable(radio_map=path)})
    try:
        problems = [problem for _, problem in misplaced(walked)]
    except ConfigError as error:
        problems = [str(error)]
    return (config, problems[0]) if problems else (walked, "")


def _laid(config: Config, receivers: Mapping[str, Place], anchors: Mapping[str, Place]) -> Config:
    moved = {
        "receiver": tuple(_at(one, receivers.get(one.id)) for one in config.receiver),
        "anchor": tuple(_at(one, anchors.get(one.id)) for one in config.anchor),
    }
    return config.model_copy(update=moved)


def _at(one: _T, place: Place | None) -> _T:
    return one if place is None else one.model_copy(update={"x_m": place[0], "y_m": place[1]})
