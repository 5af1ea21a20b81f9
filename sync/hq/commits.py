"""What many gateways report, in few commits: whatever waits while one goes on shares the next. No SQL, no MQTT.

A commit costs a flush of the disk, or a way to the server and its writers' lock, however much is in it.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, ParamSpec, TypeVar

from gateway.errors import PeerError

# Works of one transaction. As many batches of 50 events take 0.3 s, which is how long an operator's withdrawal may have
# to wait for its turn.
MOST = 100

P = ParamSpec("P")
T = TypeVar("T")


class Commits:
    """Runs works in a thread, in the order in which they come, several in a transaction. One event loop only."""

    def __init__(self, together: Callable[[], AbstractContextManager[None]]) -> None:
        """`together` begins a transaction of which each work is a part that can fail alone."""
        self._together = together
        self._waiting: list[tuple[Callable[[], Any], asyncio.Future[Any]]] = []
        self._running: asyncio.Task[None] | None = None

    async def do(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What `work` returns, once it is committed. Raises its PeerError, which takes back this work alone; anything
        else that goes wrong takes back all that share the transaction, and is raised to each of them."""
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append((partial(work, *args, **kwargs), done))
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run())
        return await done

    async def _run(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
            works = [work for work, _ in group]
            told: Any = await asyncio.gather(asyncio.to_thread(self._commit, works), return_exceptions=True)
            failed = isinstance(told[0], BaseException)
            for (_, done), one in zip(group, told * len(group) if failed else told[0], strict=True):
                if done.done():  # whoever asked is gone
                    continue
                if isinstance(one, BaseException):
                    done.set_exception(one)
                else:
                    done.set_result(one)

    def _commit(self, works: Sequence[Callable[[], Any]]) -> list[Any]:
        with self._together():
            return [_outcome(work) for work in works]


def _outcome(work: Callable[[], Any]) -> Any:
    try:
        return work()
    except PeerError as error:
        return error
