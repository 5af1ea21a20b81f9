"""Starts the virtual machine, plays its Bluetooth controller and all that is on the air, and prints what was found.

Usage: run.py IMAGE [--only ble|mgmt] [--python PYTHON] [--console]. Exit status 1 if a check failed. Needs the virtual
environment that `build` made.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Any

from air import Air, Sender
from bumble.transport import open_transport

ROOT = Path(__file__).parents[2]
PARTS = ("drivers", "gateway", "systemd", "tests/rigs", "tests/vm", "tests/__init__.py")
ADAPTER = "F0:00:00:00:00:01"
FLAGS = bytes.fromhex("020106")
LIMIT_S = 900

# Prints the two advertisements of the member whom the guest's resolver knows.
BEACONS = """
from drivers import frames
from tests.rigs.listener import EID_NOW, IBEACON_NOW
print(frames.encode_eid(EID_NOW, -18).hex(), frames.encode_ibeacon(IBEACON_NOW, -59).hex())
"""


def name(text: str) -> bytes:
    """A complete local name as AD structure."""
    return bytes([1 + len(text), 0x09]) + text.encode()


def senders(python: str) -> list[Sender]:
    """The member's two beacons, and strangers whose names BlueZ would like to keep. All of them are invented."""
    done = subprocess.run([python, "-c", BEACONS], cwd=ROOT, capture_output=True, text=True, check=True)
    eid, ibeacon = (bytes.fromhex(word) for word in done.stdout.split())
    return [
        Sender("member's EID", "C0:11:22:33:44:01", False, eid, -64),
        Sender("member's iBeacon", "C0:11:22:33:44:02", False, ibeacon, -80),
        Sender("stranger-headset", "C4:5E:ED:00:C0:01", False, FLAGS, -70, name("Stranger Headset")),
        Sender("stranger-watch", "00:5E:ED:00:C0:02", True, FLAGS + name("Stranger Watch"), -72, b""),
        Sender("stranger-phone", "5A:5E:ED:00:C0:03", False, bytes.fromhex("02011a0aff4c001005011c000000"), -75, b""),
    ]


def archive(folder: Path) -> Path:
    """The checkout as the guest's second disk."""

    def code(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
        entry.uid = entry.gid = 0
        return None if entry.name.endswith(("__pycache__", ".pyc")) else entry

    path = folder / "src.tar"
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for part in PARTS:
            tar.add(ROOT / part, arcname=part, filter=code)
    with path.open("ab") as file:
        file.truncate(-(-path.stat().st_size // 512) * 512)  # a disk is whole sectors
    return path


def machine(image: Path, folder: Path) -> list[str]:
    """QEMU's command line: emulation only, no network, and nothing is written to the image."""
    quiet = "systemd.mask=systemd-udevd.service systemd.mask=systemd-udev-trigger.service systemd.show_status=0"
    kernel = f"console=ttyS0 panic=-1 mitigations=off root=/dev/vda rw systemd.unit=rig.target quiet {quiet}"
    return [
        *("qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "768"),
        *("-kernel", str(image / "vmlinuz"), "-initrd", str(image / "initrd.gz"), "-append", kernel),
        *("-drive", f"file={image / 'disk.img'},if=virtio,format=raw,snapshot=on"),
        *("-drive", f"file={archive(folder)},if=virtio,format=raw,readonly=on"),
        *("-nic", "none", "-display", "none", "-no-reboot", "-serial", f"file:{folder / 'console.log'}"),
        *("-device", "virtio-serial-pci"),
        *("-chardev", f"socket,id=hci,path={folder / 'hci'},server=on,wait=off"),
        *("-device", "virtserialport,chardev=hci,name=hci"),
        *("-chardev", f"socket,id=report,path={folder / 'report'},server=on,wait=off"),
        *("-device", "virtserialport,chardev=report,name=report"),
    ]


class Report:
    """What the guest says, printed as it comes."""

    def __init__(self, air: Air, marks: list[str], only: str | None) -> None:
        self._air = air
        self._only = only
        self._marks = marks
        self._began_s = time.monotonic()
        self.checks = 0
        self.failed: list[str] = []

    def answer(self, question: str) -> Any:
        if question == "marks":
            return self._marks
        if question == "forget":
            self._air.scans.clear()
        if question == "quiet":
            self._air.le_scan_enable = False
        if question.startswith("deaf until "):
            self._air.deaf = question.removeprefix("deaf until ")
        if question in ("strict", "lenient"):
            self._air.strict = question == "strict"
        if question == "only":
            return self._only
        return self._air.scans

    def print(self, line: dict[str, Any]) -> None:
        at = f"{time.monotonic() - self._began_s:6.1f} s"
        if "check" in line:
            self.checks += 1
            if not line["ok"]:
                self.failed.append(line["check"])
            print(f"{at}    {'ok    ' if line['ok'] else 'FAILED'} {line['check']}: {line['detail']}", flush=True)
        elif "part" in line:
            print(f"{at}  {line['part']}", flush=True)
        else:
            print(f"{at}    {line.get('note') or line.get('log')}", flush=True)

    def summary(self) -> str:
        total = time.monotonic() - self._began_s
        return f"{self.checks - len(self.failed)} of {self.checks} checks passed in {total:.0f} s"


async def connected(path: Path, qemu: asyncio.subprocess.Process) -> None:
    while not path.exists():  # noqa: ASYNC240 - another program makes it
        if qemu.returncode is not None:
            raise SystemExit("QEMU did not start")
        await asyncio.sleep(0.05)


async def converse(report: Report, path: Path) -> None:
    """Until the guest says that it is done."""
    reader, writer = await asyncio.open_unix_connection(str(path))
    try:
        while data := await reader.readline():
            line = json.loads(data)
            if "ask" in line:
                writer.write(json.dumps(report.answer(line["ask"])).encode() + b"\n")
                await writer.drain()
            elif "end" in line:
                return
            else:
                report.print(line)
    finally:
        writer.close()


async def run(image: Path, python: str, folder: Path, only: str | None) -> Report:
    everyone = senders(python)
    air = Air(ADAPTER)
    marks = [one.address for one in everyone if one.name.startswith("stranger")]
    report = Report(air, [*marks, "Stranger Headset", "Stranger Watch"], only)
    qemu = await asyncio.create_subprocess_exec(*machine(image, folder))
    sending: asyncio.Task[None] | None = None
    try:
        await connected(folder / "report", qemu)
        async with asyncio.timeout(LIMIT_S), await open_transport(f"unix:{folder / 'hci'}") as hci:
            air.plug(hci.source, hci.sink)
            sending = asyncio.create_task(air.send(everyone))
            await converse(report, folder / "report")
    finally:
        if sending is not None:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
        if qemu.returncode is None:
            qemu.kill()
        await qemu.wait()
    return report


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("image", type=Path)
    parser.add_argument("--python", default=str(ROOT / ".venv/bin/python"), help="the product's, for its frames")
    parser.add_argument("--console", action="store_true", help="print the guest's console at the end")
    parser.add_argument("--only", choices=("ble", "mgmt"), help="one of the two paths")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report = asyncio.run(run(args.image, args.python, Path(folder), args.only))
        if args.console or not report.checks:
            print(Path(folder, "console.log").read_text(errors="replace"))
    print(report.summary())
    for failed in report.failed:
        print(f"FAILED: {failed}")
    return 1 if report.failed or not report.checks else 0


if __name__ == "__main__":
    sys.exit(main())
