"""Wires the parts and runs them: the only place that makes clocks, ids, keys and tasks."""

import asyncio
import importlib.metadata
import logging
import random
import secrets
from collections.abc import Callable
from functools import partial
from typing import Any

from display import cookies, faults
from display.api import create_app, host_of
from display.guard import Names
from display.hub import Hub
from display.metrics import token_in
from drivers.ears import Ears
from drivers.sources import Source, open_source
from drivers.talk import Terminal
from gateway import devicedesk, hatch, keys, logs, operating, provisioned, rekey, trials
from gateway.backlog import Backlog
from gateway.bundle import Found
from gateway.caring import Caring
from gateway.clock import InstantClock, ShopClock, world_ms
from gateway.config import Config, SourceTable
from gateway.contents import Contents
from gateway.core import sealing
from gateway.core.command import Answer
from gateway.core.fob import Fob, Heeded
from gateway.core.identity import Resolver
from gateway.core.keyring import Keyring
from gateway.desk import Desk
from gateway.devices import Devices
from gateway.doors import LOOPBACK, OPEN_TO_ALL, Opened, answered, opened
from gateway.flow import Flow
from gateway.health import Health
from gateway.heartbeats import Heartbeats
from gateway.https import Https
from gateway.installing import Installing
from gateway.keychain import Keychain
from gateway.lines import name_of, remote_source, snapshots, transport, verifier
from gateway.operating import Operating
from gateway.orders import Beside
from gateway.placing import placed, presence_in
from gateway.plays import Plays
from gateway.preflight import speed_of
from gateway.resealing import Resealing
from gateway.serving import serve
from gateway.standby import standby_of
from gateway.supervise import Supervisor, stop_on_signals
from gateway.ticking import TICK_S, Ticking
from gateway.trials import Begun, Seen, Trials
from gateway.updates import Updates
from gateway.watchdog import Systemd, Watchdog, looks
from gateway.works import Commit, Works
from sync.fetchers import Fetchers
from sync.topics import Topics
from sync.uplink import Uplink

log = logging.getLogger("gateway")

# A recording waits this long for headquarters to confirm its events; what is not confirmed stays on the disk.
DRAIN_S = 10.0

VERSION = importlib.metadata.version("store-gateway")


async def run(
    config: Config,
    *,
    ready: Callable[[Opened], None] | None = None,
    stop: asyncio.Event | None = None,
    instant: bool = False,
    examine: Callable[[], Found] = tuple,
    begin_anew: Callable[[], None] | None = None,
) -> Health:
    """Run the gateway until SIGTERM, SIGINT or `stop`; with `instant` a recording runs at once and ends it.

    `examine`: the doctor's look at this box; `begin_anew` is called at the end where headquarters ended it. Raises
    ConfigError when the operator must act.
    """
    stop = stop or asyncio.Event()
    stop_on_signals(stop)
    clock = InstantClock() if instant else ShopClock(speed_of(config.source))
    gateway: Gateway

    async def once(begun: Begun) -> bool:
        nonlocal gateway
        gateway = Gateway(begun.config, clock, stop, examine, begun)
        try:
            return await gateway.run(ready, end_with_sources=instant)
        finally:
            await gateway.close()

    await trials.rounds(config, clock, once, tried=not instant)
    if gateway.operating.begins_anew and begin_anew is not None:
        begin_anew()
    return gateway.health


