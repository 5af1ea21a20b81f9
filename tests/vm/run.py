"""Starts the virtual machine, plays its Bluetooth controller and all that is on the air, and prints what was found.

Usage: run.py IMAGE [--only ble|mgmt] [--python PYTHON] [--console]. Exit status 1 if a check failed. Needs the virtual
environment that `build` made.
"""

import argparse
import asyncio
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from air import Air, Sender
from machine import ROOT, Report, archive, command, running

ADAPTER = "F0:00:00:00:00:01"
FLAGS = bytes.fromhex("020106")
LIMIT_S = 3_600
KERNEL = "systemd.mask=systemd-udevd.service systemd.mask=systemd-udev-trigger.service systemd.unit=rig.target"

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


class Answers:
    """What the guest asks about the air, or wants done to it."""

    def __init__(self, air: Air, marks: list[str], only: str | None) -> None:
        self._air = air
        self._only = only
        self._marks = marks

    def __call__(self, question: str) -> Any:
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


async def run(image: Path, python: str, folder: Path, only: str | None) -> Report:
    everyone = senders(python)
    air = Air(ADAPTER)
    marks = [one.address for one in everyone if one.name.startswith("stranger")]
    report = Report(Answers(air, [*marks, "Stranger Headset", "Stranger Watch"], only))
    async with asyncio.timeout(LIMIT_S), running(command(image, folder, archive(folder), KERNEL), folder):
        await air.beside(folder / "hci", everyone, report.converse(folder / "report"))
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
