"""The threat model: every test, file and table that docs/security.md names is there, and its numbers are the code's."""

import ast
import re
from pathlib import Path

import pytest

from display import guard, hub
from gateway import dbfile, serving
from gateway.core import devices, guesses, handover, shift, tokens
from gateway.core.vault import KEY_BYTES

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
NAMED = re.compile(r"`(test_\w+\.py)::(\w+)`")
PRODUCT = ("gateway", "drivers", "display", "sync", "tools")
KB = 1_024


def named_in(name: str) -> set[str]:
    """The names of a module's tests, without running anything of it."""
    path = ROOT / "tests" / name
    if not path.is_file():
        return set()
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_test_that_the_page_names_is_there() -> None:
    named = NAMED.findall(TEXT)
    assert len(set(named)) > 80
    known = {name: named_in(name) for name, _ in named}
    assert [f"{name}::{test}" for name, test in named if test not in known[name]] == []
    assert "test_that_nobody_wrote" not in known["test_vault.py"]
    assert named_in("test_no_such_module.py") == set()


def test_every_measure_names_a_test_and_every_file_is_there() -> None:
    threats = TEXT[TEXT.index("## A stolen card") :]
    lines = [line for line in threats.splitlines() if line.startswith("|") and not line.startswith("|---")]
    rows = [line.split("|")[1:-1] for line in lines if not line.endswith("| shown by |")]
    assert len(rows) > 70
    assert {len(row) for row in rows} == {3}
    assert [row[0] for row in rows if not NAMED.search(row[2])] == []
    files = {one for row in rows for one in re.findall(r"`([\w/.]+\.(?:py|toml|txt))`", row[1])}
    assert len(files) > 60
    assert [name for name in sorted(files) if not (ROOT / name).is_file()] == []
    assert threats.count("| measure | built in | shown by |") == 10
    assert threats.count("**Open.**") >= 8


def test_every_table_is_decided_on(tmp_path: Path) -> None:
    """What is readable of a new table to who has no key has to be said before it is there."""
    told = TEXT[TEXT.index("### What a thief of the data folder reads") : TEXT.index("## A rogue tablet")]
    tx = dbfile.open_file(tmp_path / dbfile.DATABASE, bytes(KEY_BYTES))
    try:
        rows = tx.db.conn.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    finally:
        tx.db.close()
    tables = {str(row[0]) for row in rows if not row[0].startswith(("sqlite_", "_sqlite_"))}
    assert tables - set(re.findall(r"`(\w+)`", told)) == set()


@pytest.mark.parametrize(
    ("row", "numbers"),
    [
        ("connections", (serving.MAX_CONNECTIONS, serving.MAX_CONNECTIONS_EACH, serving.KEPT_FOR_BOX)),
        ("connections", (serving.MAX_HEADER_BYTES // KB,)),
        ("TLS handshakes under way", (serving.MAX_HANDSHAKES, serving.MAX_HANDSHAKES_EACH)),
        ("open streams", (hub.MAX_STREAMS, hub.MAX_SCREEN_STREAMS, hub.MAX_STREAMS_EACH)),
        ("pairing codes", (devices.MAX_CODES_SOURCE, devices.MAX_WAITING)),
        ("one-time codes at a screen", (guesses.MAX_AT_SCREEN, guesses.MAX_IN_SHOP)),
        ("PINs", (shift.FREE_TRIES,)),
        ("the number that takes a lent tablet back", (handover.MAX_WRONG,)),
        ("wrong links of phones", (tokens.MAX_WRONG_SOURCE, tokens.MAX_WRONG)),
        ("bodies are bounded in size", (guard.MAX_BODY // KB, guard.BODY_S)),
    ],
)
def test_the_limits_are_those_of_the_code(row: str, numbers: tuple[int, ...]) -> None:
    (line,) = [one for one in TEXT.splitlines() if one.startswith(f"| {row}")]
    said = set(re.findall(r"\d+", line.replace("`", "")))
    assert {str(number) for number in numbers} <= said


def shells(source: str) -> list[str]:
    """Calls that start a shell, or run text or pickled bytes as a program."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            shell = any(one.arg == "shell" for one in node.keywords)
            never = ("eval", "exec", "compile", "os.system", "os.popen", "asyncio.create_subprocess_shell")
            if shell or name in never or name.endswith(("create_subprocess_shell",)):
                found.append(name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            module = node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
            if module in ("pickle", "marshal", "shelve"):
                found.append(str(module))
    return found


def test_nothing_runs_a_shell_or_text_as_a_program() -> None:
    files = [path for part in PRODUCT for path in (ROOT / part).rglob("*.py")]
    assert len(files) > 200
    assert {str(path): found for path in files if (found := shells(path.read_text(encoding="utf-8")))} == {}
    planted = ("os.system('x')", "subprocess.run('x', shell=True)", "eval('1')", "import pickle")
    assert all(shells(line) for line in planted)
    assert not shells("re.compile('x')")
