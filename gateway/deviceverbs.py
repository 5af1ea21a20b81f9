"""The verbs of `store-gateway device`: what an operator on the box does with screens, tablets, tills and programs."""

import argparse
import asyncio
from pathlib import Path
from typing import Any

from gateway import config, hatch
from gateway.app import Gateway
from gateway.clock import ShopClock
from gateway.config import Config
from gateway.core.devices import ROLES
from gateway.dbfile import DATABASE
from gateway.errors import ConfigError, StoreError, UnavailableError
from gateway.terminal import Defaults, out, rows, say

NOT = {
    "wrong": "no device shows this code now; it stands on the device's page and counts for ten minutes",
    "wait": "too many wrong codes; wait ten minutes",
    "refused": "a device cannot become that: see [[screen]] and `till` in the configuration, and which kind asks",
    "full": "too many devices are known; revoke one that is not used any more",
    "gone": "no active device has this id; see store-gateway device list",
    "many": "several ids begin like that; give more of it",
    "wrong_form": "expected --as screen:ID, tablet or till:ID",
}


def add_verbs(parser: argparse.ArgumentParser, default_config: Path) -> None:
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    def verb(name: str, text: str) -> argparse.ArgumentParser:
        sub = verbs.add_parser(name, help=text, description=text, formatter_class=Defaults)
        sub.set_defaults(verb=_run, act=name)
        sub.add_argument("--config", type=Path, default=default_config, help="the configuration file")
        return sub

    verb("list", "devices that are or were paired, one JSON object a line")
    made = verb("approve", "pair the device that shows this code")
    made.add_argument("code", help="six letters and digits, as they stand on the device's page")
    made.add_argument("--as", dest="what", required=True, help="screen:ID, tablet or till:ID")
    made.add_argument("--role", choices=ROLES["tablet"], help="of a tablet; staff without")
    made.add_argument("--name", default="", help="how it is called in the list")
    made.add_argument("--language", action="append", help="two letters, may be repeated; the first one counts most")
    made.add_argument("--orientation", choices=["landscape", "portrait"], default="landscape", help="of a screen")
    made = verb("token", "print a token by which a program of yours is a till or a screen; it is told once")
    made.add_argument("--as", dest="what", required=True, help="till:ID or screen:ID")
    made.add_argument("--name", default="", help="how the program is called in the list")
    verb("revoke", "let a device in no more, from now on").add_argument("id", help="its id, or how that begins")


def _run(arguments: argparse.Namespace) -> int:
    loaded = config.load(arguments.config)
    answer = do(loaded, asked(arguments))
    result = answer["result"]
    if result == "disk":
        raise StoreError("the disk refuses: nothing is stored")
    if result != "ok":
        say(NOT[result] + (_choice(loaded, arguments.act) if result == "refused" else ""), "yellow")
        return 1
    match arguments.act:
        case "list":
            rows(answer["devices"], "no device is paired yet")
            if answer["waiting"]:
                say(f"{answer['waiting']} show a code and wait")
        case "approve":
            out.print(f"paired as {arguments.what}; its page changes by itself", highlight=False)
        case "revoke":
            out.print("revoked; it is let in no more, from now on", highlight=False)
        case "token":
            out.print(f"{answer['id']}.{answer['key']}", highlight=False, soft_wrap=True)
            say(f"{arguments.what}: send it with each request as Authorization: Bearer TOKEN; it is told only now")
            say(f"it ends with: store-gateway device revoke {answer['id'][:8]}")
    return 0


def _choice(loaded: Config, act: str) -> str:
    """What a screen or till may be given here."""
    places = {
        "screen": [one.id for one in loaded.screen],
        "till": sorted({one.till for one in loaded.receiver if one.till is not None}),
    }
    named = [f"{kind}:{place}" for kind in places for place in places[kind]]
    people = [] if act == "token" else ["tablet"]
    return f"; here --as may be {', '.join(named + people) or 'nothing'}"


def asked(arguments: argparse.Namespace) -> dict[str, Any]:
    """What these arguments ask of the service."""
    found: dict[str, Any] = {"verb": f"device.{arguments.act}"}
    if arguments.act == "revoke":
        return found | {"device_id": arguments.id}
    if arguments.act == "list":
        return found
    kind, _, place = arguments.what.partition(":")
    roles: tuple[str, ...] = dict(ROLES).get(kind, ("",))
    found |= {"kind": kind, "place": place, "name": arguments.name}
    if arguments.act == "token":
        return found | {"role": roles[0]}
    return found | {
        "code": arguments.code,
        "role": arguments.role or roles[0],
        "languages": arguments.language or [],
        "orientation": arguments.orientation,
    }


def do(loaded: Config, asked: dict[str, Any]) -> dict[str, Any]:
    """The answer of the running service; without one, devices are listed, revoked and given tokens on its file."""
    data_dir = loaded.gateway.data_dir
    if not (data_dir / DATABASE).exists():
        raise ConfigError(f"{data_dir / DATABASE}: no such file; expected the gateway's database")
    answer = hatch.ask(data_dir, asked)
    if answer is not None:
        return answer
    if asked["verb"] == "device.approve":
        raise UnavailableError(f"no service runs on {data_dir}; a device shows its code only while one does")
    return asyncio.run(_alone(loaded, asked))


async def _alone(loaded: Config, asked: dict[str, Any]) -> dict[str, Any]:
    """On the file; what headquarters is told waits there for the service."""
    gateway = Gateway(loaded, ShopClock(), asyncio.Event())
    try:
        await gateway.devices.start()
        return await gateway.answer(asked)
    finally:
        await gateway.close()
