"""Trials as they run: what came is looked at, tried with another start, watched, kept or taken back by itself."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from gateway import trials, trialsteps
from gateway.apply import apply
from gateway.config import Config
from gateway.core import eligible
from gateway.core.changes import Change, ConfigPut, Delta, OfferPut
from gateway.core.model import Offer, ShopConfig
from gateway.core.trial import SETTLE_MS, SettingsPut
from gateway.errors import ConfigError
from gateway.health import Health
from gateway.touched import Touched
from gateway.trials import READY_MS, Begun, Seen, Trials
from gateway.works import Works
from tests.rigs.shop import NOTICE, SITE_KEY, TEXT, Clock

WINDOW_MS = 60_000
SHOP = ShopConfig(zones={"coffee": TEXT}, notice=NOTICE, trial_ms=WINDOW_MS)
SCREENS = {"screen": [{"id": "bar", "zone": "coffee"}, {"id": "wine", "zone": "coffee"}]}
TWO_MORE = {"screen": [{"id": "wine", "zone": "coffee"}]}


def configured(folder: Path, **tables: Any) -> Config:
    who = {"tenant": "t", "store": "s", "id": "g", "data_dir": str(folder), "broker_steered": True}
    mqtt = {"host": "localhost"}
    return Config.model_validate({"gateway": who, "mqtt": mqtt, "screen": SCREENS["screen"][:1]} | tables)


@dataclass
class Box:
    """A service without devices, pages and line: the trials, and what they are judged by."""

    local: Config
    clock: Clock = field(default_factory=Clock)
    drawing: set[str] = field(default_factory=set)
    followed: list[Touched] = field(default_factory=list)
    asked: int = 0
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def start(self, *, fresh: bool = True, failed: str = "") -> None:
        self.health = Health()
        self.begun: Begun = await trials.begin(self.local, self.clock, fresh, failed)
        works = Works(self.begun.store, self.clock, self.health, self.spawn, lambda: None)
        self.shop: ShopConfig = await self.begun.store.run(lambda tx: tx.shop())
        seen = Seen(shop=lambda: self.shop, follow=self.follow, ask=self.ask, drawing=self.drawing.__contains__)
        self.trials = Trials(self.begun, works.commit, self.spawn, self.clock, self.health, seen)
        self.spawn(self.trials.run())

    async def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.tasks.clear()
        self.begun.store.close()

    async def again(self, *, fresh: bool = False, failed: str = "") -> None:
        """The service starts anew."""
        await self.stop()
        await self.start(fresh=fresh, failed=failed)

    def spawn(self, work: Any) -> None:
        self.tasks.append(asyncio.get_running_loop().create_task(work))

    async def follow(self, touched: Touched) -> None:
        self.followed.append(touched)
        if touched.shop:
            self.shop = await self.begun.store.run(lambda tx: tx.shop())

    def ask(self) -> None:
        self.asked += 1

    def part(self, name: str, state: Any) -> None:
        self.health.set(name, state, self.clock.now_ms())

    def heard(self) -> None:
        """The line stands and headquarters answers."""
        self.part("hq", "ok")
        self.trials.heard()

    async def push(self, *changes: Change) -> None:
        """Something of headquarters', as the line brings it."""

        def work(tx: Any) -> Touched:
            return apply(tx, Delta(tx.hq_version, tx.hq_version + 1, changes), SITE_KEY, self.clock.ms, "t/s/g")

        touched = await self.begun.store.run(work)
        if touched.shop:
            await self.follow(touched)
        self.trials.changed()

    async def until(self, holds: Callable[[], bool], what: str) -> None:
        """Let the trials look until this is so."""
        for _ in range(2_000):
            if holds():
                return
            self.trials.changed()
            await asyncio.sleep(0.005)
        raise AssertionError(what)

    async def pass_by(self, ms: int) -> None:
        """So much time passes, and the trials look a few times."""
        self.clock.ms += ms
        for _ in range(20):
            self.trials.changed()
            await asyncio.sleep(0.005)

    async def told(self) -> list[tuple[str, dict[str, Any]]]:
        rows = await self.begun.store.run(lambda tx: tx.outbox_after(0, 1_000))
        kinds = ("settings.", "config.", "catalogue.undone")
        return [(row.type, json.loads(row.body)) for row in rows if row.type.startswith(kinds)]

    async def last(self, kind: str) -> dict[str, Any]:
        return next(body for name, body in reversed(await self.told()) if name == kind)


