"""`store-gateway evaluate zones`: the zone engine on recorded walks with true positions, its peers beside it.

It prints and never judges. What is learned from walks is learned from the others than the one that is measured.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

from gateway import zonesim
from gateway.baselines import peers
from gateway.core.kriging import Place
from gateway.core.model import Sighting
from gateway.core.presence import Presence
from gateway.core.radiomap import RadioMap, from_positions, from_survey
from gateway.errors import ConfigError
from gateway.results import Result
from gateway.zonedata import Guesser, Scene, Walk, load, score

RECORDED = Path(__file__).parents[1] / "tests" / "recordings" / "zones"
WALLS = "b827"  # the four receivers of the small scene are the Raspberry Pis of the data set
STANDING_HOURS = 10.0
STANDING_SEED = 1
STANDING = ((1.0, 0.0, "1 advert/s"), (0.3, 0.0, "0.3 adverts/s"))
WRONG = (1.0, zonesim.WRONG_DB, "1 advert/s and a map 3 dB wrong")
WALKING_HOURS = 1.0
TIMED_SAMPLES = 2_000
BETWEEN_WALKS_MS = 120_000

GOALS = {
    "accuracy": "at least 75 (4 receivers), 60 (12)",
    "changes_per_min": "at most 3 with 4 receivers",
    "decided": "at least 95",
    "position_median_m": "at most 1.6 with 12 receivers",
    "standing_false_per_h": "at most 1",
    "us_per_sample": "at most 150",
    "clone_false": "0",
}
UNITS = {"accuracy": "%", "clear_accuracy": "%", "decided": "%", "changes_per_min": "/min", "notice_p50_s": "s"}
PRINTED = ("accuracy", "changes_per_min", "decided", "notice_p50_s", "position_median_m", "clear_accuracy")


class _Ours:
    """The engine of the service as a guesser, in a shop that has seen other walks before."""

    def __init__(self, scene: Scene, radio_map: RadioMap | None, before: Sequence[Walk]) -> None:
        self._presence = Presence({ear.id: ear.id for ear in scene.ears}, radio_map=radio_map)
        self._offset_ms = 0
        for number, walk in enumerate(before):
            for sample in walk.samples:
                self._observe(f"before-{number}", sample.at_ms, sample.receiver, sample.rssi_dbm)
            self._offset_ms += walk.samples[-1].at_ms + BETWEEN_WALKS_MS
            self._presence.expire(self._offset_ms)

    def hear(self, at_ms: int, receiver: str, rssi_dbm: int) -> None:
        self._observe("measured", at_ms, receiver, rssi_dbm)

    def zone(self, at_ms: int) -> str | None:
        return self._presence.zone_of("measured")

    def place(self) -> Place | None:
        found = self._presence.explain("measured")
        return found.place if found is not None else None

    def _observe(self, member_id: str, at_ms: int, receiver: str, rssi_dbm: int) -> None:
        self._presence.observe(Sighting(member_id, receiver, rssi_dbm, at_ms + self._offset_ms))


def zones(folder: Path | None, receivers: str | None) -> list[Result]:
    """All figures. `receivers`: how many (4 = the Raspberry Pis) or ids with commas; None = 4 and all. ConfigError."""
    if folder is None:
        if not RECORDED.is_dir():
            raise ConfigError("no recorded walks beside this installation; name a folder of them with --data DIR")
        folder = RECORDED
    whole = load(folder)
    scenes = _scenes(whole, receivers)
    figures = []
    for scene in scenes:
        suffix = f".{len(scene.ears)}" if len(scenes) > 1 else ""
        figures += _measured(scene, suffix)
        figures += _clones(scene, suffix)
        figures.append(_cost(scene, next(iter(maps(scene).values())), suffix))
    return figures + _standing(scenes[0])


def _scenes(whole: Scene, receivers: str | None) -> list[Scene]:
    ids = [ear.id for ear in whole.ears]
    few = [one for one in ids if one.startswith(WALLS)]
    if receivers is None:
        return [whole.only(few), whole] if 1 < len(few) < len(ids) else [whole]
    if receivers.isdecimal() and 1 < int(receivers) <= len(ids):
        number = int(receivers)
        return [whole.only(few if number == len(few) else ids[:number])]
    chosen = receivers.split(",")
    strange = [one for one in chosen if one not in ids]
    if strange or len(set(chosen)) < 2:
        raise ConfigError(f"--receivers: expected a number from 2 to {len(ids)} or ids of receivers.csv with commas")
    return [whole.only(chosen)]


def ours(scene: Scene, radio_map: RadioMap | None, *, learn: bool = True) -> Callable[[Walk], Guesser]:
    """The engine for `score`; with `learn` it has heard all walks but the one that it is made for."""

    def make(walk: Walk) -> Guesser:
        before = [other.only([ear.id for ear in scene.ears]) for other in scene.walks if other.name != walk.name]
        return _Ours(scene, radio_map, before if learn else ())

    return make


def maps(scene: Scene) -> dict[str, RadioMap | None]:
    """The ways to a radio map, best first; None = receivers alone."""
    own = {ear.id: ear.id for ear in scene.ears}
    found: dict[str, RadioMap | None] = {}
    if scene.points:
        found["walk"] = from_survey(scene.ears, scene.points, own)
    found["positions only"] = from_positions(scene.ears)
    found["receivers only"] = None
    return found


def _measured(scene: Scene, suffix: str) -> list[Result]:
    ways = maps(scene)
    best, radio_map = next(iter(ways.items()))
    rows: dict[str, Mapping[str, float]] = {}
    for name, way in ways.items():
        rows[name] = score(scene, ours(scene, way)).figures()
    rows[f"{best}, nothing learned"] = score(scene, ours(scene, radio_map, learn=False)).figures()
    for name, make in peers(scene).items():
        rows[name] = score(scene, make).figures()
    mine = rows.pop(best)
    figures = [
        Result(
            key + suffix,
            round(mine[key], 2),
            UNITS.get(key, "m"),
            GOALS.get(key, "-"),
            {name: round(row[key], 2) for name, row in rows.items() if key in row},
        )
        for key in PRINTED
        if key in mine
    ]
    truth = {"true rate": round(mine["true_changes_per_min"], 2)}
    figures[1] = replace(figures[1], peers=truth | figures[1].peers)
    return figures


def _standing(scene: Scene) -> list[Result]:
    """False changes and doubts of one member who stands for ten hours."""
    false: dict[str, float] = {}
    doubts = 0
    ways = list(maps(scene).items())
    cases = [(way, case) for way in ways for case in STANDING] + [(ways[0], WRONG)]
    for (name, way), (per_s, wrong_db, words) in cases:
        changes, doubted = zonesim.standing(scene, way, per_s, STANDING_HOURS, STANDING_SEED, wrong_db)
        doubts += doubted
        false[f"{name}, {words}"] = round(changes / STANDING_HOURS, 2)
    first = next(iter(false))
    return [
        Result("standing_false_per_h", false.pop(first), "/h", GOALS["standing_false_per_h"], false),
        Result("standing_clone_false", float(doubts), "flags", GOALS["clone_false"]),
    ]


def _clones(scene: Scene, suffix: str) -> list[Result]:
    """How many pairs of devices on one credential are found, how soon, and how many single ones are doubted."""
    ways = maps(scene)
    pairs = zonesim.cloned(scene)
    found: dict[str, float] = {}
    false: dict[str, float] = {}
    delays: list[float] = []
    for name, way in ways.items():
        times = [at_s for pair in pairs if (at_s := zonesim.doubts_on(scene, way, pair)) is not None]
        found[name] = round(100 * len(times) / max(1, len(pairs)), 1)
        delays = delays or times
        recorded = sum(zonesim.doubts_on(scene, way, walk) is not None for walk in scene.walks)
        false[name] = float(recorded + zonesim.walking(scene, way, WALKING_HOURS, seed=1))
    best = next(iter(found))
    figures = [
        Result("clone_found_pct" + suffix, found.pop(best), "%", "most", found),
        Result("clone_false" + suffix, false.pop(best), "flags", GOALS["clone_false"], false),
    ]
    if delays:
        figures.append(Result("clone_found_p50_s" + suffix, round(median(delays), 1), "s", "tens of seconds"))
    return figures


def _cost(scene: Scene, radio_map: RadioMap | None, suffix: str) -> Result:
    """CPU time of a sample, on recorded ones."""
    presence = Presence({ear.id: ear.id for ear in scene.ears}, radio_map=radio_map)
    walk = max(scene.walks, key=lambda one: len(one.samples)).only([ear.id for ear in scene.ears])
    samples = walk.samples[:TIMED_SAMPLES]
    for warm in samples:
        presence.observe(Sighting("warm", warm.receiver, warm.rssi_dbm, warm.at_ms))
    began_s = time.process_time()
    for sample in samples:
        presence.observe(Sighting("timed", sample.receiver, sample.rssi_dbm, sample.at_ms))
    spent_us = (time.process_time() - began_s) / len(samples) * 1e6
    return Result("us_per_sample" + suffix, round(spent_us, 1), "us", GOALS["us_per_sample"])
