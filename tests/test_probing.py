"""A decision for nobody: it asks every rule, raises what a rule raises, and leaves nothing behind."""

from dataclasses import replace

import pytest

from gateway.core import eligible
from gateway.core.model import Offer
from gateway.probing import probe
from gateway.records import Tx
from tests.rigs.shop import START_MS, TEXT

RULE = eligible.parse({"is": ["zone", "coffee"]})
SCREENS = {"bar": "coffee"}


def test_it_asks_the_rules_of_members_offers_and_of_everybodys(tx: Tx, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[eligible.Rule] = []
    compare = eligible._compare

    def noting(rule: eligible.Rule, value: eligible.Value | None) -> bool | None:
        asked.append(rule)
        return compare(rule, value)

    monkeypatch.setattr(eligible, "_compare", noting)
    for audience in ("members", "everyone"):
        asked.clear()
        tx.replace_offers([Offer("one", TEXT, TEXT, audience=audience, eligibility=RULE)])
        probe(tx, SCREENS, START_MS)
        assert RULE in asked


def test_what_a_rule_raises_goes_up_and_is_counted(tx: Tx, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(rule: object, value: object) -> bool:
        raise ZeroDivisionError

    tx.put_offer(Offer("one", TEXT, TEXT, audience="everyone", eligibility=RULE))
    monkeypatch.setattr(eligible, "_compare", failing)
    with pytest.raises(ZeroDivisionError):
        probe(tx, SCREENS, START_MS)
    assert tx.take_counts()["decisions.failed"] == 1


def test_it_leaves_nothing_behind(tx: Tx) -> None:
    offer = Offer("one", TEXT, TEXT, public_safe=True)
    tx.replace_offers([offer, replace(offer, offer_id="two", eligibility=RULE)])
    before = "\n".join(tx.db.conn.iterdump())
    probe(tx, SCREENS, START_MS)
    assert "\n".join(tx.db.conn.iterdump()) == before
