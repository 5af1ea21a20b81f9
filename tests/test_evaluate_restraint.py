"""A short year in which everybody is left in peace; and each safeguard, once taken out, is missed by the checker."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from gateway import evaluate_restraint
from gateway.__main__ import main
from gateway.core import offers as engine
from gateway.core.restraint import Past, too_much
from gateway.core.spans import DAY_MS
from gateway.errors import ConfigError
from gateway.evaluate_restraint import Sums, chart, in_core, in_tables
from gateway.restraintcheck import Moment
from gateway.shopyear import OFFERS, POLICIES, somebody
from gateway.tables.history import History

PEOPLE, DAYS, SEED = 60, 60, 7


def test_a_season_leaves_everybody_in_peace(tell) -> None:
    sums = in_core(PEOPLE, DAYS, SEED)
    assert sums.breaches == {}
    assert sums.people == PEOPLE
    assert sums.held_out > 0
    assert sum(sums.per_day.values()) >= PEOPLE * DAYS
    for code in ("budget.quiet", "budget.pause", "budget.day", "budget.ignored"):
        assert sums.silences[code] > 0, code
    assert sums.contacts["beacon"] + sum(sums.silences.values()) == sums.moments["beacon"]
    for name, most in sums.fullest.items():
        assert 0 < most <= POLICIES[name].contacts_per_day
    tell(f"{sums.moments.total()} moments, {sums.contacts.total()} contacts, {sums.silences.total()} silences")


def without(refused: str):
    """`too_much` that does not know one of its codes."""

    def lax(contacts, shop, at_ms):
        code = too_much(contacts, shop, at_ms)
        return None if code == refused else code

    return lax


@pytest.mark.parametrize(
    ("refused", "missed"),
    [
        ("budget.day", {"budget", "window"}),
        ("budget.pause", {"gap"}),
        ("budget.quiet", {"quiet_hours"}),
        ("budget.ignored", {"back_off"}),
    ],
)
def test_a_check_of_the_budget_that_is_taken_out_is_missed(
    monkeypatch: pytest.MonkeyPatch, refused: str, missed: set[str]
) -> None:
    monkeypatch.setattr(engine, "too_much", without(refused))
    assert missed <= set(in_core(PEOPLE, DAYS, SEED).breaches)


def test_a_hold_out_that_is_taken_out_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "is_held_out", lambda *_: False)
    assert {"hold_out", "hold_out_of_offer"} <= set(in_core(PEOPLE, DAYS, SEED).breaches)


def test_caps_pauses_and_groups_that_are_taken_out_are_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Past, "exclusion", lambda *_: None)
    assert {"cap", "pause", "group"} <= set(in_core(PEOPLE, DAYS, SEED).breaches)


def test_reasons_that_are_lost_are_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "Reason", lambda candidate, code: type("R", (), {"candidate": candidate, "code": ""})())
    assert "row_without_reason" in in_core(8, DAYS, SEED).breaches


def test_through_the_tables_nobody_is_bothered_and_every_silence_has_its_row(monkeypatch: pytest.MonkeyPatch) -> None:
    sums = in_tables(16, DAYS, SEED)
    assert (sums.breaches, sums.rows_missing, sums.people) == ({}, 0, 16)
    assert sums.silences.total() > 100
    assert sums.contacts["card"] > 0

    def forgetful(self, member_id, now_ms, horizon_ms=DAY_MS):
        return ()

    monkeypatch.setattr(History, "contacts", forgetful)
    assert {"budget", "gap"} <= set(in_tables(16, DAYS, SEED).breaches)


def test_a_row_that_is_lost_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = History.decisions
    monkeypatch.setattr(History, "decisions", lambda self, member_id: kept(self, member_id)[1:])
    assert in_tables(4, DAYS, SEED).rows_missing > 0


def test_the_figures_and_the_chart_say_the_sums(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    plot = tmp_path / "year.svg"
    asked = ["evaluate", "restraint", "--people", "6", "--days", "30", "--plot", str(plot)]
    assert main([*asked, "--json"]) == 0
    figures = {one["name"]: one for one in json.loads(capfd.readouterr().out)}
    assert figures["core.breaches"]["value"] == figures["tables.breaches"]["value"] == 0
    assert figures["tables.rows_missing"]["value"] == 0
    assert figures["core.silences"]["value"] == sum(figures["core.silences"]["peers"].values()) > 0
    texts = {text.text for text in ET.fromstring(plot.read_text()).iter("{http://www.w3.org/2000/svg}text")}
    assert {"all channels", "unasked", "1", "12 or more"} <= texts
    with pytest.raises(ConfigError, match="directory"):
        evaluate_restraint.restraint(1, 1, 1, tmp_path)


def test_many_contacts_of_a_day_are_one_bar() -> None:
    sums = Sums()
    many = [Moment(1_795_000_000_000 + number, "tap", "bar", ("loop",)) for number in range(40)]
    sums.add(somebody(0, SEED), many, 1, OFFERS)
    assert sums.per_day == {40: 1, 0: 0}
    assert "12 or more" in chart(sums)
