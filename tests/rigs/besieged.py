"""Both ends of the wire under hostile payloads (tests.rigs.hostile), in a process of its own whose memory is measured.

`python -m tests.rigs.besieged COUNT SEED` prints a tally as JSON: what COUNT payloads became at the parsers, and of a
tenth as many (at most 20,000) each at a gateway (the real inbox, flow and file, signatures on) and at the real
headquarters. A payload that does anything but be dropped with a reason or be an honest message ends it, and is shown.
"""

import asyncio
import json
import random
import re
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.core.changes import EraseReceipt, Erasure
from gateway.core.command import Command
from gateway.core.fetching import Piece
from gateway.core.model import Purpose
from gateway.errors import PeerError, UnavailableError
from gateway.health import Health
from sync import erase_messages, event_messages, messages, topics
from sync.ear import EarLine
from sync.event_messages import Ack
from sync.hq import server
from sync.hq.ledger import Ledger
from sync.hq.pulse import Pulse
from sync.inbox import Inbox
from sync.link import Message
from sync.messages import Head, Seen
from sync.scanners import RemoteSource
from sync.sieve import Sieve
from sync.verifying import TROUBLES
from tests.rigs import hostile
from tests.rigs.earshot import Shop as EarShop
from tests.rigs.hostile import NUMBER, PLACE, Kind
from tests.rigs.shop import SITE_KEY, Shop, member, open_shop
from tests.rigs.signed import NOW_MS, Believer, keys, signed

ROOT = Path(__file__).parents[2]
MOST_AT_AN_END = 20_000
ROUND = 1_000  # payloads for one shop or headquarters; then a new one, so that a number that ran away stops nothing
FAR = 2**50  # a version that leaves no room for what comes after it
# Reasons of the parsers, and those in the code of whoever judges further; another would be text from outside.
_CODE = "".join(path.read_text() for package in ("gateway", "sync") for path in (ROOT / package).rglob("*.py"))
REASONS = messages.REASONS | TROUBLES.keys() | set(re.findall(r'PeerError\("([a-z_]+)"', _CODE))


class BrokenError(Exception):
    """Something happened that may never happen."""


