"""An operator's file of colleagues becomes an operation, once, and what is wrong with one is said by its place."""

import itertools
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from drivers import team
from gateway.core.staff import fits
from gateway.errors import ConfigError
from sync import staff
from sync.hq import stafffile
from sync.hq.ledger import Ledger

GOOD = '[[colleague]]\nstaff_id = "s-1"\nname = "Ada Invented"\ninitials = "AI"\npin = "204060"\n'


@pytest.fixture
def db(tmp_path: Path) -> Path:
    path = tmp_path / "hq.db"
    Ledger(path).close()
    return path


@pytest.fixture
def random() -> Callable[[int], bytes]:
    numbers = itertools.count(1)
    return lambda size: next(numbers).to_bytes(size)


def written(tmp_path: Path, text: str, name: str = "staff.toml") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_the_demos_team_is_taken_and_its_pins_fit(db: Path, tmp_path: Path, random: Callable[[int], bytes]) -> None:
    assert stafffile.put(db, written(tmp_path, team.toml()), random) == (3, 1, True)
    ledger = Ledger(db)
    op = ledger.staff_op()
    ledger.close()
    assert op is not None
    kept = {one.staff_id: one for one in staff.parse(op["body"]).colleagues}
    for staff_id, _, _, role, pin in team.TEAM:
        assert kept[staff_id].role == role and fits(pin, kept[staff_id].pin)
    held = sqlite3.connect(db)
    text = "\n".join(held.iterdump())
    held.close()
    assert not any(pin in text for *_, pin in team.TEAM), "no PIN is kept"


def test_the_same_file_again_is_no_news_and_an_empty_one_is_meant(
    db: Path, tmp_path: Path, random: Callable[[int], bytes]
) -> None:
    path = written(tmp_path, GOOD)
    assert stafffile.put(db, path, random) == (1, 1, True)
    assert stafffile.put(db, path, random) == (1, 1, False)
    empty = written(tmp_path, "", "none.toml")
    with pytest.raises(ConfigError, match="--empty"):
        stafffile.put(db, empty, random)
    assert stafffile.put(db, empty, random, empty=True) == (0, 2, True)


def test_json_is_read_too(db: Path, tmp_path: Path, random: Callable[[int], bytes]) -> None:
    row = '{"staff_id": "s-1", "name": "A", "initials": "A", "pin": "204060", "opens": "both", '
    badge = '"badge": {"kind": "chip", "value": "04a1b2c3d4e5f6"}}'
    path = written(tmp_path, f'{{"colleague": [{row}{badge}]}}', "staff.json")
    assert stafffile.put(db, path, random)[0] == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("no toml", "found no TOML"),
        ('colleague = "x"', "expected \\[\\[colleague\\]\\]"),
        ("[shop]", "expected \\[\\[colleague\\]\\]"),
        (GOOD.replace("204060", "123456"), "colleague 1: pin: expected"),
        (GOOD.replace('"204060"', "204060"), "colleague 1: pin: expected a text"),
        (GOOD + "\n" + GOOD, "stands twice"),
        (GOOD + 'salary = "x"', "'salary' is no field"),
        (GOOD + 'role = "boss"', "colleague 1: role"),
        (GOOD + 'opens = "badge"', "colleague 1: badge"),
        (GOOD.replace("Ada Invented", "x" * 61), "colleague 1: name"),
        ("#" * 300_000, "expected at most"),
    ],
)
def test_what_is_wrong_is_said(db: Path, tmp_path: Path, random: Callable[[int], bytes], text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as error:
        stafffile.put(db, written(tmp_path, text), random)
    assert "204060" not in str(error.value) and "123457" not in str(error.value)
