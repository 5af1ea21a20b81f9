"""Updates: what is not ours or older changes nothing, what does worse goes back, and no power cut ends a shop."""

from pathlib import Path
from typing import Any

import pytest

from gateway import updatefiles
from gateway.updatefiles import Result
from gateway.updater import PATIENCE_S, WELL_S, worse_than
from tests.rigs.updating import RUNS, WELL, FakeBox, PowerCut, put_release
from tests.test_release import NOW_MS

UNIT = "store-gateway.service"


def folder(tmp_path: Path) -> Path:
    return tmp_path / "update"


def result(what: Any, reason: str = "", version: str = "1.2.3") -> Result:
    return Result(what, version, RUNS, NOW_MS, reason)


def left(tmp_path: Path) -> set[str]:
    return {path.name for path in folder(tmp_path).iterdir()}


def test_an_update_is_tried_for_a_minute_and_kept(tmp_path: Path) -> None:
    put_release(tmp_path / "stick")
    box = FakeBox(tmp_path)
    assert box.updater().take(tmp_path / "stick") == result("done")
    assert box.serving() == "slot-b"
    looks = ["wait"] * int(WELL_S / 5)
    tried = ["prepare slot-b", "copy", "switch slot-b", f"restart {UNIT}", *looks]
    assert box.steps == [*tried, "register", f"restart {UNIT}", "drop copy"]
    assert left(tmp_path) == {"result.json"}
    assert updatefiles.result(folder(tmp_path)) == result("done")
    put_release(tmp_path / "next", "1.3")
    assert box.updater(runs="1.2.3").take(tmp_path / "next").result == "done"
    assert box.serving() == "slot-a"


def test_what_is_refused_changes_nothing(tmp_path: Path) -> None:
    box = FakeBox(tmp_path)
    for name, put, why in (
        ("nothing", lambda at: at.mkdir(), "missing"),
        ("rubbish", lambda at: put_release(at).write_bytes(b"rubbish"), "form"),
        ("theirs", lambda at: put_release(at, signer="theirs"), "signature"),
        ("old", lambda at: put_release(at, "0.9"), "old"),
        ("same", lambda at: put_release(at, RUNS), "same"),
    ):
        put(tmp_path / name)
        refused = box.updater().take(tmp_path / name)
        assert (refused.result, refused.reason) == ("refused", why), name
    assert updatefiles.result(folder(tmp_path)) == refused
    assert (box.steps, box.serving()) == ([], "slot-a")
    assert box.updater().take(tmp_path / "old", older=True).result == "done"


def test_of_several_the_newest_that_may_be_taken_is(tmp_path: Path) -> None:
    for version, signer in (("1.1", "ours"), ("1.2", "ours"), ("1.10", "ours"), ("9.9", "theirs")):
        put_release(tmp_path / "spool", version, signer)
    assert FakeBox(tmp_path).updater().take(tmp_path / "spool").version == "1.10"


def test_headquarters_gets_the_version_that_it_named(tmp_path: Path) -> None:
    for version in ("1.1", "1.2"):
        put_release(tmp_path / "spool", version)
    box = FakeBox(tmp_path)
    for asked in ("1.3", "../1.1", "*", "1.1-rc1", "x" * 64):
        assert box.updater().take(tmp_path / "spool", asked).reason == "missing"
    assert box.updater().take(tmp_path / "spool", "1.1") == result("done", version="1.1")


def test_a_package_that_is_another_is_refused_before_it_is_looked_into(tmp_path: Path) -> None:
    manifest = put_release(tmp_path / "stick")
    (manifest.parent / "store-gateway_1.2.3_arm64.deb").write_bytes(b"packagE")
    box = FakeBox(tmp_path)
    assert box.updater().take(tmp_path / "stick") == result("refused", "package")
    assert (box.steps, left(tmp_path)) == ([], {"result.json"})


@pytest.mark.parametrize(
    ("trouble", "why"),
    [({"prepared": "install"}, "install"), ({"prepared": "depends"}, "depends"), ({"copies": False}, "copy")],
)
def test_what_cannot_be_prepared_is_not_tried(tmp_path: Path, trouble: dict[str, Any], why: str) -> None:
    put_release(tmp_path / "stick")
    box = FakeBox(tmp_path, **trouble)
    assert box.updater().take(tmp_path / "stick") == result("failed", why)
    assert box.serving() == "slot-a" and f"restart {UNIT}" not in box.steps
    assert left(tmp_path) == {"result.json"}


def test_a_full_card_is_found_before_anything_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_release(tmp_path / "stick")
    monkeypatch.setattr("gateway.updater.ROOM", 1 << 60)
    box = FakeBox(tmp_path)
    assert box.updater().take(tmp_path / "stick") == result("failed", "space")
    assert box.steps == []


DOWN = WELL | {"hq": "down"}


