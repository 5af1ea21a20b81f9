"""Points 3, 4, 5, 11 and 14 of the privacy checklist on the real path and store, each shown to fail where it is broken.

Points 1 and 2 are tests/test_leaks.py and tests/test_nfc_leaks.py, which plant a leak to show that they would find one.
"""

from pathlib import Path
from typing import Any

import pytest

from gateway import apply, decisions
from gateway.core import consent as rules
from gateway.core.consent import Verdict
from gateway.core.gate import Profile
from gateway.core.model import Act, ConsentState, Purpose
from gateway.core.stage import Stage
from gateway.flow import Flow
from gateway.records import Tx
from gateway.store import Store
from tests.rigs.confirm import confirmed
from tests.rigs.points import Break, Point, each_break, each_point, fails
from tests.rigs.shop import Shop, consent, member, open_shop

ALL = tuple(Purpose)
RECOGNISING = (Purpose.RECOGNISE_BLE, Purpose.RECOGNISE_NFC)
THE_REST = tuple(purpose for purpose in ALL if purpose not in RECOGNISING)
MARKED = "rumpelstilzchen"
WITHOUT_INPUT_MS = 20_000
READERS = ("coffee-nfc", "door-nfc", "till-nfc", "advice-nfc")


def personal(shop: Shop) -> str:
    """All that screens, tablets and tills hold now of anybody."""
    screens = [content for content in shop.walls.screens.values() if content.level in ("L2", "L3")]
    return str((screens, shop.walls.entries, shop.walls.cards, shop.flow.sale_at("till-1")))


async def everywhere(shop: Shop, name: str = "mia") -> None:
    """At a screen, at the till, in the queue and on an open card."""
    await shop.tap(name, "till-nfc")
    await shop.tap(name, "advice-nfc")
    assert await shop.flow.on_accept(shop.walls.entries[0].handshake_id, "t") == "open"
    await shop.tap(name, "door-nfc")
    assert name.title() in personal(shop)


async def closed(shop: Shop) -> None:
    await shop.settle()
    shop.store.close()


async def point_3_without_consent_to_be_recognised_no_event_names_the_member(folder: Path) -> None:
    shop = await open_shop(folder, *member("mia", *THE_REST))
    await shop.stand("mia", "coffee-ble")
    for reader in READERS:
        await shop.tap("mia", reader)
    found = [body for kind, body in await shop.events() if kind != "consent.applied" and "mia" in body]
    shown = "Mia" in str(shop.walls.history) or shop.walls.entries != ()
    known = len(shop.resolver)
    await closed(shop)
    assert (found, shown, known) == ([], False, 0)


async def point_4_a_withdrawal_clears_every_surface_before_it_is_answered(folder: Path) -> None:
    for way in ("headquarters", "here"):
        (folder / way).mkdir()
        shop = await open_shop(folder / way, *member("mia", *ALL))
        await everywhere(shop)
        if way == "headquarters":
            await shop.push(consent("mia", Purpose.RECOGNISE_NFC, ConsentState.WITHDRAWN, 2))
        else:
            await shop.flow.on_consent("mia", {Purpose.RECOGNISE_NFC: False}, Act("tablet"))
        left = personal(shop)
        await closed(shop)
        assert "Mia" not in left, way
        assert "mia" not in left, way


async def point_5_a_withdrawal_made_offline_survives_a_restart_and_a_stale_profile(folder: Path) -> None:
    shop = await open_shop(folder, *member("mia", *ALL))
    shop.clock.ms += 1_000
    await shop.flow.on_consent("mia", {Purpose.RECOGNISE_NFC: False}, Act("screen"))
    await closed(shop)
    again = Shop(folder)
    again.version = shop.version
    again.clock.ms = shop.clock.ms + 1_000
    await again.flow.start()
    assert await again.push(*member("mia", *ALL)) == "applied"
    assert await again.push(consent("mia", Purpose.RECOGNISE_NFC, ConsentState.GIVEN, 7)) == "applied"
    await again.settle()
    await again.tap("mia", "coffee-nfc")
    shown = again.walls.screens["bar"].level
    await closed(again)
    assert shown != "L3"


