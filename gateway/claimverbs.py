"""The verbs of `store-gateway hq` about gateways that are ahead of headquarters, as after a backup was put back
(docs/hq.md)."""

import argparse
from collections.abc import Callable
from contextlib import closing

from gateway.errors import ConfigError
from gateway.terminal import out, say
from sync.hq.ledger import Ledger
from sync.hq.restored import DETAIL, STEP

Verb = Callable[[str, Callable[[argparse.Namespace], int], str], argparse.ArgumentParser]

_LINES = {"version": "versions", "erasure": "erasures", "boot": "connections"}


def add_verbs(verb: Verb) -> None:
    """`verb` adds them to the parser (gateway.hqverbs)."""
    parser = verb("ahead", _ahead, "gateways that claim to know more than headquarters, and whether to believe them")
    parser.add_argument("gateway", nargs="?", help="tenant/store/id: the one to decide about")
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--follow", action="store_true", help="headquarters was restored: go on above what it knows")
    way.add_argument("--strike", action="store_true", help="it is not true; it may claim it again")
    restored = verb(
        "restored", _restored, "whether new shops wait because a backup was put back, and to let them go on"
    )
    said = restored.add_mutually_exclusive_group()
    said.add_argument("--hold", action="store_true", help="a backup was put back: new shops get nothing for now")
    said.add_argument("--done", action="store_true", help="erasures and withdrawals since were repeated: go on")


def _ahead(arguments: argparse.Namespace) -> int:
    """0 = nobody claims anything, or it is settled; 1 = somebody does."""
    with closing(Ledger(arguments.db)) as ledger:
        if arguments.gateway is None:
            return _list(ledger)
        if not arguments.follow and not arguments.strike:
            raise ConfigError("expected --follow or --strike beside the gateway")
        beyond = ledger.settle_claims(arguments.gateway, follow=arguments.follow)
    if beyond is None:
        raise ConfigError(f"{arguments.gateway}: claims nothing; see hq ahead")
    if beyond:
        raise ConfigError(f"{arguments.gateway}: claims number {beyond[0]['number']}, which no headquarters has given")
    out.print("followed" if arguments.follow else "struck", highlight=False)
    return 0


def _list(ledger: Ledger) -> int:
    claims = ledger.claims()
    for name, listed in claims.items():
        for one in listed:
            out.print(f"{name} claims {_LINES[one['line']]} up to {one['number']}", markup=False, highlight=False)
    if claims:
        say("Was this headquarters restored from a backup? Then: store-gateway hq ahead GATEWAY --follow")
        say("If not, the gateway's account is in other hands: give it a new one, then --strike.")
    return 1 if claims else 0


def _restored(arguments: argparse.Namespace) -> int:
    """0 = nobody waits; 1 = shops that connect for the first time do."""
    with closing(Ledger(arguments.db)) as ledger:
        if arguments.hold or arguments.done:
            ledger.settle_restored(restored=arguments.hold)
        waits = ledger.is_restored()
    out.print("new shops get nothing" if waits else "new shops are served", highlight=False)
    if waits:
        say(f"This headquarters is {DETAIL}.", "yellow")
        say(STEP)
    return int(waits and not arguments.hold)
