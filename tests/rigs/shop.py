"""A shop's path on a real store with surfaces that only note: for tests of flow, apply and decisions."""

import asyncio
import itertools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from gateway.config import ReceiverTable
from gateway.core.changes import Change, ConfigPut, ConsentAdd, CredentialPut, Delta, MemberPut, OfferPut
from gateway.core.discretion import Discretion, Rules
from gateway.core.identity import Resolver
from gateway.core.keyring import Held, Keyring
from gateway.core.model import (
    ConsentRecord,
    ConsentState,
    CredentialKind,
    Member,
    Notice,
    Offer,
    Proof,
    Purpose,
    QueueEntry,
    ScreenContent,
    ShopConfig,
    Sighting,
    StaffCard,
    TalkingPoint,
    Tap,
)
from gateway.flow import Flow
from gateway.health import Health
from gateway.store import Store

SITE_KEY = bytes(range(32))
START_MS = 1_800_000_000_000
TEXT = {"de": "Hallo", "en": "Hello"}
NOTICE = Notice("1", "Muster GmbH", "privacy@muster.example", text={"en": "Only who agreed is recognised."})
RECEIVERS = (
    ReceiverTable(id="coffee-ble", zone="coffee"),
    ReceiverTable(id="wine-ble", zone="wine"),
    ReceiverTable(id="coffee-nfc", zone="coffee", screen="bar"),
    ReceiverTable(id="advice-nfc", zone="wine", advice=True),
    ReceiverTable(id="door-nfc", zone="entrance", screen="hall", door=True),
    ReceiverTable(id="till-nfc", zone="till", screen="counter", till="till-1"),
    ReceiverTable(id="bare-nfc", zone="wine"),
)
SCREENS = {"bar": "coffee", "cellar": "wine", "hall": "entrance", "counter": "till"}

# Public screens change at the next tick: what else a visit does is not what core.discretion is about.
AT_ONCE = Rules((0, 0), 1)


class Clock:
    """Time that a test moves by hand."""

    speed = 1.0

    def __init__(self) -> None:
        self.ms = START_MS

    def now_ms(self) -> int:
        return self.ms

    async def sleep(self, ms: float) -> None:
        self.ms += round(ms)


class Walls:
    """Surfaces that remember what they show, and everything they ever showed."""

    def __init__(self) -> None:
        self.screens: dict[str, ScreenContent] = {}
        self.history: list[tuple[str, ScreenContent]] = []
        self.entries: tuple[QueueEntry, ...] = ()
        self.cards: dict[str, StaffCard] = {}
        self.closed: list[tuple[str, str]] = []
        self.asleep: set[str] = set()
        self.locked: set[str] = set()
        self.rung: list[str] = []  # tills whose pages were told to ask anew
        self.on_till: Callable[[str], None] = lambda till: None

    def show(self, screen: str, content: ScreenContent) -> None:
        self.screens[screen] = content
        self.history.append((screen, content))

    def queue(self, entries: tuple[QueueEntry, ...]) -> None:
        self.entries = entries

    def open_card(self, tablet: str, card: StaffCard) -> None:
        self.cards[tablet] = card

    def close_card(self, tablet: str, handshake_id: str, reason: str) -> None:
        if tablet in self.cards and self.cards[tablet].handshake_id == handshake_id:
            del self.cards[tablet]
        self.closed.append((tablet, reason))

    def till(self, till: str) -> None:
        self.rung.append(till)
        self.on_till(till)

    def sees(self, tablet: str) -> bool:
        return tablet not in self.asleep

    def lock(self, tablet: str, locked: bool) -> None:
        (self.locked.add if locked else self.locked.discard)(tablet)

    def shift(self, delta_ms: int) -> None:
        """Deadlines are not this wall's business."""


class _Keychain:
    """Keys as if headquarters had sealed them for this gateway."""

    gateway = "acme/munich-1/gw-1"

    def __init__(self, keys: Sequence[Held]) -> None:
        self.ring = Keyring(keys)

    async def load(self) -> None:
        """They are here already."""


