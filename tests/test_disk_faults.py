"""A card that is full and a card that the system has made read-only, under the whole product while events wait.

Nothing that was committed is lost, `/healthz` turns red, the status says in words what is wrong, and all is well once
the card is. Linux, as root, with loop devices and ext4.
"""

import json
import os
import subprocess
import urllib.error
import urllib.request
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from drivers.people import population
from gateway.bench_card import card
from gateway.diskstate import READ_ONLY_HELP
from gateway.works import DISK_HELP
from tests.rigs.figures import Tell
from tests.rigs.system import System, wait_for
from tests.test_chaos import PLACES, READERS, SOURCE, committed

pytestmark = [pytest.mark.broker, pytest.mark.timeout(240)]

CARD_MB = 40  # the ballast of 8 MB, the file system's own, and what a shop of some seconds needs
MEMBERS = 200
WAITING = 10


def disk(system: System) -> dict[str, str]:
    """What the status says of the disk."""
    return next((part for part in system.status().get("parts", []) if part["name"] == "disk"), {})


def health(system: System) -> tuple[int, str]:
    """What `/healthz` answers: its code, and the disk's state."""
    try:
        with urllib.request.urlopen(f"{system.url}/healthz", timeout=5) as answer:
            return answer.status, json.load(answer)["parts"].get("disk", "")
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)["parts"].get("disk", "")


def fill(folder: Path) -> Path:
    """Until nothing more goes in."""
    filler = folder / "filler"
    fd = os.open(filler, os.O_CREAT | os.O_WRONLY)
    with suppress(OSError):
        while True:
            os.write(fd, bytes(65_536))
    os.close(fd)
    return filler


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


def let_some_wait(system: System) -> None:
    """Until events wait that the broker did not take."""
    system.broker.kill()
    wait_for(lambda: len(committed(system.data)[1]) >= WAITING, "events that wait")


def until_red(system: System, words: str, action: str) -> None:
    wait_for(lambda: health(system) == (503, "down"), "a red health")
    wait_for(lambda: words in disk(system)["detail"], "the disk's words")
    assert disk(system)["action"] == action


def until_well(system: System) -> None:
    wait_for(lambda: health(system) == (200, "ok"), "health as before")


def test_neither_a_full_nor_a_read_only_card_loses_an_event(tmp_path: Path, tell: Tell) -> None:
    with card(CARD_MB) as one:
        if one.stat is None:
            pytest.skip("no card can be made here, which needs root, loop devices and ext4")
        (one.folder / "data").mkdir(0o700)
        (tmp_path / "data").symlink_to(one.folder / "data")
        with System(tmp_path, SOURCE + PLACES + READERS, population(1, MEMBERS)) as system:
            let_some_wait(system)
            filler = fill(one.folder)
            until_red(system, "full", DISK_HELP)
            waited = committed(system.data)[0]
            system.broker.start()
            wait_for(lambda: committed(system.data)[1] == {}, "the outbox of a full card to drain")
            assert {event["seq"] for event in system.events()} >= set(range(1, waited + 1))
            filler.unlink()
            until_well(system)
            let_some_wait(system)
            run("mount", "-o", "remount,abort", str(one.folder))  # what the kernel does to a card that fails
            until_red(system, "the disk refused: it is read-only", READ_ONLY_HELP)
            system.gateway.kill()
            run("umount", str(one.folder))
            run("mount", "-o", "noatime", f"/dev/{one.stat.parent.name}", str(one.folder))
            system.config.write_text(system.config.read_text().replace(SOURCE, ""))  # no new events: only what waits
            before, rows = committed(system.data)
            assert len(rows) >= WAITING
            system.broker.start()
            system.gateway.start()
            wait_for(lambda: committed(system.data)[1] == {}, "the outbox to drain")
            until_well(system)
            highest = committed(system.data)[0]
            numbers = Counter(event["seq"] for event in system.events())
    tell(
        f"a full card, then a read-only one: {waited} committed before the first, {before} before the second; "
        f"{highest} at the end, held {len(numbers)}, doubled {sum(n - 1 for n in numbers.values())}"
    )
    assert numbers == dict.fromkeys(range(1, highest + 1), 1)
