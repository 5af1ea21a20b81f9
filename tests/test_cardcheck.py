"""What the doctor says of the card: the service's writing against the budget, the journal, /tmp and swap."""

import asyncio
from pathlib import Path

import pytest

from gateway import cardcheck, hatch, mending
from gateway.cardcheck import Machine, card, database, log_of, swap, temporary, writing
from gateway.dbfile import DATABASE
from gateway.errors import UnavailableError
from gateway.records import Tx
from gateway.store import Store
from gateway.wear import BUDGET_BYTES
from tests.rigs.spoiled import spoil

HOUR, DAY = 3_600, 86_400


def machine(folder: Path, mounts: str = "", swaps: str | None = None, journals: tuple[str, ...] = ()) -> Machine:
    (folder / "proc" / "self").mkdir(parents=True)
    (folder / "proc" / "self" / "mountinfo").write_text(mounts)
    if swaps is not None:
        (folder / "proc" / "swaps").write_text(f"Filename\tType\tSize\tUsed\tPriority\n{swaps}")
    for journal in journals:
        (folder / journal / "0123").mkdir(parents=True)
        (folder / journal / "0123" / "system.journal").touch()
    return Machine(folder)


ROOT = "24 1 179:2 / / rw,noatime shared:1 - ext4 /dev/root rw\n"
MEMORY = "30 24 0:25 / /run rw shared:5 - tmpfs tmpfs rw,size=1M\n31 24 0:26 / /tmp rw - tmpfs tmpfs rw\n"


@pytest.mark.parametrize(
    ("size", "seconds", "state", "told"),
    [
        (9_000_000, HOUR - 1, "ok", "9.0 MB in 59 minutes since the start; bytes per day are told after an hour"),
        (1_000_000, HOUR, "ok", "24 MB a day at that rate, of 150 MB that are planned for (1.0 MB in 60 minutes "),
        (BUDGET_BYTES, DAY, "ok", "150 MB a day"),
        (BUDGET_BYTES + 1, DAY - 1, "missing", "(150 MB in 24 hours since the start)"),
        (12_000_000, 3 * DAY, "ok", "4.0 MB a day at that rate, of 150 MB that are planned for (12 MB in 3 days "),
        (None, 5, "ok", "this kernel does not count"),
        (5, None, "ok", "this kernel does not count"),
    ],
)
def test_bytes_per_day_against_the_budget(size: object, seconds: object, state: str, told: str) -> None:
    found = writing(size, seconds)
    assert (found.state, told in found.found) == (state, True), found
    assert bool(found.step) == (state == "missing")


async def test_the_running_service_is_asked(tmp_path: Path) -> None:
    asked = []

    async def reply(what: object) -> dict[str, object]:
        asked.append(what)
        return {"result": "ok", "bytes": 48_000_000, "seconds": 2 * DAY}

    serving = asyncio.ensure_future(hatch.serve(tmp_path, reply))
    try:
        await asyncio.sleep(0)  # it listens from its first step on
        found = await asyncio.to_thread(card, tmp_path, True, machine(tmp_path / "m"))
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
    assert asked == [{"verb": "written"}] and "24 MB a day" in found[1].found


def test_without_a_service_or_an_answer_nothing_is_made_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "does not run" in card(tmp_path, True, machine(tmp_path / "m"))[1].found
    assert "does not run" in card(tmp_path / "none", False, machine(tmp_path / "n"))[1].found

    def silent(*_: object) -> None:
        raise UnavailableError("the running service does not answer")

    monkeypatch.setattr(cardcheck.hatch, "ask", silent)
    found = card(tmp_path, True, machine(tmp_path / "o"))[1]
    assert found.state == "missing" and "does not answer" in found.found and found.step


