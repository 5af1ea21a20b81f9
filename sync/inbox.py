"""Down messages become calls: deltas and erasures for the shop, acks for the sender, heads for both, pieces of files
for who asked, commands for the box. Each is believed first (sync.verifying). Counts and drops all else."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from gateway.core.changes import Delta, EraseReceipt, Erasures
from gateway.core.command import Command
from gateway.core.fetching import Piece
from gateway.core.snapshot import Held, ManifestPart
from gateway.errors import PeerError
from gateway.health import Health
from sync import command_messages, erase_messages, event_messages, messages, pieces, snapshot_messages, topics
from sync.event_messages import Ack
from sync.messages import Head, Seen
from sync.topics import Topics
from sync.verifying import TROUBLES, Verifier

log = logging.getLogger(__name__)

# One may be somebody's rubbish; whoever sends the next one as well goes on so, and the line stands still.
UNREAD_TOLD = 2
UNREADABLE = (
    "headquarters sends changes that this version can't read, and nothing that follows them counts here",
    "Update this box, or tell headquarters that its line of changes is spoiled (docs/hq.md). Withdrawals wait as well.",
)


class Followed(Protocol):
    """What became of a message of the erasure stream; `gateway.forgetting` makes it."""

    @property
    def outcome(self) -> str:
        """ "done", or "gap" = an order before it is missing."""

    @property
    def seq(self) -> int:
        """All orders up to this number are done."""

    @property
    def receipts(self) -> Sequence[EraseReceipt]:
        """What each of the message's orders cleared."""


class FlowPort(Protocol):
    """The shop's side; `gateway.flow` implements it."""

    async def on_hq_change(self, delta: Delta) -> str:
        """Apply it whole and commit: "applied"; "gap" = its parent is not our version; "stale" = we have it already.

        Raises PeerError for a delta that cannot be applied, StoreError when the disk refuses.
        """

    async def on_erasures(self, batch: Erasures) -> Followed:
        """Erase these members and commit; once more changes nothing. Raises as above."""

    async def on_head(self, erase_seq: int) -> None:
        """HQ's newest erasure: until it is done here, the shop knows nobody. Raises as above."""


class LinkPort(Protocol):
    """What a down message means for the connection; `sync.uplink` implements it."""

    async def acked(self, ack: Ack) -> None:
        """HQ has committed our events. Raises PeerError for an ack that cannot be ours."""

    async def headed(self, head: Head) -> None:
        """HQ is there and tells its newest version."""

    async def applied(self, version: int) -> None:
        """We work with `version` now: HQ wants to know."""

    async def erased(self, seq: int, receipts: Sequence[EraseReceipt]) -> None:
        """All erasures up to `seq` are done: HQ wants to know, and what these cleared."""

    def ask(self) -> None:
        """A delta is missing: ask HQ for it, at most once a second. Never blocks."""


class CommandPort(Protocol):
    """Who does what headquarters commands; `gateway.commands` implements it."""

    def heard(self, at_ms: int | None) -> None:
        """A head was believed, which tells headquarters' time (ms since 1970), or does not."""

    async def take(self, command: Command) -> None:
        """Begin it, or tell again what became of it; settled on return, whatever the effect takes."""


class SnapshotPort(Protocol):
    """Who takes snapshots of the members; `gateway.snapshots` implements it."""

    async def standing(self) -> tuple[bool, int | None, Held | None]:
        """For `up/req`: whether HQ may send one, the members' version if it is behind, the manifest held whole."""

    async def on_part(self, part: ManifestPart) -> None:
        """Keep a part of a manifest. Raises PeerError for one that is refused, and StoreError."""


