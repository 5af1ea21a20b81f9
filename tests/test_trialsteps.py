"""What a trial comes to in one transaction: begun, kept, taken back, and headquarters told what and why."""

import json
from dataclasses import replace
from typing import Any

import pytest

from gateway import trialsteps
from gateway.apply import apply
from gateway.core.changes import CataloguePart, Change, ConfigPut, ConsentAdd, Delta, MemberErase, OfferPut
from gateway.core.model import ConsentState, Offer, Purpose, ShopConfig
from gateway.core.trial import Before, Fault, SettingsPut, SettingsRefused, Steered, Trial
from gateway.records import Tx
from tests.rigs.shop import NOTICE, SITE_KEY, START_MS, TEXT, consent, member

NOW = START_MS
PUT = SettingsPut("s-1", "t/s/g", 60_000, '{"screen":[{"id":"bar","zone":"x"}]}')
SHOP = ShopConfig(zones={"coffee": TEXT}, notice=NOTICE)


def push(tx: Tx, *changes: Change, gateway: str = "t/s/g", refused: tuple[Any, ...] = ()):
    return apply(tx, Delta(tx.hq_version, tx.hq_version + 1, changes, refused=refused), SITE_KEY, NOW, gateway)


def told(tx: Tx) -> list[tuple[str, dict[str, Any]]]:
    """Events of trials, oldest first."""
    rows = tx.outbox_after(0, 1_000)
    kinds = ("settings.", "config.", "catalogue.undone")
    return [(row.type, json.loads(row.body)) for row in rows if row.type.startswith(kinds)]


def on_trial(tx: Tx, **fields: Any) -> Trial:
    trial = replace(Trial("settings", "s-1", PUT.document, 60_000, 0, 0, Before({"hq": "ok"})), **fields)
    tx.put_trial(trial)
    return trial


# --- settings come --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("gateway", "mine"), [("t/s/g", True), ("", True), ("t/s/other", False)])
def test_settings_for_this_gateway_or_all_wait_to_be_looked_at(tx: Tx, gateway: str, mine: bool) -> None:
    touched = push(tx, replace(PUT, gateway=gateway))
    assert touched.settings is mine
    assert (tx.wanted_settings() is not None) is mine


def test_settings_that_can_not_be_read_are_told_and_hold_up_nothing(tx: Tx) -> None:
    push(tx, ConfigPut(SHOP), refused=(SettingsRefused("s-9", "fields", "window_ms"),))
    ((kind, body),) = told(tx)
    assert kind == "settings.refused"
    assert (body["given"], body["reasons"], body["field"], body["runs"]) == ("s-9", ["fields"], "window_ms", "")
    assert tx.shop() == SHOP


def test_settings_are_tried_and_then_count(tx: Tx) -> None:
    push(tx, PUT)
    trialsteps.begin_settings(tx, PUT, Before({"hq": "ok"}), 2, NOW)
    assert tx.wanted_settings() is None
    (trial,) = trialsteps.at_start(tx, NOW + 5, fresh=False)
    assert (trial.begun, trial.until_ms, trial.name) == (1, NOW + 60_005, "s-1")
    assert tx.steered() == Steered()
    trialsteps.keep(tx, trial, NOW + 9)
    assert tx.trials() == ()
    assert tx.steered() == Steered("s-1", PUT.document, NOW + 9)
    assert [(kind, body["state"], body["runs"], body["local"]) for kind, body in told(tx)] == [
        ("settings.tried", "trial", "", 2),
        ("settings.kept", "kept", "s-1", 2),
    ]


@pytest.mark.parametrize(("reason", "state", "runs"), [("", "unchanged", "s-1"), ("check", "refused", "s-0")])
def test_settings_that_are_not_tried(tx: Tx, reason: str, state: str, runs: str) -> None:
    tx.put_steered(Steered("s-0", "{}", 1))
    push(tx, PUT)
    trialsteps.settle_settings(tx, PUT, reason, "source.0.path" if reason else "", 1, NOW)
    assert tx.wanted_settings() is None
    ((kind, body),) = told(tx)
    assert kind == f"settings.{state}"
    assert (body["given"], body["runs"], body["reasons"]) == ("s-1", runs, [reason] if reason else [])
    assert tx.report().state == state


# --- a start --------------------------------------------------------------------------------------------------------


def test_a_process_that_dies_twice_in_a_trial_takes_it_back(tx: Tx) -> None:
    on_trial(tx)
    for begun in (1, 2):
        (trial,) = trialsteps.at_start(tx, NOW, fresh=True)
        assert trial.begun == begun
    assert trialsteps.at_start(tx, NOW, fresh=True) == ()
    assert told(tx)[-1][0] == "settings.undone"
    assert told(tx)[-1][1]["reasons"] == ["interrupted"]


def test_a_box_that_was_off_until_the_window_was_over_takes_it_back(tx: Tx) -> None:
    on_trial(tx, begun=1, until_ms=NOW)
    assert trialsteps.at_start(tx, NOW, fresh=True) == ()
    assert told(tx)[-1][1]["reasons"] == ["overdue"]


def test_a_catalogue_is_watched_for_another_window_after_a_night(tx: Tx) -> None:
    tx.put_trial(Trial("catalogue", "c-1", "5", 60_000, 1, NOW - 1))
    (trial,) = trialsteps.at_start(tx, NOW, fresh=True)
    assert (trial.begun, trial.until_ms) == (2, NOW + 60_000)
    assert trialsteps.at_start(tx, NOW, fresh=True) == ()
    assert told(tx)[-1][1]["reasons"] == ["interrupted"]


