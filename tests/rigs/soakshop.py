"""A shop many times as busy as one is, around the real gateway: people who walk, tap and pass by, pages, a till, what
headquarters changes, and what goes wrong. Rates are of a shop's day of twelve hours; docs/soak.md reckons them.
"""

import asyncio
import json
import secrets
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Self

import paho.mqtt.client as mqtt

from drivers import goods, tags
from drivers.people import NOTICE_VERSION, people, population
from drivers.replay import Adv, Record, Touch
from drivers.shopday import ShopDay
from gateway import keys
from gateway.bench_bluez import UNREAD
from gateway.core.model import Purpose
from gateway.core.spans import DAY_MS
from gateway.emulator import cards
from gateway.emulator.chip import Pn532Rig
from sync.hq import service
from sync.topics import Topics
from tests.rigs import hostile, traces
from tests.rigs.bluez import FakeBluez, data_properties
from tests.rigs.flooded import unit_environment
from tests.rigs.soakpages import PULSE_S, Page, Screen, Tablet, Till, Web, misuse, scan
from tests.rigs.system import System

GATEWAY = Topics("test", "musterstadt", "gw1")  # as System names it
ZONES = ("entrance", "coffee", "wine", "till")
READERS = {  # and what a tap there does
    "entrance-nfc": 'screen = "entrance"\ndoor = true',
    "coffee-nfc": 'screen = "coffee"',
    "advice-nfc": "advice = true",
    "till-nfc": 'screen = "till"\ntill = "till-1"',
}
# Of a plain shop: so many walk in and out all day, and make 118 visits an hour; so many strangers beside them.
WALKERS, STRANGERS = 15, 10
PASSERS_PER_S = 0.2  # people who pass the door, or whose phone changed its address: each a new one
PASSER_HEARD = 4  # times, in some seconds
PROOFS_PER_S = 0.2  # four screens, one each 20 s
SCREENS = 16  # so that at ten times the load none tells more plays than a screen can show (gateway.plays)
TABLETS = 3
BATCH_S = 0.02
TAP_S, APART_S = 0.3, 0.3
FORGET_S = 30.0  # BlueZ
LOOK_S = 0.5


@dataclass(frozen=True, slots=True)
class Pace:
    """`times` a shop's load; `hour_s`: seconds in which a shop's hour of changes and mishaps happens; `away_s`: how
    long the line is away; `background`: members beside those who walk."""

    times: float
    hour_s: float
    away_s: float
    background: int


def tables(rigs: dict[str, Pn532Rig]) -> str:
    """Sources, receivers and screens of the configuration."""
    parts = [
        f'[[source]]\npath = "ble:hci{number}"\nreceiver = "{zone}-ble"\n'
        f'[[receiver]]\nid = "{zone}-ble"\nzone = "{zone}"\n'
        for number, zone in enumerate(ZONES)
    ]
    for reader, does in READERS.items():
        zone = "wine" if reader == "advice-nfc" else reader.removesuffix("-nfc")
        parts.append(
            f'[[source]]\npath = "nfc:{rigs[reader].path}"\nreceiver = "{reader}"\n'
            f'[[receiver]]\nid = "{reader}"\nzone = "{zone}"\n{does}\n'
        )
    parts += [f'[[screen]]\nid = "{name}"\nzone = "{zone}"\n' for name, zone in screens()]
    return "".join(parts)


def screens() -> Iterator[tuple[str, str]]:
    """One in each zone, and more where nobody is known."""
    yield from ((zone, zone) for zone in ZONES)
    yield from ((f"loop-{number}", f"hall-{number}") for number in range(SCREENS - len(ZONES)))


def background(number: int, word: str = "") -> list[dict[str, Any]]:
    """A member of the chain who is not here: five operations."""
    who = f"chain-{number:05}"
    member = {"member_id": who, "call_name": f"Name {number}{word}", "language": "de", "interests": ["coffee", "tea"]}
    beacon = {"credential_id": f"{who}-b", "member_id": who, "kind": "eid", "clock_zero_s": 0, "exponent": 10}
    consents = [consent(who, purpose, "given", word) for purpose in (Purpose.RECOGNISE_BLE, Purpose.STAFF_ADVICE)]
    card = {"credential_id": f"{who}-c", "member_id": who, "kind": "ndef", "value": f"card {who}{word}".encode().hex()}
    key = Random(f"{who}{word}").randbytes(16).hex()
    bodies = [("member.put", member), ("credential.put", beacon | {"identity_key": key}), ("credential.put", card)]
    return [{"op": op, "body": body} for op, body in bodies] + consents


