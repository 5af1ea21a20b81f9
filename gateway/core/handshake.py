"""The digital handshake: a member asks, one colleague accepts, the card opens, and closes by itself. Pure."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from gateway.core.model import Proof, QueueEntry

# A queue longer than this is no queue any more; the oldest request has timed out long before.
MAX_WAITING = 50


@dataclass(frozen=True, slots=True)
class Handshake:
    """`tablet` is set once a colleague accepted; `expires_at_ms` ends the waiting or the card; `proof` of the tap;
    `staff_id` of the colleague who accepted, "" where tablets have no lock."""

    handshake_id: str
    member_id: str
    label: str
    zone: str
    via: Literal["tap", "screen"]
    asked_at_ms: int
    expires_at_ms: int
    tablet: str | None = None
    proof: Proof = Proof.BEARER
    staff_id: str = ""

    @property
    def state(self) -> Literal["asked", "open"]:
        return "asked" if self.tablet is None else "open"


class Handshakes:
    """Every handshake that is asked or open; at most one per member."""

    def __init__(self) -> None:
        self._all: dict[str, Handshake] = {}

    def ask(self, handshake: Handshake) -> bool:
        """Queue a request; False if this member already waits or is served, or the queue is full."""
        if len(self._all) >= MAX_WAITING or self.has(handshake.member_id):
            return False
        self._all[handshake.handshake_id] = handshake
        return True

    def has(self, member_id: str) -> bool:
        """Whether this member waits or is served."""
        return self.of(member_id) is not None

    def of(self, member_id: str) -> Handshake | None:
        """The handshake of this member, who has one at most."""
        return next((handshake for handshake in self._all.values() if handshake.member_id == member_id), None)

    def is_busy(self, tablet: str) -> bool:
        """Whether a card is open on this tablet."""
        return self.at(tablet) is not None

    def at(self, tablet: str) -> Handshake | None:
        """What is open on this tablet."""
        return next((handshake for handshake in self._all.values() if handshake.tablet == tablet), None)

    def get(self, handshake_id: str) -> Handshake | None:
        """The handshake, or None once it is over."""
        return self._all.get(handshake_id)

    def accept(
        self, handshake_id: str, tablet: str, until_ms: int, staff_id: str = ""
    ) -> Literal["open", "taken", "gone"]:
        """Exactly one tablet gets "open"; asking again from the same tablet is "open" too."""
        handshake = self._all.get(handshake_id)
        if handshake is None:
            return "gone"
        if handshake.tablet is not None:
            return "open" if handshake.tablet == tablet else "taken"
        self._all[handshake_id] = replace(handshake, tablet=tablet, expires_at_ms=until_ms, staff_id=staff_id)
        return "open"

    def close(self, handshake_id: str, tablet: str | None = None) -> Handshake | None:
        """End it; with `tablet` only if that tablet holds it. None if there was nothing to end."""
        handshake = self._all.get(handshake_id)
        if handshake is None or (tablet is not None and handshake.tablet != tablet):
            return None
        return self._all.pop(handshake_id)

    @property
    def members(self) -> set[str]:
        """Everybody who asks or whose card is open."""
        return {handshake.member_id for handshake in self._all.values()}

    def forget(self, member_id: str) -> list[Handshake]:
        """End all of a member's handshakes and return them."""
        return self._take(lambda handshake: handshake.member_id == member_id)

    def leave(self, tablet: str) -> list[Handshake]:
        """End everything that is open on this tablet, and return it."""
        return self._take(lambda handshake: handshake.tablet == tablet)

    def expire(self, now_ms: int) -> list[Handshake]:
        """End what waited or stood open too long, and return it."""
        return self._take(lambda handshake: now_ms >= handshake.expires_at_ms)

    def shift(self, delta_ms: int) -> None:
        """Follow a step of the clock."""
        self._all = {
            key: replace(h, asked_at_ms=h.asked_at_ms + delta_ms, expires_at_ms=h.expires_at_ms + delta_ms)
            for key, h in self._all.items()
        }

    def entries(self) -> tuple[QueueEntry, ...]:
        """The queue as tablets see it, oldest first."""
        ordered = sorted(self._all.values(), key=lambda h: (h.asked_at_ms, h.handshake_id))
        return tuple(
            QueueEntry(h.handshake_id, h.label, h.zone, h.via, h.asked_at_ms, h.state, h.tablet) for h in ordered
        )

    def _take(self, goes: Callable[[Handshake], bool]) -> list[Handshake]:
        gone = [handshake for handshake in self._all.values() if goes(handshake)]
        for handshake in gone:
            del self._all[handshake.handshake_id]
        return gone
