"""What many gateways report, in few commits: whatever waits while one goes on shares the next. No SQL, no MQTT.

A commit costs a flush of the disk, or a way to the server and its writers' lock, however much is in it.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from functools import partial
from itertools import groupby
from typing import Any, NamedTuple, ParamSpec, TypeVar

from sync.hq.storage import REFUSALS

# Works of one transaction. As many batches of 50 events take 0.3 s, which is how long an operator's withdrawal may have
# to wait for its turn.
MOST = 100

P = ParamSpec("P")
T = TypeVar("T")
A = TypeVar("A")


class _Work(NamedTuple):
    """`run` takes the arguments of all works that follow each other and have it in common."""

    run: Callable[[Sequence[Any]], Sequence[Any]]
    argument: Any


class Commits:
    """Runs works in a thread, in the order in which they come, several in a transaction. One event loop only."""

    def __init__(self, together: Callable[[], AbstractContextManager[None]]) -> None:
        """`together` begins a transaction of which each work is a part that can fail alone."""
        self._together = together
        self._waiting: list[tuple[_Work, asyncio.Future[Any]]] = []
        self._running: asyncio.Task[None] | None = None

    async def do(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What `work` returns, once it is committed. Raises its PeerError or RefusedError, which takes back this work
        alone; anything else that goes wrong takes back all that share the transaction, and is raised to each."""
        alone = partial(work, *args, **kwargs)
        return await self.do_with_others(lambda _: [alone()], None)

    async def do_with_others(self, run: Callable[[Sequence[A]], Sequence[T | Exception]], argument: A) -> T:
        """The same for work that is cheaper for many: `run`, a transaction by itself, gets the arguments that wait and
        returns what came of each, in its order. If it raises one of REFUSALS it is called again for each alone."""
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append((_Work(run, argument), done))
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

    def _commit(self, works: Sequence[_Work]) -> list[Any]:
        groups = [(run, [one.argument for one in alike]) for run, alike in groupby(works, key=lambda work: work.run)]
        if len(groups) == 1 < len(works):
            with suppress(*REFUSALS):
                run, arguments = groups[0]
                return list(run(arguments))
        with self._together():
            return [outcome for run, arguments in groups for outcome in _outcomes(run, arguments)]


def _outcomes(run: Callable[[Sequence[Any]], Sequence[Any]], arguments: Sequence[Any]) -> Sequence[Any]:
    try:
        return run(arguments)
    except REFUSALS as error:
        if len(arguments) == 1:
            return [error]
    return [outcome for one in arguments for outcome in _outcomes(run, [one])]
