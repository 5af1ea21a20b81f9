"""A day of the shop on a machine whose disk is only read, but for the data folder, which is a file system of its own.

As root alone, in a mount namespace: everything that is mounted becomes read-only there, `/var/tmp` is in memory, and
the data folder is a tmpfs that nobody else sees.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway import keycopy
from gateway.dbfile import DATABASE
from tests.rigs.system import Process, System, get, wait_for
from tests.test_at_rest import TABLES, marked

SCRIPT = """\
set -e
data=$1; shift
mount --make-rprivate /
mount -t tmpfs -o mode=700 data "$data"
mount -t tmpfs -o mode=1777 tmp /var/tmp
while read -r _ _ _ _ at _; do
    case $at in
        "$data" | /var/tmp | /proc | /proc/* | /sys | /sys/* | /dev | /dev/*) ;;
        *) mount -o remount,bind,ro "$at" ;;
    esac
done </proc/self/mountinfo
exec "$@"
"""
OURS = {DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm", "gateway.ballast", "gateway.run", "gateway.key", "site.key"}
OURS |= {"tablet.key", keycopy.NAME, "operator.sock", "content", "withdrawals.ledger", "erasures.ledger"}

pytestmark = [pytest.mark.broker, pytest.mark.timeout(240)]


class OnReadOnlyRoot(Process):
    """The service, with the world around it read-only."""

    def __init__(self, config: Path, data: Path, log: Path) -> None:
        super().__init__(["run", "--config", str(config)], log)
        self._data = data

    def start(self) -> None:
        self._data.mkdir(exist_ok=True)
        command = ["unshare", "--mount", "sh", "-c", SCRIPT, "sh", str(self._data), sys.executable, "-m", "gateway"]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, *self._arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=Path(__file__).parents[1],
            )

    def inside(self, path: Path) -> Path:
        """What the service sees there."""
        return Path(f"/proc/{self.pid}/root") / path.relative_to("/")


def may_mount() -> bool:
    if os.geteuid() != 0:
        return False
    tried = subprocess.run(["unshare", "--mount", "mount", "-t", "tmpfs", "none", "/var/tmp"], capture_output=True)
    return tried.returncode == 0


@pytest.mark.skipif(not may_mount(), reason="needs root and mount namespaces")
def test_a_day_on_a_disk_that_is_only_read(tmp_path: Path) -> None:
    ops, _ = marked()
    system = System(tmp_path, TABLES, ops)
    system.gateway = service = OnReadOnlyRoot(system.config, system.data, tmp_path / "gateway.log")
    with system:
        wait_for(lambda: any(one["type"] == "decision.made" for one in system.events()), "a decision")
        with pytest.raises(OSError, match="Read-only file system"):
            service.inside(tmp_path / "elsewhere").touch()
        assert {path.name for path in service.inside(system.data).iterdir()} <= OURS
        assert list(service.inside(Path("/var/tmp")).iterdir()) == []
        assert get(f"{system.url}/healthz")["state"] != "down"
        assert service.stop() == 0
    assert list(system.data.iterdir()) == []  # it lay in the namespace, and nothing beside it
    assert "Traceback" not in service.log.read_text()
