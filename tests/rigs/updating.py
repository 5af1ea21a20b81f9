"""A machine for updates: real links and files below a temporary folder, and a power cut at any of its steps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gateway.core import release
from gateway.core.release import Release
from gateway.updater import Parts, Updater
from tests.test_release import NOW_MS, key, public

RUNS = "1.0"
MACHINE = "arm64"
WELL: Parts = {"hq": "ok", "receiver:door": "ok"}


class PowerCut(BaseException):
    """Everything ends here; no `except` of the product catches it."""


def put_release(folder: Path, version: str = "1.2.3", signer: str = "ours", content: bytes = b"package") -> Path:
    """A release as a folder holds it; its manifest."""
    folder.mkdir(exist_ok=True)
    name = f"store-gateway_{version}_{MACHINE}.deb"
    (folder / name).write_bytes(content)
    made = Release(version, "0.1", {MACHINE: release.package_of([content], name)}, NOW_MS)
    path = folder / release.MANIFEST.format(version=version)
    path.write_bytes(release.signed(made, key(signer)))
    return path


@dataclass
class FakeBox:
    """What an update does, written down. `cut_at`: the power goes before the step of this number."""

    root: Path
    cut_at: int = -1
    steps: list[str] = field(default_factory=list)
    units: tuple[str, ...] = ("store-gateway.service",)
    prepared: str = ""  # what `prepare` says
    copies: bool = True
    starts: Mapping[str, bool] = field(default_factory=lambda: {"slot-a": True, "slot-b": True})
    does: Mapping[str, Sequence[Parts | None]] = field(default_factory=dict)  # how a slot's service does, look by look
    restarts_itself: bool = False
    registers: bool = True
    disk_full_at: str = ""
    spoiled: bool = False  # the old release starts on the copy of the data alone
    waited_s: float = 0.0

    def __post_init__(self) -> None:
        (self.root / "opt").mkdir(exist_ok=True)
        if not (self.root / "opt/.venv").is_symlink():
            (self.root / "opt/.venv").symlink_to("slot-a")

    def _step(self, name: str) -> None:
        if len(self.steps) == self.cut_at:
            raise PowerCut
        self.steps.append(name)
        if self.disk_full_at == name:
            self.disk_full_at = ""
            raise OSError(28, "No space left on device")

    def serving(self) -> str:
        return str((self.root / "opt/.venv").readlink())

    def prepare(self, package: Path, slot: str) -> str:
        self._step(f"prepare {slot}")
        assert package.read_bytes() == b"package"
        return self.prepared

    def running(self) -> Mapping[str, str]:
        number = len(self.steps) if self.restarts_itself and self.serving() == "slot-b" else 0
        return dict.fromkeys(self.units, str(number))

    def parts(self) -> Parts | None:
        looks = self.does.get(self.serving(), [WELL])
        return looks[min(int(self.waited_s // 5), len(looks) - 1)]

    def copy_data(self) -> bool:
        self._step("copy")
        return self.copies

    def put_data_back(self) -> bool:
        self._step("put back")
        self.spoiled = False
        return self.copies

    def drop_copy(self) -> None:
        self._step("drop copy")

    def switch(self, slot: str) -> None:
        self._step(f"switch {slot}")
        (self.root / "opt/next").symlink_to(slot)
        (self.root / "opt/next").replace(self.root / "opt/.venv")

    def restart(self, units: Sequence[str]) -> bool:
        self._step(f"restart {' '.join(units)}".strip())
        if not units:
            return True
        return self.starts[self.serving()] and not (self.spoiled and self.serving() == "slot-a")

    def register(self, package: Path) -> bool:
        self._step("register")
        return self.registers and package.read_bytes() == b"package"

    def now_ms(self) -> int:
        return NOW_MS

    def wait(self, seconds: float) -> None:
        self._step("wait")
        self.waited_s += seconds

    def updater(self, signer: str = "ours", runs: str = RUNS) -> Updater:
        (self.root / "update").mkdir(exist_ok=True)
        return Updater(self, self.root / "update", [public(signer)], runs, MACHINE)
