"""What each kind of command does to the service's parts, its log, its screens and the program that updates it."""

import asyncio
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

import pytest

from gateway import logs, remote
from gateway.commands import Outcome
from gateway.core.command import Blink, Bundle, LogLevel, Rescan, Restart, Update
from gateway.health import Health
from gateway.remote import Remote
from tests.rigs.shop import Clock

PLACES = {"coffee": {"de": "Kaffee", "en": "Coffee"}}


class Service:
    """Parts and screens that write down what they are told."""

    kept = ("receiver:bar", "receiver:door", "hq", "pages", "clock")

    def __init__(self) -> None:
        self.anew: list[str] = []
        self.named: list[tuple[str, str, Mapping[str, str], int]] = []
        self.screens: dict[str, Literal["ok", "away", "busy"]] = {"s-1": "ok", "s-2": "away"}
        self.begun_anew = 0
        self.updater: list[str] | None = None
        self.health = Health()

    def restart(self, name: str) -> bool:
        self.anew.append(name)
        return name in self.kept

    def name_screen(self, screen: str, zone: str, place: Mapping[str, str], ms: int) -> Literal["ok", "away", "busy"]:
        self.named.append((screen, zone, place, ms))
        return self.screens[screen]

    async def collect(self) -> bytes:
        return b"zip"

    def again(self) -> None:
        self.begun_anew += 1

    def remote(self, program: Path | None = None) -> Remote:
        zones = dict.fromkeys(self.screens, "coffee")
        own = program, self, Clock(), self.health
        return Remote(self, self, zones, lambda: PLACES, self.collect, self.again, *own)

    @property
    def can(self) -> bool:
        return self.updater is not None

    def ask(self, version: str) -> bool:
        assert self.updater is not None
        self.updater.append(version)
        return version != "9.9"


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture(autouse=True)
def _usual() -> Iterator[None]:
    yield
    logs.set_level(logs.USUAL)


async def test_a_receiver_begins_anew_at_once(service: Service) -> None:
    assert await service.remote().do(Restart("receiver:door")) == Outcome("done")
    assert service.anew == ["receiver:door"]


async def test_the_line_and_the_service_begin_anew_behind_their_answer(service: Service) -> None:
    for part in ("hq", "service"):
        outcome = await service.remote().do(Restart(part))
        assert outcome.result == "done" and outcome.then is not None
        assert (service.anew, service.begun_anew) == ([], 0) or part == "service"
        outcome.then()
    assert (service.anew, service.begun_anew) == (["hq"], 1)


@pytest.mark.parametrize(("part", "reason"), [("pages", "part.whole"), ("disk", "part.whole"), ("x", "part.unknown")])
async def test_other_parts_are_refused(service: Service, part: str, reason: str) -> None:
    service.health.set("disk", "ok", 0)
    assert await service.remote().do(Restart(part)) == Outcome("refused", reason)
    assert service.anew == []


async def test_every_receiver_looks_again(service: Service) -> None:
    assert await service.remote().do(Rescan()) == Outcome("done", told={"receivers": 2})
    assert service.anew == ["receiver:bar", "receiver:door"]


