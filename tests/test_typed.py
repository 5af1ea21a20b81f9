"""drivers.typed: a certified reader that types lines, on a pseudo-terminal."""

import asyncio
import os
import tty
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import typed
from drivers.ears import Ears
from drivers.talk import REST_MS, Found, Outcome, Refused
from drivers.typed import Lines, TypedSource
from gateway.config import SourceTable
from gateway.core.model import CredentialKind, Proof, Token
from gateway.errors import ConfigError
from gateway.health import Health

LIMIT_S = 20


class MovingClock:
    speed = 1.0

    def __init__(self) -> None:
        self.at_ms = 1_000_000

    def now_ms(self) -> int:
        return self.at_ms

    async def sleep(self, ms: float) -> None:
        await asyncio.sleep(0)


class RecordingEars(Ears):
    def __init__(self) -> None:
        self.shown: list[tuple[str, Outcome]] = []

    def presented(self, reader: str, outcome: Outcome) -> None:
        self.shown.append((reader, outcome))


class Line:
    """The reader's end of a serial line, at a path that can vanish and come back."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "ttyACM0"
        self.plug()

    def plug(self) -> None:
        self._reader, self._host = os.openpty()
        tty.setraw(self._host)
        self.path.symlink_to(os.ttyname(self._host))

    def types(self, data: bytes) -> None:
        os.write(self._reader, data)

    def unplug(self) -> None:
        self.path.unlink()
        os.close(self._reader)
        os.close(self._host)


class Desk:
    def __init__(self, line: Line, options: str = "") -> None:
        self.line, self.ears, self.health, self.clock = line, RecordingEars(), Health(), MovingClock()
        table = SourceTable(path=f"serial:{line.path}{options}", receiver="till")
        self.task = asyncio.create_task(TypedSource(table, self.ears, self.clock, self.health).run())

    @property
    def state(self) -> str:
        return self.health.parts[0].state if self.health.parts else ""

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(LIMIT_S):
            while not condition():
                if self.task.done():
                    self.task.result()
                await asyncio.sleep(0.005)


@asynccontextmanager
async def desk(line: Line, options: str = "") -> AsyncIterator[Desk]:
    opened = Desk(line, options)
    try:
        yield opened
    finally:
        opened.task.cancel()
        with suppress(asyncio.CancelledError):
            await opened.task


def passed(value: str, proof: Proof = Proof.BEARER) -> Found:
    return Found(Token(CredentialKind.PASS, value.encode()), proof)


async def test_a_line_is_a_pass(tmp_path: Path) -> None:
    async with desk(Line(tmp_path)) as one:
        await one.until(lambda: one.state == "ok")
        one.line.types(b"M-0000")
        one.line.types(b"42\r\n")
        await one.until(lambda: bool(one.ears.shown))
        assert one.ears.shown == [("till", passed("M-000042"))]


async def test_the_operator_says_how_much_a_line_proves(tmp_path: Path) -> None:
    async with desk(Line(tmp_path), "?proof=signed&baud=115200") as one:
        await one.until(lambda: one.state == "ok")
        one.line.types(b"M-000042\n")
        await one.until(lambda: bool(one.ears.shown))
        assert one.ears.shown == [("till", passed("M-000042", Proof.SIGNED))]


async def test_a_phone_that_rests_counts_once_and_a_later_tap_again(tmp_path: Path) -> None:
    async with desk(Line(tmp_path)) as one:
        await one.until(lambda: one.state == "ok")
        one.line.types(b"A\nA\nB\nB\n")
        await one.until(lambda: len(one.ears.shown) == 2)
        one.clock.at_ms += REST_MS
        one.line.types(b"B\n")
        await one.until(lambda: len(one.ears.shown) == 3)
        assert [found.token.value for _, found in one.ears.shown if isinstance(found, Found)] == [b"A", b"B", b"B"]


async def test_unplugged_is_said_and_plugged_in_again_it_reads(tmp_path: Path) -> None:
    async with desk(Line(tmp_path)) as one:
        await one.until(lambda: one.state == "ok")
        one.line.types(b"half a li")
        one.line.unplug()
        await one.until(lambda: one.state == "down")
        assert "Plug the reader in" in one.health.parts[0].action
        one.line.plug()
        await one.until(lambda: one.state == "ok")
        one.line.types(b"M-1\n")
        await one.until(lambda: bool(one.ears.shown))
        assert one.ears.shown == [("till", passed("M-1"))]


async def test_rubbish_is_refused_with_a_reason(tmp_path: Path) -> None:
    async with desk(Line(tmp_path)) as one:
        await one.until(lambda: one.state == "ok")
        one.line.types(b"\xff\xfe\xfd\n" + b"x" * 5000 + b"\n" + b"bell\x07\n")
        await one.until(lambda: len(one.ears.shown) == 2 and "nfc.typed_dropped" in one.health.counts)
        reasons = [refused.reason for _, refused in one.ears.shown if isinstance(refused, Refused)]
        assert reasons == ["typed.encoding", "typed.control"]
        assert one.health.counts == {"nfc.typed_dropped": 1}


@pytest.mark.parametrize(
    "path",
    ["serial:", "serial:ttyACM0", "serial:/dev/x?baud=1", "serial:/dev/x?proof=proven", "serial:/dev/x?speed=2"],
)
def test_a_path_that_cannot_be_is_refused(path: str) -> None:
    with pytest.raises(ConfigError):
        TypedSource(SourceTable(path=path, receiver="till"), RecordingEars(), MovingClock(), Health())


@given(st.lists(st.binary(max_size=700), max_size=20))
def test_lines_stay_bounded_whatever_comes(chunks: list[bytes]) -> None:
    lines = Lines()
    for at_ms, chunk in enumerate(chunks):
        for line in lines.feed(chunk, at_ms):
            assert 0 < len(line) <= typed.LINE_BYTES_MAX
            assert isinstance(typed.judge(line, Proof.BEARER), Found | Refused)


@given(st.lists(st.text("abc123-", min_size=1, max_size=20), min_size=1, max_size=5), st.integers(1, 7))
def test_lines_come_whole_however_they_are_cut(values: list[str], step: int) -> None:
    data = "".join(f"{value}\r\n" for value in values).encode()
    lines = Lines()
    got = [line for at in range(0, len(data), step) for line in lines.feed(data[at : at + step], 0)]
    assert got == [value.encode() for value in values]


def test_a_reader_gone_mad_is_held_down() -> None:
    lines = Lines()
    assert len(lines.feed(b"1\n" * 100, 5_000)) == typed.LINES_PER_S_MAX
    assert lines.dropped == 100 - typed.LINES_PER_S_MAX
    assert lines.feed(b"2\n", 6_000) == [b"2"]
