"""`store-gateway replay-decisions` on a real file, also while the service runs: a table, JSON, a chart, and faults."""

import asyncio
import json
import secrets
import xml.etree.ElementTree as ET
from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from gateway import keys, whatifverbs
from gateway.__main__ import main
from gateway.apply import apply
from gateway.core.changes import ConfigPut, Delta, LearningPut, OfferDrop, OfferPut
from gateway.core.localtime import day_between
from gateway.core.model import Offer, Purpose
from gateway.store import Store
from gateway.whatif import MAX_DECISIONS, Changes
from sync import messages
from sync.hq import proofreading
from tests.rigs.shop import SITE_KEY, START_MS, TEXT, member
from tests.test_whatif import LEARNING, OFFERS, PEOPLE, SHOP, walk

DAY = datetime.fromtimestamp(START_MS / 1_000, UTC).date()


@pytest.fixture
async def config(tmp_path: Path) -> Path:
    path = tmp_path / "gateway.toml"
    path.write_text(
        f'[gateway]\ntenant = "t"\nstore = "s"\nid = "g"\ndata_dir = "{tmp_path / "data"}"\n'
        '[[screen]]\nid = "bar"\nzone = "coffee"\n'
    )
    store = Store(tmp_path / "data" / "gateway.db", secrets.token_hex(16), keys.site_key(tmp_path / "data"))
    people = [one for name in PEOPLE for one in member(name, *Purpose, interests=("coffee", "wine"))]
    changes = (ConfigPut(SHOP), LearningPut(LEARNING), *map(OfferPut, OFFERS), *people)
    await store.run(lambda tx: apply(tx, Delta(0, 1, changes), SITE_KEY, START_MS))
    await store.run(lambda tx: walk(tx, START_MS, 60))
    store.close()
    return path


def catalogue(tmp_path: Path, *changes: object) -> Path:
    path = tmp_path / "catalogue.jsonl"
    path.write_text("".join(json.dumps(messages.op_of(one)) + "\n" for one in changes))
    return path


async def run(config: Path, *more: object) -> int:
    asked = ["replay-decisions", "--day", DAY.isoformat(), "--config", str(config), *map(str, more)]
    return await asyncio.to_thread(main, asked)


