"""The body of `staff.put`, there and back, and what is refused."""

import json
from typing import Any

import pytest

from gateway.core.changes import StaffPut
from gateway.core.staff import MAX_COLLEAGUES, PinHash
from gateway.errors import PeerError
from sync import ops, staff
from sync.hq.versions import MAX_OP_BYTES
from tests.rigs.colleagues import colleague, crew

PIN = {"salt": "00" * 16, "digest": "ab" * 32}
ONE: dict[str, Any] = {"staff_id": "s-1", "initials": "AI", "name": "Ada Invented", "pin": PIN}
CHIP = {"kind": "chip", "value": "04a1b2c3d4e5f6"}


def test_there_and_back() -> None:
    put = crew(colleague("cy", "installer", "both", active=False), colleague("xi", opens="badge", pin_of="cy"))
    assert ops.parse(ops.dump(put)) == put
    assert ops.parse(ops.dump(StaffPut())) == StaffPut()
    costly = StaffPut((staff.parse({"colleagues": [ONE | {"pin": PIN | {"n": 2**15, "p": 2}}]}).colleagues[0],))
    assert costly.colleagues[0].pin == PinHash(bytes(16), bytes([0xAB]) * 32, 2**15, 8, 2)
    assert ops.parse(ops.dump(costly)) == costly


@pytest.mark.parametrize(
    "wrong",
    [
        {"staff_id": "!x"},
        {"staff_id": ""},
        {"name": ""},
        {"name": "x" * 61},
        {"name": "a\u202eb"},
        {"initials": "ABCDE"},
        {"role": "boss"},
        {"opens": "both"},
        {"opens": "badge"},
        {"badge": {"kind": "chip", "value": "08a1b2c3"}},
        {"badge": {"kind": "eid", "identity_key": "00" * 16}},
        {"badge": CHIP | {"member_id": "mia", "surplus": 1}},
        {"pin": {"salt": "00", "digest": "ab" * 32}},
        {"pin": PIN | {"n": 2**14 + 1}},
        {"pin": PIN | {"n": 2**13}},
        {"pin": PIN | {"n": 2**20}},
        {"pin": PIN | {"p": 9}},
        {"pin": "204060"},
        {"active": 1},
        {"surplus": 1},
    ],
)
def test_what_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(PeerError):
        ops.parse({"op": "staff.put", "body": {"colleagues": [ONE | wrong]}})


@pytest.mark.parametrize(
    "listed",
    [
        [ONE, ONE],
        [ONE | {"badge": CHIP}, ONE | {"staff_id": "s-2", "badge": CHIP}],
        [ONE | {"staff_id": f"s-{n}"} for n in range(MAX_COLLEAGUES + 1)],
    ],
)
def test_nobody_stands_twice_and_not_too_many(listed: list[dict[str, Any]]) -> None:
    with pytest.raises(PeerError) as error:
        staff.parse({"colleagues": listed})
    assert error.value.reason == "fields"


def test_as_many_as_are_allowed_fit_one_operation() -> None:
    own = [{"staff_id": f"s-{n:03}", "badge": CHIP | {"value": f"04{n:012x}"}} for n in range(MAX_COLLEAGUES)]
    listed = [ONE | {"name": "Ä" * 30} | one for one in own]
    op = ops.dump(staff.parse({"colleagues": listed}))
    assert len(json.dumps(op, ensure_ascii=False, separators=(",", ":")).encode()) < MAX_OP_BYTES
