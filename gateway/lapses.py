"""What time does to consents: grants that run out, records that waited for their day, the latest time ever shown.

It tells headquarters, once each, of what ran out and of logs that were changed from outside. Lives on the event loop.
"""

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, NamedTuple

from gateway.apply import recognised
from gateway.core.consent import BELIEVED_MS, CLOCK_SLACK_MS
from gateway.core.model import ConsentState, Event
from gateway.health import Health
from gateway.recognition import Recognition
from gateway.records import Tx
from gateway.store import Store
from gateway.tables.consents import SYNCHRONISED
from gateway.tables.parked import WAITS_FOR_TIME
from gateway.touched import Recognised
from gateway.works import Commit

PASS_MS = 30_000  # a pass that finds nothing writes nothing
# What waits for its day or another release is read whole: 10,000 rows are 0.1 s of the writer.
AGAIN_MS = 3_600_000
PAGE = 100  # grants that run out, followed in one commit: 30 ms on x86-64
# The latest time that was shown, written for the SD card's sake no more often than this; a clock that starts below it
# by more than consent.CLOCK_SLACK_MS is in doubt, so writing it much more often would gain nothing.
FLOOR_EVERY_MS = 600_000

PART = "consents"
CLOCK_HELP = "Connect the box to a network with a time server, or set its clock (timedatectl)."
HELP = "Nobody of them is recognised. Headquarters sees who it is (consent.tampered) and sends them anew: hq resend."


class Lapses:
    """`forget` wipes a member from every surface."""

    def __init__(
        self,
        store: Store,
        commit: Commit,
        health: Health,
        begin: Callable[[Coroutine[Any, Any, None]], None],
        forget: Callable[[str], object],
        recognition: Recognition,
    ) -> None:
        self._store = store
        self._commit: Commit = commit
        self._health = health
        self._begin = begin
        self._forget = forget
        self._recognition = recognition
        self._in_doubt = False
        self._due_ms: int | None = None  # None = look now
        self._floor_ms = 0
        self._again_ms = 0
        self._below_ms: int | None = None  # since when a synchronised clock is below the floor
        self._trusted: bool | None = None
        self._busy = False

    def changed(self) -> None:
        """A consent came or went: another one may be the next to end."""
        self._due_ms = None

    def tick(self, now_ms: int, trusted: bool, world: bool) -> None:
        """`trusted`: the clock is synchronised. `world`: it also shows the world's time, not one of a simulation."""
        if trusted is not self._trusted or (world and trusted and now_ms >= self._floor_ms + FLOOR_EVERY_MS):
            self._trusted, self._floor_ms = trusted, now_ms
            self._begin(self._note(now_ms if world and trusted else 0, trusted))
        if not self._busy and (self._due_ms is None or now_ms >= self._due_ms):
            self._busy, self._due_ms = True, now_ms + PASS_MS
            self._begin(self._look(now_ms))

    def clock_stepped(self) -> None:
        """What was due by the former time is looked at by the new one."""
        self._due_ms = None
        self._floor_ms = self._again_ms = 0
        self._below_ms = None

    async def _note(self, shown_ms: int, trusted: bool) -> None:
        """`shown_ms`: the world's time, 0 = nobody knows it."""

        def write(tx: Tx) -> bool:
            tx.put_meta("clock", SYNCHRONISED if trusted else "doubtful")
            below = 0 < shown_ms < tx.floor_ms - CLOCK_SLACK_MS
            if not below:
                tx.show_time(shown_ms)
            elif insists:
                tx.put_meta("floor_ms", str(shown_ms))
            return below and not insists

        insists = self._below_ms is not None and shown_ms - self._below_ms >= BELIEVED_MS
        below = await self._commit(write)
        if insists and not below:
            self._health.count("clock.floor_lowered")
        self._below_ms = (shown_ms if self._below_ms is None else self._below_ms) if below else None

    async def _look(self, now_ms: int) -> None:
        """Read first: a commit that writes nothing would say of a full disk that it takes what it is given."""
        try:
            found = await self._store.run(lambda tx: _find(tx, now_ms), vital=True)
            after: tuple[int, str] | None = None
            while found.lapsed:
                after, over = await self._commit(partial(_lapse, after=after, now_ms=now_ms))
                for member_id in over:
                    self._forget(member_id)
                if after is None:
                    break
            held: dict[str, Recognised] = {}
            again = found.waits and now_ms >= self._again_ms
            if again or found.untold:
                held = await self._commit(lambda tx: _settle(tx, now_ms, again))
                self._again_ms = now_ms + AGAIN_MS if again else self._again_ms
            next_ms = await self._store.run(lambda tx: tx.next_lapse(now_ms), vital=True)
        finally:
            self._busy = False
        for member_id, credentials in held.items():
            self._forget(member_id)
            self._recognition.bound(member_id, credentials)
        if next_ms is not None and self._due_ms is not None:
            self._due_ms = min(self._due_ms, next_ms)
        self._report(found, now_ms)

    def _report(self, found: "_Found", now_ms: int) -> None:
        in_doubt = now_ms < found.floor_ms - CLOCK_SLACK_MS
        if in_doubt is not self._in_doubt:
            self._in_doubt = in_doubt
            self._recognition.read_again()  # of everybody, because the clock came into doubt or out of it
        if found.broken:
            told = f"the consent logs of {found.broken} members were changed from outside"
            self._health.set(PART, "degraded", now_ms, told, HELP, "consents_changed")
        elif in_doubt:
            told = "the clock is behind the latest time that was ever shown, so nobody is recognised"
            self._health.set(PART, "degraded", now_ms, told, CLOCK_HELP, "consents_clock")
        elif any(part.name == PART for part in self._health.parts):
            self._health.set(PART, "ok", now_ms)


