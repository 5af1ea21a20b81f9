"""Changes of headquarters' on trial: settings, configuration, catalogue. Begun, watched, kept or taken back by itself.

Whatever happens the box comes back: what is tried is on the disk beside what was before, and a start that finds a trial
begun twice or overdue goes back (gateway.trialsteps). How well the box does is judged by gateway.core.trial.
"""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any

from display import faults as ailments
from gateway import hatch, keys, mending, rekey, trialsteps
from gateway.clock import InstantClock, ShopClock
from gateway.config import Config
from gateway.core.model import ShopConfig
from gateway.core.ports import Clock
from gateway.core.trial import (
    SETTLE_MS,
    Before,
    Fault,
    Report,
    SettingsPut,
    Steered,
    Trial,
    What,
    lost_notice,
    lost_zones,
    reasons_of,
)
from gateway.core.trial import faults as worse_than
from gateway.dbfile import DATABASE
from gateway.errors import ConfigError, StoreError
from gateway.health import Health
from gateway.merging import Merged, Misfit, of_steered
from gateway.preflight import problems, speed_of
from gateway.probing import probe
from gateway.store import Store
from gateway.touched import Touched
from gateway.works import Commit

log = logging.getLogger("gateway")

LOOK_S = 0.5
ASK_MS = 2_000  # between two questions to headquarters, until it is heard
PROBE_MS = 2_000  # between two probes of a decision: one screen each, so 20 screens take 40 s of a window
# How the box did before is known once all its receivers have spoken; one that never does is not waited for.
READY_MS = 30_000


@dataclass(frozen=True, slots=True)
class Begun:
    """What the service starts with: the file and what headquarters steers, the file alone, and what is on trial."""

    config: Config
    store: Store
    local: Config
    trials: tuple[Trial, ...] = ()

    @property
    def on_trial(self) -> bool:
        """Whether settings are, so that going back to others may help."""
        return any(trial.what == "settings" for trial in self.trials)


def open_store(local: Config, clock: Clock) -> Store:
    """The gateway's database. Raises ConfigError."""
    data_dir = local.gateway.data_dir
    if not hatch.is_served(data_dir):  # nobody takes the file away from under a service that runs
        mending.at_start(data_dir, lambda: [root.key for root in keys.roots(data_dir, make=False)], clock.now_ms())
    return Store(data_dir / DATABASE, secrets.token_hex(16), rekey.root_key(data_dir), clock.now_ms())


def untried(local: Config, clock: Clock) -> Begun:
    """The file alone, for who works on the data without the service, and for recordings; trials stay as they are."""
    return Begun(local, open_store(local, clock), local)


async def begin(local: Config, clock: Clock, fresh: bool = True, failed: str = "") -> Begun:
    """What to start with: the file, and headquarters' settings beside it as far as they go with it.

    `fresh`: the process is new. `failed`: why the service could not run with the settings on trial, "" = it could.
    Raises ConfigError and StoreError.
    """
    store = open_store(local, clock)
    try:
        while True:
            now_ms = clock.now_ms()
            start = partial(trialsteps.at_start, now_ms=now_ms, fresh=fresh, failed=failed)
            trials = await store.run(start, vital=True)
            tried = next((trial for trial in trials if trial.what == "settings"), None)
            steered = await store.run(lambda tx: tx.steered(), vital=True)
            if tried is not None:
                steered = Steered(tried.name, tried.body)
            found = fitting(local, steered)
            if isinstance(found, Merged):
                return Begun(found.config, store, local, trials)
            if tried is None:  # the file was changed meanwhile; it says what this box is
                await store.run(partial(trialsteps.refit, reason=found.reason, place=found.place, now_ms=now_ms))
                log.warning("settings: they do not go with the configuration file any more, which counts alone")
                return Begun(local, store, local, trials)
            failed, fresh = found.reason, False
    except BaseException:
        store.close()
        raise


async def rounds(local: Config, clock: Clock, once: Callable[[Begun], Awaitable[bool]], *, tried: bool) -> None:
    """Run the service until it is not to start again, as `once` says at its end; settings with which it can't start
    are taken back. `tried` False: the file alone counts, and nothing is on trial. Raises what `begin` and `once` do."""
    failed, fresh = "", True
    while True:
        begun = await begin(local, clock, fresh, failed) if tried else untried(local, clock)
        try:
            again, failed = await once(begun), ""
        except ConfigError:
            if not begun.on_trial:
                raise
            again, failed = True, "start"
        finally:
            begun.store.close()
        if not again:
            return
        fresh = False


