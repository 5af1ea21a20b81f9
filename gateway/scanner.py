"""A remote ear: hears with its own radios and forwards members' frames to its gateway. Writes nothing anywhere."""

import argparse
import asyncio
import logging
import random
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from drivers import frames
from drivers.ears import Ears
from drivers.flood import FloodGate
from drivers.sources import open_source
from drivers.talk import Outcome
from gateway import config as local
from gateway import keys
from gateway.clock import ShopClock
from gateway.config import ScannerConfig, SourceTable
from gateway.core.model import Token
from gateway.core.ports import Clock
from gateway.errors import ConfigError, PeerError
from gateway.health import Health, Part
from gateway.lines import address
from gateway.preflight import missing_files
from gateway.supervise import Supervisor, stop_on_signals
from sync.ear import EarLine
from sync.ear_messages import Radio
from sync.link import Transport
from sync.sieve import Sieve
from sync.topics import Topics

log = logging.getLogger("scanner")

DEFAULT_CONFIG = Path("/etc/store-gateway/scanner.toml")

# Names of receivers come from a recording's lines; a scanner has a handful of radios.
MAX_RECEIVERS = 64
# How often a change of state is looked for, to be written to the journal.
SAY_S = 1.0

_RADIO = "receiver:"
_NO_KEY = "no site_key_file: UID, iBeacon and AltBeacon frames are not forwarded"


class FilterEars(Ears):
    """What the sources talk to on a scanner: a token goes to the sieve, all else is counted and gone.

    A stranger's address is never looked at: a colleague's phone is known by the gateway's own radios only.
    """

    def __init__(
        self, hear: Callable[[Token, int], None], anchors: Collection[Token], clock: Clock, health: Health
    ) -> None:
        # Not Ears.__init__: there is no resolver and no sink here, and every public method is our own.
        self._hear = hear
        self._own_anchors = anchors
        self._clock = clock
        self._health = health
        self._heard_anchor_ms: dict[str, int] = {}
        self._flood_gate = FloodGate()

    @property
    def has_anchors(self) -> bool:
        """See Ears."""
        return bool(self._own_anchors)

    def last_anchor_ms(self, receiver: str) -> int | None:
        """See Ears."""
        return self._heard_anchor_ms.get(receiver)

    def heard(self, receiver: str, rssi_dbm: int, ad: bytes, address: bytes = b"") -> None:
        """See Ears."""
        if not self._admits(receiver):
            return
        try:
            found = frames.decode(ad)
        except PeerError as error:
            self._health.count(f"ear.malformed.{error.reason}")
            found = frames.Other.NOT_OURS
        self._pass_on(receiver, rssi_dbm, found)

    def heard_fields(
        self,
        receiver: str,
        rssi_dbm: int,
        service_data: Mapping[str, bytes],
        manufacturer_data: Mapping[int, bytes],
        service_uuids: Sequence[str] = (),
        address: bytes = b"",
    ) -> bool:
        """See Ears; nobody is known here, so nobody is worth remembering."""
        if not self._admits(receiver):
            return False
        try:
            found = frames.decode_fields(service_data, manufacturer_data, service_uuids)
        except PeerError as error:
            self._health.count(f"ear.malformed.{error.reason}")
            found = frames.Other.NOT_OURS
        self._pass_on(receiver, rssi_dbm, found)
        return False

    def touched(self, reader: str, ndef: bytes | None) -> None:
        """A recording may hold taps; they need the shop beside them."""
        self._health.count("ear.taps")

    def presented(self, reader: str, outcome: Outcome) -> None:
        """See touched."""
        self._health.count("ear.taps")

    def _admits(self, receiver: str) -> bool:
        self._health.count("ear.adverts")
        admitted = self._flood_gate.admits(receiver, self._clock.now_ms())
        if not admitted:
            self._health.count("ear.flood")
        return admitted

    def _pass_on(self, receiver: str, rssi_dbm: int, found: Token | frames.Other) -> None:
        if not isinstance(found, Token):
            self._health.count(f"ear.{found.value}")
            return
        heard_ms = self._heard_anchor_ms
        if found in self._own_anchors and (receiver in heard_ms or len(heard_ms) < MAX_RECEIVERS):
            heard_ms[receiver] = self._clock.now_ms()
        self._hear(found, rssi_dbm)


