"""Colleagues at tablets: PIN or badge opens one, idleness and much else locks it, and what a shift redeemed there.

Where headquarters sent no colleagues, tablets have no lock. Lives on the event loop; PINs are hashed beside it.
"""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

from gateway.advice import Advice
from gateway.cardoffers import CardOffers
from gateway.checkout import Answer, Asked
from gateway.choices import Lent
from gateway.core.model import Credential, Event, Tap, Text
from gateway.core.redemption import State
from gateway.core.shift import SHIFT_MS, Gate, LockReason, Shifts, Tries
from gateway.core.staff import Colleague, Role, fits
from gateway.life import Stale
from gateway.recognition import Recognition
from gateway.records import Tx
from gateway.situations import said
from gateway.store import Store
from gateway.tilldesk import TillDesk

MARK = "!"  # begins the name by which a badge resolves; no member's id does
AT_ONCE = 2  # hashes of 16 MiB each
MAX_PROVING = 8  # PINs under way; a shop has fewer tablets that are unlocked in the same second
MAX_LINES = 50  # of a shift, newest first; 200 bytes each

# "open": there is no lock. "expired": headquarters was away for too long, so nobody opens one.
Mode = Literal["open", "locked", "expired"]
Result = Literal["ok", "wrong", "wait", "locked", "badge", "gone", "busy", "refused"]


@dataclass(frozen=True, slots=True)
class Person:
    """A colleague as the lock shows them; `gate`: whether their PIN is looked at now, else in `wait_ms`."""

    staff_id: str
    initials: str
    name: str
    role: Role
    gate: Gate
    wait_ms: int
    badge: bool


@dataclass(frozen=True, slots=True)
class LockView:
    """What a locked tablet shows; `badge`: whose was just shown beside it."""

    state: Literal["locked", "expired"]
    colleagues: tuple[Person, ...]
    badge: str | None


@dataclass(frozen=True, slots=True)
class Proven:
    """What became of a PIN: `wait_ms` until the next is looked at. "badge": the badge comes first. "refused": not a
    manager, or nothing to be done. `reason`: of a till's "no"."""

    result: Result
    wait_ms: int = 0
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class ShiftLine:
    """A redemption of this shift; `who`: the colleague's initials, "" where there was none."""

    redemption_id: str
    title: Text
    cents: int
    reversed_cents: int
    state: State
    till: str
    at_ms: int
    who: str
    synced: bool


