"""The verbs of `store-gateway hq` about roll-outs over rings of stores (docs/hq.md)."""

import argparse
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

from gateway.core.trial import MAX_WINDOW_MS, WINDOW_MS
from gateway.terminal import out, rows, say, whole
from sync.hq import rings, staging

SECOND_MS, MINUTE_MS = 1_000, 60_000
MAX_MINUTES = 30 * 24 * 60
Verb = Callable[[str, Callable[[argparse.Namespace], int], str], argparse.ArgumentParser]


def add_verbs(verb: Verb, now_ms: Callable[[], int]) -> None:
    """`verb` adds one to the parser (gateway.hqverbs)."""
    text = "bring settings or a configuration to one ring of stores after another, and stop by itself if they fail"
    begin = verb("roll-out", partial(_begin, now_ms), text)
    begin.add_argument("what", choices=["settings", "config"])
    begin.add_argument("file", type=Path, help="as push-settings and push-config take it")
    which = begin.add_mutually_exclusive_group()
    which.add_argument("--ring", action="append", metavar="N:WHO", help=_WHO)
    which.add_argument("--rings", type=Path, metavar="FILE", help='a TOML file: rings = ["store-7", "5%%", "all"]')
    begin.add_argument("--soak", type=whole(0, MAX_MINUTES), default=60, metavar="MINUTES", help=_SOAK)
    begin.add_argument("--max-failures", type=failures, default="0", metavar="N", help=_FAILURES)
    begin.add_argument("--share", type=whole(1, 100), default=90, metavar="PERCENT", help=_SHARE)
    begin.add_argument("--wait", type=whole(0, MAX_MINUTES), default=1_440, metavar="MINUTES", help=_WAIT)
    window = whole(3, MAX_WINDOW_MS // SECOND_MS)
    begin.add_argument("--window", type=window, default=WINDOW_MS // SECOND_MS, metavar="SECONDS", help=_WINDOW)
    begin.add_argument("--without-notice", action="store_true", help="a configuration: nobody is to be recognised")
    listed = verb("rollouts", _listed, "roll-outs, the newest first: how far each is, and why it stopped")
    listed.add_argument("id", nargs="?", type=whole(1, 2**31), help="of this one every gateway that was told")
    listed.add_argument("--limit", type=whole(1, 1_000), default=20)
    acts = verb("rollout", partial(_act, now_ms), "pause, resume, stop or undo a roll-out")
    acts.add_argument("act", choices=[*staging.ACTS])
    acts.add_argument("id", type=whole(1, 2**31))


_WHO = f"1:store-7 --ring 2:5%% --ring 3:all; without any {', '.join(rings.USUAL).replace('%', '%%')}"
_SOAK = "how long a ring is watched before the next"
_FAILURES = "how many gateways may take it back, fall silent or sick, in all, or N%% of those who were told"
_SHARE = "how many of a ring have to confirm"
_WAIT = "how long gateways that are away are waited for"
_WINDOW = "settings: how long a trial is; a configuration says it itself (trial_ms)"


def failures(text: str) -> str:
    """How many may fail: "3", or "2%"."""
    if not re.fullmatch(r"\d{1,5}|[1-9]?\d%", text, re.ASCII):
        raise argparse.ArgumentTypeError("a number, or a share such as 2%")
    return text


def _begin(now_ms: Callable[[], int], arguments: argparse.Namespace) -> int:
    chosen = rings.named(arguments.ring) if arguments.ring else rings.USUAL
    if arguments.rings is not None:
        chosen = rings.in_file(arguments.rings)
    given = staging.Order(
        chosen, arguments.soak * MINUTE_MS, arguments.max_failures, arguments.share, arguments.wait * MINUTE_MS
    )
    window_ms = arguments.window * SECOND_MS
    number, sizes = staging.order(
        *(arguments.db, arguments.what, arguments.file, given, window_ms, now_ms()),
        without_notice=arguments.without_notice,
    )
    out.print(f"roll-out {number}", highlight=False)
    rows(sizes, "")
    say("Headquarters begins with ring 1 while hq serve runs: hq rollouts.")
    return 0


def _listed(arguments: argparse.Namespace) -> int:
    """0 = none waits for somebody's word; 1 = the newest of its kind stopped by itself."""
    if arguments.id is not None:
        rows(staging.told(arguments.db, arguments.id), "nobody was told of it")
        return 0
    found = staging.listed(arguments.db, arguments.limit)
    rows(found, "nothing was rolled out yet")
    newest = {row["what"]: row for row in reversed(found)}.values()
    return 1 if any(row["state"] == "stopped" and row["reason"] != "operator" for row in newest) else 0


def _act(now_ms: Callable[[], int], arguments: argparse.Namespace) -> int:
    before = staging.act(arguments.db, arguments.id, arguments.act, now_ms())
    out.print(f"roll-out {arguments.id} was {before}; {_DONE[arguments.act]}", highlight=False)
    return 0


_DONE = {
    "pause": "paused: no further ring is told",
    "resume": "goes on",
    "stop": "stopped: rings that were not told keep what they have",
    "undo": "those who were told get back what they had",
}
