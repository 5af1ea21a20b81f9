"""What headquarters changes: applied in one transaction, then followed by whatever rested on what was before."""

from collections.abc import Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from gateway.apply import apply, taken_from
from gateway.binding import Binding
from gateway.core.changes import Delta
from gateway.core.ports import Clock
from gateway.errors import StoreError
from gateway.forgetting import Forgetting
from gateway.health import Health
from gateway.keychain import Keychain
from gateway.lapses import Lapses
from gateway.recognition import Recognition
from gateway.touched import Touched
from gateway.works import Commit


class RefreshLoops(Protocol):
    """Give screens their anonymous loops again; `everywhere`: also where nothing changed."""

    def __call__(self, *, everywhere: bool) -> Coroutine[Any, Any, None]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """Who follows beside the path: `content_changed` has files fetched that screens are to show, `on_trial` looks at
    what may have to be taken back. None of them blocks."""

    content_changed: Callable[[], object] = lambda: None
    on_trial: Callable[[], object] = lambda: None


ALONE = Beside()


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """`forget` wipes a member from every surface; `read_shop` takes over what headquarters configured;
    `beside` follow too."""

    clock: Clock
    health: Health
    commit: Commit
    keychain: Keychain | None
    site_key: bytes
    recognition: Recognition
    lapses: Lapses
    binding: Binding
    forgetting: Forgetting
    forget: Callable[[str], object]
    read_shop: Callable[[], Coroutine[Any, Any, None]]
    refresh_loops: RefreshLoops
    beside: Beside

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
            await self.follow(touched)
        return touched.outcome

    async def switched(self, touched: Touched) -> None:
        """The members of a snapshot count: whoever is here follows at once, all others as they are read."""
        await self.follow(touched)
        self.recognition.read_again()

    async def follow(self, touched: Touched) -> None:
        """Every part follows, whatever becomes of the others: what a part raises is counted and goes up once all are
        done. What is in memory comes first, and what reads the disk last."""
        for name in touched.counts:
            self.health.count(name)
        for name, count in (
            ("hq.refused_offers", touched.refused_offers),
            ("hq.refused_segments", touched.refused_segments),
            ("erase.suppressed", touched.suppressed),
        ):
            if count:
                self.health.count(name, count)
        parts: list[Callable[[], object]] = [partial(self.forget, member_id) for member_id in touched.cleared]
        parts += [partial(self.recognition.follow, touched.recognised), self.lapses.changed]
        parts.append(partial(self.binding.drop, touched.bindings))
        if touched.content:
            parts.append(self.beside.content_changed)
        if touched.settings or touched.shop or touched.catalogue:
            parts.append(self.beside.on_trial)
        if touched.erased:
            parts.append(partial(self.forgetting.followed, touched.erased))
        waits: list[Callable[[], Coroutine[Any, Any, None]]] = []
        if touched.keys and self.keychain is not None:
            waits.append(self.keychain.load)
        if touched.shop or touched.segments or touched.staff:
            waits.append(self.read_shop)
        if touched.shop or touched.catalogue:
            waits.append(partial(self.refresh_loops, everywhere=touched.shop))
        async with AsyncExitStack() as stack:  # calls the last one first, and each of them
            for wait in reversed(waits):
                stack.push_async_callback(self._waited, wait)
            for part in reversed(parts):
                stack.callback(self._done, part)

    def _done(self, part: Callable[[], object]) -> None:
        with self._counted():
            part()

    async def _waited(self, part: Callable[[], Coroutine[Any, Any, None]]) -> None:
        with self._counted():
            await part()

    @contextmanager
    def _counted(self) -> Iterator[None]:
        """A part that does not come to its end is counted; what stopped it goes up."""
        whole = False
        try:
            yield
            whole = True
        finally:
            if not whole:
                self.health.count("hq.not_followed")
