"""sync.together: the first end is everybody's end, and its error comes out as it is."""

import asyncio

import pytest

from gateway.errors import UnavailableError
from sync.together import first_to_end


async def test_the_first_error_ends_the_others_and_is_raised_as_it_is() -> None:
    ended = []

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("endless")

    async def fails() -> None:
        await asyncio.sleep(0)
        raise UnavailableError("gone")

    with pytest.raises(UnavailableError, match="gone"):
        await first_to_end(endless(), fails())
    assert ended == ["endless"]


async def test_a_cancelled_caller_takes_all_along() -> None:
    ended = []

    async def endless(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(name)

    task = asyncio.create_task(first_to_end(endless("a"), endless("b")))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert sorted(ended) == ["a", "b"]
