"""The machine under an update, with real slots, a real database and real HTTP; systemd's and Debian's programs are
scripts that write down how they were called."""

import contextlib
import http.server
import os
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway import updatebox
from gateway.dbcopy import COPY, FAILED
from gateway.dbfile import DATABASE, open_file
from gateway.updatebox import RealBox

SCRIPT = """#!/bin/sh
echo "${{STORE_GATEWAY_SLOT:+$STORE_GATEWAY_SLOT }}{name} $*" >> "{calls}"
{body}
"""


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    return tmp_path / "calls"


@pytest.fixture
def box(tmp_path: Path, calls: Path, monkeypatch: pytest.MonkeyPatch) -> RealBox:
    tools = tmp_path / "tools"
    tools.mkdir()
    content = tmp_path / "content" / "opt/store-gateway"
    bodies = {
        "systemctl": """case "$*" in
            *scanner*) echo ActiveState=inactive ;;
            *show*) echo ActiveState=active; echo MainPID=7 ;;
        esac""",
        "dpkg": '[ "$1" != --print-architecture ] || echo arm64',
        "apt-get": f"echo Reading; cat {tmp_path}/apt 2>/dev/null || echo 'Inst store-gateway [1] (2 local-deb)'",
        "dpkg-deb": f'[ -e "$2" ] && mkdir -p {content} && cp {tmp_path}/install-slot {content}/',
        "mount": f"[ ! -e {tmp_path}/nofs ]",
        "umount": "",
    }
    for name, body in bodies.items():
        (tools / name).write_text(SCRIPT.format(name=name, calls=calls, body=body))
        (tools / name).chmod(0o755)
    (tmp_path / "install-slot").write_text('test -f "$1/install-slot" && mkdir "$2"\n')
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    opt = tmp_path / "opt"
    opt.mkdir()
    (opt / ".venv").symlink_to("slot-a")
    return RealBox(opt, tmp_path / "gateway.toml")


def test_the_switch_is_one_rename(box: RealBox, tmp_path: Path) -> None:
    (tmp_path / "opt/.venv.next").symlink_to("left over by a power cut")
    box.switch("slot-b")
    assert box.serving() == "slot-b"
    assert [path.name for path in (tmp_path / "opt").iterdir()] == [".venv"]


def test_a_slot_is_made_by_the_releases_own_script(box: RealBox, tmp_path: Path) -> None:
    package = tmp_path / "a.deb"
    package.write_bytes(b"")
    assert box.prepare(package, "slot-b") == ""
    assert (tmp_path / "opt/slot-b").is_dir()
    (tmp_path / "install-slot").write_text("exit 1\n")
    assert box.prepare(package, "slot-b") == "install"
    package.unlink()
    assert box.prepare(package, "slot-b") == "install"


@pytest.mark.parametrize("told", ["Inst store-gateway\nInst libfresh1 (1)", "Remv apt\nInst store-gateway"])
def test_a_release_that_needs_more_of_debian_is_left(box: RealBox, calls: Path, tmp_path: Path, told: str) -> None:
    package = tmp_path / "a.deb"
    package.write_bytes(b"")
    (tmp_path / "apt").write_text(told)
    assert box.prepare(package, "slot-b") == "depends"
    assert f"apt-get --simulate --no-install-recommends --allow-downgrades install {package}\n" in calls.read_text()
    (tmp_path / "tools/apt-get").write_text("#!/bin/sh\necho Inst store-gateway; exit 100\n")
    assert box.prepare(package, "slot-b") == "depends"
    assert not (tmp_path / "opt/slot-b").exists()


def test_units_that_run_are_known_and_started_anew(box: RealBox, calls: Path) -> None:
    assert box.running() == {"store-gateway.service": "ActiveState=active\nMainPID=7\n"}
    calls.unlink()
    assert box.restart(["store-gateway.service"]) and box.restart([])
    unit = "store-gateway.service"
    told = [f"systemctl {words}" for words in ("daemon-reload", f"reset-failed {unit}", f"restart {unit}")]
    assert calls.read_text().splitlines() == told


