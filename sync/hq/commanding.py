"""Commands on their way: an operator orders one, and it is sent until it is answered or over. Knows no SQL."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextlib import closing

from gateway.core.command import ALONE, EAR, MAX_LIFE_MS, SERVICE, Restart, can_restart
from gateway.errors import ConfigError, PeerError
from gateway.health import Health
from sync import command_messages, topics
from sync.hq.file import Db, Row
from sync.hq.ledger import Ledger
from sync.topics import Topics

# How often the server looks for what an operator ordered in another process: one indexed read of 20 us.
LOOK_S = 0.5
# An answer takes a commit and a flush at the gateway, a bundle some seconds on a Pi; an update a quarter of an hour.
AGAIN_MS = 30_000

ALL = "all"

Publish = Callable[[Topics, bytes, int], Awaitable[None]]  # to whom, what, and how long it counts (ms)


class Commander:
    """What is kept in mind of one connection: which commands were sent on it, and when."""

    def __init__(self, ledger: Ledger, health: Health, now_ms: Callable[[], int]) -> None:
        self._ledger = ledger
        self._health = health
        self._now_ms = now_ms
        self._sent: dict[str, tuple[Topics, int]] = {}  # of commands that wait: commands.MAX_WAITING for each gateway

    async def run(self, publish: Publish) -> None:
        """Send what is due, for ever."""
        while True:
            now_ms = self._now_ms()
            due = await asyncio.to_thread(self._ledger.due_commands, now_ms)
            waiting = {row["command_id"] for row in due}
            self._sent = {one: sent for one, sent in self._sent.items() if one in waiting}
            for row in due:
                await self._send(row, publish, now_ms)
            await asyncio.sleep(LOOK_S)

    def came(self, where: Topics) -> None:
        """A gateway has connected: what waits for it is sent again."""
        self._sent = {command_id: sent for command_id, sent in self._sent.items() if sent[0] != where}

    async def take(self, where: Topics, leaf: str, payload: bytes) -> None:
        """An answer, or a bundle. Raises PeerError, StoreError."""
        if leaf == topics.BUNDLE:
            sent = command_messages.parse_bundle(payload)
            if await asyncio.to_thread(self._ledger.took_bundle, where, sent.command_id, sent.data) is None:
                self._health.count("hq.commands.not_asked")
            return
        answer = command_messages.parse_done(payload)
        known = await asyncio.to_thread(self._ledger.answered, where, answer, self._now_ms())
        self._health.count(f"hq.commands.{answer.result}" if known else "hq.commands.unknown")

    async def _send(self, row: Row, publish: Publish, now_ms: int) -> None:
        _, before_ms = self._sent.get(row["command_id"], (None, None))
        if before_ms is not None and 0 <= now_ms - before_ms < AGAIN_MS:
            return
        where = Topics(row["tenant"], row["store"], row["gateway"])
        self._sent[row["command_id"]] = where, now_ms
        words = row["command_id"], row["kind"], row["arguments"], row["at_ms"], row["until_ms"]
        await publish(where, command_messages.cmd(*words), row["until_ms"])
        self._health.count("hq.commands.sent")


# --- what operators do --------------------------------------------------------------------------------------------


def order(
    db: Db, gateway: str, kind: str, arguments: Mapping[str, object], now_ms: int, life_ms: int
) -> tuple[list[str], int]:
    """Give a command to one gateway ("tenant/store/id") or "all"; to which, and how many older ones made room. Raises
    ConfigError."""
    if not 0 < life_ms <= MAX_LIFE_MS:
        raise ConfigError("a command counts for at most seven days")
    try:
        ordered = command_messages.order_of(kind, arguments)
    except PeerError as error:
        raise ConfigError(f"{kind}: {'; '.join(error.said) or 'no such kind of command'}") from None
    if isinstance(ordered, Restart) and not can_restart(ordered.part):
        names = f"{EAR}ID, {', '.join(ALONE)} or {SERVICE}"
        raise ConfigError(f"{kind}: {ordered.part}: no gateway restarts that alone; expected {names}")
    with closing(Ledger(db)) as ledger:
        known = [Topics(row["tenant"], row["store"], row["gateway"]) for row in ledger.gateways()]
        wanted = known if gateway == ALL else [one for one in known if one.name == gateway]
        if not wanted:
            unknown = f"{gateway}: no such gateway has connected yet; hq gateways lists them as tenant/store/id"
            raise ConfigError("no gateway has connected yet" if gateway == ALL else unknown)
        refused = 0
        for where in wanted:
            refused += ledger.order_command(where, secrets.token_hex(8), kind, arguments, now_ms, now_ms + life_ms)
    return [where.name for where in wanted], refused


def listed(db: Db, limit: int, gateway: str = "") -> list[Row]:
    """The newest commands and what became of them, the newest first."""
    with closing(Ledger(db)) as ledger:
        return [told(row) for row in ledger.commands(limit, gateway)]


def fleet(db: Db, now_ms: int) -> list[Row]:
    """How every gateway does, who needs somebody most first."""
    with closing(Ledger(db)) as ledger:
        return ledger.fleet(now_ms)


def restored(db: Db) -> bool:
    """Whether shops that connect for the first time wait, because a backup was put back."""
    with closing(Ledger(db)) as ledger:
        return ledger.is_restored()


def told(row: Row) -> Row:
    """A command as people are shown it."""
    named = {"gateway": f"{row['tenant']}/{row['store']}/{row['gateway']}", "id": row["command_id"]}
    left_out = ("number", "command_id", "tenant", "store", "gateway")
    return named | {name: value for name, value in row.items() if name not in left_out}
