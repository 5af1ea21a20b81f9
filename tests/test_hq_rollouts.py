"""Roll-outs in headquarters' tables: who is sent what and gets what back, on both databases."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gateway.core.trial import SettingsPut
from gateway.errors import PeerError
from sync import messages
from sync.hq import rollouts
from sync.hq.rolling import Plan, Step, What
from sync.hq.rollouts import KEPT
from sync.topics import Topics
from tests.rigs.rolled import MINUTE_MS, NOW_MS, WINDOW_MS, Stores


@pytest.fixture
def stores(tmp_path: Path, each_database: None) -> Iterator[Stores]:
    with closing(Stores(tmp_path, 3)) as made:
        yield made


def plan(what: What = "settings", rings: tuple[str, ...] = ("store-1", "all")) -> Plan:
    return Plan(what, rings, 0, "0", 90, MINUTE_MS, WINDOW_MS)


def settings(settings_id: str, document: str = "{}"):
    return messages.op_of(SettingsPut(settings_id, "", WINDOW_MS, document))


def config(sale_ms: int):
    return {"op": "config.put", "body": {"sale_ms": sale_ms}}


def begun(
    stores: Stores, what: What = "settings", op: object = None, rings: tuple[str, ...] = ("store-1", "all")
) -> int:
    made = op or (settings("new") if what == "settings" else config(500))
    assert isinstance(made, dict)
    number = stores.ledger.begin_rollout(plan(what, rings), made, NOW_MS)
    assert number is not None
    return number


def tell(stores: Stores, number: int, *names: str, ring: int = 1) -> int:
    return stores.ledger.tell_ring(number, {f"acme/{name}/gw-1": ring for name in names}, NOW_MS)


def ids(stores: Stores) -> list[str | None]:
    """The settings that each store was sent last."""
    return [sent["settings_id"] if (sent := stores.sent(where)) else None for where in stores.places]


def sale(stores: Stores) -> list[int]:
    return [stores.sent(where, "config.put")["sale_ms"] for where in stores.places]


def test_only_who_is_told_is_sent_it_and_each_once(stores: Stores) -> None:
    stores.ledger.record_ops([settings("old")])
    number = begun(stores)
    assert ids(stores) == ["old", "old", "old"]
    assert tell(stores, number, "store-1") == 1
    assert tell(stores, number, "store-1") == 0
    assert tell(stores, number, "store-2", ring=2) == 0  # its turn has not come
    assert ids(stores) == ["new", "old", "old"]
    assert stores.ledger.take_step(number, 1, Step("next"), NOW_MS)
    assert not stores.ledger.take_step(number, 1, Step("next"), NOW_MS)  # by another process that thinks that it leads
    assert tell(stores, number, "store-1", "store-2", ring=2) == 1
    assert ids(stores) == ["new", "new", "old"]
    assert [row["ring"] for row in stores.ledger.rollout_gateways(number)] == [1, 2]


def test_many_are_told_a_few_at_a_time(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollouts, "AT_ONCE", 2)
    number = begun(stores)
    names = ("store-1", "store-2", "store-3")
    assert [tell(stores, number, *names) for _ in range(3)] == [2, 1, 0]
    stores.ledger.steer_rollout(number, "undoing", NOW_MS)
    assert [stores.ledger.give_back(number, NOW_MS) for _ in range(3)] == [2, 1, 0]
    assert stores.row(number)["state"] == "undone"


def test_one_of_a_kind_is_under_way_at_a_time(stores: Stores) -> None:
    number = begun(stores)
    assert stores.ledger.begin_rollout(plan(), settings("other"), NOW_MS) is None
    assert stores.ledger.begin_rollout(plan("config"), config(500), NOW_MS) is not None
    assert stores.ledger.take_step(number, 0, Step("stop", "nobody"), NOW_MS)
    assert stores.ledger.begin_rollout(plan(), settings("other"), NOW_MS) is not None
    assert stores.ledger.steer_rollout(number, "running", NOW_MS) is None


def test_what_is_no_operation_to_roll_out_is_refused(stores: Stores) -> None:
    with pytest.raises(PeerError, match="op"):
        stores.ledger.begin_rollout(plan(), {"op": "offer.drop", "body": {"offer_id": "o-1"}}, NOW_MS)
    assert stores.ledger.rollouts(5) == []


def test_a_stopped_or_paused_one_tells_nobody(stores: Stores) -> None:
    number = begun(stores)
    assert stores.ledger.steer_rollout(number, "paused", NOW_MS) == "running"
    assert tell(stores, number, "store-1") == 0
    assert not stores.ledger.take_step(number, 0, Step("next"), NOW_MS)
    assert stores.ledger.steer_rollout(number, "running", NOW_MS) == "paused"
    assert stores.ledger.take_step(
        number, 0, Step("stop", "failures", "acme/store-1/gw-1", ("undone", "check")), NOW_MS
    )
    assert tell(stores, number, "store-1") == 0
    row = stores.row(number)
    assert (row["state"], row["reason"], row["gateway"]) == ("stopped", "failures", "acme/store-1/gw-1")
    assert row["why"] == ["undone", "check"]
    assert stores.ledger.steer_rollout(number, "running", NOW_MS) == "stopped"
    assert (stores.row(number)["reason"], stores.row(number)["why"]) == ("", [])
    assert stores.ledger.steer_rollout(number, "stopped", NOW_MS) == "running"
    assert stores.row(number)["reason"] == "operator"


def test_undone_means_what_each_had_before(stores: Stores) -> None:
    stores.ledger.record_ops([settings("old"), settings("own", '{"nfc":{"poll_ms":60}}')])
    own = messages.op_of(SettingsPut("mine", stores.places[1].name, WINDOW_MS, '{"nfc":{"poll_ms":70}}'))
    stores.ledger.record_ops([own])
    number = begun(stores)
    tell(stores, number, "store-1", "store-2")
    assert ids(stores) == ["new", "new", "own"]
    assert stores.ledger.steer_rollout(number, "undoing", NOW_MS) == "running"
    assert stores.ledger.begin_rollout(plan(), settings("other"), NOW_MS) is None
    while stores.ledger.give_back(number, NOW_MS):
        pass
    assert ids(stores) == ["own", "mine", "own"]
    assert stores.sent(stores.places[1])["document"] == {"nfc": {"poll_ms": 70}}
    assert stores.ledger.steer_rollout(number, "undoing", NOW_MS) is None


def test_undone_without_any_before_means_the_file_alone(stores: Stores) -> None:
    number = begun(stores, op=settings("new", '{"nfc":{"poll_ms":60}}'))
    tell(stores, number, "store-1")
    stores.ledger.steer_rollout(number, "undoing", NOW_MS)
    while stores.ledger.give_back(number, NOW_MS):
        pass
    sent = stores.sent(stores.places[0])
    assert (sent["document"], sent["settings_id"] != "new") == ({}, True)
    assert ids(stores)[1:] == [None, None]


def test_done_means_all_that_are_and_will_be(stores: Stores) -> None:
    stores.ledger.record_ops([config(100)])
    number = begun(stores, "config")
    tell(stores, number, "store-1", "store-2")
    stores.ledger.configure(stores.places[1].name, config(222))  # an operator's own, meanwhile
    assert stores.ledger.take_step(number, 1, Step("done"), NOW_MS)
    assert sale(stores) == [500, 222, 500]
    assert stores.ledger.config()["sale_ms"] == 500
    (ops, _) = stores.ledger.changes_after(0, 10**9, stores.places[0].name)
    assert len(ops) == 1  # the line holds it once for all again
    stores.ledger.steer_rollout(number, "undoing", NOW_MS)
    while stores.ledger.give_back(number, NOW_MS):
        pass
    assert sale(stores) == [100, 222, 100]


def test_a_last_ring_of_some_leaves_the_others_as_they_are(stores: Stores) -> None:
    stores.ledger.record_ops([config(100)])
    number = begun(stores, "config", rings=("store-1",))
    tell(stores, number, "store-1")
    assert stores.ledger.take_step(number, 1, Step("done"), NOW_MS)
    assert sale(stores) == [500, 100, 100]
    assert stores.ledger.steer_rollout(number, "undoing", NOW_MS) == "done"
    stores.ledger.give_back(number, NOW_MS)
    assert sale(stores) == [100, 100, 100]


def test_what_others_were_sent_since_is_not_undone(stores: Stores) -> None:
    stores.ledger.record_ops([config(100)])
    number = begun(stores, "config")
    tell(stores, number, "store-1", "store-2", "store-3")
    stores.ledger.configure(stores.places[1].name, config(222))
    stores.ledger.steer_rollout(number, "undoing", NOW_MS)
    while stores.ledger.give_back(number, NOW_MS):
        pass
    assert sale(stores) == [100, 222, 100]
    again = begun(stores, "config")
    tell(stores, again, "store-1")
    stores.ledger.take_step(again, 1, Step("done"), NOW_MS)
    stores.ledger.record_ops([config(300)])
    assert stores.ledger.steer_rollout(again, "undoing", NOW_MS) is None
    assert sale(stores) == [300, 300, 300]


def test_numbers_that_rise_after_a_restored_backup_are_still_its_own(stores: Stores) -> None:
    stores.ledger.record_ops([config(100)])
    number = begun(stores, "config")
    tell(stores, number, "store-1", "store-2")
    stores.ledger.overtake(Topics("acme", "store-1", "gw-1"), 1_000)
    ((_, one), (_, two)) = stores.ledger.told_gateways(number, 1, NOW_MS)
    assert one is not None and two is not None
    assert (one.stands, two.stands) == ("ours", "ours")
    stores.ledger.take_step(number, 1, Step("done"), NOW_MS)
    stores.ledger.overtake(Topics("acme", "store-1", "gw-1"), 5_000)
    assert stores.ledger.steer_rollout(number, "undoing", NOW_MS) == "done"


def test_old_ones_go_with_all_that_was_kept_for_them(stores: Stores) -> None:
    stores.ledger.record_ops([config(100)])
    first = begun(stores, "config")
    tell(stores, first, "store-1")
    stores.ledger.take_step(first, 1, Step("done"), NOW_MS)
    for sale_ms in range(KEPT):
        number = begun(stores, "config", config(1_000 + sale_ms))
        stores.ledger.take_step(number, 0, Step("stop", "nobody"), NOW_MS)
    assert [row["id"] for row in stores.ledger.rollouts(1_000)] == [*range(first + KEPT, first, -1)]
    assert stores.ledger.rollout_gateways(first) == []
    values = stores.ledger._read("SELECT op FROM rollout_value")
    assert 500 not in {json.loads(row["op"])["body"]["sale_ms"] for row in values}
