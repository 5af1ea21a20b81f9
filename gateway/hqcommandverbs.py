"""The verbs of `store-gateway hq` about gateways: how they do, and commands to them (docs/commands.md)."""

import argparse
from collections.abc import Callable
from functools import partial

from gateway.core.command import MAX_BLINK_S, MAX_LIFE_MS, MAX_LOG_MINUTES, SERVICE
from gateway.terminal import out, rows, say, whole
from sync.hq import commanding

MINUTE_MS = 60_000
Verb = Callable[[str, Callable[[argparse.Namespace], int], str], argparse.ArgumentParser]

# What may stand behind each kind: the argument's name, and what it is.
WORDS = {
    "restart": ("part", f"a receiver:ID, hq, content or https as /healthz names them, or {SERVICE}"),
    "rescan": None,
    "log_level": ("level", "debug, info or warning"),
    "bundle": None,
    "blink": ("screen", "a screen's id; all of them without"),
    "update": ("version", "the version to bring the box to"),
}


def add_verbs(verb: Verb, now_ms: Callable[[], int]) -> None:
    """`verb` adds one to the parser (gateway.hqverbs)."""
    text = "have a gateway do something: restart a part, look for its devices, log more, send a bundle, blink, update"
    command = verb("command", partial(_command, now_ms), text)
    command.add_argument("gateway", help="tenant/store/id, or all")
    command.add_argument("kind", choices=WORDS)
    taken = "; ".join(f"{kind}: {words[1]}" for kind, words in WORDS.items() if words is not None)
    command.add_argument("argument", nargs="?", help=taken)
    command.add_argument("--until", type=whole(1, MAX_LIFE_MS // MINUTE_MS), default=60, metavar="MINUTES", help=_UNTIL)
    command.add_argument("--minutes", type=whole(1, MAX_LOG_MINUTES), default=60, help="log_level: how long")
    command.add_argument("--seconds", type=whole(1, MAX_BLINK_S), default=20, help="blink: how long")
    verb(
        "fleet",
        partial(_fleet, now_ms),
        "how every gateway does, who needs somebody most first",
    )
    listed = verb("commands", _commands, "what gateways were told to do and what became of it, the newest first")
    listed.add_argument("--gateway", default="", help="tenant/store/id; all of them without")
    listed.add_argument("--limit", type=whole(1, 10_000), default=50)


_UNTIL = "how long it counts; a gateway that is away longer never does it"


def arguments_of(arguments: argparse.Namespace) -> dict[str, object]:
    """What the command carries."""
    words, given = WORDS[arguments.kind], arguments.argument
    made: dict[str, object] = {} if words is None or given is None else {words[0]: given}
    if words is None and given is not None:
        made["argument"] = given  # there is none of this name, and the form says so
    if arguments.kind == "log_level":
        made["minutes"] = arguments.minutes
    if arguments.kind == "blink":
        made["seconds"] = arguments.seconds
    return made


def _command(now_ms: Callable[[], int], arguments: argparse.Namespace) -> int:
    carried = arguments_of(arguments)
    life_ms = arguments.until * MINUTE_MS
    names, refused = commanding.order(arguments.db, arguments.gateway, arguments.kind, carried, now_ms(), life_ms)
    count = "1 gateway" if len(names) == 1 else f"{len(names)} gateways"
    out.print(f"{arguments.kind} ordered for {count}; it counts for {arguments.until} min", highlight=False)
    if refused:
        say(f"{refused} older ones had to make room: too many were waiting.", "yellow")
    say("store-gateway hq commands shows what became of it.")
    return 0


def _fleet(now_ms: Callable[[], int], arguments: argparse.Namespace) -> int:
    """0 = nothing has to be looked at."""
    found = commanding.fleet(arguments.db, now_ms())
    rows(found, "no gateway has connected yet")
    if commanding.restored(arguments.db):
        say("A backup was put back: new shops get nothing. See store-gateway hq restored", "yellow")
        return 1
    return 1 if any(row["level"] == "bad" for row in found) else 0


def _commands(arguments: argparse.Namespace) -> int:
    rows(commanding.listed(arguments.db, arguments.limit, arguments.gateway), "nothing was commanded yet")
    return 0
