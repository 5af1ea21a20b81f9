"""Pages and programs at a gateway's web server, without a browser: screens that answer dialogues and tell what they
showed, tablets that accept requests, a till that sells, phones that scan. Each over real sockets.
"""

import asyncio
import json
import secrets
import time
from collections import Counter
from contextlib import suppress
from random import Random
from typing import Any

import httpx

from display import cookies
from display.scanning import COOKIE as SCAN
from drivers import goods

AGAIN_S = 1.0
PLAYS = 2  # in each proof
PULSE_S = 15.0  # display/static/pulse.js
ANSWERS = ("yes", "yes", "more", "not_now", "advice", "", "")  # "" = whoever stands there goes
_BASE32 = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
Json = dict[str, Any]


class Web:
    """The gateway's pages at 127.0.0.1: `done` counts what was asked and answered, `failed` what was not."""

    def __init__(self, port: int, key: str) -> None:
        self.port, self.key = port, key
        self.done: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        # A connection each: the gateway ends idle ones after five seconds, which a client may not have heard yet.
        limits = httpx.Limits(max_keepalive_connections=0)
        self.client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", limits=limits, timeout=20)

    async def ask(self, what: str, path: str, body: object = None, **headers: str) -> Json | None:
        """POST a body, or GET; the JSON of a 200, else None and it is counted."""
        try:
            if body is None:
                answer = await self.client.get(path, headers=headers)
            else:
                answer = await self.client.post(path, json=body, headers=headers)
        except httpx.HTTPError as error:
            self.failed[f"{what}: {type(error).__name__}"] += 1
            return None
        if answer.status_code != 200:
            self.failed[f"{what}: {answer.status_code}"] += 1
            return None
        self.done[what] += 1
        return dict(answer.json() or {}) if "json" in answer.headers.get("content-type", "") else {}

    def tablet_cookie(self, number: int) -> str:
        return f"{cookies.COOKIE}={cookies.cookie_for(f'{number:032x}', self.key)}"


class Page:
    """One page's stream, which is opened again whenever it ends; `heard` is called with each event's data."""

    def __init__(self, web: Web, path: str, cookie: str = "") -> None:
        self.web, self.path, self.cookie = web, path, cookie
        self._writer: asyncio.StreamWriter | None = None

    def reload(self) -> None:
        """The connection ends as a page's does that is loaded anew."""
        if self._writer is not None:
            self._writer.close()

    async def run(self) -> None:
        while True:
            with suppress(OSError, asyncio.IncompleteReadError):
                await self._listen()
            self.web.done["a stream ended"] += 1
            await asyncio.sleep(AGAIN_S)

    async def _listen(self) -> None:
        reader, self._writer = await asyncio.open_connection("127.0.0.1", self.web.port, limit=1 << 20)
        try:
            head = f"GET {self.path} HTTP/1.1\r\nHost: 127.0.0.1:{self.web.port}\r\nCookie: {self.cookie}\r\n\r\n"
            self._writer.write(head.encode())
            while line := await reader.readline():
                if line.startswith(b"data: "):
                    self.web.done["messages to pages"] += 1
                    await self.heard(json.loads(line[6:]))
        finally:
            self._writer.close()

    async def heard(self, data: Json) -> None:
        """Nothing, unless the page answers."""


