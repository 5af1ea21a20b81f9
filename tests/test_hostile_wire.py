"""Hostile payloads on every topic of the wire, up, down and between scanner and gateway: dropped and counted, nothing
applied that headquarters did not sign, no crash, memory bounded. `make hostile` runs a million of them.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import PeerError
from sync import messages, topics
from tests.rigs import hostile, seeds
from tests.rigs.besieged import REASONS
from tests.rigs.figures import Tell

COUNT = int(os.environ.get("HOSTILE", "5000"))
# The dearest payload of 96 KiB takes 1.7 MB while it is read; the rest is the allocator's, and SQLite's caches.
MOST_GROWN_MB = 64


def test_every_topic_has_its_kinds_of_messages() -> None:
    assert {kind.leaf for kind in hostile.kinds() if kind.way == "up"} == set(topics.UP_LEAVES)
    assert {kind.leaf for kind in hostile.kinds() if kind.way == "down"} == set(topics.DOWN_LEAVES)
    assert {kind.way for kind in hostile.kinds()} - {"up", "down"} == {topics.EAR_UP, topics.EAR_DOWN, topics.EAR_STATE}


@pytest.mark.parametrize("kind", hostile.kinds(), ids=lambda kind: kind.name)
def test_what_is_honest_is_taken(kind: hostile.Kind) -> None:
    for payload in kind.honest:
        kind.parse(payload)
        with pytest.raises(PeerError):
            kind.parse(payload.replace(b'"v":1', b'"v":2', 1))


@pytest.fixture(scope="module")
def tally() -> dict[str, Any]:
    """Of one process that took them all."""
    command = [sys.executable, "-m", "tests.rigs.besieged", str(COUNT), str(seeds.seed("HOSTILE_SEED"))]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[1])
    assert done.returncode == 0, done.stderr[-8_000:]
    return dict(json.loads(done.stdout))


def test_every_hostile_payload_is_dropped_with_a_reason_or_is_an_honest_message(
    tally: dict[str, Any], tell: Tell
) -> None:
    found = tally["parsers"]
    assert sum(found.values()) == COUNT
    assert found.keys() - {"honest"} <= REASONS
    assert found["honest"] < COUNT / 2, "most of them are hostile"
    for reason in ("not_json", "version", "type", "fields", "range", "nesting", "repeated", "too_large", "op", "nan"):
        assert found.get(reason), f"none was dropped as {reason}: the draw has no teeth"
    tell(f"hostile payloads (seed {tally['seed']}): {COUNT:,} parsed, {COUNT - found['honest']:,} dropped; {found}")


def test_a_gateway_applies_nothing_but_what_headquarters_signed(tally: dict[str, Any], tell: Tell) -> None:
    found = tally["gateway"]
    dropped = {name.removeprefix("hq.dropped."): n for name, n in found.items() if name.startswith("hq.dropped.")}
    for reason in (
        "unsigned",
        "signature",
        "signer",
        "retired",
        "expired",
        "key_signature",
        "key_rollback",
        "head_rollback",
    ):
        assert dropped.get(reason), reason
    assert found["hq.deltas"], "some were honest, so that what came later met a shop that had changed"
    tell(f"at a gateway {tally['share']:,}: {dropped}; deltas applied: {found['hq.deltas']}")


def test_headquarters_holds_nothing_but_events_that_a_gateway_told(tally: dict[str, Any], tell: Tell) -> None:
    found = tally["headquarters"]
    dropped = {name.removeprefix("hq.dropped."): n for name, n in found.items() if name.startswith("hq.dropped.")}
    assert {"topic", "not_json", "fields", "type"} <= dropped.keys()
    assert found["events held"]
    tell(f"at headquarters {tally['share']:,}: {dropped}; events held: {found['events held']}")


def test_a_scanner_and_its_gateway_refuse_it_too(tally: dict[str, Any], tell: Tell) -> None:
    found = tally["ears"]
    for end in ("scanner", "ear"):
        assert {f"{end}.refused.fields", f"{end}.refused.not_json", f"{end}.refused.version"} <= found.keys()
    tell(f"between a scanner and its gateway {tally['share']:,}: {found}")


def test_memory_stays_bounded(tally: dict[str, Any], tell: Tell) -> None:
    assert tally["grown_mb"] < MOST_GROWN_MB
    tell(f"memory grew by {tally['grown_mb']} MB at its peak")


def test_no_text_of_a_payload_gets_into_an_error() -> None:
    for payload in (b'{"v":1,"type":"SECRET"}', b'{"v":1,"SECRET":1,"type":"head"}', b'{"SECRET'):
        with pytest.raises(PeerError) as told:
            messages.parse_head(payload)
        assert "SECRET" not in str(told.value)
        assert told.value.__cause__ is None