async def test_more_is_logged_for_a_while(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = logging.getLogger("gateway"), logging.getLogger("nfc")
    made, later = service.remote(), []

    class Handle:
        def cancel(self) -> None:
            later.pop()

    def call_later(delay_s: float, act: object) -> Handle:
        later.append((delay_s, act))
        return Handle()

    monkeypatch.setattr(asyncio.get_running_loop(), "call_later", call_later)
    assert await made.do(LogLevel("debug", 30)) == Outcome("done")
    assert ours.isEnabledFor(logging.DEBUG) and not theirs.isEnabledFor(logging.DEBUG)
    (part,) = service.health.parts
    assert (part.name, part.state) == ("log", "ok") and "30 min" in part.detail and part.action
    await made.do(LogLevel("warning", 5))
    assert not ours.isEnabledFor(logging.INFO)
    ((delay_s, fall_back),) = later
    assert delay_s == 300
    fall_back()
    assert ours.isEnabledFor(logging.INFO) and not ours.isEnabledFor(logging.DEBUG)
    assert service.health.parts[0].detail == ""


async def test_a_bundle_comes_with_its_size(service: Service) -> None:
    assert await service.remote().do(Bundle()) == Outcome("done", told={"bytes": 3}, bundle=b"zip")


async def test_a_screen_says_its_name_and_place(service: Service) -> None:
    assert await service.remote().do(Blink("s-1", 7)) == Outcome("done", told={"screens": 1})
    assert service.named == [("s-1", "coffee", PLACES["coffee"], 7_000)]
    assert await service.remote().do(Blink("s-2", 7)) == Outcome("refused", "screen.away")
    assert await service.remote().do(Blink("s-3", 7)) == Outcome("refused", "screen.unknown")
    service.screens["s-2"] = "busy"
    assert await service.remote().do(Blink("s-2", 7)) == Outcome("refused", "screen.busy")


async def test_of_all_screens_one_is_enough(service: Service) -> None:
    assert await service.remote().do(Blink("", 7)) == Outcome("done", told={"screens": 1})
    service.screens["s-1"] = "away"
    assert await service.remote().do(Blink("", 7)) == Outcome("refused", "screen.away")


def program(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o700)
    return path


async def test_without_a_program_an_update_is_refused(service: Service) -> None:
    assert await service.remote().do(Update("1.4.0")) == Outcome("refused", "update.not_here")


async def test_the_program_is_given_the_version_and_nothing_else(service: Service, tmp_path: Path) -> None:
    made = program(tmp_path / "up", f'echo "$# $1" > {tmp_path}/told')
    assert await service.remote(made).do(Update("1.4.0")) == Outcome("done", told={"asked": "1.4.0"})
    assert (tmp_path / "told").read_text() == "1 1.4.0\n"


async def test_a_program_that_fails_says_how(service: Service, tmp_path: Path) -> None:
    assert await service.remote(program(tmp_path / "up", "exit 3")).do(Update("1")) == Outcome(
        "failed", "update.exit", {"exit": 3}
    )
    gone = service.remote(tmp_path / "gone")
    assert await gone.do(Update("1")) == Outcome("failed", "update.not_started")


async def test_a_program_that_hangs_is_ended(service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "UPDATE_S", 0.2)
    monkeypatch.setattr(remote, "GOODBYE_S", 0.2)
    made = program(tmp_path / "up", f"trap '' TERM\necho $$ > {tmp_path}/pid\nwhile :; do sleep 0.1; done")
    assert await service.remote(made).do(Update("1")) == Outcome("failed", "update.timeout")
    assert is_gone(tmp_path / "pid")


def is_gone(pid: Path) -> bool:
    return not Path("/proc", pid.read_text().strip()).exists()


async def test_two_updates_do_not_run_at_once(service: Service, tmp_path: Path) -> None:
    made = service.remote(program(tmp_path / "up", f"while [ ! -e {tmp_path}/go ]; do sleep 0.01; done"))
    first = asyncio.ensure_future(made.do(Update("1")))
    await asyncio.sleep(0)
    assert await made.do(Update("2")) == Outcome("refused", "busy")
    (tmp_path / "go").touch()
    assert (await first).result == "done"


async def test_a_box_with_an_updater_asks_it_and_waits_for_nothing(service: Service) -> None:
    assert await service.remote().do(Update("1.2")) == Outcome("refused", "update.not_here")
    service.updater = []
    assert await service.remote().do(Update("1.2")) == Outcome("done", told={"asked": "1.2"})
    assert await service.remote().do(Update("9.9")) == Outcome("failed", "update.not_started")
    assert service.updater == ["1.2", "9.9"]


async def test_the_retailers_own_program_goes_before_the_updater(service: Service, tmp_path: Path) -> None:
    service.updater = []
    program = tmp_path / "update"
    program.write_text("#!/bin/sh\nexit 0\n")
    program.chmod(0o700)
    assert await service.remote(program).do(Update("1.2")) == Outcome("done", told={"asked": "1.2"})
    assert service.updater == []
