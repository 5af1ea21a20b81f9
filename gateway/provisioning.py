"""Makes a box somebody's, or nobody's again: as root, or as whoever owns the configuration's folder.

All that belongs to an identity stands in a folder of its own; the configuration, written last and by one rename, names
it. So a power cut leaves the box as it was or as it is to be.
"""

import logging
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway import config, ownership, preflight, provisionfiles
from gateway.core import provision
from gateway.core.provision import Provision
from gateway.dbfile import DATABASE
from gateway.errors import ConfigError
from gateway.lasting import put, sync_folder
from gateway.provisionfiles import RESET, Result, Taken, tell

log = logging.getLogger("gateway")

RELEASES = "release.pub"
_OWN = "identity-"  # the folder of one identity's files, beside the configuration
_NAMES = {"password": "mqtt.password", "ca": "ca.pem", "cert": "client.pem", "key": "client.key"}
_BLOCK_BYTES = 1 << 20
MAX_ON_STICK = 100  # files for as many shops; 1.6 MB of them


@dataclass(frozen=True, slots=True)
class Box:
    """`config`: its file; `folder`: what is remembered of provisioning. `renews`: whoever asks is root at the machine
    and may give a box that belongs to somebody another file of the same name."""

    config: Path
    folder: Path = provisionfiles.FOLDER
    renews: bool = False


def take(box: Box, files: Iterable[bytes], now_ms: int, *, known: bool, late: bool = False) -> Result:
    """Provision the box with the one file of these that is for it. `known`: the time is synchronised; `late`: whoever
    stands there says that the clock is wrong. What became of it is on the disk, too."""
    try:
        found = _take(box, files, now_ms, known=known, late=late)
    except OSError as error:
        found = Result("refused", now_ms, "disk", said=error.strerror or "")
    except ConfigError as error:
        found = Result("refused", now_ms, "config", said=str(error))
    log.log(
        logging.INFO if found.result == "taken" else logging.ERROR,
        "provisioning: %s %s",
        found.result,
        found.reason or found.gateway,
    )
    told(box, found)
    return found


def told(box: Box, found: Result) -> None:
    """Leave a result for the screen and the doctor; without a place for it the log has it."""
    try:
        box.folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        tell(box.folder, found)
    except OSError as error:
        log.error("provisioning: %s: %s", box.folder, error.strerror)


def is_nobodys(box: Box) -> bool:
    """Whether the box waits to be provisioned; one whose file cannot be read does not."""
    try:
        return ownership.nobodys(box.config) is not None
    except ConfigError:
        return False


def from_stick(box: Box, stick: Path, now_ms: int, *, known: bool) -> Result | None:
    """Provision the box with what lies at the top of a stick; None where that is nobody's business: a stick without a
    file for a box that belongs to somebody, or the one that it was provisioned with, plugged in still."""
    found = sorted(stick.glob(f"{provision.NAME}*.json"))[:MAX_ON_STICK]
    files = [provisionfiles.text(path) for path in found]
    if not is_nobodys(box):
        taken = provisionfiles.taken(box.folder)
        known_one = "" if taken is None else taken.number
        files = [data for data in files if provision.number_of(data) != known_one]
        if not files:
            return None
    return take(box, files, now_ms, known=known)


def _take(box: Box, files: Iterable[bytes], now_ms: int, *, known: bool, late: bool) -> Result:
    def refused(reason: str, gateway: str = "", said: str = "") -> Result:
        return Result("refused", now_ms, reason, gateway, said)

    tables = ownership.nobodys(box.config)
    if tables is None:
        tables = config.text_and_tables(box.config)[1]
    where, before = ownership.data_dir(tables), ownership.whose(box.config)
    if before and not box.renews:
        return refused("already", before)
    read = [provision.read(data, provisionfiles.code(where)) for data in files]
    fit = [one for one in read if isinstance(one, Provision)]
    if not fit:
        return refused(_worst([one for one in read if isinstance(one, str)]))
    if len({one.number for one in fit}) > 1:
        return refused("many")
    own = fit[0]
    if before not in ("", own.gateway):
        return refused("already", before)
    if (reason := provision.ended(own, now_ms, known=known)) and (reason == "stale" or not late):
        return refused(reason, own.gateway)
    if not before and (reason := _foreign(box, where, own.gateway)):
        return refused(reason, own.gateway)
    try:
        _apply(box, own, tables, Taken(own.gateway, own.number, own.until_ms, now_ms, known))
    except ConfigError as error:
        return refused("config", own.gateway, str(error))
    (where / provisionfiles.CODE).unlink(missing_ok=True)
    return Result("taken", now_ms, "", own.gateway)


def _worst(reasons: list[str]) -> str:
    """What to say of several files of which none serves: the one that came closest."""
    return next((one for one in ("code", "torn", "newer", "form") if one in reasons), "missing")


