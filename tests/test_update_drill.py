"""The real service under the real updater: a release that breaks and one that does worse go back, a good one stays.

systemd and Debian's programs are rigs; the slots, the database, the ready message and /healthz are real.
"""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gateway import updater
from gateway.dbcopy import COPY
from gateway.dbfile import DATABASE
from gateway.updatebox import RealBox
from gateway.updatefiles import Result
from gateway.updater import Updater
from tests.rigs import fakesystemd
from tests.rigs.broker import free_port
from tests.rigs.updating import put_release
from tests.test_release import public

ROOT = Path(__file__).parents[1]
TABLES = '[gateway]\ntenant = "t"\nstore = "s"\nid = "g"\ndata_dir = "{data}"\n[http]\nport = {port}\n'
WORSE = '[[source]]\npath = "nfc:/dev/no-reader"\nreceiver = "b"\n[[receiver]]\nid = "b"\nzone = "x"\n'
RUN = '#!/bin/sh\nexec "{python}" -m gateway "$@"\n'
OTHERWISE = '#!/bin/sh\nexec "{python}" -m gateway run --config {folder}/worse.toml\n'
BREAKS = '#!/bin/sh\nexec "{python}" -m tests.rigs.nextyear {folder}/data\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A box whose service runs out of slot-a."""
    tables = TABLES.format(data=tmp_path / "data", port=free_port())
    (tmp_path / "gateway.toml").write_text(tables)
    (tmp_path / "worse.toml").write_text(tables + WORSE)
    tools = {
        "systemctl": f'#!/bin/sh\nexec "{sys.executable}" {ROOT}/tests/rigs/fakesystemd.py "$@"\n',
        "dpkg-deb": f'#!/bin/sh\nmkdir -p "$3/opt/store-gateway"; cp {tmp_path}/install-slot "$3/opt/store-gateway"\n',
        "apt-get": "#!/bin/sh\necho Inst store-gateway\n",
        "dpkg": f'#!/bin/sh\necho "$STORE_GATEWAY_SLOT" > {tmp_path}/registered\n',
    }
    (tmp_path / "tools").mkdir()
    for name, text in tools.items():
        (tmp_path / "tools" / name).write_text(text)
        (tmp_path / "tools" / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/tools:{os.environ['PATH']}")
    monkeypatch.setenv("DRILL", str(tmp_path))
    monkeypatch.chdir(ROOT)
    slot = tmp_path / "opt/slot-a/bin"
    slot.mkdir(parents=True)
    (slot / "store-gateway").write_text(RUN.format(python=sys.executable))
    (slot / "store-gateway").chmod(0o755)
    (tmp_path / "opt/.venv").symlink_to("slot-a")
    (tmp_path / "update").mkdir()
    try:
        subprocess.run(["systemctl", "restart", fakesystemd.UNIT], check=True)
        yield tmp_path
    finally:
        fakesystemd.stop(fakesystemd.kept(tmp_path))


def update(folder: Path, program: str) -> Result:
    """Release 1.2.3, whose slot has this program."""
    (folder / "program").write_text(program.format(python=sys.executable, folder=folder))
    install = (
        'rm -rf "$2" && mkdir -p "$2/bin" && cp {0}/program "$2/bin/store-gateway" && chmod 755 "$2/bin/store-gateway"'
    )
    (folder / "install-slot").write_text(install.format(folder))
    put_release(folder / "stick")
    box = RealBox(folder / "opt", folder / "gateway.toml")
    return Updater(box, folder / "update", [public("ours")], "1.0", "arm64").take(folder / "stick")


@pytest.mark.timeout(300)
def test_two_updates_go_back_and_the_third_stays(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("WELL_S", 1.0), ("PATIENCE_S", 2.0), ("LOOK_S", 0.5)):
        monkeypatch.setattr(updater, name, value)
    box, link = RealBox(folder / "opt", folder / "gateway.toml"), folder / "opt/.venv"
    before = box.parts()
    assert before is not None and before["pages"] == "ok"

    broke = update(folder, BREAKS)
    assert (broke.result, broke.reason, str(link.readlink())) == ("failed", "start", "slot-a")
    with closing(sqlite3.connect(folder / "data" / DATABASE)) as db:
        assert db.execute("SELECT count(*) FROM outbox WHERE type = 'profiles.wiped'").fetchone() == (1,), (
            "nothing lost"
        )
        assert db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'bonus'").fetchone() == (0,)
    assert "goes back from a newer release to this one: bonus, colour" in (folder / "log").read_text()
    assert updater.worse_than(before, box.parts()) == []

    worse = update(folder, OTHERWISE)
    assert (worse.result, worse.reason, str(link.readlink())) == ("failed", "worse", "slot-a")
    assert updater.worse_than(before, box.parts()) == []
    assert not (folder / "registered").exists()

    kept = update(folder, RUN)
    assert (kept.result, kept.reason, str(link.readlink())) == ("done", "", "slot-b")
    assert (folder / "registered").read_text() == "ready\n"
    assert updater.worse_than(before, box.parts()) == []
    assert not (folder / "data" / COPY).exists()
