"""What headquarters changes: applied in one transaction, then followed by whatever rested on what was before."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

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


class RefreshLoops(Protocol):
    """Give screens their anonymous loops again; `everywhere`: also where nothing changed."""

    def __call__(self, *, everywhere: bool) -> Coroutine[Any, Any, None]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """`forget` wipes a member from every surface; `read_shop` takes over what headquarters configured."""

    clock: Clock
    health: Health
    commit: Any
    keychain: Keychain | None
    site_key: bytes
    recognition: Recognition
    lapses: Lapses
    binding: Binding
    forgetting: Forgetting
    forget: Callable[[str], object]
    read_shop: Callable[[], Coroutine[Any, Any, None]]
    refresh_loops: RefreshLoops

    async def change(self, delta: Delta) -> str:
        """Apply a delta; "applied", "gap" (send me what is between) or "stale". Raises StoreError."""
        now_ms = self.clock.now_ms()
        try:
            own = self.keychain.gateway if self.keychain is not None else ""
            touched: Touched = await self.commit(lambda tx: apply(tx, delta, self.site_key, now_ms, own), vital=True)
        except StoreError:
            for member_id in taken_from(delta):  # it comes again until the disk takes it, and is obeyed from now on
                self.forget(member_id)
                self.recognition.forget(member_id)
            raise
        if touched.outcome == "applied":
            await self._follow(touched)
        return touched.outcome

    async def _follow(self, touched: Touched) -> None:
        if touched.refused_offers:
            self.health.count("hq.refused_offers", touched.refused_offers)
        if touched.refused_segments:
            self.health.count("hq.refused_segments", touched.refused_segments)
        for member_id in touched.cleared:
            self.forget(member_id)
        self.recognition.follow(touched.recognised)
        self.lapses.changed()
        for name in touched.counts:
            self.health.count(name)
        self.binding.drop(touched.bindings)
        if touched.keys and self.keychain is not None:
            await self.keychain.load()
        if touched.shop or touched.segments:
            await self.read_shop()
        if touched.shop or touched.catalogue:
            await self.refresh_loops(everywhere=touched.shop)
        if touched.suppressed:
            self.health.count("erase.suppressed", touched.suppressed)
        if touched.erased:
            self.forgetting.followed(touched.erased)
