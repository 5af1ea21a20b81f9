"""Headquarters' commands at the gateway: each once by its id, written down before its effect, answered until heard.

What the kinds do is gateway.remote's; how answers travel, sync.uplink's. Lives on the event loop.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Protocol

from gateway.core.command import Answer, Command, Order, Result, Update
from gateway.errors import StoreError
from gateway.health import Health
from gateway.records import Tx
from gateway.store import Store
from gateway.works import Spawn

log = logging.getLogger("gateway")

# Under way at the same time; an update may take a quarter of an hour, and nothing else waits for it.
MAX_IN_HAND = 8
# Two clocks may differ by minutes and still agree, so an id is known for longer than its command counts.
SLACK_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an order. `then`: what can only follow once the answer is kept and sent, because it ends the line
    or the process."""

    result: Result
    reason: str = ""
    told: dict[str, int | str] = field(default_factory=dict)
    bundle: bytes | None = None
    then: Callable[[], None] | None = None


class Effects(Protocol):
    """Who can do it; `gateway.remote` implements it."""

    async def do(self, order: Order) -> Outcome:
        """Carry out an order. Raises nothing that it is meant to raise."""


class Tell(Protocol):
    """`sync.uplink`: the answer goes up while the line stands, else nothing happens."""

    def __call__(self, answer: Answer, bundle: bytes | None) -> Coroutine[Any, Any, None]: ...


class Commands:
    """`surely_ms`: the latest time that may be trusted; `version`: of this software."""

    def __init__(
        self,
        store: Store,
        effects: Effects,
        tell: Tell,
        spawn: Spawn,
        surely_ms: Callable[[], int],
        health: Health,
        version: str,
    ) -> None:
        self._store = store
        self._effects = effects
        self._tell = tell
        self._spawn = spawn
        self._surely_ms = surely_ms
        self._health = health
        self._version = version
        self._in_hand = 0
        self._hq: tuple[int, float] | None = None  # headquarters' time (ms), and the loop's when it came (s)

    async def start(self) -> None:
        """What the last process began and did not end is never begun again: it failed, unless it was the update that
        brought this version."""
        surely_ms = self._surely_ms()

        def settle(tx: Tx) -> int:
            tx.drop_commands(surely_ms - SLACK_MS)
            open_ones = tx.unfinished_commands()
            for command_id, kind, argument in open_ones:
                if kind == "update" and argument == self._version:
                    tx.finish_command(Answer(command_id, "done", told={"version": self._version}))
                else:
                    tx.finish_command(Answer(command_id, "failed", "interrupted"))
            return len(open_ones)

        count = await self._store.run(settle, vital=True)
        if count:
            self._health.count("commands.interrupted", count)

    def heard(self, at_ms: int | None) -> None:
        """Headquarters tells its time: commands count by it, so it is right for their end, whatever clocks here say."""
        if at_ms is not None:
            self._hq = at_ms, asyncio.get_running_loop().time()

    async def take(self, command: Command) -> None:
        """Begin it, or tell again what became of it. Returns as soon as that is settled; the effect goes on beside."""
        self._health.count("commands.received")
        try:
            known, kept = await self._store.run(
                lambda tx: (tx.knows_command(command.command_id), tx.command_answer(command.command_id)), vital=True
            )
            if known:
                self._health.count("commands.repeated")
                if kept is not None:
                    self._spawn(self._tell(*kept))
                return
            refused = await self._begin(command)
        except StoreError:
            refused = Answer(command.command_id, "failed", "disk")
        if refused is not None:
            self._note(command, refused)
            self._spawn(self._tell(refused, None))

    async def _begin(self, command: Command) -> Answer | None:
        """Why it is not begun; nothing of that is kept, because nothing was done. Raises StoreError."""
        order, surely_ms = command.order, self._surely_ms()
        if isinstance(order, str):
            return Answer(command.command_id, "refused", order)
        if command.until_ms <= max(surely_ms, self._hq_ms()):
            return Answer(command.command_id, "refused", "expired")
        if self._in_hand >= MAX_IN_HAND:
            return Answer(command.command_id, "refused", "busy")
        self._in_hand += 1
        argument = order.version if isinstance(order, Update) else ""

        def begin(tx: Tx) -> bool:
            tx.drop_commands(surely_ms - SLACK_MS)
            return tx.begin_command(command.command_id, command.kind, argument, command.until_ms)

        try:
            begun = await self._store.run(begin, vital=True)
        except BaseException:
            self._in_hand -= 1
            raise
        if not begun:
            self._in_hand -= 1
            return Answer(command.command_id, "refused", "full")
        self._spawn(self._carry_out(command, order))
        return None

    def _hq_ms(self) -> int:
        """What headquarters' clock shows now, by the newest head of this run; 0 = none has told."""
        if self._hq is None:
            return 0
        at_ms, then_s = self._hq
        return at_ms + int((asyncio.get_running_loop().time() - then_s) * 1000)

    async def _carry_out(self, command: Command, order: Order) -> None:
        try:
            outcome = await self._effects.do(order)
        except StoreError:
            outcome = Outcome("failed", "disk")
        except Exception:
            await self._settle(command, Outcome("failed", "error"))
            raise  # our own bug: the supervisor says where
        finally:
            self._in_hand -= 1
        await self._settle(command, outcome)
        if outcome.then is not None:
            outcome.then()

    async def _settle(self, command: Command, outcome: Outcome) -> None:
        answer = Answer(command.command_id, outcome.result, outcome.reason, outcome.told)
        self._note(command, answer)
        await self._store.run(lambda tx: tx.finish_command(answer, outcome.bundle), vital=True)
        await self._tell(answer, outcome.bundle)

    def _note(self, command: Command, answer: Answer) -> None:
        """A line in the log and a count; a kind that nobody knows is counted, and its word not repeated."""
        self._health.count(f"commands.{answer.result}" + (f".{answer.reason}" if answer.reason else ""))
        kind = "a kind that is not known" if answer.reason == "kind" else command.kind
        log.info("headquarters' command (%s): %s%s", kind, answer.result, answer.reason and f", {answer.reason}")
