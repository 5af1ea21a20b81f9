"""The Debian package: what is in it, and (DEB_SUITE, as root) its life in a Debian of its own without a network.

A chroot has no running systemd: that the units start there is what `make test-vm` is for.
"""

import os
import re
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway import updatefiles
from gateway.core import release
from tests.test_release import NOW_MS, key, public

ROOT = Path(__file__).parents[1]
BUILD = ROOT / "systemd" / "deb" / "build"
SUITE = os.environ.get("DEB_SUITE", "")
DEBIAN = "python3,python3-venv,libusb-1.0-0,systemd,udev"
MIRROR = re.compile(r"(?:^URIs: *|^deb (?:\[[^]]*\] )?)(https?://[^ ]+/debian/?)(?: |$)", re.MULTILINE)
KEPT = ("etc/passwd", "etc/group", "etc/shadow", "etc/gshadow", "var/", "etc/.pwd.lock", "tmp/", "root/", "run/")

needs_dpkg = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="dpkg-deb is not on this machine")


def run(*words: str | Path) -> str:
    done = subprocess.run(list(words), capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """The package around a wheel of ours that is empty, so that nothing is downloaded."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    with zipfile.ZipFile(wheels / "store_gateway-1.2.3-py3-none-any.whl", "w"):
        pass
    run(BUILD, ROOT / ".venv", "arm64", tmp_path / "out", wheels)
    return tmp_path / "out" / "store-gateway_1.2.3_arm64.deb"


@needs_dpkg
def test_everything_that_units_and_scripts_name_is_inside(package: Path, tmp_path: Path) -> None:
    fields = run("dpkg-deb", "--field", package)
    assert "Version: 1.2.3\n" in fields and "Architecture: arm64\n" in fields and "@" not in fields.split("\n", 4)[0]
    root = tmp_path / "root"
    run("dpkg-deb", "--raw-extract", package, root)
    listed = run("dpkg-deb", "--contents", package)
    assert {line.split()[1] for line in listed.splitlines()} == {"root/root"}
    folder = root / "usr/lib/systemd/system"
    units = sorted([*folder.glob("*.service"), *folder.glob("*.path")])
    ours = [*(ROOT / "systemd").glob("*.service"), *(ROOT / "systemd").glob("*.path")]
    assert [unit.name for unit in units] == sorted(unit.name for unit in ours)
    wanted = [path for path in (folder / "multi-user.target.wants").iterdir() if path.exists()]
    assert {path.name for path in wanted} == {
        "store-gateway-recover.service",
        "store-gateway-update.path",
        "store-gateway-provision.path",
    }
    made = ("/opt/store-gateway/.venv/",)  # by postinst
    for unit in units:
        for named in re.findall(r"(/(?:opt|usr)/[\w./-]*\w)", unit.read_text()):
            assert named.startswith(made) or (root / named[1:]).exists(), f"{unit.name}: {named}"
    assert "\nStorage=volatile\n" in (root / "usr/lib/systemd/journald.conf.d/store-gateway.conf").read_text()
    scripts = [*(root / "DEBIAN" / name for name in ("postinst", "prerm", "postrm"))]
    scripts += [root / "usr/bin/store-gateway", root / "usr/sbin/store-gateway-uart"]
    scripts += [root / "usr/sbin/store-gateway-update", root / "opt/store-gateway/install-slot"]
    for script in scripts:
        assert script.stat().st_mode & 0o111
        run("sh", "-n", script)
        for named in re.findall(r"\$opt(/[\w./-]+)", script.read_text()):
            assert named.startswith(("/.venv", "/wheels")) or (root / f"opt/store-gateway{named}").exists(), named


@needs_dpkg
def test_another_architecture_is_refused(tmp_path: Path) -> None:
    done = subprocess.run([BUILD, ROOT / ".venv", "armhf", tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "arm64 or amd64" in done.stderr


@pytest.mark.parametrize(
    ("config", "cmdline", "after"),
    [
        ("dtparam=audio=on\n", "console=serial0,115200 console=tty1 root=x\n", "console=tty1 root=x\n"),
        ("enable_uart=0\n", "console=tty1 console=ttyAMA0,115200 quiet\n", "console=tty1 quiet\n"),
        ("[all]\nenable_uart=1\n", "console=tty1 quiet\n", "console=tty1 quiet\n"),
    ],
)
def test_the_serial_pins_are_freed_once(tmp_path: Path, config: str, cmdline: str, after: str) -> None:
    (tmp_path / "config.txt").write_text(config)
    (tmp_path / "cmdline.txt").write_text(cmdline)
    told = subprocess.run(
        ["sh", ROOT / "systemd" / "uart"], env=os.environ | {"BOOT": str(tmp_path)}, capture_output=True, text=True
    )
    assert told.returncode == 0, told.stderr
    lines = (tmp_path / "config.txt").read_text().splitlines()
    assert [line for line in lines if "enable_uart" in line] == ["enable_uart=1"]
    assert (tmp_path / "cmdline.txt").read_text() == after
    again = subprocess.run(
        ["sh", ROOT / "systemd" / "uart"], env=os.environ | {"BOOT": str(tmp_path)}, capture_output=True, text=True
    )
    assert "ready before" in again.stdout
    assert (tmp_path / "config.txt").read_text().splitlines() == lines


def test_another_machine_keeps_its_serial_line(tmp_path: Path) -> None:
    told = subprocess.run(
        ["sh", ROOT / "systemd" / "uart"], env=os.environ | {"BOOT": str(tmp_path)}, capture_output=True, text=True
    )
    assert told.returncode == 1 and "no Raspberry Pi OS" in told.stderr and not list(tmp_path.iterdir())


# --- in a Debian of its own -------------------------------------------------------------------------------------


def files(root: Path) -> set[str]:
    """Every path below `root` that an uninstalled package must not have left, changed or taken."""
    listed = run("find", root, "-xdev", "-path", root / "proc", "-prune", "-o", "-printf", "%P\n")
    return {path for path in listed.splitlines() if not path.startswith(KEPT)}


@pytest.fixture
def debian(tmp_path: Path) -> Iterator[Path]:
    """A fresh minimal Debian; made once and kept in the cache."""
    kept = Path(os.environ.get("DEB_CACHE", Path.home() / ".cache" / "store-gateway-deb")) / SUITE
    if not (kept / "complete").exists():
        mirror = MIRROR.search("".join(path.read_text() for path in Path("/etc/apt").glob("sources.list*/**/*.*")))
        assert mirror is not None, "no Debian mirror is named in /etc/apt"
        shutil.rmtree(kept, ignore_errors=True)
        run("debootstrap", "--variant=minbase", f"--include={DEBIAN}", SUITE, kept / "root", mirror[1])
        (kept / "complete").touch()
    root = tmp_path / "debian"
    run("cp", "-a", kept / "root", root)
    run("mount", "-t", "proc", "proc", root / "proc")
    yield root
    run("umount", root / "proc")
    shutil.rmtree(root)


def put_release(debian: Path, tmp_path: Path, version: str, signer: str = "ours", spoil: str = "") -> None:
    """The product as another version, as a signed release below /root of the Debian; `spoil`: a module that fails."""
    wheels = tmp_path / f"wheels-{version}"
    shutil.copytree(debian / "opt/store-gateway/wheels", wheels)
    (own,) = wheels.glob("store_gateway-*.whl")
    old = own.name.split("-")[1]
    with zipfile.ZipFile(own) as before, zipfile.ZipFile(wheels / own.name.replace(old, version), "w") as after:
        for name in before.namelist():
            content = before.read(name)
            if ".dist-info/" in name:
                content = content.replace(f"store_gateway-{old}".encode(), f"store_gateway-{version}".encode())
                content = content.replace(f"\nVersion: {old}".encode(), f"\nVersion: {version}".encode())
            elif name == spoil:
                content = b"raise SystemExit(1)"
            after.writestr(name.replace(f"-{old}.", f"-{version}."), content)
    own.unlink()
    out = debian / "root" / version
    run(BUILD, ROOT / ".venv", "amd64", out, wheels)
    (package,) = out.glob("*.deb")
    made = release.Release(version, "0.1", {"amd64": release.package_of([package.read_bytes()], package.name)}, NOW_MS)
    (out / release.MANIFEST.format(version=version)).write_bytes(release.signed(made, key(signer)))


def updated(debian: Path, tmp_path: Path, inside: Callable[..., str]) -> None:
    """Signed releases into the second slot, by the updater of the one that serves. Without a systemd that runs, nothing
    is started, so what is compared here is the installation alone."""

    def update(*words: str) -> tuple[int, str]:
        entered = ["chroot", debian, "env", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "store-gateway-update", *words]
        done = subprocess.run(entered, capture_output=True, text=True, check=False)
        print(done.stdout, end="")
        return done.returncode, done.stdout + done.stderr

    link, folder = debian / "opt/store-gateway/.venv", debian / "var/lib/store-gateway-update"
    put_release(debian, tmp_path, "0.2.0")
    code, said = update("from", "/root/0.2.0")
    assert code == 1 and "trusts no maker" in said
    (debian / "etc/store-gateway/release.pub").write_text(public("ours").hex())
    put_release(debian, tmp_path, "0.4.0", "theirs")
    code, said = update("from", "/root/0.4.0")
    assert code == 1 and "nobody whom this box trusts" in said
    put_release(debian, tmp_path, "0.3.0", spoil="gateway/config.py")
    code, said = update("from", "/root/0.3.0")
    assert code == 1 and "do not install" in said, said
    assert str(link.readlink()) == "slot-a" and "0.1.0" in inside("store-gateway", "--version")
    assert "0.1.0" in inside("dpkg-query", "--show", "store-gateway")

    code, said = update("from", "/root/0.2.0")
    assert (code, str(link.readlink())) == (0, "slot-b"), said
    assert "0.2.0" in inside("store-gateway", "--version")
    assert "0.2.0" in inside("dpkg-query", "--show", "store-gateway")
    assert {path.name for path in folder.iterdir()} == {"spool", "lock", "result.json"}

    shutil.rmtree(debian / "opt/store-gateway/slot-a/lib")  # the power was cut while the third one was on trial
    state = updatefiles.State("trying", "slot-b", "slot-a", "0.5.0", "0.2.0", "a.deb")
    (folder / "trusted").symlink_to("slot-b")
    updatefiles.write(folder / "state.json", state)
    link.unlink()
    link.symlink_to("slot-a")
    code, said = update("recover")
    assert code == 1 and "the power was cut" in said
    assert str(link.readlink()) == "slot-b" and "0.2.0" in inside("store-gateway", "--version")


@pytest.mark.skipif(not SUITE, reason="DEB_SUITE names no Debian; make test-deb does")
def test_its_life_in_a_debian_of_its_own(debian: Path, tmp_path: Path) -> None:
    def inside(*words: str) -> str:
        return run("chroot", debian, "env", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", *words)

    run(BUILD, ROOT / ".venv", "amd64", tmp_path)
    (built,) = tmp_path.glob("*.deb")
    shutil.copy(built, debian / "root/gateway.deb")
    before = files(debian)
    print(f"\n{SUITE}: {built.stat().st_size / 1e6:.0f} MB")

    print(inside("dpkg", "-i", "/root/gateway.deb"))
    assert str((debian / "opt/store-gateway/.venv").readlink()) == "slot-a"
    inside("store-gateway", "check-config", "/etc/store-gateway/gateway.toml")
    inside("systemd-analyze", "verify", "/usr/lib/systemd/system/store-gateway.service")
    inside("setpriv", "--reuid=store-gateway", "--regid=store-gateway", "--init-groups", "store-gateway", "--help")

    (debian / "etc/store-gateway/gateway.toml").write_text("# the operator's own\n")
    inside("dpkg", "-i", "/root/gateway.deb")  # the same once more is an upgrade, too
    assert str((debian / "opt/store-gateway/.venv").readlink()) == "slot-b"
    assert (debian / "etc/store-gateway/gateway.toml").read_text() == "# the operator's own\n"

    shutil.rmtree(debian / "opt/store-gateway/slot-b/lib")  # the power was cut in the middle
    inside("dpkg-reconfigure", "-f", "noninteractive", "store-gateway")
    assert str((debian / "opt/store-gateway/.venv").readlink()) == "slot-a"
    inside("store-gateway", "--help")

    updated(debian, tmp_path, inside)

    data = debian / "var/lib/store-gateway"
    data.mkdir()
    (data / "gateway.db").write_text("consents")
    inside("dpkg", "--remove", "store-gateway")
    assert not (debian / "opt/store-gateway").exists()
    assert (debian / "etc/store-gateway/gateway.toml").exists()
    inside("dpkg", "--purge", "store-gateway")
    assert files(debian) == before - {"opt"}  # dpkg takes a folder away with the last that was in it
    assert (data / "gateway.db").read_text() == "consents"