def test_where_the_journal_lies(tmp_path: Path) -> None:
    on_disk = log_of(machine(tmp_path / "a", ROOT + MEMORY, journals=("var/log/journal",)))
    assert on_disk.state == "missing" and "Storage=volatile" in on_disk.step
    both = log_of(machine(tmp_path / "b", ROOT + MEMORY, journals=("var/log/journal", "run/log/journal")))
    assert both.state == "ok" and both.found.startswith("/run/log/journal, in memory")
    in_memory = ROOT + "40 24 0:30 / /var/log rw - tmpfs log2ram rw\n"
    assert log_of(machine(tmp_path / "c", in_memory, journals=("var/log/journal",))).state == "ok"
    assert log_of(machine(tmp_path / "d", ROOT)).found == "no journal of systemd's to be seen here"


def test_where_temporary_files_lie(tmp_path: Path) -> None:
    assert temporary(machine(tmp_path / "a", ROOT + MEMORY)).state == "ok"
    on_disk = temporary(machine(tmp_path / "b", ROOT))
    assert on_disk.state == "missing" and "tmp.mount" in on_disk.step
    hidden = MEMORY + "50 31 8:1 / /tmp rw - ext4 /dev/sda1 rw\n"
    assert temporary(machine(tmp_path / "c", ROOT + hidden)).state == "missing"
    assert temporary(Machine(tmp_path / "nothing")).state == "missing"


def test_a_root_that_is_only_read_has_what_changes_in_memory(tmp_path: Path) -> None:
    upper = "25 24 0:22 / /media/root-rw rw - tmpfs overlay-rw rw\n"
    over = "24 1 0:23 / / rw - overlay overlayroot rw,lowerdir=/media/root-ro,upperdir=/media/root-rw/o,workdir=/w\n"
    assert temporary(machine(tmp_path / "a", over + upper)).state == "ok"
    container = "24 1 0:23 / / rw - overlay overlay rw,lowerdir=/l,upperdir=/var/lib/containers/1/diff,workdir=/w\n"
    assert temporary(machine(tmp_path / "b", container)).state == "missing"


def test_a_place_with_a_space_in_its_name_is_read(tmp_path: Path) -> None:
    odd = "31 24 0:26 / /tmp\\040x rw - tmpfs tmpfs rw\nrubbish\n"
    assert temporary(machine(tmp_path, ROOT + odd)).state == "missing"


@pytest.mark.parametrize(
    ("swaps", "state", "told"),
    [
        ("/var/swap file 102396 0 -2\n", "missing", "/var/swap, on the disk"),
        ("/dev/zram0 partition 2000 0 100\n", "ok", "/dev/zram0, in memory"),
        ("", "ok", "none"),
    ],
)
def test_swap(tmp_path: Path, swaps: str, state: str, told: str) -> None:
    (found,) = swap(machine(tmp_path, swaps=swaps))
    assert (found.state, found.found) == (state, told)


def test_a_kernel_that_hides_swap_is_not_spoken_for(tmp_path: Path) -> None:
    assert swap(machine(tmp_path)) == []


async def test_whether_the_database_is_whole(tmp_path: Path) -> None:
    assert database(tmp_path, True).found == "none yet"
    store = Store(tmp_path / DATABASE, "e" * 32, bytes(32))
    assert database(tmp_path, True).found == "whole"
    store.close()
    mending.ask(tmp_path)
    mending.at_start(tmp_path, lambda: (bytes(32),), 1_800_000_000_000)
    found = database(tmp_path, False)
    assert found.state == "missing" and "nobody is recognised" in found.found and "2027-01-15" in found.found
    store = Store(tmp_path / DATABASE, "e" * 32, bytes(32))
    await store.run(Tx.make_whole)
    store.close()
    assert "has sent the rest" in database(tmp_path, False).found
    spoil(tmp_path, "play")
    assert database(tmp_path, True).state == "wrong"
    (tmp_path / DATABASE).write_bytes(b"\xff" * 8_192)
    assert database(tmp_path, False).state == "wrong" and "Restart the service" in database(tmp_path, False).step
