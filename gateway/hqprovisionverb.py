"""The verb `store-gateway hq provision`: the file by which a new box learns whose it is (docs/provisioning.md)."""

import argparse
import re
import secrets
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gateway import config, hqkeys
from gateway.core import provision
from gateway.errors import ConfigError
from gateway.finding import moment
from gateway.ownership import WHO
from gateway.terminal import out, qr_code, say, whole
from sync.hq import provisioning, service

Verb = Callable[[str, Callable[[argparse.Namespace], int], str], argparse.ArgumentParser]
_GATEWAY = re.compile(r"[a-z0-9][a-z0-9-]{0,23}(/[a-z0-9][a-z0-9-]{0,23}){2}")

# A terminal of 110 columns shows a code of 800 bytes (version 21 at level L holds 929: 101 modules and a margin of 2).
MAX_QR_BYTES = 800


def add_verb(verb: Verb, now_ms: Callable[[], int]) -> None:
    """`verb` adds one to the parser (gateway.hqverbs)."""
    made = verb("provision", partial(_provision, now_ms), "write the provisioning file of one new box")
    made.add_argument("gateway", type=_gateway, help="tenant/store/id: who the box is to be")
    made.add_argument("--broker", required=True, metavar="HOST[:PORT]", help="the broker as the shop reaches it")
    made.add_argument("--username", help="the box's account at the broker; the gateway's id without")
    made.add_argument("--password-file", type=Path, help="a file with its password alone")
    made.add_argument("--ca", type=Path, help="the authority that the broker's certificate is trusted by (PEM)")
    made.add_argument("--cert", type=Path, help="the box's client certificate (PEM)")
    made.add_argument("--key", type=Path, help="the certificate's key (PEM, without a password)")
    made.add_argument("--hq-root", help="headquarters' public root key: 64 hex digits, or a file with them")
    made.add_argument("--release-pub", type=Path, help="whose releases the box takes: a release.pub")
    made.add_argument("--layout", type=Path, help="TOML with http, source, receiver, screen, anchor, nfc of the shop")
    made.add_argument("--name", default="", help="the shop's name, for whoever stands before the box")
    made.add_argument("--code", default="", help="what the box shows: no other box opens the file then")
    made.add_argument(
        "--days", type=whole(1, provision.MAX_DAYS), default=provision.DAYS, help="how long the file counts"
    )
    made.add_argument("--again", action="store_true", help="also for a name under which a box reports already")
    made.add_argument("--out", type=Path, default=Path(f"{provision.NAME}.json"), help="the new file, mode 600")


def _gateway(text: str) -> str:
    if not _GATEWAY.fullmatch(text):
        raise argparse.ArgumentTypeError("tenant/store/id, each of 1-24 lower-case letters, digits or dashes")
    return text


def _provision(now_ms: Callable[[], int], arguments: argparse.Namespace) -> int:
    code = provisioning.code(arguments.code)
    known = [f"{row['tenant']}/{row['store']}/{row['gateway']}" for row in service.gateways(arguments.db)[0]]
    if arguments.gateway in known and not arguments.again:
        raise ConfigError(
            f"{arguments.gateway}: a box reports under this name already, and two under one name put each other off "
            "the line. Give the new one an id of its own; where it replaces the old one, say --again."
        )
    paths = {"password": arguments.password_file, "ca": arguments.ca, "cert": arguments.cert, "key": arguments.key}
    texts = provisioning.files(paths)
    mqtt = provisioning.broker(arguments.broker, tls=bool({"ca", "cert"} & texts.keys()))
    if arguments.username or "password" in texts:
        mqtt["username"] = arguments.username or arguments.gateway.rpartition("/")[2]
    layout = _layout(arguments.layout, arguments.gateway)
    made = provisioning.made(
        arguments.gateway,
        mqtt,
        arguments.days,
        now_ms(),
        secrets.token_bytes,
        files=texts,
        hq_root=_root(arguments.hq_root),
        releases=provisioning.releases(arguments.release_pub),
        layout=layout,
        name=arguments.name,
    )
    text = provisioning.write(made, code, arguments.out, secrets.token_bytes)
    if len(text) <= MAX_QR_BYTES:
        out.print(qr_code(text), highlight=False, markup=False, soft_wrap=True)  # folded it is no code
    for line in _advice(made, code, arguments.out, len(text)):
        say(line)
    return 0


def _advice(made: provision.Provision, code: str, path: Path, size: int) -> list[str]:
    shown = "" if size <= MAX_QR_BYTES else f" It has {size} bytes, too many for a QR code."
    lines = [f"{path}: makes one box {made.gateway}, until {moment(made.until_ms)}.{shown}"]
    if code:
        lines.append(f"Only the box that shows {provision.shown_code(code)} opens it.")
    else:
        lines.append("Any new box takes it: treat it as the password that is in it. --code binds it to one box.")
    return [*lines, "Copy it to the top of a USB stick under this name, and delete it here when the box reports."]


def _root(said: str | None) -> str:
    """Raises ConfigError."""
    if said is None:
        return ""
    found = hqkeys.root_of(said if re.fullmatch("[0-9a-f]{64}", said) else str(Path(said).absolute()))
    return found.hex() if found else ""


def _layout(path: Path | None, gateway: str) -> dict[str, Any]:
    """The tables of a shop's own file, checked as the box will. Raises ConfigError."""
    if path is None:
        return {}
    tables = config.text_and_tables(path)[1]
    if surplus := sorted(tables.keys() - {*provision.TABLES}):
        raise ConfigError(f"{path}: expected {', '.join(provision.TABLES)} alone, found {', '.join(surplus)}")
    own = dict(zip(WHO, gateway.split("/"), strict=True)) | {"data_dir": "/var/lib/store-gateway"}
    try:
        config.Config.model_validate({"gateway": own, "mqtt": {"host": "x"}} | tables)
    except ValidationError as error:
        at = ".".join(map(str, config.place_of(error)))
        raise ConfigError(f"{path}: {at}: {error.errors()[0]['msg']}") from None
    return tables
