"""Several endless jobs on one connection: the first that ends takes the others along."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any


async def first_to_end(*parts: Coroutine[Any, Any, None]) -> None:
    """Run all; the first that fails ends the others, and its error is raised as it is, not in a group."""
    tasks: Sequence[asyncio.Task[None]] = [asyncio.create_task(part) for part in parts]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