def status(name: str) -> int:
    """A figure of this process's memory, in kB."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1])


def at_parsers(rng: random.Random, count: int) -> Counter[str]:
    """What becomes of payloads of every kind, at the parsers of both ends."""
    tally: Counter[str] = Counter()
    kinds = hostile.kinds()
    for _ in range(count):
        kind = rng.choice(kinds)
        payload = hostile.spoil(rng, rng.choice(kind.honest))
        tally[parsed(kind, payload)] += 1
    return tally


def parsed(kind: Kind, payload: bytes) -> str:
    """ "honest", or why it was dropped."""
    try:
        kind.parse(payload)
    except PeerError as error:
        if error.reason not in REASONS:
            raise BrokenError(f"{kind.name}: reason {error.reason!r} for {payload[:2_000]!r}") from error
        return error.reason
    except Exception as error:
        raise BrokenError(f"{kind.name}: {error!r} for {payload[:2_000]!r}") from error
    return "honest"


# --- a gateway ----------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Line:
    """What the inbox tells its line."""

    told: int = 0

    async def acked(self, ack: Ack) -> None:
        self.told += 1

    async def headed(self, head: Head) -> None:
        self.told += 1

    async def applied(self, version: int) -> None:
        self.told += 1

    async def erased(self, seq: int, receipts: Sequence[EraseReceipt]) -> None:
        self.told += 1

    def take(self, piece: Piece) -> None:
        self.told += 1

    def ask(self) -> None:
        """Asking changes nothing."""


@dataclass(slots=True)
class Box:
    """What does what headquarters commands; here it is only told."""

    line: Line

    def heard(self, at_ms: int | None) -> None:
        """Its time changes nothing here."""

    async def take(self, command: Command) -> None:
        self.line.told += 1


async def at_a_gateway(rng: random.Random, count: int) -> Counter[str]:
    """What becomes of payloads of `down/` at a gateway that looks at signatures."""
    tally: Counter[str] = Counter()
    while count > 0:
        with tempfile.TemporaryDirectory() as folder:
            shop = await open_shop(Path(folder), *member("anna", *Purpose))
            try:
                tally += await _besieged(shop, rng, min(count, ROUND))
            finally:
                shop.store.close()
        count -= ROUND
    return tally


async def _besieged(shop: Shop, rng: random.Random, count: int) -> Counter[str]:
    line, believer = Line(), Believer()
    shop.health = Health()
    inbox = Inbox(PLACE, shop.flow, line, shop.health, line.take, believer.verifier, Box(line))
    await inbox.handle(PLACE.down(topics.KEYS), keys(NUMBER))
    leaves = [kind.leaf for kind in hostile.kinds() if kind.way == "down"]
    for _ in range(count):
        leaf = rng.choice((*leaves, topics.DELTA, topics.DELTA, topics.DELTA))
        before = version, erased, *_ = await _state(shop, line, believer)
        seen = await believer.verifier.seen() or Seen(0, 0, 0)
        if max(version, erased, seen.boot) > FAR:
            break
        honest = _honest(rng, leaf, version, erased, seen.boot)
        mild = leaf in (topics.DELTA, topics.ERASE, topics.HEAD) and rng.random() < 0.5
        body = hostile.nudge(rng, honest) if mild else hostile.spoil(rng, honest)
        believed = leaf != topics.KEYS and rng.random() < 0.6
        if leaf == topics.KEYS:
            payload = rng.choice((body.replace(b'"type":"keys"', b'"type":"key"'), hostile.forged_keys(rng)))
        else:
            payload = signed(PLACE, leaf, body, NUMBER) if believed else hostile.unsigned(rng, leaf, body)
        try:
            await inbox.handle(PLACE.down(leaf), payload)
            await shop.settle()
            if rng.random() < 0.01:
                await shop.tap("anna", "coffee-nfc")
                await shop.stand("anna", "wine-ble", 6)
        except Exception as error:
            raise BrokenError(f"a gateway, {leaf}: {error!r} for {body[:4_000]!r}") from error
        if not believed and before != await _state(shop, line, believer):
            raise BrokenError(f"a gateway, {leaf}: believed {payload[:4_000]!r}")
    for name in shop.health.counts:
        if name.startswith("hq.dropped.") and name.removeprefix("hq.dropped.") not in REASONS:
            raise BrokenError(f"a gateway: counter {name}")
    return Counter({name: n for name, n in shop.health.counts.items() if name.startswith("hq.")})


async def _state(shop: Shop, line: Line, believer: Believer) -> tuple[int, int, int, bytes | None, str | None]:
    """What a payload that nobody may believe must leave as it is."""
    version, erased = await shop.store.run(lambda tx: (tx.hq_version, tx.erase_seq))
    return version, erased, line.told, believer.notebook.kept, believer.notebook.newest


def _honest(rng: random.Random, leaf: str, version: int, erased: int, boot: int) -> bytes:
    if leaf == topics.DELTA:
        return messages.delta(version, version + 1, [rng.choice(hostile.ops())], NOW_MS)
    if leaf == topics.ERASE:
        return erase_messages.erase(erased, [Erasure(erased + 1, f"m-{rng.randrange(10**6)}")])
    if leaf == topics.HEAD and rng.random() < 0.5:  # else one that is older
        return messages.head(version + 1, boot + 1, erased, NOW_MS)
    kind = next(kind for kind in hostile.kinds() if (kind.way, kind.leaf) == ("down", leaf))
    return rng.choice(kind.honest)


# --- a scanner and its gateway ------------------------------------------------------------------------------


async def at_the_ears(rng: random.Random, count: int) -> Counter[str]:
    """What becomes of payloads between a scanner and its gateway, at both."""
    shop, health = EarShop(9, members=20), Health()
    sieve = Sieve([], SITE_KEY, health)
    sent = {way: Postman() for way in hostile.EARS}
    for _ in range(count):
        kind = rng.choice([kind for kind in hostile.kinds() if kind.way in hostile.EARS])
        spoilt = (hostile.nudge if rng.random() < 0.5 else hostile.spoil)(rng, rng.choice(kind.honest))
        sent[kind.way].letters.append((PLACE.ear(kind.way, "wine"), spoilt))
    for way in ("ear-up", "ear-state"):
        lines: Any = sent[way]
        source = RemoteSource("wine", "wine", PLACE, lines, shop, shop.resolver, shop.clock, shop.health, rng)
        await _read_out(source._receive(), sent[way])
    lines = sent["ear-down"]
    line = EarLine(PLACE, "wine", hostile.BOOT, lines, sieve, tuple, shop.clock, health, rng)
    await _read_out(line._receive(), sent["ear-down"])
    refused = Counter({name: n for name, n in shop.health.counts.items() if name.startswith("scanner.refused.")})
    refused += Counter({name: n for name, n in health.counts.items() if name.startswith("ear.refused.")})
    for name in refused:
        if name.rpartition(".")[2] not in REASONS and f'"{name}"' not in _CODE:
            raise BrokenError(f"ears: counter {name}")
    return refused


async def _read_out(reading: Coroutine[Any, Any, None], postman: "Postman") -> None:
    try:
        with suppress(UnavailableError):
            await reading
    except Exception as error:
        raise BrokenError(f"ears: {error!r} within {postman.letters!r}"[:20_000]) from error


# --- headquarters -------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Postman:
    """Brings payloads to headquarters, then breaks the line; what headquarters sends goes nowhere."""

    letters: list[tuple[str, bytes]] = field(default_factory=list)
    sent: Counter[str] = field(default_factory=Counter)

    async def messages(self) -> AsyncIterator[Message]:
        for topic, payload in self.letters:
            yield Message(topic, payload, lambda: None)
        await asyncio.sleep(0.3)  # what was begun comes to an end
        raise UnavailableError("over")

    async def publish(self, topic: str, payload: bytes, retain: bool = False, qos: int = 1) -> None:
        if len(payload) > messages.MAX_PAYLOAD_BYTES:
            raise BrokenError(f"{topic}: {len(payload)} bytes")
        self.sent[topic] += 1


async def at_headquarters(rng: random.Random, count: int) -> Counter[str]:
    """What becomes of payloads of `up/` at the real server and its ledger."""
    tally: Counter[str] = Counter()
    while count > 0:
        letters = [_letter(rng) for _ in range(min(count, ROUND))]
        with tempfile.TemporaryDirectory() as folder:
            tally += await _delivered(Path(folder), letters)
        count -= ROUND
    return tally


_BAD_TOPICS = (
    "",
    "rg/1",
    "rg/1/+/+/+/up/events",
    "rg/1/ACME/s/g/up/req",
    "rg/2/t/s/g/up/req",
    "rg/1/t/s/g/up/x/y",
    "#",
)


def _letter(rng: random.Random) -> tuple[str, bytes]:
    kind = rng.choice([kind for kind in hostile.kinds() if kind.way in ("up", "ear-up")])
    mild = kind.way == "up" and rng.random() < 0.5
    payload = (hostile.nudge if mild else hostile.spoil)(rng, rng.choice(kind.honest))
    where = rng.choice((PLACE, PLACE, *hostile.OTHERS))
    if rng.random() < 0.05:
        return rng.choice((*_BAD_TOPICS, where.down(topics.DELTA))), payload
    leaf = kind.leaf or rng.choice(topics.UP_LEAVES)
    return where.up(rng.choice((leaf, leaf, leaf, rng.choice(topics.UP_LEAVES)))), payload


async def _delivered(folder: Path, letters: list[tuple[str, bytes]]) -> Counter[str]:
    ledger, health = Ledger(folder / "hq.db"), Health()
    try:
        ledger.record_ops([op for op in hostile.ops() if op["op"] in ("member.put", "offer.put")], NOW_MS)
        session = server._Session(ledger, ledger.next_boot(), Pulse(), health, lambda: NOW_MS, None, server.ALONE)
        postman = Postman(letters)
        try:
            await session.run(postman)  # type: ignore[arg-type]  # it publishes and brings, which is all that is asked
        except* UnavailableError:
            pass
        except* Exception as group:
            raise BrokenError(f"headquarters: {group.exceptions!r} within {letters!r}"[:20_000]) from group
        held = {(row["tenant"], row["store"], row["gateway"], row["epoch"], row["seq"]) for row in _events(ledger)}
        if not held <= set(_told(letters)):
            raise BrokenError(f"headquarters holds what nobody told: {held - set(_told(letters))}")
    finally:
        ledger.close()
    for name in health.counts:
        if name.startswith("hq.dropped.") and name.removeprefix("hq.dropped.") not in REASONS:
            raise BrokenError(f"headquarters: counter {name}")
    return Counter({name: n for name, n in health.counts.items() if name.startswith("hq.")}) + Counter(
        {"events held": len(held)}
    )


def _events(ledger: Ledger) -> list[dict[str, object]]:
    return ledger.events(0, 1_000_000)


def _told(letters: list[tuple[str, bytes]]) -> list[tuple[str, str, str, str, int]]:
    """The events that honest batches held."""
    found = []
    for topic, payload in letters:
        with suppress(PeerError):
            where, way, leaf = topics.parse(topic)
            if (way, leaf) == ("up", topics.EVENTS):
                batch = event_messages.parse_events(payload)
                found += [(where.tenant, where.store, where.gateway, batch.epoch, row.seq) for row in batch.rows]
    return found


def main(count: int, seed: int) -> None:
    rng = random.Random(seed)
    share = min(count // 10, MOST_AT_AN_END)
    at_parsers(rng, 500)  # once through everything: what the product itself takes is not the payloads' doing
    asyncio.run(at_a_gateway(rng, 40))
    asyncio.run(at_the_ears(rng, 40))
    asyncio.run(at_headquarters(rng, 40))
    Path("/proc/self/clear_refs").write_text("5")  # the peak is reckoned from here (proc(5))
    before_kb = status("VmRSS")
    tally = {
        "parsers": at_parsers(rng, count),
        "gateway": asyncio.run(at_a_gateway(rng, share)),
        "ears": asyncio.run(at_the_ears(rng, share)),
        "headquarters": asyncio.run(at_headquarters(rng, share)),
    }
    grown_mb = (status("VmHWM") - before_kb) / 1024
    told = {name: dict(sorted(counts.items())) for name, counts in tally.items()}
    print(json.dumps({"seed": seed, "share": share, "grown_mb": round(grown_mb, 1), **told}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
