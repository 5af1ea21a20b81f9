"""How long to wait before the next connection attempt. Pure: the random source is handed in."""

import random

# A fresh loss is mostly a restarted broker: try soon. Hundreds of stores lose the same broker at the same
# moment, so the wait is drawn from the whole range below a ceiling that doubles ("full jitter").
FIRST_CEILING_MS = 500
# A broker that is over its limits or shuts down counts its limits by the second, and is back within a minute or so.
BUSY_LEAST_MS = 2_000
BUSY_CEILING_MS = 30_000
# Contract: at most 300 s, so that a shop is back within five minutes of its line.
MAX_CEILING_MS = 300_000


class Backoff:
    """Waits that grow from 0-500 ms to 0-300 s until `reset`."""

    def __init__(self) -> None:
        self._ceiling_ms = FIRST_CEILING_MS

    def next_ms(self, rng: random.Random, busy: bool = False) -> int:
        """Milliseconds to wait now; the following wait has twice the ceiling. `busy`: the broker asked for fewer of
        us, so it is at least BUSY_LEAST_MS, and from 30 s on the ceiling grows as ever.
        """
        least_ms = 0
        if busy:
            least_ms = BUSY_LEAST_MS
            self._ceiling_ms = max(self._ceiling_ms, BUSY_CEILING_MS)
        wait_ms = rng.randint(least_ms, self._ceiling_ms)
        self._ceiling_ms = min(self._ceiling_ms * 2, MAX_CEILING_MS)
        return wait_ms

    def reset(self) -> None:
        """The connection held: the next loss is a fresh one."""
        self._ceiling_ms = FIRST_CEILING_MS