class Staffing:
    """Holder of no member. `stale`: how old what headquarters sent is; `changed` hears of a tablet whose lock changed,
    None = of all."""

    def __init__(
        self,
        lent: Lent,
        store: Store,
        advice: Advice,
        recognition: Recognition,
        till_desk: TillDesk,
        stale: Callable[[], Stale],
    ) -> None:
        self._clock = lent.clock
        self._health = lent.health
        self._commit = lent.commit
        self._begin = lent.begin
        self._store = store
        self._advice = advice
        self._recognition = recognition
        self._till_desk = till_desk
        self._stale = stale
        self.card_offers = CardOffers(advice, store, till_desk, lent.clock)
        self._has_lock = False
        self._colleagues: dict[str, Colleague] = {}
        self._tries: dict[str, Tries] = {}
        self._shifts = Shifts()
        self._proving = 0
        self._pool = ThreadPoolExecutor(AT_ONCE, "pin")
        self.changed: Callable[[str | None], None] = lambda tablet: None
        advice.colleague = self.colleague

    async def load(self) -> None:
        """Read the colleagues. Whoever is gone, or whose PIN or part is another, is locked out at once."""
        has_lock, rows = await self._store.run(lambda tx: (tx.has_lock, tx.staff()), vital=True)
        before = self._colleagues
        self._has_lock = has_lock
        self._colleagues = {one.staff_id: one for one, _ in rows}
        self._tries = {one.staff_id: tries.resumed(self._clock.now_ms()) for one, tries in rows}
        self._recognition.set_badges({MARK + one.staff_id: _badge(one) for one, _ in rows if one.badge and one.active})
        for tablet in self._shifts.tablets:
            session = self._shifts.at(tablet)
            now = self._active(session.staff_id) if session is not None else None
            if now is None:
                self.lock(tablet, "removed")
            elif _proof(before[now.staff_id]) != _proof(now):
                self.lock(tablet, "revoked")
        self.aged()
        if has_lock or before:
            self.changed(None)

    def aged(self) -> None:
        """What headquarters sent is of another age: when it is too old, every tablet locks."""
        mode = self.mode
        if mode != "locked":
            for tablet in self._shifts.tablets:
                self.lock(tablet, "expired" if mode == "expired" else "removed")
            self.changed(None)

    @property
    def mode(self) -> Mode:
        if not self._has_lock:
            return "open"
        known = any(one.active for one in self._colleagues.values())
        return "locked" if known and self._stale().state not in ("paused", "wiped") else "expired"

    # --- what tablets are told --------------------------------------------------------------------------------

    def is_locked(self, tablet: str) -> bool:
        return self.mode == "expired" or (self.mode == "locked" and self._shifts.at(tablet) is None)

    def colleague(self, tablet: str) -> str:
        """Who works at this tablet, by id; "" = nobody, or there is no lock."""
        session = self._shifts.at(tablet) if self.mode == "locked" else None
        return "" if session is None else session.staff_id

    def person(self, tablet: str) -> Person | None:
        """Who works at this tablet."""
        found = self._active(self.colleague(tablet))
        return None if found is None else self._person(found)

    @property
    def managers(self) -> list[Person]:
        """Who may take back a redemption."""
        found = (one for one in self._colleagues.values() if one.active and one.role == "manager")
        return [self._person(one) for one in sorted(found, key=lambda one: one.name.casefold())]

    def lock_of(self, tablet: str) -> LockView | None:
        """What a locked tablet shows, None for one that is unlocked."""
        if not self.is_locked(tablet):
            return None
        if self.mode == "expired":
            return LockView("expired", (), None)
        shown = sorted((one for one in self._colleagues.values() if one.active), key=lambda one: one.name.casefold())
        return LockView("locked", tuple(map(self._person, shown)), self._shifts.badge(tablet, self._clock.now_ms()))

    # --- opening and locking ----------------------------------------------------------------------------------

    async def unlock(self, tablet: str, staff_id: str, pin: str) -> Proven:
        """A colleague types their PIN. Raises StoreError; then the tablet stays locked."""
        who = self._active(staff_id)
        if self.mode != "locked" or who is None:
            return Proven("gone")
        if who.opens == "both" and self._shifts.badge(tablet, self._clock.now_ms()) != staff_id:
            return Proven("badge")
        proven = await self._prove(tablet, who, pin)
        if proven.result == "ok" and not await self._open(tablet, who, "pin"):
            return Proven("gone")
        return proven

    def lock(self, tablet: str, reason: LockReason) -> bool:
        """Nobody works at this tablet from now on: its card closes and is wiped. False = it was locked."""
        session = self._shifts.lock(tablet)
        if session is None:
            return False
        self._health.count("staff.locked")
        self.changed(tablet)
        self._begin(self._locked(tablet, session.staff_id, reason))
        return True

    def revoked(self, tablet: str) -> None:
        """The tablet itself may ask for nothing any more: whatever card it has is closed."""
        if not self.lock(tablet, "revoked"):
            self._begin(self._advice.leave(tablet, "locked"))

    def active(self, tablet: str) -> bool:
        """Somebody touched this tablet; False if it is locked."""
        return self._shifts.active(tablet, self._clock.now_ms())

    def takes(self, tap: Tap) -> bool:
        """Whether a tap was a colleague's badge: the tablet beside that reader opens, or asks for the PIN."""
        if tap.member_id is None or not tap.member_id.startswith(MARK):
            return False
        self._begin(self.badge(tap))
        return True

    async def badge(self, tap: Tap) -> None:
        """Follow a badge that was shown."""
        name, guard = tap.member_id or "", tap.guard
        if guard is not None and not await self._commit(lambda tx: tx.admit(name, guard)):
            self._health.count("nfc.refused.replayed")
            return
        tablet, who = self._advice.beside(tap.reader), self._active(name.removeprefix(MARK))
        if tablet is None or who is None or self.mode != "locked":
            self._health.count("staff.badge_unused")
            return
        session = self._shifts.at(tablet)
        if session is not None and session.staff_id == who.staff_id:
            self.active(tablet)
        elif who.opens == "badge":
            self.lock(tablet, "other")
            await self._open(tablet, who, "badge")
        elif session is None:
            self._shifts.show_badge(tablet, who.staff_id, self._clock.now_ms())
            self.changed(tablet)

    async def free(self, tablet: str, staff_id: str, manager: str, pin: str) -> Proven:
        """A manager lets a colleague try again who typed too many wrong PINs."""
        who = self._active(staff_id)
        proven = await self._prove_manager(tablet, manager, pin)
        if proven.result != "ok" or who is None:
            return proven if proven.result != "ok" else Proven("gone")
        body: dict[str, object] = {"staff_id": staff_id, "tablet": tablet, "by": manager}
        await self._keep(staff_id, Tries(), Event("staff.freed", self._clock.now_ms(), body))
        self.changed(None)
        return proven

    # --- the shift --------------------------------------------------------------------------------------------

    async def log(self, tablet: str) -> tuple[list[ShiftLine], int]:
        """What was redeemed in this shift at this tablet or by its colleague, newest first, and how many events
        headquarters has not confirmed."""
        since_ms, staff_id = self._clock.now_ms() - SHIFT_MS, self.colleague(tablet)
        initials = {one.staff_id: one.initials for one in self._colleagues.values()}
        return await self._store.run(lambda tx: (_lines(tx, tablet, staff_id, since_ms, initials), tx.waiting()))

    async def void(self, tablet: str, redemption_id: str, manager: str, pin: str, key: str) -> Proven:
        """A manager takes back a redemption of this tablet's shift; `key` as a till's Idempotency-Key."""
        lines, _ = await self.log(tablet)
        line = next((one for one in lines if one.redemption_id == redemption_id), None)
        if line is None:
            return Proven("gone")
        proven = await self._prove_manager(tablet, manager, pin)
        if proven.result != "ok":
            return proven
        asked = Asked("reverse", redemption_id, tablet=tablet, staff_id=manager)
        outcome = await self._till_desk.ask(line.till, key, asked)
        if not isinstance(outcome, Answer):
            return Proven("busy")
        return proven if outcome.result == "reversed" else Proven("refused", reason=outcome.reason)

    # --- as a holder (gateway.core.ports) ---------------------------------------------------------------------

    @property
    def members(self) -> set[str]:
        return set()

    def forget(self, member_id: str) -> int:
        return 0

    def expire(self, now_ms: int) -> None:
        """Lock what nobody has touched for long."""
        for tablet, reason in self._shifts.over(now_ms):
            self.lock(tablet, reason)
        for tablet in self._shifts.expire_badges(now_ms):
            self.changed(tablet)

    def shift(self, delta_ms: int) -> None:
        """Follow a step of the clock."""
        self._shifts.shift(delta_ms)
        self._tries = {who: tries.shifted(delta_ms) for who, tries in self._tries.items()}

    def memory_of(self, member_id: str) -> Mapping[str, object]:
        return {}

    # --- inside -----------------------------------------------------------------------------------------------

    def _active(self, staff_id: str) -> Colleague | None:
        found = self._colleagues.get(staff_id)
        return found if found is not None and found.active else None

    def _person(self, one: Colleague) -> Person:
        gate, wait_ms = self._tries.get(one.staff_id, Tries()).gate(self._clock.now_ms())
        return Person(one.staff_id, one.initials, one.name, one.role, gate, wait_ms, one.opens == "both")

    async def _prove_manager(self, tablet: str, manager: str, pin: str) -> Proven:
        who = self._active(manager)
        if self.mode != "locked" or who is None:
            return Proven("gone")
        return Proven("refused") if who.role != "manager" else await self._prove(tablet, who, pin)

    async def _prove(self, tablet: str, who: Colleague, pin: str) -> Proven:
        """Count the try, then look at it, so that many at once are as many tries."""
        now_ms = self._clock.now_ms()
        tries = self._tries.get(who.staff_id, Tries())
        gate, wait_ms = tries.gate(now_ms)
        if gate != "open":
            return Proven(gate, wait_ms)
        if self._proving >= MAX_PROVING:
            self._health.count("staff.busy")
            return Proven("busy")
        self._proving += 1
        try:
            await self._keep(who.staff_id, tries.taken(now_ms))
            right = await asyncio.get_running_loop().run_in_executor(self._pool, fits, pin, who.pin)
        finally:
            self._proving -= 1
        if right:
            await self._keep(who.staff_id, Tries())
            return Proven("ok")
        self._health.count("staff.wrong_pin")
        now_ms, after = self._clock.now_ms(), self._tries.get(who.staff_id, Tries())
        gate, wait_ms = after.gate(now_ms)
        body: dict[str, object] = {"staff_id": who.staff_id, "tablet": tablet, "wrong": after.wrong, "state": gate}
        await self._commit(lambda tx: tx.emit(Event("staff.refused", now_ms, body)))
        if gate != "open":
            self.changed(None)
        return Proven("wrong" if gate == "open" else gate, wait_ms)

    async def _keep(self, staff_id: str, tries: Tries, event: Event | None = None) -> None:
        self._tries[staff_id] = tries

        def work(tx: Tx) -> None:
            tx.keep_tries(staff_id, tries)
            if event is not None:
                tx.emit(event)

        await self._commit(work)

    async def _open(self, tablet: str, who: Colleague, by: Literal["pin", "badge"]) -> bool:
        """False if headquarters took the colleague away meanwhile."""
        now_ms = self._clock.now_ms()
        body: dict[str, object] = {"staff_id": who.staff_id, "tablet": tablet, "by": by}
        await self._commit(lambda tx: tx.emit(Event("staff.unlocked", now_ms, body)))
        if self.mode != "locked" or self._colleagues.get(who.staff_id) != who:
            return False
        if self.colleague(tablet) not in ("", who.staff_id):
            self.lock(tablet, "other")
        evicted = self._shifts.unlock(tablet, who.staff_id, self._clock.now_ms())
        if evicted is not None:
            self.changed(evicted)
            self._begin(self._locked(evicted, "", "evicted"))
        self._health.count("staff.unlocked")
        self.changed(tablet)
        return True

    async def _locked(self, tablet: str, staff_id: str, reason: LockReason) -> None:
        await self._advice.leave(tablet, "locked")
        now_ms = self._clock.now_ms()
        body: dict[str, object] = {"staff_id": staff_id, "tablet": tablet, "reason": reason}
        await self._commit(lambda tx: tx.emit(Event("staff.locked", now_ms, body)))


def _proof(one: Colleague) -> tuple[object, ...]:
    """What a colleague showed to open a tablet, and what that lets them do."""
    return one.pin, one.badge, one.opens, one.role


def _badge(one: Colleague) -> tuple[tuple[Credential, int, None], ...]:
    assert one.badge is not None
    name = MARK + one.staff_id
    return ((Credential(name, name, one.badge.kind, one.badge.value), 0, None),)


def _lines(tx: Tx, tablet: str, staff_id: str, since_ms: int, initials: Mapping[str, str]) -> list[ShiftLine]:
    found = []
    for act in tx.acts(tablet, staff_id, since_ms, MAX_LINES):
        one = tx.redemption(act.redemption_id)
        if one is None:
            continue
        offer = tx.offer(one.offer_id)
        title: Text = {"de": one.offer_id, "en": one.offer_id} if offer is None else said(tx, offer).title
        who = initials.get(act.staff_id, "")
        stands = one.cents, one.reversed_cents, one.state, one.till
        found.append(ShiftLine(one.redemption_id, title, *stands, act.at_ms, who, act.synced))
    return found
