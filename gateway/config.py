"""The local configuration file: identity, hardware, broker. What the shop should say comes from HQ, not from here."""

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar
from urllib.parse import parse_qsl

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from gateway.core.model import CredentialKind, Token
from gateway.errors import ConfigError
from gateway.httptable import HttpTable

# Ids become MQTT topic levels and metric labels: no wildcard, slash or space may get in.
# 7 levels of at most 24 bytes stay under the 128-byte topic limit of the portable contract.
Id = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,23}$")]
_BEACON_RULE = "uid: and 32 hex digits, or ibeacon: or altbeacon: and 40, in lower case"
_ID_RULE = "1-24 lower-case letters, digits or dashes, beginning with a letter or digit"

SOURCE_SCHEMES = ("ble", "mgmt", "mqtt", "nfc", "pcsc", "replay", "serial", "sim")
SCANNER_SCHEMES = ("ble", "mgmt", "replay", "sim")  # a tap needs the shop beside it, and an ear no further ears
_ONE_EAR = ("ble", "mgmt", "mqtt", "nfc", "pcsc", "serial")
_M = TypeVar("_M", bound=BaseModel)
_SWITCH = Field(False, strict=True)  # strict: "no" is no switch
_METRES = Field(None, ge=-1000, le=1000, strict=True)  # strict: true is no metre


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _absolute(path: Path) -> Path:
    if not path.is_absolute():
        raise ValueError("an absolute path: a service starts in no particular folder")
    return path


class _Placed(_Table):
    """Something that may stand on the floor plan."""

    x_m: float | None = _METRES
    y_m: float | None = _METRES

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if (self.x_m is None) != (self.y_m is None):
            raise ValueError("`x_m` and `y_m` together, or neither")
        return self

    @property
    def place(self) -> tuple[float, float] | None:
        """Metres on the floor plan, None for what is not on it."""
        return None if self.x_m is None or self.y_m is None else (self.x_m, self.y_m)


class GatewayTable(_Table):
    tenant: Id
    store: Id
    id: Id
    data_dir: Path
    update_command: Path | None = None  # run with a version as its only argument, when headquarters wants one
    update_folder: Path = Path("/var/lib/store-gateway-update")  # of the box's own updater, where it is installed
    broker_steered: bool = _SWITCH  # headquarters may move this gateway to another broker than [mqtt] names

    @field_validator("data_dir", "update_command", "update_folder")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        return None if path is None else _absolute(path)


class MqttTable(_Table):
    host: str
    port: int = Field(1883, ge=1, le=65535, strict=True)
    protocol: Literal["auto", "5", "3.1.1"] = "auto"
    username: str | None = None
    password_file: Path | None = None
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None


class UplinkTable(MqttTable):
    """The broker as the gateway has it."""

    hq_root: str | None = None  # gateway.hqkeys: headquarters' root key or the file with it


class StandbyTable(MqttTable):
    """The shop's other box, and the broker in the shop over which the two agree who serves."""

    other: Id
    other_url: str | None = None  # where screens, tablets and tills find it
    secret_file: Path  # the same text in both boxes
    preferred: bool = _SWITCH  # serves first when both start

    @field_validator("secret_file")
    @classmethod
    def _absolute(cls, path: Path) -> Path:
        return _absolute(path)


class SourceTable(_Table):
    """A device path; see ARCHITECTURE.md, "Device paths". `receiver` names the one radio or reader behind it."""

    path: str
    receiver: Id | None = None

    @property
    def scheme(self) -> str:
        return self.path.partition(":")[0]

    @property
    def target(self) -> str:
        """The path without scheme and options."""
        return self.path.partition(":")[2].partition("?")[0]

    @property
    def options(self) -> dict[str, str]:
        return dict(parse_qsl(self.path.partition("?")[2], keep_blank_values=True))

    @field_validator("path")
    @classmethod
    def _known_scheme(cls, path: str) -> str:
        scheme, colon, _ = path.partition(":")
        if scheme not in SOURCE_SCHEMES or not colon:
            raise ValueError(f"a device path beginning with one of {', '.join(s + ':' for s in SOURCE_SCHEMES)}")
        names = [name for name, _ in parse_qsl(path.partition("?")[2], keep_blank_values=True)]
        if len(set(names)) < len(names):
            raise ValueError("each option once")
        if scheme == "mqtt" and not re.fullmatch(r"mqtt:scanner/[a-z0-9][a-z0-9-]{0,23}", path):
            raise ValueError("mqtt:scanner/ and the id that stands under [scanner] there")
        return path

    @model_validator(mode="after")
    def _hardware_is_named(self) -> "SourceTable":
        if self.scheme in _ONE_EAR and self.receiver is None:
            raise ValueError(f"a `receiver` id, because {', '.join(s + ':' for s in _ONE_EAR)} hear with one ear")
        return self


