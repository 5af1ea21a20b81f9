"""Running segments in the shop: what members do in a visit is noted, and who came into a segment or left it is told.

Follows only whoever agreed to it (core.gate.may_follow), in memory alone, and forgets with the visit. What a change is
for headquarters and screens is not decided here (gateway.visits).
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Protocol

from gateway.core.eligible import Value
from gateway.core.gate import may_follow
from gateway.core.ports import Clock
from gateway.core.presence import PresenceChange
from gateway.core.segments import Article, Running
from gateway.core.sensitive import categories
from gateway.decisions import NOTHING, Look
from gateway.errors import StoreError
from gateway.health import Health
from gateway.records import Tx
from gateway.works import Commit

# Members whose changes are committed at once: below what the path has in flight (works.MAX_IN_FLIGHT), so that taps
# stand behind some of them and never behind all. 2,000 members who change in one instant are 63 rounds.
AT_ONCE = 32
# Members who are asked before somebody else gets the loop: 64 segments of one took 0.05 ms here, so 8 ms on a Pi.
IN_A_ROW = 32


class Act(Protocol):
    """Commits what changed for a member, and lets screens follow; False = the member may not be followed."""

    def __call__(self, member_id: str, look: Look) -> Awaitable[bool]: ...


class Segments:
    """All visits that are followed; every method runs on the event loop. A gateway.core.ports.Holder."""

    def __init__(
        self, zones: Iterable[str], clock: Clock, health: Health, commit: Commit, begin: Callable[..., None]
    ) -> None:
        self._running = Running(zones)
        self._clock = clock
        self._health = health
        self._commit = commit
        self._begin = begin
        self._waiting: dict[str, None] = {}  # who is to be asked; at most everybody who is followed
        self._asking = False
        self._act: Act | None = None

    def attach(self, act: Act) -> None:
        """Who follows a change."""
        self._act = act

    async def load(self) -> None:
        """Take over headquarters' segments and what is sensitive in this shop. Raises StoreError."""

        def read(tx: Tx) -> Any:
            return tx.segments(), categories(tx.shop().sensitive)

        self._running.put(*await self._commit(read, vital=True))
        self._waiting |= dict.fromkeys(self._running.members)

    # --- what happens ------------------------------------------------------------------------------------------

    def moved(self, change: PresenceChange, visit_id: str) -> None:
        """A visit began, went on elsewhere, or ended."""
        member_id = change.member_id
        if change.kind == "left":
            self.forget(member_id)
        elif change.kind != "dwelled":
            if self._running.visit_of(member_id) != visit_id and not self._follow(member_id, visit_id):
                return
            self._running.moved(member_id, change.zone, change.at_ms)
            self._waiting[member_id] = None

    def tapped(self, member_id: str, zone: str) -> None:
        """A member's card or phone was read."""
        self._running.tapped(member_id, zone, self._clock.now_ms())
        self._wake(member_id)

    def answered(self, member_id: str, kind: str) -> None:
        """A member answered an offer: "offer.accepted", "offer.declined", or what is neither."""
        if kind in ("offer.accepted", "offer.declined"):
            self._running.answered(member_id, kind == "offer.accepted", self._clock.now_ms())
            self._wake(member_id)

    def basket(self, member_id: str, cents: int, articles: Iterable[tuple[str, int, int]]) -> None:
        """What is in a member's basket now, in place of what was: `cents` to pay for (category, cents, count) each."""
        self._running.basket(member_id, cents, (Article(*one) for one in articles), self._clock.now_ms())
        self._wake(member_id)

    def look(self, member_id: str) -> Look:
        """The visit as it is now. Its changes count from now: they are to be committed, or `taken_back`."""
        now_ms = self._clock.now_ms()
        self._waiting.pop(member_id, None)
        changes = self._running.evaluate(member_id, now_ms)
        visit_id = self._running.visit_of(member_id)
        return NOTHING if visit_id is None else Look(visit_id, self._running.facts(member_id, now_ms), changes)

    def facts(self, member_id: str) -> dict[str, Value]:
        """What a decision may be told of the visit; whether it may use it is for the decision's transaction to say."""
        return self._running.facts(member_id, self._clock.now_ms())

    def taken_back(self, member_id: str, look: Look) -> None:
        """The disk did not take what changed."""
        if self._running.visit_of(member_id) == look.visit_id:
            self._running.take_back(member_id, look.changes, self._clock.now_ms())

    # --- Holder ------------------------------------------------------------------------------------------------

    @property
    def members(self) -> set[str]:
        """Whose visits are followed."""
        return set(self._running.members)

    def forget(self, member_id: str) -> int:
        """Nothing of this member's visit stays; how many visits that were."""
        self._waiting.pop(member_id, None)
        return self._running.forget(member_id)

    def expire(self, now_ms: int) -> None:
        """Ask for whom time changed something, and whom nobody has asked yet."""
        self._waiting |= dict.fromkeys(self._running.due(now_ms))
        self._ask()

    def shift(self, delta_ms: int) -> None:
        """Follow a step of the clock."""
        self._running.shift(delta_ms)

    def memory_of(self, member_id: str) -> dict[str, object]:
        """For the member's own export."""
        if self._running.visit_of(member_id) is None:
            return {"segments": None, "visit": None}
        facts = self._running.facts(member_id, self._clock.now_ms()) | self._running.basket_of(member_id)
        del facts["visit.segments"]
        visit = {name: sorted(value) if isinstance(value, frozenset) else value for name, value in facts.items()}
        return {"segments": list(self._running.segments_of(member_id)) or None, "visit": visit}

    # --- within ------------------------------------------------------------------------------------------------

    def _follow(self, member_id: str, visit_id: str) -> bool:
        """Follow a visit from now on; whether the member agreed is read at once, and until then nothing is told."""
        if not self._running.begin(member_id, visit_id, self._clock.now_ms()):
            self._health.count("segments.full")
            return False
        self._begin(self._admit(member_id, visit_id))
        return True

    async def _admit(self, member_id: str, visit_id: str) -> None:
        """Let go of a visit that may not be followed, or of which that is not known."""
        may = False

        def asked(tx: Tx) -> bool:
            profile = tx.profile(member_id)
            return profile is not None and may_follow(profile, self._clock.now_ms())

        try:
            may = await self._commit(asked)
        finally:
            if not may and self._running.visit_of(member_id) == visit_id:
                self.forget(member_id)

    def _wake(self, member_id: str) -> None:
        if self._running.visit_of(member_id) is not None:
            self._waiting[member_id] = None
            self._ask()

    def _ask(self) -> None:
        """Have everybody who waits asked; one work does it for all."""
        if self._waiting and not self._asking:
            self._asking = True
            self._begin(self._ask_all())

    async def _ask_all(self) -> None:
        try:
            while self._waiting:
                await self._ask_some()
        finally:
            self._asking = False

    async def _ask_some(self) -> None:
        """Ask the next ones, and commit what changed for them."""
        changed: list[tuple[str, Look]] = []
        asked = 0
        while self._waiting and len(changed) < AT_ONCE:
            member_id = next(iter(self._waiting))
            look = self.look(member_id)
            if look.changes:
                changed.append((member_id, look))
            asked += 1
            if asked % IN_A_ROW == 0:
                await asyncio.sleep(0)
        await asyncio.gather(*(self._tell(*one) for one in changed))

    async def _tell(self, member_id: str, look: Look) -> None:
        assert self._act is not None
        try:
            may = await self._act(member_id, look)
        except StoreError:
            self._health.count("segments.not_committed")  # health says why
            self.taken_back(member_id, look)
            return
        if not may and self._running.visit_of(member_id) == look.visit_id:
            self.forget(member_id)
