"""Every parser of the table under inputs that a bad hand makes of honest ones: refused with a word of ours, or read; no
crash, memory bounded. `make fuzz` gives each of them a million.
"""

import ast
import os
import random
import re
import resource
from collections import Counter
from pathlib import Path

import pytest

from tests.rigs import parsers, seeds
from tests.rigs.figures import Tell
from tests.rigs.parsers import ELSEWHERE, Parser

INPUTS = int(os.environ.get("PARSED", "300"))
MOST_GROWN_MB = 48  # over all of them; inputs are at most 4 KiB, and of an advertisement nothing is kept

ROOT = Path(__file__).parents[1]
_READS = re.compile(r"(parse|decode|decrypt|load|read|judge|verify|opened|from_line|from_csv)(_|$)")
_FOREIGN = {"bytes", "str", "Path", "object"}

pytestmark = pytest.mark.timeout(14_400)


def test_every_function_that_reads_what_others_wrote_is_in_the_table_or_says_where_else() -> None:
    found = set()
    for path in [file for package in ("gateway", "drivers", "sync/hq") for file in (ROOT / package).rglob("*.py")]:
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        if module.startswith(("gateway.bench", "gateway.emulator", "gateway.tables")):
            continue
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and _READS.match(node.name) and node.args.args:
                kind = node.args.args[0].annotation
                if kind is not None and ast.unparse(kind).partition(" ")[0] in _FOREIGN:
                    found.add(f"{module}:{node.name}")
    listed = {one.name for one in parsers.parsers()}
    elsewhere = {name for names in ELSEWHERE.values() for name in names}
    assert found - listed - elsewhere == set(), "put it into tests/rigs/parsers.py"
    assert elsewhere - found == set(), "is no more"
    assert not listed & elsewhere


@pytest.mark.parametrize("one", parsers.parsers(), ids=lambda one: one.name)
def test_it_refuses_or_reads_and_never_breaks(one: Parser, tell: Tell) -> None:
    seed = seeds.seed("PARSER_SEED")
    rng, found = random.Random(f"{seed} {one.name}"), Counter[str]()
    before_kb = _memory_kb()
    for payload in one.honest:
        one.read(payload)
    for number in range(INPUTS):
        payload = parsers.damaged(rng, one)
        try:
            word = parsers.became(one.read(payload))
        except one.refusals as error:
            found[getattr(error, "reason", type(error).__name__)] += 1
        except Exception as error:
            pytest.fail(f"{one.name}: input {number} of seed {seed}, {payload!r}: {error!r}")
        else:
            found[word] += 1
    grown_mb = (_memory_kb() - before_kb) / 1_000
    tell(f"{one.name} (seed {seed}): {dict(found.most_common(8))}, +{grown_mb:.0f} MB")
    assert sum(found.values()) == INPUTS
    assert all(re.fullmatch(r"[A-Za-z_0-9.]+", reason) for reason in found), "reasons are words of the code"
    assert grown_mb < MOST_GROWN_MB


def _memory_kb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
