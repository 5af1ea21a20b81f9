"""The verb of `store-gateway hq` about colleagues (docs/staff.md)."""

import argparse
import secrets
from collections.abc import Callable
from pathlib import Path

from gateway.terminal import out
from sync.hq import stafffile

Verb = Callable[[str, Callable[[argparse.Namespace], int], str], argparse.ArgumentParser]


def add_verbs(verb: Verb) -> None:
    """`verb` adds one to the parser (gateway.hqverbs)."""
    staff = verb("put-staff", _put, "make the colleagues, and so every tablet's lock, what a TOML or JSON file says")
    staff.add_argument("file", type=Path, help="with PINs in clear, so readable for its operator alone")
    staff.add_argument("--empty", action="store_true", help="also a file without colleagues: no tablet has a lock then")


def _put(arguments: argparse.Namespace) -> int:
    count, version, news = stafffile.put(arguments.db, arguments.file, secrets.token_bytes, empty=arguments.empty)
    people = "1 colleague" if count == 1 else f"{count} colleagues"
    known = "" if news else " (they were so before)"
    out.print(f"{people} recorded{known}; version {version}", highlight=False)
    return 0
