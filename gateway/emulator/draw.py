"""Where an emulated phone gets its random bytes from: really random, or the same in each run."""

import hashlib
import secrets
from collections.abc import Callable


def draws(seed: str) -> Callable[[int], bytes]:
    """A function n -> n bytes: SHAKE-256 over the seed and a running count; "" = random."""
    if not seed:
        return secrets.token_bytes
    drawn = 0

    def draw(size: int) -> bytes:
        nonlocal drawn
        drawn += 1
        return hashlib.shake_256(f"{seed}/{drawn}".encode()).digest(size)

    return draw
