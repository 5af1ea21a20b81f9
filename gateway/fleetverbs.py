"""The verb `store-gateway hq simulate`: many stores in one process on a real broker; where each of their events is."""

import argparse
import asyncio
import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

from gateway import lines, simevents
from gateway.clock import ShopClock
from gateway.errors import ConfigError, PeerError
from gateway.terminal import out, say, whole
from sync import topics
from sync.fleet import Day, Fleet, Plan, Progress
from sync.hq.file import is_made
from sync.hq.intake import MAX_GATEWAYS
from sync.hq.ledger import Ledger
from sync.link import Address

Verb = Callable[[str, Callable[[argparse.Namespace], int], str], argparse.ArgumentParser]

EVENTS_A_DAY = 20_000  # of a busy shop, in the hours in which it is open
OPEN_S = len(simevents.OPEN_HOURS) * 3_600
SHOWN = 10  # versions and erasures
MAX_RATE = 50.0  # events a second and store: more than the contract lets through one by one


def add_verbs(verb: Verb) -> None:
    """`verb` adds one to the parser (gateway.hqverbs)."""
    text = "simulate many stores on a broker, for a headquarters of its own: docs/scale.md"
    sim = verb("simulate", _simulate, text)
    sim.add_argument("--stores", type=whole(1, MAX_GATEWAYS), default=100, help="how many")
    sim.add_argument("--minutes", type=_number(0.01, 24 * 60), default=5.0, help="how long their day takes")
    sim.add_argument(
        "--rate",
        type=_number(0.001, MAX_RATE),
        default=round(EVENTS_A_DAY / OPEN_S, 3),
        help="events a second and store, on average over the day",
    )
    sim.add_argument(
        "--churn", type=_number(0.0, 60.0), default=0.0, help="the share of stores that lose their line each minute"
    )
    sim.add_argument("--tenant", default="simulated", help="of all these stores")
    sim.add_argument("--seed", type=whole(0, 2**53), default=1, help="what happens in the shops")
    sim.add_argument("--mqtt-host", default="127.0.0.1", help="the broker")
    sim.add_argument("--mqtt-port", type=whole(1, 65_535), default=1883, help="the broker")
    sim.add_argument("--mqtt-username", help="for the broker, one account for all stores")
    sim.add_argument("--mqtt-password-file", type=Path, help="a file that holds the broker's password alone")
    sim.add_argument("--json", action="store_true", help="the outcome as one JSON object")


def _simulate(arguments: argparse.Namespace) -> int:
    """0 = every event is acknowledged and, where headquarters' file is here, held once; 1 = not so."""
    try:
        topics.place(f"{arguments.tenant}/any/any")
    except PeerError:
        raise ConfigError("--tenant: expected 1 to 24 of a-z 0-9 -, the first no sign") from None
    password = lines.password(arguments.mqtt_password_file)
    address = Address(arguments.mqtt_host, arguments.mqtt_port, "auto", arguments.mqtt_username, password)
    plan = Plan(arguments.stores, arguments.tenant, arguments.minutes * 60, arguments.churn, arguments.seed)
    fleet = asyncio.run(_run(plan, address, arguments.rate))
    held = None
    if is_made(arguments.db):
        with closing(Ledger(arguments.db)) as ledger:
            held = _held(fleet, ledger)
    told = _outcome(fleet, held)
    if arguments.json:
        out.print(json.dumps(told), markup=False, highlight=False, soft_wrap=True)
    else:
        for name, value in told.items():
            shown = json.dumps(value) if isinstance(value, list) else value
            out.print(f"{name:<20} {shown}", markup=False, highlight=False, soft_wrap=True)
        if held is None:
            say(f"{arguments.db}: no headquarters there, so nobody looked what it holds (--db)")
    complete = fleet.tally.acknowledged == fleet.tally.committed
    return 0 if complete and held in (None, fleet.tally.committed) else 1


async def _run(plan: Plan, address: Address, rate: float) -> Fleet:
    def day(number: int) -> Day:
        return simevents.day(Random(f"day {plan.seed} {number}"), rate, plan.seconds)

    fleet = Fleet(plan, address, day, ShopClock(), _tell)
    await fleet.run()
    return fleet


def _tell(now: Progress) -> None:
    waiting = now.committed - now.acknowledged
    say(f"{now.phase}, {now.at_s:.0f} s: {now.connected} stores connected, {now.committed} events, {waiting} waiting")


def _held(fleet: Fleet, ledger: Ledger) -> int:
    """How many of the fleet's events headquarters has; a store whose numbers are not exactly its own counts as none."""
    found = ledger.held(fleet.plan.tenant)
    total = 0
    for store in fleet.stores:
        events, first, last = found.get(store.memory.epoch, (0, 0, 0))
        if last <= store.memory.committed and first <= 1:
            total += events
    return total


def _outcome(fleet: Fleet, held: int | None) -> dict[str, Any]:
    tally, wire, counts = fleet.tally, fleet.wire, fleet.health.counts
    return {
        "stores": fleet.plan.stores,
        "connected_s": round(fleet.connected_s, 1),
        "committed": tally.committed,
        "acknowledged": tally.acknowledged,
        "held": held,
        "held_back": tally.held_back,
        "lag_p50_ms": tally.lag.at(0.5),
        "lag_p99_ms": tally.lag.at(0.99),
        "lag_most_ms": tally.lag.at(1.0),
        "messages_up": wire.up,
        "bytes_up": wire.up_bytes,
        "messages_down": wire.down,
        "bytes_down": wire.down_bytes,
        "connections": counts.get("hq.connections", 0),
        "lost": counts.get("hq.losses", 0),
        "sent_again": counts.get("hq.stalls", 0),
        "dropped": sum(count for name, count in counts.items() if name.startswith("hq.dropped.")),
        "reached": [
            {what: number, "stores": one.stores, "seconds": (one.last_ms - one.first_ms) / 1000}
            for (what, number), one in list(tally.reached.items())[-SHOWN:]
        ],
    }


def _number(least: float, most: float) -> Callable[[str], float]:
    def number(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"a number from {least:g} to {most:g}")
        return value

    return number
