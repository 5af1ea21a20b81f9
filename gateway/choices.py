"""What people chose takes effect: committed, then the surfaces and the resolver follow.

A withdrawal is obeyed even while the disk cannot take it, and stored as soon as it can.
"""

import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from gateway import acts
from gateway.acts import Newcomer
from gateway.apply import recognised
from gateway.core.model import Act, Purpose, ShopConfig
from gateway.core.ports import Clock
from gateway.core.receipt import Receipt
from gateway.core.tokens import Random
from gateway.errors import PeerError, StoreError
from gateway.health import Health
from gateway.recognition import Recognition
from gateway.records import Tx
from gateway.touched import Recognised
from gateway.works import Commit

OWED_AGAIN_MS = 5_000  # between two tries to store withdrawals that the disk refused
MAX_OWED = 1_000  # people who withdraw while a disk is full; 500 bytes each


@dataclass(frozen=True, slots=True)
class Lent:
    """What the flow lends to those who work for it here.

    `forget` wipes a member from every surface, `erase` forgets them everywhere, `consent` records to its end what
    somebody decided. `memory`: what no file knows of a member. `changed`: consents came or went. `public_url` "":
    phones cannot reach us, tablets can.
    """

    clock: Clock
    health: Health
    commit: Commit
    begin: Callable[[Coroutine[Any, Any, None]], None]
    new_id: Callable[[], str]
    show: Callable[[str], None]
    shop: Callable[[], ShopConfig]
    forget: Callable[[str], object]
    erase: Callable[[str, str], Awaitable[str]]
    consent: Callable[[str, Mapping[Purpose, bool], Act], Awaitable[Receipt]]
    memory: Callable[[str], Mapping[str, object]]
    changed: Callable[[], None]
    site_key: bytes
    public_url: str
    random: Random


class Choices:
    """Lives on the event loop."""

    def __init__(self, lent: Lent, recognition: Recognition) -> None:
        self._recognition = recognition
        self._clock = lent.clock
        self._health = lent.health
        self._commit = lent.commit
        self._begin = lent.begin
        self._new_id = lent.new_id
        self._forget = lent.forget
        self._consent = lent.consent
        self._changed = lent.changed
        self._site_key = lent.site_key
        self._owed: dict[str, tuple[dict[Purpose, bool], Act]] = {}
        self._owed_ms = 0

    @property
    def held(self) -> bool:
        """Whether nobody may be known now, because some members may have been erased elsewhere."""
        return self._recognition.held

    async def noted(self, member_id: str, actor: str, action: str) -> bool:
        """Keep on record that somebody gets to see something; False for nobody's, and then there is nothing to see.

        Raises StoreError: no view without its record.
        """
        now_ms = self._clock.now_ms()

        def note(tx: Tx) -> bool:
            known = tx.has_member(member_id)
            if known:
                tx.audit(now_ms, member_id, actor, action)
            return known

        return await self._commit(note)

    async def follow(self, member_id: str, choices: Mapping[Purpose, bool], act: Act) -> str | None:
        """Do what a member chose; the id of the receipt, "" if it was so already, None = nobody who may choose.

        Raises StoreError; what they withdrew is obeyed even then.
        """
        now_ms = self._clock.now_ms()
        denied = {purpose: False for purpose, yes in choices.items() if not yes}
        try:
            news = await self._commit(lambda tx: acts.news(tx, member_id, choices, act, now_ms), vital=True)
            if not news:
                return None if news is None else ""
            return (await self._consent(member_id, news, act)).receipt_id
        except PeerError:
            return None
        except StoreError:
            if denied:
                self._obey(member_id)
                self._owe(member_id, denied, act)
            raise

    async def decide(self, member_id: str, choices: Mapping[Purpose, bool], act: Act) -> Receipt:
        """Record what a member decided; then every surface and the resolver follow. Raises PeerError, StoreError."""
        now_ms = self._clock.now_ms()

        def store(tx: Tx) -> tuple[Receipt, Recognised]:
            return acts.decide(tx, member_id, choices, act, now_ms, self._new_id), recognised(tx, member_id, now_ms)

        withdraws = not all(choices.values())
        try:
            receipt, held = await self._commit(store, vital=True)
        except StoreError:
            if withdraws:
                self._obey(member_id)
            raise
        if withdraws:
            self._health.count("self.withdrawn")
            self._forget(member_id)
        self._recognition.bound(member_id, held)
        self._changed()
        return receipt

    def _obey(self, member_id: str) -> None:
        self._forget(member_id)
        self._recognition.forget(member_id)

    async def join(self, new: Newcomer, choices: Mapping[Purpose, bool], act: Act) -> str:
        """Make somebody a member; the id of the receipt. Raises StoreError, and then they are none."""
        now_ms = self._clock.now_ms()
        work = partial(acts.enrol, new=new, choices=choices, act=act, site_key=self._site_key, now_ms=now_ms)
        receipt_id = await self._commit(partial(work, new_id=self._new_id))
        self._changed()
        return receipt_id

    def owed_to(self, member_id: str) -> tuple[Purpose, ...]:
        """What a member withdrew and the disk has not taken yet."""
        owed = self._owed.get(member_id)
        return tuple(owed[0]) if owed is not None else ()

    def erased(self, member_id: str) -> None:
        """Nothing is owed to somebody who was erased."""
        self._owed.pop(member_id, None)

    def tick(self, now_ms: int) -> None:
        """Try once more to store what the disk refused."""
        if self._owed and now_ms >= self._owed_ms:
            self._owed_ms = now_ms + OWED_AGAIN_MS
            self._begin(self._pay())

    def shift(self) -> None:
        """The clock was set: try at once."""
        self._owed_ms = 0

    def _owe(self, member_id: str, denied: dict[Purpose, bool], act: Act) -> None:
        self._health.count("self.owed")
        before = self._owed.get(member_id)
        if before is not None or len(self._owed) < MAX_OWED:
            self._owed[member_id] = ({**before[0], **denied} if before is not None else denied, act)

    async def _pay(self) -> None:
        """Raises StoreError while the disk still refuses."""
        for member_id, (denied, act) in list(self._owed.items()):
            with contextlib.suppress(PeerError):  # erased meanwhile
                await self._consent(member_id, denied, act)
            if self._owed.get(member_id) == (denied, act):
                del self._owed[member_id]
