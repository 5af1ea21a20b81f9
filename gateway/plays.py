"""Proofs of play: what screens showed is stored once by its id, and headquarters told in the same commit."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Literal

from gateway.core.model import Event
from gateway.core.play import MAX_PLAYS, RING, Play
from gateway.core.ports import Clock
from gateway.core.streams import wait_ms
from gateway.health import Health
from gateway.records import Tx
from gateway.works import Commit

PLAYED = "screen.played"

# How many plays a screen may bring at once (all that its page kept), and how many more a minute. One frame stands for
# 5 s at least (sync of content), so an honest page makes 12 a minute; a dishonest one 29,000 a day.
AT_ONCE = RING + MAX_PLAYS
A_MINUTE = 20
_MINUTE_MS = 60_000


class Plays:
    """`screens`: those there are; a screen that is none must not get here."""

    def __init__(self, commit: Commit, clock: Clock, health: Health) -> None:
        self._commit = commit
        self._clock = clock
        self._health = health
        self._left: dict[str, tuple[float, int]] = {}  # per screen: how many it may bring still, and when that was

    async def record(self, screen: str, plays: Sequence[Play]) -> Literal["ok", "wait"]:
        """ "ok" after the commit; "wait": too many, ask again later. Raises StoreError when the disk refuses."""
        now_ms = self._clock.now_ms()
        if not self._may(screen, len(plays), now_ms):
            self._health.count("screen.plays_too_many")
            return "wait"

        def keep(tx: Tx) -> int:
            news = tx.keep_plays(screen, plays, now_ms)
            if news:
                tx.emit(Event(PLAYED, now_ms, {"screen": screen, "plays": [asdict(one) for one in news]}))
            return len(news)

        news = await self._commit(keep, wait_ms(PLAYED))
        self._health.count("screen.plays", news)
        if news < len(plays):
            self._health.count("screen.plays_again", len(plays) - news)
        return "ok"

    def _may(self, screen: str, wanted: int, now_ms: int) -> bool:
        left, since_ms = self._left.get(screen, (float(AT_ONCE), now_ms))
        gone_ms = max(0, now_ms - since_ms) / self._clock.speed
        left = min(AT_ONCE, left + gone_ms * A_MINUTE / _MINUTE_MS)
        enough = wanted <= left
        self._left[screen] = (left - wanted if enough else left, now_ms)
        return enough
