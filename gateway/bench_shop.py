"""What several measurements of a whole shop need: its members on disk, a page's open stream, and a little HTTP."""

import asyncio
import json
import secrets
import socket
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from gateway import keys
from gateway.core.identity import static_digest
from gateway.core.model import ConsentRecord, ConsentState, Credential, CredentialKind, Member, Purpose
from gateway.dbfile import DATABASE
from gateway.errors import UnavailableError
from gateway.records import Tx
from gateway.store import Store

BATCH = 500  # members a commit while the store is filled
WAIT_S = 120.0  # the gateway first reads all members
ASK_AGAIN_S = 0.02


class Page:
    """One open stream, and what was last heard on it."""

    def __init__(self, port: int, path: str, cookie: str = "") -> None:
        self._port, self._path, self._cookie = port, path, cookie
        self.said = ""
        self.at_s = 0.0
        self.news = asyncio.Event()

    async def listen(self) -> None:
        """Until cancelled. Raises UnavailableError when the stream ends."""
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


# --- what is in the store ---------------------------------------------------------------------------------------


async def fill(data: Path, members: int) -> None:
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


async def post(port: int, path: str, body: object, cookie: str = "") -> None:
    """Raises UnavailableError for any answer but 200."""
    status = await _status("POST", port, path, cookie, json.dumps(body).encode())
    if status != 200:
        raise UnavailableError(f"{path}: answered {status}")


async def reachable(port: int, path: str) -> None:
    """Returns with the first answer. Raises TimeoutError."""
    async with asyncio.timeout(WAIT_S):
        while True:
            try:
                await _status("GET", port, path)
                return
            except (OSError, IndexError):
                await asyncio.sleep(ASK_AGAIN_S)


def free_port() -> int:
    """A port that nobody listens at just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