async def test_nothing_would_change_with_the_same_catalogue(
    config: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = {file.name: file.read_bytes() for file in (tmp_path / "data").iterdir()}
    assert await run(config) == 0
    assert capfd.readouterr().out.splitlines()[-1] == "Nothing would change."
    assert {file.name: file.read_bytes() for file in (tmp_path / "data").iterdir()} == before


async def test_what_would_change_is_told_while_the_file_is_open(
    config: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    loud = catalogue(
        tmp_path,
        OfferPut(Offer("loud", TEXT, TEXT, category="coffee", public_safe=True, priority=9)),
        OfferDrop("espresso"),
    )
    plot = tmp_path / "chart.svg"
    store = Store(tmp_path / "data" / "gateway.db", secrets.token_hex(16), keys.site_key(tmp_path / "data"))
    try:
        assert await run(config, "--catalogue", loud, "--plot", plot) == 0
    finally:
        store.close()
    told = capfd.readouterr().out
    assert "loud" in told
    assert "newly spoken" in told
    assert told.count("before    after") == 2
    assert "another offer" in told
    assert not any(name in told for name in PEOPLE)
    assert "loud" in {text.text for text in ET.fromstring(plot.read_text()).iter("{http://www.w3.org/2000/svg}text")}
    assert await run(config, "--catalogue", loud, "--json") == 0
    data = json.loads(capfd.readouterr().out)
    assert data["nothing_would_change"] is False
    assert data["shown_after"]["loud"] > 0
    assert data["shown_before"]["espresso"] > 0
    assert "espresso" not in data["shown_after"]


async def test_the_file_of_a_whole_catalogue_stands_in_place_of_all_offers(
    config: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "whole.json"
    loud = messages.op_of(OfferPut(Offer("loud", TEXT, TEXT, category="coffee", public_safe=True, priority=9)))["body"]
    path.write_text(json.dumps({"offers": [loud]}, indent=2))
    assert await run(config, "--catalogue", path, "--json") == 0
    data = json.loads(capfd.readouterr().out)
    assert data["shown_after"]["loud"] > 0
    assert set(data["shown_after"]) <= {"loud", "-"}
    path.write_text(json.dumps({"offers": [loud, loud]}))
    assert await run(config, "--catalogue", path) == 78
    assert f"{path}: offers.1.offer_id: another offer has it" in capfd.readouterr().err
    path.write_text(json.dumps({"offers": [loud]}, indent=2)[:-1])
    assert await run(config, "--catalogue", path) == 78
    assert len(capfd.readouterr().err.splitlines()) == 1  # one slip is one fault, not one of each line
    path.write_text('{"offers": []}')
    assert await run(config, "--catalogue", path, "--json") == 0
    assert set(json.loads(capfd.readouterr().out)["shown_after"]) == {"-"}


async def test_another_configuration_is_tried_the_same_way(
    config: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    shop = tmp_path / "shop.json"
    shop.write_text(json.dumps({"contacts_per_day": 0, "restraint": {"time_zone": "Europe/Berlin"}}))
    assert await run(config, "--shop", shop, "--json") == 0
    data = json.loads(capfd.readouterr().out)
    assert data["newly_silent"] > 0
    assert data["newly_spoken"] >= 0


async def test_every_fault_of_a_file_is_told_before_anything_runs(
    config: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    good = json.dumps(messages.op_of(OfferPut(OFFERS[0])))
    broken = json.dumps(
        {"op": "offer.put", "body": {"offer_id": "x", "title": {}, "text": {}, "eligibility": {"no": 1}}}
    )
    path = tmp_path / "bad.jsonl"
    path.write_text(f'{good}\nno json\n\n{broken}\n{{"op": "member.put", "body": {{}}}}\n')
    assert await run(config, "--catalogue", path) == 78
    told = capfd.readouterr()
    assert told.out == ""
    lines = [line for line in told.err.splitlines() if line]
    assert [line.split(": ")[0] for line in lines] == [f"{path}:{number}" for number in (2, 4, 5)]
    path.write_text("no json\n" * 99)
    assert await run(config, "--catalogue", path) == 78
    told = capfd.readouterr()
    assert len(told.err.splitlines()) == proofreading.MAX_FAULTS + 1
    assert await run(config, "--catalogue", tmp_path / "nowhere") == 78
    assert await run(config, "--plot", tmp_path) == 78


async def test_without_data_it_is_told(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text(f'[gateway]\ntenant = "t"\nstore = "s"\nid = "g"\ndata_dir = "{tmp_path / "data"}"\n')
    assert await run(path) == 78
    assert "no such file" in capfd.readouterr().err
    assert not (tmp_path / "data").exists()


def test_a_day_without_decisions_says_so() -> None:
    assert list(whatifverbs.told(Changes(), date(2026, 11, 22))) == ["2026-11-22: no decision is kept of that day."]


def test_every_doubt_has_its_line() -> None:
    doubts = Changes(
        decisions=9,
        again=5,
        changed=1,
        other_offer=1,
        chosen_anew=1,
        unjudged=2,
        other_catalogue=3,
        other_policy=4,
        cut_off=True,
        left_out=Counter(profile=2, not_kept=1, contacts=1),
        shown_before=Counter({f"o{number}": 1 for number in range(whatifverbs.LISTED + 9)}),
        shown_after=Counter({"o1": 9}),
        reasons_after=Counter({"budget.day": 1}),
    )
    told = "\n".join(whatifverbs.told(doubts, date(2026, 11, 22)))
    for words in ("There were more", "another catalogue", "another configuration", "learned choices", "who else"):
        assert words in told
    assert "2 left out: profile or consents have changed since" in told
    assert "(9 more; --json has all)" in told
    assert "  budget.day: Enough had been shown on that day." in told
    assert MAX_DECISIONS >= 20_000 * 2


@pytest.mark.parametrize("day", ["yesterday", "22.11.2026", "2026-02-30", "9999-12-31", "1969-12-31", "0001-01-01"])
def test_a_day_that_is_none_of_the_calendars_is_answered_with_one_that_is(
    day: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["replay-decisions", "--day", day])
    assert ended.value.code == 2
    assert f"expected a day as YYYY-MM-DD, from the year 1970 to 9998; found '{day}'" in capfd.readouterr().err


@pytest.mark.parametrize("year", [whatifverbs.FIRST_YEAR, whatifverbs.LAST_YEAR])
@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "America/Los_Angeles"])
def test_the_first_and_last_day_begin_and_end_on_every_clock(year: int, zone: str) -> None:
    for day in (date(year, 1, 1), date(year, 12, 31)):
        from_ms, until_ms = day_between(day, zone)
        assert until_ms - from_ms == 86_400_000


def test_other_reasons_alone_change_what_nobody_is_shown() -> None:
    changes = Changes(decisions=2, again=2, reasons_before=Counter({"zone": 1}), reasons_after=Counter({"zone": 2}))
    lines = list(whatifverbs.told(changes, DAY))
    assert lines[1] == "Everybody would be shown the same; offers would fall for other reasons."
    assert lines[-1].startswith("  zone: ")
