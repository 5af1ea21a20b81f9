"""One update, step by step: verified, put into the other slot, tried, and kept or taken back. As root, without a loop.

Each step is on the disk before it is done, so that a power cut leaves a release that serves: until the new one has
shown that it does as well as the old one, a cut leads back to the old one. What the steps do to the machine is
gateway.updatebox's.
"""

import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from gateway import releasefiles, updatefiles
from gateway.core import release
from gateway.core.release import Package, Release
from gateway.lasting import sync_folder
from gateway.updatefiles import RESULT, STATE, TRUSTED, WORK, Result, State, Step, What

log = logging.getLogger("gateway")

# The new release has to do as well as the old one for a minute without a break. A radio that needs its ladder takes 90
# s for the first rung, a slow line to headquarters minutes; after ten it is not the start any more.
WELL_S = 60.0
PATIENCE_S = 600.0
LOOK_S = 5.0
# Of the package's size (40 MB): itself, its content twice (dpkg puts it in place at last), and the new slot of 140 MB;
# what the service writes meanwhile has to fit, too.
ROOM = 8
MAX_LOOKED = 16  # releases in one folder; who keeps more names the one
RANK = {"ok": 0, "degraded": 1, "down": 2}
OWN = "update"  # this part of health says what became of the last update

Parts = Mapping[str, str]  # /healthz: each part's state


class Box(Protocol):
    """The machine, as far as an update needs it; nothing of it raises but OSError."""

    def serving(self) -> str:
        """The slot that serves."""

    def prepare(self, package: Path, slot: str) -> str:
        """Put the package's release into the slot; "" or a word of FAILED."""

    def running(self) -> Mapping[str, str]:
        """Units of ours that run, each with what tells this run of it from the next."""

    def parts(self) -> Parts | None:
        """How the service does; None where it says nothing."""

    def copy_data(self) -> bool:
        """A copy of the database as it is now lies beside it."""

    def put_data_back(self) -> bool:
        """That copy is the database again, and the one that was lies beside it."""

    def drop_copy(self) -> None:
        """The copy goes."""

    def switch(self, slot: str) -> None:
        """This slot serves from the next start on, also after a power cut."""

    def restart(self, units: Sequence[str]) -> bool:
        """Whether all of them started, to the end."""

    def register(self, package: Path) -> bool:
        """Debian's packages know the release, and its units and scripts are in place. Nothing is restarted."""

    def now_ms(self) -> int: ...
    def wait(self, seconds: float) -> None: ...


@dataclass(frozen=True, slots=True)
class Found:
    """A release that this box may take, and where its package lies."""

    release: Release
    package: Package
    path: Path