class Screen(Page):
    """A screen, whose dialogues are answered as people do. It tells what it showed every `plays_every_s` seconds."""

    def __init__(self, web: Web, screen: str, rng: Random, plays_every_s: float) -> None:
        super().__init__(web, f"/api/v1/screens/{screen}/stream")
        self._screen, self._rng, self._every_s = screen, rng, plays_every_s
        self._frames = 0
        self._page = f"{rng.getrandbits(64):016x}"
        self._asked = ""
        self._answers: set[asyncio.Task[None]] = set()

    def reload(self) -> None:
        super().reload()
        self._page, self._frames = f"{self._rng.getrandbits(64):016x}", 0

    async def heard(self, data: Json) -> None:
        dialogue = (data.get("content") or data).get("dialogue")
        if not dialogue or not dialogue.get("choices") or dialogue["dialogue_id"] == self._asked:
            return
        self._asked = dialogue["dialogue_id"]
        choice = self._rng.choice(ANSWERS)
        if choice in dialogue["choices"]:
            task = asyncio.ensure_future(self._answer(dialogue["dialogue_id"], choice))
            self._answers.add(task)
            task.add_done_callback(self._answers.discard)

    async def _answer(self, dialogue_id: str, choice: str) -> None:
        await asyncio.sleep(self._rng.uniform(1, 5))
        body = {"dialogue_id": dialogue_id, "choice": choice}
        await self.web.ask("answers at screens", f"/api/v1/screens/{self._screen}/answer", body)

    async def prove(self) -> None:
        """Tell what was shown, for ever."""
        await asyncio.sleep(self._rng.uniform(0, self._every_s))
        while True:
            now_ms = time.time_ns() // 1_000_000
            plays = [self._play(now_ms - 10_000 * (number + 1)) for number in range(PLAYS)]
            await self.web.ask("proofs of play", f"/api/v1/screens/{self._screen}/plays", {"plays": plays})
            await asyncio.sleep(self._every_s)

    def _play(self, started_ms: int) -> Json:
        slide = self._rng.choice(("bread", "flowers", "filter", "totebag"))
        return {
            "play_id": _ulid(time.time_ns() // 1_000_000, self._rng),
            "content": f"o-{slide}",
            "title": f"An offer of the loop: {slide}",
            "decision_id": None,
            "slot": "main",
            "started_ms": started_ms,
            "visible_ms": 10_000,
            "completed": True,
        }

    async def pulse(self) -> None:
        """Say that it draws, for ever."""
        while True:
            body = {"page": self._page, "frames": self._frames, "build": "", "seq": 1}
            await self.web.ask("heartbeats", f"/api/v1/screens/{self._screen}/heartbeat", body)
            self._frames += int(PULSE_S)
            await asyncio.sleep(PULSE_S)


class Tablet(Page):
    """A colleague who accepts the oldest request, looks at the card for a while and closes it."""

    def __init__(self, web: Web, number: int, rng: Random) -> None:
        super().__init__(web, "/api/v1/tablet/stream", web.tablet_cookie(number))
        self._rng = rng
        self._waiting: list[str] = []

    async def heard(self, data: Json) -> None:
        if "queue" in data:
            self._waiting = [entry["handshake_id"] for entry in data["queue"] if entry["state"] == "asked"]

    async def work(self, looks_s: float) -> None:
        """`looks_s`: how long a card is looked at."""
        while True:
            await asyncio.sleep(self._rng.uniform(0.5, 2))
            if not self._waiting:
                continue
            where = f"/api/v1/tablet/handshakes/{self._waiting[0]}"
            opened = await self.web.ask("requests for advice", f"{where}/accept", {}, cookie=self.cookie)
            if opened is not None and opened["result"] == "open":
                await asyncio.sleep(self._rng.uniform(0.5, 1.5) * looks_s)
                await self.web.ask("cards closed", f"{where}/close", {}, cookie=self.cookie)


class Till(Page):
    """A point of sale beside its page: who is known there buys, and most of them redeem something."""

    def __init__(self, web: Web, till: str, rng: Random) -> None:
        super().__init__(web, f"/api/v1/tills/{till}/stream", web.tablet_cookie(99))
        self._till, self._rng = f"/api/v1/tills/{till}", rng
        self._receipt = 0

    async def sell(self) -> None:
        """For ever."""
        while True:
            await asyncio.sleep(self._rng.uniform(0.5, 1.5))
            buyer = await self._ask("looks at the till", "", None)
            if buyer is not None and buyer.get("member_id"):
                await self._sale()

    async def _sale(self) -> None:
        self._receipt += 1
        receipt = f"B-{self._receipt}"
        held = await self._ask("offers held", "/redemptions", {"offer_id": "o-till-honey"})
        if held is not None and held["result"] == "reserved":
            way = f"/redemptions/{held['redemption_id']}"
            if self._receipt % 5 == 0:
                await self._ask("offers given back", f"{way}/cancel", {})
            else:
                await self._ask("offers redeemed", f"{way}/confirm", {"receipt": receipt})
                if self._receipt % 7 == 0:
                    await self._ask("goods come back", f"{way}/reverse", {"cents": 100})
        await self._ask("receipts", "/sales", {"receipt": receipt, "lines": goods.sold(self._receipt)})
        await self._ask("sales over", "/done", {})

    async def basket(self, code: str) -> None:
        await self._ask("baskets at the till", "/baskets", {"code": code})

    async def _ask(self, what: str, path: str, body: object) -> Json | None:
        key = {"idempotency-key": secrets.token_hex(16)} if body is not None else {}
        return await self.web.ask(what, self._till + path, body, authorization=f"Bearer {self.web.key}", **key)


async def scan(web: Web, till: Till, rng: Random) -> None:
    """A customer's phone: a basket, some goods, the code that the till is shown."""
    begun = await web.client.post("/api/v1/scan/begin", json={"language": "de"})
    cookie = begun.cookies.get(SCAN)
    if begun.status_code != 200 or cookie is None:
        web.failed[f"baskets: {begun.status_code}"] += 1
        return
    web.client.cookies.clear()
    shown = {"cookie": f"{SCAN}={cookie}"}
    for _ in range(rng.randint(2, 8)):
        one = {"id": f"{rng.getrandbits(64):x}", "code": goods.gtin(rng.randint(1, 10)), "count": 1}
        await web.ask("goods scanned", "/api/v1/scan/lines", {"scans": [one]}, **shown)
        await asyncio.sleep(rng.uniform(0.1, 0.5))
    told = await web.ask("baskets", "/api/v1/scan/code", {}, **shown)
    if told is not None and told.get("code"):
        await till.basket(told["code"])
    await web.ask("baskets over", "/api/v1/scan/end", {}, **shown)


def _ulid(now_ms: int, rng: Random) -> str:
    """As the page makes them: time, then chance."""
    number = now_ms << 80 | rng.getrandbits(80)
    return "".join(_BASE32[number >> shift & 31] for shift in range(125, -1, -5))


BAD = (  # path, body, what it says it is
    ("/api/v1/screens/coffee/answer", b'{"dialogue_id": 7}', "application/json"),
    ("/api/v1/screens/coffee/plays", b"[" * 2_000, "application/json"),
    ("/api/v1/screens/nowhere/plays", b'{"plays": []}', "application/json"),
    ("/api/v1/scan/lines", b"\xff\xfe", "application/json"),
    ("/api/v1/tills/till-1/sales", b'{"receipt": null}', "application/json"),
    ("/api/v1/tablet/unlock", b"x" * 100_000, "text/plain"),
)


async def misuse(web: Web, rng: Random) -> None:
    """A request that has to be refused, another address each time."""
    path, body, kind = rng.choice(BAD)
    with suppress(httpx.HTTPError):
        answer = await web.client.post(path, content=body, headers={"content-type": kind})
        web.done[f"bad requests refused: {answer.status_code}" if answer.status_code >= 400 else "BAD TAKEN"] += 1
    with suppress(httpx.HTTPError):
        await web.client.get(f"/{rng.randbytes(20).hex()}?{rng.getrandbits(64)}")
