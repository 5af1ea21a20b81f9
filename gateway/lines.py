"""The lines to the broker: who we are there, and how we show it."""

import random
from collections.abc import Callable
from pathlib import Path

from drivers.ears import Ears
from gateway import hqkeys, keys
from gateway.clock import InstantClock, ShopClock, uptime_ms, world_ms
from gateway.config import Config, MqttTable, SourceTable, StandbyTable, UplinkTable
from gateway.core.fob import Live
from gateway.core.redemption import Times
from gateway.core.seat import Seat
from gateway.errors import ConfigError
from gateway.flow import Flow
from gateway.health import Health
from gateway.snapshots import Snapshots
from gateway.store import Store
from sync import snapshot_messages
from sync.link import Address, Transport
from sync.pair import PairLine
from sync.pair_messages import Pair
from sync.scanners import RemoteSource
from sync.topics import Topics
from sync.verifying import Moment, Trust, Verifier


def name_of(config: Config) -> str:
    """How headquarters names this gateway when it seals: "tenant/store/id"."""
    return Topics(config.gateway.tenant, config.gateway.store, config.gateway.id).name


def remote_source(
    config: Config,
    table: SourceTable,
    ears: Ears,
    live: Live,
    clock: ShopClock | InstantClock,
    health: Health,
    rng: random.Random,
) -> RemoteSource:
    """The source behind `mqtt:scanner/ID`. Raises ConfigError if the broker's password cannot be read."""
    mqtt, who = config.mqtt, config.gateway
    assert mqtt is not None  # config.Config holds that
    assert table.receiver is not None
    scanner = table.target.removeprefix("scanner/")
    name = f"store-gateway-ears_{who.tenant}_{who.store}_{who.id}_{scanner}"  # no id has an underscore
    place, transport = Topics(who.tenant, who.store, who.id), Transport(address(mqtt), name, rng)
    return RemoteSource(table.receiver, scanner, place, transport, ears, live, clock, health, rng)


def snapshots(
    config: Config,
    store: Store,
    flow: Flow,
    clock: ShopClock | InstantClock,
    health: Health,
    ask: Callable[[], None],
    surely_ms: Callable[[], int],
) -> Snapshots:
    """Who takes members from headquarters' snapshots; `ask` and `surely_ms` as it says."""
    whole = store, config.gateway.data_dir, name_of(config), snapshot_messages.parse_chunk
    return Snapshots(*whole, clock, health, flow.present, flow.orders.switched, ask, surely_ms)


def address(mqtt: MqttTable) -> Address:
    """Where the broker is and how we show who we are. Raises ConfigError."""
    return Address(
        mqtt.host,
        mqtt.port,
        mqtt.protocol,
        mqtt.username,
        password(mqtt.password_file),
        mqtt.ca_file,
        mqtt.cert_file,
        mqtt.key_file,
    )


def transport(config: Config, local: Config, rng: random.Random) -> Transport:
    """The line to headquarters. Where headquarters moved it, the broker that the file names is the spare one. Raises
    ConfigError."""
    mqtt, named, who = config.mqtt, local.mqtt, config.gateway
    assert mqtt is not None  # who works alone asks for no line
    spare = None if named is None or address(named) == address(mqtt) else address(named)
    return Transport(address(mqtt), f"store-gateway-{who.tenant}-{who.store}-{who.id}", rng, spare=spare)


def pair_line(
    config: Config, table: StandbyTable, store: Store, clock: ShopClock, health: Health, rng: random.Random
) -> PairLine:
    """The line to the shop's other box. Raises ConfigError."""
    who = config.gateway
    pair = Pair(keys.pair_secret(table.secret_file), Topics(who.tenant, who.store, who.id).pair)
    transport = Transport(address(table), f"store-gateway-pair-{who.tenant}-{who.store}-{who.id}", rng)
    seat = Seat(who.id, rng.randbytes(8).hex(), preferred=table.preferred)
    line = PairLine(who.id, table.other, pair, transport, store, seat, uptime_ms, clock, health, rng)
    store.keep_copies(line.copied)
    return line


def verifier(mqtt: UplinkTable, store: Store, times: Callable[[], Times], clock: ShopClock | InstantClock) -> Verifier:
    """Who believes headquarters' signatures; without `hq_root` they are not looked at. Raises ConfigError."""
    try:
        root = hqkeys.root_of(mqtt.hq_root)
    except ConfigError as error:
        raise ConfigError(f"mqtt.hq_root: {error}") from None
    if root is None:
        return Verifier()

    def moment() -> Moment:
        if not clock.world:  # the shop's time is simulated or recorded, and keys are of the world's
            now_ms = world_ms()
            return Moment(now_ms, now_ms)
        at = times()
        return Moment(at.surely_ms, at.latest_ms if clock.trusted else None)

    return Verifier(Trust(root, hqkeys.KeptKeys(store), moment))


def password(path: Path | None) -> str | None:
    """The broker's password from its file, None without one. Raises ConfigError."""
    try:
        return None if path is None else path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read; expected the broker's password") from error
