"""Records what the configured radios and readers hear, for `store-gateway record`. Decides and shows nothing.

Who is kept as they are: the shop's own anchors, and members only where the operator says so.
"""

import asyncio
import random
import secrets
import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from drivers.mask import KEY_BYTES, Mask
from drivers.record import Recorder
from drivers.sources import Source, open_source
from gateway import rekey
from gateway.apply import recognised_after
from gateway.clock import ShopClock
from gateway.config import Config
from gateway.core.identity import Resolver
from gateway.core.model import Token
from gateway.core.notice import missing
from gateway.core.ports import Clock
from gateway.dbfile import DATABASE
from gateway.errors import ConfigError
from gateway.health import Health
from gateway.recognition import PAGE
from gateway.store import Store
from gateway.supervise import Supervisor

# Hardware, and the two that take its place where there is none. A remote scanner's line belongs to the service.
SCHEMES = ("ble", "mgmt", "nfc", "replay", "sim")
FLUSH_S = 1.0


@dataclass(frozen=True, slots=True)
class Summary:
    """What a recording holds, by fixed words, and whether it ended because the file was full."""

    counts: Counter[str]
    full: bool


async def record(config: Config, out: Path, seconds: float | None, keep_members: bool) -> Summary:
    """Write a recording to the new file `out` until SIGINT, SIGTERM, the end of `seconds` or of all sources.

    Raises ConfigError when the operator must act, StoreError when the disk refuses.
    """
    tables = [table for table in config.source if table.scheme in SCHEMES]
    if not tables:
        raise ConfigError(f"the configuration names no [[source]] to record; expected one of {', '.join(SCHEMES)}")
    clock, health = ShopClock(), Health()
    members = await _members(config, clock.now_ms()) if keep_members else None
    anchors = {anchor.token for anchor in config.anchor}
    recorder = Recorder(out, clock, Mask(secrets.token_bytes(KEY_BYTES)), anchors, _is_member(members, clock))
    supervisor = Supervisor(clock, health, random.Random(secrets.randbits(64)))
    try:
        ended = [
            _keep(supervisor, f"receiver:{table.receiver or table.scheme}", open_source(table, recorder, clock, health))
            for table in tables
        ]
        await _until_the_end(recorder, supervisor, ended, seconds)
    finally:
        await supervisor.close()
        full = recorder.full
        recorder.close()
    return Summary(recorder.counts, full)


def _keep(supervisor: Supervisor, name: str, source: Source) -> asyncio.Event:
    """Run a source until it ends by itself, as recordings do; the event says so."""
    ended = asyncio.Event()

    async def hear() -> None:
        await source.run()
        ended.set()

    supervisor.keep(name, hear)
    return ended


async def _until_the_end(
    recorder: Recorder, supervisor: Supervisor, ended: list[asyncio.Event], seconds: float | None
) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if seconds is not None:
        loop.call_later(seconds, stop.set)
    try:
        while not (stop.is_set() or recorder.full or all(end.is_set() for end in ended)):
            stopped = asyncio.ensure_future(stop.wait())
            await asyncio.wait((stopped, supervisor.failed), timeout=FLUSH_S, return_when=asyncio.FIRST_COMPLETED)
            stopped.cancel()
            if supervisor.failed.done():
                supervisor.failed.result()
            recorder.flush()
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


async def _members(config: Config, now_ms: int) -> Resolver:
    """Who may be recognised now, from the gateway's own data."""
    path = config.gateway.data_dir / DATABASE
    if not path.is_file():
        raise ConfigError(f"{path}: no such file; expected the gateway's database, whose members are to be kept")
    store = Store(path, secrets.token_hex(16), rekey.root_key(config.gateway.data_dir))
    resolver = Resolver(store.identifier_key)
    try:
        if missing((await store.run(lambda tx: tx.shop())).notice):
            return resolver  # without a whole privacy notice nobody is a member to us
        after = ""
        while page := await store.run(partial(recognised_after, member_id=after, limit=PAGE, now_ms=now_ms)):
            for member_id, credentials in page.items():
                resolver.set_member(member_id, credentials, now_ms)
            after = max(page)
    finally:
        store.close()
    return resolver


def _is_member(members: Resolver | None, clock: Clock) -> Callable[[Token], bool]:
    def known(token: Token) -> bool:
        if members is None:
            return False
        now_ms = clock.now_ms()
        due_ms = members.next_deadline()
        if due_ms is not None and due_ms <= now_ms:
            members.advance(now_ms)
        return members.resolve(token, now_ms) is not None

    return known
