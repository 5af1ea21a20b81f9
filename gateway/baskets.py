"""Customers who scan for themselves: a basket each, on disk alone and sealed, from check-in to the till.

The way in for phones and tills; what happens in a transaction is in gateway.basketacts. A phone shows its cookie, and
a hash of that is kept.
"""

import asyncio
import hashlib
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any, Protocol, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.basketacts import (
    MAX_WAIT_MS,
    Answer,
    Outcome,
    Told,
    Typed,
    View,
    begin,
    disown,
    live,
    look,
    make_code,
    scan,
    show,
    stands,
)
from gateway.core.basket import Basket
from gateway.core.guesses import Guesses
from gateway.core.model import Proof
from gateway.core.places import Places, host_of
from gateway.core.ports import Clock
from gateway.core.prices import Article
from gateway.core.redemption import TTL_MS, Times
from gateway.core.tills import Sale, Tills
from gateway.core.tokens import Random, new_token
from gateway.health import Health
from gateway.records import Tx
from gateway.store import Store
from gateway.works import Commit

T = TypeVar("T")

MINUTE_MS = 60_000
# Baskets of nobody who is known, begun in a minute: behind a proxy all phones have one address.
MAX_BEGUN_SOURCE = 30
MAX_BEGUN = 100
# Of one member, and of all: each asks the catalogue. A phone begins once, and anew by itself after five minutes. So
# many at once are two hundred customers who all come in and reload the page.
MAX_BEGUN_MEMBER = 5
MAX_BEGUN_MEMBERS = 600
SWEEP_MS = 60_000
# How long a sale lasts whose basket was shown: a full trolley with age checks takes five minutes to ring up. Who taps
# may step aside unseen and counts for `sale_ms`; here the till itself has the goods before it until they are paid.
RING_UP_MS = TTL_MS
SWEEP_ROWS = 50  # of one commit
PAGE_ROWS = 1_000  # of the price list in one work: 4 ms of CPU (x86-64), 20 ms on a Pi, for which commits wait
_KEY = b"store-gateway basket key"


class Trips(Protocol):
    """Of gateway.visits: which visit of a member is under way, and what is to be known of it."""

    def visit_of(self, member_id: str) -> tuple[str, str] | None: ...

    def basket(self, member_id: str, cents: int, goods: Sequence[tuple[str, int, int]]) -> None: ...