def fitting(local: Config, steered: Steered) -> Merged | Misfit:
    """The file and settings as one configuration that could be started, looked at as check-config does."""
    found = of_steered(local, steered)
    if isinstance(found, Misfit):
        return found
    wrong = problems(found.config) if found.config != local else []
    if wrong:
        return Misfit("check", ".".join(str(step) for step in wrong[0][0]))
    try:
        speed_of(found.config.source)
    except ConfigError:
        return Misfit("check", "source")
    return found


@dataclass(slots=True)
class _Watch:
    """A trial under way in this process. Times are real milliseconds of the shop's clock."""

    trial: Trial
    until_ms: int
    well_since_ms: int | None = None  # since when all is as well as before
    found: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a trial is judged by, as `gateway.app` sees it. `follow` has surfaces and resolver follow what was taken
    back; `ask` asks headquarters whether it is there; `drawing`: whether a screen does."""

    shop: Callable[[], ShopConfig]
    follow: Callable[[Touched], Coroutine[Any, Any, None]]
    ask: Callable[[], None]
    drawing: Callable[[str], bool]


class Trials:
    """Lives on the event loop; `run` is its task. `again` is set when the service is to start anew, in this process."""

    def __init__(
        self,
        begun: Begun,
        commit: Commit,
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        clock: ShopClock | InstantClock,
        health: Health,
        seen: Seen,
    ) -> None:
        self.again = asyncio.Event()
        self._begun = begun
        self._commit = commit
        self._spawn = spawn
        self._clock = clock
        self._health = health
        self._seen = seen
        self._stir = asyncio.Event()
        self._heard = False
        self._failed = 0  # probes that raised
        self._failed_before = 0
        self._probing = False
        self._asked_ms = self._probed_ms = self._probes = 0
        self._watches: dict[What, _Watch] = {}
        self._waits: SettingsPut | None = None
        self._begun_ms = self._real_ms()
        self.report = Report()
        for trial in begun.trials:
            self._watch(trial)

    def changed(self) -> None:
        """Something of headquarters' was committed that may be on trial, or waits to be. Never blocks."""
        self._stir.set()

    def heard(self) -> None:
        """Headquarters answered over this line."""
        self._heard = True

    def shift(self, delta_ms: int) -> None:
        """The shop's clock was corrected by so much; windows last as long as they would have."""
        self._begun_ms += delta_ms
        self._asked_ms += delta_ms
        self._probed_ms += delta_ms
        for watch in self._watches.values():
            watch.until_ms += delta_ms
            if watch.well_since_ms is not None:
                watch.well_since_ms += delta_ms

    async def run(self) -> None:
        """Look at what came, and judge what is on trial, until cancelled."""
        await self._read()
        while True:
            await self._take()
            if self._watches:
                await self._look()
            self._stir.clear()
            wait_s = LOOK_S if self._watches or self._waits else None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._stir.wait()
            await self._read()

    # --- what came ---------------------------------------------------------------------------------------------

    async def _read(self) -> None:
        """What the database says now: what waits, what is on trial, what became of the last."""
        self._waits, trials, self.report = await self._commit(
            lambda tx: (tx.wanted_settings(), tx.trials(), tx.report()), vital=True
        )
        for trial in trials:
            known = self._watches.get(trial.what)
            if known is None or known.trial.name != trial.name or known.trial.until_ms != trial.until_ms:
                self._watch(trial)
        for what in self._watches.keys() - {trial.what for trial in trials}:
            del self._watches[what]

    def _watch(self, trial: Trial) -> None:
        left_ms = min(max(trial.until_ms - self._clock.now_ms(), 0), trial.window_ms)
        self._failed_before = self._all_failed()
        self._watches[trial.what] = _Watch(trial, self._real_ms() + left_ms)

    async def _take(self) -> None:
        """Look at settings that wait: refused, nothing new, or tried with another start."""
        put = self._waits
        if put is None or "settings" in self._watches or not self._ready():
            return
        now_ms = self._clock.now_ms()
        found = await asyncio.to_thread(fitting, self._begun.local, Steered(put.settings_id, put.document))
        if isinstance(found, Misfit):
            step = partial(trialsteps.settle_settings, put=put, reason=found.reason, place=found.place, local=0)
        elif found.config == self._begun.config:
            local = len(found.overruled)
            step = partial(trialsteps.settle_settings, put=put, reason="", place="", local=local)
        else:
            begin = partial(trialsteps.begin_settings, put=put, before=self._before(), local=len(found.overruled))
            await self._commit(partial(begin, now_ms=now_ms), vital=True)
            self.again.set()
            await asyncio.Event().wait()  # the service ends here
            return
        await self._commit(partial(step, now_ms=now_ms), vital=True)
        await self._read()

    def _ready(self) -> bool:
        """Whether it is known how the box does before the trial."""
        known = {part.name for part in self._health.parts}
        spoken = all(f"receiver:{name}" in known for name in self._receivers())
        return spoken or self._real_ms() - self._begun_ms >= READY_MS

    def _before(self) -> Before:
        screens = tuple(one.id for one in self._begun.config.screen if self._seen.drawing(one.id))
        return Before({part.name: part.state for part in self._health.parts}, screens)

    # --- what is on trial --------------------------------------------------------------------------------------

    async def _look(self) -> None:
        now_ms = self._real_ms()
        if "settings" in self._watches and not self._heard and now_ms - self._asked_ms >= ASK_MS:
            self._asked_ms = now_ms
            self._seen.ask()
        if not self._probing and now_ms - self._probed_ms >= PROBE_MS:
            self._probed_ms, self._probing = now_ms, True
            self._spawn(self._probe())
        failed = self._all_failed()
        broke, self._failed_before = failed > self._failed_before, failed
        for watch in list(self._watches.values()):
            watch.found = (Fault("decision"),) if broke else self._faults(watch.trial)
            if watch.found:
                watch.well_since_ms = None
            elif watch.well_since_ms is None:
                watch.well_since_ms = now_ms
            if broke or (watch.found and now_ms >= watch.until_ms):
                await self._undo(watch)
            elif watch.well_since_ms is not None and self._is_sure(watch, now_ms):
                await self._keep(watch)

    def _all_failed(self) -> int:
        return self._failed + self._health.counts.get("decisions.failed", 0)

    def _is_sure(self, watch: _Watch, now_ms: int) -> bool:
        """Settings, once all has been well for a while; the others are watched to the end of their window, since what
        breaks a decision may come late."""
        if now_ms >= watch.until_ms:
            return True
        assert watch.well_since_ms is not None
        settle_ms = min(SETTLE_MS, watch.trial.window_ms // 3)
        return watch.trial.what == "settings" and self._probes > 0 and now_ms - watch.well_since_ms >= settle_ms

    def _faults(self, trial: Trial) -> tuple[Fault, ...]:
        match trial.what:
            case "settings":
                return self._worse(trial)
            case "config":
                config = self._begun.config
                standing = [one.zone for one in config.receiver] + [one.zone for one in config.screen]
                before, now = trialsteps.shop_before(trial), self._seen.shop()
                lost = lost_zones(standing, tuple(now.zones), tuple(before.zones))
                unknown = (Fault("notice", "notice"),) if lost_notice(before, now) else ()
                return (*(Fault("zones", f"zone:{zone}") for zone in lost), *unknown)
        return ()

    def _worse(self, trial: Trial) -> tuple[Fault, ...]:
        config = self._begun.config
        ears = ailments.ears(config)
        receivers = self._receivers()
        radios = [name for name in receivers if ears[name].kind != "reader"]
        screens = [one.id for one in config.screen]
        drawing = [screen for screen in screens if self._seen.drawing(screen)]
        parts = {part.name: part.state for part in self._health.parts}
        heard = self._heard and parts.get("hq") == "ok"
        return worse_than(trial.before, parts, receivers, radios, screens, drawing, heard)

    def _receivers(self) -> list[str]:
        return [one.receiver for one in self._begun.config.source if one.receiver is not None]

    async def _probe(self) -> None:
        """Decide once for a made-up member at the next screen; nobody is shown anything and nothing is kept."""
        screens = sorted(self._begun.config.screen, key=lambda one: one.id)
        at = [screens[self._probes % len(screens)]] if screens else []
        places, now_ms, whole = {one.id: one.zone for one in at}, self._clock.now_ms(), False
        try:
            await self._commit(lambda tx: probe(tx, places, now_ms))
            whole = True
            self._probes += 1
        except StoreError:
            whole = True  # the disk's trouble is told by its own part
        finally:
            self._probing = False
            if not whole:
                self._failed += 1

    async def _keep(self, watch: _Watch) -> None:
        await self._commit(partial(trialsteps.keep, trial=watch.trial, now_ms=self._clock.now_ms()), vital=True)
        self._health.count(f"trials.{watch.trial.what}_kept")
        log.info("%s of headquarters' kept", watch.trial.what)
        del self._watches[watch.trial.what]
        await self._read()

    async def _undo(self, watch: _Watch) -> None:
        undo = partial(trialsteps.undo, trial=watch.trial, faults=watch.found, now_ms=self._clock.now_ms())
        touched = await self._commit(undo, vital=True)
        self._health.count(f"trials.{watch.trial.what}_undone")
        log.warning("%s of headquarters' taken back: %s", watch.trial.what, ", ".join(reasons_of(watch.found)))
        del self._watches[watch.trial.what]
        if watch.trial.what == "settings":
            self.again.set()
            await asyncio.Event().wait()  # the service ends here
        await self._seen.follow(touched)
        await self._read()

    def _real_ms(self) -> int:
        return int(self._clock.now_ms() / self._clock.speed)
