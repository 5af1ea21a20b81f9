"""The running service says what became of provisioning files, and looks again at one that an unknown time let in."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from gateway import provisioned, provisionfiles
from gateway.core.spans import DAY_MS
from gateway.health import Health, Part
from gateway.provisionfiles import Result, Taken
from tests.rigs.provisioned import NOW_MS, WHO


class Clock:
    """A time, and whether it is synchronised."""

    def __init__(self, now_ms: int, trusted: bool) -> None:
        self.now, self.trusted = now_ms, trusted

    def now_ms(self) -> int:
        return self.now


def said(folder: Path, clock: Any) -> Part | None:
    health = Health()
    provisioned.look(clock, health, folder)
    return next(iter(health.parts), None)


def test_a_box_that_was_set_up_by_hand_says_nothing(tmp_path: Path) -> None:
    assert said(tmp_path, Clock(NOW_MS, True)) is None


@pytest.mark.parametrize(
    ("known", "trusted", "late", "state"),
    [
        (False, True, True, "degraded"),
        (False, True, False, "ok"),
        (False, False, True, "ok"),
        (True, True, True, "ok"),
    ],
)
def test_a_file_that_an_unknown_time_let_in_is_looked_at_again(
    tmp_path: Path, known: bool, trusted: bool, late: bool, state: str
) -> None:
    provisionfiles.tell(tmp_path, Taken(WHO, "ab", NOW_MS, 5, known))
    found = said(tmp_path, Clock(NOW_MS + (5 if late else -5), trusted))
    assert found is not None and found.state == state
    assert ("ended" in found.detail) is (state == "degraded") and bool(found.action) is (state == "degraded")


def test_a_refusal_is_shown_for_a_day(tmp_path: Path) -> None:
    provisionfiles.tell(tmp_path, Taken(WHO, "ab", 2 * NOW_MS, 5, known=True))
    provisionfiles.tell(tmp_path, Result("refused", NOW_MS, "already", WHO))
    found = said(tmp_path, Clock(NOW_MS + 5, True))
    assert found is not None and "belongs to a shop already" in found.detail and "--reset" in found.action
    found = said(tmp_path, Clock(NOW_MS + DAY_MS, True))
    assert found is not None and found.detail == f"by a file for {WHO}" and not found.action


async def test_it_goes_on_looking(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = asyncio.Event()
    monkeypatch.setattr(provisioned, "look", lambda clock, health: looked.set())
    task = asyncio.create_task(provisioned.run(Clock(0, True), Health()))  # type: ignore[arg-type]  # a time is enough
    await asyncio.wait_for(looked.wait(), 30)
    task.cancel()
    await asyncio.wait([task])
