"""The demo's own broker: answers on loopback, dies when killed, comes back on its port, and explains a failure."""

import socket
from pathlib import Path

import pytest

from gateway.broker import Broker
from gateway.errors import UnavailableError
from tests.rigs.broker import KINDS, free_port


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
    except OSError:
        return False
    return True


@pytest.mark.broker
@pytest.mark.parametrize("kind", KINDS)
def test_start_kill_start_stop(tmp_path: Path, kind) -> None:
    broker = Broker(tmp_path, free_port(), kind)
    broker.start()
    assert answers(broker.port)
    broker.kill()
    assert not answers(broker.port)
    broker.start()
    assert answers(broker.port)
    broker.stop()
    broker.stop()
    assert not answers(broker.port)


@pytest.mark.broker
def test_a_broker_that_cannot_start_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broker = Broker(tmp_path, free_port(), "iotcore")
    broker._command = ["false"]
    with pytest.raises(UnavailableError, match="did not start"):
        broker.start()