def _foreign(box: Box, where: Path, gateway: str) -> str:
    """Whether a former shop's data lie there: a reset that a power cut ended is ended here, nothing else is wiped."""
    if (box.folder / RESET).exists():
        with _as_owner(where):
            _wipe(where, keep=(provisionfiles.CODE,))
        _drop_identities(box.config.parent, "")
        (box.folder / RESET).unlink()
        return ""
    last = provisionfiles.taken(box.folder)
    foreign = (where / DATABASE).exists() and (last is None or last.gateway != gateway)
    return "data" if foreign else ""


def _apply(box: Box, own: Provision, tables: Mapping[str, Any], taken: Taken) -> None:
    """Raises OSError or ConfigError, and the configuration is as it was."""
    etc = box.config.parent
    etc.mkdir(mode=0o750, parents=True, exist_ok=True)
    group = etc.stat().st_gid if os.geteuid() == 0 else -1
    name = f"{_OWN}{own.number}"
    _drop_identities(etc, identity_of(tables))  # of one that a power cut ended
    folder = etc / name
    if folder.exists():  # the same file once more
        shutil.rmtree(folder)
    folder.mkdir(mode=0o750)
    if group >= 0:
        os.chown(folder, -1, group)
    for kind, text in own.files.items():
        put(folder / _NAMES[kind], text.encode(), 0o640, group)
    sync_folder(etc)
    mqtt = dict(own.mqtt) | {f"{kind}_file": str(folder / _NAMES[kind]) for kind in own.files}
    if own.hq_root:
        mqtt["hq_root"] = own.hq_root
    try:
        text = ownership.named(tables, own.gateway, mqtt, own.layout)
    except (ValueError, AttributeError) as error:  # tables that are none
        raise ConfigError(f"its tables cannot be written: {error}") from None
    draft = folder / "gateway.toml"
    put(draft, text.encode(), 0o640, group)
    try:
        preflight.check(config.load(draft), draft)
    except ConfigError as error:
        shutil.rmtree(folder)
        raise ConfigError(str(error).replace(f"{draft}:", "line ")) from None
    if own.releases:
        lines = "".join(f"{key}\n" for key in own.releases)
        put(etc / RELEASES, lines.encode(), 0o644)
    box.folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    tell(box.folder, taken)
    draft.unlink()
    put(box.config, text.encode(), 0o640, group)  # from here on it is so
    _drop_identities(etc, name)


def reset(box: Box, gateway: str) -> None:
    """The box belongs to nobody again, and nothing of the shop `gateway` is left on it: the service must not run.
    Raises ConfigError where it is not that shop's, and OSError."""
    before = ownership.whose(box.config)
    if (before or "none") != gateway:
        raise ConfigError(f"this box belongs to {before or 'nobody (none)'}; expected that name, found {gateway!r}")
    tables = config.text_and_tables(box.config)[1] if box.config.exists() else {}
    box.folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    put(box.folder / RESET, b"", 0o600)
    group = box.config.parent.stat().st_gid if os.geteuid() == 0 else -1
    put(box.config, ownership.unnamed(tables).encode(), 0o640, group)
    where = ownership.data_dir(tables)
    with _as_owner(where):
        _wipe(where)
    _drop_identities(box.config.parent, "")
    for name in (provisionfiles.TAKEN, provisionfiles.RESULT):
        (box.folder / name).unlink(missing_ok=True)
    (box.folder / RESET).unlink()
    sync_folder(box.folder)


def identity_of(tables: Mapping[str, Any]) -> str:
    """The folder that a configuration names, "" for none."""
    mqtt = tables.get("mqtt")
    said = [str(value) for value in mqtt.values()] if isinstance(mqtt, dict) else []
    return next((Path(text).parent.name for text in said if Path(text).parent.name.startswith(_OWN)), "")


def _drop_identities(etc: Path, but: str) -> None:
    for folder in etc.glob(f"{_OWN}*"):
        if folder.name != but and folder.is_dir() and not folder.is_symlink():
            _wipe(folder)
            folder.rmdir()
    sync_folder(etc)


@contextmanager
def _as_owner(folder: Path) -> Iterator[None]:
    """Where another user may have put links, root works as that user."""
    if os.geteuid() or not folder.exists():
        yield
        return
    owner, groups = folder.stat(), os.getgroups()
    os.setgroups([])
    os.setegid(owner.st_gid)
    os.seteuid(owner.st_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


def _wipe(folder: Path, keep: tuple[str, ...] = ()) -> None:
    """Overwrite and delete what is in it, keys first: without them nobody reads the rest. A link is not followed."""
    if not folder.is_dir():
        return
    every = sorted(folder.rglob("*"), key=lambda path: (not path.name.endswith(".key"), -len(path.parts)))
    for path in every:
        if path.name in keep and path.parent == folder:
            continue
        if path.is_symlink() or not path.is_dir():
            if path.is_file() and not path.is_symlink():
                _overwrite(path)
            path.unlink()
    for path in sorted((one for one in every if one.is_dir() and not one.is_symlink()), key=lambda p: -len(p.parts)):
        path.rmdir()
    sync_folder(folder)


def _overwrite(path: Path) -> None:
    left = path.stat().st_size
    with path.open("r+b", buffering=0) as file:
        while left > 0:
            left -= file.write(bytes(min(left, _BLOCK_BYTES)))
        os.fsync(file.fileno())
