"""What is on trial, and what was before it, in the tables."""

from dataclasses import replace

from gateway.core.changes import Change
from gateway.core.model import Offer, ShopConfig
from gateway.core.trial import Before, Report, SettingsPut, Steered, Trial
from gateway.records import Tx
from tests.rigs.shop import TEXT

PUT = SettingsPut("s-1", "t/s/g", 60_000, '{"screen":[]}')
SHOP = ShopConfig(zones={"coffee": TEXT})


def offer(offer_id: str, **fields: object) -> Offer:
    return replace(Offer(offer_id, TEXT, TEXT), **fields)  # type: ignore[arg-type]  # any field of an offer


def test_the_file_alone_counts_at_first(tx: Tx) -> None:
    assert tx.steered() == Steered()
    assert tx.wanted_settings() is None
    assert tx.report() == Report()
    assert tx.trials() == ()


def test_settings_wait_until_they_were_looked_at(tx: Tx) -> None:
    change: Change = PUT
    assert isinstance(change, SettingsPut)
    assert tx.want_settings(PUT)
    newer = replace(PUT, settings_id="s-2")
    assert tx.want_settings(newer)
    tx.settle_wanted(PUT)  # what came meanwhile still waits
    assert tx.wanted_settings() == newer
    tx.settle_wanted(newer)
    assert tx.wanted_settings() is None


def test_settings_that_were_settled_or_are_on_trial_do_not_wait_again(tx: Tx) -> None:
    tx.put_report(Report(given="s-1", state="undone"))
    assert not tx.want_settings(PUT)
    tx.put_trial(Trial("settings", "s-2", "{}", 5, 0, 0))
    assert not tx.want_settings(replace(PUT, settings_id="s-2"))
    assert tx.want_settings(replace(PUT, settings_id="s-3"))
    assert not tx.want_settings(PUT)
    assert tx.wanted_settings() is None  # the newest is the one that was settled


def test_a_trial_is_kept_with_how_the_box_did_before(tx: Tx) -> None:
    trial = Trial("settings", "s-1", "{}", 5_000, 1, 9, Before({"hq": "ok"}, ("bar",)))
    tx.put_trial(trial)
    assert tx.trial("settings") == trial
    tx.put_trial(replace(trial, begun=2))
    assert tx.trials() == (replace(trial, begun=2),)
    tx.end_trial("settings")
    assert tx.trial("settings") is None


def test_the_first_configuration_is_not_tried(tx: Tx) -> None:
    assert tx.try_shop(SHOP, 1, 0) == "first"
    assert tx.trial("config") is None


def test_another_configuration_keeps_the_one_that_was_confirmed_last(tx: Tx) -> None:
    tx.put_shop(SHOP)
    first = tx.meta("shop")
    for number in (1, 2):
        newer = replace(SHOP, sale_ms=number, trial_ms=7_000)
        assert tx.try_shop(newer, 40 + number, 1_000) == "trial"
        tx.put_shop(newer)
    assert tx.try_shop(newer, 43, 2_000) == "trial"  # the same, and its end is told of the newer version
    trial = tx.trial("config")
    assert trial == Trial("config", "43", str(first), 7_000, 1, 8_000)


def test_the_same_configuration_again_changes_nothing(tx: Tx) -> None:
    tx.put_shop(SHOP)
    assert tx.try_shop(SHOP, 2, 0) == "same"
    assert tx.trial("config") is None


def test_what_was_taken_back_is_not_tried_again(tx: Tx) -> None:
    tx.put_shop(SHOP)
    wrong = replace(SHOP, zones={})
    tx.note_undone(wrong)
    assert tx.try_shop(wrong, 2, 0) == "undone"
    assert tx.try_shop(replace(wrong, sale_ms=1), 3, 0) == "trial"


def test_offers_go_back_to_what_they_were_before_the_trial(tx: Tx) -> None:
    tx.put_offer(offer("stays"))
    tx.put_offer(offer("goes", caps=()))
    tx.db.execute("INSERT INTO offer_count VALUES ('goes', 'shown', 0, 3)")
    before = tx.offers()
    tx.try_catalogue("c-1", 5, 1_000)
    assert tx.trial("catalogue") == Trial(
        "catalogue", "c-1", "5", ShopConfig().trial_ms, 1, 1_000 + ShopConfig().trial_ms
    )
    tx.replace_offers([offer("stays", priority=9), offer("new")])
    tx.put_offer(offer("stays", priority=10))
    tx.try_catalogue("", 6, 2_000)  # a single offer beside it: what is undone is still that catalogue
    tx.drop_offer("new")
    tx.put_back_offers()
    assert tx.offers() == before
    assert tx.db.execute("SELECT * FROM offer_count").fetchall() == [("goes", "shown", 0, 3)]
    assert tx.db.execute("SELECT count(*) FROM offer_former").fetchone() == (0,)
    trial = tx.trial("catalogue")
    assert trial is not None
    assert trial.name == "c-1"


def test_offers_leave_nothing_behind_while_nothing_is_on_trial(tx: Tx) -> None:
    tx.put_offer(offer("one"))
    tx.put_offer(offer("one", priority=2))
    tx.drop_offer("one")
    assert tx.db.execute("SELECT count(*) FROM offer_former").fetchone() == (0,)