def test_debians_packages_are_told_that_the_slot_is_made(box: RealBox, calls: Path, tmp_path: Path) -> None:
    assert box.register(tmp_path / "a.deb")
    assert calls.read_text() == f"ready dpkg --install {tmp_path}/a.deb\n"
    assert updatebox.machine() == "arm64"


def test_a_program_that_is_not_there_or_fails_is_a_no(
    box: RealBox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    assert not box.register(tmp_path / "a.deb") and not box.restart(["store-gateway.service"])
    assert (box.running(), updatebox.machine()) == ({}, "")


def test_a_stick_is_mounted_so_that_nothing_of_it_runs(box: RealBox, calls: Path, tmp_path: Path) -> None:
    assert updatebox.mount("/dev/sdz1", tmp_path)
    updatebox.unmount(tmp_path)
    options = "--types vfat,exfat --options ro,nosuid,nodev,noexec"
    assert calls.read_text().splitlines() == [
        f"mount {options} --source /dev/sdz1 --target {tmp_path}",
        f"umount --lazy {tmp_path}",
    ]
    (tmp_path / "nofs").touch()
    assert not updatebox.mount("/dev/sdz1", tmp_path)


def test_the_data_is_copied_put_back_and_dropped(box: RealBox, tmp_path: Path) -> None:
    assert box.copy_data() and not box.put_data_back(), "without a configuration there is nothing to lose"
    data = tmp_path / "data"
    (tmp_path / "gateway.toml").write_text(f'[gateway]\ndata_dir = "{data}"\n')
    assert box.copy_data()
    open_file(data / DATABASE, bytes(32)).db.close()
    assert box.copy_data() and (data / COPY).exists()
    owner = data.stat()
    assert (data / COPY).stat().st_uid == owner.st_uid
    assert box.put_data_back() and (data / FAILED).exists() and not (data / COPY).exists()
    assert box.copy_data()
    box.drop_copy()
    assert not (data / COPY).exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can work as somebody else")
def test_on_the_services_data_it_works_as_the_services_user(
    box: RealBox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tempfile.TemporaryDirectory() as made:  # pytest's own folders are root's
        folder = Path(made)
        folder.chmod(0o755)
        (folder / "python").write_text(f'#!/bin/sh\n{{ id -u; id -G; echo "$@"; }} > {folder}/data/who\n')
        (folder / "python").chmod(0o755)
        monkeypatch.setattr("gateway.updatebox.sys.executable", str(folder / "python"))
        (tmp_path / "gateway.toml").write_text(f'[gateway]\ndata_dir = "{folder}/data"\n')
        open_file(folder / "data" / DATABASE, bytes(32)).db.close()
        os.chown(folder / "data", 65_534, 65_533)
        assert box.copy_data()
        told = f"65534\n65533\n-I -m gateway.dbcopy copy {folder}/data\n"
        assert (folder / "data/who").read_text() == told


@contextlib.contextmanager
def served(answer: bytes) -> Iterator[int]:
    asked = []

    class Health(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append((self.path, self.headers["Host"]))
            self.send_response(503)  # with a part that is down, and a body all the same
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Health)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert set(asked) == {("/healthz", "localhost")}


def test_it_asks_the_service_how_it_does(box: RealBox, tmp_path: Path) -> None:
    def parts(answer: bytes) -> object:
        with served(answer) as port:
            (tmp_path / "gateway.toml").write_text(f'[http]\nhost = "0.0.0.0"\nport = {port}\n')
            return box.parts()

    assert parts(b'{"state": "down", "parts": {"hq": "down", "pages": "ok"}}') == {"hq": "down", "pages": "ok"}
    for rubbish in (b"", b"rubbish", b"[]", b'{"parts": 7}', b"{}"):
        assert parts(rubbish) is None
    assert box.parts() is None, "nobody is there any more"
    for text in ("rubbish [", '[http]\nport = "x"\n', "http = 7\n"):
        (tmp_path / "gateway.toml").write_text(text)
        assert box.parts() is None or text.startswith(("rubbish", "http"))