class Scanner:
    """One scanner, wired. `ears` is where its sources end."""

    def __init__(self, config: ScannerConfig) -> None:
        """Raises ConfigError for a key or a certificate that cannot be used, and for options of a source."""
        self._config = config
        self._clock = ShopClock()
        self.health = Health()
        rng = random.Random(secrets.randbits(64))
        who = config.scanner
        anchors = frozenset(anchor.token for anchor in config.anchor)
        boot = rng.randbytes(8).hex()
        # The boot is part of the name: two scanners with one id both stay connected, and the gateway sees two.
        name = f"store-gateway-ear_{who.tenant}_{who.store}_{who.gateway}_{who.id}_{boot[:8]}"
        self._line = EarLine(
            Topics(who.tenant, who.store, who.gateway),
            who.id,
            boot,
            Transport(address(config.mqtt), name, rng),
            Sieve(anchors, _site_key(config), self.health),
            self.radios,
            self._clock,
            self.health,
            rng,
        )
        self.ears = FilterEars(self._line.heard, anchors, self._clock, self.health)
        self._sources = [(table, open_source(table, self.ears, self._clock, self.health)) for table in config.source]
        self._supervisor = Supervisor(self._clock, self.health, rng)

    async def run(self, stop: asyncio.Event) -> None:
        """Hear until `stop`. Raises ConfigError when a source finds that the operator must act."""
        if self._config.scanner.site_key_file is None:
            log.info(_NO_KEY)
        for table, source in self._sources:
            part = _RADIO + _name(table)
            detail = "plays a recording" if table.scheme == "replay" else "is being opened"
            self.health.set(part, "ok" if table.scheme == "replay" else "degraded", self._clock.now_ms(), detail)
            self._supervisor.keep(part, source.run)
        self._supervisor.keep("line", self._line.run)
        self._supervisor.keep("journal", self._say_changes)
        stopped = asyncio.ensure_future(stop.wait())
        try:
            await asyncio.wait((stopped, self._supervisor.failed), return_when=asyncio.FIRST_COMPLETED)
            if self._supervisor.failed.done():
                self._supervisor.failed.result()
        finally:
            stopped.cancel()
            await self._supervisor.close()

    def radios(self) -> tuple[Radio, ...]:
        """The sources as their supervision sees them, for the heartbeat."""
        parts = [part for part in self.health.parts if part.name.startswith(_RADIO)]
        return tuple(Radio(part.state, _plain(f"{part.name.removeprefix(_RADIO)} {part.detail}")) for part in parts)

    async def _say_changes(self) -> None:
        said: dict[str, Part] = {}
        while True:
            for part in self.health.parts:
                before = said.get(part.name)
                if before is None or (before.state, before.detail) != (part.state, part.detail):
                    said[part.name] = part
                    log.info("%s is %s: %s", part.name, part.state, part.detail)
            await asyncio.sleep(SAY_S)


async def run(config: ScannerConfig, stop: asyncio.Event | None = None) -> None:
    """Run a scanner until SIGTERM, SIGINT or `stop`. Raises ConfigError when the operator must act."""
    stop = stop or asyncio.Event()
    stop_on_signals(stop)
    await Scanner(config).run(stop)


def add_verb(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    text = "a remote ear: forwards members' frames to its gateway, and nothing else"
    ear = verbs.add_parser(
        "scanner", help=text, description=text, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    ear.set_defaults(verb=_verb)
    ear.add_argument("--config", type=Path, default=DEFAULT_CONFIG, help="the scanner's configuration file")


def _verb(arguments: argparse.Namespace) -> int:
    asyncio.run(run(load(arguments.config)))
    return 0


def load(path: Path) -> ScannerConfig:
    """The configuration, with everything checked that needs no hardware. Raises ConfigError with file, line and key."""
    config = local.load_scanner(path)
    problems = missing_files(config.mqtt, path)
    clock, health = ShopClock(), Health()
    ears = FilterEars(lambda _token, _rssi_dbm: None, (), clock, health)
    for index, table in enumerate(config.source):
        try:
            open_source(table, ears, clock, health)
            if table.options.get("speed", "1") != "1":
                raise ConfigError(f"{table.path}: a scanner hears in real time; expected no `speed`")
        except ConfigError as error:
            problems.append(local.located(path, ("source", index, "path"), str(error)))
    try:
        _site_key(config)
    except ConfigError as error:
        problems.append(local.located(path, ("scanner", "site_key_file"), str(error)))
    if problems:
        raise ConfigError("\n".join(problems))
    return config


def _site_key(config: ScannerConfig) -> bytes | None:
    path = config.scanner.site_key_file
    return None if path is None else keys.copied_identifier_key(path)


def _name(table: SourceTable) -> str:
    return table.receiver or table.scheme


def _plain(text: str) -> str:
    return "".join(sign if " " <= sign <= "~" else "?" for sign in text)
