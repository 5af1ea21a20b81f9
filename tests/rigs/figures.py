"""What a test has measured: shown at the end of the run, because what a worker of pytest-xdist prints is lost."""

from collections.abc import Callable, Iterable

import pytest

Tell = Callable[[str], None]  # the fixture `tell`: a line for the end of the run

PROPERTY = "told"


def told(reports: Iterable[object]) -> list[str]:
    """What tests told, in the order in which they ended."""
    calls = [one for one in reports if isinstance(one, pytest.TestReport) and one.when == "call"]
    return [str(value) for call in calls for name, value in call.user_properties if name == PROPERTY]
