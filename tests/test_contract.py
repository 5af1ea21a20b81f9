"""The contract's table names every message, topic and operation that the code reads, with examples that it reads."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from sync import (
    command_messages,
    contract,
    ear_messages,
    erase_messages,
    event_messages,
    messages,
    ops,
    pieces,
    report_messages,
    signing,
    snapshot_messages,
    spent,
    topics,
)
from sync.contract import Spoken

ROOT = Path(__file__).parents[1]
SPOKEN = {one.kind: one for channel in contract.CHANNELS for one in channel.spoken}


def header_of_bundle(payload: bytes) -> object:
    """Its JSON alone; that the bytes behind it are what it tells of, no schema can say."""
    return messages.parse(payload.partition(b"\n")[0], "bundle", command_messages.FORMS["bundle"])


READERS: dict[str, Callable[[bytes], object]] = {
    "state": messages.parse_state,
    "req": messages.parse_req,
    "events": event_messages.parse_events,
    "applied": messages.parse_applied,
    "erased": erase_messages.parse_erased,
    "want": pieces.parse_want,
    "done": command_messages.parse_done,
    "bundle": header_of_bundle,
    "cmd": command_messages.parse_cmd,
    "health": report_messages.parse_health,
    "head": messages.parse_head,
    "delta": messages.parse_delta,
    "erase": erase_messages.parse_erase,
    "ack": event_messages.parse_ack,
    "piece": pieces.parse_piece,
    "keys": signing.parse_keys,
    "snapshot": snapshot_messages.parse_snapshot,
    "ear": ear_messages.parse_ear_state,
    "heard": ear_messages.parse_up,
    "ask": ear_messages.parse_up,
    "beat": ear_messages.parse_up,
    "epoch": ear_messages.parse_down,
    "answer": ear_messages.parse_down,
}


@pytest.mark.parametrize("one", SPOKEN.values(), ids=SPOKEN.keys())
def test_every_example_is_read_by_the_code(one: Spoken) -> None:
    assert one.examples
    for example in one.examples:
        READERS[one.kind](example)


def test_every_leaf_has_its_channel() -> None:
    for way, leaves in (("up", topics.UP_LEAVES), ("down", topics.DOWN_LEAVES)):
        assert {one.leaf for one in contract.CHANNELS if one.way == way} == set(leaves)
    ears = {one.way for one in contract.CHANNELS} - {"up", "down"}
    assert ears == {topics.EAR_UP, topics.EAR_DOWN, topics.EAR_STATE}
    for channel in contract.CHANNELS:
        assert channel.gateway == ("send" if channel.way in ("up", "ear-down") else "receive")
        assert 2 not in channel.qos


def test_every_kind_of_message_that_the_code_reads_or_writes_is_in_the_table() -> None:
    named: set[str] = set()
    for path in (ROOT / "sync").glob("*.py"):
        named |= set(re.findall(r'\b_?(?:dump|parse)\(\s*(?:\w+, )?"([a-z]+)"', path.read_text(encoding="utf-8")))
    assert len(named) > 12
    assert named <= SPOKEN.keys()
    assert SPOKEN.keys() == READERS.keys()


def test_every_operation_is_in_the_table() -> None:
    source = Path(ops.__file__).read_text(encoding="utf-8")
    cases = [name for line in re.findall(r"case (.*):", source) for name in re.findall(r'"([a-z]+\.[a-z]+)"', line)]
    assert len(cases) > 20
    assert {*cases, *spent.OPS} == contract.OPS.keys()
