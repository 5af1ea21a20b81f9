"""The verbs of `store-gateway member`, and `why`: what an operator does for a member, by the running service or on its
file."""

import argparse
import asyncio
import json
import os
from pathlib import Path
from typing import Any

from rich.markup import escape

from gateway import config, hatch
from gateway.app import Gateway
from gateway.clock import ShopClock
from gateway.config import Config
from gateway.core.model import Purpose
from gateway.dbfile import DATABASE
from gateway.errors import ConfigError, StoreError, UnavailableError
from gateway.readable import readable
from gateway.terminal import Defaults, out, say

# A page of its own, to be printed: nothing is loaded from anywhere.
_STYLE = """@page { size: A4; margin: 16mm } body { font: 11pt/1.4 sans-serif; max-width: 45rem; margin: auto }
h2 { font-size: 1.1em; margin: 1.2em 0 .3em } .about { color: #444; font-size: .9em } p, ul { margin: .3em 0 }
dl { display: grid; grid-template-columns: 11rem 1fr; gap: .1rem 1rem; margin: .3em 0 }
dd { margin: 0; overflow-wrap: anywhere } ul { padding-left: 1.2em } li { margin: .2em 0 }"""
_PAGE = (
    '<!doctype html><html lang="{language}"><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
    "<title>{member}</title><style>{style}</style>{body}</html>\n"
)


def add_verbs(parser: argparse.ArgumentParser, default_config: Path) -> None:
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    def verb(name: str, text: str) -> argparse.ArgumentParser:
        sub = verbs.add_parser(name, help=text, description=text, formatter_class=Defaults)
        sub.set_defaults(verb=_run, act=name)
        sub.add_argument("member", help="the pseudonym")
        sub.add_argument("--config", type=Path, default=default_config, help="the configuration file")
        return sub

    verb("show", "what a tablet's card may have, and what is in force")
    made = verb("export", "everything that is stored about a member, as JSON or as a page")
    made.add_argument("--out", type=Path, help="a new file that only its owner can read; standard output without")
    made.add_argument("--page", choices=["de", "en"], help="a page to print in this language instead of JSON")
    withdraw = verb("withdraw", "withdraw a member's consents, here at once and everywhere by headquarters")
    withdraw.add_argument(
        "--purpose", action="append", choices=[p.value for p in Purpose], help="may be repeated; all of them without"
    )
    verb("erase", "forget a member, here at once and everywhere by headquarters")


def add_why(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", default_config: Path) -> None:
    text = "why a decision was what it was, offer by offer, in plain sentences; noted in the audit"
    told = verbs.add_parser("why", help=text, description=text, formatter_class=Defaults)
    told.set_defaults(verb=_why)
    told.add_argument("decision", help="its id, as headquarters and exports have it")
    told.add_argument("--config", type=Path, default=default_config, help="the configuration file")
    told.add_argument("--language", choices=["de", "en"], default="en", help="of the sentences")


def _why(arguments: argparse.Namespace) -> int:
    for line in why(config.load(arguments.config), arguments.decision, arguments.language):
        out.print(line, markup=False, highlight=False, soft_wrap=True)
    return 0


def _run(arguments: argparse.Namespace) -> int:
    loaded = config.load(arguments.config)
    asked = {"verb": arguments.act, "member_id": arguments.member, "purposes": vars(arguments).get("purpose") or []}
    answer = do(loaded, asked)
    match answer["result"]:
        case "gone":
            say("Nothing is stored here about this pseudonym.", "yellow")
            return 1
        case "disk":
            raise StoreError("the disk refuses: nothing is stored")
        case "ok":
            _tell(arguments, answer)
            return 0
    raise ConfigError("expected a pseudonym of 1 to 128 characters")


def counts(loaded: Config) -> dict[str, int]:
    """The running service's counters as they are. Raises UnavailableError without one."""
    answer = hatch.ask(loaded.gateway.data_dir, {"verb": "counts"})
    if answer is None:
        raise UnavailableError(f"no service runs on {loaded.gateway.data_dir}; start it, then ask again")
    return dict(answer["counts"])


def why(loaded: Config, decision_id: str, language: str) -> list[str]:
    """Why a decision was what it was, in sentences. Raises ConfigError for one that is not kept here."""
    answer = do(loaded, {"verb": "why", "decision_id": decision_id})
    match answer["result"]:
        case "ok":
            return list(answer["why"][language])
        case "disk":
            raise StoreError("the disk refuses: who looks must be noted, so nothing is told")
    raise ConfigError("expected the id of a decision that is kept here (90 days, unless headquarters says otherwise)")


def do(loaded: Config, asked: dict[str, Any]) -> dict[str, Any]:
    """The answer of the running service, or what it would have done, done on its file."""
    data_dir = loaded.gateway.data_dir
    if not (data_dir / DATABASE).exists():
        raise ConfigError(f"{data_dir / DATABASE}: no such file; expected the gateway's database")
    answer = hatch.ask(data_dir, asked)
    return answer if answer is not None else asyncio.run(_alone(loaded, asked))


async def _alone(loaded: Config, asked: dict[str, Any]) -> dict[str, Any]:
    """The whole path without its devices, pages and line; events wait on the disk for the service."""
    gateway = Gateway(loaded, ShopClock(), asyncio.Event())
    try:
        return await gateway.desk.answer(asked)
    finally:
        await gateway.close()


def _tell(arguments: argparse.Namespace, answer: dict[str, Any]) -> None:
    if arguments.act == "show":
        for name, value in answer["member"].items():
            text = json.dumps(value, ensure_ascii=False) if isinstance(value, list) else str(value)
            out.print(f"{name:15} {escape(text)}", highlight=False, soft_wrap=True)
        if not answer["member"]["consents"]:
            say("No consent is in force, so nothing of the profile is shown. The reason for each purpose stands in:")
            say(f"store-gateway member export {arguments.member} --page en")
    elif arguments.act == "export":
        _write(arguments, answer["export"])
    else:
        done = {"withdraw": "withdrawn", "erase": "erased"}[arguments.act]
        out.print(f"{done} in this shop; headquarters is told as soon as the line is up", highlight=False)


def _write(arguments: argparse.Namespace, data: dict[str, Any]) -> None:
    text = json.dumps(data, ensure_ascii=False, indent=2) + "\n"
    if arguments.page is not None:
        body = readable(data, arguments.page)
        text = _PAGE.format(language=arguments.page, member="store-gateway", style=_STYLE, body=body)
    if arguments.out is None:
        out.print(text, markup=False, highlight=False, soft_wrap=True, end="")
        return
    try:
        new = os.open(arguments.out, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(new, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise ConfigError(f"{arguments.out}: cannot be written ({error.strerror}); expected a new file") from error
    say(f"{arguments.out}: written, readable for its owner only. Hand it over and delete it.")
