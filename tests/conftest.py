"""What every test gets: the garbage of the one before is gone; what some share; in which order modules run."""

import gc
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, settings
from sqlite_utils import Database

from gateway.core.vault import Vault
from gateway.migrations import migrate
from gateway.records import Tx
from tests.rigs import adapters, browser, figures, postgres, seeds

# No test asserts a duration; by default Hypothesis does, 200 ms for an example, and a busy machine fails it. The same
# commit gives the same examples, so that what fails belongs to the change at hand; `make fuzz` draws others.
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=not seeds.FRESH
)
settings.load_profile("any machine")

adapters.share()


@pytest.fixture(autouse=True)
def _collected(request: pytest.FixtureRequest) -> Iterator[None]:
    """A D-Bus that was killed leaves futures that complain when they are collected, and that may not happen in the
    middle of pytest's own compiling (CPython 3.11: "AST constructor recursion depth mismatch")."""
    yield
    if "bluez" in request.fixturenames or "FakeBluez" in vars(request.module):
        gc.collect()


@pytest.fixture
def db() -> Iterator[Database]:
    """A shop's tables in memory, empty."""
    one = Database(memory=True)
    migrate(one)
    yield one
    one.close()


@pytest.fixture
def tx(db: Database) -> Tx:
    """A transaction on them; a module that needs more in them has a fixture of this name that asks for this one."""
    return Tx(db, Vault(bytes(32)))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def one_chromium() -> AsyncIterator[None]:
    """For `tests.rigs.browser.shared`."""
    async with browser.sharing():
        yield


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=postgres.needs_postgres)])
def each_database(request: pytest.FixtureRequest) -> Iterator[None]:
    """The test runs twice: headquarters on files of SQLite, and on databases of PostgreSQL in their places."""
    if request.param == "postgres" and request.node.get_closest_marker("sqlite"):
        pytest.skip("needs SQLite's own file")
    with postgres.in_place_of_files() if request.param == "postgres" else nullcontext():
        yield


@pytest.fixture(autouse=True)
def _on_postgres(request: pytest.FixtureRequest) -> Iterator[None]:
    everywhere = postgres.EVERYWHERE and "each_database" not in request.fixturenames
    if everywhere and request.node.get_closest_marker("sqlite"):
        pytest.skip("needs SQLite's own file")
    with postgres.in_place_of_files() if everywhere else nullcontext():
        yield


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> figures.Tell:
    return lambda line: record_property(figures.PROPERTY, line)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    lines = figures.told(report for reports in terminalreporter.stats.values() for report in reports)
    if lines:
        terminalreporter.section("figures")
        for line in lines:
            terminalreporter.write_line(line)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Modules that ask for much time mostly wait. They begin one by one among the others, so that there is something to
    do meanwhile, and within the first two thirds, so that no worker is left alone with one at the end."""
    asked_s: dict[Path, float] = {}
    for item in items:
        marker = item.get_closest_marker("timeout")
        asked_s[item.path] = max(asked_s.get(item.path, 0.0), marker.args[0] if marker else 0.0)
    quick = [path for path, seconds in asked_s.items() if not seconds]
    slow = sorted((path for path in asked_s if asked_s[path]), key=lambda path: -asked_s[path])
    place = {path: float(number) for number, path in enumerate(quick)}
    place |= {path: number * len(quick) * 2 / 3 / len(slow) - 0.5 for number, path in enumerate(slow)}
    items.sort(key=lambda item: place[item.path])


def pytest_collection_finish() -> None:
    """What was collected stays to the end; no look for garbage needs to pass through it again (half a second each)."""
    gc.collect()
    gc.freeze()
