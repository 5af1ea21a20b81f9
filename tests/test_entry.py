"""Ctrl-C before anything is loaded: the program ends as quietly as later."""

import subprocess
import sys
import tomllib
from pathlib import Path

from gateway import entry

# Ctrl-C while the first of our modules is looked for, behind the entry itself.
INTERRUPTED = """
import signal, sys
from gateway.entry import main
class Finder:
    def find_spec(self, name, *_):
        if name.startswith("gateway."):
            signal.raise_signal(signal.SIGINT)
signal.signal(signal.SIGINT, signal.default_int_handler)  # the background ignores it
sys.meta_path.insert(0, Finder())
sys.argv[1:] = ["hq", "fleet"]
sys.exit(main())
"""


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_ctrl_c_while_it_loads_ends_it_without_a_traceback() -> None:
    ended = python(INTERRUPTED)
    assert (ended.returncode, ended.stdout, ended.stderr) == (entry.INTERRUPTED, "", "")


def test_the_command_begins_there_and_loads_nothing_else_before() -> None:
    ours = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
    assert ours["project"]["scripts"] == {"store-gateway": "gateway.entry:main"}
    loaded = python("import sys, gateway.entry; print(*(n for n in sys.modules if n.startswith('gateway')))")
    assert loaded.stdout.split() == ["gateway", "gateway.entry"]
    assert "bench" in python("import sys; sys.argv[1:] = ['--help']; from gateway.entry import main; main()").stdout