class Shop:
    """`await open()` first, `close()` last."""

    def __init__(
        self,
        path: Path,
        public_url: str | None = None,
        epoch: str = "e" * 32,
        keys: Sequence[Held] = (),
        rules: Rules = AT_ONCE,
    ) -> None:
        self.clock = Clock()
        self.walls = Walls()
        self.health = Health()
        self.resolver = Resolver(SITE_KEY)
        self.store = Store(path / "gateway.db", epoch, SITE_KEY)
        self.woken = 0
        self.on_wake = lambda: None
        self.ids = "id"  # what ids that are made here begin with
        ids = itertools.count(1)
        self.tasks: list = []
        self.flow = Flow(
            store=self.store,
            resolver=self.resolver,
            surfaces=self.walls,
            clock=self.clock,
            health=self.health,
            receivers={receiver.id: receiver for receiver in RECEIVERS},
            screens=SCREENS,
            site_key=SITE_KEY,
            new_id=lambda: f"{self.ids}{next(ids):04d}",
            spawn=self._spawn,
            wake=self._wake,
            public_url=public_url,
            keychain=_Keychain(keys) if keys else None,  # type: ignore[arg-type]  # opens nothing, holds these
            discretion=Discretion(lambda: 0.5, rules),
        )
        self.version = 0

    def _spawn(self, work) -> None:
        self.tasks.append(asyncio.ensure_future(work))

    def _wake(self) -> None:
        self.woken += 1
        self.on_wake()

    async def settle(self) -> None:
        """Wait for all work that is under way; raises what it raised. What may wait for company gets it at once."""
        while self.tasks:
            task = self.tasks.pop(0)
            while not task.done():
                company = asyncio.ensure_future(self.store.run(lambda _: None))
                await asyncio.wait({task, company}, return_when=asyncio.FIRST_COMPLETED)
                await asyncio.gather(company, return_exceptions=True)  # a disk may refuse it, too
            await task

    async def push(self, *changes: Change) -> str:
        """HQ sends these changes as the next delta."""
        parent, self.version = self.version, self.version + 1
        return await self.flow.on_hq_change(Delta(parent, self.version, changes))

    async def stand(self, member: str, receiver: str, seconds: int = 6) -> None:
        """The member is heard at one receiver twice a second."""
        for _ in range(seconds * 2):
            self.flow.sighted(Sighting(member, receiver, -60, self.clock.ms))
            self.clock.ms += 500
        await self.settle()
        await self.tick()

    async def tap(self, member: str | None, reader: str, proof: Proof = Proof.BEARER, **more: Any) -> None:
        """A tap, and everything that follows from it."""
        self.flow.tapped(Tap(member, reader, self.clock.ms, proof, **more))
        await self.settle()

    def step(self, screen: str = "bar") -> str | None:
        """The step of the dialogue that a screen shows."""
        view = self.walls.screens[screen].dialogue
        return None if view is None else view.step

    async def bodies(self, kind: str) -> list[dict[str, Any]]:
        """The bodies of the events of one type, in order."""
        return [json.loads(body) for event, body in await self.events() if event == kind]

    async def tick(self, ms: int = 0) -> None:
        """Let time pass, then tick."""
        self.clock.ms += ms
        self.flow.on_tick(self.clock.ms)
        await self.settle()

    async def events(self) -> list[tuple[str, str]]:
        """Type and body of everything in the outbox."""
        return [(row.type, row.body) for row in await self.store.outbox_after(0, 10_000)]

    async def types(self) -> list[str]:
        """The event types in the outbox, in order."""
        return [kind for kind, _ in await self.events()]


def member(name: str, *purposes: Purpose, interests: Sequence[str] = ("coffee",)) -> tuple[Change, ...]:
    """A member with a card, a fob and these consents."""
    points = (TalkingPoint(TEXT, TEXT),)
    return (
        MemberPut(Member(name, name.title(), "de", tuple(interests), ("Espresso",), points)),
        CredentialPut(
            f"{name}-fob", name, CredentialKind.IBEACON, name.encode().ljust(20, b"-"), trackable_wording="2026-11"
        ),
        CredentialPut(f"{name}-card", name, CredentialKind.NDEF, f"https://card.example/{name}".encode()),
        *(consent(name, purpose) for purpose in purposes),
    )


def consent(name: str, purpose: Purpose, state: ConsentState = ConsentState.GIVEN, seq: int = 1) -> ConsentAdd:
    """One record; later ones need a higher `seq`."""
    return ConsentAdd(
        ConsentRecord(f"{name}-{purpose}-{state}-{seq}", name, purpose, state, START_MS - 10_000 + seq, hq_seq=seq)
    )


def basics() -> tuple[Change, ...]:
    """A configured shop: a notice, an offer for everybody, one for coffee lovers."""
    return (
        ConfigPut(ShopConfig(TEXT, {"coffee": TEXT, "wine": TEXT}, NOTICE)),
        OfferPut(Offer("loop", TEXT, TEXT, zones=("coffee",), audience="everyone")),
        OfferPut(Offer("espresso", TEXT, TEXT, more=TEXT, interests=("coffee",), category="coffee", public_safe=True)),
    )


async def open_shop(path: Path, *changes: Change, public_url: str | None = None, keys: Sequence[Held] = ()) -> Shop:
    """A started shop with the basics and `changes`."""
    shop = Shop(path, public_url, keys=keys)
    await shop.flow.start()
    assert await shop.push(*basics(), *changes) == "applied"
    await shop.settle()
    return shop
