"""The updater as a program: whose releases it takes, from where, and what it says."""

from pathlib import Path

import pytest

from gateway import ownership, provisionfiles, updatebox, updatefiles, updateverbs
from gateway.updatefiles import Result
from tests.rigs import provisioned
from tests.rigs.updating import FakeBox, PowerCut, put_release
from tests.test_release import public


class Machine(FakeBox):
    """With the data folder of a service."""

    @property
    def data_dir(self) -> Path:
        return self.root / "data"


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setattr("gateway.logs.set_up", lambda: None)
    monkeypatch.setattr(updatebox, "machine", lambda: "arm64")
    monkeypatch.setattr("importlib.metadata.version", lambda _: "1.0")
    for name in ("data", "update", "update/spool", "stick"):
        (tmp_path / name).mkdir()
    (tmp_path / "release.pub").write_text(public("ours").hex())
    (tmp_path / "release.pub").chmod(0o644)
    return Machine(tmp_path)


def run(box: Machine, *words: object) -> int:
    paths = box.root / "update", box.root / "release.pub", box.root / "stick"
    return updateverbs.main([str(word) for word in words], box, *paths)  # type: ignore[arg-type]  # as far as it is asked


def last(box: Machine) -> Result | None:
    return updatefiles.result(box.root / "update")


def test_from_a_folder(box: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    put_release(box.root / "folder", "0.9")
    assert run(box, "from", box.root / "folder") == 1
    assert "refused: the release is older than what runs. Take a newer one" in capsys.readouterr().out
    assert run(box, "from", box.root / "folder", "--older") == 0
    assert capsys.readouterr().out == "update to 0.9 done\n"
    assert box.serving() == "slot-b"


def test_a_box_that_trusts_nobody_says_so(box: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    put_release(box.root / "folder")
    for spoil in (lambda path: path.chmod(0o666), lambda path: path.write_text("rubbish"), lambda path: path.unlink()):
        spoil(box.root / "release.pub")
        assert run(box, "from", box.root / "folder") == 1
        assert "Put their public key into /etc/store-gateway/release.pub." in capsys.readouterr().out
    assert box.steps == []


def test_what_the_service_asks_for_comes_from_the_spool(box: Machine) -> None:
    put_release(box.root / "update/spool", "1.1")
    assert run(box, "request") == 0 and last(box) is None, "nothing is asked"
    updatefiles.ask(box.data_dir, "1.2")
    assert run(box, "request") == 1
    found = last(box)
    assert found is not None and (found.result, found.reason, found.version) == ("refused", "missing", "1.2")
    updatefiles.ask(box.data_dir, "1.1")
    assert run(box, "request") == 0
    assert box.serving() == "slot-b" and not list(box.data_dir.iterdir())


def test_a_stick_is_looked_at_and_let_go(box: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[str] = []
    monkeypatch.setattr(updatebox, "mount", lambda device, folder: held.append(device) or device != "/dev/none")
    monkeypatch.setattr(updatebox, "unmount", lambda folder: held.clear())
    assert run(box, "usb", "/dev/none") == 0 and held == ["/dev/none"]
    held.clear()
    (box.root / "stick/holiday.jpg").touch()
    assert run(box, "usb", "/dev/sda1") == 0 and last(box) is None, "most sticks are no release"
    (box.root / "stick/store-gateway-2.0.release.json").write_text("rubbish")
    assert run(box, "usb", "/dev/sda1") == 1
    found = last(box)
    assert found is not None and (found.result, found.reason) == ("refused", "form")
    put_release(box.root / "stick")
    assert run(box, "usb", "/dev/sda1") == 0
    assert (held, box.serving()) == ([], "slot-b")


def test_what_was_cut_off_is_ended_first(box: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    put_release(box.root / "folder")
    box.cut_at = 4
    with pytest.raises(PowerCut):
        run(box, "from", box.root / "folder")
    assert box.serving() == "slot-b"
    box.cut_at = -1
    assert run(box, "recover") == 1
    assert "the power was cut in the middle; the old release runs. Try again" in capsys.readouterr().out
    assert box.serving() == "slot-a"
    assert run(box, "recover") == 0
    assert run(box, "from", box.root / "folder") == 0


def test_without_its_folder_it_says_so(box: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    (box.root / "update/spool").rmdir()
    (box.root / "update").rmdir()
    assert run(box, "recover") == 1
    assert "nothing can be updated" in capsys.readouterr().err


@pytest.fixture
def stick(box: Machine, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(updatebox, "mount", lambda device, folder: device != "/dev/broken")
    monkeypatch.setattr(updatebox, "unmount", lambda folder: None)
    monkeypatch.setattr(updateverbs, "world_ms", lambda: provisioned.NOW_MS)
    monkeypatch.setattr(updateverbs, "synchronised", lambda: True)
    (box.root / "data").rmdir()
    monkeypatch.setattr(updateverbs, "OWNER", provisioned.box(box.root))
    return box.root / "stick"


def plugged(box: Machine, device: str = "/dev/sdx1") -> str:
    """The reason that the screen shows, "taken", or "" for nothing."""
    paths = box.root / "update", box.root / "release.pub", box.root / "stick", updateverbs.OWNER
    updateverbs.main(["usb", device], box, *paths)  # type: ignore[arg-type]  # as far as it is asked
    found = provisionfiles.result(updateverbs.OWNER.folder)
    return "" if found is None else found.reason or found.result


def test_a_stick_makes_a_new_box_somebodys(box: Machine, stick: Path) -> None:
    (stick / "store-gateway-provision-bonn.json").write_bytes(provisioned.file("QRSTUVWX", "a/bonn/c", "cd" * 8))
    (stick / "store-gateway-provision.json").write_bytes(provisioned.file(provisioned.CODE))
    assert plugged(box) == "taken" and ownership.whose(updateverbs.OWNER.config) == provisioned.WHO
    (stick / "store-gateway-provision-bonn.json").unlink()
    assert plugged(box) == "taken", "the stick that stays in its place is no second file"
    (stick / "store-gateway-provision.json").write_bytes(provisioned.file(number="ef" * 8))
    assert plugged(box) == "already" and ownership.whose(updateverbs.OWNER.config) == provisioned.WHO


def test_a_new_box_says_what_is_wrong_with_a_stick(box: Machine, stick: Path) -> None:
    (stick / "holidays.jpg").write_bytes(b"\xff\xd8" * 99)
    (stick / "store-gateway-provision.json").symlink_to("/etc/shadow")
    assert plugged(box) == "form"
    (stick / "store-gateway-provision.json").unlink()
    assert plugged(box) == "missing" and plugged(box, "/dev/broken") == "stick"
    put_release(stick, "1.1")
    provisionfiles.tell(updateverbs.OWNER.folder, provisionfiles.Result("refused", 1, "torn"))
    assert plugged(box) == "torn" and box.serving() == "slot-b", "a release is none of its business"


def test_a_stick_is_nobodys_business_on_a_box_that_is_somebodys(box: Machine, stick: Path) -> None:
    updateverbs.OWNER.config.write_text('[gateway]\ntenant = "a"\nstore = "b"\nid = "c"\ndata_dir = "/x"\n')
    (stick / "holidays.jpg").write_bytes(b"\xff\xd8" * 99)
    assert plugged(box) == "" and plugged(box, "/dev/broken") == ""
    updateverbs.OWNER.config.write_text("x = ")
    assert plugged(box) == ""
