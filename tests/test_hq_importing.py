"""A whole file of members: all of it or none, or all but what is wrong, a few lines in each transaction."""

import json
from contextlib import closing
from pathlib import Path

import pytest

from gateway.errors import ConfigError
from sync.hq import importing, proofreading
from sync.hq.ledger import Ledger
from tests.rigs.orders import key, member

pytestmark = pytest.mark.usefixtures("each_database")


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "hq.db"


def members(path: Path, *names: str) -> Path:
    path.write_text("member_id;call_name\n" + "".join(f"{name};Ada\n" for name in names))
    return path


def known(db: Path) -> list[str]:
    with closing(Ledger(db)) as ledger:
        return [row["member_id"] for row in ledger.members(100)]


def test_it_is_recorded_a_few_at_a_time_and_told(db: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "AT_ONCE", 2)
    told: list[tuple[str, int, int]] = []
    path = members(tmp_path / "m.csv", "m-1", "m-2", "m-3", "m-4", "m-5")
    assert importing.run(db, path, lambda *far: told.append(far)) == (5, 5, 0, (), ())
    size = path.stat().st_size
    assert [phase for phase, _, _ in told] == ["checked"] * 5 + ["recorded"] * 3
    assert told[-1] == ("recorded", size, size)
    assert importing.run(db, path) == (0, 5, 0, (), ()), "the same again changes nothing"


def test_one_wrong_line_and_nothing_is_recorded(db: Path, tmp_path: Path) -> None:
    path = members(tmp_path / "m.csv", "m-1", "no name", "m-3", "nor this")
    with pytest.raises(ConfigError) as caught:
        importing.run(db, path)
    assert [line.split(": ")[0] for line in str(caught.value).splitlines()] == [f"{path}:3", f"{path}:5"]
    assert not db.exists()


def test_wrong_lines_are_left_out_where_that_is_wanted(db: Path, tmp_path: Path) -> None:
    path = members(tmp_path / "m.csv", "m-1", "no name", "m-3", *["nor this"] * 500)
    found = importing.run(db, path, skip=True)
    assert (found.news, found.version, found.refused) == (2, 2, 501)
    assert len(found.faults) == proofreading.MAX_FAULTS + 1
    assert found.faults[0].startswith(f"{path}:3: ")
    assert known(db) == ["m-1", "m-3"]


def test_what_contradicts_the_ledger_is_named_by_its_line(
    db: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "AT_ONCE", 2)
    body = {"event_id": "e-1", "member_id": "m-1", "purpose": "staff_advice", "state": "refused", "given_at_ms": 1}
    other = [{"op": "member.put", "body": {"member_id": f"m-{number}"}} for number in range(4)]
    same, differs = ({"op": "consent.add", "body": body | {"state": state}} for state in ("refused", "given"))
    path = tmp_path / "all.jsonl"
    path.write_text("".join(f"{json.dumps(op)}\n" for op in (same, other[0], other[1], differs, other[2], other[3])))
    with pytest.raises(ConfigError, match=r"all.jsonl:4: .* new event_id; what stands up to line 2 is recorded"):
        importing.run(db, path)
    assert known(db) == ["m-0"]
    found = importing.run(db, path, skip=True)
    assert (found.news, found.refused) == (3, 1)
    assert known(db) == ["m-0", "m-1", "m-2", "m-3"]


def test_what_is_perhaps_not_meant_is_recorded_and_told_with_its_line(
    db: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "AT_ONCE", 2)
    path = tmp_path / "all.jsonl"
    told = [key("c-1", "m-9"), key("c-2", "m-1"), member("m-1", "Ada"), member("m-1", "Bea"), member("m-1", "Bea")]
    path.write_text("".join(f"{json.dumps(op)}\n" for op in told))
    found = importing.run(db, path)
    assert (found.news, found.refused) == (4, 0)
    assert found.doubts == (
        f"{path}:4: member.put of m-1 stands in line 3 with other content; the later one counts",
        f"{path}:1: credential c-1 is of m-9, and there is no such member",
    )


def test_a_time_zone_that_nobody_knows_is_refused(db: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="IANA"):
        importing.run(db, members(tmp_path / "m.csv", "m-1"), zone="Mars/Olympus")
