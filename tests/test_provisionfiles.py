"""What provisioning leaves on the disk is whole, private, and nobody else's."""

import json
import stat
from pathlib import Path

from gateway import provisionfiles
from gateway.core.provision import MAX_FILE_BYTES, is_code
from gateway.provisionfiles import Result, Taken


def test_a_result_and_what_was_taken_are_read_back(tmp_path: Path) -> None:
    result, taken = Result("refused", 5, "torn", "", "said"), Taken("a/b/c", "ab", 7, 5, known=False)
    for value in (result, taken):
        provisionfiles.tell(tmp_path, value)
    assert provisionfiles.result(tmp_path) == result and provisionfiles.taken(tmp_path) == taken
    assert stat.S_IMODE((tmp_path / provisionfiles.RESULT).stat().st_mode) == 0o644


def test_what_is_none_of_ours_is_nothing(tmp_path: Path) -> None:
    for said in ("", "[]", "{", "[" * 5_000, '{"result": "taken"}'):
        (tmp_path / provisionfiles.RESULT).write_text(said)
        (tmp_path / provisionfiles.TAKEN).write_text(said)
        assert provisionfiles.result(tmp_path) is None and provisionfiles.taken(tmp_path) is None
    row = {"result": "refused", "at_ms": 5, "reason": "another", "gateway": "", "said": ""}
    (tmp_path / provisionfiles.RESULT).write_text(json.dumps(row))
    assert provisionfiles.result(tmp_path) is None


def test_the_code_is_made_once_and_again_where_it_was_spoiled(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert provisionfiles.code(data) == ""
    code = provisionfiles.own_code(data)
    assert is_code(code) and provisionfiles.own_code(data) == code == provisionfiles.code(data)
    assert stat.S_IMODE((data / provisionfiles.CODE).stat().st_mode) == 0o600
    (data / provisionfiles.CODE).write_text("x")
    assert is_code(provisionfiles.own_code(data))


def test_a_request_is_taken_once_and_leads_nowhere_else(tmp_path: Path) -> None:
    assert provisionfiles.take_request(tmp_path) is None
    provisionfiles.ask(tmp_path, b"file")
    assert stat.S_IMODE((tmp_path / provisionfiles.REQUEST).stat().st_mode) == 0o600
    assert provisionfiles.take_request(tmp_path) == b"file"
    assert provisionfiles.take_request(tmp_path) is None
    (tmp_path / "secret").write_text("secret")
    (tmp_path / provisionfiles.REQUEST).symlink_to(tmp_path / "secret")
    assert provisionfiles.take_request(tmp_path) == b"" and (tmp_path / "secret").exists()
    (tmp_path / provisionfiles.REQUEST).write_bytes(bytes(10 * MAX_FILE_BYTES))
    assert len(provisionfiles.take_request(tmp_path) or b"") == MAX_FILE_BYTES + 1
