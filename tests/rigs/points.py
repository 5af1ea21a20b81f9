"""Points of the privacy checklist that are a function on a folder: each holds, and fails where its rule is broken.

A module lists its points with what breaks them, and has the two tests that `each_point` and `each_break` repeat.
"""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest

Point = Callable[[Path], Awaitable[None]]
Break = Callable[[pytest.MonkeyPatch], None]
Broken = Sequence[tuple[Point, Break]]


def each_point(broken: Broken) -> pytest.MarkDecorator:
    """The test runs once for each point, `point`."""
    points = dict.fromkeys(point for point, _ in broken)
    return pytest.mark.parametrize("point", points, ids=lambda point: point.__name__)


def each_break(broken: Broken) -> pytest.MarkDecorator:
    """The test runs once for each pair, `point` and `broken`."""
    return pytest.mark.parametrize(("point", "broken"), broken, ids=lambda one: one.__name__)


async def fails(point: Point, broken: Break, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The point is seen to fail where `broken` has broken its rule."""
    broken(monkeypatch)
    with pytest.raises(AssertionError):
        await point(folder)
