"""The verb `hq serve`: the reference headquarters until it is told to stop."""

import argparse
import asyncio
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

from gateway import lines
from gateway.errors import ConfigError
from gateway.terminal import say, whole
from sync.hq import duties, service, signer
from sync.hq.storage import Url
from sync.link import Address

Verb = Callable[[str, Callable[[argparse.Namespace], int], str], argparse.ArgumentParser]


def add_verb(verb: Verb, now_ms: Callable[[], int]) -> None:
    """`verb` adds one to the parser (gateway.hqverbs)."""
    serve = verb("serve", partial(_serve, now_ms), "serve gateways and the web console")
    serve.add_argument("--host", default="127.0.0.1", help="where the console listens")
    serve.add_argument("--port", type=int, default=8090, help="where the console listens")
    serve.add_argument("--mqtt-host", default="127.0.0.1", help="the broker")
    serve.add_argument("--mqtt-port", type=int, default=1883, help="the broker")
    serve.add_argument("--mqtt-username", help="for the broker")
    serve.add_argument("--mqtt-password-file", type=Path, help="a file that holds the broker's password alone")
    for name, text in (("ca", "who vouches for the broker"), ("cert", "headquarters' own"), ("key", "its key")):
        serve.add_argument(f"--mqtt-{name}-file", type=Path, help=f"TLS to the broker: {text} (PEM)")
    text = "keep to 50 publishes and 256 KB a second, for a broker that is rented (docs/brokers.md)"
    serve.add_argument("--paced", action="store_true", help=text)
    serve.add_argument("--keep-days", type=whole(1, 3_650), help="events go after so many days; else with their member")
    shared = serve.add_mutually_exclusive_group()
    text = "other processes on this PostgreSQL database take events too, by the broker's shared subscriptions (MQTT 5)"
    shared.add_argument("--share", action="store_const", const=duties.Share(), help=text)
    text = "the same for any broker: this process takes the events of the K-th of N parts of the stores"
    shared.add_argument("--part", dest="share", type=duties.part, metavar="K/N", help=text)
    serve.add_argument("--signing-keys", type=Path, help="sign what is sent, with the file of make-signing-keys")


def _serve(now_ms: Callable[[], int], arguments: argparse.Namespace) -> int:
    password = lines.password(arguments.mqtt_password_file)
    files = arguments.mqtt_ca_file, arguments.mqtt_cert_file, arguments.mqtt_key_file
    address = Address(
        arguments.mqtt_host, arguments.mqtt_port, "auto", arguments.mqtt_username, password, *files, arguments.paced
    )
    if arguments.share is not None and not isinstance(arguments.db, Url):
        raise ConfigError(
            f"{arguments.db}: one process serves a file of SQLite; --share and --part need postgresql://.."
        )
    signs = None if arguments.signing_keys is None else signer.read(arguments.signing_keys)

    async def serve() -> None:
        where = arguments.host, arguments.port
        task = asyncio.ensure_future(
            service.run(arguments.db, address, *where, now_ms, say, arguments.keep_days, signs, arguments.share)
        )
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, task.cancel)
        try:
            await task
        except asyncio.CancelledError:
            return

    asyncio.run(serve())
    return 0
