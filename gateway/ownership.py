"""Whether a box knows whose it is, and the configuration that says so, as a file is written.

A box without tenant, store and id waits to be provisioned: its first start shows how (gateway.firstboot).
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gateway import config

WHO = ("tenant", "store", "id")
DATA_DIR = "/var/lib/store-gateway"
_LINES = ("mqtt", "standby")  # the lines of a shop, which go with its identity
HEADING = "# Written by store-gateway provision (docs/provisioning.md). It may be changed by hand.\n"


def nobodys(path: Path) -> dict[str, Any] | None:
    """The tables of a box that belongs to nobody yet; None where it belongs to somebody, or this is another program's
    file. Raises ConfigError for a file that cannot be read, and is there."""
    if not path.exists():
        return {"gateway": {"data_dir": DATA_DIR}}
    tables = config.text_and_tables(path)[1]
    own = tables.get("gateway")
    if not isinstance(own, dict) or any(name in own for name in WHO):
        return None
    return tables


def data_dir(tables: Mapping[str, Any]) -> Path:
    """Where a box that belongs to nobody keeps its data."""
    own = tables.get("gateway")
    said = own.get("data_dir") if isinstance(own, dict) else None
    return Path(said) if isinstance(said, str) and said.startswith("/") else Path(DATA_DIR)


def whose(path: Path) -> str:
    """tenant/store/id of a box that belongs to somebody, "" for none or a file that says only half of it. Raises
    ConfigError."""
    return _of(config.text_and_tables(path)[1]) if path.exists() else ""


def named(tables: Mapping[str, Any], gateway: str, mqtt: Mapping[str, Any], layout: Mapping[str, Any]) -> str:
    """The file of the same box that belongs to `gateway` now; tables of `layout` stand in place of its own."""
    own = {"gateway": dict(zip(WHO, gateway.split("/"), strict=True)) | _without(tables), "mqtt": dict(mqtt)}
    if "standby" in tables and _of(tables) == gateway:
        own["standby"] = tables["standby"]
    return HEADING + written(own | _hardware(tables) | dict(layout))


def unnamed(tables: Mapping[str, Any]) -> str:
    """The file of the same box that belongs to nobody."""
    return HEADING + written({"gateway": _without(tables)} | _hardware(tables))


def written(tables: Mapping[str, Any]) -> str:
    """Tables as TOML 1.0: what a configuration holds, so no dates and nothing deeper than a list of tables."""
    lines = []
    for name, table in tables.items():
        many = isinstance(table, list)
        for row in table if many else [table]:
            lines += ["", f"[[{name}]]" if many else f"[{name}]"]
            lines += [f"{key} = {_value(value)}" for key, value in row.items() if value is not None]
    return "\n".join([*lines[1:], ""])


def _of(tables: Mapping[str, Any]) -> str:
    own = tables.get("gateway")
    names = [own.get(name) for name in WHO] if isinstance(own, dict) else [None]
    return "/".join(map(str, names)) if all(isinstance(name, str) for name in names) else ""


def _without(tables: Mapping[str, Any]) -> dict[str, Any]:
    own = tables.get("gateway")
    rows = own if isinstance(own, dict) else {}
    return {"data_dir": DATA_DIR} | {name: value for name, value in rows.items() if name not in WHO}


def _hardware(tables: Mapping[str, Any]) -> dict[str, Any]:
    return {name: table for name, table in tables.items() if name not in ("gateway", *_LINES)}


def _value(value: object) -> str:
    """Raises ValueError for what is none of a configuration's values."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str) and all(sign.isprintable() for sign in value):
        return json.dumps(value, ensure_ascii=False)
    raise ValueError("a text, number, true or false")
