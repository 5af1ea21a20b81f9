"""The life of what is kept: time that has surely come, days without headquarters, the daily run of retention.

All of it is judged by the reckoned time (gateway.core.reckoning), which `tick` lets pass and which outlives a restart.
"""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Literal

from gateway import backlog, retention
from gateway.core.model import Event, ShopConfig
from gateway.core.ports import Clock
from gateway.core.reckoning import Jump, Reckoning
from gateway.core.redemption import Times
from gateway.core.spans import DAY_MS
from gateway.health import Health
from gateway.records import Tx
from gateway.store import GROUP_MS, Store
from gateway.tables.rows import FLOOR

LOOK_MS = 60_000  # nothing here is finer than minutes
# After a power cut at most so much of the reckoned time is lost. 96 commits a day are 2 MB on an SD card.
KEEP_EVERY_MS = 900_000
FIRST_RUN_MS = 600_000  # a start has better things to do
RUN_EVERY_MS = DAY_MS
HQ_TIME_MS = 7_200_000  # headquarters tells its time at least once an hour
HQ_KEPT_MS = 3_600_000  # what is older is written down as soon as headquarters is heard again
WARN_FROM = 0.7  # of the days without headquarters

PART = "profiles"
HELP = "Bring the line to headquarters back: network, router, broker. Then everything is sent anew."

Begin = Callable[[Coroutine[Any, Any, None]], None]
# "paused": it may be so late that profiles have to go, but a clock's jump waits to be believed. Nothing is deleted yet.
Freshness = Literal["fresh", "soon", "paused", "wiped"]


@dataclass(frozen=True, slots=True)
class Stale:
    """How old what headquarters sent is, for tablets; `days_left` until it is wiped, 0 when it is."""

    state: Freshness
    days_left: int


