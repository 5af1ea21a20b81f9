"""The program store-gateway-update: has this machine updated by who may, as root. Not a verb of store-gateway, which
runs as anybody: the release that is trusted runs it (systemd/store-gateway-update)."""

import argparse
import fcntl
import importlib.metadata
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from gateway import logs, provisionfiles, provisioning, updatebox, updatefiles
from gateway.clock import synchronised, world_ms
from gateway.core import provision, release
from gateway.errors import ConfigError
from gateway.provisioning import Box
from gateway.releasefiles import TRUSTED, trusted_keys
from gateway.terminal import out, say
from gateway.updatebox import RealBox
from gateway.updatefiles import FOLDER, REASONS, SPOOL, Result
from gateway.updater import Updater

log = logging.getLogger("gateway")

STICK = Path("/run/store-gateway-usb")
OWNER = Box(updatebox.CONFIG)


def main(
    argv: Sequence[str] | None = None,
    box: RealBox | None = None,
    folder: Path = FOLDER,
    keys: Path = TRUSTED,
    stick: Path = STICK,
    owner: Box = OWNER,
) -> int:
    """Run one verb; 0 = done or nothing to do, 1 = refused or failed, and the result's file says why."""
    arguments = _parser().parse_args(argv)
    logs.set_up()
    box = box or RealBox()
    try:
        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # one after the other
            updater = Updater(
                box, folder, _keys(keys), importlib.metadata.version("store-gateway"), updatebox.machine()
            )
            result = updater.recover(boots=arguments.verb == "recover")
            match arguments.verb:
                case "from":
                    result = updater.take(arguments.folder, older=arguments.older)
                case "request":
                    version = None if box.data_dir is None else updatefiles.take_request(box.data_dir)
                    if version is not None:
                        result = updater.take(folder / SPOOL, version)
                case "usb":
                    result = _from_stick(updater, owner, arguments.device, stick)
    except OSError as error:
        say(f"{folder}: {error.strerror}; nothing can be updated", "red")
        return 1
    return _shown(result)


def _from_stick(updater: Updater, owner: Box, device: str, stick: Path) -> Result | None:
    """None where the stick has no release, which most have not. A box that belongs to nobody looks for its own file
    first; every other stick is somebody's rubbish to it, which its screen says."""
    if not updatebox.mount(device, stick):
        if provisioning.is_nobodys(owner):
            provisioning.told(owner, provisionfiles.Result("refused", world_ms(), "stick"))
        return None
    try:
        has_release = any(stick.glob(release.MANIFEST.format(version="*")))
        if not has_release or any(stick.glob(f"{provision.NAME}*.json")):
            provisioning.from_stick(owner, stick, world_ms(), known=synchronised())
        if not has_release:
            log.info("update: no release on %s", device)
            return None
        return updater.take(stick)
    finally:
        updatebox.unmount(stick)


def _shown(result: Result | None) -> int:
    if result is None:
        return 0
    why = f": {'. '.join(REASONS[result.reason])}" if result.reason else ""
    out.print(f"update to {result.version or 'a release'} {result.result}{why}", markup=False, soft_wrap=True)
    return 0 if result.result == "done" else 1


def _keys(path: Path) -> list[bytes]:
    """Nobody is trusted by a file that is not right; the log says what is wrong with it."""
    try:
        return trusted_keys(path)
    except ConfigError as error:
        log.error("update: %s", error)
        return []


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="store-gateway-update", description="Updates this box, as root.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="COMMAND")
    take = verbs.add_parser("from", help="update from a folder with a signed release")
    take.add_argument("folder", type=Path)
    take.add_argument("--older", action="store_true", help="also to a release that is older than what runs")
    verbs.add_parser("request", help="what the service asks for, from the spool folder (store-gateway-update.path)")
    verbs.add_parser("usb", help="from a stick (store-gateway-usb@.service)").add_argument("device", help="/dev/sda1")
    verbs.add_parser("recover", help="end an update that a power cut ended, before the services start")
    return parser


if __name__ == "__main__":
    sys.exit(main())
