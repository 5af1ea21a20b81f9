"""What an update leaves on the disk: read whole or not at all, whoever wrote it."""

import json
from pathlib import Path

import pytest

from gateway import updatefiles
from gateway.updatefiles import REQUEST, RESULT, STATE, Result, State

STATE_1 = State("trying", "slot-a", "slot-b", "1.2.3", "1.0", "a.deb")
RESULT_1 = Result("failed", "1.2.3", "1.0", 7, "worse")


def test_what_is_written_is_read(tmp_path: Path) -> None:
    assert (updatefiles.state(tmp_path), updatefiles.result(tmp_path)) == (None, None)
    updatefiles.write(tmp_path / STATE, STATE_1)
    updatefiles.write(tmp_path / RESULT, RESULT_1)
    assert (updatefiles.state(tmp_path), updatefiles.result(tmp_path)) == (STATE_1, RESULT_1)
    assert {path.name for path in tmp_path.iterdir()} == {STATE, RESULT}


@pytest.mark.parametrize(
    "text",
    [
        *("", "rubbish", "[]", "{}", "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"), "[" * 4_000),
        *(
            json.dumps(
                {"step": "trying", "old": "../x", "new": "slot-a", "version": "1", "before": "1", "package": "x"}
            ),
        ),
        *(
            json.dumps(
                {"step": "flying", "old": "slot-b", "new": "slot-a", "version": "1", "before": "1", "package": ""}
            ),
        ),
        *(
            json.dumps(
                {"step": "trying", "old": "slot-b", "new": "slot-a", "version": 1, "before": "1", "package": ""}
            ),
        ),
        *(json.dumps({"result": "failed", "version": "1", "before": "1", "at_ms": 1, "reason": "mood"}),),
        *(json.dumps({"result": "failed", "version": "x" * 65, "before": "1", "at_ms": 1, "reason": ""}),),
        *(json.dumps({"result": "eaten", "version": "1", "before": "1", "at_ms": 1, "reason": ""}),),
        *(json.dumps({"result": "done", "version": "1", "before": "1", "at_ms": True, "reason": ""}),),
    ],
)
def test_what_is_none_of_ours_is_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / STATE).write_text(text)
    (tmp_path / RESULT).write_text(text)
    assert (updatefiles.state(tmp_path), updatefiles.result(tmp_path)) == (None, None)


def test_a_request_is_taken_once(tmp_path: Path) -> None:
    assert updatefiles.take_request(tmp_path) is None
    updatefiles.ask(tmp_path, "1.2.3")
    assert updatefiles.take_request(tmp_path) == "1.2.3"
    assert updatefiles.take_request(tmp_path) is None
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [b"", b"x" * 65, b"1.2\n", b"\xff", b"x" * 10_000])
def test_a_request_that_names_no_version_is_dropped(tmp_path: Path, content: bytes) -> None:
    (tmp_path / REQUEST).write_bytes(content)
    assert updatefiles.take_request(tmp_path) is None
    assert not list(tmp_path.iterdir())


def test_a_request_leads_nowhere_else(tmp_path: Path) -> None:
    """The folder is the service's: root must not be led to a file that the service may not read."""
    secret = tmp_path / "secret"
    secret.write_text("1.2.3")
    (tmp_path / REQUEST).symlink_to(secret)
    assert updatefiles.take_request(tmp_path) is None
    assert secret.read_text() == "1.2.3" and not (tmp_path / REQUEST).is_symlink()


def test_every_reason_says_what_to_do() -> None:
    assert all(what and step for what, step in updatefiles.REASONS.values())
