"""Measures what a withdrawal and an erasure at headquarters take until they are true everywhere in a shop.

Broker, headquarters and gateway are the real programs in processes of their own, and 100,000 members are in the store.
Ten screens and five tablets have their streams open over HTTP; a member stands on a screen and on a tablet's card. The
clock starts before the request to headquarters' console and stops when this process has read that neither shows the
member any more, or when a search of every byte of the shop's files finds neither pseudonym nor name.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from display import cookies
from gateway import keys
from gateway.bench_shop import WAIT_S, Page, fill, free_port, post, reachable
from gateway.broker import Broker
from gateway.core.model import Purpose
from gateway.dbfile import DATABASE
from gateway.results import Result, percentile
from sync.hq import service

MEMBERS = 100_000
WITHDRAWALS = 100
ERASURES = 50
SCREENS = 10
TABLETS = 5
TAP_AGAIN_S = 2.0
LOOK_S = 0.01  # between two searches of the files, which take longer than that
_GIVEN = (Purpose.RECOGNISE_NFC, Purpose.PUBLIC_PERSONAL_GREETING, Purpose.STAFF_ADVICE)
_PIECE_BYTES = 1 << 20
_NAME = "Benchmark"  # nobody else's, so that bytes of it are bytes of the member


def withdraw(members: int = MEMBERS, withdrawals: int = WITHDRAWALS, erasures: int = ERASURES) -> list[Result]:
    """From headquarters' console to the last surface, and to the last byte on disk."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as end:
        desk = _Desk(Path(folder), withdrawals + erasures, end)
        desk.data.mkdir(mode=0o700)
        asyncio.run(fill(desk.data, members))
        desk.start()
        return asyncio.run(_measure(desk, members, withdrawals, erasures))


class _Desk:
    """The processes, and readers that type what a card says."""

    def __init__(self, folder: Path, measured: int, end: ExitStack) -> None:
        self.data = folder / "data"
        self.port, self.hq_port, mqtt_port = (free_port() for _ in range(3))
        self._folder, self._end = folder, end
        self._broker = Broker(folder, mqtt_port)
        pairs = [os.openpty() for _ in range(SCREENS + 1)]
        for pair in pairs:
            for fd in pair:
                end.callback(os.close, fd)
        self.readers = [host for host, _ in pairs]  # one beside each screen, the last one for advice
        self._db, self._config, ops = folder / "hq.db", folder / "gateway.toml", folder / "ops.jsonl"
        self._config.write_text(
            f'[gateway]\ntenant = "bench"\nstore = "shop"\nid = "gw"\ndata_dir = "{self.data}"\n'
            f'[http]\nport = {self.port}\n[mqtt]\nhost = "127.0.0.1"\nport = {mqtt_port}\n'
            + "".join(_tables(number, os.ttyname(reader)) for number, (_, reader) in enumerate(pairs))
        )
        ops.write_text("".join(json.dumps(op) + "\n" for op in _ops(measured)))
        service.import_file(self._db, ops)
        self._hq = ["hq", "serve", "--db", str(self._db), "--port", str(self.hq_port), "--mqtt-port", str(mqtt_port)]

    def start(self) -> None:
        """Everything up; ended with the ExitStack."""
        self._end.callback(self._broker.stop)
        self._broker.start()
        for name, arguments in (("hq", self._hq), ("gateway", ["run", "--config", str(self._config)])):
            with (self._folder / f"{name}.log").open("wb") as log:
                command = [sys.executable, "-m", "gateway", *arguments]
                process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            self._end.callback(process.wait)
            self._end.callback(process.kill)

    def tap(self, reader: int, member: int) -> None:
        """This member's pass is read."""
        os.write(self.readers[reader], f"bench-{member:06d}\r\n".encode())

    @property
    def cookie(self) -> list[str]:
        """A signed cookie for each tablet."""
        key = keys.tablet_key(self.data)
        return [f"{cookies.COOKIE}={cookies.cookie_for(f'{n:032x}', key)}" for n in range(TABLETS)]

    def wait_for_no_byte(self, needles: tuple[bytes, bytes]) -> None:
        """Until none of them stands in any file of the shop."""
        # By this order the log comes before the database: it is small, and most often the last to be empty.
        while any(_holds(path, needles) for path in sorted(self.data.iterdir(), reverse=True) if path.is_file()):
            time.sleep(LOOK_S)


