"""Commands are sent at once, again after a while and at each connect, until they are answered; orders of operators."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from gateway.core.command import MAX_LIFE_MS, Answer, Rescan
from gateway.errors import ConfigError, PeerError
from gateway.health import Health
from sync import command_messages, topics
from sync.command_messages import Sent
from sync.hq import commanding
from sync.hq.commanding import AGAIN_MS, Commander
from sync.hq.ledger import Ledger
from sync.topics import Topics
from tests.test_hq_commands import NOW_MS, OTHER, SHOP, connected, give, states

MINUTE_MS = 60_000


class Line:
    """A Commander whose looks at the ledger a test lets happen, and what it published."""

    def __init__(self, db: Path) -> None:
        self.ledger = Ledger(db)
        self.health = Health()
        self.now_ms = NOW_MS
        self.sent: list[tuple[str, str]] = []
        self.commander = Commander(self.ledger, self.health, lambda: self.now_ms)

    async def publish(self, where: Topics, payload: bytes, until_ms: int) -> None:
        command = command_messages.parse_cmd(payload)
        assert command.order in (Rescan(), "kind", "arguments") and command.until_ms == until_ms
        self.sent.append((where.name, json.loads(payload)["id"]))

    async def look(self) -> list[str]:
        """What one look sends."""
        before = len(self.sent)
        task = asyncio.ensure_future(self.commander.run(self.publish))
        await asyncio.sleep(commanding.LOOK_S / 2)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        return [command_id for _, command_id in self.sent[before:]]


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[Line]:
    one = Line(tmp_path / "hq.db")
    for where in (SHOP, OTHER):
        connected(one.ledger, where)
    yield one
    one.ledger.close()


async def test_a_command_is_sent_once_and_again_after_a_while(line: Line) -> None:
    give(line.ledger, "c-1")
    assert await line.look() == ["c-1"]
    assert line.sent[0][0] == SHOP.name
    assert await line.look() == []
    line.now_ms += AGAIN_MS
    assert await line.look() == ["c-1"]
    await line.commander.take(SHOP, topics.ACK, command_messages.done(Answer("c-1", "done")))
    line.now_ms += 1
    assert await line.look() == []
    assert line.health.counts == {"hq.commands.done": 1, "hq.commands.sent": 2}


async def test_a_gateway_that_connects_is_sent_what_waits_for_it(line: Line) -> None:
    give(line.ledger, "c-1")
    give(line.ledger, "c-2", OTHER)
    assert await line.look() == ["c-1", "c-2"]
    line.commander.came(SHOP)
    assert await line.look() == ["c-1"]


async def test_nothing_is_kept_in_mind_of_what_is_over(line: Line) -> None:
    give(line.ledger, "c-1")
    await line.look()
    line.now_ms += MINUTE_MS
    assert await line.look() == []
    assert line.commander._sent == {}
    assert states(line.ledger) == {"c-1": ("expired", "")}


async def test_answers_and_bundles_that_nobody_asked_for_are_counted(line: Line) -> None:
    await line.commander.take(SHOP, topics.ACK, command_messages.done(Answer("c-1", "done")))
    await line.commander.take(SHOP, topics.BUNDLE, command_messages.bundle(Sent("c-1", b"zip")))
    assert line.health.counts == {"hq.commands.not_asked": 1, "hq.commands.unknown": 1}
    for leaf in (topics.ACK, topics.BUNDLE):
        with pytest.raises(PeerError):
            await line.commander.take(SHOP, leaf, b"rubbish")


async def test_a_bundle_that_was_asked_for_is_kept(line: Line) -> None:
    give(line.ledger, "c-1", kind="bundle")
    await line.commander.take(SHOP, topics.BUNDLE, command_messages.bundle(Sent("c-1", b"zip")))
    (row,) = line.ledger.commands(10)
    assert await asyncio.to_thread(Path(row["file"]).read_bytes) == b"zip"


@pytest.fixture
def db(tmp_path: Path) -> Path:
    with closing(Ledger(tmp_path / "hq.db")) as ledger:
        for where in (SHOP, OTHER):
            connected(ledger, where)
    return tmp_path / "hq.db"


def test_one_gateway_is_ordered_or_all_of_them(db: Path) -> None:
    one = commanding.order(db, SHOP.name, "restart", {"part": "hq"}, NOW_MS, MINUTE_MS)
    assert one == ([SHOP.name], 0)
    assert commanding.order(db, "all", "blink", {}, NOW_MS, MINUTE_MS) == ([OTHER.name, SHOP.name], 0)
    rows = commanding.listed(db, 10)
    assert [(row["gateway"], row["kind"], row["arguments"]) for row in rows] == [
        (SHOP.name, "blink", {}),
        (OTHER.name, "blink", {}),
        (SHOP.name, "restart", {"part": "hq"}),
    ]
    assert len({row["id"] for row in rows}) == 3
    assert {row["until_ms"] for row in rows} == {NOW_MS + MINUTE_MS}
    assert [row["kind"] for row in commanding.listed(db, 10, OTHER.name)] == ["blink"]


@pytest.mark.parametrize(
    ("gateway", "kind", "arguments", "life_ms", "said"),
    [
        ("acme/nowhere/gw-1", "rescan", {}, MINUTE_MS, "hq gateways"),
        (SHOP.name, "dance", {}, MINUTE_MS, "no such kind"),
        (SHOP.name, "restart", {}, MINUTE_MS, "part: missing"),
        (SHOP.name, "rescan", {"argument": "x"}, MINUTE_MS, "argument: no such field"),
        (SHOP.name, "rescan", {}, MAX_LIFE_MS + 1, "seven days"),
    ],
)
def test_a_slip_of_the_pen_orders_nothing(
    db: Path, gateway: str, kind: str, arguments: dict[str, object], life_ms: int, said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        commanding.order(db, gateway, kind, arguments, NOW_MS, life_ms)
    assert commanding.listed(db, 10) == []


def test_without_a_gateway_there_is_nobody_to_order(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no gateway has connected"):
        commanding.order(tmp_path / "hq.db", "all", "rescan", {}, NOW_MS, MINUTE_MS)
