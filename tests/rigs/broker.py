"""A real MQTT broker on a free loopback port, in its own process that can be killed: Mosquitto or iotcore."""

import itertools
import os
import random
import socket
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Literal, Self

import pytest

from gateway import broker
from gateway.broker import Kind

MOSQUITTO = Path(broker.mosquitto() or "/usr/sbin/mosquitto")

# For @pytest.mark.parametrize("kind", KINDS): iotcore always, Mosquitto where it is installed.
KINDS = [
    pytest.param("iotcore", id="iotcore"),
    pytest.param(
        "mosquitto",
        id="mosquitto",
        marks=pytest.mark.skipif(not MOSQUITTO.exists(), reason="Mosquitto is not installed"),
    ),
]


# Below what Linux gives to outgoing connections (32,768 and more), of which one could take a port between the probe and
# the program that is to listen there; and a stretch of its own for each worker of pytest-xdist.
_FIRST_PORT, _STRETCH = 20_000, 1_000
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 12
_ports = itertools.cycle(random.SystemRandom().sample(range(_STRETCH), _STRETCH))


def free_port() -> int:
    """A loopback port that nobody listens on now, and that nobody else of this run is given soon."""
    while True:
        port = _FIRST_PORT + _WORKER * _STRETCH + next(_ports)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class Broker(broker.Broker):
    """`with Broker() as broker`: listening at 127.0.0.1:broker.port until the block ends; nothing is persistent.

    `settings` are further lines for Mosquitto's configuration file.
    """

    def __init__(self, kind: Literal["auto"] | Kind = "auto", settings: str = "") -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="broker-")
        super().__init__(Path(self._directory.name), free_port(), None if kind == "auto" else kind, settings)

    def __enter__(self) -> Self:
        self.start()
        return self

    @property
    def pid(self) -> int:
        """Of the process that runs."""
        assert self._process is not None
        return self._process.pid

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._directory.cleanup()
