"""The local file and headquarters' settings as one configuration: what the file names explicitly is never overruled.

A pure function. Who brings the settings and how they are tried is `gateway.trials`' business.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.config import AnchorTable, Config, MqttTable, NfcTable, ReceiverTable, ScreenTable, SourceTable, place_of
from gateway.core.trial import Steered

MAX_DOCUMENT_BYTES = 32 * 1024  # 64 of each kind are some 25 kB
MAX_ENTRIES = 64  # of one kind; a shop has a dozen of each

Origin = Literal["file", "headquarters", "default"]
_Entry = SourceTable | ReceiverTable | ScreenTable | AnchorTable
_T = TypeVar("_T", SourceTable, ReceiverTable, ScreenTable, AnchorTable)

# A simulated shop or a recording is for whoever stands beside the box: from afar it would invent customers, or read
# any file.
LOCAL_SCHEMES = ("replay", "sim")


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class Broker(_Table):
    """Where the broker is. How this gateway shows who it is stays in its own file."""

    host: Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9._:-]+$")]
    port: Annotated[int, Field(ge=1, le=65535, strict=True)] = 1883
    protocol: Literal["auto", "5", "3.1.1"] = "auto"


class Settings(_Table):
    """What headquarters may steer, as a whole; what it leaves out is as the local file says."""

    mqtt: Broker | None = None
    source: Annotated[tuple[SourceTable, ...], Field(max_length=MAX_ENTRIES)] = ()
    receiver: Annotated[tuple[ReceiverTable, ...], Field(max_length=MAX_ENTRIES)] = ()
    screen: Annotated[tuple[ScreenTable, ...], Field(max_length=MAX_ENTRIES)] = ()
    anchor: Annotated[tuple[AnchorTable, ...], Field(max_length=MAX_ENTRIES)] = ()
    nfc: NfcTable | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One value of the merged configuration for people: its place, the value, and who said it."""

    key: str
    value: str
    origin: Origin


@dataclass(frozen=True, slots=True)
class Merged:
    """`overruled`: what headquarters said and the file says otherwise, by key or id."""

    config: Config
    lines: tuple[Line, ...]
    overruled: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Misfit:
    """Settings that are no configuration: a word of trial.REASONS, and the place, in our own words and numbers."""

    reason: str
    place: str = ""


def read(document: str) -> Settings | Misfit:
    """Settings from their JSON text."""
    if len(document.encode()) > MAX_DOCUMENT_BYTES:
        return Misfit("too_large")
    try:
        settings = Settings.model_validate_json(document)
    except ValidationError as error:
        return Misfit("fields", _place(error, Settings))
    for index, source in enumerate(settings.source):
        if source.scheme in LOCAL_SCHEMES:
            return Misfit("fields", f"source.{index}.path")
    return settings


def merged(local: Config, settings: Settings) -> Merged | Misfit:
    """`local` with what headquarters says beside it."""
    overruled: list[str] = []
    update: dict[str, Any] = {
        "mqtt": _broker(local, settings.mqtt, overruled),
        "source": _entries("source", local.source, settings.source, overruled),
        "receiver": _entries("receiver", local.receiver, settings.receiver, overruled),
        "screen": _entries("screen", local.screen, settings.screen, overruled),
        "anchor": _entries("anchor", local.anchor, settings.anchor, overruled),
        "nfc": _nfc(local.nfc, settings.nfc, overruled),
    }
    try:
        config = Config.model_validate({name: getattr(local, name) for name in Config.model_fields} | update)
    except ValidationError as error:
        return Misfit("fields", _place(error, Config))
    return Merged(config, _lines(local, settings, config), tuple(overruled))


def of_steered(local: Config, steered: Steered) -> Merged | Misfit:
    """`local` with the settings that count."""
    settings = read(steered.document)
    return settings if isinstance(settings, Misfit) else merged(local, settings)


def _broker(local: Config, remote: Broker | None, overruled: list[str]) -> MqttTable | None:
    own = local.mqtt
    if own is None or remote is None:
        return own  # without a line of its own a gateway was never sent anything
    address = {"host": remote.host, "port": remote.port, "protocol": remote.protocol}
    if local.gateway.broker_steered:
        return own.model_copy(update=address)
    if any(getattr(own, name) != value for name, value in address.items()):
        overruled.append("mqtt")
    return own


def _entries(table: str, local: tuple[_T, ...], remote: tuple[_T, ...], overruled: list[str]) -> tuple[_T, ...]:
    """The file's own entries as they are, and those of headquarters' that it does not name."""
    named = {name for entry in local for name in _names(entry)}
    added: list[_T] = []
    for entry in remote:
        if named.isdisjoint(_names(entry)):
            added.append(entry)
        elif entry not in local:
            overruled.append(f"{table}.{_name(entry)}")
    return local + tuple(added)


def _nfc(local: NfcTable, remote: NfcTable | None, overruled: list[str]) -> NfcTable:
    if remote is None:
        return local
    said = {name: getattr(remote, name) for name in remote.model_fields_set}
    kept = said.keys() & local.model_fields_set
    overruled += sorted(f"nfc.{name}" for name in kept if said[name] != getattr(local, name))
    return NfcTable(**{name: getattr(local, name) for name in local.model_fields_set} | _without(said, kept))


def _without(said: Mapping[str, Any], names: set[str]) -> dict[str, Any]:
    return {name: value for name, value in said.items() if name not in names}


def _names(entry: _Entry) -> set[str]:
    """By what an entry is the same as another: its id; of a source its ear, and its device."""
    if isinstance(entry, SourceTable):
        device = f"{entry.scheme}:{entry.target}"
        return {device} if entry.receiver is None else {device, entry.receiver}
    return {entry.id}


def _name(entry: _Entry) -> str:
    return entry.receiver or entry.path if isinstance(entry, SourceTable) else entry.id


def _lines(local: Config, settings: Settings, config: Config) -> tuple[Line, ...]:
    """Every value that headquarters may steer, with who said it."""
    found: list[Line] = []
    if config.mqtt is not None:
        steered = local.gateway.broker_steered and settings.mqtt is not None
        own = local.mqtt.model_fields_set if local.mqtt is not None else set()
        for name in ("host", "port", "protocol"):
            origin: Origin = "headquarters" if steered else "file" if name in own else "default"
            found.append(Line(f"mqtt.{name}", str(getattr(config.mqtt, name)), origin))
    for table in ("source", "receiver", "screen", "anchor"):
        ours = getattr(local, table)
        for entry in getattr(config, table):
            said = ", ".join(f"{name} {getattr(entry, name)}" for name in sorted(entry.model_fields_set - {"id"}))
            found.append(Line(f"{table} {_name(entry)}", said, "file" if entry in ours else "headquarters"))
    for name in NfcTable.model_fields:
        said_here = name in local.nfc.model_fields_set
        remote = settings.nfc is not None and name in settings.nfc.model_fields_set
        by: Origin = "file" if said_here else "headquarters" if remote else "default"
        found.append(Line(f"nfc.{name}", str(getattr(config.nfc, name)), by))
    return tuple(found)


def _place(error: ValidationError, model: type[BaseModel]) -> str:
    """The first fault's place, as far as its steps are tables, keys and numbers of ours."""
    known = set(model.model_fields)
    for table in (Broker, SourceTable, ReceiverTable, ScreenTable, AnchorTable, NfcTable):
        known |= set(table.model_fields)
    steps = [str(step) for step in place_of(error)]
    return ".".join(step for step in steps if step in known or step.isdecimal())
