"""The verb `hq import-members`: a file of any length, with a bar that says how far it is (docs/hq.md)."""

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from gateway.terminal import err, out, say
from sync.hq import importing
from sync.hq.importing import Phase

Verb = Callable[[str, Callable[[argparse.Namespace], int], str], argparse.ArgumentParser]


def add_verb(verb: Verb, now_ms: Callable[[], int]) -> None:
    """`verb` adds one to the parser (gateway.hqverbs)."""
    text = "record what a file says of members, consents and credentials: JSON lines, CSV or Parquet, by its name"
    made = verb("import-members", partial(_import, now_ms), text)
    made.add_argument("file", type=Path)
    made.add_argument("--skip-refused", action="store_true", help="record the other lines where some are wrong")
    made.add_argument("--time-zone", default="UTC", help="of times in a table that name none, such as Europe/Berlin")


def _import(now_ms: Callable[[], int], arguments: argparse.Namespace) -> int:
    """0 = all of it is recorded; 1 = lines were left out."""
    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress:
        bars = {phase: progress.add_task(phase, total=None) for phase in ("checked", "recorded")}

        def told(phase: Phase, done: int, whole: int) -> None:
            progress.update(bars[phase], completed=done, total=whole)

        skip, zone = arguments.skip_refused, arguments.time_zone
        found = importing.run(arguments.db, arguments.file, told, skip=skip, zone=zone, now_ms=now_ms())
    for fault in found.faults:
        say(fault)
    if found.refused:
        say("1 line was left out" if found.refused == 1 else f"{found.refused} lines were left out")
    print_recorded(found.news, found.version)
    tell_doubts(found.doubts)
    return 1 if found.refused else 0


def print_recorded(news: int, version: int) -> None:
    known = "" if news else " (what the file says is known already, or concerns members who were erased)"
    changes = "1 change" if news == 1 else f"{news} changes"
    out.print(f"{changes} recorded; version {version}{known}", highlight=False)


def tell_doubts(doubts: Sequence[str]) -> None:
    for doubt in doubts:
        say(f"perhaps not meant: {doubt}")
