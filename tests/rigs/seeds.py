"""Where tests that draw begin: the same place in each run, with TEST_DRAW=fresh (`make fuzz`) another one."""

import os
import random

FRESH = os.environ.get("TEST_DRAW") == "fresh"


def seed(variable: str) -> int:
    """The environment's `variable`, else a new number if they are to be fresh, else 1."""
    return int(os.environ.get(variable) or (random.SystemRandom().randrange(10**6) if FRESH else 1))
