"""A box becomes somebody's, whole or not at all, and nobody's again with nothing left of the shop."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway import config, ownership, provisionfiles, provisioning
from gateway.core.provision import WHY
from gateway.errors import ConfigError
from gateway.provisionfiles import Result, Taken
from gateway.provisioning import Box, take
from tests.rigs.provisioned import CODE, NOW_MS, PASSWORD, ROOT_KEY, WHO, box, file, provided


def given(own: Box, *files: bytes, now_ms: int = NOW_MS, known: bool = True, late: bool = False) -> Result:
    return take(own, files, now_ms, known=known, late=late)


def test_the_box_is_whole_afterwards(tmp_path: Path) -> None:
    own = box(tmp_path)
    layout = {"receiver": [{"id": "bar", "zone": "wine"}], "screen": [{"id": "bar", "zone": "wine"}]}
    found = given(own, file(CODE, layout=layout, releases=(ROOT_KEY,)))
    assert found == Result("taken", NOW_MS, "", WHO)
    loaded = config.load(own.config)
    mqtt = loaded.mqtt
    assert mqtt is not None and mqtt.hq_root == ROOT_KEY and mqtt.username == "gw1"
    assert mqtt.password_file is not None and mqtt.password_file.read_text() == PASSWORD
    assert loaded.receiver[0].zone == "wine" and loaded.http.port == 8080
    for path, mode in ((own.config, 0o640), (mqtt.password_file, 0o640), (mqtt.password_file.parent, 0o750)):
        assert stat.S_IMODE(path.stat().st_mode) == mode
    assert (own.config.parent / "release.pub").read_text() == f"{ROOT_KEY}\n"
    assert provisionfiles.result(own.folder) == found
    assert provisionfiles.taken(own.folder) == Taken(WHO, "ab" * 8, provided().until_ms, NOW_MS, known=True)
    assert not provisionfiles.code(tmp_path / "data"), "a code that was used opens nothing more"
    assert PASSWORD not in own.config.read_text() + (own.folder / provisionfiles.RESULT).read_text()


def test_what_is_refused_changes_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    own = box(tmp_path)
    before = own.config.read_text()
    late = provided().until_ms
    cases = {
        "form": ((b"rubbish",), {}),
        "torn": ((file().replace(b"ulm", b"bonn"),), {}),
        "code": ((file("QRSTUVWX"),), {}),
        "missing": ((), {}),
        "many": ((file(), file(number="cd" * 8)), {}),
        "stale": ((file(),), {"now_ms": late}),
        "clock": ((file(),), {"now_ms": late, "known": False}),
        "config": ((file(layout={"receiver": [{"id": "Bar"}]}),), {}),
    }
    for reason, (files, other) in cases.items():
        found = given(own, *files, **other)  # type: ignore[arg-type]  # times and switches
        assert found.reason == reason and provisionfiles.result(own.folder) == found
        assert own.config.read_text() == before and not list(own.config.parent.glob("identity-*")), reason
        assert reason in WHY
    assert "receiver[1].id" in given(own, file(layout={"receiver": [{"id": "Bar"}]})).said
    assert PASSWORD not in caplog.text
    assert given(own, file(), now_ms=late, late=True).reason == "stale", "nobody overrules a clock that is right"


def test_of_several_files_the_one_for_this_box_is_taken(tmp_path: Path) -> None:
    files = (file("QRSTUVWX", "muster/bonn/gw1", "cd" * 8), file(CODE), b"rubbish")
    assert given(box(tmp_path), *files).gateway == WHO


def test_a_clock_that_nobody_vouches_for(tmp_path: Path) -> None:
    own = box(tmp_path)
    assert given(own, file(), now_ms=provided().until_ms + 5, known=False, late=True).result == "taken"
    taken = provisionfiles.taken(own.folder)
    assert taken is not None and not taken.known


def test_a_box_that_is_somebodys_is_refused_but_for_root_with_the_same_name(tmp_path: Path) -> None:
    own = box(tmp_path)
    assert given(own, file()).result == "taken"
    before = own.config.read_text()
    for again in (file(number="cd" * 8), file(gateway="muster/bonn/gw1", number="cd" * 8)):
        assert given(own, again).reason == "already" and own.config.read_text() == before
    root = Box(own.config, own.folder, renews=True)
    assert given(root, file(gateway="muster/bonn/gw1", number="cd" * 8)).reason == "already"
    (tmp_path / "data" / "gateway.db").write_text("the shop's data")
    assert given(root, file(number="cd" * 8)).result == "taken"
    assert (tmp_path / "data" / "gateway.db").exists()
    assert [one.name for one in own.config.parent.glob("identity-*")] == [f"identity-{'cd' * 8}"]


def test_another_shops_data_are_never_taken_over(tmp_path: Path) -> None:
    own = box(tmp_path)
    (tmp_path / "data" / "gateway.db").write_text("whose?")
    assert given(own, file()).reason == "data"
    provisioning.reset(own, "none")
    assert not (tmp_path / "data" / "gateway.db").exists()
    assert given(own, file()).result == "taken"


def test_a_reset_leaves_nothing_of_the_shop(tmp_path: Path) -> None:
    own, data, outside = box(tmp_path), tmp_path / "data", tmp_path / "outside"
    given(own, file())
    outside.write_text("not ours")
    (data / "content").mkdir()
    for name in ("site.key", "gateway.db", "content/a"):
        (data / name).write_text("secret")
    (data / "link").symlink_to(outside)
    with pytest.raises(ConfigError, match="muster/ulm/gw1"):
        provisioning.reset(own, "muster/bonn/gw1")
    assert (data / "site.key").exists()
    provisioning.reset(own, WHO)
    assert list(data.iterdir()) == [] and outside.read_text() == "not ours" and not list(own.folder.iterdir())
    assert not list(own.config.parent.glob("identity-*"))
    tables = ownership.nobodys(own.config)
    assert tables is not None and tables["receiver"][0]["id"] == "bar"
    assert given(own, file(gateway="muster/bonn/gw1")).gateway == "muster/bonn/gw1"


def _state(own: Box) -> str:
    """As a service that starts now finds it: "" = nobody's, else whose, with all that its file names."""
    if ownership.nobodys(own.config) is not None:
        return ""
    loaded = config.load(own.config)
    assert loaded.mqtt is not None and loaded.mqtt.password_file is not None
    assert loaded.mqtt.password_file.read_text() == PASSWORD
    return ownership.whose(own.config)