class Baskets:
    """All baskets of the shop; a Holder (core.ports). `times`: this instant (gateway.life); `hq_there`: whether the
    line to headquarters stands."""

    def __init__(
        self,
        tills: Tills,
        store: Store,
        clock: Clock,
        health: Health,
        commit: Commit,
        begin: Callable[[Coroutine[Any, Any, None]], None],
        new_id: Callable[[], str],
        times: Callable[[], Times],
        site_key: bytes,
        random: Random,
        sale_ms: Callable[[], int],
        trips: Trips,
        hq_there: Callable[[], bool],
    ) -> None:
        self._tills = tills
        self._store = store
        self._clock = clock
        self._health = health
        self._commit = commit
        self._begin = begin
        self._new_id = new_id
        self._times = times
        self._random = random
        self._sale_ms = sale_ms
        self._trips = trips
        self._hq_there = hq_there
        self._places = Places()
        seed = hashlib.blake2b(_KEY, key=site_key, digest_size=32).digest()
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self._owners: dict[str, str] = {}  # basket -> member
        self._sweep_ms = 0
        self._list: tuple[int, bytes] | None = None  # revision, file
        self._listing = asyncio.Lock()
        self._begun = Guesses(window_ms=MINUTE_MS, at_one=MAX_BEGUN_SOURCE, in_all=MAX_BEGUN)
        self._begun_members = Guesses(window_ms=MINUTE_MS, at_one=MAX_BEGUN_MEMBER, in_all=MAX_BEGUN_MEMBERS)
        self._beginning: set[str] = set()  # members whose basket is being begun; one each

    async def load(self) -> None:
        """Whose baskets a restart found."""
        self._owners = await self._store.run(lambda tx: tx.baskets_with_members())

    # --- phones ----------------------------------------------------------------------------------------------

    async def start(self, member_id: str | None, language: str, source: str = "") -> tuple[View, str]:
        """A new basket, and the cookie that opens it. `source`: where the request came from; none takes all places."""
        if not self._may_begin(member_id, source):
            self._health.count("baskets.busy")
            return View("busy"), ""
        if member_id is None:
            return await self._start(None, language, source)
        self._beginning.add(member_id)
        try:
            return await self._start(member_id, language, source)
        finally:
            self._beginning.discard(member_id)

    def _may_begin(self, member_id: str | None, source: str) -> bool:
        now_ms = self._clock.now_ms()
        if member_id is None:
            return self._places.has_room(source) and self._begun.take(host_of(source), now_ms)
        return member_id not in self._beginning and self._begun_members.take(member_id, now_ms)

    async def _start(self, member_id: str | None, language: str, source: str) -> tuple[View, str]:
        cookie, hq_there = new_token(self._random), self._hq_there()
        basket, times = Basket(self._new_id(), member_id, language=language), self._times()
        visit = None if member_id is None else self._trips.visit_of(member_id)
        visit_id = "" if visit is None else visit[0]
        view = await self._commit(lambda tx: begin(tx, basket, visit_id, times, hq_there=hq_there))
        self._health.count("baskets.begun" if view.result == "ok" else f"baskets.{view.result}")
        if view.basket is not None:
            self._places.begun(_hash(cookie), view.basket, source, self._clock.now_ms())
        return view, cookie

    async def see(self, cookie: str | None) -> View:
        """The basket of this phone."""
        times, fresh, hq_there = self._times(), self._fresh(cookie), self._hq_there()

        def work(tx: Tx) -> View:
            basket = live(tx, _hash(cookie or ""), fresh)
            return View("gone") if basket is None else look(tx, basket, times, hq_there=hq_there)

        return await self._store.run(work)

    async def scan(self, cookie: str | None, typed: Sequence[Typed], source: str = "") -> View:
        """Scans of this phone, in any order and as often as it likes."""
        times, fresh, key, has_room = self._times(), self._fresh(cookie), _hash(cookie or ""), True
        if fresh is not None:
            has_room = self._places.has_room(source)
        hq_there = self._hq_there()
        view = await self._commit(lambda tx: scan(tx, key, typed, times, fresh, has_room, hq_there=hq_there))
        if view.result == "busy":
            self._health.count("baskets.busy")
        if view.basket is not None and view.basket.scans:
            self._places.filled(key, view.basket, source)
            self._note(view)
        return view

    async def code(self, cookie: str | None) -> View:
        """A one-time code for the till."""
        times, fresh, key, hq_there = self._times(), self._fresh(cookie), _hash(cookie or ""), self._hq_there()
        view = await self._commit(lambda tx: make_code(tx, key, self._private, times, fresh, hq_there=hq_there))
        if view.result == "ok":
            self._health.count("baskets.coded")
        return view

    async def end(self, cookie: str | None) -> None:
        """The person is done without buying: nothing of it stays. A basket that a till has seen stays for its end."""

        def work(tx: Tx) -> str:
            basket = live(tx, _hash(cookie or ""))
            if basket is None:
                return ""
            tx.drop_basket(basket.basket_id)
            return basket.basket_id

        self._places.let_go(_hash(cookie or ""))
        self._over(await self._commit(work))

    async def price_list(self, pack: Callable[[int, list[Article]], bytes]) -> bytes:
        """The whole list as `pack` makes it of its version and articles: once for each list, beside the loop."""
        async with self._listing:
            while True:
                revision, version = await self._store.run(lambda tx: (tx.prices_revision, tx.prices_version))
                if self._list is not None and self._list[0] == revision:
                    return self._list[1]
                articles: list[Article] = []
                while page := await self._store.run(partial(_next_page, articles[-1].gtin if articles else "")):
                    articles += page
                if revision == await self._store.run(lambda tx: tx.prices_revision):
                    self._list = revision, await asyncio.to_thread(pack, version, articles)

    # --- tills -----------------------------------------------------------------------------------------------

    async def at_till(self, till: str, key: str, text: str) -> Outcome:
        """What is in the basket of a code, once. The sale at that till is its member's from then on, or nobody's."""
        times, hq_there = self._times(), self._hq_there()
        before = self._tills.at(till, times.now_ms)
        told = await self._commit(lambda tx: show(tx, till, key, text, self._private, times, hq_there=hq_there))
        if isinstance(told.outcome, Answer):
            if told.news:
                self._health.count("baskets.shown" if told.outcome.reason is None else "baskets.refused")
            self._over(told.outcome.basket_id)
            if told.outcome.reason is None:
                self._stand(till, told, told.outcome.basket_id, before)
        return told.outcome

    def _stand(self, till: str, told: Told, basket_id: str, before: Sale | None) -> None:
        """Whose basket was shown stands at that till; whoever stood there `before` it was shown is over, and whoever
        tapped there since is not. One that is told again changes nobody's sale."""
        now_ms = self._clock.now_ms()
        lasts_ms = max(self._sale_ms(), RING_UP_MS)
        standing, until_ms = self._tills.at(till, now_ms), min(told.at_ms, now_ms) + lasts_ms
        was = None if before is None else before.member_id
        free = standing is None or (told.news and standing.member_id == was)
        if told.member_id is None:
            if told.news and free:
                self._tills.done(till)
            return
        if free and now_ms < until_ms:
            same = standing is not None and standing.member_id == told.member_id
            proof = standing.proof if standing is not None and same else Proof.BEARER
            self._tills.identify(Sale(till, told.member_id, proof, until_ms))
        self._begin(self._stood(told.member_id, basket_id))

    # --- as a Holder -----------------------------------------------------------------------------------------

    @property
    def members(self) -> set[str]:
        return set(self._owners.values()) | self._places.members

    def forget(self, member_id: str) -> int:
        """This member's baskets are nobody's from now on; how many."""
        self._begun_members.forget(member_id)
        mine = [basket_id for basket_id, owner in self._owners.items() if owner == member_id]
        for basket_id in mine:
            del self._owners[basket_id]
        if mine:
            self._begin(self._disown(member_id))
        return len(mine) + self._places.forget(member_id)

    def expire(self, now_ms: int) -> None:
        """What nobody filled goes; once a minute, baskets whose time has surely come."""
        self._places.expire(now_ms)
        self._begun_members.expire(now_ms)
        if now_ms >= self._sweep_ms:
            self._sweep_ms = now_ms + SWEEP_MS
            self._begin(self._sweep())

    def shift(self, delta_ms: int) -> None:
        """How often baskets were begun, and what nobody filled, goes by the clock of the moment."""
        self._begun.shift(delta_ms)
        self._begun_members.shift(delta_ms)
        self._places.shift(delta_ms)
        self._sweep_ms = 0

    def memory_of(self, member_id: str) -> Mapping[str, object]:
        """A basket in which nothing is yet; the others stand in the table, and in their own section of the export."""
        return {"basket_begun": True if member_id in self._places.members else None}

    async def _stood(self, member_id: str, basket_id: str) -> None:
        await self._commit(lambda tx: stands(tx, member_id, basket_id))

    async def _disown(self, member_id: str) -> None:
        await self._commit(lambda tx: disown(tx, member_id))

    async def _sweep(self) -> None:
        times = self._times()
        until_ms = times.latest_ms + MAX_WAIT_MS
        if not await self._store.run(lambda tx: tx.basket_count()):
            return
        while gone := await self._commit(lambda tx: tx.drop_baskets(times.surely_ms, SWEEP_ROWS, until_ms)):
            for basket_id in gone:
                self._over(basket_id)

    def _fresh(self, cookie: str | None) -> Basket | None:
        return self._places.fresh(_hash(cookie or ""), self._clock.now_ms())

    def _note(self, view: View) -> None:
        """Keep in mind whose basket it is, the only one of theirs, and let it be known of their visit what is in it."""
        basket, priced = view.basket, view.priced
        if basket is None or basket.member_id is None or priced is None:
            return
        for older in [one for one, owner in self._owners.items() if owner == basket.member_id]:
            del self._owners[older]
        self._owners[basket.basket_id] = basket.member_id
        self._trips.basket(basket.member_id, priced.sum_cents, view.goods)

    def _over(self, basket_id: str) -> None:
        """It is at the till, or gone: nothing is in it any more."""
        self._places.over(basket_id)
        owner = self._owners.pop(basket_id, None)
        if owner is not None:
            self._trips.basket(owner, 0, ())


def _next_page(after: str, tx: Tx) -> list[Article]:
    return tx.price_page(after, PAGE_ROWS)


def _hash(cookie: str) -> bytes:
    return hashlib.sha256(b"basket " + cookie.encode()).digest()[:16]
