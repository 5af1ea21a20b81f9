"""The verb `hq snapshot`: makes a snapshot of members now, with a bar, or says which one stands (docs/hq.md)."""

import argparse
from collections.abc import Callable
from contextlib import closing
from functools import partial

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from gateway.errors import ConfigError
from gateway.terminal import err, out
from sync.hq.file import must_be_made
from sync.hq.ledger import Ledger

Verb = Callable[[str, Callable[[argparse.Namespace], int], str], argparse.ArgumentParser]


def add_verb(verb: Verb, now_ms: Callable[[], int]) -> None:
    """`verb` adds one to the parser (gateway.hqverbs)."""
    text = "make a snapshot of members for shops that lack many changes; hq serve makes one itself when somebody asks"
    verb("snapshot", partial(_snapshot, now_ms), text)


def _snapshot(now_ms: Callable[[], int], arguments: argparse.Namespace) -> int:
    """0 = it stands. Raises ConfigError where another process makes one."""
    must_be_made(arguments.db)
    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
    begun_ms = now_ms()
    with (
        Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress,
        closing(Ledger(arguments.db)) as ledger,
    ):
        bar = progress.add_task("members", total=None)
        made = ledger.build_snapshot(now_ms, lambda done, whole: progress.update(bar, completed=done, total=whole))
    if made is None:
        raise ConfigError(f"{arguments.db}: another process makes a snapshot; try again in a minute")
    size = f"{made.chunks} chunks, {made.packed} bytes" if made.chunks > 1 else f"1 chunk, {made.packed} bytes"
    took = f"{(now_ms() - begun_ms) / 1000:.1f} s"
    who = "1 member" if made.members == 1 else f"{made.members} members"
    out.print(f"version {made.version}: {who}, {made.ops} operations, {size}, {took}", highlight=False)
    return 0
