"""Runs a recording through the whole path as fast as the machine can, for `store-gateway replay`."""

import asyncio
import tempfile
import time
from pathlib import Path

from gateway import app
from gateway.config import Config, GatewayTable, SourceTable
from gateway.errors import ConfigError
from gateway.health import Health
from gateway.httptable import HttpTable


def replay(recording: Path, base: Config | None) -> tuple[Health, float]:
    """The counters after the recording's end, and the seconds it took.

    `base` lends data, screens and headquarters; without it the data live in a folder that is removed afterwards.
    """
    if not recording.is_file():
        raise ConfigError(f"{recording}: no such file; expected a recording, one JSON object a line")
    with tempfile.TemporaryDirectory(prefix="store-gateway-replay-") as folder:
        config = base or Config(gateway=GatewayTable(tenant="replay", store="replay", id="gw1", data_dir=Path(folder)))
        config = config.model_copy(
            update={"source": (SourceTable(path=f"replay:{recording}"),), "http": HttpTable(port=0)}
        )
        began_s = time.perf_counter()
        health = asyncio.run(app.run(config, instant=True))
        return health, time.perf_counter() - began_s
