"""The verbs of `store-gateway hq` about erasures, who has done them, and what shops asked for (docs/mqtt.md)."""

import argparse
from collections.abc import Callable
from functools import partial

from gateway.terminal import out, rows, say, whole
from sync.hq import service

Verb = Callable[[str, Callable[[argparse.Namespace], int], str], argparse.ArgumentParser]


def add_verbs(verb: Verb, now_ms: Callable[[], int]) -> None:
    """`verb` adds one to the parser (gateway.hqverbs)."""
    erase = verb("erase", partial(_erase, now_ms), "order every shop to forget a member, for good")
    erase.add_argument("member")
    erase.add_argument("--even-unknown", action="store_true", help="also somebody whom only shops know")
    listed = verb("erasures", _erasures, "the newest erasures, and which gateways have not confirmed them")
    listed.add_argument("--limit", type=whole(1, 10_000), default=50)
    listed.add_argument("--receipts", type=whole(1, 2**62), metavar="NUMBER", help="what each gateway cleared for one")
    listed.add_argument("--pending", action="store_true", help="what shops asked for and an operator has to decide")
    approve = verb(
        "approve-erasure",
        partial(_settle, now_ms, follow=True),
        "follow a shop's request that waits: every shop forgets the member",
    )
    approve.add_argument("member")
    verb("refuse-erasure", partial(_settle, now_ms, follow=False), "strike a shop's request that waits").add_argument(
        "member"
    )


def _erase(now_ms: Callable[[], int], arguments: argparse.Namespace) -> int:
    order, version = service.erase(arguments.db, arguments.member, now_ms(), even_unknown=arguments.even_unknown)
    done = f"was erased before (order {order})" if version is None else f"erased (order {order}); version {version}"
    out.print(done, highlight=False)
    return 0


def _erasures(arguments: argparse.Namespace) -> int:
    """0 = all gateways have done all of them, and nothing waits; 1 = not so."""
    if arguments.pending:
        pending = service.pending_erasures(arguments.db)
        rows(pending, "nothing waits")
        return 1 if pending else 0
    if arguments.receipts is not None:
        rows(service.receipts(arguments.db, arguments.receipts), "no gateway has confirmed it yet")
        return 0
    ordered, gateways = service.erasures(arguments.db, arguments.limit)
    rows(ordered, "nobody was erased yet")
    late = [row for row in gateways if row["erase_behind"]]
    for row in late:
        name = f"{row['tenant']}/{row['store']}/{row['gateway']}"
        state = "connected" if row["online"] else "away"
        say(f"{name} ({state}) has not confirmed {row['erase_behind']}; it knows nobody until it has heard of them.")
    return 1 if late else 0


def _settle(now_ms: Callable[[], int], arguments: argparse.Namespace, *, follow: bool) -> int:
    service.settle_erasure(arguments.db, arguments.member, now_ms(), follow=follow)
    out.print("erased" if follow else "struck", highlight=False)
    return 0
