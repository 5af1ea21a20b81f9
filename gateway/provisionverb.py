"""The verb `store-gateway provision`: on the box itself, as root. Takes a file of headquarters', or undoes it."""

import argparse
import subprocess
from pathlib import Path

from gateway import config, ownership, provisionfiles, provisioning
from gateway.clock import synchronised, world_ms
from gateway.core.provision import MAX_FILE_BYTES, WHY
from gateway.errors import ConfigError
from gateway.finding import moment
from gateway.provisionfiles import FOLDER, Result
from gateway.provisioning import Box
from gateway.terminal import Defaults, out, say

UNIT = "store-gateway.service"
_SYSTEMD = Path("/run/systemd/system")
_WITHIN_S = 120.0


def add_verb(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", default: Path) -> None:
    text = "make this box somebody's, with the file that headquarters wrote (hq provision); as root"
    made = verbs.add_parser("provision", help=text, description=text, formatter_class=Defaults)
    made.set_defaults(verb=_provision)
    what = made.add_mutually_exclusive_group(required=True)
    what.add_argument("file", type=Path, nargs="?", help="the provisioning file")
    what.add_argument("--asked", action="store_true", help="what the set-up page was given (store-gateway-provision)")
    what.add_argument("--reset", metavar="TENANT/STORE/ID", help="wipe that shop off this box; none: what a reset left")
    made.add_argument("--clock-is-wrong", action="store_true", help="take a file that has ended by this box's clock")
    made.add_argument("--config", type=Path, default=default, help="the configuration file")
    made.add_argument("--folder", type=Path, default=FOLDER, help="what is remembered of it")


def _provision(arguments: argparse.Namespace) -> int:
    box = Box(arguments.config, arguments.folder, renews=arguments.file is not None)
    if arguments.reset is not None:
        return _reset(box, arguments.reset)
    was = ownership.whose(box.config)
    if arguments.asked:
        asked = provisionfiles.take_request(_data_dir(box.config))
        if asked is None:
            return 0
        data = asked
    else:
        try:
            with arguments.file.open("rb") as file:
                data = file.read(MAX_FILE_BYTES + 1)
        except OSError as error:
            raise ConfigError(f"{arguments.file}: cannot be read ({error.strerror})") from error
    found = provisioning.take(box, [data], world_ms(), known=synchronised(), late=arguments.clock_is_wrong)
    if found.result == "taken" and was:
        _systemctl("try-restart", UNIT)  # one that waited to be provisioned notices by itself
    return shown(box, found)


def shown(box: Box, found: Result) -> int:
    """Say what became of it; the exit status."""
    if found.reason:
        what, step = WHY[found.reason]
        say(f"Not provisioned: {what}. {step}", "red")
        if found.said:
            say(found.said)
        return 1
    out.print(f"This box is {found.gateway} now.", highlight=False, markup=False)
    kept = provisionfiles.taken(box.folder)
    if kept is not None and not kept.known:
        say(f"Its clock is not synchronised: that the file counted until {moment(kept.until_ms)} is looked at again.")
    if _SYSTEMD.is_dir() and not _systemctl("is-active", "--quiet", UNIT):
        say("Start the service: sudo systemctl enable --now store-gateway")
    return 0


def _reset(box: Box, gateway: str) -> int:
    ran = _systemctl("is-active", "--quiet", UNIT)
    if ran and not _systemctl("stop", UNIT):
        raise ConfigError(f"{UNIT} does not stop; nothing was changed")
    try:
        provisioning.reset(box, gateway)
    except OSError as error:
        raise ConfigError(f"{error.filename or box.folder}: {error.strerror}; try again, as root") from error
    finally:
        if ran:
            _systemctl("start", "--no-block", UNIT)
    out.print("This box belongs to nobody now; what it kept of the shop is wiped.", highlight=False)
    say("Tell headquarters: its account at the broker is to be taken away, and its name may go to another box.")
    return 0


def _data_dir(path: Path) -> Path:
    """Where the service keeps what it asks for. Raises ConfigError."""
    return ownership.data_dir(config.text_and_tables(path)[1] if path.exists() else {})


def _systemctl(*words: str) -> bool:
    """Whether systemd did so; a machine without it did not."""
    if not _SYSTEMD.is_dir():
        return False
    try:
        return subprocess.run(["systemctl", *words], stdin=subprocess.DEVNULL, timeout=_WITHIN_S).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False
