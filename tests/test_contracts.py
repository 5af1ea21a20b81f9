"""The import contracts hold, cover every module, and catch a planted violation; the house rules on sizes and clocks."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("gateway", "drivers", "display", "sync")
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
# Who may read a clock: the shop's own clocks, programs round the service, and the thread that paces an NFC chip.
CLOCK_READERS = {
    "drivers/reader.py",
    "gateway/verbs.py",
    "gateway/bench_bridge.py",
    "gateway/bench_outbox.py",
    "gateway/bench_consent.py",
    "gateway/bench_decide.py",
    "gateway/bench_footprint.py",
    "gateway/bench_gate.py",
    "gateway/bench_ingest.py",
    "gateway/bench_screens.py",
    "gateway/bench_loop.py",
    "gateway/bench_nfcpy.py",
    "gateway/bench_proof.py",
    "gateway/bench_redeem.py",
    "gateway/bench_seal.py",
    "gateway/bench_shop.py",
    "gateway/bench_snapshot.py",
    "gateway/bench_tap.py",
    "gateway/bench_withdraw.py",
    "gateway/emulator/chip.py",
    "gateway/emulator/field.py",
    "gateway/emulator/line.py",
    "gateway/bench_bleak.py",
    "gateway/broker.py",
    "gateway/clock.py",
    "gateway/demo.py",
    "gateway/hqverbs.py",
    "gateway/evaluate.py",
    "gateway/evaluate_usual.py",
    "gateway/rehearse.py",
}
# Declarations without behaviour, and headquarters' verbs, which test_hq_orders and test_main cover.
NO_NAMESAKE = {
    "gateway/core/model.py",
    "gateway/core/act.py",
    "gateway/core/changes.py",
    "gateway/core/command.py",
    "gateway/core/offer.py",
    "gateway/core/ports.py",
    "gateway/core/spans.py",
    "gateway/touched.py",
    "gateway/firstmigrations.py",
    "sync/hq/service.py",
    "gateway/hqverbs.py",
}


def lint(root: Path) -> subprocess.CompletedProcess[str]:
    """import-linter as `make check` runs it."""
    program = shutil.which("lint-imports", path=str(Path(sys.executable).parent))
    assert program is not None
    return subprocess.run(
        [program, "--no-cache"], cwd=root, capture_output=True, text=True, env={"PYTHONPATH": str(root)}
    )


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tree")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, root / package, ignore=shutil.ignore_patterns("__pycache__", "static"))
    shutil.copy(ROOT / "pyproject.toml", root)
    return root


def test_the_contracts_hold(copy: Path) -> None:
    done = lint(copy)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("gateway/core/offers.py", "import gateway.store"),
        ("gateway/core/presence.py", "import time"),
        ("drivers/frames.py", "import display.hub"),
        ("sync/outbox.py", "import drivers.ears"),
        ("gateway/flow.py", "import display.hub"),
        ("drivers/replay.py", "import bleak"),
        ("gateway/flow.py", "import sqlite3"),
        ("sync/uplink.py", "import paho.mqtt.client"),
    ],
)
def test_a_planted_violation_is_caught(copy: Path, file: str, line: str) -> None:
    path = copy / file
    before = path.read_text()
    path.write_text(before + f"\n{line}\n")
    try:
        done = lint(copy)
    finally:
        path.write_text(before)
    assert done.returncode == 1
    assert "broken" in done.stdout.lower()


def test_every_module_of_the_gateway_is_in_the_contract() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = " | ".join(contracts[0]["layers"]).split(" | ")
    modules = {f"gateway.{path.stem}" for path in (ROOT / "gateway").glob("*.py")} - {"gateway.__init__"}
    assert modules | {"gateway.core", "gateway.emulator", "gateway.tables", "drivers", "display", "sync"} == set(layers)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_says_what_belongs_in_it_and_stays_small(path: Path) -> None:
    text = path.read_text()
    tree = ast.parse(text)
    assert path.name == "__init__.py" or ast.get_docstring(tree)
    assert text.count("\n") <= 400
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < 70, node.name


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_clocks_and_broad_excepts_stay_in_their_place(path: Path) -> None:
    name = str(path.relative_to(ROOT))
    clocks = {"time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "now", "utcnow"}
    for node in ast.walk(ast.parse(path.read_text())):
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id in ("time", "datetime")
        ):
            assert node.attr not in clocks or name in CLOCK_READERS, f"{name}:{node.lineno} reads a clock"
        if isinstance(node, ast.ExceptHandler) and is_broad(node.type):
            raises_again = isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None
            assert raises_again or name in ("gateway/supervise.py", "gateway/store.py"), f"{name}:{node.lineno}"


def test_whatever_a_checker_is_told_to_pass_over_has_its_reason_beside_it() -> None:
    mark, reason = (
        re.compile(r"# (noqa|type: ignore)\b"),
        re.compile(r"# noqa: \w+ - \w|# type: ignore\[[\w-]+\]  # \w"),
    )
    found = 0
    for path in (*MODULES, *(ROOT / "tests").rglob("*.py"), *(ROOT / "bench").rglob("*.py")):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if mark.search(line) and path != Path(__file__):
                assert reason.search(line), f"{path.relative_to(ROOT)}:{number}"
                found += 1
    assert found > 20


SQL = re.compile(r"\b(SELECT|INSERT|UPDATE \w+ SET|DELETE FROM|CREATE TABLE|ALTER TABLE)\b")
# What only one of the two databases knows; sync.hq.storage says how it is done instead.
ONE_DATABASES_WORDS = re.compile(
    r"INSERT OR |->|json_|jsonb|rowid|sqlite_|randomblob|instr\(|hex\(|ON CONFLICT DO UPDATE|PRAGMA|::|ILIKE|now\(\)"
)


@pytest.mark.parametrize("path", sorted((ROOT / "sync" / "hq").glob("*.py")), ids=lambda path: path.stem)
def test_sql_of_headquarters_is_understood_by_both_databases(path: Path) -> None:
    for part in sql_in(ast.parse(path.read_text())) if path.stem not in ("sqlite", "postgres") else ():
        found = ONE_DATABASES_WORDS.search(part.value)
        assert found is None, f"{path.name}:{part.lineno} {found[0]}"


def sql_in(node: ast.AST) -> Iterator[ast.Constant]:
    for part in ast.iter_child_nodes(node):
        if isinstance(part, ast.FunctionDef) and re.fullmatch(r"m0(0\d|1[01])_\w+", part.name):
            continue  # what brings older SQLite files to this release
        if isinstance(part, ast.Constant) and isinstance(part.value, str) and SQL.search(part.value):
            yield part
        yield from sql_in(part)


def is_broad(kind: ast.expr | None) -> bool:
    return kind is None or (isinstance(kind, ast.Name) and kind.id in ("Exception", "BaseException"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_each_module_has_its_namesake_test(path: Path) -> None:
    if path.name == "__init__.py" or str(path.relative_to(ROOT)) in NO_NAMESAKE:
        return
    stem = path.stem.strip("_")
    names = {f"test_{stem}.py", f"test_{path.parent.name}_{stem}.py"}
    assert any((ROOT / "tests" / name).exists() for name in names), f"no {' or '.join(sorted(names))}"
