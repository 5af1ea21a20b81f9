"""The verb `store-gateway snapshot`: which version the members of this shop have, and how far a snapshot of them is."""

import argparse
import json
from pathlib import Path

from gateway import config
from gateway.dbfile import DATABASE, kept_meta
from gateway.staging import FILE
from gateway.terminal import Defaults, out

STEPS = {
    "manifest": "waits for its manifest and the rest of headquarters' line",
    "copying": "all chunks are here; their rows are copied into the database",
    "checking": "copied; whoever was erased meanwhile is taken out",
    "noting": "copied; what only this shop knows is looked for",
    "ready": "ready; it counts once the rest of headquarters' line is here",
}


def add_verb(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", default_config: Path) -> None:
    text = "which version this shop's members have, and how far a snapshot of them is"
    shown = verbs.add_parser("snapshot", help=text, description=text, formatter_class=Defaults)
    shown.set_defaults(verb=_snapshot)
    shown.add_argument("--config", type=Path, default=default_config, help="the configuration file")


def _snapshot(arguments: argparse.Namespace) -> int:
    for line in told(config.load(arguments.config).gateway.data_dir):
        out.print(line, markup=False, highlight=False, soft_wrap=True)
    return 0


def told(folder: Path) -> list[str]:
    """Looks at the files alone, also while the service runs. Raises ConfigError."""
    path = folder / DATABASE
    version = int(kept_meta(path, "hq_version") or 0)
    members, underway = kept_meta(path, "members_version"), kept_meta(path, "snapshot")
    lines = [f"members of version {min(int(members), version) if members is not None else version}"]
    if underway is None:
        return [*lines, "no snapshot is being taken"]
    said = json.loads(underway)
    how = STEPS.get(said["step"], "")
    if said["step"] == "staging":
        held = int(kept_meta(folder / FILE, "chunks") or 0)
        how = f"{held} of {said['chunks']} chunks are here, {100 * held // said['chunks']} %"
    return [*lines, f"snapshot of version {said['version']}: {how}"]
