"""The systemd units: what an intruder could do from inside them, and that the programs work within."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gateway import keys

SYSTEMD = Path(__file__).parents[1] / "systemd"
EXPOSED_MOST = {
    "store-gateway.service": 1.5,
    "store-gateway-scanner.service": 1.5,
    "store-gateway-kiosk.service": 3.0,  # a browser
    "store-gateway-update.service": 2.5,  # root, who installs packages
    "store-gateway-recover.service": 2.5,
    "store-gateway-provision.service": 2.5,  # root, who writes the configuration
    "store-gateway-usb@.service": 3.0,  # and mounts
}
_LOCKED = """
import ctypes, sys
if ctypes.CDLL(None).prctl(65, 1, 0, 0, 0):  # PR_SET_MDWE: no memory is ever writable and executable
    sys.exit(77)
import bleak, cryptography.hazmat.primitives.ciphers.aead, dbus_fast, nfc, pydantic_core, sqlite3, usb1, zstandard
compare = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)(lambda a, b: 0)  # as libusb is called back
ctypes.CDLL(None).qsort((ctypes.c_int * 2)(2, 1), 2, 4, compare)
import gateway.app, gateway.scanner
"""


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not on this machine")
@pytest.mark.parametrize("unit", EXPOSED_MOST)
def test_little_is_exposed(unit: str, tmp_path: Path) -> None:
    alone = tmp_path / unit.replace("@", "@sda1")  # the drop-in for mgmt: is not the default
    shutil.copy(SYSTEMD / unit, alone)
    analyze = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(alone)]
    told = subprocess.run(analyze, capture_output=True, text=True, check=False).stdout
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", told)
    assert found is not None, told
    assert float(found[1]) <= EXPOSED_MOST[unit], told


def test_what_the_service_loads_works_without_memory_that_is_written_and_run() -> None:
    done = subprocess.run([sys.executable, "-c", _LOCKED], capture_output=True, text=True, cwd=SYSTEMD.parent)
    if done.returncode == 77:
        pytest.skip("this kernel cannot forbid it to a process (PR_SET_MDWE, Linux 6.3)")
    assert done.returncode == 0, done.stderr


def test_bluetoothd_has_no_folder_on_the_disk() -> None:
    """What it keeps of whom it heard lies in memory; tests/vm looks for it on a real one's disk."""
    written = (SYSTEMD / "bluetooth.service.d/store-gateway.conf").read_text()
    lines = [line for line in written.splitlines() if not line.startswith("#")]
    assert "StateDirectory=" in lines  # or systemd mounts the disk's over it
    assert any(line.startswith("TemporaryFileSystem=/var/lib/bluetooth:") for line in lines)
    for installs in ("systemd/deb/build", "Makefile"):
        assert "systemd/bluetooth.service.d/store-gateway.conf" in (SYSTEMD.parent / installs).read_text()


def test_the_units_lines_for_credentials_name_every_key_that_is_read() -> None:
    unit = (SYSTEMD / "store-gateway.service").read_text()
    assert set(re.findall(r"^#LoadCredentialEncrypted=([\w.]+):", unit, re.MULTILINE)) == {keys.ROOT, *keys.OTHERS}
