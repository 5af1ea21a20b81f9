"""What an update does to the machine: Debian's tools, systemd, the two slots, the service's own copy of its data."""

import http.client
import json
import logging
import os
import subprocess
import sys
import time
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gateway.clock import world_ms
from gateway.core.release import PRODUCT
from gateway.dbfile import DATABASE
from gateway.doors import HERE
from gateway.lasting import sync_folder
from gateway.updater import Parts

log = logging.getLogger("gateway")

OPT = Path("/opt/store-gateway")
CONFIG = Path("/etc/store-gateway/gateway.toml")
UNITS = ("store-gateway.service", "store-gateway-scanner.service")
SERVED = ".venv"  # the link to the slot that serves

# A slot takes a minute on a Pi 4 with a slow card; dpkg as long. A start may migrate a large file first: the unit's own
# TimeoutStartSec ends that after 900 s.
INSTALL_S = 1_800.0
START_S = 1_000.0
COPY_S = 900.0
ASK_S = 10.0
MAX_HEALTH_BYTES = 262_144


class RealBox:
    """`opt`, `config`: where the package and the operator's file are."""

    def __init__(self, opt: Path = OPT, config: Path = CONFIG) -> None:
        self._opt = opt
        self._config = config

    def serving(self) -> str:
        return str((self._opt / SERVED).readlink())

    def prepare(self, package: Path, slot: str) -> str:
        """The release's own script makes the slot, out of the package's content beside it."""
        content = package.parent / "content"
        if not _done(["dpkg-deb", "--extract", str(package), str(content)], INSTALL_S):
            return "install"
        if not self._fits(package):
            return "depends"
        own = content / "opt/store-gateway"
        made = _done(["sh", str(own / "install-slot"), str(own), str(self._opt / slot)], INSTALL_S)
        return "" if made else "install"

    def running(self) -> Mapping[str, str]:
        found = {}
        for unit in UNITS:
            asked = ["systemctl", "show", "--property=ActiveState,InvocationID,NRestarts,MainPID", unit]
            told = _said(asked)
            if "ActiveState=active" in told.splitlines():
                found[unit] = told
        return found

    def parts(self) -> Parts | None:
        row = self._table("http")
        host, port = str(row.get("host", "127.0.0.1")), row.get("port", 8080)
        if not isinstance(port, int):
            return None
        line = http.client.HTTPConnection(HERE.get(host, host), port, timeout=ASK_S)
        try:
            line.request("GET", "/healthz", headers={"Host": "localhost"})
            parts = json.loads(line.getresponse().read(MAX_HEALTH_BYTES))["parts"]
            return {str(name): str(state) for name, state in parts.items()}
        except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError, AttributeError):
            return None
        finally:
            line.close()

    def copy_data(self) -> bool:
        return self._on_data("copy")

    def put_data_back(self) -> bool:
        return self._on_data("put-back")

    def drop_copy(self) -> None:
        self._on_data("drop")

    def switch(self, slot: str) -> None:
        draft = self._opt / ".venv.next"
        draft.unlink(missing_ok=True)
        draft.symlink_to(slot)
        draft.replace(self._opt / SERVED)
        sync_folder(self._opt)

    def restart(self, units: Sequence[str]) -> bool:
        """What had failed before is forgotten, so that systemd does not refuse a start as one too many."""
        if units:
            _done(["systemctl", "daemon-reload"], ASK_S * 6)
            _done(["systemctl", "reset-failed", *units], ASK_S)
        return all(_done(["systemctl", "restart", unit], START_S) for unit in units)

    def register(self, package: Path) -> bool:
        """The package's script finds its slot made, and restarts nothing."""
        return _done(["dpkg", "--install", str(package)], INSTALL_S, STORE_GATEWAY_SLOT="ready")

    def now_ms(self) -> int:
        return world_ms()

    def wait(self, seconds: float) -> None:
        time.sleep(seconds)

    @property
    def data_dir(self) -> Path | None:
        """The service's data folder; None where the operator's file names none."""
        told = self._table("gateway").get("data_dir")
        return Path(told) if isinstance(told, str) and told.startswith("/") else None

    def _fits(self, package: Path) -> bool:
        """Whether Debian's packages would take this one without another that is not here."""
        asked = ["apt-get", "--simulate", "--no-install-recommends", "--allow-downgrades", "install", str(package)]
        told = _said(asked, INSTALL_S).splitlines()
        changed = {line.split()[1] for line in told if line.startswith(("Inst ", "Remv "))}
        return bool(told) and changed <= {PRODUCT}

    def _on_data(self, verb: str) -> bool:
        """As the folder's own user, which owns what is written, and whose links lead nowhere else."""
        data_dir = self.data_dir
        if data_dir is None or not (data_dir / DATABASE).exists():
            return verb != "put-back"  # nothing to lose yet
        owner = data_dir.stat()
        words = [sys.executable, "-I", "-m", "gateway.dbcopy", verb, str(data_dir)]
        return _done(words, COPY_S, (owner.st_uid, owner.st_gid) if os.geteuid() == 0 else None)

    def _table(self, name: str) -> Mapping[str, Any]:
        try:
            table = tomllib.loads(self._config.read_text(encoding="utf-8")).get(name, {})
        except (OSError, ValueError):
            return {}
        return table if isinstance(table, dict) else {}


def machine() -> str:
    """Debian's word for this kind of machine, such as arm64; "" where nobody says."""
    return _said(["dpkg", "--print-architecture"]).strip()


def mount(device: str, folder: Path) -> bool:
    """Whether a stick's file system is at `folder` now: nothing of it is run or written. Only those whose drivers are
    simple are taken."""
    options = "ro,nosuid,nodev,noexec"
    return _done(
        ["mount", "--types", "vfat,exfat", "--options", options, "--source", device, "--target", str(folder)], 60
    )


def unmount(folder: Path) -> None:
    _done(["umount", "--lazy", str(folder)], 60)


def _done(words: Sequence[str], within_s: float, user: tuple[int, int] | None = None, **environ: str) -> bool:
    """Whether a program came to a good end; what it says goes where our own log goes."""
    owner: dict[str, Any] = {} if user is None else {"user": user[0], "group": user[1], "extra_groups": []}
    try:
        code = subprocess.run(
            words, stdin=subprocess.DEVNULL, timeout=within_s, check=False, env=os.environ | environ, **owner
        ).returncode
    except (OSError, subprocess.TimeoutExpired):
        code = -1
    if code:
        log.error("update: %s did not come to a good end (status %s)", words[0], code)
    return code == 0


def _said(words: Sequence[str], within_s: float = ASK_S) -> str:
    """What a program printed; "" where it came to no good end."""
    try:
        told = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=within_s, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return told.stdout.decode(errors="replace")