@pytest.mark.parametrize(
    ("trouble", "why"),
    [
        ({"starts": {"slot-a": True, "slot-b": False}}, "start"),
        ({"does": {"slot-b": [DOWN]}}, "worse"),
        ({"does": {"slot-b": [None]}}, "worse"),
        ({"does": {"slot-b": [WELL, WELL | {"new": "degraded"}]}}, "worse"),
        ({"does": {"slot-b": [WELL, DOWN] * 500}}, "worse"),  # up and down for ever
        ({"restarts_itself": True}, "restarted"),
    ],
)
def test_a_release_that_does_worse_goes_back(tmp_path: Path, trouble: dict[str, Any], why: str) -> None:
    put_release(tmp_path / "stick")
    box = FakeBox(tmp_path, **trouble)
    assert box.updater().take(tmp_path / "stick") == result("failed", why)
    assert box.serving() == "slot-a"
    assert box.steps[-3:] == ["switch slot-a", f"restart {UNIT}", "drop copy"]
    assert "register" not in box.steps, "Debian's packages never heard of it"
    assert left(tmp_path) == {"result.json"}
    assert box.waited_s <= PATIENCE_S + WELL_S


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ([DOWN], [DOWN]),  # the line was down before
        ([WELL], [None] * 20 + [DOWN] * 20 + [WELL]),  # slow to start
        ([WELL], [{"hq": "ok", "update": "degraded"}]),  # a part is gone, and an update had failed
        ([None], [DOWN]),  # nobody knows how it was
    ],
)
def test_as_well_as_before_is_enough(tmp_path: Path, old: list[Any], new: list[Any]) -> None:
    put_release(tmp_path / "stick")
    box = FakeBox(tmp_path, does={"slot-a": old, "slot-b": new})
    assert box.updater().take(tmp_path / "stick") == result("done")


def test_a_box_whose_service_is_stopped_stays_so(tmp_path: Path) -> None:
    put_release(tmp_path / "stick")
    box = FakeBox(tmp_path, units=())
    assert box.updater().take(tmp_path / "stick") == result("done")
    assert not any(UNIT in step or step == "wait" for step in box.steps)


def test_spoiled_data_is_put_back_and_kept(tmp_path: Path) -> None:
    put_release(tmp_path / "stick")
    box = FakeBox(tmp_path, starts={"slot-a": True, "slot-b": False}, spoiled=True)
    assert box.updater().take(tmp_path / "stick") == result("failed", "data")
    assert box.steps[-3:] == [f"restart {UNIT}", "put back", f"restart {UNIT}"]
    nothing = FakeBox(tmp_path, starts={"slot-a": False, "slot-b": False}, spoiled=True)
    nothing.switch("slot-a")
    assert nothing.updater().take(tmp_path / "stick") == result("failed", "dead")


def test_debians_packages_that_do_not_follow_are_told(tmp_path: Path) -> None:
    put_release(tmp_path / "stick")
    box = FakeBox(tmp_path, registers=False)
    assert box.updater().take(tmp_path / "stick") == result("failed", "finish")
    assert box.serving() == "slot-b"


STEPS = 20  # more than an update has


def test_a_power_cut_at_any_step_leaves_a_release_that_serves(tmp_path: Path) -> None:
    ends = []
    for cut_at in range(STEPS):
        root = tmp_path / str(cut_at)
        root.mkdir()
        put_release(root / "stick")
        box = FakeBox(root, cut_at)
        try:
            ended = box.updater().take(root / "stick")
        except PowerCut:
            trusted = (folder(root) / "trusted").readlink()
            assert updatefiles.state(folder(root)) is not None and str(trusted) == "slot-a"
            steps = len(box.steps)
            after = FakeBox(root)
            ended = after.updater().recover(boots=True)
            assert not any(UNIT in step for step in after.steps), "the services start after this, by themselves"
            kept = "register" in box.steps or (
                steps == cut_at and box.steps[-1:] == ["wait"] and box.waited_s >= WELL_S
            )
            assert ended == (result("done") if kept else result("failed", "power"))
            assert after.updater().recover(boots=True) is None, "once"
        assert box.serving() == ("slot-b" if ended == result("done") else "slot-a")
        assert left(root) == {"result.json"}
        ends.append(ended)
    assert ends[0] == ends[5] == result("failed", "power") and ends[-1] == result("done")


def test_a_power_cut_on_the_way_back_and_one_more_lead_back(tmp_path: Path) -> None:
    put_release(tmp_path / "stick")
    trouble: dict[str, Any] = {"starts": {"slot-a": True, "slot-b": False}}
    with pytest.raises(PowerCut):
        FakeBox(tmp_path, 4, **trouble).updater().take(tmp_path / "stick")
    for cut_at in range(2):
        with pytest.raises(PowerCut):
            FakeBox(tmp_path, cut_at).updater().recover(boots=True)
    box = FakeBox(tmp_path)
    assert box.updater().recover(boots=True) == result("failed", "power")
    assert box.serving() == "slot-a"


@pytest.mark.parametrize("step", ["prepare slot-b", "copy", "switch slot-b", "register"])
def test_a_disk_that_refuses_leads_back(tmp_path: Path, step: str) -> None:
    put_release(tmp_path / "stick")
    box = FakeBox(tmp_path, disk_full_at=step)
    assert box.updater().take(tmp_path / "stick") == result("failed", "disk")
    assert box.serving() == "slot-a" and left(tmp_path) == {"result.json"}


def test_worse_is_by_part() -> None:
    assert worse_than(WELL, WELL) == []
    assert worse_than({"a": "degraded"}, {"a": "down", "b": "ok", "c": "new state", "update": "down"}) == ["a", "c"]
    assert worse_than(WELL, None) == ["pages"]
