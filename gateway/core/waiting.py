"""Rows that wait for a second of the clock: 4 bytes each, and a million may wait for the same one. Knows no rows."""

import heapq
from array import array
from collections.abc import Iterable


class Waiting:
    """Row numbers by the second they wait for. An entry is never taken out early: whoever takes it checks it."""

    def __init__(self) -> None:
        self._rows: dict[int, array[int]] = {}
        self._seconds: list[int] = []  # heap of the keys
        self._entries = 0

    def __len__(self) -> int:
        """Entries, outdated ones too."""
        return self._entries

    @property
    def first_s(self) -> int | None:
        """The next second that somebody waits for, or None."""
        return self._seconds[0] if self._seconds else None

    def add(self, row: int, second: int) -> None:
        """The row is to be taken when `second` has come."""
        rows = self._rows.get(second)
        if rows is None:
            rows = self._rows[second] = array("I")
            heapq.heappush(self._seconds, second)
        rows.append(row)
        self._entries += 1

    def take(self, now_s: int) -> tuple[int, int] | None:
        """One row whose second has come, with that second; None if nobody's has."""
        if not self._seconds or self._seconds[0] > now_s:
            return None
        second = self._seconds[0]
        row = self._rows[second].pop()
        self._entries -= 1
        if not self._rows[second]:
            del self._rows[heapq.heappop(self._seconds)]
        return row, second

    def replace(self, entries: Iterable[tuple[int, int]]) -> None:
        """Only these (row, second) wait from now on."""
        self._rows.clear()
        self._seconds.clear()
        self._entries = 0
        for row, second in entries:
            self.add(row, second)
