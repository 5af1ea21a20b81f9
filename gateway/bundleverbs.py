"""The verb `store-gateway bundle`: this box's diagnostic bundle into a file, by the running service or without one."""

import argparse
import base64
import importlib.metadata
import os
from pathlib import Path

from gateway import bundle, config, doctor, hatch
from gateway.errors import ConfigError, StoreError
from gateway.operating import BUNDLE
from gateway.terminal import Defaults, say


def add_verb(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", default_config: Path) -> None:
    text = "what a technician needs of this box, as a ZIP file without a person or a secret in it"
    made = verbs.add_parser("bundle", help=text, description=text, formatter_class=Defaults)
    made.set_defaults(verb=_bundle)
    made.add_argument("--out", type=Path, default=Path("bundle.zip"), help="a new file that only its owner can read")
    made.add_argument("--config", type=Path, default=default_config, help="the configuration file")


def _bundle(arguments: argparse.Namespace) -> int:
    loaded = config.load(arguments.config)
    answer = hatch.ask(loaded.gateway.data_dir, {"verb": BUNDLE})
    if answer is None:
        version = importlib.metadata.version("store-gateway")
        data = bundle.without_service(loaded, version, doctor.brief(arguments.config))
        say("No service runs on this folder: the bundle has no parts, counters and log lines.", "yellow")
    elif answer["result"] != "ok":
        raise StoreError("the disk refuses: no bundle")
    else:
        data = base64.b64decode(answer["zip"])
    write(arguments.out, data)
    say(f"{arguments.out}: {len(data):,} bytes")
    return 0


def write(path: Path, data: bytes) -> None:
    """A new file that only its owner can read. Raises ConfigError."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror}); expected a new file") from error
