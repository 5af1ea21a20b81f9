"""The table of commands: each id once, what became of it, a bounded number, and only the newest bundles."""

from gateway.core.command import Answer
from gateway.records import Tx
from gateway.tables.commands import MAX_BUNDLES, MAX_COMMANDS


def test_a_command_is_known_from_its_beginning_and_answered_from_its_end(tx: Tx) -> None:
    assert not tx.knows_command("c-1") and tx.command_answer("c-1") is None
    assert tx.begin_command("c-1", "update", "1.4.0", 9_000)
    assert tx.knows_command("c-1") and tx.command_answer("c-1") is None
    assert tx.unfinished_commands() == [("c-1", "update", "1.4.0")]
    answer = Answer("c-1", "failed", "update.exit", {"exit": 3})
    tx.finish_command(answer, b"zip")
    assert tx.command_answer("c-1") == (answer, b"zip")
    assert tx.unfinished_commands() == []


def test_what_cannot_come_again_is_forgotten_and_no_more(tx: Tx) -> None:
    for n, until_ms in enumerate((100, 200, 300)):
        tx.begin_command(f"c-{n}", "rescan", "", until_ms)
    tx.finish_command(Answer("c-0", "done"))
    tx.finish_command(Answer("c-1", "done"))
    tx.drop_commands(200)
    assert [tx.knows_command(f"c-{n}") for n in range(3)] == [False, True, True]
    tx.drop_commands(1_000)
    assert [tx.knows_command(f"c-{n}") for n in range(3)] == [False, False, True]  # the last one is under way


def test_no_more_are_known_than_the_bound(tx: Tx) -> None:
    assert all(tx.begin_command(f"c-{n}", "rescan", "", 9_000) for n in range(MAX_COMMANDS))
    assert not tx.begin_command("one-more", "rescan", "", 9_000)
    assert not tx.knows_command("one-more")


def test_the_newest_bundles_stay(tx: Tx) -> None:
    for n in range(MAX_BUNDLES + 2):
        tx.begin_command(f"c-{n}", "bundle", "", 9_000)
        tx.finish_command(Answer(f"c-{n}", "done"), b"zip %d" % n)
    kept = [tx.command_answer(f"c-{n}") for n in range(MAX_BUNDLES + 2)]
    assert [one is not None and one[1] is not None for one in kept] == [False, False] + [True] * MAX_BUNDLES