class ReceiverTable(_Placed):
    """Where an ear is, and what a tap there does: dialogue on `screen`, `door` (check in), `advice`, `till` (a sale).

    `x_m`, `y_m`: its place on the floor plan in metres, any origin.
    """

    id: Id
    zone: Id
    screen: Id | None = None
    advice: bool = _SWITCH
    door: bool = _SWITCH
    till: Id | None = None


class NfcTable(_Table):
    """What all readers do."""

    poll_ms: int = Field(40, ge=30, le=1000, strict=True)  # pause between two looks; less than 30 heats the chip
    apple_vas: bool = _SWITCH  # Apple's terms apply: docs/readers.md
    chip_numbers: bool = _SWITCH  # the UID of cards that can do nothing else


class ScreenTable(_Table):
    id: Id
    zone: Id


class AnchorTable(_Placed):
    """A fixed beacon of the shop's own: it tells a deaf radio from an empty shop, and lets receivers be levelled."""

    id: Id
    beacon: Annotated[str, StringConstraints(pattern=r"^(uid:[0-9a-f]{32}|(ibeacon|altbeacon):[0-9a-f]{40})$")]

    @property
    def token(self) -> Token:
        """What the beacon shows."""
        kind, _, value = self.beacon.partition(":")
        return Token(CredentialKind(kind), bytes.fromhex(value))


class PresenceTable(_Table):
    radio_map: Path | None = None  # what `store-gateway calibrate` wrote


class Config(_Table):
    gateway: GatewayTable
    http: HttpTable = HttpTable()
    mqtt: UplinkTable | None = None
    standby: StandbyTable | None = None
    source: tuple[SourceTable, ...] = ()
    receiver: tuple[ReceiverTable, ...] = ()
    screen: tuple[ScreenTable, ...] = ()
    anchor: tuple[AnchorTable, ...] = ()
    presence: PresenceTable = PresenceTable()
    nfc: NfcTable = NfcTable()

    @property
    def anchors(self) -> dict[Token, str]:
        """The id of each by what it shows."""
        return {anchor.token: anchor.id for anchor in self.anchor}

    @model_validator(mode="after")
    def _names_meet(self) -> "Config":
        for table, ids in (
            ("receiver", [r.id for r in self.receiver]),
            ("screen", [s.id for s in self.screen]),
            ("anchor", [a.id for a in self.anchor]),
        ):
            for index, one in enumerate(ids):
                if one in ids[:index]:
                    raise _Misnamed((table, index, "id"), f"an id of its own; {one!r} stands twice")
        _each_beacon_once(self.anchor)
        if self.standby is not None and self.standby.other == self.gateway.id:
            raise _Misnamed(("standby", "other"), "the id of the shop's other box, not this one's")
        screens = {screen.id for screen in self.screen}
        for index, receiver in enumerate(self.receiver):
            if receiver.screen is not None and receiver.screen not in screens:
                raise _Misnamed(("receiver", index, "screen"), f"the id of a [[screen]], found {receiver.screen!r}")
        known = {receiver.id for receiver in self.receiver}
        for index, source in enumerate(self.source):
            if source.receiver is not None and source.receiver not in known:
                raise _Misnamed(("source", index, "receiver"), f"the id of a [[receiver]], found {source.receiver!r}")
            if source.scheme in _ONE_EAR and source.receiver in [
                other.receiver for other in self.source[:index] if other.scheme in _ONE_EAR
            ]:
                raise _Misnamed(
                    ("source", index, "receiver"), f"a receiver of its own; {source.receiver!r} has a source"
                )
            if source.scheme == "mqtt":
                if self.mqtt is None:
                    raise _Misnamed(("source", index, "path"), "a table [mqtt] beside it, for the broker between")
                if source.path in [other.path for other in self.source[:index]]:
                    raise _Misnamed(("source", index, "path"), f"each scanner once; {source.path!r} stands twice")
        return self


class ScannerTable(_Table):
    """Which gateway this scanner belongs to, and what it is called there (`mqtt:scanner/ID`)."""

    tenant: Id
    store: Id
    gateway: Id
    id: Id
    site_key_file: Path | None = None  # a copy of the gateway's site.key: static beacons are forwarded too

    @field_validator("site_key_file")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        return None if path is None else _absolute(path)


class ScannerConfig(_Table):
    """The file of `store-gateway scanner`: an ear without a shop."""

    scanner: ScannerTable
    mqtt: MqttTable
    source: Annotated[tuple[SourceTable, ...], Field(min_length=1)]
    anchor: tuple[AnchorTable, ...] = ()

    @model_validator(mode="after")
    def _names_meet(self) -> "ScannerConfig":
        for index, source in enumerate(self.source):
            if source.scheme not in SCANNER_SCHEMES:
                allowed = ", ".join(f"{scheme}:" for scheme in SCANNER_SCHEMES)
                raise _Misnamed(("source", index, "path"), f"one of {allowed} on a scanner, found {source.path!r}")
            if source.receiver is not None and source.receiver in [s.receiver for s in self.source[:index]]:
                raise _Misnamed(("source", index, "receiver"), f"an id of its own; {source.receiver!r} stands twice")
        _each_beacon_once(self.anchor)
        return self


