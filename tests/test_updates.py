"""What the service says of updates: on the status page, and to headquarters once."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from gateway import updatefiles
from gateway.core.spans import DAY_MS
from gateway.errors import StoreError
from gateway.health import Health
from gateway.records import Tx
from gateway.updatefiles import REQUEST, RESULT, Result
from gateway.updates import SHOWN_MS, Updates
from tests.rigs.shop import Clock

DONE = Result("done", "1.2.3", "1.0", 7)
FAILED = Result("failed", "1.2.3", "1.0", 8, "worse")
REFUSED = Result("refused", "", "1.0", 9, "signature")


class Shop:
    """The service's transactions, on the real tables; the updater's folder, and the data folder."""

    def __init__(self, tx: Tx, tmp_path: Path) -> None:
        self.tx = tx
        self.folder, self.data_dir = tmp_path / "update", tmp_path / "data"
        self.folder.mkdir()
        self.data_dir.mkdir()
        self.surely_ms = 0
        self.begin()

    def begin(self) -> None:
        """The service begins anew."""
        self.clock, self.health = Clock(), Health()
        self.clock.ms = 10
        self.updates = Updates(self.folder, self.data_dir, self.commit, lambda: self.surely_ms, self.clock, self.health)

    async def commit(self, work: Any, within_ms: int = 0, *, vital: bool = False) -> Any:
        return work(self.tx)

    async def look(self, result: Result) -> tuple[str, str, str]:
        updatefiles.write(self.folder / RESULT, result)
        await self.updates.look()
        (part,) = self.health.parts
        return part.state, part.detail, part.action

    @property
    def told(self) -> list[tuple[str, dict[str, str]]]:
        return [(row.type, json.loads(row.body)) for row in self.tx.outbox_after(0, 100)]


@pytest.fixture
def shop(tx: Tx, tmp_path: Path) -> Shop:
    return Shop(tx, tmp_path)


async def test_what_became_of_it_is_shown_with_what_helps(shop: Shop) -> None:
    running = Result("running", "1.2.3", "1.0", 6)
    assert await shop.look(running) == (
        "ok",
        "the update to 1.2.3 is under way",
        "Leave the box switched on; it takes some minutes.",
    )
    assert await shop.look(DONE) == ("ok", "1.2.3 was installed over 1.0", "")
    state, detail, action = await shop.look(FAILED)
    assert (state, action) == ("degraded", "Tell headquarters, and wait for another one.")
    assert detail == "the update to 1.2.3 failed: the new release did worse; the old one runs again"
    state, detail, action = await shop.look(REFUSED)
    assert (state, action) == ("ok", "Take the release from your own headquarters.")
    assert detail == "the update to a release was refused: nobody whom this box trusts signed the release"


async def test_a_stick_with_rubbish_is_forgotten_after_a_day(shop: Shop) -> None:
    shop.clock.ms = REFUSED.at_ms + SHOWN_MS
    assert await shop.look(REFUSED) == ("ok", "", "")


async def test_headquarters_is_told_once_also_over_restarts(shop: Shop) -> None:
    for result in (Result("running", "1.2.3", "1.0", 6), DONE, DONE, FAILED, REFUSED):
        await shop.look(result)
    shop.begin()
    await shop.look(REFUSED)
    versions = {"version": "1.2.3", "before": "1.0"}
    assert shop.told == [
        ("update.done", versions),
        ("update.failed", versions | {"result": "failed", "reason": "worse"}),
        ("update.failed", {"version": "", "before": "1.0", "result": "refused", "reason": "signature"}),
    ]


async def test_a_disk_that_refuses_is_told_later(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise StoreError("full")

    with monkeypatch.context() as full:
        full.setattr(shop.updates, "_commit", refuse)
        with pytest.raises(StoreError):
            await shop.look(DONE)
    await shop.look(DONE)
    assert [kind for kind, _ in shop.told] == ["update.done"]


async def test_rubbish_and_nothing_say_nothing(shop: Shop) -> None:
    await shop.updates.look()
    (shop.folder / RESULT).write_text("rubbish")
    await shop.updates.look()
    assert (shop.health.parts, shop.told) == ((), [])


def test_a_box_without_an_updater_is_asked_for_nothing(shop: Shop) -> None:
    assert not shop.updates.can
    (shop.folder / "spool").mkdir()
    assert shop.updates.can
    assert shop.updates.ask("1.2.3")
    assert (shop.data_dir / REQUEST).read_text() == "1.2.3"
    (shop.data_dir / REQUEST).unlink()
    shop.data_dir.rmdir()
    assert not shop.updates.ask("1.2.3")


async def test_a_spoiled_database_stays_for_a_week_that_has_surely_passed(shop: Shop) -> None:
    files = [shop.data_dir / name for name in ("failed.db", "failed.db-wal")]
    for file in files:
        file.write_bytes(b"somebody")
        os.utime(file, (1_800_000_000, 1_800_000_000))
    for days, kept in ((0, True), (7, True), (8, False)):
        shop.surely_ms = 1_800_000_000_000 + days * DAY_MS
        await shop.updates.look()
        assert [file.exists() for file in files] == [kept, kept]
