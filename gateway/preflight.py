"""What a configuration says beyond its form, looked at before anything is started. Opens no device."""

import os
from pathlib import Path

from display.metrics import token_in
from drivers.ears import Ears
from drivers.nfc import serial_port
from drivers.sources import open_source
from gateway import config as local
from gateway import hqkeys, keys
from gateway.clock import InstantClock
from gateway.config import Config, MqttTable, SourceTable
from gateway.core.identity import Resolver
from gateway.core.model import Sighting, Tap
from gateway.errors import ConfigError
from gateway.health import Health
from gateway.mapfile import Loc, misplaced


def check(config: Config, path: Path) -> None:
    """What a configuration says beyond its form: options of device paths, speeds, files that must be there.

    Raises ConfigError with file, line and key. Opens no device.
    """
    found = problems(config)
    if found:
        raise ConfigError("\n".join(local.located(path, at, problem) for at, problem in found))
    speed_of(config.source)


def problems(config: Config) -> list[tuple[Loc, str]]:
    """The same as places (table, index, key) with what is wrong there, but for the speeds of several sources."""
    clock, health = InstantClock(), Health()
    ears = Ears(Resolver(bytes(keys.SITE_KEY_BYTES)), _Nobody(), clock, health)
    found: list[tuple[Loc, str]] = []
    devices: set[str] = set()
    for index, table in enumerate(config.source):
        at: Loc = ("source", index, "path")
        if table.scheme in ("ble", "mgmt", "nfc", "pcsc", "serial"):
            device = serial_port(table.target) or table.target
            if device in devices:
                found.append((at, f"expected a device of its own; {table.target} serves another source"))
            devices.add(device)
        try:
            if table.scheme != "mqtt":  # its form says all
                open_source(table, ears, clock, health)
            speed_of((table,))
        except ConfigError as error:
            found.append((at, str(error)))
    try:
        found += misplaced(config)
    except ConfigError as error:
        found.append((("presence", "radio_map"), str(error)))
    if config.mqtt is not None:
        found += _missing(config.mqtt)
        try:
            hqkeys.root_of(config.mqtt.hq_root)
        except ConfigError as error:
            found.append((("mqtt", "hq_root"), str(error)))
    if config.standby is not None:
        found += _missing(config.standby, "standby")
        try:
            keys.pair_secret(config.standby.secret_file)
        except ConfigError as error:
            found.append((("standby", "secret_file"), str(error)))
    for key in ("https_cert", "https_key"):
        file = getattr(config.http, key)
        if file is not None and not file.is_file():
            found.append((("http", key), f"expected a file, found none at {file}"))
    if config.http.metrics_token_file is not None:
        try:
            token_in(config.http.metrics_token_file)
        except ConfigError as error:
            found.append((("http", "metrics_token_file"), str(error)))
    program = config.gateway.update_command
    if program is not None and not os.access(program, os.X_OK):
        expected = f"expected a program that the service's user may run, found none at {program}"
        found.append((("gateway", "update_command"), expected))
    return found


def missing_files(mqtt: MqttTable, path: Path) -> list[str]:
    """What [mqtt] names and is not there, with file, line and key."""
    return [local.located(path, at, problem) for at, problem in _missing(mqtt)]


def _missing(mqtt: MqttTable, table: str = "mqtt") -> list[tuple[Loc, str]]:
    found: list[tuple[Loc, str]] = []
    for key in ("password_file", "ca_file", "cert_file", "key_file"):
        file = getattr(mqtt, key)
        if file is not None and not file.is_file():
            found.append(((table, key), f"expected a file, found none at {file}"))
    return found


class _Nobody:
    """A sink for sources that are only looked at."""

    def sighted(self, sighting: Sighting) -> None:
        """Nothing is heard during a check."""

    def anchored(self, anchor: str, receiver: str, rssi_dbm: int, at_ms: int) -> None:
        """Nothing is heard during a check."""

    def tapped(self, tap: Tap) -> None:
        """Nothing is touched during a check."""

    def awaits(self, reader: str) -> bool:
        """Nobody waits during a check."""
        return False


def speed_of(sources: tuple[SourceTable, ...]) -> float:
    """The speed of a simulated or recorded shop. Raises ConfigError where real hardware would have to hurry."""
    speeds = set()
    for source in sources:
        text = source.options.get("speed", "1") if source.scheme in ("sim", "replay") else "1"
        try:
            speed = float(text)
        except ValueError:
            speed = 0.0
        if not 0.01 <= speed <= 1000:
            raise ConfigError(f"{source.path}: speed: expected a number from 0.01 to 1000, found {text!r}")
        speeds.add(speed)
    if len(speeds) > 1:
        raise ConfigError("the sources run at different speeds; expected one speed, and 1 beside real hardware")
    return speeds.pop() if speeds else 1.0