class Updater:
    """`folder`: the updates' own; `runs`: the version that serves; `machine`: Debian's word for this one."""

    def __init__(self, box: Box, folder: Path, keys: Sequence[bytes], runs: str, machine: str) -> None:
        self._box = box
        self._folder = folder
        self._keys = keys
        self._runs = runs
        self._machine = machine
        self._units: Sequence[str] = ()

    def take(self, source: Path, version: str = "", *, older: bool = False) -> Result:
        """Update from the release in the folder `source`: the newest one there, or this version. What becomes of it is
        also in the result's file. Raises OSError where not even that can be written."""
        found = self._look(source, version, older)
        if isinstance(found, str):
            return self._tell("refused", version, found)
        try:
            reason = self._update(found)
        except OSError as error:
            log.error("update: the disk refused: %s", error.strerror)
            state = updatefiles.state(self._folder)
            reason = "disk" if state is None else self._return(state, "disk")
        return self._end(found.release.version, reason)

    def recover(self, *, boots: bool) -> Result | None:
        """End an update that was cut off; `boots`: the services start only after this. None = there was none."""
        state = updatefiles.state(self._folder)
        if state is None:
            return None
        log.warning("update to %s was cut off while %s", state.version, state.step)
        self._units = () if boots else tuple(self._box.running())
        reason = self._keep(state) if state.step == "keeping" else self._return(state, "power")
        return self._end(state.version, reason, state.before)

    # --- the steps ------------------------------------------------------------------------------------------------

    def _look(self, source: Path, version: str, older: bool) -> Found | str:
        """The newest release of the folder that this box may take; else why not."""
        name = release.MANIFEST.format(version=version if release.is_version(version) else "*")
        found: list[Found] = []
        why = "missing"
        for path in sorted(source.glob(name))[:MAX_LOOKED]:
            one = releasefiles.read_manifest(path, self._keys)
            if isinstance(one, str):
                why = one
            elif version in ("", one.version):
                why = self._may(one, older)
                if not why:
                    package = one.packages[self._machine]
                    found.append(Found(one, package, path.with_name(package.name)))
        return max(found, key=lambda one: release.order(one.release.version)) if found else why

    def _may(self, one: Release, older: bool) -> str:
        return release.refused(one, self._runs, self._machine, self._box.now_ms(), older=older)

    def _update(self, found: Found) -> str:
        """Why it failed, "" = the new release serves, and is kept."""
        work = self._folder / WORK
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(mode=0o700)
        if shutil.disk_usage(work).free < found.package.size * ROOM:
            return "space"
        package = work / found.package.name
        if not releasefiles.copy_package(found.path, package, found.package):
            return "package"
        old = self._box.serving()
        new = next(slot for slot in updatefiles.SLOTS if slot != old)
        state = State("preparing", old, new, found.release.version, self._runs, package.name)
        self._note(state, "preparing")
        self._tell("running", state.version)
        reason = self._box.prepare(package, new)
        if not reason and not self._box.copy_data():
            reason = "copy"
        if reason:
            self._box.drop_copy()
            return reason
        runs, before = self._box.running(), self._box.parts()
        self._units = tuple(runs)
        self._note(state, "trying")
        self._box.switch(new)
        reason = self._try(before)
        return self._return(state, reason) if reason else self._keep(state)

    def _try(self, before: Parts | None) -> str:
        """Why the new release may not stay, "" = it does as well as the old one. Where nothing ran before, nothing can
        be compared: that it was put together has to do."""
        if not self._units:
            return ""
        if not self._box.restart(self._units):
            return "start"
        runs, waited_s, well_s = self._box.running(), 0.0, 0.0
        while well_s < WELL_S:
            self._box.wait(LOOK_S)
            waited_s += LOOK_S
            if self._box.running() != runs or set(runs) != {*self._units}:
                return "restarted"
            worse = [] if before is None else worse_than(before, self._box.parts())
            well_s = 0.0 if worse else well_s + LOOK_S
            if worse and waited_s > PATIENCE_S:
                log.error("update: worse than before: %s", ", ".join(worse))
                return "worse"
        return ""

    def _keep(self, state: State) -> str:
        """The new release stays; "finish" where Debian's packages did not follow. It serves in any case."""
        self._note(state, "keeping")
        registered = self._box.register(self._folder / WORK / state.package)
        started = self._box.restart(self._units)  # with the units that it brought
        if not started:
            return self._return(state, "start")
        self._box.drop_copy()
        return "" if registered else "finish"

    def _return(self, state: State, reason: str) -> str:
        """The old release serves again; the reason that is told then."""
        self._note(state, "returning")
        if self._box.serving() != state.old:
            self._box.switch(state.old)
            if not self._box.restart(self._units):
                reason = "data" if self._box.put_data_back() and self._box.restart(self._units) else "dead"
        if reason != "data":
            self._box.drop_copy()
        return reason

    # --- what is on the disk --------------------------------------------------------------------------------------

    def _note(self, state: State, step: Step) -> None:
        trusted = self._folder / TRUSTED
        trusted.unlink(missing_ok=True)
        trusted.symlink_to(state.old)
        updatefiles.write(self._folder / STATE, replace(state, step=step))
        log.info("update from %s to %s: %s", state.before, state.version, step)

    def _end(self, version: str, reason: str, before: str = "") -> Result:
        """A cut in the middle of it leaves what says that the update is under way, and its end is made again."""
        what: What = "done" if not reason else "refused" if reason in release.WHY else "failed"
        result = self._tell(what, version, reason, before)
        (self._folder / STATE).unlink(missing_ok=True)
        sync_folder(self._folder)
        (self._folder / TRUSTED).unlink(missing_ok=True)
        shutil.rmtree(self._folder / WORK, ignore_errors=True)
        return result

    def _tell(self, what: What, version: str, reason: str = "", before: str = "") -> Result:
        shown = version if len(version) <= updatefiles.MAX_VERSION else ""
        result = Result(what, shown, before or self._runs, self._box.now_ms(), reason)
        updatefiles.write(self._folder / RESULT, result)
        said = ": ".join(updatefiles.REASONS[reason]) if reason else ""
        log.info("update to %s: %s %s", shown or "?", what, said)
        return result


def worse_than(before: Parts, now: Parts | None) -> list[str]:
    """The parts that do worse than before; one that is new has to do well, one that is gone is none."""
    if now is None:
        return ["pages"]
    return sorted(
        name for name, state in now.items() if name != OWN and RANK.get(state, 2) > RANK.get(before.get(name, "ok"), 2)
    )
