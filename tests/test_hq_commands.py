"""Headquarters' table of commands: what waits, who answered what, the storm's bound, and bundles in files."""

import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gateway.core.command import Answer
from gateway.core.spans import DAY_MS
from sync import messages
from sync.hq import commands
from sync.hq.commands import MAX_WAITING
from sync.hq.ledger import Ledger
from sync.topics import Topics

SHOP, OTHER = Topics("acme", "munich-1", "gw-1"), Topics("acme", "berlin-2", "gw-1")
NOW_MS, UNTIL_MS = 1_790_000_000_000, 1_790_000_060_000


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with closing(Ledger(tmp_path / "hq.db")) as made:
        for where in (SHOP, OTHER):
            connected(made, where)
        yield made


def connected(ledger: Ledger, where: Topics, online: bool = True, boot: int = 1) -> None:
    ledger.saw_state(where, messages.State(online, boot, "ab" * 16, 0, bytes(32)), NOW_MS)


def give(ledger: Ledger, command_id: str, where: Topics = SHOP, kind: str = "rescan", at_ms: int = NOW_MS) -> int:
    return ledger.order_command(where, command_id, kind, {"n": 1}, at_ms, at_ms + 60_000)


def states(ledger: Ledger) -> dict[str, tuple[str, str]]:
    return {row["command_id"]: (row["state"], row["reason"]) for row in ledger.commands(1_000)}


def due(ledger: Ledger, now_ms: int = NOW_MS) -> list[str]:
    return [row["command_id"] for row in ledger.due_commands(now_ms)]


def test_a_command_waits_until_it_is_answered(ledger: Ledger) -> None:
    assert due(ledger) == []
    assert give(ledger, "c-1") == give(ledger, "c-2", OTHER) == 0
    assert due(ledger) == ["c-1", "c-2"]
    assert ledger.answered(SHOP, Answer("c-1", "done", told={"receivers": 2}), NOW_MS + 5)
    assert due(ledger) == ["c-2"]
    row = ledger.commands(10, "acme/munich-1/gw-1")[0]
    assert (row["state"], row["told"], row["answered_ms"], row["arguments"]) == (
        "done", {"receivers": 2}, NOW_MS + 5, {"n": 1}
    )  # fmt: skip


def test_nobody_answers_for_another(ledger: Ledger) -> None:
    give(ledger, "c-1")
    assert not ledger.answered(OTHER, Answer("c-1", "done"), NOW_MS)
    assert not ledger.answered(SHOP, Answer("c-2", "done"), NOW_MS)
    assert states(ledger) == {"c-1": ("waiting", "")}


def test_what_nobody_answered_in_time_is_over(ledger: Ledger) -> None:
    give(ledger, "c-1")
    assert due(ledger, UNTIL_MS - 1) == ["c-1"]
    assert due(ledger, UNTIL_MS) == []
    assert states(ledger) == {"c-1": ("expired", "")}
    assert ledger.answered(SHOP, Answer("c-1", "done"), UNTIL_MS + 1)  # it was done in time, and told late
    assert states(ledger) == {"c-1": ("done", "")}


def test_only_gateways_that_are_there_are_sent_anything(ledger: Ledger) -> None:
    give(ledger, "c-1")
    connected(ledger, SHOP, online=False, boot=1)
    assert due(ledger) == []
    connected(ledger, SHOP, boot=2)
    assert due(ledger) == ["c-1"]


def test_of_too_many_the_oldest_is_refused(ledger: Ledger) -> None:
    give(ledger, "other", OTHER)
    assert [give(ledger, f"c-{n}") for n in range(MAX_WAITING + 2)] == [0] * MAX_WAITING + [1, 1]
    assert due(ledger) == ["other", *(f"c-{n}" for n in range(2, MAX_WAITING + 2))]
    assert states(ledger)["c-0"] == states(ledger)["c-1"] == ("refused", "too_many")


def test_old_ones_go_and_those_that_wait_stay(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    give(ledger, "old")
    give(ledger, "waits")
    ledger.answered(SHOP, Answer("old", "done"), NOW_MS)
    give(ledger, "c-1", at_ms=NOW_MS + commands.KEEP_MS + DAY_MS)
    assert states(ledger).keys() == {"waits", "c-1"}
    monkeypatch.setattr(commands, "MAX_KEPT", 1)
    ledger.answered(SHOP, Answer("c-1", "done"), NOW_MS)
    give(ledger, "c-2", at_ms=NOW_MS + commands.KEEP_MS + DAY_MS)
    assert states(ledger).keys() == {"waits", "c-2"}


def test_a_bundle_that_was_asked_for_is_a_file_for_its_owner(ledger: Ledger, tmp_path: Path) -> None:
    give(ledger, "c-1", kind="bundle")
    give(ledger, "c-2")
    assert ledger.took_bundle(OTHER, "c-1", b"zip") is None
    assert ledger.took_bundle(SHOP, "c-2", b"zip") is None
    assert ledger.took_bundle(SHOP, "../../c-1", b"zip") is None
    path = ledger.took_bundle(SHOP, "c-1", b"zip")
    assert path == tmp_path / "hq.bundles" / "acme_munich-1_gw-1_c-1.zip"
    assert ledger.took_bundle(SHOP, "c-1", b"zip again") == path and path.read_bytes() == b"zip again"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [row.get("file") for row in ledger.commands(10)] == [None, str(path)]
    assert sorted(one.name for one in path.parent.iterdir()) == [path.name]


def test_the_newest_bundles_stay(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "MAX_FILES", 2)
    for n in range(4):
        give(ledger, f"c-{n}", kind="bundle")
        ledger.took_bundle(SHOP, f"c-{n}", b"zip")
    assert {path.name[-7:] for path in ledger.bundles.iterdir()} == {"c-2.zip", "c-3.zip"}