def consent(who: str, purpose: Purpose, state: str, word: str) -> dict[str, Any]:
    given = {"event_id": f"{who}-{purpose}{word}", "member_id": who, "purpose": purpose, "state": state}
    return {
        "op": "consent.add",
        "body": given | {"notice_version": NOTICE_VERSION, "given_at_ms": time.time_ns() // 1_000_000},
    }


class Shop:
    """`async with Shop(...) as shop: await shop.open(seconds, ...)`. `counts`: what happened; `web`: its pages."""

    def __init__(self, folder: Path, pace: Pace, seed: int) -> None:
        self.pace, self.folder = pace, folder
        self.counts: Counter[str] = Counter()
        self._end = AsyncExitStack()
        self._rng = Random(seed)
        self._seed = seed
        self._walkers = min(500, max(2, round(WALKERS * pace.times)))
        self._ops_file, self._word = folder / "push.jsonl", 0
        self._pushing = threading.Lock()
        self._erased = 0
        self._free = asyncio.Lock()  # the broker is up, and nothing is wrong with the line
        self._plugged = asyncio.Lock()  # all readers are there
        self._air = asyncio.Lock()

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._end.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._end.aclose()

    async def _start(self) -> None:
        end = self._end
        self.rigs = {reader: end.enter_context(Pn532Rig()) for reader in READERS}
        radios = (f"hci{number}" for number in range(len(ZONES)))
        self.bluez = await end.enter_async_context(FakeBluez(*radios, forget_after_s=FORGET_S))
        environment = unit_environment() | {"DBUS_SYSTEM_BUS_ADDRESS": self.bluez.address}
        ops = [*population(self._seed, self._walkers), *goods.ops()]
        ops += [op for number in range(self.pace.background) for op in background(number)]
        self.system = System(self.folder, tables(self.rigs), ops, environment, signed=True)
        # In a thread, because the gateway waits for the fake BlueZ of this one.
        await asyncio.to_thread(self.system.__enter__)
        end.push_async_callback(asyncio.to_thread, self.system.__exit__)
        await asyncio.to_thread(self._equip)
        self.web = Web(self.system.http_port, keys.tablet_key(self.system.data))
        end.push_async_callback(self.web.client.aclose)

    async def open(self, is_over: Callable[[float], bool], beside: Awaitable[None]) -> None:
        """Until `is_over`, which is told for how many seconds it was open; `beside` runs meanwhile. What has gone wrong
        is put right in the end."""
        tasks = [asyncio.ensure_future(work) for work in (*self._life(), beside)]
        began_s = time.monotonic()
        try:
            while not is_over(time.monotonic() - began_s):
                done, _ = await asyncio.wait(tasks, timeout=LOOK_S, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()  # raises what it raised
                    raise AssertionError("a part of the shop ended by itself")
            async with self._free, self._plugged:
                pass
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _equip(self) -> None:
        """A budget from which the till redeems, and a price list."""
        db = self.system.hq_db
        prices = self.folder / "prices.jsonl"
        prices.write_text("".join(json.dumps(article) + "\n" for article in goods.articles()))
        service.publish_prices(db, prices)
        service.put_budget(db, goods.BUDGET, "cents", 100_000_000)
        until_ms = time.time_ns() // 1_000_000 + DAY_MS
        service.lend(db, goods.BUDGET, f"{GATEWAY.tenant}/{GATEWAY.store}/{GATEWAY.gateway}", 50_000_000, until_ms)
        rules = {"classes": goods.classes(), "keys": []}
        self._push([{"op": "coupons.put", "body": rules}])

    def _life(self) -> Iterator[Awaitable[None]]:
        rng, pace = self._rng, self.pace
        yield self._walk()
        yield self._pass_by()
        self._taps: dict[str, asyncio.Queue[Touch]] = {reader: asyncio.Queue(20) for reader in READERS}
        yield from (self._tap(reader) for reader in READERS)
        every_s = SCREENS / (PROOFS_PER_S * pace.times)
        shown = [Screen(self.web, name, Random(rng.random()), every_s) for name, _ in screens()]
        tablets = [Tablet(self.web, number, Random(rng.random())) for number in range(TABLETS)]
        till = Till(self.web, "till-1", Random(rng.random()))
        pages: list[Page] = [*shown, *tablets, till]
        yield from (page.run() for page in pages)
        for screen in shown:
            yield screen.prove()
            yield screen.pulse()
        yield from (tablet.work(min(10, pace.hour_s / 36)) for tablet in tablets)
        yield till.sell()
        hour_s = pace.hour_s
        yield self._every(min(PULSE_S, hour_s), self._monitor)
        yield self._every(hour_s / 6, lambda: scan(self.web, till, rng))
        yield self._every(hour_s / 10, lambda: self._reload(pages))
        yield self._every(hour_s / 5, lambda: misuse(self.web, rng))
        yield self._every(hour_s / 5, self._hostile)
        yield self._every(hour_s / 5, self._changes)
        yield self._every(hour_s / 2, self._withdraw)
        yield self._every(hour_s / 2, self._erase)
        yield self._every(hour_s * 1.5, self._unplug)
        yield self._every(hour_s * 2, self._restart_broker)
        yield self._every(hour_s * 3, self._restart_bluez)
        yield self._every(hour_s * 4, self._away)

    async def _every(self, seconds: float, what: Callable[[], Awaitable[None]]) -> None:
        await asyncio.sleep(seconds * self._rng.uniform(0.2, 0.8))
        while True:
            await what()
            await asyncio.sleep(seconds * self._rng.uniform(0.8, 1.2))

    # --- people --------------------------------------------------------------------------------------------------

    async def _walk(self) -> None:
        """The simulated shop's people, on the air and before the readers."""
        day = ShopDay(self._seed, self._walkers, round(STRANGERS * self.pace.times))
        # It opens as an empty shop: begin in the middle of it.
        ahead_ms = 600_000
        now_ms = time.time_ns() // 1_000_000
        while (due := day.next_ms) is not None and due < ahead_ms:
            day.step(now_ms)
        uris = [person.card_uri for person in people(self._seed, self._walkers) if person.card_uri]
        for reader, uri in zip(READERS, uris, strict=False):
            self._show(Touch(0, reader, tags.encode_uri(uri), "04a1b2c3d4e5f6"))
        begun_s = time.monotonic()
        while True:
            at_ms = ahead_ms + round((time.monotonic() - begun_s) * 1000)
            records: list[Record] = []
            while (due := day.next_ms) is not None and due <= at_ms:
                records += day.step(time.time_ns() // 1_000_000)
            for touch in records:
                if isinstance(touch, Touch):
                    self._show(touch)
            await self._send([(ZONES.index(one.receiver[:-4]), one) for one in records if isinstance(one, Adv)])
            await asyncio.sleep(BATCH_S)

    async def _pass_by(self) -> None:
        """Strangers who come once, of every kind, whole and malformed."""
        number, wait_s = 0, 1 / (PASSERS_PER_S * self.pace.times * PASSER_HEARD)
        while True:
            number = number % (traces.MAX_NUMBER - 1) + 1
            seen: list[tuple[int, Adv]] = []
            for again in range(PASSER_HEARD):  # this one, and those before it once more
                who = max(1, number - again * 3)
                adv = Adv(0, "", self._rng.randint(-90, -50), traces.advertisement(who), traces.address(who))
                seen.append((self._rng.randrange(len(ZONES)), adv))
            await self._send(seen)
            self.counts["strangers who pass by"] += 1
            await asyncio.sleep(wait_s * PASSER_HEARD)

    async def _send(self, heard: list[tuple[int, Adv]]) -> None:
        async with self._air:
            for at in range(0, len(heard), UNREAD):
                for radio, adv in heard[at : at + UNREAD]:
                    found = self.bluez.radios[f"hci{radio}"]
                    self.bluez.put_on_air(adv.address, adv.rssi_dbm, data_properties(adv.ad), found)
                await self.bluez.read_by_bus()
        self.counts["advertisements"] += len(heard)

    def _show(self, touch: Touch) -> None:
        queue = self._taps[touch.receiver]
        if queue.full():
            self.counts["taps left out"] += 1  # the reader is away, or there is a queue before it
        else:
            queue.put_nowait(touch)

    async def _tap(self, reader: str) -> None:
        rig, queue = self.rigs[reader], self._taps[reader]
        while True:
            touch = await queue.get()
            await asyncio.to_thread(rig.present, cards.type2(touch.ndef, touch.uid))
            await asyncio.sleep(TAP_S)
            await asyncio.to_thread(rig.remove)
            await asyncio.sleep(APART_S)
            self.counts["taps"] += 1

    # --- pages, monitoring -----------------------------------------------------------------------------------------

    async def _reload(self, pages: list[Page]) -> None:
        self._rng.choice(pages).reload()
        self.counts["pages loaded anew"] += 1

    async def _monitor(self) -> None:
        """What a monitoring system and a manager look at."""
        for path in ("/metrics", "/healthz", "/api/v1/status", "/"):
            await self.web.ask("looks of monitoring", path)

    # --- headquarters ----------------------------------------------------------------------------------------------

    def _push(self, ops: list[dict[str, Any]]) -> None:
        with self._pushing:
            self._ops_file.write_text("".join(json.dumps(op) + "\n" for op in ops))
            service.import_file(self.system.hq_db, self._ops_file)

    async def _changes(self) -> None:
        """Five profiles that changed and a new one, now and then an offer, prices and stock."""
        self._word += 1
        numbers = [self._rng.randrange(self._erased, self.pace.background) for _ in range(5)]
        ops = [op for number in numbers for op in background(number, f"-{self._word}")[:1]]
        ops += background(self.pace.background + self._word)
        offers = [op for op in population(1, 0) if op["op"] == "offer.put"]
        offer = self._rng.choice(offers)
        title = {language: f"{text} {self._word % 10}" for language, text in offer["body"]["title"].items()}
        ops.append({"op": "offer.put", "body": offer["body"] | {"title": title}})
        await asyncio.to_thread(self._push, ops)
        self.counts["changes of headquarters"] += len(ops)

    async def _withdraw(self) -> None:
        """Somebody who is perhaps here takes one or all consents back, and gives them again later."""
        person = self._rng.choice(people(self._seed, self._walkers))
        purposes = self._rng.choice((None, [Purpose.RECOGNISE_BLE], [Purpose.PERSONALISE_OFFERS]))
        now_ms = time.time_ns() // 1_000_000
        await asyncio.to_thread(service.withdraw, self.system.hq_db, person.member_id, purposes, now_ms)
        self.counts["withdrawals"] += 1
        await asyncio.sleep(self.pace.hour_s / 4)
        self._word += 1
        again = [consent(person.member_id, purpose, "given", f"-{self._word}") for purpose in person.purposes]
        await asyncio.to_thread(self._push, again)

    async def _erase(self) -> None:
        who = f"chain-{self._erased:05}"
        self._erased += 1
        await asyncio.to_thread(service.erase, self.system.hq_db, who, time.time_ns() // 1_000_000)
        self.counts["erasures"] += 1

    async def _hostile(self) -> None:
        """Messages that nobody at headquarters wrote, on the gateway's own topics."""
        async with self._free:
            await asyncio.to_thread(self._publish)

    def _publish(self) -> None:
        client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, f"bad-{secrets.token_hex(4)}")
        client.connect("127.0.0.1", self.system.broker.port)
        client.loop_start()
        kinds = [kind for kind in hostile.kinds() if kind.way == "down"]
        for _ in range(10):
            kind = self._rng.choice(kinds)
            payload = hostile.spoil(self._rng, self._rng.choice(kind.honest))
            client.publish(GATEWAY.down(kind.leaf), payload[:90_000], qos=1).wait_for_publish(5)
            self.counts["bad messages"] += 1
        client.disconnect()
        client.loop_stop()

    # --- what goes wrong -------------------------------------------------------------------------------------------

    async def _unplug(self) -> None:
        reader = self._rng.choice(list(self.rigs))
        async with self._plugged:
            await asyncio.to_thread(self.rigs[reader].unplug)
            await asyncio.sleep(min(20, self.pace.hour_s / 10))
            await asyncio.to_thread(self.rigs[reader].replug)
        self.counts["readers unplugged and back"] += 1

    async def _restart_broker(self) -> None:
        async with self._free:
            await asyncio.to_thread(self.system.broker.kill)
            await asyncio.sleep(min(2, self.pace.hour_s / 10))
            await asyncio.to_thread(self.system.broker.start)
        self.counts["broker restarts"] += 1

    async def _restart_bluez(self) -> None:
        async with self._air:
            for radio in self.bluez.radios.values():
                list(radio.forget())
            await self.bluez.restart()
        self.counts["bluetoothd restarts"] += 1

    async def _away(self) -> None:
        """No line; every other time headquarters writes every member anew meanwhile, so that a snapshot is shorter."""
        async with self._free:
            await asyncio.to_thread(self.system.broker.stop)
            since_s = time.monotonic()
            self.counts["times without a line"] += 1
            if self.counts["times without a line"] % 2 == 1:
                await asyncio.to_thread(self._everybody)
            await asyncio.sleep(max(0.0, self.pace.away_s - (time.monotonic() - since_s)))
            await asyncio.to_thread(self.system.broker.start)

    def _everybody(self) -> None:
        self._word += 1
        numbers = range(self._erased, self.pace.background)
        self._push([op for number in numbers for op in background(number, f"-{self._word}")])
        self.counts["members all written anew"] += 1