class _Found(NamedTuple):
    """`lapsed`, `waits`, `untold`: whether there is anything of the kind; `broken`: how many logs are; `floor_ms`: the
    latest time shown."""

    lapsed: bool
    waits: bool
    untold: bool
    broken: int
    floor_ms: int


def _find(tx: Tx, now_ms: int) -> _Found:
    ahead = int(tx.meta("lapsed_ms") or 0) > now_ms  # written by a clock that was wrong: to be written anew
    next_ms = tx.next_lapse(_since(tx, now_ms))
    return _Found(ahead or (next_ms is not None and next_ms <= now_ms), tx.waits(), tx.untold, tx.broken, tx.floor_ms)


def _since(tx: Tx, now_ms: int) -> int:
    """Up to where it was told what ran out; after a clock that was ahead, the present."""
    return min(int(tx.meta("lapsed_ms") or 0), now_ms)


def _lapse(tx: Tx, after: tuple[int, str] | None, now_ms: int) -> tuple[tuple[int, str] | None, set[str]]:
    """Tell of a page of grants that ran out; where to go on (None = done), and whose they are."""
    read, lapsed = tx.lapsed(*(after or (_since(tx, now_ms) + 1, "")), now_ms, PAGE)
    for record in lapsed:
        body = {"member_id": record.member_id, "purpose": record.purpose, "state": ConsentState.EXPIRED}
        tx.emit(Event("consent.applied", now_ms, body))
        tx.end_purchases(record.member_id, now_ms)
    if read is None:
        tx.put_meta("lapsed_ms", str(now_ms))
    return read, {record.member_id for record in lapsed}


def _settle(tx: Tx, now_ms: int, again: bool) -> dict[str, Recognised]:
    """Tell of broken logs, and try `again` what waited; for whom something counts now."""
    tx.tell_broken(now_ms)
    found = tx.look_again(WAITS_FOR_TIME, now_ms) if again else set()
    return {member_id: recognised(tx, member_id, now_ms) for member_id in found}
