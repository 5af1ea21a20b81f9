"""From the package to its removal, one line of JSON to the host for each finding. Standard library only.

Nothing of the product is changed: its package, its units, Debian's bluetooth.service and Mosquitto. Headquarters is the
product's own, in the same machine, out of a copy that no update changes. The host says which session of the machine
this one is; each ends with the power, which the host cuts or the guest switches off.
"""

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from box import (
    ALL_OK,
    DATA,
    ETC,
    GATEWAY,
    OPT,
    SLOW_S,
    active,
    failed,
    fetched,
    healthy,
    pid,
    restarts,
    serving,
    timed,
    told,
)
from host import SRC, Adapter, Host, port, seconds, sh, until
from relay import relay

OURS = Path("/var/lib/life")
BEFORE, HEARD, HQ_DB, HQ = OURS / "files", OURS / "heard", OURS / "hq.db", OURS / "hq/bin/python"
UPDATES = Path("/var/lib/store-gateway-update")
BOOT_MS = int((time.time() - time.monotonic()) * 1_000)
BOX, PAPER, HQ_VERB = "muster/musterstadt/gw1", OURS / "provision.json", (str(HQ), "-m", "gateway", "hq")
NEWER, SPOILED = "0.90.1", "0.90.2"  # releases.py makes them
# Where files may stay, or change, when a package goes; those of the rig itself among them.
KEPT = (
    "/etc/passwd",
    "/etc/group",
    "/etc/shadow",
    "/etc/gshadow",
    "/etc/.pwd.lock",
    "/var/",
    "/tmp/",
    "/src",
    "/root/",
)


