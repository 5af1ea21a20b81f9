"""Who works at which tablet: unlocked until idle, locked or gone; and how often a PIN may be guessed. Pure."""

from dataclasses import dataclass, replace
from typing import Literal

IDLE_MS = 120_000  # nobody touched it: whoever comes next must not find a card open
BADGE_MS = 20_000  # between the badge and the PIN of those who need both
SHIFT_MS = 12 * 3_600_000  # longer than anybody works; > IDLE_MS, so a busy tablet locks once a day at least
# Tablets of one shop that a colleague is at; each is authorised by the manager. The oldest is locked for a new one.
MAX_TABLETS = 64

# A colleague mistypes twice. 5 of a million PINs, then ever longer waits: whoever tries for a day has some 30 tries.
FREE_TRIES = 5
FIRST_WAIT_MS = 30_000  # doubles with each further wrong one: 30 s, 1, 2, 4 and 8 minutes
MAX_TRIES = 10  # then only a manager opens it, or an hour
LOCKED_MS = 3_600_000

LockReason = Literal["idle", "hidden", "button", "revoked", "removed", "shift", "expired", "handed", "evicted", "other"]
Gate = Literal["open", "wait", "locked"]


@dataclass(frozen=True, slots=True)
class Tries:
    """Wrong PINs of one colleague in a row, and until when (ms) no further one is looked at."""

    wrong: int = 0
    until_ms: int = 0

    def gate(self, now_ms: int) -> tuple[Gate, int]:
        """Whether a PIN is looked at now, and how long until it is (ms)."""
        left_ms = min(self.until_ms - now_ms, wait_ms(self.wrong))  # a clock set back keeps nobody out for longer
        if left_ms <= 0:
            return "open", 0
        return ("locked" if self.wrong >= MAX_TRIES else "wait"), left_ms

    def resumed(self, now_ms: int) -> "Tries":
        """The same after a start, by a clock that may have been set back meanwhile."""
        return replace(self, until_ms=min(self.until_ms, now_ms + wait_ms(self.wrong)))

    def shifted(self, delta_ms: int) -> "Tries":
        """The same after a step of the clock."""
        return replace(self, until_ms=self.until_ms + delta_ms if self.until_ms else 0)

    def taken(self, now_ms: int) -> "Tries":
        """One try more, counted before it is looked at, so that guesses in parallel count each."""
        wrong = min(self.wrong + 1, MAX_TRIES)
        return Tries(wrong, now_ms + wait_ms(wrong) if wait_ms(wrong) else 0)


def wait_ms(wrong: int) -> int:
    """How long nothing is looked at after so many wrong PINs in a row."""
    if wrong < FREE_TRIES:
        return 0
    return LOCKED_MS if wrong >= MAX_TRIES else FIRST_WAIT_MS * 2 ** (wrong - FREE_TRIES)


@dataclass(frozen=True, slots=True)
class Session:
    """A colleague at a tablet."""

    staff_id: str
    since_ms: int
    active_ms: int


class Shifts:
    """Every unlocked tablet, and the badges that were just shown beside one."""

    def __init__(self) -> None:
        self._at: dict[str, Session] = {}
        self._badges: dict[str, tuple[str, int]] = {}  # tablet -> whose badge, when; at most MAX_TABLETS

    def at(self, tablet: str) -> Session | None:
        """Who works at this tablet; None = it is locked."""
        return self._at.get(tablet)

    def unlock(self, tablet: str, staff_id: str, now_ms: int) -> str | None:
        """From now on this colleague works here; the tablet that had to be locked for it, if any."""
        self._badges.pop(tablet, None)
        self._at.pop(tablet, None)
        evicted = next(iter(self._at)) if len(self._at) >= MAX_TABLETS else None
        if evicted is not None:
            del self._at[evicted]
        self._at[tablet] = Session(staff_id, now_ms, now_ms)
        return evicted

    def lock(self, tablet: str) -> Session | None:
        """Who worked here until now; None = it was locked."""
        self._badges.pop(tablet, None)
        return self._at.pop(tablet, None)

    def active(self, tablet: str, now_ms: int) -> bool:
        """Somebody touched it; False if it is locked."""
        session = self._at.get(tablet)
        if session is None:
            return False
        self._at[tablet] = replace(session, active_ms=max(now_ms, session.active_ms))
        return True

    def over(self, now_ms: int) -> list[tuple[str, LockReason]]:
        """Tablets whose time is over, still unlocked: "idle", or "shift" after a whole one."""
        found: list[tuple[str, LockReason]] = []
        for tablet, session in self._at.items():
            if now_ms - session.active_ms >= IDLE_MS:
                found.append((tablet, "idle"))
            elif now_ms - session.since_ms >= SHIFT_MS:
                found.append((tablet, "shift"))
        return found

    def tablets_of(self, staff_id: str) -> list[str]:
        """Where this colleague works."""
        return [tablet for tablet, session in self._at.items() if session.staff_id == staff_id]

    @property
    def tablets(self) -> list[str]:
        """Every unlocked one."""
        return list(self._at)

    def show_badge(self, tablet: str, staff_id: str, now_ms: int) -> None:
        """A badge was shown at the reader beside this tablet."""
        self._badges.pop(tablet, None)
        if len(self._badges) >= MAX_TABLETS:
            del self._badges[next(iter(self._badges))]
        self._badges[tablet] = staff_id, now_ms

    def badge(self, tablet: str, now_ms: int) -> str | None:
        """Whose badge was shown here a moment ago."""
        staff_id, at_ms = self._badges.get(tablet, ("", 0))
        return staff_id if staff_id and 0 <= now_ms - at_ms < BADGE_MS else None

    def expire_badges(self, now_ms: int) -> list[str]:
        """Let go of badges that count no more; the tablets beside which they were shown."""
        gone = [tablet for tablet in self._badges if self.badge(tablet, now_ms) is None]
        for tablet in gone:
            del self._badges[tablet]
        return gone

    def shift(self, delta_ms: int) -> None:
        """Follow a step of the clock."""
        self._at = {
            tablet: replace(one, since_ms=one.since_ms + delta_ms, active_ms=one.active_ms + delta_ms)
            for tablet, one in self._at.items()
        }
        self._badges = {tablet: (who, at_ms + delta_ms) for tablet, (who, at_ms) in self._badges.items()}
