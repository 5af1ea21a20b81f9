"""The radio map on disk: what `store-gateway calibrate` wrote and `[presence] radio_map` names. Knows no member.

JSON: {"store_gateway_radio_map": 1, "receivers": [{"id", "x_m", "y_m", "zone"}], "points": [{"x_m", "y_m", "zone",
"levels_dbm": {receiver: level}}]}. Receivers may lack a place; `zone` may be "".
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.config import Config, ReceiverTable
from gateway.core.radiomap import MAX_POINTS, MAX_RECEIVERS, Ear, Point, RadioMap, from_positions, from_survey
from gateway.errors import ConfigError

MAX_FILE_BYTES = 4_000_000  # 400 points x 64 receivers take under 1 MB
_Metres = Annotated[float, Field(ge=-1000, le=1000)]
_Level = Annotated[float, Field(ge=-127, le=20)]
Loc = tuple[str | int, ...]  # a key of the configuration: table, index, key


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _EarPart(_Part):
    id: Annotated[str, Field(min_length=1, max_length=64)]
    x_m: _Metres | None = None
    y_m: _Metres | None = None
    zone: Annotated[str, Field(max_length=64)] = ""


class _PointPart(_Part):
    x_m: _Metres
    y_m: _Metres
    zone: Annotated[str, Field(max_length=64)] = ""
    levels_dbm: Annotated[dict[str, _Level], Field(min_length=1, max_length=MAX_RECEIVERS)]


class _File(_Part):
    store_gateway_radio_map: Literal[1]
    receivers: Annotated[list[_EarPart], Field(min_length=1, max_length=MAX_RECEIVERS)]
    points: Annotated[list[_PointPart], Field(min_length=1, max_length=MAX_POINTS)]


def load_survey(path: Path) -> tuple[tuple[Ear, ...], tuple[Point, ...]]:
    """Receivers and points of a file. Raises ConfigError that names the file, the place in it and what was expected."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read; expected a radio map by `store-gateway calibrate`") from error
    if len(data) > MAX_FILE_BYTES:
        raise ConfigError(f"{path}: is larger than {MAX_FILE_BYTES} bytes; expected a radio map")
    try:
        file = _File.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(step) for step in first["loc"]) or "the file"
        raise ConfigError(f"{path}: {where}: {first['msg']}; expected a radio map of version 1") from error
    ids = [ear.id for ear in file.receivers]
    if len(set(ids)) < len(ids):
        raise ConfigError(f"{path}: receivers: an id stands twice; expected each receiver once")
    for number, point in enumerate(file.points):
        strange = sorted(set(point.levels_dbm) - set(ids))
        if strange:
            raise ConfigError(f"{path}: points.{number}.levels_dbm: {strange[0]!r} is none of the file's receivers")
    ears = tuple(Ear(e.id, _place(e.x_m, e.y_m), e.zone) for e in file.receivers)
    return ears, tuple(Point((p.x_m, p.y_m), p.levels_dbm, p.zone) for p in file.points)


def load_radio_map(path: Path, zones: Mapping[str, str] | None = None) -> RadioMap:
    """The map in a file; `zones` (receiver -> configured zone) goes before what the file says. Raises ConfigError."""
    return from_survey(*load_survey(path), zones or {})


def save_survey(path: Path, ears: Sequence[Ear], points: Sequence[Point]) -> None:
    """Write a file that `load_survey` reads, at once or not at all. Raises ConfigError where it cannot be written."""
    places = [ear.place or (None, None) for ear in ears]
    data = {
        "store_gateway_radio_map": 1,
        "receivers": [
            {"id": ear.id, "x_m": x, "y_m": y, "zone": ear.zone} for ear, (x, y) in zip(ears, places, strict=True)
        ],
        "points": [
            {"x_m": p.place[0], "y_m": p.place[1], "zone": p.zone, "levels_dbm": dict(sorted(p.levels.items()))}
            for p in points
        ],
    }
    beside = _beside(path)
    try:
        beside.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        raise _unwritable(path, error) from error


def probe(path: Path) -> None:
    """Raises ConfigError if `save_survey` could not write there; leaves what is there as it is."""
    if path.is_dir():
        raise ConfigError(f"{path}: is a folder; expected the name of a file")
    beside = _beside(path)
    try:
        beside.write_bytes(b"")
        beside.unlink()
    except OSError as error:
        raise _unwritable(path, error) from error


def _beside(path: Path) -> Path:
    return path.with_name(path.name + ".new")


def _unwritable(path: Path, error: OSError) -> ConfigError:
    return ConfigError(f"{path}: cannot be written ({error.strerror}); expected a folder that this user may write to")


def radio_map_of(config: Config) -> RadioMap | None:
    """The best map that a configuration allows: a walk's, else by positions, else None (receivers alone).

    Raises ConfigError if the file of the walk is missing or wrong.
    """
    if config.presence.radio_map is not None:
        return load_radio_map(config.presence.radio_map, {receiver.id: receiver.zone for receiver in config.receiver})
    return from_positions(ears_of(config.receiver))


def ears_of(receivers: Sequence[ReceiverTable]) -> tuple[Ear, ...]:
    """The receivers of a configuration on the floor plan."""
    return tuple(Ear(receiver.id, receiver.place, receiver.zone) for receiver in receivers)


def misplaced(config: Config) -> list[tuple[Loc, str]]:
    """Where a configuration and its map do not fit together: keys, and what was expected there.

    A receiver that the map lacks would hear for nothing: its samples would be dropped. Raises ConfigError as
    `radio_map_of`.
    """
    found = radio_map_of(config)
    if config.presence.radio_map is None:
        if all(receiver.place is None for receiver in config.receiver):
            return []
        return [
            (("receiver", index, "id"), f"expected x_m and y_m, as the other receivers have them, for {receiver.id!r}")
            for index, receiver in enumerate(config.receiver)
            if receiver.place is None and receiver.id in bluetooth(config)
        ]
    assert found is not None  # a walk always gives one
    at: Loc = ("presence", "radio_map")
    file = config.presence.radio_map
    if not set(found.receivers) & {receiver.id for receiver in config.receiver}:
        return [(at, f"expected the map of this shop; {file} has none of the receivers here")]
    zones = {receiver.zone for receiver in config.receiver} | {screen.zone for screen in config.screen}
    strange = sorted(set(found.zones) - zones)
    missing = sorted(bluetooth(config) - set(found.receivers))
    return [
        *((at, f"expected zones of a [[receiver]] or [[screen]] here, found {zone!r} in {file}") for zone in strange),
        *((at, f"expected every Bluetooth receiver in {file}, missed {one!r}; walk again with it") for one in missing),
    ]


def bluetooth(config: Config) -> set[str]:
    """Receivers that hear beacons. None are known where a simulation or recording brings receivers of its own."""
    if any(source.scheme in ("sim", "replay") for source in config.source):
        return set()
    return {s.receiver for s in config.source if s.scheme in ("ble", "mgmt", "mqtt") and s.receiver is not None}


def _place(x_m: float | None, y_m: float | None) -> tuple[float, float] | None:
    return None if x_m is None or y_m is None else (x_m, y_m)
