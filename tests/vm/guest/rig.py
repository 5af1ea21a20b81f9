"""What is done and looked at in the guest, one line of JSON to the host for each finding. Standard library only.

The gateway's path runs as store-gateway.service with the product's own unit and drop-ins; only the command is the
rig's. BlueZ is Debian's bluetooth.service. See README.md for what each part shows.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

from host import SRC, START_S, Adapter, Host, Pair, port, seconds, sh, until

UNITS = Path("/etc/systemd/system")
EAR = Path("/var/lib/store-gateway/ear.json")
BLUEZ = Path("/var/lib/bluetooth")
MONITORS = 0x0051  # Read Advertisement Monitor Features

# Generous: an emulated machine, and back-off of the supervisor. What was measured is printed.
RECOVER_S = 60.0
LISTEN_S = 12.0
# So long must a named stranger be on the air before the disk is looked at; BlueZ writes at once.
STRANGER_S = 8.0


class Ear:
    """The gateway's path as the service."""

    def start(self, path: str) -> None:
        EAR.unlink(missing_ok=True)
        override = UNITS / "store-gateway.service.d" / "rig.conf"
        override.parent.mkdir(exist_ok=True)
        override.write_text(
            "[Service]\nType=exec\nWatchdogSec=0\nExecStart=\n"  # the ear has nothing to tell systemd
            f"ExecStart={sys.executable} -m tests.vm.guest.ear {path}\n"
            "WorkingDirectory=/src\nEnvironment=PYTHONPATH=/src:/opt/site\n"
        )
        sh("systemctl", "daemon-reload")
        sh("systemctl", "start", "store-gateway.service")

    def stop(self) -> None:
        sh("systemctl", "stop", "store-gateway.service")

    def state(self) -> dict[str, Any]:
        try:
            return dict(json.loads(EAR.read_text()))
        except (OSError, ValueError):
            return {"sightings": 0, "rssi_dbm": [], "counts": {}, "parts": {}}

    def told(self) -> str:
        """State, detail and action of the receiver."""
        return "; ".join(self.state()["parts"].get("receiver:ear", ["nothing yet"]))

    def hears_on(self, within_s: float) -> float | None:
        """Seconds until ten more sightings, or None."""
        before = self.state()["sightings"]
        return until(lambda: self.state()["sightings"] >= before + 10, within_s)

    def recovers(self, fault: Callable[[], Any]) -> Pair:
        """Apply a fault, see that the ear falls silent, and wait until it hears again by itself."""
        fault()
        noticed_s = until(lambda: self.told().startswith("down"), 20)
        told = self.told()
        heard_s = self.hears_on(RECOVER_S)
        total = None if heard_s is None else heard_s + (noticed_s or 20)
        return heard_s is not None, f"hears again after {seconds(total)}; it said: {told}"


def bluetoothd() -> int:
    return int(sh("systemctl", "show", "-P", "MainPID", "bluetooth.service").strip() or 0)


def bluez(action: str) -> None:
    sh("systemctl", "reset-failed", "bluetooth.service")
    sh("systemctl", action, "bluetooth.service")


def protect(on: bool) -> None:
    """Put the drop-in in place; or, with BlueZ stopped, away, and forget everything on the disk."""
    if not on:
        shutil.rmtree(BLUEZ, ignore_errors=True)  # under a running BlueZ it would complain, with addresses
    place = UNITS / "bluetooth.service.d"
    shutil.rmtree(place, ignore_errors=True)
    if on:
        shutil.copytree(SRC / "systemd/bluetooth.service.d", place)
    sh("systemctl", "daemon-reload")