async def _measure(desk: _Desk, members: int, withdrawals: int, erasures: int) -> list[Result]:
    cleared_ms, erased_ms = [], []
    await reachable(desk.hq_port, "/healthz")
    await reachable(desk.port, "/healthz")
    screens = [Page(desk.port, f"/api/v1/screens/s{n}/stream") for n in range(SCREENS)]
    tablets = [Page(desk.port, "/api/v1/tablet/stream", cookie) for cookie in desk.cookie]
    listening = [asyncio.ensure_future(page.listen()) for page in (*screens, *tablets)]
    try:
        for number in range(withdrawals + erasures):
            at, tablet = number % SCREENS, number % TABLETS
            surfaces = (screens[at], tablets[tablet])
            name, member_id = f"{_NAME}{number:06d}", f"bench-{number:06d}"
            async with asyncio.timeout(WAIT_S):
                beside = {"receiver": f"r{SCREENS}"}
                await post(desk.port, "/api/v1/tablet/reader", beside, desk.cookie[tablet])
                for reader, page in ((SCREENS, surfaces[1]), (at, surfaces[0])):
                    await _shown(desk, reader, number, page, name)
                began_s = time.perf_counter()
                if number < withdrawals:
                    await post(desk.hq_port, f"/api/v1/members/{member_id}/withdraw", {"purposes": None})
                else:
                    await post(desk.hq_port, "/api/v1/ops", [{"op": "member.erase", "body": {"member_id": member_id}}])
                gone_s = [await page.until(_without(name)) for page in surfaces]
                if number < withdrawals:
                    cleared_ms.append((max(gone_s) - began_s) * 1e3)
                    continue
                await asyncio.to_thread(desk.wait_for_no_byte, (member_id.encode(), name.encode()))
                erased_ms.append((time.perf_counter() - began_s) * 1e3)
    finally:
        for task in listening:
            task.cancel()
        await asyncio.gather(*listening, return_exceptions=True)
    size_mb = (desk.data / DATABASE).stat().st_size / 1e6
    scale = f"{members:,} members, {SCREENS} screens, {TABLETS} tablets"
    return [
        Result("cleared_p99_ms", percentile(cleared_ms, 0.99), "ms", f"at most 1,000 with {scale}"),
        Result("cleared_median_ms", percentile(cleared_ms, 0.5), "ms", f"n = {len(cleared_ms)}"),
        Result("erased_p99_ms", percentile(erased_ms, 0.99), "ms", "at most 2,000 until no byte is found"),
        Result("erased_median_ms", percentile(erased_ms, 0.5), "ms", f"n = {len(erased_ms)}"),
        Result("database_mb", size_mb, "MB", "-"),
    ]


def _without(name: str) -> Callable[[str], bool]:
    return lambda said: name not in said


async def _shown(desk: _Desk, reader: int, member: int, page: Page, name: str) -> None:
    """The member taps until the page says their name: at the start not everybody is read in."""
    while True:
        desk.tap(reader, member)
        try:
            async with asyncio.timeout(TAP_AGAIN_S):
                await page.until(lambda said: name in said)
                return
        except TimeoutError:
            continue


# --- what is in the store ---------------------------------------------------------------------------------------


def _ops(measured: int) -> Iterator[dict[str, Any]]:
    """A shop with a notice, and the members who are measured."""
    notice = {
        "version": "1",
        "controller": "Benchmark",
        "contact": "benchmark@shop.example",
        "text": {"en": "Benchmark."},
    }
    shop = {"notice": notice, "dialogue_ms": 600_000, "card_ms": 600_000, "contacts_per_day": 1_000}
    yield {"op": "config.put", "body": shop}
    for number in range(measured):
        member_id = f"bench-{number:06d}"
        yield {"op": "member.put", "body": {"member_id": member_id, "call_name": f"{_NAME}{number:06d}"}}
        credential = {"credential_id": f"c-{number}", "kind": "pass", "value": member_id.encode().hex()}
        yield {"op": "credential.put", "body": credential | {"member_id": member_id}}
        for purpose in _GIVEN:
            given = {"event_id": f"{number}-{purpose}", "purpose": purpose, "state": "given", "notice_version": "1"}
            yield {"op": "consent.add", "body": given | {"member_id": member_id, "given_at_ms": 1_700_000_000_000}}


def _tables(number: int, device: str) -> str:
    source = f'[[source]]\npath = "serial:{device}"\nreceiver = "r{number}"\n'
    if number == SCREENS:
        return f'{source}[[receiver]]\nid = "r{number}"\nzone = "advice"\nadvice = true\n'
    place = f'id = "r{number}"\nzone = "z{number}"\nscreen = "s{number}"\n'
    return f'{source}[[receiver]]\n{place}[[screen]]\nid = "s{number}"\nzone = "z{number}"\n'


def _holds(path: Path, needles: tuple[bytes, bytes]) -> bool:
    """In pieces that overlap, because the database is large."""
    try:
        with path.open("rb", buffering=0) as file:
            before = b""
            while piece := file.read(_PIECE_BYTES):
                if any(needle in before + piece for needle in needles):
                    return True
                before = piece[-max(map(len, needles)) :]
    except FileNotFoundError:
        pass
    return False
