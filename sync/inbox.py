"""Down messages become calls: a delta for the shop, an ack and a head for the sender. Counts and drops all else."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from gateway.core.changes import Delta
from gateway.errors import PeerError
from gateway.health import Health
from sync import messages, topics
from sync.messages import Ack, Head
from sync.topics import Topics


class FlowPort(Protocol):
    """The shop's side; `gateway.flow` implements it."""

    async def on_hq_change(self, delta: Delta) -> str:
        """Apply it whole and commit: "applied"; "gap" = its parent is not our version; "stale" = we have it already.

        Raises PeerError for a delta that cannot be applied, StoreError when the disk refuses.
        """


class LinkPort(Protocol):
    """What a down message means for the connection; `sync.uplink` implements it."""

    async def acked(self, ack: Ack) -> None:
        """HQ has committed our events. Raises PeerError for an ack that cannot be ours."""

    async def headed(self, head: Head) -> None:
        """HQ is there and tells its newest version."""

    async def applied(self, version: int) -> None:
        """We work with `version` now: HQ wants to know."""

    def ask(self) -> None:
        """A delta is missing: ask HQ for it, at most once a second. Never blocks."""


class Inbox:
    """One gateway's down topics. Every PeerError ends here, as the counter "hq.dropped.<reason>"."""

    def __init__(self, place: Topics, flow: FlowPort, link: LinkPort, health: Health) -> None:
        self._flow = flow
        self._link = link
        self._health = health
        self._readers: dict[str, Callable[[bytes], Awaitable[None]]] = {
            place.down(topics.DELTA): self._delta,
            place.down(topics.ACK): self._ack,
            place.down(topics.HEAD): self._head,
        }

    @property
    def subscriptions(self) -> tuple[str, ...]:
        """The exact topics that it reads, and nothing else."""
        return tuple(self._readers)

    async def handle(self, topic: str, payload: bytes) -> None:
        """One message, applied and committed on return. Raises what is not the peer's fault (store, connection)."""
        try:
            reader = self._readers.get(topic)
            if reader is None:
                raise PeerError("topic")
            await reader(payload)
        except PeerError as error:
            self._health.count(f"hq.dropped.{error.reason}")  # a fixed word of ours, never text of theirs

    async def _delta(self, payload: bytes) -> None:
        delta = messages.parse_delta(payload)
        match await self._flow.on_hq_change(delta):
            case "applied":
                self._health.count("hq.deltas")
                await self._link.applied(delta.version)
            case "gap":
                self._health.count("hq.gaps")
                self._link.ask()
            case "stale":
                self._health.count("hq.stale")

    async def _ack(self, payload: bytes) -> None:
        await self._link.acked(messages.parse_ack(payload))

    async def _head(self, payload: bytes) -> None:
        await self._link.headed(messages.parse_head(payload))
