"""Where proofs of play and heartbeats end in tests of pages: tables in memory, and events that nobody sends."""

from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from gateway.core.model import Event
from gateway.core.play import Play
from gateway.core.ports import Clock
from gateway.health import Health
from gateway.heartbeats import Heartbeats
from gateway.plays import Plays


class Proofs:
    """Stands in for the store: `plays` by id, `events` in order, `refuse` to answer nothing."""

    def __init__(self, clock: Clock, health: Health) -> None:
        self.plays: dict[str, Play] = {}
        self.came: list[str] = []  # every id, also those that came again
        self.events: list[Event] = []
        self.begun: list[Coroutine[Any, Any, None]] = []
        self.recorder = Plays(self.commit, clock, health)
        self.heartbeats = Heartbeats(self.commit, self.run, clock, health)

    @property
    def parts(self) -> tuple[Plays, Heartbeats]:
        return self.recorder, self.heartbeats

    async def commit(self, work: Callable[[Any], Any], within_ms: int = 0, *, vital: bool = False) -> Any:
        return work(self)

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """What is begun never waits here."""
        try:
            work.send(None)
        except StopIteration:
            return
        raise AssertionError("it waited")

    def keep_plays(self, screen: str, plays: Iterable[Play], now_ms: int) -> list[Play]:
        listed = list(plays)
        self.came += [one.play_id for one in listed]
        news = [one for one in listed if one.play_id not in self.plays]
        self.plays |= {one.play_id: one for one in news}
        return news

    def emit(self, event: Event) -> None:
        self.events.append(event)
