"""kill -9 of gateway, broker and headquarters under load: HQ holds every event that the store had committed, each once.

First the whole product with a simulated shop; then its store and line alone, with more events than any shop has.
`CHAOS_KILLS`, `CHAOS_BROKER_KILLS`, `CHAOS_ANY_KILLS` and `CHAOS_SEED` set the length; `make chaos` runs the long form,
which says as it goes how far it came, and keeps that in the file `CHAOS_TALLY`.
"""

import collections
import os
import random
import sqlite3
import time
from pathlib import Path

import pytest

from drivers.people import population
from tests.rigs.busy import EVENTS_PER_S, NEWEST, Busy, Held
from tests.rigs.figures import Tell
from tests.rigs.seeds import seed
from tests.rigs.system import System, wait_for

KILLS = int(os.environ.get("CHAOS_KILLS", "8"))
BROKER_KILLS = int(os.environ.get("CHAOS_BROKER_KILLS", "2"))
ANY_KILLS = int(os.environ.get("CHAOS_ANY_KILLS", "6"))
SEED = seed("CHAOS_SEED")
TALLY = os.environ.get("CHAOS_TALLY")  # a file that keeps how far it came, also if the run is cut
TALLY_EVERY = 20
LONG_EVERY, AWAY_S = 3, (3.0, 5.0)  # of the broker's kills: it stays away, and the gateway is killed meanwhile

pytestmark = [pytest.mark.broker, pytest.mark.timeout(120 + 15 * (KILLS + BROKER_KILLS + ANY_KILLS))]

MEMBERS = 200
SOURCE = f'[[source]]\npath = "sim:1?members={MEMBERS}&strangers=20&speed=60"\n'
PLACES = "".join(
    f'[[receiver]]\nid = "{zone}-ble"\nzone = "{zone}"\n[[screen]]\nid = "{zone}"\nzone = "{zone}"\n'
    for zone in ("entrance", "coffee", "wine", "till")
)
READERS = (
    '[[receiver]]\nid = "coffee-nfc"\nzone = "coffee"\nscreen = "coffee"\n'
    '[[receiver]]\nid = "entrance-nfc"\nzone = "entrance"\nscreen = "entrance"\n'
    '[[receiver]]\nid = "advice-nfc"\nzone = "wine"\nadvice = true\n'
)

Rows = dict[int, tuple[str, str]]


def note(line: str) -> None:
    """Say it as it goes (`pytest -s`), and keep it."""
    print(line, flush=True)
    if TALLY:
        with Path(TALLY).open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")


def committed(data: Path) -> tuple[int, Rows]:
    """The highest number ever committed, and the rows that wait, read from the files that a kill left behind."""
    db = sqlite3.connect(f"file:{data / 'gateway.db'}?mode=ro", uri=True)
    try:
        (highest,) = db.execute(NEWEST).fetchone()
        rows = db.execute("SELECT seq, type, body FROM outbox").fetchall()
        assert db.execute("PRAGMA quick_check").fetchone()[0] == "ok"
    finally:
        db.close()
    return highest, {seq: (kind, body) for seq, kind, body in rows}


def test_no_kill_loses_or_doubles_an_event(tmp_path: Path, tell: Tell) -> None:
    rng = random.Random(SEED)
    moments = ["gateway"] * KILLS + ["broker"] * BROKER_KILLS
    rng.shuffle(moments)
    seen: Rows = {}
    highest = 0
    with System(tmp_path, SOURCE + PLACES + READERS, population(1, MEMBERS)) as system:
        for victim in moments:
            wait_for(lambda: system.status(), "the gateway")
            time.sleep(rng.uniform(0.2, 2.0))
            if victim == "broker":
                system.broker.kill()
                time.sleep(rng.uniform(0.1, 1.5))
                system.broker.start()
                continue
            system.gateway.kill()
            highest, rows = committed(system.data)
            seen |= rows
            system.gateway.start()
        wait_for(lambda: system.status(), "the gateway")
        time.sleep(1)
        system.gateway.kill()
        highest, rows = committed(system.data)
        seen |= rows
        system.config.write_text(system.config.read_text().replace(SOURCE, ""))  # no new events: only what waits
        system.gateway.start()
        wait_for(lambda: committed(system.data)[1] == {}, "the outbox to drain", 120)
        held = system.events()
    numbers = collections.Counter(event["seq"] for event in held)
    tell(
        f"seed {SEED}: {KILLS} kills of the gateway, {BROKER_KILLS} of the broker; committed {highest}, "
        f"held {len(numbers)}, lost {highest - len(numbers)}, doubled {sum(n - 1 for n in numbers.values())}"
    )
    assert highest > 20 * KILLS
    assert len({event["epoch"] for event in held}) == 1
    assert numbers == dict.fromkeys(range(1, highest + 1), 1)
    by_number = {event["seq"]: event for event in held}
    assert len(seen) > 0
    for number, (kind, _) in seen.items():
        assert by_number[number]["type"] == kind


def test_no_kill_of_anything_loses_or_doubles_one_of_300_events_a_second(tmp_path: Path, tell: Tell) -> None:
    rng = random.Random(SEED)
    victims = [("gateway", "broker", "headquarters")[number % 3] for number in range(ANY_KILLS)]
    rng.shuffle(victims)
    kills: collections.Counter[str] = collections.Counter()
    with Busy(tmp_path) as busy:
        for victim in victims:
            busy.wait_for_news()
            time.sleep(rng.uniform(0.1, 1.2))
            kills[victim] += 1
            if victim == "broker":
                busy.broker.kill()
                if kills[victim] % LONG_EVERY == 1:
                    away_s = rng.uniform(*AWAY_S)
                    time.sleep(away_s / 2)
                    busy.gateway.kill()
                    kills["gateway meanwhile"] += 1
                    busy.gateway.start()
                    time.sleep(away_s / 2)
                busy.broker.start()
            else:
                one = busy.gateway if victim == "gateway" else busy.hq
                one.kill()
                one.start()
            if sum(kills.values()) % TALLY_EVERY == 0:
                done = sum(kills.values())
                note(
                    f"seed {SEED}, {done} kills: {busy.told.accepted} told to be committed, {busy.received()} received"
                )
        highest = busy.drain()
        told = busy.told
        held = busy.held()
    line = (
        f"seed {SEED}, {EVENTS_PER_S} events/s, {sum(kills.values())} kills ({dict(sorted(kills.items()))}): "
        f"told to be committed {told.accepted}, committed {highest}, unique at headquarters {held.unique}, "
        f"lost {highest - held.unique}, doubled {held.rows - held.unique}, sent again {told.published - highest}"
    )
    note(line)
    tell(line)
    assert told.accepted <= highest
    assert highest > 50 * ANY_KILLS
    assert held == Held(highest, highest, 1, highest, 1, 0)
