"""The bench of screens, shortened: it prints what it promises, from real sockets to a real server."""

import importlib.util

import pytest

from gateway import bench_screens
from gateway.results import Result

pytestmark = pytest.mark.timeout(120)


def test_pushes_and_memory_are_measured_beside_websockets() -> None:
    results = {result.name: result for result in bench_screens.screens(ones=5, alls=3, runs=1)}
    goals = {"push_one_p99_ms": "at most 10", "push_all_p99_ms": "at most 25", "connection_kb": "at most 45"}
    assert {name: results[name].goal for name in goals} == goals
    assert all(result.value > 0 for result in results.values())
    peers = {"websocket"} if importlib.util.find_spec("websockets") is not None else set()
    assert all(set(result.peers) == peers for result in results.values())


def test_a_goal_that_is_missed_is_called_so() -> None:
    assert Result("push_all_p99_ms", 25.1, "ms", "at most 25").verdict == "missed"
