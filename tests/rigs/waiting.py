"""Waiting for what another task, thread or program brings about and tells nobody."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

PATIENCE_S = 90.0


async def until(condition: Callable[[], Any], within_s: float = PATIENCE_S) -> Any:
    """What `condition` gave once it held; AssertionError if it does not in time. A limit, never a measure."""
    deadline_s = time.monotonic() + within_s
    while not (value := condition()):
        assert time.monotonic() < deadline_s, f"waited {within_s:g} s in vain"
        await asyncio.sleep(0.005)
    return value