class Life:
    """Lives on the event loop; `start`, then `tick`. `wiped` follows when all profiles are gone, `changed` hears how
    old what headquarters sent is; while it is "paused" nobody may be served by name."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        health: Health,
        begin: Begin,
        shop: Callable[[], ShopConfig],
        wiped: Callable[[], None],
        changed: Callable[[Stale], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._health = health
        self._begin = begin
        self._shop = shop
        self._wiped = wiped
        self._changed = changed
        self._steps_ms = 0
        self._reckoning: Reckoning | None = None
        self._with_hq_ms: int | None = None  # the reckoned time when headquarters last said that we have its newest
        self._hq_unsure = False  # no clock agreed then: it may have been later
        self._kept_hq: tuple[int | None, bool] = None, False  # both, as they stand in the file
        self._heard_ms: int | None = None  # the monotonic time of that, if it was in this process
        self._jumps: list[Jump] = []  # what the rows in the file have not followed yet
        self._hq_time: tuple[int, int] | None = None  # its time, and the monotonic one when it came
        self._is_wiped = False
        self._busy = False
        self._look_ms = self._keep_ms = 0
        self._run_ms = 0
        self.stale = Stale("fresh", ShopConfig().stale_days)

    async def start(self, trusted: bool) -> None:
        """Go on where the last process ended."""
        mono_ms = self._mono_ms(now_ms := self._clock.now_ms())
        kept = await self._store.run(
            lambda tx: [tx.meta(key) for key in (FLOOR, "agreed_ms", "with_hq_ms", "with_hq_unsure", "wiped_ms")],
            vital=True,
        )
        surely, agreed, with_hq, unsure, wiped = kept
        surely_ms = int(surely) if surely is not None else now_ms
        agreed_ms = int(agreed) if agreed is not None else surely_ms
        self._reckoning = Reckoning(surely_ms, agreed_ms, mono_ms)
        self._with_hq_ms = int(with_hq) if with_hq is not None else None
        self._hq_unsure = unsure == "1"
        self._kept_hq = self._with_hq_ms, self._hq_unsure
        self._is_wiped = wiped is not None
        self._run_ms = mono_ms + FIRST_RUN_MS
        self._look_ms = self._keep_ms = mono_ms
        self.tick(now_ms, trusted)

    def clock_stepped(self, delta_ms: int) -> None:
        """The shop's clock was corrected by so much; no time has passed."""
        self._steps_ms += delta_ms

    def with_hq(self, at_ms: int | None) -> None:
        """Headquarters says that we have its newest version; `at_ms`: its time, None = it does not tell."""
        mono_ms = self._mono_ms(self._clock.now_ms())
        if at_ms is not None and self._clock.speed == 1.0:  # a simulated shop has a time of its own
            self._hq_time = at_ms, mono_ms
        if self._reckoning is None:
            return
        kept_ms, kept_unsure = self._kept_hq
        self._hq_unsure = self._reckoning.state != "sure"
        news = kept_ms is None or self._reckoning.surely_ms - kept_ms > HQ_KEPT_MS or kept_unsure != self._hq_unsure
        first = news or self._is_wiped or self.stale.state != "fresh"
        self._with_hq_ms, self._heard_ms = self._reckoning.surely_ms, mono_ms
        self._is_wiped = False
        if first:
            self._keep_ms = self._look_ms = mono_ms  # with the next tick

    def times(self) -> Times:
        """This instant, for what is held and what is lent. Before the start, and in a recording, the clock's alone."""
        now_ms = self._clock.now_ms()
        if self._reckoning is None:
            return Times(now_ms, now_ms, now_ms)
        surely_ms = self._reckoning.surely_by(self._mono_ms(now_ms))
        return Times(now_ms, surely_ms, max(surely_ms, now_ms))

    @property
    def reckoning(self) -> str:
        """How sure the reckoned time is (gateway.core.reckoning); "" before the start, and in a recording."""
        return "" if self._reckoning is None else self._reckoning.state

    def tick(self, now_ms: int, trusted: bool) -> None:
        """Let time pass. Costs nothing but once a minute."""
        mono_ms = self._mono_ms(now_ms)
        if self._reckoning is None or self._busy or mono_ms < self._look_ms:
            return
        self._look_ms = mono_ms + LOOK_MS
        clock_ms = now_ms if trusted else None
        jump = self._reckoning.look(clock_ms, mono_ms, self._hq_ms(mono_ms))
        if jump is not None:
            self._jumped(jump, mono_ms)
        if self._reckoning.state == "sure":
            self._hq_unsure = False
        self._busy = True
        self._begin(self._follow(self._reckoning, clock_ms, mono_ms))

    def _jumped(self, jump: Jump, mono_ms: int) -> None:
        self._health.count("life.clock_jumps")
        self._jumps.append(jump)
        self._keep_ms = mono_ms
        if self._heard_ms is not None:
            self._with_hq_ms = jump.to_ms - (mono_ms - self._heard_ms)
        elif self._hq_unsure:
            self._with_hq_ms = jump.to_ms
        elif self._with_hq_ms is not None:
            self._with_hq_ms = min(self._with_hq_ms, jump.to_ms)  # or it lay in a future that never came

    async def _follow(self, reckoning: Reckoning, clock_ms: int | None, mono_ms: int) -> None:
        try:
            while self._jumps:
                await retention.after_jump(self._store.run, self._jumps[0])
                del self._jumps[0]
            await self._judge(reckoning, clock_ms, mono_ms)
            if mono_ms >= self._keep_ms:
                await self._keep(reckoning)
                self._keep_ms = mono_ms + KEEP_EVERY_MS
            if mono_ms >= self._run_ms and reckoning.judges:
                await self._let_go(reckoning)
                self._run_ms = mono_ms + RUN_EVERY_MS
        finally:
            self._busy = False

    # --- days without headquarters ---------------------------------------------------------------------------

    async def _judge(self, reckoning: Reckoning, clock_ms: int | None, mono_ms: int) -> None:
        if self._with_hq_ms is None:
            if not await self._store.run(lambda tx: tx.hq_version, vital=True):
                self._say(Stale("fresh", self._shop().stale_days))
                return  # headquarters never sent anything
            self._with_hq_ms = reckoning.surely_ms
        most_ms = self._shop().stale_days * DAY_MS
        alone_ms = reckoning.surely_ms - self._with_hq_ms
        if self._heard_ms is not None:
            might_ms = mono_ms - self._heard_ms  # no clock is needed for that
        else:
            might_ms = reckoning.might_be_ms(clock_ms) - self._with_hq_ms
        left = -(-max(0, most_ms - alone_ms) // DAY_MS)
        if alone_ms >= most_ms and reckoning.judges:
            await self._wipe(reckoning)
        elif self._is_wiped:
            self._say(Stale("wiped", 0))
        elif max(alone_ms, might_ms) >= most_ms:
            self._say(Stale("paused", 0))
        else:
            self._say(Stale("soon" if alone_ms >= WARN_FROM * most_ms else "fresh", left))

    async def _wipe(self, reckoning: Reckoning) -> None:
        """Profiles, credentials and codes go in one commit, then from the write-ahead log."""
        self._say(Stale("paused", 0))  # nobody is served by name from here on, even if the disk refuses
        now_ms, surely_ms = self._clock.now_ms(), reckoning.surely_ms

        def wipe(tx: Tx) -> int:
            members = tx.wipe_profiles()
            tx.put_meta("wiped_ms", str(surely_ms))
            tx.put_meta("with_hq_ms", str(surely_ms))
            if members:
                tx.emit(Event("profiles.wiped", now_ms, {"members": members}))
            return members

        members = await self._store.run(wipe, vital=True)
        # Should its newest never be reached, the next days are counted from here.
        self._with_hq_ms, self._heard_ms = surely_ms, None
        self._is_wiped = True
        self._health.count("life.wiped", members)
        self._say(Stale("wiped", 0))
        self._wiped()

    def _say(self, stale: Stale) -> None:
        before, self.stale = self.stale, stale
        now_ms = self._clock.now_ms()
        match stale.state:
            case "fresh":
                self._health.set(PART, "ok", now_ms)
            case "soon":
                days = "day" if stale.days_left == 1 else "days"
                detail = f"headquarters is away; profiles are wiped in {stale.days_left} {days}"
                self._health.set(PART, "degraded", now_ms, detail, HELP, "profiles_soon")
            case "paused":
                detail = "headquarters may be away for too long; everybody is served anonymously until that is clear"
                self._health.set(PART, "degraded", now_ms, detail, HELP, "profiles_paused")
            case "wiped":
                detail = "headquarters was away for too long; profiles are wiped, everybody is served anonymously"
                self._health.set(PART, "degraded", now_ms, detail, HELP, "profiles_wiped")
        if before != stale:
            self._changed(stale)

    # --- in the file -----------------------------------------------------------------------------------------

    async def _keep(self, reckoning: Reckoning) -> None:
        values = {FLOOR: reckoning.surely_ms, "agreed_ms": reckoning.agreed_ms}
        with_hq_ms, unsure, is_wiped = self._with_hq_ms, self._hq_unsure, self._is_wiped
        if with_hq_ms is not None:
            values |= {"with_hq_ms": with_hq_ms, "with_hq_unsure": int(unsure)}

        def write(tx: Tx) -> None:
            for key, value in values.items():
                tx.put_meta(key, str(value))
            if not is_wiped:
                tx.drop_meta("wiped_ms")

        await self._store.run(write, GROUP_MS)
        self._kept_hq = with_hq_ms, unsure

    async def _let_go(self, reckoning: Reckoning) -> None:
        gone = await retention.let_go(self._store.run, self._shop().retention, reckoning.surely_ms)
        for table, rows in gone.items():
            if rows:
                self._health.count(f"retention.{table}", rows)
        old = await backlog.let_go_of_old(self._store.run, reckoning.surely_ms, self._clock.now_ms())
        for stream, rows in old.items():
            self._health.count(f"outbox.{stream}_let_go", rows)

    def _mono_ms(self, now_ms: int) -> int:
        """The shop's clock runs on the monotonic one, but for the steps that it was told of."""
        return now_ms - self._steps_ms

    def _hq_ms(self, mono_ms: int) -> int | None:
        """Headquarters' time by now, None = it has not told it for some time."""
        if self._hq_time is None or mono_ms - self._hq_time[1] > HQ_TIME_MS:
            return None
        return self._hq_time[0] + mono_ms - self._hq_time[1]
