"""Roll-outs on their way: simulated stores on a real ledger, and headquarters that looks at them step by step."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import ConfigError
from gateway.health import Health
from sync.hq import staging
from sync.hq.ledger import Ledger
from sync.hq.pulse import Pulse
from sync.hq.rolling import SLACK_MS
from tests.rigs.rolled import GONE_MINUTES, MINUTE_MS, NOW_MS, WINDOW_MS, Stores

GOOD = {"nfc": {"poll_ms": 60}}
RINGS = ("store-1", "store-2,store-3", "all")
LATE = (WINDOW_MS + SLACK_MS) / MINUTE_MS


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[Stores]:
    with closing(Stores(tmp_path, 5)) as made:
        yield made


def begin(stores: Stores, tmp_path: Path, **own: Any) -> int:
    number = stores.begin(tmp_path, "settings", GOOD, RINGS, **own)
    stores.look()
    return number


def settle(stores: Stores, *numbers: int, state: str = "kept") -> None:
    for number in numbers:
        stores.settle(stores.places[number - 1], state)


def state(stores: Stores, number: int) -> tuple[str, int]:
    row = stores.row(number)
    return row["state"], row["ring"]


def test_one_ring_after_another_gets_it_and_then_all_have_it(stores: Stores, tmp_path: Path) -> None:
    number = begin(stores, tmp_path)
    assert stores.outcomes(number) == {"store-1": "away"}
    settle(stores, 1, state="tried")
    stores.look(0.1)
    settle(stores, 1)
    stores.look(1)
    stores.look(9.9)
    assert state(stores, number) == ("running", 1)  # it is watched still
    stores.look(0.1)
    assert state(stores, number) == ("running", 2)
    assert set(stores.outcomes(number)) == {"store-1", "store-2", "store-3"}
    assert stores.sent(stores.places[3]) is None
    settle(stores, 2, 3)
    stores.look(0.1)
    stores.look(10)
    assert set(stores.outcomes(number)) == {f"store-{one}" for one in range(1, 6)}
    settle(stores, 4, 5)
    stores.look(0.1)
    stores.here()
    stores.look(10)
    assert state(stores, number) == ("done", 3)
    row = stores.row(number)
    assert [ring["confirmed"] for ring in row["rings"]] == [1, 2, 2]
    assert {told["agrees"] for told in stores.ledger.settings_told().values()} == {True}
    assert stores.health.counts["hq.rollouts.told"] == 5
    assert (stores.health.counts["hq.rollouts.next"], stores.health.counts["hq.rollouts.done"]) == (2, 1)


def test_bad_settings_stop_at_the_first_ring_and_undo_gives_back(stores: Stores, tmp_path: Path) -> None:
    number = begin(stores, tmp_path)
    stores.settle(stores.places[0], "undone", "hq_silent")
    stores.look(0.1)
    row = stores.row(number)
    assert (row["state"], row["reason"], row["gateway"]) == ("stopped", "failures", "acme/store-1/gw-1")
    assert row["why"] == ["undone", "hq_silent"]
    stores.look(10_000)
    assert [stores.sent(where) for where in stores.places[1:]] == [None] * 4
    assert stores.health.counts["hq.rollouts.stopped"] == 1
    assert staging.act(stores.db, number, "undo", stores.now_ms) == "stopped"
    stores.look()
    assert state(stores, number)[0] == "undone"
    assert stores.sent(stores.places[0])["document"] == {}


def test_somebody_who_goes_on_in_spite_of_it_gets_the_next_ring(stores: Stores, tmp_path: Path) -> None:
    number = begin(stores, tmp_path)
    stores.settle(stores.places[0], "refused", "check")
    stores.look(0.1)
    assert staging.act(stores.db, number, "resume", stores.now_ms) == "stopped"
    stores.look(0.1)
    assert state(stores, number) == ("running", 2)
    settle(stores, 2)
    stores.settle(stores.places[2], "undone", "receiver")
    stores.look(0.1)
    assert (stores.row(number)["state"], stores.row(number)["gateway"]) == ("stopped", "acme/store-3/gw-1")


def test_a_store_that_falls_silent_or_sick_in_the_soak_stops_it(stores: Stores, tmp_path: Path) -> None:
    stores.sicken(stores.places[0], "screen:bar")  # it was before
    number = begin(stores, tmp_path, soak_ms=60 * MINUTE_MS)
    settle(stores, 1)
    stores.look(0.1)
    stores.look(GONE_MINUTES + 1)
    assert state(stores, number)[0] == "running"
    stores.sicken(stores.places[0], "screen:bar", "receiver:door")
    stores.look(0.5)
    assert state(stores, number)[0] == "running"  # it may be a moment
    stores.look(0.5)
    assert stores.row(number)["why"] == ["sick", "receiver:door"]
    stores.sicken(stores.places[0])
    staging.act(stores.db, number, "resume", stores.now_ms)
    stores.look()
    stores.look(59)
    assert state(stores, number) == ("running", 1)  # it is watched anew
    stores.here()
    stores.look(1)
    assert state(stores, number) == ("running", 2)


def test_a_store_that_goes_away_in_the_soak_stops_it(stores: Stores, tmp_path: Path) -> None:
    number = begin(stores, tmp_path, soak_ms=60 * MINUTE_MS)
    settle(stores, 1)
    stores.look(0.1)
    stores.away(stores.places[0])
    stores.look(GONE_MINUTES - 1)
    assert state(stores, number)[0] == "running"
    stores.look(1)
    assert stores.row(number)["why"] == ["silent", "away"]


def test_who_has_it_and_does_not_answer_stops_it(stores: Stores, tmp_path: Path) -> None:
    number = begin(stores, tmp_path)
    stores.apply(stores.places[0])
    stores.look(0.1)
    assert stores.outcomes(number) == {"store-1": "told"}
    stores.since_ms = stores.now_ms + 5 * MINUTE_MS  # headquarters was killed, and came back
    stores.look(LATE + 1)
    assert state(stores, number)[0] == "running"
    stores.look(5)
    assert stores.row(number)["why"] == ["silent", "no_answer"]


def test_those_who_are_away_are_not_waited_for_for_ever_and_get_it_when_they_come(
    stores: Stores, tmp_path: Path
) -> None:
    for where in stores.places[1:3]:
        stores.away(where)
    number = begin(stores, tmp_path)
    settle(stores, 1)
    stores.look(0.1)
    stores.look(10)
    assert state(stores, number) == ("running", 2)
    stores.look(59)
    assert (state(stores, number), stores.row(number)["through_ms"]) == (("running", 2), None)
    stores.look(1)
    assert (stores.row(number)["reason"], stores.row(number)["rings"][1]["away"]) == ("nobody", 2)
    staging.act(stores.db, number, "resume", stores.now_ms)
    settle(stores, 2)
    stores.look(1)
    assert state(stores, number) == ("running", 2)
    stores.look(60)
    stores.here(stores.places[2])
    stores.look(10)
    assert state(stores, number) == ("running", 3)
    assert stores.outcomes(number)["store-3"] == "away"
    stores.connect(stores.places[2])
    settle(stores, 3, 4, 5)
    stores.look(1)
    assert set(stores.outcomes(number).values()) == {"confirmed"}


def test_one_who_comes_late_and_takes_it_back_stops_it_still(stores: Stores, tmp_path: Path) -> None:
    stores.away(stores.places[1])
    number = begin(stores, tmp_path, share=50)
    settle(stores, 1)
    stores.look(0.1)
    stores.look(10)
    settle(stores, 3)
    stores.look(0.1)
    stores.look(10)
    assert state(stores, number) == ("running", 3)
    stores.settle(stores.places[1], "undone", "screen")
    stores.look(0.1)
    assert stores.row(number)["gateway"] == "acme/store-2/gw-1"


def test_a_paused_one_waits_for_a_word(stores: Stores, tmp_path: Path) -> None:
    number = begin(stores, tmp_path)
    assert staging.act(stores.db, number, "pause", stores.now_ms) == "running"
    settle(stores, 1)
    stores.look(0.1)
    stores.look(100)
    assert state(stores, number) == ("paused", 1)
    assert stores.outcomes(number) == {"store-1": "confirmed"}
    with pytest.raises(ConfigError, match="is paused; expected one that is running"):
        staging.act(stores.db, number, "pause", stores.now_ms)
    staging.act(stores.db, number, "resume", stores.now_ms)
    stores.here()
    stores.look(0.1)
    stores.look(10)
    assert state(stores, number) == ("running", 2)


def test_others_that_are_sent_to_all_meanwhile_end_it(stores: Stores, tmp_path: Path) -> None:
    number = begin(stores, tmp_path)
    body = {"settings_id": "s-new", "gateway": "all", "document": {}}
    stores.ledger.record_ops([{"op": "settings.put", "body": body}])
    stores.look(0.1)
    assert (stores.row(number)["state"], stores.row(number)["reason"]) == ("stopped", "overtaken")


def test_what_an_operator_sends_one_store_meanwhile_holds_nobody_up(stores: Stores, tmp_path: Path) -> None:
    number = begin(stores, tmp_path)
    settle(stores, 1)
    stores.look(0.1)
    stores.look(10)
    body = {"settings_id": "s-own", "gateway": stores.places[1].name, "document": {}}
    stores.ledger.record_ops([{"op": "settings.put", "body": body}])
    settle(stores, 3)
    stores.look(0.1)
    assert stores.outcomes(number)["store-2"] == "other"
    stores.here()
    stores.look(10)
    assert state(stores, number) == ("running", 3)


def test_a_configuration_is_confirmed_by_its_version(stores: Stores, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="hq push-config for the first"):
        stores.begin(tmp_path, "config", {"sale_ms": 5_000}, RINGS)
    stores.ledger.record_ops([{"op": "config.put", "body": {"sale_ms": 1_000}}])
    number = stores.begin(tmp_path, "config", {"sale_ms": 5_000, "trial_ms": 3_000}, RINGS)
    stores.look()
    first, second = stores.places[:2]
    assert stores.sent(first, "config.put")["sale_ms"] == 5_000
    assert stores.sent(second, "config.put")["sale_ms"] == 1_000
    stores.apply(first)
    stores.look(0.01)
    assert stores.outcomes(number) == {"store-1": "told"}
    stores.tell(first, "config.kept", {"version": stores.ledger.version()})
    stores.look(0.01)
    stores.look(10)
    assert state(stores, number) == ("running", 2)
    stores.apply(second)
    stores.tell(
        second, "config.undone", {"version": stores.ledger.version(), "reasons": ["zones"], "parts": ["zone:b"]}
    )
    stores.look(0.01)
    assert stores.row(number)["why"] == ["undone", "zones", "zone:b"]
    assert stores.sent(stores.places[4], "config.put")["sale_ms"] == 1_000


def test_a_new_store_belongs_to_its_ring(stores: Stores, tmp_path: Path) -> None:
    number = stores.begin(tmp_path, "settings", GOOD, ("store-*",))
    stores.look()
    later = stores.places[0].__class__("acme", "store-new", "gw-1")
    stores.connect(later)
    stores.look(0.1)
    assert "store-new" in stores.outcomes(number)


@pytest.mark.parametrize("kill_after", range(8))
def test_headquarters_may_be_killed_at_any_step(stores: Stores, tmp_path: Path, kill_after: int) -> None:
    """What was committed stands, what was not is done by the next one: a new ledger on the file that was left."""
    number = stores.begin(tmp_path, "settings", GOOD, RINGS)
    for _ in range(kill_after):
        staging.look(stores.ledger, stores.health, stores.now_ms, stores.since_ms)
        for where in stores.places:
            if stores.sent(where):
                stores.settle(where, "kept")
        stores.now_ms += 10 * MINUTE_MS
        stores.here()
    stores.ledger.close()
    stores.ledger, stores.since_ms = Ledger(stores.db), stores.now_ms
    for _ in range(12):
        stores.look()
        for where in stores.places:
            stores.settle(where, "kept") if stores.sent(where) else None
        stores.here()
        stores.look(10)
    assert state(stores, number) == ("done", 3)
    ids = [stores.sent(where)["settings_id"] for where in stores.places]
    assert len(set(ids)) == 1
    assert len(stores.ledger.rollout_gateways(number)) == 5


def test_nothing_is_ordered_that_cannot_begin(stores: Stores, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="ring 1, nobody: no gateway is in it"):
        stores.begin(tmp_path, "settings", GOOD, ("nobody", "all"))
    with pytest.raises(ConfigError, match=r"nfc\.poll_ms"):
        stores.begin(tmp_path, "settings", {"nfc": {"poll_ms": 1}}, RINGS)
    begin(stores, tmp_path)
    with pytest.raises(ConfigError, match="another roll-out of settings is under way"):
        stores.begin(tmp_path, "settings", GOOD, RINGS)
    with pytest.raises(ConfigError, match="no such roll-out"):
        staging.act(stores.db, 77, "stop", NOW_MS)


async def test_it_goes_on_by_itself_while_headquarters_serves(
    stores: Stores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staging, "LOOK_S", 0.01)
    pulse = Pulse()
    stores.begin(tmp_path, "settings", GOOD, RINGS)
    running = asyncio.create_task(staging.run(stores.ledger, pulse, Health(), lambda: NOW_MS))
    async with asyncio.timeout(20):
        while not stores.ledger.version():  # noqa: ASYNC110 - it is true by what another thread commits
            await asyncio.sleep(0.01)
        assert await pulse.wait(0, 10_000)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    assert json.loads(json.dumps(staging.listed(stores.db, 5)))[0]["ring"] == 1
    assert [row["gateway"] for row in staging.told(stores.db, 1)] == ["acme/store-1/gw-1"]