class Inbox:
    """One gateway's down topics. Every PeerError ends here, as the counter "hq.dropped.<reason>"."""

    def __init__(
        self,
        place: Topics,
        flow: FlowPort,
        link: LinkPort,
        health: Health,
        take_piece: Callable[[Piece], None] | None = None,
        verifier: Verifier | None = None,
        commands: CommandPort | None = None,
        snapshots: SnapshotPort | None = None,
    ) -> None:
        """`take_piece` None: nothing is ever fetched here. `verifier` None: no signature is looked at. `commands` None:
        nothing is commanded. `snapshots` None: none are taken."""
        self._flow = flow
        self._link = link
        self._health = health
        self._verifier = verifier or Verifier()
        self._unread = 0  # deltas that were dropped one after another
        self._readers: dict[str, Callable[[bytes], Awaitable[None]]] = {
            topics.ERASE: self._erase,
            topics.DELTA: self._delta,
            topics.ACK: self._ack,
            topics.HEAD: self._head,
        }
        self._take_piece = take_piece
        if take_piece is not None:
            self._readers[topics.PIECE] = self._piece
        self._commands = commands
        if commands is not None:
            self._readers[topics.CMD] = self._command
        self._snapshots = snapshots
        if snapshots is not None:
            self._readers[topics.SNAP] = self._snapshot
        if self._verifier.checks:
            self._readers[topics.KEYS] = self._keys
        self._leaves = {place.down(leaf): leaf for leaf in self._readers}

    @property
    def subscriptions(self) -> tuple[str, ...]:
        """The exact topics that it reads, and nothing else."""
        return tuple(self._leaves)

    @property
    def trouble(self) -> tuple[str, str] | None:
        """Why what headquarters sends is not believed or can't be read, and what helps; None = it is."""
        if self._verifier.trouble is not None:
            return TROUBLES[self._verifier.trouble]
        return UNREADABLE if self._unread >= UNREAD_TOLD else None

    def caught_up(self) -> None:
        """We have all that headquarters has: what was dropped was no part of it."""
        self._unread = 0

    async def seen(self) -> Seen | None:
        """How far headquarters' heads had come, where that is kept."""
        return await self._verifier.seen()

    async def handle(self, topic: str, payload: bytes) -> None:
        """One message, applied and committed on return. Raises what is not the peer's fault (store, connection)."""
        try:
            leaf = self._leaves.get(topic)
            if leaf is None:
                raise PeerError("topic")
            log.debug("down/%s, %d bytes", leaf, len(payload))
            body = payload if leaf == topics.KEYS else await self._verifier.open(topic, leaf, payload)
            await self._readers[leaf](body)
        except PeerError as error:
            self._health.count(f"hq.dropped.{error.reason}")  # a fixed word of ours, never text of theirs
            if error.reason in ("signer", "head_rollback"):
                self._link.ask()  # with the answer headquarters shows its keys, and goes on above what was seen here

    async def _keys(self, payload: bytes) -> None:
        news, refused = await self._verifier.learn(payload)
        for reason in refused:
            self._health.count(f"hq.dropped.{reason}")
        if news:
            self._health.count("hq.keys", news)
            self._link.ask()  # what came before them was dropped

    async def _delta(self, payload: bytes) -> None:
        try:
            delta = messages.parse_delta(payload)
            outcome = await self._flow.on_hq_change(delta)
        except PeerError:
            self._unread += 1
            raise
        match outcome:
            case "applied":
                self._unread = 0
                self._health.count("hq.deltas")
                await self._link.applied(delta.version)
            case "gap":
                self._health.count("hq.gaps")
                self._link.ask()
            case "stale":
                self._health.count("hq.stale")

    async def _erase(self, payload: bytes) -> None:
        done = await self._flow.on_erasures(erase_messages.parse_erase(payload))
        self._health.count("hq.erasures")
        if done.outcome == "gap":
            self._health.count("hq.erase_gaps")
            self._link.ask()
        else:
            await self._link.erased(done.seq, done.receipts)

    async def _ack(self, payload: bytes) -> None:
        await self._link.acked(event_messages.parse_ack(payload))

    async def _head(self, payload: bytes) -> None:
        head = messages.parse_head(payload)
        await self._verifier.follow(head)
        if self._commands is not None:
            self._commands.heard(head.at_ms)
        await self._flow.on_head(head.erase_seq)
        await self._link.headed(head)

    async def _piece(self, payload: bytes) -> None:
        assert self._take_piece is not None
        self._take_piece(pieces.parse_piece(payload))

    async def _snapshot(self, payload: bytes) -> None:
        assert self._snapshots is not None
        await self._snapshots.on_part(snapshot_messages.parse_snapshot(payload))

    async def _command(self, payload: bytes) -> None:
        assert self._commands is not None
        await self._commands.take(command_messages.parse_cmd(payload))
