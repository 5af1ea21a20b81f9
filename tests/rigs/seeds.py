"""Where tests that draw begin, and how much they draw: the same place and little in each run, with TEST_DRAW=fresh
(`make fuzz` and the long forms) another place and much."""

import os
import random

FRESH = os.environ.get("TEST_DRAW") == "fresh"


def seed(variable: str) -> int:
    """The environment's `variable`, else a new number if they are to be fresh, else 1."""
    return int(os.environ.get(variable) or (random.SystemRandom().randrange(10**6) if FRESH else 1))


def many(few: int, much: int) -> int:
    """How many of something are tried: `few` in each run, `much` in a long one."""
    return much if FRESH else few