def _each_beacon_once(anchors: Sequence[AnchorTable]) -> None:
    for index, anchor in enumerate(anchors):
        for other in anchors[:index]:
            if anchor.beacon == other.beacon:
                raise _Misnamed(("anchor", index, "beacon"), f"a beacon of its own; {other.id!r} has the same")


class _Misnamed(ValueError):  # noqa: N818 - becomes a ConfigError with the other mistakes
    def __init__(self, at: tuple[str | int, ...], expected: str) -> None:
        super().__init__(expected)
        self.at = at


def load(path: Path, **who: str) -> Config:
    """Read and check `path`. Raises ConfigError that names file, line, key and what was expected, one line each.
    `who`: what [gateway] is taken to say besides (gateway.ownership)."""
    return _validated(path, Config, who)


def load_scanner(path: Path) -> ScannerConfig:
    """`load` for a scanner's file."""
    return _validated(path, ScannerConfig, {})


def is_scanner(path: Path) -> bool:
    """Whether this is a scanner's file: it has a table [scanner]. Raises ConfigError for what cannot be read."""
    return "scanner" in text_and_tables(path)[1]


def _validated(path: Path, model: type[_M], who: dict[str, str]) -> _M:
    text, data = text_and_tables(path)
    if who:
        data["gateway"] = data.get("gateway", {}) | who
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise ConfigError("\n".join(_explain(path, text, item) for item in error.errors())) from error


def text_and_tables(path: Path) -> tuple[str, dict[str, Any]]:
    """What stands in a file, whatever it means. Raises ConfigError."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); expected a TOML file") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text; expected a TOML file") from error
    try:
        data = tomllib.loads(text)
    except RecursionError as error:
        raise ConfigError(f"{path}: nested too deeply; expected a TOML file") from error
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"at line (\d+)", str(error))
        where = f"{path}:{line[1]}" if line else str(path)
        raise ConfigError(f"{where}: not valid TOML: {error}") from error
    if "\\u0000" in text or any(ord(sign) < 32 and sign not in "\n\r\t" for sign in text):
        raise ConfigError(f"{path}: holds a control character; expected plain text")
    return text, data


def place_of(error: ValidationError) -> tuple[str | int, ...]:
    """Where the first fault is: table, index, key."""
    return _loc(error.errors()[0])


def _loc(item: Any) -> tuple[str | int, ...]:
    at: tuple[str | int, ...] = item["loc"] or getattr(item.get("ctx", {}).get("error"), "at", ())
    return at


def _explain(path: Path, text: str, item: Any) -> str:
    loc = _loc(item)
    return f"{path}:{line_of(text, loc)}: {_key(loc)}: expected {_expected(item)}"


def _key(loc: Sequence[str | int]) -> str:
    key = ".".join(str(step) if isinstance(step, str) else f"[{step + 1}]" for step in loc).replace(".[", "[")
    return key or "the file"


def located(path: Path, loc: Sequence[str | int], problem: str) -> str:
    """`problem` with the file, line and key it stands at, for what is found out after loading."""
    return f"{path}:{line_of(path.read_text(encoding='utf-8'), loc)}: {_key(loc)}: {problem}"


def _expected(item: Any) -> str:
    kind, ctx = item["type"], item.get("ctx", {})
    if kind == "missing":
        return "a value, but the key is missing"
    if kind == "extra_forbidden":
        return "no such key here (unknown key)"
    if kind == "string_pattern_mismatch":
        return _BEACON_RULE if item["loc"][-1] == "beacon" else _ID_RULE
    if kind == "value_error":
        return str(ctx["error"])
    message = str(item["msg"]).removeprefix("Input should be ").removeprefix("a valid ")
    shown = repr(item["input"])
    return f"{message}, found {shown if len(shown) <= 60 else shown[:57] + '...'}"


_HEADER = re.compile(r"^\s*(\[\[?)\s*([A-Za-z0-9_.\-]+)\s*\]\]?")


def line_of(text: str, loc: Sequence[str | int]) -> int:
    """1-based line of the key at `loc` (table, index, key), or of its table's header, or 1."""
    table = str(loc[0]) if loc else ""
    index = next((step for step in loc if isinstance(step, int)), 0)
    last = str(loc[-1]) if loc and isinstance(loc[-1], str) else ""
    best, seen, inside = 1, -1, len(loc) == 1
    for number, line in enumerate(text.splitlines(), start=1):
        header = _HEADER.match(line)
        if header:
            seen += header[2] == table
            inside = header[2] == table and seen == index
            if inside:
                best = number
        elif inside and last and re.match(rf"\s*\"?{re.escape(last)}\"?\s*=", line):
            return number
    return best
