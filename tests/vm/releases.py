"""Two releases for the virtual machine, made of this checkout: a newer one, and one that does not start. Their numbers
are invented, and a key made here signs them."""

import shutil
import subprocess
import sys
from pathlib import Path

from machine import ROOT

NEWER, SPOILED = "0.90.1", "0.90.2"
RUNS = "def _run(arguments: argparse.Namespace) -> int:\n"


def packages(venv: Path, folder: Path) -> tuple[Path, list[Path]]:
    """The checkout's package, and folders with a signed release each; release.pub in `folder` is the public key. What
    is in `folder` already is not made again."""
    base, key = folder / "store-gateway.deb", folder / "release.key"
    if not base.exists():
        _run(ROOT / "systemd/deb/build", venv, "amd64", folder / "built")
        (built,) = (folder / "built").glob("*.deb")
        built.rename(base)
    if not key.exists():
        told = _run(venv / "bin/store-gateway", "release", "keygen", "--out", key)
        (folder / "release.pub").write_text(told.strip().splitlines()[-1] + "\n")
    releases = [folder / f"release-{version}" for version in (NEWER, SPOILED)]
    for release, version in zip(releases, (NEWER, SPOILED), strict=True):
        if not list(release.glob("*.json")):
            checkout, wheels = _checkout(folder, version), _wheels(base, folder, version, venv)
            _run(checkout / "systemd/deb/build", venv, "amd64", release, wheels)
            _run(venv / "bin/store-gateway", "release", "sign", release, "--key", key, "--from", "0.1")
    return base, releases


def _checkout(folder: Path, version: str) -> Path:
    """The files that git knows, as they lie here, under another version."""
    copy = folder / f"checkout-{version}"
    for name in _run("git", "ls-files").splitlines():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, copy / name)
    project, service = copy / "pyproject.toml", copy / "gateway/service.py"
    lines = project.read_text().splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("version = "))
    lines[at] = f'version = "{version}"'
    project.write_text("\n".join(lines) + "\n")
    if version == SPOILED:
        assert RUNS in service.read_text()
        service.write_text(service.read_text().replace(RUNS, RUNS + "    return 1\n"))
    return copy


def _wheels(base: Path, folder: Path, version: str, venv: Path) -> Path:
    """What the package has, with the product's own of the other version."""
    unpacked, wheels = folder / "unpacked", folder / f"wheels-{version}"
    if not unpacked.exists():
        _run("dpkg-deb", "--extract", base, unpacked)
    shutil.rmtree(wheels, ignore_errors=True)
    wheels.mkdir()
    for wheel in (unpacked / "opt/store-gateway/wheels").glob("*.whl"):
        if not wheel.name.startswith("store_gateway-"):
            shutil.copy(wheel, wheels)
    pip = (venv / "bin/python", "-m", "pip", "--quiet", "--disable-pip-version-check")
    _run(*pip, "wheel", "--no-deps", "--wheel-dir", wheels, folder / f"checkout-{version}")
    return wheels


def _run(*words: str | Path) -> str:
    done = subprocess.run([*map(str, words)], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{words[0]}: {done.stderr[-2000:]}")
    return done.stdout