class Life:
    """The steps, each told with how long it took."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._adapter = Adapter(host)
        self.sessions: dict[str, Callable[[], None]] = {
            "install": self._installed,
            "serve": self._serves,
            "cut": self._after_a_cut,
            "update": self._updated,
        }

    # --- sessions ------------------------------------------------------------------------------------------------

    def _installed(self) -> None:
        self._host.part("install from the package")
        BEFORE.write_text("\n".join(files()))
        took_s, said = timed("dpkg", "--install", str(SRC / "store-gateway.deb"))
        self._host.check("dpkg --install", (serving() == "slot-a" and not failed(said), f"{took_s:.0f} s; {said[-1:]}"))
        size = sh("du", "-sm", str(OPT)).split()[0]
        self._host.tell(note=f"{size} MB in {OPT}, {sh(GATEWAY, '--version').strip()}")
        took_s, said = timed("dpkg", "--install", str(SRC / "store-gateway.deb"))
        self._host.check("the same once more", (serving() == "slot-b" and not failed(said), f"{took_s:.0f} s"))
        sh("cp", "-a", str(OPT / serving()), str(HQ.parents[1]), check=True)
        self._host.tell(end=True)
        sh("systemctl", "poweroff")
        time.sleep(SLOW_S)  # the power goes meanwhile

    def _serves(self) -> None:
        took_s = until(lambda: fetched("/")[0] == 200, SLOW_S)
        self._check("a box that belongs to nobody answers", took_s, fetched("/")[1][:60])
        self._provision()
        self._host.part("the service begins as the shop's")
        self._check("every part is well", until(healthy, SLOW_S), told())
        self._host.check("systemd is told READY", (active(), restarts()))
        self._seen("the member's beacon is seen", ("visit.entered",), BOOT_MS)
        self._tap()
        self._pages()
        self._recovers("killed", signal.SIGKILL)
        self._recovers("stopped, so that only the watchdog notices", signal.SIGSTOP)
        self._cut("while it serves")

    def _after_a_cut(self) -> None:
        self._back()
        self._host.check("no part has a doubt, the database's least", (told() == ALL_OK, told()))
        self._host.part("a release is refused where no key is trusted")
        self._update_by_hand(NEWER, refused="keys")
        self._host.part("an update, and the power is cut while it is tried")
        trust()
        sh("systemd-run", "--unit=cut-off", "store-gateway-update", "from", str(release(NEWER)))
        took_s = until(lambda: noted("state").get("step") == "trying", SLOW_S * 10)
        self._check("the new release is on trial", took_s, f"{serving()} serves")
        self._cut("in the middle of the trial")

    def _updated(self) -> None:
        self._back()
        self._result("the release of before serves, and the box says why", "0.1.0", "failed", "power")
        self._host.part("headquarters wants the update")
        spool = UPDATES / "spool"
        for path in release(NEWER).iterdir():
            shutil.copy(path, spool)
        before = noted("result")
        hq("command", BOX, "update", NEWER)
        took_s = until(lambda: noted("result") != before and noted("result").get("result") != "running", SLOW_S * 15)
        self._check(
            "the service has the updater called", took_s, sh("systemctl", "is-active", "store-gateway-update.path")
        )
        self._result("an update by headquarters' command", NEWER, "done", "")
        self._seen("headquarters hears of it", ("update.done",), BOOT_MS)
        self._host.part("a release that does not start")
        self._update_by_hand(SPOILED, failed="start")
        self._check("every part is well", until(healthy, SLOW_S), told())
        self._uninstall()
        self._host.tell(end=True)

    # --- steps ---------------------------------------------------------------------------------------------------

    def _provision(self) -> None:
        self._host.part("provision")
        headquarters()
        words = ("--broker", "127.0.0.1", "--layout", str(SRC / "layout.toml"), "--out", str(PAPER))
        took_s, said = timed(*HQ_VERB, "provision", "--db", str(HQ_DB), BOX, *words)
        self._host.check("headquarters writes the file for the box", (not failed(said), f"{took_s:.0f} s; {said[-1:]}"))
        took_s, said = timed(GATEWAY, "provision", str(PAPER))
        self._host.check("the box is the shop's", (not failed(said), f"{took_s:.0f} s; {said[-2:]}"))
        took_s, said = timed(GATEWAY, "check-config", str(ETC / "gateway.toml"))
        self._host.check("its configuration is right", (not failed(said), f"{took_s:.0f} s; {said[-1:]}"))
        took_s, said = timed(
            str(HQ), "-m", "gateway", "hq", "import-members", "--db", str(HQ_DB), str(SRC / "members.jsonl")
        )
        self._host.check("headquarters has members", (not failed(said), f"{took_s:.0f} s; {said[-1:]}"))
        self._adapter.plug()

    def _tap(self) -> None:
        since_ms = now_ms()
        self._host.ask("present")
        self._seen("the card is seen", ("decision.made", "sale."), since_ms)
        self._host.ask("remove")

    def _pages(self) -> None:
        self._host.part("pages")
        for path in ("/", "/screen?id=coffee"):
            began_s = time.monotonic()
            status, body = fetched(path)
            took_s = time.monotonic() - began_s
            self._host.check(path, (status == 200 and "<html" in body, f"{len(body)} bytes, {took_s:.2f} s"))
        relay(8_080)
        self._host.check("a browser draws the screen", self._host.ask("draw"))

    def _recovers(self, what: str, number: signal.Signals) -> None:
        self._host.part(f"the service is {what}")
        before, began_s = pid(), time.monotonic()
        os.kill(before, number)
        took_s = until(lambda: pid() not in (0, before), SLOW_S)
        self._check("systemd starts it anew", took_s, restarts())
        took_s = until(healthy, SLOW_S)
        self._check("every part is well", took_s, f"{time.monotonic() - began_s:.0f} s in all; {told()}")

    def _cut(self, when: str) -> None:
        HEARD.write_text(str(heard()))
        sh("sync", str(HEARD))
        self._host.part(f"power cut {when}")
        self._host.ask("power")

    def _back(self) -> None:
        self._host.part("after the power cut")
        headquarters()
        self._adapter.plug()
        self._check("the service is up by itself", until(healthy, SLOW_S), told())
        self._seen("the member's beacon is seen again", ("visit.entered",), BOOT_MS)
        told_before = int(HEARD.read_text())
        took_s = until(lambda: heard() > told_before, SLOW_S)
        self._check("headquarters lacks no event", took_s, f"{heard()}, {told_before} before the cut")

    def _update_by_hand(self, version: str, **ends: str) -> None:
        runs = sh(GATEWAY, "--version").split()[-1]
        took_s, said = timed("store-gateway-update", "from", str(release(version)))
        self._host.tell(note=f"{took_s:.0f} s; {' '.join(said[-2:])}")
        ((result, reason),) = ends.items()
        self._result(f"{version} is {result}, {runs} stays", runs, result, reason)

    def _result(self, name: str, runs: str, result: str, reason: str) -> None:
        found, version = noted("result"), sh(GATEWAY, "--version").split()[-1]
        well = (found.get("result"), found.get("reason"), version) == (result, reason, runs) and active()
        self._host.check(name, (well, f"{found.get('result')} {found.get('reason')}; {version} runs in {serving()}"))

    def _uninstall(self) -> None:
        self._host.part("uninstall")
        took_s, said = timed("dpkg", "--remove", GATEWAY)
        left = [path for path in (OPT, UPDATES) if path.exists()]
        units = sh("systemctl", "list-units", "--all", "--plain", "--no-legend", "store-gateway*").split("\n")
        self._host.check(
            "the service is gone", (not failed(said) and not left and not pid(), f"{took_s:.0f} s; {units} {said[-1:]}")
        )
        kept = (DATA / "gateway.db").exists() and (ETC / "gateway.toml").exists()
        self._host.check("data and configuration stay", (kept, f"{DATA}, {ETC}"))
        timed("dpkg", "--purge", GATEWAY)
        changed = {*BEFORE.read_text().splitlines()} ^ set(files())
        self._host.check("purged: no other file is left", (not changed, f"{sorted(changed)[:8]}"))

    # --- findings ------------------------------------------------------------------------------------------------

    def _check(self, name: str, took_s: float | None, detail: str) -> None:
        self._host.check(name, (took_s is not None, f"after {seconds(took_s)}; {detail}"))

    def _seen(self, what: str, kinds: tuple[str, ...], since_ms: int) -> None:
        def news() -> list[str]:
            return [kind for kind in events(since_ms) if kind.startswith(kinds)]

        took_s = until(news, SLOW_S)
        self._check(what, took_s, f"headquarters has {news()[:4] or events(since_ms)[:8]}")


def hq(*words: str) -> str:
    return sh(str(HQ), "-m", "gateway", "hq", words[0], "--db", str(HQ_DB), *words[1:])


def headquarters() -> None:
    sh("systemctl", "start", "mosquitto")
    sh("systemd-run", "--unit=hq", str(HQ), "-m", "gateway", "hq", "serve", "--db", str(HQ_DB))
    until(lambda: fetched("/", 8_090)[0], SLOW_S)


def asked(query: str, *values: int) -> list[tuple[Any, ...]]:
    with contextlib.closing(sqlite3.connect(f"file:{HQ_DB}?mode=ro", uri=True, timeout=60)) as db:
        return db.execute(query, values).fetchall()


def events(since_ms: int) -> list[str]:
    """The types of those that headquarters has, the oldest first."""
    return [str(kind) for (kind,) in asked("SELECT type FROM event WHERE at_ms >= ? ORDER BY id", since_ms)]


def heard() -> int:
    """How many headquarters has; 0 while one between them is missing."""
    found = asked("SELECT count(*), max(seq) FROM event GROUP BY epoch")
    return sum(count for count, _ in found) if all(count == last for count, last in found) else 0


def now_ms() -> int:
    return int(time.time() * 1_000)


def release(version: str) -> Path:
    return SRC / f"release-{version}"


def trust() -> None:
    shutil.copy(SRC / "release.pub", ETC)


def noted(name: str) -> dict[str, Any]:
    """The updater's file `name`."""
    try:
        return dict(json.loads((UPDATES / f"{name}.json").read_text()))
    except (OSError, ValueError):
        return {}


def files() -> list[str]:
    """Every path that a package must not leave, change or take."""
    listed = sh("find", "/", "-xdev", "-path", "/src", "-prune", "-o", "-print").splitlines()
    return sorted(path for path in listed if not path.startswith(KEPT) and "__pycache__" not in path)


def main() -> None:
    for module in ("virtio_console", "hci_vhci"):
        sh("modprobe", module)
    OURS.mkdir(exist_ok=True)
    until(Path("/sys/class/virtio-ports").exists, SLOW_S)
    host = Host(port("report"), lambda: sh("journalctl", "-n", "40", "--no-pager", "-o", "short-precise"))
    life = Life(host)
    session = host.ask("session")
    versions = f"Linux {os.uname().release}, Python {sys.version.split()[0]}"
    host.tell(note=f"{session}: up after {time.monotonic():.0f} s, {versions}")
    try:
        life.sessions[session]()
    except (
        OSError,
        AssertionError,
        LookupError,
        TypeError,
        ValueError,
        sqlite3.Error,
        subprocess.SubprocessError,
    ) as error:
        host.check("the rig itself", (False, f"{type(error).__name__}: {error}"))
        host.tell(end=True)


if __name__ == "__main__":
    main()
