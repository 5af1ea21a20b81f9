"""The operator's socket: for its user alone, whole answers, none for rubbish, and a folder's path of any length."""

import asyncio
import os
import socket
import stat
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from gateway import hatch
from gateway.errors import ConfigError, UnavailableError


async def echo(asked: object) -> dict[str, Any]:
    return {"result": "ok", "asked": asked}


@asynccontextmanager
async def serving(folder: Path, reply: hatch.Reply = echo):
    task = asyncio.create_task(hatch.serve(folder, reply))
    for _ in range(1_000):
        await asyncio.sleep(0.005)
        if await asyncio.to_thread(_is_up, folder):
            break
    yield task
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def _is_up(folder: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as one, hatch._short(folder) as path, suppress(OSError):
        one.connect(path)
        return True
    return False


async def test_an_operator_gets_the_whole_answer(tmp_path: Path) -> None:
    async def much(asked: object) -> dict[str, Any]:
        return {"result": "ok", "text": "ü" * 1_000_000}

    async with serving(tmp_path, much):
        answer = await asyncio.to_thread(hatch.ask, tmp_path, {"verb": "show"})
    assert answer is not None
    assert len(answer["text"]) == 1_000_000


async def test_only_its_user_may_ask(tmp_path: Path) -> None:
    async with serving(tmp_path):
        mode = os.stat(tmp_path / hatch.NAME).st_mode  # noqa: PTH116 - one look
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600


async def test_nothing_of_it_stays_after_the_stop(tmp_path: Path) -> None:
    async with serving(tmp_path):
        assert await asyncio.to_thread(os.listdir, tmp_path) == [hatch.NAME]
    assert await asyncio.to_thread(os.listdir, tmp_path) == []


async def test_a_long_folder_has_a_hatch_too(tmp_path: Path) -> None:
    folder = tmp_path / ("f" * 120)
    async with serving(folder):
        assert await asyncio.to_thread(hatch.ask, folder, {"a": 1}) == {"result": "ok", "asked": {"a": 1}}


async def test_who_is_still_asking_when_it_ends_is_let_go(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.settimeout(5)
        async with serving(tmp_path):
            with hatch._short(tmp_path) as path:
                one.connect(path)
            await asyncio.to_thread(hatch.ask, tmp_path, {})  # who came later was answered, so this one was let in
        assert await asyncio.to_thread(one.recv, 1) == b""


def test_without_a_service_nobody_answers(tmp_path: Path) -> None:
    assert hatch.ask(tmp_path, {}) is None
    hatch.listen(tmp_path).close()  # what a killed service leaves behind
    assert hatch.ask(tmp_path, {}) is None


async def test_whether_a_service_runs_on_a_folder(tmp_path: Path) -> None:
    assert not hatch.is_served(tmp_path) and not hatch.is_served(tmp_path / "none")
    async with serving(tmp_path):
        assert await asyncio.to_thread(hatch.is_served, tmp_path)
    assert not hatch.is_served(tmp_path)
    hatch.listen(tmp_path).close()  # as a kill leaves it
    assert (tmp_path / hatch.NAME).exists() and not hatch.is_served(tmp_path)


def test_a_service_that_does_not_answer_is_no_stopped_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hatch, "ANSWER_S", 0.05)
    with hatch.listen(tmp_path), pytest.raises(UnavailableError):
        hatch.ask(tmp_path, {})


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="expected a data folder"):
        hatch.listen(tmp_path / "file")


@pytest.mark.parametrize("rubbish", [b"", b"\n", b"not json\n", b"\xff\xfe\n", b"x" * 100_000])
async def test_rubbish_ends_its_own_connection_only(tmp_path: Path, rubbish: bytes) -> None:
    def send() -> bytes:
        with socket.socket(socket.AF_UNIX) as one, hatch._short(tmp_path) as path:
            one.connect(path)
            one.settimeout(5)
            with suppress(OSError):
                one.sendall(rubbish)
                one.shutdown(socket.SHUT_WR)
                return one.recv(100)
            return b""

    async with serving(tmp_path):
        assert await asyncio.to_thread(send) == b""
        assert await asyncio.to_thread(hatch.ask, tmp_path, {}) == {"result": "ok", "asked": {}}