class PowerCutError(BaseException):
    """Nothing more is written."""


def cut_at(monkeypatch: pytest.MonkeyPatch, step: int, do: Callable[[], object]) -> bool:
    """Whether `do` came to its end before the step at which the power goes; steps are what changes names or flushes."""
    left = step

    def counted(name: str) -> Callable[..., object]:
        real = getattr(os, name)

        def one(*words: object, **named: object) -> object:
            nonlocal left
            left -= 1
            if left < 0:
                raise PowerCutError
            return None if name == "fsync" else real(*words, **named)  # nobody draws the power in earnest

        return one

    with monkeypatch.context() as patched:
        for name in ("fsync", "replace", "unlink", "mkdir", "rmdir", "chmod", "fchmod"):
            patched.setattr(os, name, counted(name))
        try:
            do()
        except PowerCutError:
            return False
    return True


def test_a_power_cut_leaves_the_old_state_or_the_new_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    states = []
    for step in range(200):
        folder = tmp_path / str(step)
        folder.mkdir()
        own = box(folder)
        whole = cut_at(monkeypatch, step, lambda: given(own, file(releases=(ROOT_KEY,))))  # noqa: B023 - at once
        states.append(_state(own))
        assert given(own, file(releases=(ROOT_KEY,))).reason in ("", "already")
        assert _state(own) == WHO
        if whole:
            break
    assert whole and states[0] == "" and states[-1] == WHO and states == sorted(states)
    assert len(states) > 15, "the cuts must reach every step"


def test_a_reset_that_the_power_cut_is_ended_before_the_next_shop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in range(200):
        folder = tmp_path / str(step)
        folder.mkdir()
        own = box(folder)
        given(own, file())
        for name in ("site.key", "gateway.db"):
            (folder / "data" / name).write_text("secret")
        whole = cut_at(monkeypatch, step, lambda: provisioning.reset(own, WHO))  # noqa: B023 - at once
        if _state(own) == WHO:  # nothing has begun, so that it is asked for again
            provisioning.reset(own, WHO)
        assert given(own, file(gateway="muster/bonn/gw1", number="cd" * 8)).gateway == "muster/bonn/gw1"
        assert not (folder / "data" / "gateway.db").exists() and not (folder / "data" / "site.key").exists()
        if whole:
            break
    assert whole and step > 10