numbers = itertools.count(1)


def put(document: object, **fields: Any) -> SettingsPut:
    change = SettingsPut(f"s-{next(numbers)}", "t/s/g", WINDOW_MS, json.dumps(document))
    return replace(change, **fields)


@pytest_asyncio.fixture
async def box(tmp_path: Path) -> AsyncIterator[Box]:
    one = Box(configured(tmp_path))
    await one.start()
    one.heard()
    yield one
    await one.stop()


async def tried(box: Box, change: SettingsPut) -> None:
    """Settings that run on trial from here on, in a service that has just started with them."""
    await box.push(change)
    await box.until(box.trials.again.is_set, "another start")
    await box.again()
    assert box.begun.on_trial


# --- settings ---------------------------------------------------------------------------------------------------------


async def test_settings_are_tried_and_kept_once_all_was_well_for_a_while(box: Box) -> None:
    change = put(TWO_MORE)
    await tried(box, change)
    assert [one.id for one in box.begun.config.screen] == ["bar", "wine"]
    box.heard()
    box.trials.changed()
    await box.until(lambda: box.trials._probes > 0, "a probe")
    await box.pass_by(WINDOW_MS // 3 - 1_000)
    assert box.trials.report.state == "trial"
    await box.pass_by(2_000)
    await box.until(lambda: box.trials.report.state == "kept", "the end of the trial")
    assert min(SETTLE_MS, WINDOW_MS // 3) <= WINDOW_MS // 3 + 1_000
    assert (await box.last("settings.kept"))["runs"] == change.settings_id
    assert box.health.counts["trials.settings_kept"] == 1
    await box.again(fresh=True)
    assert [one.id for one in box.begun.config.screen] == ["bar", "wine"]
    assert not box.begun.on_trial


async def test_settings_without_headquarters_are_taken_back_at_the_end_of_their_window(box: Box) -> None:
    change = put({"mqtt": {"host": "dead.example"}})
    await tried(box, change)
    assert box.begun.config.mqtt is not None
    assert box.begun.config.mqtt.host == "dead.example"
    box.part("hq", "degraded")
    await box.until(lambda: box.asked > 0, "a question to headquarters")
    await box.pass_by(WINDOW_MS - 1)
    assert not box.trials.again.is_set()
    await box.pass_by(1)
    await box.until(box.trials.again.is_set, "the start with the former settings")
    undone = await box.last("settings.undone")
    assert (undone["reasons"], undone["parts"], undone["given"]) == (["hq_silent"], ["hq"], change.settings_id)
    await box.again()
    assert box.begun.config == box.local


async def test_an_answer_counts_only_while_the_line_stands(box: Box) -> None:
    await tried(box, put(TWO_MORE))
    box.heard()
    box.part("hq", "degraded")
    await box.pass_by(WINDOW_MS)
    await box.until(box.trials.again.is_set, "the start with the former settings")
    assert (await box.last("settings.undone"))["reasons"] == ["hq_silent"]


async def test_a_screen_that_drew_has_to_draw_again(box: Box) -> None:
    box.drawing.add("bar")
    await tried(box, put(TWO_MORE))
    box.drawing.clear()
    box.heard()
    await box.pass_by(WINDOW_MS)
    await box.until(box.trials.again.is_set, "the start with the former settings")
    undone = await box.last("settings.undone")
    assert (undone["reasons"], undone["parts"]) == (["screen"], ["screen:bar"])


async def test_a_reader_that_is_not_there_is_taken_back(box: Box) -> None:
    door = {"receiver": [{"id": "door", "zone": "coffee"}], "source": [{"path": "nfc:/dev/none", "receiver": "door"}]}
    await tried(box, put(door))
    box.heard()
    box.part("receiver:door", "down")
    await box.pass_by(WINDOW_MS)
    await box.until(box.trials.again.is_set, "the start with the former settings")
    assert (await box.last("settings.undone"))["parts"] == ["receiver:door"]


async def test_settings_that_say_what_runs_already_are_told_as_such(box: Box) -> None:
    change = put({"screen": SCREENS["screen"][:1], "nfc": {}})
    await box.push(change)
    await box.until(lambda: box.trials.report.state == "unchanged", "an answer")
    assert not box.trials.again.is_set()
    assert (await box.last("settings.unchanged"))["runs"] == change.settings_id


@pytest.mark.parametrize(
    ("document", "reason", "place"),
    [
        ({"receiver": [{"id": "a"}]}, "fields", "receiver.0.zone"),
        ({"receiver": [{"id": "a", "zone": "x", "screen": "none"}]}, "fields", "receiver.0.screen"),
        (
            {"receiver": [{"id": "a", "zone": "x"}], "source": [{"path": "ble:hci0?nonsense=1", "receiver": "a"}]},
            "check",
            "source.0.path",
        ),
    ],
)
async def test_settings_are_looked_at_whole_before_anything_is_touched(
    box: Box, document: object, reason: str, place: str
) -> None:
    await box.push(put(document))
    await box.until(lambda: box.trials.report.state == "refused", "an answer")
    refused = await box.last("settings.refused")
    assert (refused["reasons"], refused["field"], refused["runs"]) == ([reason], place, "")
    assert not box.trials.again.is_set()


async def test_it_waits_until_it_is_known_how_the_box_did_before(tmp_path: Path) -> None:
    ear = {"receiver": [{"id": "ear", "zone": "coffee"}], "source": [{"path": "ble:hci0", "receiver": "ear"}]}
    box = Box(configured(tmp_path, **ear))
    await box.start()
    await box.push(put(TWO_MORE))
    await box.pass_by(1_000)
    assert not box.trials.again.is_set()
    box.part("receiver:ear", "ok")
    await box.until(box.trials.again.is_set, "another start")
    await box.again()
    (trial,) = box.begun.trials
    assert trial.before.parts["receiver:ear"] == "ok"
    await box.stop()


async def test_an_ear_that_never_speaks_is_not_waited_for(tmp_path: Path) -> None:
    ear = {"receiver": [{"id": "ear", "zone": "coffee"}], "source": [{"path": "ble:hci0", "receiver": "ear"}]}
    box = Box(configured(tmp_path, **ear))
    await box.start()
    await box.push(put(TWO_MORE))
    await box.pass_by(READY_MS)
    await box.until(box.trials.again.is_set, "another start")
    await box.stop()


async def test_other_settings_wait_until_a_trial_is_over(box: Box) -> None:
    await tried(box, put(TWO_MORE))
    second = put({"screen": [{"id": "hall", "zone": "coffee"}]})
    await box.push(second)
    await box.pass_by(WINDOW_MS)
    await box.until(box.trials.again.is_set, "the end of the first trial")
    await box.again()
    await box.until(box.trials.again.is_set, "the second trial")
    await box.again()
    assert [trial.name for trial in box.begun.trials] == [second.settings_id]


async def test_a_power_cut_begins_a_trial_once_more_and_then_ends_it(box: Box) -> None:
    await tried(box, put(TWO_MORE))
    await box.again(fresh=True)
    assert box.begun.on_trial
    await box.again(fresh=True)
    assert not box.begun.on_trial
    assert box.begun.config == box.local
    assert (await box.last("settings.undone"))["reasons"] == ["interrupted"]


async def test_settings_with_which_nothing_starts_are_taken_back_at_once(box: Box) -> None:
    await tried(box, put(TWO_MORE))
    await box.again(failed="start")
    assert box.begun.config == box.local
    assert (await box.last("settings.undone"))["reasons"] == ["start"]


async def test_a_file_that_was_changed_meanwhile_counts_alone(box: Box) -> None:
    await tried(box, put({"receiver": [{"id": "a", "zone": "coffee", "screen": "bar"}]}))
    box.heard()
    box.part("receiver:a", "ok")
    await box.until(lambda: box.trials._probes > 0, "a probe")
    await box.pass_by(WINDOW_MS)
    await box.until(lambda: box.trials.report.state == "kept", "the end of the trial")
    kept = box.local
    box.local = box.local.model_copy(update={"screen": ()})
    await box.again(fresh=True)
    assert box.begun.config == box.local
    assert (await box.last("settings.refused"))["field"] == "receiver.0.screen"
    box.local = kept
    await box.again(fresh=True)
    assert [one.id for one in box.begun.config.receiver] == ["a"]


async def test_a_corrected_clock_moves_the_window_with_it(box: Box) -> None:
    await tried(box, put(TWO_MORE))
    box.clock.ms += 10 * WINDOW_MS
    box.trials.shift(10 * WINDOW_MS)
    await box.pass_by(0)
    assert not box.trials.again.is_set()
    await box.pass_by(WINDOW_MS)
    await box.until(box.trials.again.is_set, "the end of the window")


# --- configuration and catalogue --------------------------------------------------------------------------------------


async def test_a_zone_map_without_the_zone_of_a_screen_is_taken_back(box: Box) -> None:
    await box.push(ConfigPut(SHOP))
    await box.push(ConfigPut(replace(SHOP, zones={"attic": TEXT})))
    await box.pass_by(WINDOW_MS - 1)
    assert await box.told() == []
    await box.pass_by(1)
    await box.until(lambda: "coffee" in box.shop.zones, "the former configuration")
    expected = {"version": 2, "reasons": ["zones"], "parts": ["zone:coffee"]}
    assert await box.told() == [("config.undone", expected)]
    assert not box.trials.again.is_set()
    assert box.followed[-1].shop


async def test_a_configuration_without_a_notice_is_taken_back(box: Box) -> None:
    await box.push(ConfigPut(SHOP))
    await box.push(ConfigPut(replace(SHOP, notice=None)))
    await box.pass_by(WINDOW_MS)
    await box.until(lambda: box.shop.notice == NOTICE, "the former configuration")
    assert await box.told() == [("config.undone", {"version": 2, "reasons": ["notice"], "parts": ["notice"]})]


async def test_a_configuration_that_means_to_have_no_notice_is_kept(box: Box) -> None:
    await box.push(ConfigPut(SHOP))
    await box.push(ConfigPut(replace(SHOP, notice=None, without_notice=True)))
    await box.pass_by(WINDOW_MS)
    await box.until(lambda: box.health.counts.get("trials.config_kept") == 1, "the end of the trial")
    assert box.shop.notice is None


async def test_a_zone_map_that_comes_right_within_the_window_is_kept(box: Box) -> None:
    await box.push(ConfigPut(SHOP))
    await box.push(ConfigPut(replace(SHOP, zones={})))
    await box.pass_by(WINDOW_MS // 2)
    await box.push(ConfigPut(replace(SHOP, sale_ms=1)))
    await box.pass_by(WINDOW_MS)
    await box.until(lambda: box.health.counts.get("trials.config_kept") == 1, "the end of the trial")
    assert await box.told() == [("config.kept", {"version": 3})]


RULE = eligible.parse({"is": ["zone", "crash"]})


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch) -> None:
    compare = eligible._compare

    def failing(rule: eligible.Rule, value: eligible.Value | None) -> bool | None:
        if rule == RULE:
            raise ZeroDivisionError
        return compare(rule, value)

    monkeypatch.setattr(eligible, "_compare", failing)


@pytest.mark.parametrize("audience", ["members", "everyone"])
async def test_a_catalogue_that_breaks_a_decision_goes_at_once(box: Box, faulty: None, audience: Any) -> None:
    await box.push(ConfigPut(SHOP), OfferPut(Offer("old", TEXT, TEXT)))
    await box.push(OfferPut(Offer("bad", TEXT, TEXT, audience=audience, eligibility=RULE)))
    await box.pass_by(3_000)
    await box.until(lambda: box.health.counts.get("trials.catalogue_undone") == 1, "the former catalogue")
    expected = {"catalogue_id": "", "version": 2, "reasons": ["decision"], "parts": []}
    assert await box.told() == [("catalogue.undone", expected)]
    assert await box.begun.store.run(lambda tx: [one.offer_id for one in tx.offers()]) == ["old"]


async def test_a_catalogue_is_watched_to_the_end_of_its_window(box: Box) -> None:
    await box.push(ConfigPut(SHOP), OfferPut(Offer("old", TEXT, TEXT)))
    await box.push(OfferPut(Offer("good", TEXT, TEXT)))
    await box.pass_by(WINDOW_MS - 1)
    assert await box.begun.store.run(lambda tx: len(tx.trials())) == 1
    await box.pass_by(1)
    await box.until(lambda: box.health.counts.get("trials.catalogue_kept") == 1, "the end of the trial")
    assert await box.told() == []


async def test_a_real_decision_that_fails_counts_too(box: Box) -> None:
    await box.push(ConfigPut(SHOP), OfferPut(Offer("old", TEXT, TEXT)))
    await box.push(OfferPut(Offer("one", TEXT, TEXT)))
    await box.pass_by(0)
    box.health.count("decisions.failed")
    await box.until(lambda: box.health.counts.get("trials.catalogue_undone") == 1, "the former catalogue")


async def test_what_failed_before_a_trial_does_not_count(box: Box) -> None:
    box.health.count("decisions.failed", 5)
    await box.push(ConfigPut(SHOP), OfferPut(Offer("old", TEXT, TEXT)))
    await box.push(OfferPut(Offer("one", TEXT, TEXT)))
    await box.pass_by(WINDOW_MS)
    await box.until(lambda: box.health.counts.get("trials.catalogue_kept") == 1, "the end of the trial")


async def test_nothing_is_on_trial_for_who_works_on_the_data_alone(box: Box) -> None:
    await box.push(put(TWO_MORE))
    await box.until(box.trials.again.is_set, "another start")
    await box.stop()
    alone = trials.untried(box.local, box.clock)
    assert alone.config == box.local
    assert await alone.store.run(lambda tx: [trial.begun for trial in tx.trials()]) == [0]
    alone.store.close()
    await box.start()
    assert await box.begun.store.run(lambda tx: trialsteps.at_start(tx, 0, fresh=False)) == box.begun.trials


async def test_a_service_that_can_not_start_with_settings_starts_with_the_former(box: Box) -> None:
    await box.push(put(TWO_MORE))
    await box.until(box.trials.again.is_set, "another start")
    await box.stop()
    screens: list[int] = []

    async def once(begun: Begun) -> bool:
        screens.append(len(begun.config.screen))
        if begun.on_trial:
            raise ConfigError("nothing that could be started")
        return False

    await trials.rounds(box.local, box.clock, once, tried=True)
    assert screens == [2, 1]
    with pytest.raises(ConfigError, match="the file"):

        async def never(begun: Begun) -> bool:
            raise ConfigError("the file itself is wrong")

        await trials.rounds(box.local, box.clock, never, tried=True)
    await box.start()
    assert (await box.last("settings.undone"))["reasons"] == ["start"]
