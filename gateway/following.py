"""Headquarters' changes at work: one transaction, then every part that keeps something of them follows."""

from collections.abc import Awaitable, Callable

from gateway.apply import Touched, apply, taken_from
from gateway.binding import Binding
from gateway.core.changes import Delta
from gateway.core.ports import Clock
from gateway.errors import StoreError
from gateway.forgetting import Forgetting
from gateway.health import Health
from gateway.keychain import Keychain
from gateway.lapses import Lapses
from gateway.recognition import Recognition
from gateway.works import Works


class Following:
    """Lives on the event loop. `forget` wipes a member from every surface; `look` reads anew what screens show, with
    True also what HQ configured."""

    def __init__(
        self,
        works: Works,
        clock: Clock,
        health: Health,
        keychain: Keychain | None,
        site_key: bytes,
        recognition: Recognition,
        lapses: Lapses,
        binding: Binding,
        forgetting: Forgetting,
        forget: Callable[[str], object],
        look: Callable[[bool], Awaitable[None]],
    ) -> None:
        self._works = works
        self._clock = clock
        self._health = health
        self._keychain = keychain
        self._site_key = site_key
        self._recognition = recognition
        self._lapses = lapses
        self._binding = binding
        self._forgetting = forgetting
        self._forget = forget
        self._look = look

    async def change(self, delta: Delta) -> str:
        """Apply a delta: "applied", "gap" or "stale". Raises PeerError, and StoreError after what it takes away was
        obeyed in memory."""
        now_ms = self._clock.now_ms()
        own = self._keychain.gateway if self._keychain is not None else ""
        try:
            touched = await self._works.commit(lambda tx: apply(tx, delta, self._site_key, now_ms, own), vital=True)
        except StoreError:
            for member_id in taken_from(delta):  # it comes again until the disk takes it, and is obeyed from now on
                self._forget(member_id)
                self._recognition.forget(member_id)
            raise
        if touched.outcome == "applied":
            await self.follow(touched)
        return touched.outcome

    async def follow(self, touched: Touched) -> None:
        """Surfaces, resolver, keys and loops follow what was committed."""
        if touched.refused_offers:
            self._health.count("hq.refused_offers", touched.refused_offers)
        for member_id in touched.cleared:
            self._forget(member_id)
        self._recognition.follow(touched.recognised)
        self._lapses.changed()
        for name in touched.counts:
            self._health.count(name)
        self._binding.drop(touched.bindings)
        if touched.keys and self._keychain is not None:
            await self._keychain.load()
        if touched.shop or touched.catalogue:
            await self._look(touched.shop)
        if touched.suppressed:
            self._health.count("erase.suppressed", touched.suppressed)
        if touched.erased:
            self._forgetting.followed(touched.erased)