def cached(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*/cache/*"))


def traces(since: float, marks: list[str]) -> list[str]:
    """Files on the disk written after `since` that hold one of the marks, in their text or their name."""
    sh("journalctl", "--sync")
    os.sync()
    root = Path("/").stat().st_dev
    found = []
    for folder, below, files in os.walk("/"):
        below[:] = [name for name in below if os.lstat(Path(folder) / name).st_dev == root and name != "src"]
        for path in (Path(folder) / name for name in [*files, *below]):
            if any(mark in path.name for mark in marks):
                found.append(str(path))
            elif path.is_file() and not path.is_symlink() and path.stat().st_mtime >= since:
                data = path.read_bytes()
                if any(form in data for mark in marks for form in forms(mark)):
                    found.append(str(path))
    return found


def forms(mark: str) -> list[bytes]:
    """A name as text; an address as text in the ways of BlueZ, and as bytes in either order."""
    if not re.fullmatch("([0-9A-F]{2}:){5}[0-9A-F]{2}", mark):
        return [mark.encode()]
    raw = bytes.fromhex(mark.replace(":", ""))
    texts = (mark, mark.replace(":", "_"), mark.replace(":", ""))
    return [*(form.encode() for text in texts for form in (text, text.lower())), raw, raw[::-1]]


def hearing(ear: Ear, since: int = 0) -> tuple[Pair, Pair, Pair]:
    """Whether both beacons were heard, and small steps. The EID is sent at -61..-64 dBm, the iBeacon at -77..-80."""
    levels = ear.state()["rssi_dbm"][since:]
    eid, ibeacon = ([level for level in levels if low <= level < low + 4] for low in (-64, -80))
    steps = [abs(a - b) for walk in (eid, ibeacon) for a, b in pairwise(walk) if a != b]
    small = sum(step < 8 for step in steps)
    return (
        (len(eid) >= 10, f"{len(eid)} sightings of the member"),
        (len(ibeacon) >= 10, f"{len(ibeacon)} sightings of the member"),
        (small >= 10, f"{small} of {len(steps)} steps"),
    )


def listen(host: Host, ear: Ear, path: str) -> bool:
    started_s = until(lambda: ear.state()["sightings"] > 0, START_S)
    if not host.check(f"{path}: hears", (started_s is not None, f"first sighting after {seconds(started_s)}")):
        host.tell(log=ear.told() + "\n" + sh("journalctl", "-n", "40", "--no-pager"))
        return False
    time.sleep(LISTEN_S)
    for name, found in zip(("an EID beacon", "an iBeacon", "RSSI steps below 8 dB"), hearing(ear), strict=True):
        host.check(f"{path}: {name}", found)
    return True


def on_strict_hardware(host: Host, ear: Ear) -> int:
    """Sightings within LISTEN_S if the controller obeys "filter duplicates" to the letter."""
    host.ask("strict")
    before = ear.state()["sightings"]
    time.sleep(LISTEN_S)
    heard = int(ear.state()["sightings"]) - before
    host.ask("lenient")
    return heard


def deaf(host: Host, ear: Ear, cure: str) -> Pair:
    """The controller falls silent until the kernel does what cures it; the ladder has to find that."""
    host.ask(f"deaf until {cure}")
    heard_s = ear.hears_on(2 * RECOVER_S)
    steps = {name: count for name, count in ear.state()["counts"].items() if name.startswith("ble.ladder.")}
    return heard_s is not None, f"hears again after {seconds(heard_s)} (silence counts after 15 s here), {steps}"


def with_ble(host: Host, adapter: Adapter, ear: Ear, marks: list[str]) -> None:
    host.part("ble:hci0, BlueZ as Debian ships it")
    since = time.time()
    bluez("start")
    adapter.plug()
    ear.start("ble:hci0")
    if not listen(host, ear, "ble:hci0"):
        return
    found = traces(since, marks)
    host.check(
        "without protection BlueZ writes the stranger to the disk (so the search finds what is there)",
        (bool(found), f"cache: {cached(BLUEZ)}; files: {found}"),
    )
    host.tell(note=f"on a controller that drops repeats: {on_strict_hardware(host, ear)} sightings in {LISTEN_S:.0f} s")

    host.part("ble:hci0, faults")
    off = ("bluetoothctl", "power", "off")
    host.check("adapter switched off", ear.recovers(lambda: sh(*off)))
    host.check("bluetoothd restarted", ear.recovers(lambda: bluez("restart")))

    def unplug_and_plug() -> None:
        adapter.unplug()
        until(lambda: ear.told().startswith("down"), 20)
        adapter.plug()

    host.check("adapter unplugged and plugged in again", ear.recovers(unplug_and_plug))

    host.part("ble:hci0, with our drop-in for bluetooth.service")
    # The drop-in first: our source asks for BlueZ again at once, and D-Bus would start it without.
    protect(True)
    bluez("restart")
    for left in BLUEZ.iterdir():  # by the old one, on the disk; the new one's folder in memory lies over this one
        shutil.rmtree(left)
    since = time.time()
    resumed = ear.hears_on(RECOVER_S)
    host.check("hears on", (resumed is not None, seconds(resumed)))
    time.sleep(STRANGER_S)
    found = traces(since, marks)
    host.check("nothing of a stranger reaches the disk", (not found, str(found or "no trace in any file")))
    memory = Path(f"/proc/{bluetoothd()}/root{BLUEZ}")
    host.tell(note=f"in bluetoothd's memory folder: {cached(memory)}")
    host.check("bluetoothd killed (Restart= of the drop-in)", ear.recovers(lambda: os.kill(bluetoothd(), 9)))
    ear.stop()
    bluez("stop")
    protect(False)


def with_mgmt(host: Host, adapter: Adapter, ear: Ear, marks: list[str]) -> None:
    host.part("mgmt:hci0 without the right to")
    bluez("start")
    until(lambda: "Powered: yes" in sh("bluetoothctl", "show"), START_S)
    ear.start("mgmt:hci0")
    said = until(lambda: ear.told().startswith("down"), START_S)
    host.check("says what is missing", (said is not None, ear.told()))
    ear.stop()

    host.part("mgmt:hci0 beside BlueZ as Debian ships it")
    shutil.copy(SRC / "systemd/store-gateway.service.d/mgmt.conf", UNITS / "store-gateway.service.d")
    since = time.time()
    host.ask("forget")
    ear.start("mgmt:hci0")
    if not listen(host, ear, "mgmt:hci0"):
        return
    time.sleep(STRANGER_S)
    heard = on_strict_hardware(host, ear)
    host.check("hears all on a controller that drops repeats", (heard > 20, f"{heard} in {LISTEN_S:.0f} s"))
    scans = host.ask("scans")
    scan = scans[-1] if scans else {}
    good = scan.get("active") is False and scan["window_ms"] == scan["interval_ms"] and not scan["filter_duplicates"]
    host.check("a passive scan that listens all the time and filters nothing", (good, str(scans)))
    known = re.findall(r"dev_[0-9A-F_]{17}", sh("busctl", "tree", "org.bluez", "--list"))
    found = traces(since, marks)
    host.check(
        "BlueZ keeps nothing of a stranger, in memory or on the disk", (not found and not known, str(found + known))
    )

    host.part("mgmt:hci0, faults")
    host.check("adapter switched off", ear.recovers(lambda: sh("bluetoothctl", "power", "off")))
    host.check("bluetoothd restarted (takes all monitors away)", ear.recovers(lambda: bluez("restart")))
    adapter.unplug()
    until(lambda: ear.told().startswith("down"), 20)
    host.check("adapter unplugged and plugged in again", ear.recovers(adapter.plug))
    host.check("deaf until the scan is restarted", deaf(host, ear, "scan"))
    host.check("deaf until the adapter is reset", deaf(host, ear, "reset"))
    ear.stop()
    time.sleep(1)
    host.check("stopping leaves no scan behind", (host.ask("scans")[-1] == {"on": False}, str(host.ask("scans")[-1])))

    host.part("mgmt:hci0 without BlueZ")
    bluez("stop")
    sh("systemctl", "mask", "--runtime", "bluetooth.service")
    adapter.unplug()
    adapter.plug()
    ear.start("mgmt:hci0")
    listen(host, ear, "mgmt:hci0")
    ear.stop()


def main() -> None:
    sh("modprobe", "virtio_console")
    sh("modprobe", "hci_vhci")
    until(Path("/sys/class/virtio-ports").exists, START_S)
    host = Host(port("report"))
    try:
        versions = (os.uname().release, sh("bluetoothctl", "--version").split()[-1], sys.version.split()[0])
        host.tell(note="Linux {}, BlueZ {}, Python {}".format(*versions))
        sh("install", "-D", "-m", "644", str(SRC / "systemd/store-gateway.sysusers"), "/usr/lib/sysusers.d/sg.conf")
        sh("systemd-sysusers")
        shutil.copy(SRC / "systemd/store-gateway.service", UNITS)
        adapter, ear, marks = Adapter(host), Ear(), host.ask("marks")
        only = host.ask("only")
        if only != "mgmt":
            with_ble(host, adapter, ear, marks)
        else:
            adapter.plug()
        if only != "ble":
            with_mgmt(host, adapter, ear, marks)
    except (OSError, AssertionError, LookupError, TypeError, ValueError, subprocess.SubprocessError) as error:
        host.check("the rig itself", (False, f"{type(error).__name__}: {error}"))
    finally:
        host.tell(end=True)
        Path("/proc/sysrq-trigger").write_text("o")


if __name__ == "__main__":
    main()
