"""The verbs of `store-gateway hq`: the reference headquarters on the command line."""

import argparse
import asyncio
import json
import signal
import time
from collections.abc import Callable
from pathlib import Path

from gateway import app
from gateway.core.model import Purpose
from gateway.terminal import Defaults, out, say, whole
from sync.hq import service
from sync.link import Address


def add_verbs(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    def verb(name: str, function: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        sub = verbs.add_parser(name, help=text, description=text, formatter_class=Defaults)
        sub.set_defaults(verb=function)
        sub.add_argument("--db", type=Path, default=Path("hq.db"), help="headquarters' own database file")
        return sub

    serve = verb("serve", _hq_serve, "serve gateways and the web console")
    serve.add_argument("--host", default="127.0.0.1", help="where the console listens")
    serve.add_argument("--port", type=int, default=8090, help="where the console listens")
    serve.add_argument("--mqtt-host", default="127.0.0.1", help="the broker")
    serve.add_argument("--mqtt-port", type=int, default=1883, help="the broker")
    serve.add_argument("--mqtt-username", help="for the broker")
    serve.add_argument("--mqtt-password-file", type=Path, help="a file that holds the broker's password alone")
    verb("import-members", _hq_import, "record the changes of a JSON-lines file").add_argument("file", type=Path)
    verb("publish-offers", _hq_offers, "record the offers of a JSON-lines file").add_argument("file", type=Path)
    verb("push-config", _hq_config, "record a shop configuration (JSON)").add_argument("file", type=Path)
    withdraw = verb("withdraw", _hq_withdraw, "withdraw a member's consents")
    withdraw.add_argument("member")
    withdraw.add_argument(
        "--purpose", action="append", choices=[p.value for p in Purpose], help="may be repeated; all of them without"
    )
    beacon = verb("provision-beacon", _hq_provision, "make the key of an Eddystone-EID beacon; records nothing")
    beacon.add_argument("public_key", help="the beacon's X25519 public key, 64 hex digits")
    beacon.add_argument("--member", required=True, help="whose beacon it is")
    beacon.add_argument("--credential", help="the credential's id; the member's with -eid without")
    beacon.add_argument("--exponent", type=whole(0, 15), default=10, help="a new id every 2^N seconds")
    beacon.add_argument("--clock", type=whole(0, 2**32 - 1), default=0, help="what the beacon's clock shows now, s")
    verb("erase", _hq_erase, "order every shop to forget a member").add_argument("member")
    events = verb("events", _hq_events, "what the shops reported, one JSON object a line")
    events.add_argument("--after", type=int, default=0)
    events.add_argument("--limit", type=int, default=1000)


def _hq_serve(arguments: argparse.Namespace) -> int:
    password = app.password(arguments.mqtt_password_file)
    address = Address(arguments.mqtt_host, arguments.mqtt_port, "auto", arguments.mqtt_username, password)

    async def serve() -> None:
        task = asyncio.ensure_future(service.run(arguments.db, address, arguments.host, arguments.port, _now_ms, say))
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, task.cancel)
        try:
            await task
        except asyncio.CancelledError:
            return

    asyncio.run(serve())
    return 0


def _hq_import(arguments: argparse.Namespace) -> int:
    _print_recorded(*service.import_file(arguments.db, arguments.file))
    return 0


def _hq_offers(arguments: argparse.Namespace) -> int:
    _print_recorded(*service.publish_offers(arguments.db, arguments.file))
    return 0


def _print_recorded(news: int, version: int) -> None:
    known = "" if news else " (what the file says is known already, or concerns members who were erased)"
    changes = "1 change" if news == 1 else f"{news} changes"
    out.print(f"{changes} recorded; version {version}{known}", highlight=False)


def _hq_config(arguments: argparse.Namespace) -> int:
    out.print(f"recorded; version {service.push_config(arguments.db, arguments.file)}", highlight=False)
    return 0


def _hq_withdraw(arguments: argparse.Namespace) -> int:
    purposes = [Purpose(name) for name in arguments.purpose] if arguments.purpose else None
    version = service.withdraw(arguments.db, arguments.member, purposes, _now_ms())
    out.print(f"withdrawn; version {version}", highlight=False)
    return 0


def _hq_erase(arguments: argparse.Namespace) -> int:
    known, version = service.erase(arguments.db, arguments.member)
    out.print(f"erased; version {version}", highlight=False)
    if not known:
        out.print("This headquarters knew no such member; every shop was told all the same.", highlight=False)
    return 0


def _hq_events(arguments: argparse.Namespace) -> int:
    for event in service.events(arguments.db, arguments.after, arguments.limit):
        out.print(json.dumps(event, ensure_ascii=False), markup=False, highlight=False, soft_wrap=True)
    return 0


def _hq_provision(arguments: argparse.Namespace) -> int:
    key, shown, line = service.provision_beacon(
        arguments.public_key,
        arguments.member,
        arguments.credential or f"{arguments.member}-eid",
        arguments.exponent,
        arguments.clock,
        _now_ms(),
    )
    say(f"Give the beacon's tool the resolver's public key:  {key}")
    say(f"and the rotation exponent:                         {arguments.exponent}")
    say(f"In the window of its clock {arguments.clock} s the beacon then shows:  {shown}")
    say("The line below holds the beacon's secret key. Import it (hq import-members) and delete it.")
    out.print(line, markup=False, highlight=False, soft_wrap=True)
    return 0


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
