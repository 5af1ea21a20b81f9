"""`hq roll-out`, `hq rollouts` and `hq rollout` on the command line; that stores follow is test_rollout_drill's."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gateway.__main__ import main
from tests.rigs.rolled import Stores


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[Stores]:
    with closing(Stores(tmp_path, 10)) as made:
        (tmp_path / "new.json").write_text('{"nfc": {"poll_ms": 60}}')
        yield made


def hq(stores: Stores, *words: str) -> int:
    return main(["hq", *words, "--db", str(stores.db)])


def printed(capsys: pytest.CaptureFixture[str]) -> list[Any]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]


def test_a_roll_out_is_begun_followed_and_steered(
    stores: Stores, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hq(stores, "rollouts") == 0
    path = str(tmp_path / "new.json")
    rings = ("--ring", "1:store-7", "--ring", "2:30%", "--ring", "3:all")
    capsys.readouterr()
    assert hq(stores, "roll-out", "settings", path, *rings, "--soak", "5", "--max-failures", "2%") == 0
    sizes = printed(capsys)
    assert [row["ring"] for row in sizes] == ["store-7", "30%", "all"]
    assert (sizes[0]["gateways"], sum(row["gateways"] for row in sizes)) == (1, 10)
    stores.look()
    stores.settle(stores.places[6], "undone", "receiver")
    stores.look(0.1)
    assert hq(stores, "rollouts") == 1
    (row,) = printed(capsys)
    assert (row["id"], row["state"], row["gateway"]) == (1, "stopped", "acme/store-7/gw-1")
    assert row["rings"][0] == {"who": "store-7", "undone": 1}
    assert (row["plan"]["soak_ms"], row["plan"]["most_failures"]) == (300_000, "2%")
    assert hq(stores, "rollouts", "1") == 0
    assert [(one["gateway"], one["outcome"]) for one in printed(capsys)] == [("acme/store-7/gw-1", "undone")]
    assert hq(stores, "rollout", "undo", "1") == 0
    assert "was stopped" in capsys.readouterr().out
    stores.look()
    assert hq(stores, "rollouts") == 0
    assert hq(stores, "rollout", "resume", "1") == 78
    assert "is undone; expected one that is paused or stopped" in "".join(capsys.readouterr())


def test_rings_come_from_a_file_or_are_the_usual_ones(
    stores: Stores, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, rings = str(tmp_path / "new.json"), tmp_path / "rings.toml"
    rings.write_text('rings = ["store-1", "all"]')
    assert hq(stores, "roll-out", "settings", path, "--rings", str(rings)) == 0
    assert printed(capsys) == [{"ring": "store-1", "gateways": 1}, {"ring": "all", "gateways": 9}]
    assert hq(stores, "rollout", "stop", "1") == 0
    assert hq(stores, "rollouts") == 0  # somebody stopped it, so nobody has to look
    capsys.readouterr()
    assert hq(stores, "roll-out", "settings", path) == 0
    assert [row["ring"] for row in printed(capsys)] == ["1%", "10%", "all"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--ring", "store-7"), "expected 1:WHO"),
        (("--ring", "1:nobody"), "no gateway is in it"),
        (("--max-failures", "some"), "a number, or a share such as 2%"),
        (("--max-failures", "100%"), "a number, or a share such as 2%"),
    ],
)
def test_what_is_wrong_is_told_and_nothing_begun(
    stores: Stores, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    try:
        status = hq(stores, "roll-out", "settings", str(tmp_path / "new.json"), *words)
    except SystemExit as wrong:
        status = int(wrong.code or 0)
    assert status != 0
    assert said in " ".join("".join(capsys.readouterr()).split())
    assert stores.ledger.rollouts(5) == []