async def point_11_a_name_leaves_the_screen_in_time_and_with_the_next_tap(folder: Path) -> None:
    shop = await open_shop(folder, *member("mia", *ALL))
    levels = []
    for _ in range(2):
        await shop.tap("mia", "coffee-nfc")
        assert shop.walls.screens["bar"].level == "L3"
        if not levels:
            await shop.tick(WITHOUT_INPUT_MS)
        else:
            await shop.tap(None, "coffee-nfc")
        levels.append("Mia" in str(shop.walls.screens["bar"]))
        await shop.tick(WITHOUT_INPUT_MS)
    await closed(shop)
    assert levels == [False, False]


async def point_14_an_erasure_leaves_no_byte_in_the_files(folder: Path) -> None:
    shop = await open_shop(folder, *member(MARKED, *ALL))
    await everywhere(shop, MARKED)
    before = holding(folder)
    assert await shop.flow.on_erase(MARKED, "tablet") == "ok"
    await shop.settle()
    await confirmed(shop.store, 1_000)  # headquarters heard of it
    await shop.tick(61_000)
    found = holding(folder)
    rows = await shop.store.run(lambda tx: tx.has_member(MARKED) or bool(tx.credentials(MARKED)))
    await closed(shop)
    assert before != []
    assert (found, rows) == ([], False)


def holding(folder: Path) -> list[str]:
    """The files with the marked pseudonym in clear, in whatever case."""
    files = [path for path in folder.iterdir() if path.is_file()]
    return [path.name for path in files if MARKED.encode() in path.read_bytes().lower()]


# --- the same with the rule broken ----------------------------------------------------------------------------------


def every_consent_counts_as_given(monkeypatch: pytest.MonkeyPatch) -> None:
    def always(*_: Any, **__: Any) -> Verdict:
        return Verdict(True, "open")

    monkeypatch.setattr(Profile, "may", always)
    for module in (rules, decisions, apply):
        for name in ("may", "recognisable"):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, always)


def nobody_is_wiped(monkeypatch: pytest.MonkeyPatch) -> None:
    def forget(self: Flow, member_id: str) -> dict[str, int]:
        return {}

    monkeypatch.setattr(Flow, "_forget", forget)


def the_highest_number_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    def latest(records: Any) -> Any:
        found: dict[Purpose, Any] = {}
        for record in sorted(records, key=lambda one: one.hq_seq):
            found[record.purpose] = record
        return found

    for module in (rules, *(__import__(f"gateway.tables.{name}", fromlist=["x"]) for name in ("consents", "parked"))):
        if hasattr(module, "in_force"):
            monkeypatch.setattr(module, "in_force", latest)


def dialogues_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Stage, "expire", lambda self, now_ms: set())


def the_rows_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Tx, "clear_tables", lambda self, member_id: {})


def the_log_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(self: Store, *_: Any) -> str:
        return "clean"

    monkeypatch.setattr(Store, "sweep", nothing)
    monkeypatch.setattr(Store, "purge", nothing)


BROKEN = [
    (point_3_without_consent_to_be_recognised_no_event_names_the_member, every_consent_counts_as_given),
    (point_4_a_withdrawal_clears_every_surface_before_it_is_answered, nobody_is_wiped),
    (point_5_a_withdrawal_made_offline_survives_a_restart_and_a_stale_profile, the_highest_number_wins),
    (point_11_a_name_leaves_the_screen_in_time_and_with_the_next_tap, dialogues_stay),
    (point_14_an_erasure_leaves_no_byte_in_the_files, the_rows_stay),
    (point_14_an_erasure_leaves_no_byte_in_the_files, the_log_stays),
]


@each_point(BROKEN)
async def test_it_holds(point: Point, tmp_path: Path) -> None:
    await point(tmp_path)


@each_break(BROKEN)
async def test_it_fails_where_its_rule_is_broken(
    point: Point, broken: Break, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fails(point, broken, tmp_path, monkeypatch)
