"""gateway.service: `run` loads what it needs and no other verb; what it prints and how it ends is in test_main."""

import subprocess
import sys

import pytest

# The memory and the seconds of each start of a small machine.
OTHERS = {
    "gateway.bench",
    "gateway.demo",
    "gateway.doctor",
    "gateway.emulator",
    "gateway.verbs",
    "rich",
    "sync.hq",
    "nfc",
    "bleak",
}


@pytest.mark.parametrize(("verb", "module"), [("run", "gateway.service"), ("scanner", "gateway.scanner")])
def test_what_stays_loads_no_other_verb(verb: str, module: str) -> None:
    program = f"import sys\nfrom gateway.__main__ import _parser\n_parser({verb!r})\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    loaded = done.stdout.split()
    assert module in loaded
    assert not OTHERS & set(loaded)