def test_another_start_in_this_process_counts_for_nothing_else(tx: Tx) -> None:
    tx.put_shop(SHOP)
    push(tx, ConfigPut(replace(SHOP, sale_ms=1)))
    on_trial(tx)
    for _ in range(4):
        trials = trialsteps.at_start(tx, NOW, fresh=False)
    assert {trial.what: trial.begun for trial in trials} == {"config": 1, "settings": 1}


def test_settings_with_which_the_service_can_not_run_go(tx: Tx) -> None:
    tx.put_steered(Steered("s-0", "{}", 7))
    on_trial(tx, begun=1)
    assert trialsteps.at_start(tx, NOW, fresh=False, failed="start") == ()
    ((_, body),) = told(tx)
    assert (body["reasons"], body["runs"], body["since_ms"]) == (["start"], "s-0", 7)


def test_settings_that_no_longer_go_with_the_file_are_told_once(tx: Tx) -> None:
    tx.put_steered(Steered("s-0", "{}", 7))
    for _ in range(3):
        trialsteps.refit(tx, "fields", "receiver.1.screen", NOW)
    ((kind, body),) = told(tx)
    assert kind == "settings.refused"
    assert (body["runs"], body["field"]) == ("", "receiver.1.screen")
    assert tx.steered().settings_id == "s-0"  # once the file fits again, they count again


# --- taken back -----------------------------------------------------------------------------------------------------


def test_a_configuration_goes_back_whole_and_is_not_tried_again(tx: Tx) -> None:
    push(tx, ConfigPut(SHOP))
    wrong = replace(SHOP, zones={}, sale_ms=5)
    push(tx, ConfigPut(wrong), *member("mia", *Purpose))
    (trial,) = tx.trials()
    assert trialsteps.shop_before(trial) == SHOP
    touched = trialsteps.undo(tx, trial, [Fault("zones", "zone:coffee")], NOW)
    assert touched.shop
    assert tx.shop() == SHOP
    assert told(tx) == [("config.undone", {"version": 2, "reasons": ["zones"], "parts": ["zone:coffee"]})]
    assert push(tx, ConfigPut(wrong)).counts == ["hq.undone_before"]
    assert told(tx)[1:] == [("config.undone", {"version": 3, "reasons": ["undone_before"], "parts": []})]
    assert tx.shop() == SHOP
    assert tx.person("mia", NOW) is not None  # what came beside it stays


def test_a_configuration_that_is_kept_or_runs_already_is_told(tx: Tx) -> None:
    push(tx, ConfigPut(SHOP))
    assert told(tx) == []  # the first one has nothing before it
    push(tx, ConfigPut(replace(SHOP, sale_ms=5)))
    (trial,) = tx.trials()
    trialsteps.keep(tx, trial, NOW)
    push(tx, ConfigPut(replace(SHOP, sale_ms=5)))
    assert told(tx) == [("config.kept", {"version": version}) for version in (2, 3)]
    assert tx.trials() == ()


def test_a_withdrawal_and_an_erasure_beside_it_stay(tx: Tx) -> None:
    push(tx, ConfigPut(SHOP), *member("mia", *Purpose), *member("ben", *Purpose), OfferPut(Offer("old", TEXT, TEXT)))
    no = consent("mia", Purpose.RECOGNISE_NFC, ConsentState.WITHDRAWN, seq=2)
    offer = OfferPut(Offer("new", TEXT, TEXT))
    push(tx, ConfigPut(replace(SHOP, zones={})), offer, ConsentAdd(no.record), MemberErase("ben"))
    for trial in tx.trials():
        trialsteps.undo(tx, trial, [Fault("decision")], NOW)
    assert tx.consents("mia")[Purpose.RECOGNISE_NFC].state is ConsentState.WITHDRAWN
    assert tx.person("ben", NOW) is None
    assert tx.is_erased("ben")
    assert [one.offer_id for one in tx.offers()] == ["old"]


def test_a_catalogue_goes_back_and_none_of_its_parts_is_taken_again(tx: Tx) -> None:
    old, new = Offer("old", TEXT, TEXT), Offer("new", TEXT, TEXT)
    push(tx, CataloguePart("c-1", 1, 1, (old,)))
    assert tx.trials() == ()  # the first one has nothing before it
    push(tx, CataloguePart("c-2", 1, 1, (new,)))
    (trial,) = tx.trials()
    touched = trialsteps.undo(tx, trial, [Fault("decision")], NOW)
    assert touched.catalogue
    assert tx.offers() == (old,)
    expected = {"catalogue_id": "c-2", "version": 2, "reasons": ["decision"], "parts": []}
    assert told(tx) == [("catalogue.undone", expected)]
    push(tx, CataloguePart("c-2", 1, 1, (new,)))
    assert tx.offers() == (old,)


def test_what_is_kept_needs_its_former_no_more(tx: Tx) -> None:
    push(tx, OfferPut(Offer("one", TEXT, TEXT)), OfferPut(Offer("two", TEXT, TEXT)))
    assert tx.trials() == ()
    push(tx, OfferPut(Offer("one", TEXT, TEXT, priority=1)), OfferPut(Offer("three", TEXT, TEXT)))
    assert tx.db.execute("SELECT count(*) FROM offer_former").fetchone() == (2,)
    (trial,) = tx.trials()
    trialsteps.keep(tx, trial, NOW)
    assert tx.db.execute("SELECT count(*) FROM offer_former").fetchone() == (0,)
    assert told(tx) == []