class Gateway:
    """One shop's gateway, wired. `begun`: what it starts with, None = the file alone, and nothing is on trial."""

    def __init__(
        self,
        config: Config,
        clock: ShopClock | InstantClock,
        stop: asyncio.Event,
        examine: Callable[[], Found] = tuple,
        begun: Begun | None = None,
    ) -> None:
        begun = begun or trials.untried(config, clock)
        self._config = config
        self._clock = clock
        self._stop = stop
        self.health = Health(logs.journal)
        rng = self._rng = random.Random(secrets.randbits(64))
        data_dir = config.gateway.data_dir
        self._tablet_key = keys.tablet_key(data_dir)
        self._gateway_key = keys.gateway_key(data_dir)
        self._store, self._local = begun.store, begun.local
        identifier_key = self._store.identifier_key
        self._supervisor = Supervisor(clock, self.health, rng)
        self._hub = Hub(clock, self.health, faults.ears(config))
        resolver = self._resolver = Resolver(identifier_key, secrets.token_bytes(16))
        place = f"{config.gateway.tenant}/{config.gateway.store}"
        terminal = self._terminal = Terminal(place, clock, secrets.token_bytes, config.nfc)
        keychain = Keychain(self._store, self._gateway_key, name_of(config), clock, self.health, self._hold)
        laid = placed(config, self._store.floor)
        fob = self._fob = Fob()
        self._installing = Installing(config, laid, fob, resolver, self._store, clock, self.health)
        self._flow = Flow(
            store=self._store,
            resolver=resolver,
            surfaces=self._hub,
            clock=clock,
            health=self.health,
            receivers={receiver.id: receiver for receiver in config.receiver},
            screens={screen.id: screen.zone for screen in config.screen},
            site_key=identifier_key,
            new_id=self._new_id,
            spawn=self._supervisor.once,
            wake=self._wake,
            presence=presence_in(laid.config),
            keychain=keychain,
            public_url=config.http.public_url,
            hq_there=lambda: self._uplink is not None and self._uplink.is_there,
            beside=Beside(content_changed=lambda: self._contents.wanted(), on_trial=lambda: self._trials.changed()),
        )
        works = Works(self._store, clock, self.health, self._supervisor.once, self._wake)
        self._plays = Plays(works.commit, clock, self.health)
        self._heartbeats = Heartbeats(works.commit, works.begin_always, clock, self.health)
        seen = Seen(shop=lambda: self._flow.shop, follow=self._flow.orders.follow, ask=self._ask, drawing=self._draws)
        self._trials = Trials(begun, works.commit, self._supervisor.once, clock, self.health, seen)
        self._caring = Caring(self._store, data_dir, lambda: self._flow.shop, self._trials.again, clock, self.health)
        if isinstance(clock, InstantClock):
            clock.between = self._flow.settled
        self._standby = standby_of(config, self._store, self._flow, self._hub, clock, self.health, rng)
        self.desk = Desk(self._store, self._flow, clock, self.health)
        self._ears = Ears(resolver, self._standby, clock, self.health, config.anchors, terminal, fob)
        self._contents = Contents(self._store, data_dir / "content", clock, self.health, self._renew, self._wake)
        self.operating = self._make_operating(examine, works.commit)
        own = config, self._store, self._flow, clock, self.health
        self._snapshots = snapshots(*own, self._ask, self.operating.surely_ms)
        self._uplink = self._make_uplink(rng)
        self.devices = self._make_devices()
        self.devices.let_go = self._flow.staffing.revoked
        self._https: Https | None = None
        if config.http.https_port is not None and not isinstance(clock, InstantClock):
            self._https = Https(config, lambda: rekey.root_keys(data_dir), world_ms, clock, self.health)
        self._device_desk = devicedesk.DeviceDesk(self.devices, clock)
        self._ticked, self._systemd, self._port = asyncio.Event(), Systemd(), 0
        self._resealing = Resealing(self._store, lambda: rekey.root_keys(data_dir), clock, self.health, self._ask)

    async def run(self, ready: Callable[[Opened], None] | None, *, end_with_sources: bool) -> bool:
        """Start everything, tell `ready` once the pages are served, and wait for the end; True = it is to start again,
        with what is on trial or what was before."""
        await self._flow.start()
        await self.devices.start()
        await self._contents.load()
        if not end_with_sources:  # a recording's time is its own: nothing ages by it
            await self._flow.life.start(self._clock.trusted)
            self._supervisor.keep("settings", self._trials.run)
            self._supervisor.keep("database", self._caring.run)
            self._supervisor.keep("updates", self._updates.run)
            self._supervisor.keep("operator", lambda: hatch.serve(self._config.gateway.data_dir, self.answer))
            self._supervisor.keep("provisioning", partial(provisioned.run, self._clock, self.health))
            self._supervisor.keep("outbox", Backlog(partial(self._store.run, vital=True), self._clock, self.health).run)
        sources = [(table, self._open(table)) for table in self._config.source]
        if self._uplink is not None:
            await self.operating.commands.start()
            self._supervisor.keep("hq", self._uplink.run)
            self._supervisor.keep("content", self._contents.run)
            self._supervisor.keep("snapshot", self._snapshots.run)
        self._standby.keep(self._supervisor.keep)
        self._supervisor.keep("clock", self._make_ticking().run)
        self._supervisor.keep("sealing", self._resealing.run)
        if self._https is not None:
            await self._https.look()
            self._supervisor.keep("https", self._https.run)
        self._supervisor.keep("pages", lambda: self._serve(ready))
        ended = [self._keep_source(table, source) for table, source in sources]
        looked = looks(self._ticked, self._store.run, self._ask_pages, self.health)
        self._supervisor.keep("watchdog", Watchdog(self._systemd, looked).run)
        if end_with_sources:
            self._supervisor.once(self._stop_when_drained(ended))
        stopped = asyncio.ensure_future(self._stop.wait())
        again = asyncio.ensure_future(self._trials.again.wait())
        await asyncio.wait((stopped, again, self._supervisor.failed), return_when=asyncio.FIRST_COMPLETED)
        for end in (stopped, again):
            end.cancel()
        if self._supervisor.failed.done():
            self._supervisor.failed.result()
        return not self._stop.is_set()

    async def answer(self, asked: object) -> dict[str, Any]:
        """What an operator asks on this box: of members (gateway.desk), of devices, or for a diagnostic bundle."""
        if operating.is_for(asked):
            return await self.operating.answer(asked)
        return await (self._device_desk if devicedesk.is_for(asked) else self.desk).answer(asked)

    async def close(self) -> None:
        """Stop everything within two seconds; what was accepted is committed."""
        self._systemd.tell("STOPPING=1" if self._stop.is_set() else "STATUS=begins anew")
        await self._standby.leave()
        self._hub.close()
        await self._supervisor.close()
        self._store.close()

    def _open(self, table: SourceTable) -> Source:
        match table.scheme:
            case "mqtt":
                live = Heeded(self._resolver, self._fob, self._store.identifier_key)
                return remote_source(self._config, table, self._ears, live, self._clock, self.health, self._rng)
        return open_source(table, self._ears, self._clock, self.health)

    def _keep_source(self, table: SourceTable, source: Source) -> asyncio.Event:
        ended = asyncio.Event()

        async def hear() -> None:
            await source.run()
            ended.set()

        self._supervisor.keep(f"receiver:{table.receiver or table.scheme}", hear)
        return ended

    async def _stop_when_drained(self, ended: list[asyncio.Event]) -> None:
        for event in ended:
            await event.wait()
        await self._flow.settled()
        for _ in range(int(DRAIN_S / TICK_S) if self._uplink is not None else 0):
            if not await self._store.run(lambda tx: tx.waiting()):
                break
            await asyncio.sleep(TICK_S)
        self._stop.set()

    async def _serve(self, ready: Callable[[Opened], None] | None) -> None:
        http = self._config.http
        shown = (self._flow, self._hub, self.health, self._clock)
        tls = self._https
        own = tls.own_names if tls is not None else frozenset[str]()
        names = Names(host_of(http.public_url), host_of(http.shop_url), http.phones_port, http.behind_proxy, own)
        app = create_app(
            *shown,
            self._tablet_key,
            VERSION,
            public_url=http.public_url,
            names=names,
            me=self._flow.selfservice,
            handovers=self._flow.handovers,
            takeaways=self._flow.takeaways,
            devices=self.devices,
            shop_url=http.shop_url,
            shown=self._contents,
            showing=(self._plays, self._heartbeats),
            installing=self._installing,
            secure=tls,
            installable=http.installable,
            staffing=self._flow.staffing,
            settings=lambda: self._trials.report,
            duty=self._standby.line,
            other_url=self._standby.other_url,
            metrics_token="" if http.metrics_token_file is None else token_in(http.metrics_token_file),
        )

        def on_ready(port: int) -> None:
            self.health.set("pages", "ok", self._clock.now_ms())
            self._port = port
            self._systemd.tell("READY=1")
            reached = http.host not in LOOPBACK or http.behind_proxy
            if http.shop_url is None and http.phones_port is None and reached:
                log.warning(OPEN_TO_ALL)
            if ready is not None:
                ready(opened(self._config, port, self._tablet_key))

        ports, count = (http.phones_port, http.https_port), self.health.count
        await serve(app, http.host, http.port, on_ready, self._hub.close, *ports, tls, count)

    async def _ask_pages(self) -> None:
        await answered(self._config.http.host, self._port)

    def _make_devices(self) -> Devices:
        tills = frozenset(one.till for one in self._config.receiver if one.till is not None)
        places = frozenset(screen.id for screen in self._config.screen), tills
        parts = self._store.run, self._clock, self.health, secrets.token_bytes
        name = name_of(self._config)
        return Devices(*parts, lambda tablet: cookies.proof(tablet, self._tablet_key), *places, self._wake, name)

    def _make_operating(self, examine: Callable[[], Found], commit: Commit) -> Operating:
        keeper, path, store = self._supervisor, self._flow, self._store
        zones, tell, end = (lambda: path.shop.zones), self._answer_hq, self._stop.set
        own, who = (self._clock, self.health), self._config.gateway
        places = who.update_folder, who.data_dir
        updates = self._updates = Updates(*places, commit, lambda: self.operating.surely_ms(), *own)
        shop = store, path.life, keeper, self._hub, zones
        return Operating(self._config, VERSION, *shop, keeper.once, tell, end, examine, updates, *own)

    def _make_ticking(self) -> Ticking:
        shifts = [part.shift for part in (self.devices, self._heartbeats, self._installing, self._trials)]
        path = self._flow, self._hub, self._heartbeats
        return Ticking(*path, shifts, self._ticked, self._clock, self.health)

    def _make_uplink(self, rng: random.Random) -> Uplink | None:
        mqtt, who = self._config.mqtt, self._config.gateway
        if mqtt is None:
            self.health.set("hq", "ok", self._clock.now_ms(), "works alone: no [mqtt] in its file", cause="hq_alone")
            return None
        place = Topics(who.tenant, who.store, who.id)
        line = transport(self._config, self._local, rng)
        ports = (
            self._store,
            self._flow,
            self._clock,
            self.health,
            rng,
            sealing.public_key(self._gateway_key),
            self._with_hq,
            Fetchers(self._snapshots.chunks, self._contents),
            verifier(mqtt, self._store, self._flow.life.times, self._clock),
            *self.operating.ports,
            None if isinstance(self._clock, InstantClock) else self._snapshots,
        )
        return Uplink(place, line, *ports)

    async def _answer_hq(self, answer: Answer, bundle: bytes | None) -> None:
        if self._uplink is not None:
            await self._uplink.answer(answer, bundle)

    def _with_hq(self, at_ms: int | None, whole: bool) -> None:
        if whole:
            self._flow.life.with_hq(at_ms)
            self._caring.complete()
        self._trials.heard()

    def _draws(self, screen: str) -> bool:
        return self._heartbeats.vitals(screen).showing == "draws"

    def _renew(self, what: str) -> None:
        self._hub.renew(look=what == "brand")

    def _hold(self, keyring: Keyring) -> None:
        """Readers' threads see the new ring at their next tap; the one that they look at stays whole."""
        self._terminal.keyring = keyring

    def _wake(self) -> None:
        self._standby.wake()
        if self._uplink is not None:
            self._uplink.wake()

    def _ask(self) -> None:
        if self._uplink is not None:
            self._uplink.ask()

    def _new_id(self) -> str:
        """Time-ordered, so that indexes grow at their end; 80 random bits beside the milliseconds."""
        return f"{self._clock.now_ms():012x}{secrets.token_hex(10)}"
