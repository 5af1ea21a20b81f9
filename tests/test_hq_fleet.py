"""Who needs somebody first: what each gateway reported, whether it is there, and what it lacks."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import PeerError
from sync import messages
from sync.hq import fleet
from sync.hq.fleet import AWAY_MS, DAY_WAITING, MANY_WAITING, SILENT_MS
from sync.hq.ledger import Ledger
from sync.report_messages import Report, Trouble
from sync.topics import Topics

NOW_MS = 1_790_000_000_000
SHOPS = [Topics("acme", f"shop-{n}", "gw-1") for n in range(4)]
DOWN = Trouble("receiver:bar", "down", NOW_MS - 5, "unplugged")
WEAK = Trouble("screen:bar", "degraded", NOW_MS - 5, "draws no new frames")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with closing(Ledger(tmp_path / "hq.db")) as made:
        for where in SHOPS:
            connected(made, where)
        yield made


RUNS = {"wanted": "s-1", "agrees": True, "report": None, "config_undone": None, "catalogue_undone": None}


def connected(ledger: Ledger, where: Topics, online: bool = True, version: int = 0, now_ms: int = NOW_MS) -> None:
    ledger.saw_state(where, messages.State(online, 1, "ab" * 16, version, bytes(32)), now_ms)


def seen(ledger: Ledger, now_ms: int = NOW_MS) -> dict[str, tuple[str, list[str]]]:
    return {row["store"]: (row["level"], [one["what"] for one in row["needs"]]) for row in ledger.fleet(now_ms)}


def test_a_report_takes_the_place_of_the_one_before(ledger: Ledger) -> None:
    ledger.saw_report(SHOPS[1], Report("1.3.0", 5, 9, (DOWN, WEAK)), NOW_MS)
    assert seen(ledger)["shop-1"] == ("bad", ["part", "part"])
    ledger.saw_report(SHOPS[1], Report("1.4.0", 0, 9, ()), NOW_MS + 1)
    assert seen(ledger)["shop-1"] == ("good", [])
    row = next(one for one in ledger.fleet(NOW_MS + 1) if one["store"] == "shop-1")
    assert (row["version"], row["waiting"], row["parts"], row["reported_ms"]) == ("1.4.0", 0, 9, NOW_MS + 1)


def test_who_never_connected_is_not_kept(ledger: Ledger) -> None:
    with pytest.raises(PeerError, match="unknown"):
        ledger.saw_report(Topics("acme", "nowhere", "gw-1"), Report("1.4.0", 0, 9, ()), NOW_MS)
    assert ledger.reports() == {}


def test_the_worst_stands_first(ledger: Ledger) -> None:
    ledger.saw_report(SHOPS[0], Report("1.4.0", 0, 9, ()), NOW_MS)
    ledger.saw_report(SHOPS[1], Report("1.4.0", 0, 9, (WEAK,)), NOW_MS)
    ledger.saw_report(SHOPS[2], Report("1.4.0", 0, 9, (DOWN,)), NOW_MS)
    ledger.saw_report(SHOPS[3], Report("1.4.0", 0, 9, (WEAK, DOWN)), NOW_MS)
    assert [row["store"] for row in ledger.fleet(NOW_MS)] == ["shop-3", "shop-2", "shop-1", "shop-0"]


def test_who_is_away_for_long_needs_somebody(ledger: Ledger) -> None:
    connected(ledger, SHOPS[0], online=False)
    assert seen(ledger, NOW_MS + AWAY_MS - 1)["shop-0"] == ("warn", ["away"])
    assert seen(ledger, NOW_MS + AWAY_MS)["shop-0"] == ("bad", ["away"])


def test_who_is_there_and_says_nothing_is_silent(ledger: Ledger) -> None:
    ledger.saw_report(SHOPS[0], Report("1.4.0", 0, 9, ()), NOW_MS)
    assert seen(ledger, NOW_MS + SILENT_MS - 1)["shop-0"] == ("good", [])
    assert seen(ledger, NOW_MS + SILENT_MS)["shop-0"] == ("warn", ["silent"])


def test_what_is_missing_is_a_need(ledger: Ledger) -> None:
    ledger.record_ops([{"op": "member.put", "body": {"member_id": "m-1"}}])
    ledger.record_ops([{"op": "member.erase", "body": {"member_id": "m-1"}}])
    assert seen(ledger)["shop-0"] == ("warn", ["erasures", "versions"])
    connected(ledger, SHOPS[0], online=False)
    assert seen(ledger)["shop-0"] == ("bad", ["erasures", "away", "versions"])


@pytest.mark.parametrize(
    ("waiting", "level"), [(MANY_WAITING - 1, "good"), (MANY_WAITING, "warn"), (DAY_WAITING, "bad")]
)
def test_many_events_that_wait_are_a_need(ledger: Ledger, waiting: int, level: str) -> None:
    ledger.saw_report(SHOPS[0], Report("1.4.0", waiting, 9, ()), NOW_MS)
    assert seen(ledger)["shop-0"][0] == level


def gateway(**own: Any) -> dict[str, Any]:
    place = {"tenant": "acme", "store": "shop", "gateway": "gw-1", "online": True, "last_seen_ms": NOW_MS}
    return (
        place
        | {
            "behind": 0,
            "kept_back": False,
            "erase_behind": 0,
            "gap": False,
            "pending_key": "",
            "clone_ms": 0,
            "settings": RUNS,
            "claims": [],
        }
        | own
    )


def test_a_changed_key_and_a_gap_are_needs_and_the_line_is_there_if_it_is() -> None:
    def needs(row: dict[str, Any], *troubles: dict[str, Any], more: int = 0) -> list[str]:
        report = {"at_ms": NOW_MS, "version": "1", "waiting": 0, "parts": 9, "more": more, "troubles": [*troubles]}
        (shown,) = fleet.view([row], {"acme/shop/gw-1": report}, NOW_MS)
        return [one["what"] for one in shown["needs"]]

    line = {"name": "hq", "state": "degraded", "since_ms": 1, "detail": "no connection"}
    assert needs(gateway(pending_key="00", gap=True)) == ["key", "gap"]
    assert needs(gateway(clone_ms=NOW_MS - 60_000)) == ["clone"]
    assert needs(gateway(clone_ms=NOW_MS - fleet.CLONE_MS)) == []
    assert needs(gateway(kept_back=True)) == ["kept_back"]
    assert needs(gateway(claims=[{"line": "version", "number": 2**40, "at_ms": 1}])) == ["ahead"]
    assert needs(gateway(), line) == []
    assert needs(gateway(online=False), line) == ["away", "part"]
    assert needs(gateway(), more=3) == ["more"]


def test_settings_that_do_not_run_and_changes_taken_back_are_needs() -> None:
    undone = {"given": "s-2", "state": "undone", "reasons": ["hq_silent"], "parts": ["hq"], "runs": "s-1"}
    for state, level in (("undone", "bad"), ("refused", "bad"), ("trial", "warn"), ("kept", "warn")):
        told = RUNS | {"wanted": "s-2", "agrees": False, "report": undone | {"state": state}}
        (row,) = fleet.view([gateway(settings=told)], {}, NOW_MS)
        (need,) = (one for one in row["needs"] if one["what"].startswith("settings"))
        assert (need["what"], need["level"], need["settings_id"]) == (f"settings_{state}", level, "s-2")
        assert need["why"] == (["hq_silent", "hq"] if level == "bad" else [])
    late = RUNS | {
        "wanted": "s-3",
        "agrees": False,
        "report": undone,
        "config_undone": {"reasons": ["zones"], "parts": []},
    }
    (row,) = fleet.view([gateway(settings=late)], {}, NOW_MS)
    assert {one["what"]: one["why"] for one in row["needs"]} == {"config_undone": ["zones"], "settings_sent": []}
