"""The life of a box from its package to its removal, in the virtual machine, and how long each step took.

Usage: life.py IMAGE [--venv VENV] [--keep FOLDER] [--console]. VENV is the product's; package and releases are made
with it. Exit status 1 if a check failed. Needs the virtual environment that `build` made. The member's card is held
before a PN532 (gateway.emulator) at the other end of the guest's second serial port, the beacon is on `air`'s.
"""

import argparse
import asyncio
import contextlib
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from air import Air, Sender
from machine import ROOT, Report, archive, command, running
from releases import packages

sys.path.insert(0, str(ROOT))
from drivers import frames
from gateway.core import eid
from gateway.emulator.chip import Pn532Rig

ADAPTER = "F0:00:00:00:00:01"
LIMIT_S = 6 * 3_600
KERNEL = "systemd.wants=life.service"
# Of the machine's power: from one switching on to the next. The first is left out where FOLDER has what it made.
INSTALL, *LATER = SESSIONS = ("install", "serve", "cut", "update")
READER = "/dev/ttyS1"
LAYOUT = f"""
[[source]]
path = "ble:hci0"
receiver = "entrance-ble"

[[source]]
path = "nfc:{READER}"
receiver = "coffee-nfc"

[[receiver]]
id = "entrance-ble"
zone = "entrance"

[[receiver]]
id = "coffee-nfc"
zone = "coffee"
screen = "coffee"

[[screen]]
id = "coffee"
zone = "coffee"
"""
# Prints what headquarters imports, the first member's beacon, and the card to hold before the reader.
PEOPLE = """
import json
from drivers import tags
from drivers.people import population
from gateway.emulator import cards
ops = list(population(1, 2))
held = {op["body"]["kind"]: op["body"] for op in reversed(ops) if op["op"] == "credential.put"}
card = cards.type2(tags.encode_uri(bytes.fromhex(held["ndef"]["value"]).decode()))
print(json.dumps({"ops": ops, "beacon": held["eid"], "card": card}))
"""
DRAWN_S = 240.0


class Outside:
    """Everything round the box: who is there, and what the guest wants done."""

    def __init__(self, venv: Path, folder: Path, reader: Pn532Rig) -> None:
        words = [venv / "bin/python", "-c", PEOPLE]
        self._people = json.loads(subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout)
        self._folder = folder
        self._reader = reader
        self.page = free_port()
        self.senders: list[Sender] = []
        self.session = ""
        self._beacon()
        (folder / "members.jsonl").write_text("".join(json.dumps(op) + "\n" for op in self._people["ops"]))

    def __call__(self, question: str) -> Any:
        match question:
            case "session":
                self._beacon()
                return self.session
            case "beacon":
                self._beacon()
            case "present":
                self._reader.present(self._people["card"])
            case "remove":
                self._reader.remove()
            case "draw":
                return self._draw()
            case "power":
                raise PowerCutError
        return None

    def _beacon(self) -> None:
        """The beacon shows what it would show now, which no box believes for ever."""
        held = self._people["beacon"]
        clock_s = int(time.time()) - held["clock_zero_s"]
        shown = eid.eid(bytes.fromhex(held["identity_key"]), clock_s, held["exponent"])
        self.senders[:] = [Sender("member's EID", "C0:11:22:33:44:01", False, frames.encode_eid(shown, -18), -64)]

    async def _draw(self) -> tuple[bool, str]:
        """Whether a browser on the host draws the guest's screen, and what."""
        browser = shutil.which("chromium-headless-shell") or shutil.which("chromium")
        if browser is None:
            return False, "no Chromium on the host"
        began_s = time.monotonic()
        picture = self._folder / "screen.png"
        words = [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={self._folder / 'profile'}"]
        words += ["--window-size=1280,720", f"--timeout={DRAWN_S * 500:.0f}", f"--screenshot={picture}"]
        words += [f"http://localhost:{self.page}/screen?id=coffee"]
        done = await asyncio.create_subprocess_exec(*words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        async with asyncio.timeout(DRAWN_S):
            _, said = await done.communicate()
        size = picture.stat().st_size if picture.exists() else 0
        drawn = size > 10_000
        detail = f"{size} bytes of picture after {time.monotonic() - began_s:.0f} s"
        return drawn, detail if drawn else f"{detail}; {said[-200:]!r}"


class PowerCutError(Exception):
    """The guest asked for it."""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])


def source_disk(venv: Path, folder: Path) -> Path:
    """What is handed in: the checkout, the package, the releases."""
    (folder / "layout.toml").write_text(LAYOUT)
    package, releases = packages(venv, folder)
    handed = [folder / name for name in ("members.jsonl", "layout.toml", "release.pub")]
    return archive(folder, [*handed, package, *releases])


async def run(image: Path, venv: Path, folder: Path, keep: Path) -> Report:
    disk, installed = folder / "disk.img", keep / "installed.img"
    with Pn532Rig() as reader:
        outside = Outside(venv, keep, reader)
        source = source_disk(venv, keep)
        copied(installed if installed.exists() else image / "disk.img", disk)
        report = Report(outside)
        more = ["-chardev", f"serial,id=nfc,path={reader.path}", "-device", "isa-serial,chardev=nfc,index=1"]
        more += ["-nic", f"user,restrict=on,hostfwd=tcp:127.0.0.1:{outside.page}-:8080"]
        words = command(image, folder, source, KERNEL, *more, disk=disk)
        async with asyncio.timeout(LIMIT_S):
            for outside.session in LATER if installed.exists() else SESSIONS:
                with contextlib.suppress(PowerCutError):
                    async with running(words, folder) as qemu:
                        await Air(ADAPTER).beside(folder / "hci", outside.senders, report.converse(folder / "report"))
                        if outside.session == INSTALL:
                            await qemu.wait()
                            copied(disk, installed)
    return report


def copied(source: Path, target: Path) -> None:
    """Whole or not at all."""
    draft = target.with_suffix(".draft")
    subprocess.run(["cp", "--sparse=always", source, draft], check=True)
    draft.replace(target)


@contextlib.contextmanager
def kept(folder: Path | None) -> Iterator[Path]:
    """`folder`, or one that goes."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder.absolute()
        return
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("image", type=Path)
    parser.add_argument("--venv", type=Path, default=ROOT / ".venv", help="the product's")
    parser.add_argument(
        "--keep", type=Path, help="where packages, picture and installed disk stay; next time from there"
    )
    parser.add_argument("--console", action="store_true", help="print the guest's console at the end")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, kept(args.keep) as keep:
        report = asyncio.run(run(args.image, args.venv.absolute(), Path(folder), keep))
        if args.console or not report.checks:
            print(Path(folder, "console.log").read_text(errors="replace"))
    print(report.summary())
    for failed in report.failed:
        print(f"FAILED: {failed}")
    return 1 if report.failed or not report.checks else 0


if __name__ == "__main__":
    sys.exit(main())
