"""What the path needs from the world around it, as protocols; `gateway.app` passes the real ones in."""

from collections.abc import Mapping
from typing import Protocol

from gateway.core.model import QueueEntry, ScreenContent, Sighting, StaffCard, Tap


class Clock(Protocol):
    """The shop's time. Only gateway.app reads a real clock; a simulated shop may run faster."""

    @property
    def speed(self) -> float: ...

    def now_ms(self) -> int:
        """Milliseconds since 1970-01-01 UTC, never running backwards between two steps that app announces."""

    async def sleep(self, ms: float) -> None:
        """Wait `ms` of shop time."""


class Surfaces(Protocol):
    """Where content goes after the commit. Never blocks, never raises."""

    def show(self, screen: str, content: ScreenContent) -> None: ...

    def queue(self, entries: tuple[QueueEntry, ...]) -> None:
        """The whole list of requests for advice, for all tablets."""

    def open_card(self, tablet: str, card: StaffCard) -> None: ...

    def close_card(self, tablet: str, handshake_id: str, reason: str) -> None: ...

    def till(self, till: str) -> None:
        """What the page of this till shows has changed; it asks what it is (gateway.tilldesk)."""

    def sees(self, tablet: str) -> bool:
        """Whether this tablet is switched on, in a colleague's hands, and shows what it is sent."""

    def lock(self, tablet: str, locked: bool) -> None:
        """While a tablet is in a customer's hands it shows nothing of the queue and no card."""

    def shift(self, delta_ms: int) -> None:
        """Follow a step of the clock: what has a deadline keeps the time it had left."""


class Holder(Protocol):
    """A part of the path that knows members while they are here: in memory, for a while, and wiped when told to."""

    @property
    def members(self) -> set[str]:
        """Everybody it knows."""

    def forget(self, member_id: str) -> int:
        """Nothing of this member stays; how many places that were."""

    def expire(self, now_ms: int) -> None:
        """Let go of what is over."""

    def shift(self, delta_ms: int) -> None:
        """Follow a step of the clock."""

    def memory_of(self, member_id: str) -> Mapping[str, object]:
        """What it knows of a member, by fields of their export (export.MEMORY); None for nothing."""


class Sink(Protocol):
    """Where the ears deliver what resolved. Called on the event loop; never blocks."""

    def sighted(self, sighting: Sighting) -> None: ...

    def anchored(self, anchor: str, receiver: str, rssi_dbm: int, at_ms: int) -> None:
        """One of the shop's own fixed beacons was heard."""

    def tapped(self, tap: Tap) -> None: ...

    def awaits(self, reader: str) -> bool:
        """Whether somebody typed a one-time code there and now shows the card or phone to be bound."""
