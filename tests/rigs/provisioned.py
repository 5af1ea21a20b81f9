"""A box that belongs to nobody, and files that headquarters wrote for it."""

import os
from pathlib import Path
from typing import Any

from gateway.core import provision
from gateway.core.provision import Provision
from gateway.core.spans import DAY_MS
from gateway.provisioning import Box

NOW_MS = 1_795_000_000_000
CODE = "ABCDEFGH"
WHO = "muster/ulm/gw1"
ROOT_KEY = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"  # RFC 8032, section 7.1
PASSWORD = "hunter2-of-the-broker"


def provided(gateway: str = WHO, number: str = "ab" * 8, **other: Any) -> Provision:
    """What headquarters gives."""
    mqtt = {"host": "b.example", "port": 1883, "username": "gw1"}
    own: dict[str, Any] = {"files": {"password": PASSWORD}, "hq_root": ROOT_KEY} | other
    return Provision(number, gateway, NOW_MS, NOW_MS + 14 * DAY_MS, mqtt, **own)


def file(code: str = "", gateway: str = WHO, number: str = "ab" * 8, **other: Any) -> bytes:
    """As it lies on a stick."""
    return provision.written(provided(gateway, number, **other), code, os.urandom).encode() + b"\n"


def box(folder: Path, *, renews: bool = False) -> Box:
    """A fresh box below `folder`: configuration in etc, data in data."""
    path = folder / "etc" / "gateway.toml"
    if not path.exists():
        path.parent.mkdir()
        path.write_text(
            f'[gateway]\ndata_dir = "{folder}/data"\n[http]\nport = 8080\n[mqtt]\nhost = "mqtt.example"\n'
            '[[source]]\npath = "sim:1?members=0"\n[[receiver]]\nid = "bar"\nzone = "coffee"\nscreen = "bar"\n'
            '[[screen]]\nid = "bar"\nzone = "coffee"\n'
        )
        (folder / "data").mkdir(mode=0o700)
        (folder / "data" / "setup.code").write_text(CODE)
    return Box(path, folder / "state", renews)
