"""Finds the owner of a token that stays unknown: a beacon whose clock is off by up to a day. Keeps hashes only.

Batteries are changed, and a beacon then goes on with the clock that it saved up to a day ago.
"""

import hashlib
from dataclasses import dataclass

from gateway.core import eid
from gateway.core.model import CredentialKind, Token

DAY_S = 86_400
# One day either way has 85 windows of 1,024 s. Beacons that change more often are searched less far.
MAX_WINDOWS = 128

# A passer-by is gone before that; whoever shops, or works next door, is not.
MISSES = 3
SPREAD_MS = 5_000
# Remembered misses, oldest out first: a shop hears some hundred beacons of other people, and a flood must not grow.
MAX_MISSED = 512
FORGET_MS = 600_000
# One search for at most so many tokens; the others wait for the next one.
MAX_WANTED = 16
# 90 us each on x86-64 (four AES keys, 170 windows): 0.9 ms a call, 5 ms on a Pi 4. A million takes 3 hours.
ROWS_AT_ONCE = 10
# Other people's beacons keep us searching; a search of 10,000 devices takes two minutes and 1 s of work.
PAUSE_MS = 600_000


@dataclass(slots=True)
class _Miss:
    first_ms: int
    prefix: bytes
    count: int = 1
    searched: bool = False


class WideSearch:
    """`cache_key` is random for each start of the program, so what is kept says nothing to anybody else."""

    def __init__(self, cache_key: bytes) -> None:
        self._key = cache_key
        self._missed: dict[bytes, _Miss] = {}
        self._wanted: dict[bytes, list[bytes]] = {}  # two bytes of the token -> keyed hashes
        self._row: int | None = None  # where the search stands
        self._began_ms: int | None = None

    def __len__(self) -> int:
        """Misses remembered."""
        return len(self._missed)

    def miss(self, token: Token, now_ms: int) -> None:
        """A token in the form of ours belongs to nobody now."""
        if token.kind is not CredentialKind.EID:
            return
        mark = self._mark(token.value)
        miss = self._missed.get(mark)
        if miss is None or now_ms - miss.first_ms > FORGET_MS:
            self._missed.pop(mark, None)
            if len(self._missed) >= MAX_MISSED:
                del self._missed[next(iter(self._missed))]
            self._missed[mark] = _Miss(now_ms, token.value[:2])
        else:
            miss.count += 1

    def next_rows(self, rows: int, now_ms: int) -> range:
        """The rows to compare now; empty while nothing is searched for."""
        if self._row is None and not self._begin(now_ms):
            return range(0)
        start = self._row or 0
        end = min(start + ROWS_AT_ONCE, rows)
        self._row = end if end < rows else None
        return range(start, end)

    def match(self, identity_key: bytes, exponent: int, current: int) -> int | None:
        """The window in which this beacon shows a token that is searched for, or None."""
        reach = min(DAY_S >> exponent, MAX_WINDOWS) + 1
        windows = range(current - reach, current + reach + 1)
        for window, token in zip(windows, eid.eids(identity_key, windows, exponent), strict=True):
            marks = self._wanted.get(token[:2])
            if marks is not None and self._mark(token) in marks:
                return window
        return None

    def _begin(self, now_ms: int) -> bool:
        if self._began_ms is not None and 0 <= now_ms - self._began_ms < PAUSE_MS:
            return False
        found = [
            (mark, miss)
            for mark, miss in self._missed.items()
            if miss.count >= MISSES and not miss.searched and SPREAD_MS <= now_ms - miss.first_ms <= FORGET_MS
        ]
        self._wanted.clear()
        for mark, miss in found[:MAX_WANTED]:
            miss.searched = True
            self._wanted.setdefault(miss.prefix, []).append(mark)
        if not self._wanted:
            return False
        self._row, self._began_ms = 0, now_ms
        return True

    def _mark(self, token: bytes) -> bytes:
        return hashlib.blake2b(token, digest_size=8, key=self._key).digest()
