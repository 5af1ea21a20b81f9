"""Measures what a withdrawal and an erasure at headquarters take until they are true everywhere in a shop.

Broker, headquarters and gateway are the real programs in processes of their own, and 100,000 members are in the store.
Ten screens and five tablets have their streams open over HTTP; a member stands on a screen and on a tablet's card. The
clock starts before the request to headquarters' console and stops when this process has read that neither shows the
member any more, or when a search of every byte of the shop's files finds neither pseudonym nor name.
"""

import asyncio
import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from display import cookies
from gateway import keys
from gateway.broker import Broker
from gateway.core.identity import static_digest
from gateway.core.model import ConsentRecord, ConsentState, Credential, CredentialKind, Member, Purpose
from gateway.dbfile import DATABASE
from gateway.errors import UnavailableError
from gateway.records import Tx
from gateway.results import Result, percentile
from gateway.store import Store
from sync.hq import service

MEMBERS = 100_000
WITHDRAWALS = 100
ERASURES = 50
SCREENS = 10
TABLETS = 5
BATCH = 500  # members a commit while the store is filled
WAIT_S = 120.0  # the gateway first reads all members
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
        asyncio.run(_fill(desk.data, members))
        desk.start()
        return asyncio.run(_measure(desk, members, withdrawals, erasures))


class _Desk:
    """The processes, and readers that type what a card says."""

    def __init__(self, folder: Path, measured: int, end: ExitStack) -> None:
        self.data = folder / "data"
        self.port, self.hq_port, mqtt_port = (_free_port() for _ in range(3))
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


class _Page:
    """One open stream, and what was last heard on it."""

    def __init__(self, port: int, path: str, cookie: str = "") -> None:
        self._port, self._path, self._cookie = port, path, cookie
        self.said = ""
        self.at_s = 0.0
        self.news = asyncio.Event()

    async def listen(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, limit=1 << 20)
        try:
            writer.write(_request("GET", self._port, self._path, self._cookie))
            while line := await reader.readline():
                if line.startswith(b"data: ") and b'"now_ms"' in line:
                    self._take(line[6:].decode())
        finally:
            writer.close()
        raise UnavailableError(f"{self._path}: the stream ended")

    def _take(self, data: str) -> None:
        body = json.loads(data)
        for part in ("dialogue", "slides", "queue", "card", "level"):
            if part in body or part in body.get("content", {}):
                self.at_s = time.perf_counter()
                self.said = data
        if body.get("reason") is not None:  # the card was closed
            self.at_s, self.said = time.perf_counter(), data
        self.news.set()

    async def until(self, fits: Callable[[str], bool]) -> float:
        """When what it says fitted, in seconds of the same clock."""
        while not fits(self.said):
            self.news.clear()
            await self.news.wait()
        return self.at_s


async def _measure(desk: _Desk, members: int, withdrawals: int, erasures: int) -> list[Result]:
    cleared_ms, erased_ms = [], []
    await _reachable(desk.hq_port, "/healthz")
    await _reachable(desk.port, "/healthz")
    screens = [_Page(desk.port, f"/api/v1/screens/s{n}/stream") for n in range(SCREENS)]
    tablets = [_Page(desk.port, "/api/v1/tablet/stream", cookie) for cookie in desk.cookie]
    listening = [asyncio.ensure_future(page.listen()) for page in (*screens, *tablets)]
    try:
        for number in range(withdrawals + erasures):
            at, tablet = number % SCREENS, number % TABLETS
            surfaces = (screens[at], tablets[tablet])
            name, member_id = f"{_NAME}{number:06d}", f"bench-{number:06d}"
            async with asyncio.timeout(WAIT_S):
                beside = {"receiver": f"r{SCREENS}"}
                await _post(desk.port, "/api/v1/tablet/reader", beside, desk.cookie[tablet])
                for reader, page in ((SCREENS, surfaces[1]), (at, surfaces[0])):
                    await _shown(desk, reader, number, page, name)
                began_s = time.perf_counter()
                if number < withdrawals:
                    await _post(desk.hq_port, f"/api/v1/members/{member_id}/withdraw", {"purposes": None})
                else:
                    await _post(desk.hq_port, "/api/v1/ops", [{"op": "member.erase", "body": {"member_id": member_id}}])
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


async def _shown(desk: _Desk, reader: int, member: int, page: _Page, name: str) -> None:
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


async def _fill(data: Path, members: int) -> None:
    """Members with a beacon, a pass and two consents, written by the store itself."""
    store = Store(data / DATABASE, secrets.token_hex(16), keys.site_key(data))
    site_key = store.identifier_key
    for first in range(0, members, BATCH):
        await store.run(partial(_put, site_key=site_key, numbers=range(first, min(first + BATCH, members))))
    store.close()


def _put(tx: Tx, site_key: bytes, numbers: range) -> None:
    for number in numbers:
        member_id = f"m-{secrets.token_hex(8)}"
        tx.put_member(Member(member_id, f"Name {number}", "de", ("coffee", "tea"), ("Espresso",)))
        tx.put_credential(Credential(f"{member_id}-b", member_id, CredentialKind.EID, secrets.token_bytes(16)))
        digest = static_digest(site_key, CredentialKind.PASS, f"bulk-{number}".encode())
        tx.put_credential(Credential(f"{member_id}-p", member_id, CredentialKind.PASS, digest))
        for purpose in (Purpose.RECOGNISE_BLE, Purpose.RECOGNISE_NFC):
            event_id = f"{member_id}-{purpose}"
            tx.add_consent(ConsentRecord(event_id, member_id, purpose, ConsentState.GIVEN, 1_700_000_000_000))


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


# --- HTTP, as little as this needs ------------------------------------------------------------------------------


def _request(method: str, port: int, path: str, cookie: str = "", body: bytes = b"") -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: {cookie}\r\n"
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


async def _status(method: str, port: int, path: str, cookie: str = "", body: bytes = b"") -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(_request(method, port, path, cookie, body))
        return int((await reader.readline()).split()[1])
    finally:
        writer.close()


async def _post(port: int, path: str, body: object, cookie: str = "") -> None:
    status = await _status("POST", port, path, cookie, json.dumps(body).encode())
    if status != 200:
        raise UnavailableError(f"{path}: answered {status}")


async def _reachable(port: int, path: str) -> None:
    async with asyncio.timeout(WAIT_S):
        while True:
            try:
                await _status("GET", port, path)
                return
            except (OSError, IndexError):
                await asyncio.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
