"""The verb `store-gateway run`: loads a configuration, checks it and runs the gateway. Loads nothing of other verbs."""

import argparse
import asyncio
import faulthandler
import os
import sys
from pathlib import Path

from gateway import app, config, doors, ownership, preflight
from gateway.bundle import Found

DEFAULT_CONFIG = Path("/etc/store-gateway/gateway.toml")


def add_verb(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    text = "run the service"
    run = verbs.add_parser("run", help=text, description=text, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    run.set_defaults(verb=_run)
    run.add_argument("--config", type=Path, default=DEFAULT_CONFIG, help="the configuration file")


def load(path: Path) -> config.Config:
    """The configuration, with everything checked that needs no hardware. Raises ConfigError."""
    loaded = config.load(path)
    preflight.check(loaded, path)
    return loaded


def _run(arguments: argparse.Namespace) -> int:
    faulthandler.enable(2)  # where a part stood still when systemd's watchdog ended the service; it quotes no values
    tables = ownership.nobodys(arguments.config)
    if tables is not None and arguments.config.exists():  # a file that is not there is a slip of the pen
        from gateway import firstboot  # once in the life of a box

        waits = firstboot.run(
            arguments.config, tables, app.VERSION, lambda url: _say(f"waits to be provisioned: {url}")
        )
        if asyncio.run(waits):
            _begin_anew()
        return 0
    loaded = load(arguments.config)

    def ready(opened: doors.Opened) -> None:
        _say(f"serving {opened.base_url}/")

    def examine() -> Found:
        from gateway import doctor  # asked for now and then, by headquarters or an operator

        return doctor.brief(arguments.config)

    asked: list[bool] = []
    asyncio.run(app.run(loaded, ready=ready, examine=examine, begin_anew=lambda: asked.append(True)))
    if asked:
        _begin_anew()
    return 0


def _begin_anew() -> None:
    """The same process begins anew, whoever started it; with other code where that was changed."""
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
