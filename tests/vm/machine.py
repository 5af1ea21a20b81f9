"""The virtual machine from the host's side: how it starts, and what it says while it runs."""

import asyncio
import contextlib
import inspect
import json
import tarfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PARTS = ("drivers", "gateway", "systemd", "tests/rigs", "tests/vm", "tests/__init__.py")


def archive(folder: Path, more: Sequence[Path] = ()) -> Path:
    """The checkout as the guest's second disk; files `more` stand at its top."""

    def code(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
        entry.uid = entry.gid = 0
        return None if entry.name.endswith(("__pycache__", ".pyc")) else entry

    path = folder / "src.tar"
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for part in PARTS:
            tar.add(ROOT / part, arcname=part, filter=code)
        for one in more:
            tar.add(one, arcname=one.name, filter=code)
    with path.open("ab") as file:
        file.truncate(-(-path.stat().st_size // 512) * 512)  # a disk is whole sectors
    return path


def command(image: Path, folder: Path, source: Path, kernel: str, *more: str, disk: Path | None = None) -> list[str]:
    """QEMU's command line: emulation only, no network but one of `more`, the further devices. Nothing is written to the
    image; `disk` is written to instead, where it is given. `source`: the second disk. `kernel`: words for its command
    line."""
    first = f"file={disk or image / 'disk.img'},if=virtio,format=raw,snapshot={'off' if disk else 'on'}"
    words = f"console=ttyS0 panic=-1 mitigations=off root=/dev/vda rw quiet systemd.show_status=0 {kernel}"
    return [
        *("qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "1024"),
        *("-kernel", str(image / "vmlinuz"), "-initrd", str(image / "initrd.gz"), "-append", words),
        *("-drive", first),
        *("-drive", f"file={source},if=virtio,format=raw,readonly=on"),
        *(() if "-nic" in more else ("-nic", "none")),
        *("-display", "none", "-no-reboot", "-serial", f"file:{folder / 'console.log'}"),
        *("-device", "virtio-serial-pci"),
        *("-chardev", f"socket,id=hci,path={folder / 'hci'},server=on,wait=off"),
        *("-device", "virtserialport,chardev=hci,name=hci"),
        *("-chardev", f"socket,id=report,path={folder / 'report'},server=on,wait=off"),
        *("-device", "virtserialport,chardev=report,name=report"),
        *more,
    ]


@contextlib.asynccontextmanager
async def running(words: Sequence[str], folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """The machine from its start to the cut of its power."""
    for name in ("hci", "report"):
        (folder / name).unlink(missing_ok=True)
    qemu = await asyncio.create_subprocess_exec(*words)
    try:
        while not (folder / "report").exists():
            if qemu.returncode is not None:
                raise SystemExit("QEMU did not start")
            await asyncio.sleep(0.05)
        yield qemu
    finally:
        if qemu.returncode is None:
            qemu.kill()
        await qemu.wait()


class Report:
    """What the guest says, printed as it comes; `answer` is asked what the guest asks, and may take its time."""

    def __init__(self, answer: Callable[[str], Any]) -> None:
        self._answer = answer
        self._began_s = time.monotonic()
        self.checks = 0
        self.failed: list[str] = []

    async def converse(self, path: Path) -> None:
        """Until the guest says that it is done, or its power is cut."""
        reader, writer = await asyncio.open_unix_connection(str(path))
        try:
            while data := await reader.readline():
                line = json.loads(data)
                if "ask" in line:
                    answer = self._answer(line["ask"])
                    if inspect.isawaitable(answer):
                        answer = await answer
                    writer.write(json.dumps(answer).encode() + b"\n")
                    await writer.drain()
                elif "end" in line:
                    return
                else:
                    self.print(line)
        finally:
            writer.close()

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
