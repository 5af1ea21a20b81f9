"""How long to wait before the next connection attempt. Pure: the random source is handed in."""

import random

# A fresh loss is mostly a restarted broker: try soon. Hundreds of stores lose the same broker at the same
# moment, so the wait is drawn from the whole range below a ceiling that doubles ("full jitter").
FIRST_CEILING_MS = 500
# Contract: at most 300 s, so that a shop is back within five minutes of its line.
MAX_CEILING_MS = 300_000


class Backoff:
    """Waits that grow from 0-500 ms to 0-300 s until `reset`."""

    def __init__(self) -> None:
        self._ceiling_ms = FIRST_CEILING_MS

    def next_ms(self, rng: random.Random) -> int:
        """Milliseconds to wait now; the following wait has twice the ceiling."""
        wait_ms = rng.randint(0, self._ceiling_ms)
        self._ceiling_ms = min(self._ceiling_ms * 2, MAX_CEILING_MS)
        return wait_ms

    def reset(self) -> None:
        """The connection held: the next loss is a fresh one."""
        self._ceiling_ms = FIRST_CEILING_MS
