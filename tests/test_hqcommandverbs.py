"""`hq command` and `hq commands` on the command line; that they reach a gateway is test_commands_system's."""

import json
from contextlib import closing
from pathlib import Path

import pytest

from gateway.__main__ import main
from gateway.hqcommandverbs import WORDS
from sync.command_messages import KINDS
from sync.hq.commands import MAX_WAITING
from sync.hq.ledger import Ledger
from tests.test_hq_commands import SHOP, connected


@pytest.fixture
def db(tmp_path: Path) -> Path:
    with closing(Ledger(tmp_path / "hq.db")) as ledger:
        connected(ledger, SHOP)
    return tmp_path / "hq.db"


def test_every_kind_has_its_words() -> None:
    assert WORDS.keys() == set(KINDS)


@pytest.mark.parametrize(
    ("words", "arguments"),
    [
        (["restart", "hq"], {"part": "hq"}),
        (["rescan"], {}),
        (["log_level", "debug", "--minutes", "5"], {"level": "debug", "minutes": 5}),
        (["bundle", "--until", "1440"], {}),
        (["blink"], {"seconds": 20}),
        (["blink", "coffee", "--seconds", "3"], {"screen": "coffee", "seconds": 3}),
        (["update", "1.4.0"], {"version": "1.4.0"}),
    ],
)
def test_an_order_is_what_was_typed(
    db: Path, words: list[str], arguments: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["hq", "command", SHOP.name, *words, "--db", str(db)]) == 0
    assert f"{words[0]} ordered for 1 gateway" in capsys.readouterr().out
    assert main(["hq", "commands", "--db", str(db)]) == 0
    row = json.loads(capsys.readouterr().out)
    assert (row["kind"], row["arguments"], row["state"], row["gateway"]) == (words[0], arguments, "waiting", SHOP.name)
    assert row["until_ms"] - row["at_ms"] == (1_440 if "--until" in words else 60) * 60_000


@pytest.mark.parametrize(
    "words",
    [
        ["rescan", "now"],
        ["restart"],
        ["restart", "foo"],
        ["restart", "disk"],
        ["restart", "receiver:"],
        ["log_level", "loud"],
        ["update", "1 2"],
    ],
)
def test_a_slip_of_the_pen_is_said(db: Path, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["hq", "command", SHOP.name, *words, "--db", str(db)]) == 78
    assert words[0] in capsys.readouterr().err
    assert main(["hq", "commands", "--db", str(db)]) == 0
    assert "nothing was commanded yet" in capsys.readouterr().err


def test_a_part_that_no_gateway_restarts_is_refused_with_those_that_are(
    db: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["hq", "command", "all", "restart", "foo", "--db", str(db)]) == 78
    told = " ".join(capsys.readouterr().err.split())
    assert "foo: no gateway restarts that alone; expected receiver:ID, hq, content, https or service" in told
    assert main(["hq", "command", "all", "restart", "receiver:coffee-nfc", "--db", str(db)]) == 0


def test_too_many_are_said(db: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(MAX_WAITING + 1):
        assert main(["hq", "command", "all", "rescan", "--db", str(db)]) == 0
    assert "1 older ones had to make room" in capsys.readouterr().err
