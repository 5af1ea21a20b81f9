"""A box that waits: its code counts and no other, guesses are counted, and it ends once it belongs to somebody."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway import firstboot, ownership, provisionfiles, provisioning
from gateway.core.provision import shown_code
from gateway.errors import ConfigError
from gateway.firstboot import GUESSES_EACH, FirstBoot
from gateway.provisionfiles import Result
from gateway.provisioning import Box
from tests.rigs.provisioned import CODE, NOW_MS, WHO, box, file


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Box:
    monkeypatch.setattr(firstboot, "world_ms", lambda: NOW_MS)
    monkeypatch.setattr(firstboot, "synchronised", lambda: True)
    monkeypatch.setattr(firstboot, "LOOK_S", 0.02)
    made = box(tmp_path)
    made.folder.mkdir()
    return made


def waiting(own: Box) -> FirstBoot:
    return FirstBoot(own.config, ownership.nobodys(own.config) or {}, own.folder)


def asked(own: Box) -> bytes | None:
    return provisionfiles.take_request(own.config.parents[1] / "data")


async def test_a_file_is_handed_over_with_the_right_code_alone(own: Box) -> None:
    one = waiting(own)
    assert one.code == CODE
    assert await one.take(file(CODE), "QRSTUVWX", "a") == "wrong" and asked(own) is None
    assert one.told()["state"] == "waits"
    assert await one.take(file(CODE), shown_code(CODE).lower(), "a") == ""
    assert one.told() == {"state": "asked", "last": None, "clock": True}
    assert asked(own) is not None


async def test_what_is_refused_at_once_is_shown(own: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    one = waiting(own)
    for data, reason in ((b"x", "form"), (file("QRSTUVWX"), "code"), (file().replace(b"ulm", b"bonn"), "torn")):
        assert await one.take(data, CODE, "a") == reason and asked(own) is None
        assert one.told()["last"]["reason"] == reason
    monkeypatch.setattr(firstboot, "world_ms", lambda: 2 * NOW_MS)
    assert await one.take(file(), CODE, "a") == "stale"
    assert one.told()["last"] == {"result": "refused", "reason": "stale", "gateway": WHO}
    (own.config.parents[1] / "data" / provisionfiles.CODE).unlink()
    (own.config.parents[1] / "data").rmdir()
    monkeypatch.setattr(firstboot, "world_ms", lambda: NOW_MS)
    assert await one.take(file(), CODE, "a") == "disk"


async def test_guesses_are_counted(own: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    one = waiting(own)
    now_ms = [0]
    monkeypatch.setattr(firstboot, "uptime_ms", lambda: now_ms[0])
    for _ in range(GUESSES_EACH):
        assert await one.take(b"", "QRSTUVWX", "a") == "wrong"
    assert await one.take(b"x", CODE, "a") == "wait"
    assert await one.take(b"x", CODE, "b") == "form", "another phone is not shut out"
    for n in range(firstboot.GUESSES):
        await one.take(b"", "QRSTUVWX", f"c{n}")
    assert await one.take(b"x", CODE, "b") == "wait"
    now_ms[0] = firstboot.WINDOW_MS
    assert await one.take(b"x", CODE, "a") == "form"


async def test_where_nobody_takes_the_file_it_says_so(own: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    one = waiting(own)
    now_ms = [0]
    monkeypatch.setattr(firstboot, "uptime_ms", lambda: now_ms[0])
    await one.take(file(), CODE, "a")
    now_ms[0] = firstboot.HELP_MS
    assert one.told()["state"] == "alone"


async def test_what_root_says_takes_its_place(own: Box) -> None:
    one = waiting(own)
    await one.take(b"x", CODE, "a")
    looking = asyncio.create_task(one.until_somebodys())
    provisionfiles.tell(own.folder, Result("refused", NOW_MS, "data", WHO))
    async with asyncio.timeout(30):
        while one.told()["last"]["reason"] != "data":  # noqa: ASYNC110 - another program writes that file
            await asyncio.sleep(0.02)
        own.config.write_text("x = ")  # somebody writes it by hand just now
        await asyncio.sleep(0.1)
        assert not looking.done()
        own.config.write_text('[gateway]\ntenant = "a"\nstore = "b"\nid = "c"\ndata_dir = "/x"\n')
        await looking


@pytest.mark.parametrize(
    ("found", "address"),
    [
        ((), ""),
        (("127.0.0.1", "::1", "169.254.3.4"), ""),
        (("2001:db8::1", "192.168.1.7"), "http://192.168.1.7:8080/setup"),
        (("2001:db8::1",), "http://[2001:db8::1]:8080/setup"),
    ],
)
def test_the_address_is_one_that_a_phone_reaches(
    own: Box, monkeypatch: pytest.MonkeyPatch, found: tuple[str, ...], address: str
) -> None:
    monkeypatch.setattr(firstboot, "addresses", lambda: found)
    assert waiting(own).address == address


async def test_it_serves_until_the_box_is_somebodys(own: Box) -> None:
    own.config.write_text(own.config.read_text().replace("8080", "0"))
    serving: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    tables: dict[str, Any] = ownership.nobodys(own.config) or {}
    running = asyncio.create_task(firstboot.run(own.config, tables, "1", serving.set_result, own.folder))
    async with asyncio.timeout(60), httpx.AsyncClient(base_url=await serving) as client:
        told = (await client.get("/api/v1/setup")).json()
        assert told["code"] == CODE
        sent = await client.post("/api/v1/setup", content=file(told["code"]), headers={"X-Setup-Code": told["code"]})
        assert sent.status_code == 202
        data = asked(own)
        assert data is not None and provisioning.take(own, [data], NOW_MS, known=True).result == "taken"
        assert await running


async def test_it_ends_when_it_is_told_to(own: Box) -> None:
    own.config.write_text(own.config.read_text().replace("8080", "0"))
    stop = asyncio.Event()
    stop.set()
    assert not await firstboot.run(own.config, ownership.nobodys(own.config) or {}, "1", print, own.folder, stop)


async def test_without_a_data_folder_the_operator_is_told(own: Box, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    tables = {"gateway": {"data_dir": str(tmp_path / "file" / "data")}}
    with pytest.raises(ConfigError, match="data folder"):
        await firstboot.run(own.config, tables, "1", print, own.folder)
