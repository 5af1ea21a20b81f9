"""How a box does beside how it did: each fault that ends a trial, and what is as well as before."""

from dataclasses import replace
from typing import get_args

import pytest

from gateway.core.model import ShopConfig
from gateway.core.spans import DAY_MS
from gateway.core.trial import (
    MAX_BEGUN,
    MAX_WINDOW_MS,
    MIN_WINDOW_MS,
    REASONS,
    SETTLE_MS,
    WINDOW_MS,
    Before,
    Fault,
    State,
    Trial,
    faults,
    lost_notice,
    lost_zones,
    parts_of,
    reasons_of,
)
from tests.rigs.shop import NOTICE

WELL = {"receiver:door": "ok", "receiver:ear": "ok", "screen:bar": "ok", "disk": "ok", "hq": "ok"}
BEFORE = Before(WELL, ("bar",))


def found(before: Before = BEFORE, drawing: tuple[str, ...] = ("bar",), heard: bool = True, **now: str) -> list[Fault]:
    parts = WELL | {name.replace("_", ":", 1): state for name, state in now.items()}
    return [*faults(before, parts, ["door", "ear"], ["ear"], ["bar", "new"], drawing, heard)]


def test_windows_leave_time_to_settle() -> None:
    assert MIN_WINDOW_MS < SETTLE_MS < WINDOW_MS < MAX_WINDOW_MS < DAY_MS
    assert MAX_BEGUN == 2
    assert "trial" in get_args(State)


def test_as_well_as_before_is_no_fault() -> None:
    assert found() == []


def test_headquarters_has_to_be_heard() -> None:
    assert found(heard=False) == [Fault("hq_silent", "hq")]


def test_a_reader_has_to_read_and_a_radio_may_hear_nothing() -> None:
    assert found(receiver_door="degraded") == [Fault("receiver", "receiver:door")]
    assert found(receiver_door="down") == [Fault("receiver", "receiver:door")]
    assert found(receiver_ear="degraded") == []
    assert found(receiver_ear="down") == [Fault("receiver", "receiver:ear")]


def test_what_did_not_work_before_need_not_work_now() -> None:
    broken = Before(WELL | {"receiver:door": "down", "disk": "down"})
    assert found(broken, (), receiver_door="down", disk="down") == []


def test_a_new_receiver_has_to_be_up() -> None:
    without = Before({"hq": "ok"})
    assert found(without, (), receiver_door="degraded") == []
    assert found(without, (), receiver_door="down") == [Fault("receiver", "receiver:door")]
    assert faults(without, {"hq": "ok"}, ["door"], [], [], [], True) == (Fault("receiver", "receiver:door"),)


def test_a_screen_that_drew_has_to_draw() -> None:
    assert found(drawing=()) == [Fault("screen", "screen:bar")]
    assert found(Before(WELL), ()) == []


def test_no_other_part_goes_down() -> None:
    assert found(disk="down") == [Fault("part_down", "disk")]
    assert found(disk="degraded") == []
    assert found(pages="down") == [Fault("part_down", "pages")]
    assert found(hq="down") == []  # `heard` says that


def test_a_notice_is_lost_only_if_it_was_whole_and_nobody_says_that_it_is_meant() -> None:
    shop, without = ShopConfig(notice=NOTICE), ShopConfig()
    assert lost_notice(shop, without)
    assert lost_notice(shop, ShopConfig(notice=replace(NOTICE, contact=" ")))
    assert not lost_notice(shop, ShopConfig(without_notice=True))
    assert not lost_notice(shop, shop)
    assert not lost_notice(without, without)


def test_zones_are_lost_only_if_they_were_known_and_something_stands_there() -> None:
    assert lost_zones(["coffee", "wine", "attic"], ["wine"], ["coffee", "wine", "door"]) == ("coffee",)
    assert lost_zones(["coffee"], [], []) == ()


@pytest.mark.parametrize(
    ("begun", "until_ms", "why"),
    [(0, 0, ""), (0, 1_000, ""), (1, 1_001, ""), (1, 1_000, "overdue"), (2, 9_000, "interrupted")],
)
def test_what_a_start_finds_is_taken_back_when_interrupted_twice_or_overdue(
    begun: int, until_ms: int, why: str
) -> None:
    trial = Trial("settings", "s-1", "{}", 5_000, begun, until_ms)
    assert trial.ended_by(1_000) == why
    assert not why or why in REASONS
    assert replace(trial, what="catalogue").ended_by(1_000) == ("" if why == "overdue" else why)


def test_reasons_and_parts_are_told_once() -> None:
    listed = [Fault("receiver", "receiver:a"), Fault("receiver", "receiver:b"), Fault("start")]
    assert reasons_of(listed) == ("receiver", "start")
    assert parts_of(listed) == ("receiver:a", "receiver:b")
