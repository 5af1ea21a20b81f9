"""Keeps the resolver in step with what is stored: reads it in parts, follows changes, keeps what devices teach."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any

from gateway.apply import recognised_after
from gateway.core import notice as notices
from gateway.core.identity import Resolver
from gateway.core.model import Notice
from gateway.core.ports import Clock
from gateway.core.roster import Learned
from gateway.errors import StoreError
from gateway.health import Health, State
from gateway.records import Tx
from gateway.store import GROUP_MS, Store
from gateway.touched import Recognised

# Members read and put in at once: 1 ms of the event loop on x86-64, 5 ms on a Pi 4. A million take about a minute.
PAGE = 50
AGAIN_S = 1.0  # between two tries to read from a disk that refuses
READ_HELP = "Free space on the data disk or replace the card. Some members are not recognised meanwhile."
NOTICE_HELP = "At headquarters: store-gateway hq push-config with a whole notice (docs/mqtt.md)."
BEHIND = "headquarters erased members whom this shop has not been told of; nobody is recognised until it is"
BEHIND_HELP = "Nothing to do here while the line to headquarters is up. Check the network if it stays so."

Begin = Callable[[Coroutine[Any, Any, None]], None]


class Recognition:
    """Who may be recognised is decided in `gateway.apply`; this brings it into memory. Lives on the event loop."""

    def __init__(self, store: Store, resolver: Resolver, clock: Clock, health: Health, begin: Begin) -> None:
        self._store = store
        self._resolver = resolver
        self._clock = clock
        self._health = health
        self._begin = begin
        self._allowed = False  # there is a whole privacy notice
        self._denied: set[str] = set()  # withdrew while the disk could not take it; obeyed until it does
        self._readings = 0
        self._unread = True  # they could not be read the last time, or not yet
        self._held = False  # not caught up with HQ's erasures
        self._badges: dict[str, Recognised] = {}  # of colleagues, who are no members; at most staff.MAX_COLLEAGUES

    @property
    def held(self) -> bool:
        """Whether nobody may be known now, because some of them may have been erased."""
        return self._held

    def hold(self, held: bool) -> None:
        """Know nobody while `held`. What is in memory stays there, so that all are known again at once."""
        if held != self._held:
            self._held = held
            state: State = "degraded" if held else "ok"
            texts = (BEHIND, BEHIND_HELP) if held else ("", "")
            self._health.set("erasures", state, self._clock.now_ms(), *texts)

    def erased(self, member_id: str) -> None:
        """This member's erasure is committed: nothing in memory says who it was."""
        self._resolver.drop_member(member_id)
        self._denied.discard(member_id)

    def allow(self, notice: Notice | None, *, serves: bool = True) -> None:
        """With a whole privacy notice everybody who agreed is read in; without one nobody is recognised from now on.

        Nor while the shop does not serve members by name, because headquarters was away for too long.
        """
        missing = notices.missing(notice)
        allowed = serves and not missing
        if not missing:
            self._health.set("notice", "ok", self._clock.now_ms())
        else:
            found = f"nobody is recognised: the privacy notice has no {', '.join(missing)}"
            self._health.set("notice", "degraded", self._clock.now_ms(), found, NOTICE_HELP)
        if not allowed:
            self._readings += 1
            self._resolver.clear()
            self._put_badges()
        elif not self._allowed:
            self._begin(self._read())
        self._allowed = allowed

    def set_badges(self, badges: Mapping[str, Recognised]) -> None:
        """Colleagues' badges, by a name that no member can have, in place of those before. They need no notice."""
        for gone in self._badges.keys() - badges.keys():
            self._resolver.drop_member(gone)
        self._badges = dict(badges)
        self._put_badges()

    def follow(self, changed: Mapping[str, Recognised]) -> None:
        """These members may be recognised by these credentials from now on, and by no other."""
        self._denied -= changed.keys()
        self._set(changed)

    def bound(self, member_id: str, credentials: Recognised) -> None:
        """A card or phone was bound to this member here; a withdrawal that the disk could not take still holds."""
        if member_id not in self._denied:
            self._set({member_id: credentials})

    def forget(self, member_id: str) -> None:
        """Recognise this member no more, whatever the disk says, until a change is committed."""
        self._denied.add(member_id)
        self._resolver.drop_member(member_id)

    def denies(self, member_id: str) -> bool:
        """Whether what the disk says of this member does not count: they withdrew and it could not take that, or some
        erasure may not have come here yet."""
        return self._held or member_id in self._denied

    @property
    def is_behind(self) -> bool:
        """Whether windows wait to be opened: call `turn` again soon."""
        due_ms = self._resolver.next_deadline()
        return due_ms is not None and due_ms <= self._clock.now_ms()

    def turn(self) -> None:
        """Open some of the windows that wait."""
        self._resolver.advance(self._clock.now_ms())

    def tick(self, now_ms: int, trusted: bool) -> None:
        """Open and close windows; `trusted`: the time comes from a synchronised clock."""
        self._resolver.trusted = trusted
        self._resolver.advance(now_ms)
        for name, count in self._resolver.counts.items():
            self._health.count(name, count)
        self._resolver.counts.clear()
        learned, self._resolver.learned = self._resolver.learned, []
        if learned:
            self._begin(self._keep(learned))

    def clock_stepped(self, delta_ms: int) -> None:
        """Follow a step of the clock, and read again what a wrong clock took for the past or the future."""
        self._resolver.clock_stepped(delta_ms, self._clock.now_ms())
        self.read_again()

    def read_again(self) -> None:
        """What consents allow has changed for everybody."""
        if self._allowed:
            self._begin(self._read())

    async def _read(self) -> None:
        """Everybody in the store, a page at a time. A page is put in before anything later can be committed."""
        self._readings += 1
        reading = self._readings
        self._resolver.begin_reading()
        self._put_badges()
        after = ""
        while True:
            page = await self._page(after, reading)
            if self._readings != reading:
                return  # another reading began, or the notice is gone
            if not page:
                break
            self._set({member_id: held for member_id, held in page.items() if member_id not in self._denied})
            after = max(page)
        at: int | None = 0
        while at is not None and self._readings == reading:
            at = self._resolver.end_reading(at)
            await asyncio.sleep(0)

    async def _page(self, after: str, reading: int) -> dict[str, Recognised]:
        """The next members; asks until the store answers, because without them nobody is known."""
        while True:
            read = partial(recognised_after, member_id=after, limit=PAGE, now_ms=self._clock.now_ms())
            try:
                page = await self._store.run(read, vital=True)
            except StoreError as error:
                if self._readings != reading:
                    return {}
                self._unread = True
                self._health.set("members", "degraded", self._clock.now_ms(), f"cannot be read: {error}", READ_HELP)
                await asyncio.sleep(AGAIN_S)
            else:
                if self._unread:  # else the part may have other troubles, see gateway.resealing
                    self._unread = False
                    self._health.set("members", "ok", self._clock.now_ms())
                return page

    def _set(self, members: Mapping[str, Recognised]) -> None:
        now_ms = self._clock.now_ms()
        for member_id, credentials in members.items():
            self._resolver.set_member(member_id, credentials if self._allowed else (), now_ms)

    def _put_badges(self) -> None:
        now_ms = self._clock.now_ms()
        for name, credentials in self._badges.items():
            self._resolver.set_member(name, credentials, now_ms)

    async def _keep(self, learned: list[Learned]) -> None:
        def write(tx: Tx) -> None:
            for one in learned:
                tx.keep_offset(one.member_id, one.secret, one.offset_s)

        await self._store.run(write, GROUP_MS)
