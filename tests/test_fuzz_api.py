"""The whole API as each role, under requests drawn by schemathesis: no 5xx, no crash, memory bounded. `make fuzz` asks
more than 20,000 times.
"""

import os
from pathlib import Path

import pytest

from tests.rigs import fuzzed, seeds
from tests.rigs.figures import Tell
from tests.test_roles import TABLE

pytestmark = [pytest.mark.broker, pytest.mark.timeout(14_400)]

CASES = int(os.environ.get("FUZZ_CASES", "720"))
# Bodies of 16 KiB, members of a simulated shop who come and go, SQLite's caches: 15 MB in a long run.
MOST_GROWN_MB = 48


def test_every_route_is_in_the_document() -> None:
    paths = fuzzed.document()["paths"]
    asked = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    assert asked >= {line.replace("{name:path}", "{name}") for line in TABLE}


def test_nothing_that_can_be_asked_breaks_the_service(tmp_path: Path, tell: Tell) -> None:
    seed = seeds.seed("FUZZ_SEED")
    tally = fuzzed.fuzz(tmp_path, CASES, seed)
    tell(f"API (seed {seed}): {tally.cases:,} cases, {len(tally.routes)} routes, {len(fuzzed.ROLES)} roles; ")
    tell(f"  statuses {dict(sorted(tally.statuses.items()))}, let in {dict(tally.let_in)}, +{tally.grown_mb:.0f} MB")
    assert tally.cases > CASES * 0.8
    assert tally.grown_mb < MOST_GROWN_MB
    assert {200, 401, 403, 404, 422} <= tally.statuses.keys(), "the draw has no teeth"
    assert all(tally.let_in[role] for role in fuzzed.ROLES)
