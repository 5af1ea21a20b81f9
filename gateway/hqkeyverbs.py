"""The verbs of `store-gateway hq` that make the keys with which headquarters signs (docs/keys.md)."""

import argparse
import secrets
from collections.abc import Callable
from functools import partial
from pathlib import Path

from gateway.finding import moment
from gateway.terminal import grouped, out, say, whole
from sync.hq import signer
from sync.signing import Role

DAYS = 365
Verb = Callable[[str, Callable[[argparse.Namespace], int], str], argparse.ArgumentParser]


def add_verbs(verb: Verb, now_ms: Callable[[], int]) -> None:
    """`verb` adds one to the parser (gateway.hqverbs)."""
    root = verb("make-root-key", _make_root, "make headquarters' root key, which is kept off line; records nothing")
    root.add_argument("--out", type=Path, required=True, help="the new file, mode 600")
    text = "make or rotate the keys with which headquarters signs, certified by the root key; records nothing"
    keys = verb("make-signing-keys", partial(_make_keys, now_ms), text)
    keys.add_argument("--root", type=Path, required=True, help="the root key's file")
    keys.add_argument("--out", type=Path, required=True, help="their file, made or changed, for hq serve; mode 600")
    keys.add_argument("--role", action="append", choices=[*Role], help="may be repeated; all of them without")
    keys.add_argument("--days", type=whole(1, 3_650), default=DAYS, help="how long they count")


def _make_root(arguments: argparse.Namespace) -> int:
    public = signer.make_root(arguments.out, secrets.token_bytes)
    say(f"{arguments.out}: the root key. Keep it off line, and a copy elsewhere; only make-signing-keys needs it.")
    say(f"Its public half:  {grouped(public)}")
    say("Once headquarters signs, this line goes below [mqtt] in the configuration of every shop:")
    out.print(f'hq_root = "{public}"', markup=False, highlight=False, soft_wrap=True)
    return 0


def _make_keys(now_ms: Callable[[], int], arguments: argparse.Namespace) -> int:
    roles = [Role(name) for name in arguments.role] if arguments.role else [*Role]
    made = signer.make_keys(arguments.root, arguments.out, roles, arguments.days, now_ms(), secrets.token_bytes)
    for one in made:
        out.print(f"{one.role}: number {one.number}, until {moment(one.until_ms)}", highlight=False)
    say(f"Start headquarters with it: hq serve --signing-keys {arguments.out}. It ends the keys before in every shop.")
    return 0
