"""The verbs of `store-gateway hq` about what boxes run with beside their own files (docs/settings.md)."""

import argparse
from collections.abc import Callable
from pathlib import Path

from gateway.core.trial import MAX_WINDOW_MS, WINDOW_MS
from gateway.terminal import out, rows, say, whole
from sync.hq import steering

SECOND_MS = 1_000
Verb = Callable[[str, Callable[[argparse.Namespace], int], str], argparse.ArgumentParser]


def add_verbs(verb: Verb) -> None:
    """`verb` adds one to the parser (gateway.hqverbs)."""
    push = verb(
        "push-settings", _push, "have gateways try settings beside their own files, and take them back if they fail"
    )
    push.add_argument("file", type=Path, help="a JSON document")
    push.add_argument("--gateway", required=True, help="tenant/store/id, or all")
    window = whole(3, MAX_WINDOW_MS // SECOND_MS)
    push.add_argument(
        "--window", type=window, default=WINDOW_MS // SECOND_MS, metavar="SECONDS", help="how long a trial is"
    )
    config = verb("push-config", _push_config, "record a shop configuration (JSON)")
    config.add_argument("file", type=Path)
    config.add_argument("--gateway", default="all", help="tenant/store/id, or all, in place of those of single ones")
    config.add_argument("--without-notice", action="store_true", help="nobody is to be recognised from then on")
    verb("settings", _listed, "what each gateway is to run with, what it runs with, and why they differ")


def _push(arguments: argparse.Namespace) -> int:
    window_ms = arguments.window * SECOND_MS
    settings_id, version = steering.push(arguments.db, arguments.file, arguments.gateway, window_ms)
    out.print(f"{settings_id}; version {version}", highlight=False)
    say("Each gateway tries it and tells what became of it: hq settings.")
    return 0


def _push_config(arguments: argparse.Namespace) -> int:
    version = steering.push_config(
        arguments.db, arguments.file, arguments.gateway, without_notice=arguments.without_notice
    )
    out.print(f"recorded; version {version}", highlight=False)
    return 0


def _listed(arguments: argparse.Namespace) -> int:
    """0 = every gateway runs with what it was sent; 1 = not so."""
    found = steering.listed(arguments.db)
    rows(found, "no gateway has connected yet")
    return 0 if all(row["agrees"] for row in found) else 1
