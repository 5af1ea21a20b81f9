"""Members who just came in and agreed to be greeted: what every tablet sees of them for a moment. Pure.

An arrival is no request: nobody accepts it, and no card opens by it.
"""

from dataclasses import dataclass, replace

from gateway.core.model import QueueEntry

GREET_MS = 120_000  # whoever has not been greeted by then is among the shelves, and looking for them would be odd
# A tablet shows some ten rows. Of more people at once nobody greets the first; the oldest give way.
MAX_ARRIVED = 20
# A beacon that was silent for a while comes in once more; nobody wants to be greeted again because of it.
AGAIN_MS = 3_600_000
# Who was greeted in the last hour, about 200 bytes each: 200 kB. Of more the earliest may be greeted again.
MAX_GREETED = 1_000


@dataclass(frozen=True, slots=True)
class Arrived:
    """`label`: the call name; `usual`: what they usually take, as far as they agreed to that too."""

    arrival_id: str
    member_id: str
    label: str
    usual: tuple[str, ...]
    zone: str
    at_ms: int
    usual_offered: bool = False

    @property
    def expires_at_ms(self) -> int:
        return self.at_ms + GREET_MS


class Arrivals:
    """Everybody who is announced now; one entry per member."""

    def __init__(self) -> None:
        self._all: dict[str, Arrived] = {}
        self._greeted: dict[str, int] = {}  # member -> when, the earliest first

    def is_due(self, member_id: str, now_ms: int) -> bool:
        """Whether a member who comes in now was not announced a moment ago."""
        return now_ms - self._greeted.get(member_id, now_ms - AGAIN_MS) >= AGAIN_MS

    def add(self, arrived: Arrived) -> None:
        """Announce; an earlier entry of the same member goes."""
        self._greeted.pop(arrived.member_id, None)
        while len(self._greeted) >= MAX_GREETED:
            del self._greeted[next(iter(self._greeted))]
        self._greeted[arrived.member_id] = arrived.at_ms
        self._all.pop(arrived.member_id, None)
        while len(self._all) >= MAX_ARRIVED:
            del self._all[next(iter(self._all))]
        self._all[arrived.member_id] = arrived

    def get(self, arrival_id: str) -> Arrived | None:
        """An announcement that stands."""
        return next((one for one in self._all.values() if one.arrival_id == arrival_id), None)

    def offered(self, arrival_id: str) -> None:
        """A colleague offered this member the usual."""
        one = self.get(arrival_id)
        if one is not None:
            self._all[one.member_id] = replace(one, usual_offered=True)

    def end(self, member_id: str) -> bool:
        """End a member's announcement: they left, or were greeted by asking; False if there was none."""
        return self._all.pop(member_id, None) is not None

    def announced(self, member_id: str) -> tuple[bool, int | None]:
        """Whether tablets show this member now, and when they were announced last (ms); None = not that we know."""
        return member_id in self._all, self._greeted.get(member_id)

    @property
    def members(self) -> set[str]:
        """Everybody who is announced, or was a moment ago."""
        return self._all.keys() | self._greeted.keys()

    def forget(self, member_id: str) -> bool:
        """The same, and that there was one."""
        self._greeted.pop(member_id, None)
        return self.end(member_id)

    def expire(self, now_ms: int) -> bool:
        """End what is over; whether any announcement was."""
        before = len(self._all)
        self._all = {key: one for key, one in self._all.items() if now_ms < one.expires_at_ms}
        self._greeted = {key: at_ms for key, at_ms in self._greeted.items() if now_ms - at_ms < AGAIN_MS}
        return len(self._all) < before

    def shift(self, delta_ms: int) -> None:
        """Follow a step of the clock."""
        self._greeted = {key: at_ms + delta_ms for key, at_ms in self._greeted.items()}
        self._all = {key: replace(one, at_ms=one.at_ms + delta_ms) for key, one in self._all.items()}

    def entries(self) -> tuple[QueueEntry, ...]:
        """What tablets see, the latest first."""
        ordered = sorted(self._all.values(), key=lambda one: (-one.at_ms, one.arrival_id))
        return tuple(
            QueueEntry(
                one.arrival_id, one.label, one.zone, "door", one.at_ms, "arrived", None, 0, one.usual, one.usual_offered
            )
            for one in ordered
        )
