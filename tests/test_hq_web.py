"""The console: its API as an ASGI application, its stream and its end on a real port."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.core.changes import OutboxRow
from gateway.core.command import Answer
from gateway.core.model import Purpose
from gateway.errors import StoreError, UnavailableError
from gateway.health import Health
from sync import event_messages, messages
from sync.hq import web
from sync.hq.ledger import Ledger
from sync.hq.pulse import Pulse
from sync.hq.rolling import Plan
from sync.report_messages import Report, Trouble
from sync.topics import Topics

NOW_MS = 1_790_000_000_000
SHOP = Topics("acme", "munich-1", "gw-1")
EPOCH = "ab" * 16
MEMBER = {"op": "member.put", "body": {"member_id": "m-1", "call_name": "Ada", "interests": ["tea"]}}
OFFER = {"op": "offer.put", "body": {"offer_id": "o-1", "title": {"en": "Tea"}, "text": {"en": "Two for one"}}}
JSON = {"content-type": "application/json"}


def given(purpose: str, event_id: str = "e-1", until_ms: int | None = None) -> dict[str, Any]:
    body = {"event_id": event_id, "member_id": "m-1", "purpose": purpose, "state": "given", "given_at_ms": 1}
    return {"op": "consent.add", "body": body | {"valid_until_ms": until_ms}}


@pytest.fixture
def ledger(tmp_path: Path):
    made = Ledger(tmp_path / "hq.db")
    yield made
    made.close()


@pytest.fixture
async def client(ledger: Ledger) -> AsyncIterator[httpx.AsyncClient]:
    app = web.create_app(ledger, Pulse(), Health(), lambda: NOW_MS)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost:8090") as made:
        yield made


def ingest(ledger: Ledger, seq: int, **body: object) -> None:
    row = OutboxRow(seq, NOW_MS + seq, "visit.entered", json.dumps(body))
    ledger.ingest(SHOP, event_messages.EventBatch(EPOCH, seq, seq, (row,)), NOW_MS)


@asynccontextmanager
async def running(ledger: Ledger) -> AsyncIterator[tuple[str, Pulse, asyncio.Task[None]]]:
    pulse = Pulse()
    url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    server = web.serve(ledger, pulse, Health(), lambda: NOW_MS, ("127.0.0.1", 0), url.set_result)
    task = asyncio.create_task(server)
    try:
        yield await url, pulse, task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


# --- reading ------------------------------------------------------------------------------------------------


async def test_members_carry_the_consents_in_force(client: httpx.AsyncClient, ledger: Ledger) -> None:
    ledger.record_ops([MEMBER, given("recognise_ble"), given("staff_advice", "e-2", until_ms=NOW_MS)])
    (member,) = (await client.get("/api/v1/members")).json()
    assert member["call_name"] == "Ada"
    assert {name: consent["state"] for name, consent in member["consents"].items()} == {
        "recognise_ble": "given",
        "staff_advice": "expired",
    }
    assert (await client.get("/api/v1/members", params={"search": "nobody"})).json() == []


async def test_a_member_shows_which_wording_was_agreed_to_for_a_trackable_beacon(
    client: httpx.AsyncClient, ledger: Ledger
) -> None:
    beacon = {"credential_id": "c-1", "member_id": "m-1", "kind": "ibeacon", "value": "00" * 20}
    app = {"credential_id": "c-2", "member_id": "m-1", "kind": "app", "key": "5e" * 16}
    puts = [{"op": "credential.put", "body": body} for body in (beacon | {"trackable_wording": "2026-11"}, app)]
    ledger.record_ops([MEMBER, *puts])
    answer = await client.get("/api/v1/members")
    assert answer.json()[0]["trackable"] == [["ibeacon", "2026-11"]]
    assert "00" * 20 not in answer.text
    assert "5e" * 16 not in answer.text
    ledger.record_ops([{"op": "credential.drop", "body": {"credential_id": "c-1"}}])
    assert (await client.get("/api/v1/members")).json()[0]["trackable"] == []


async def test_offers_gateways_config_and_events(client: httpx.AsyncClient, ledger: Ledger) -> None:
    ledger.record_ops([OFFER, {"op": "config.put", "body": {"zones": {"wine": {"en": "Wine"}}}}])
    ledger.saw_state(SHOP, messages.State(True, 1, EPOCH, 1, b"k" * 32), NOW_MS)
    for seq in (1, 2, 3):
        ingest(ledger, seq, member_id="m-1")
    assert [row["offer_id"] for row in (await client.get("/api/v1/offers")).json()] == ["o-1"]
    assert (await client.get("/api/v1/config")).json()["zones"] == {"wine": {"en": "Wine"}}
    (gateway,) = (await client.get("/api/v1/gateways")).json()
    assert (gateway["store"], gateway["online"], gateway["behind"]) == ("munich-1", True, 1)
    newest = (await client.get("/api/v1/events", params={"limit": 2})).json()
    assert [row["seq"] for row in newest] == [2, 3]
    later = (await client.get("/api/v1/events", params={"after": newest[0]["id"]})).json()
    assert [row["body"] for row in later] == [{"member_id": "m-1"}]


async def test_health_says_in_words_what_is_wrong(ledger: Ledger) -> None:
    health = Health()
    health.set("signing", "degraded", NOW_MS, "the keys end", "Make new ones.")
    health.set("broker", "ok", NOW_MS)
    app = web.create_app(ledger, Pulse(), health, lambda: NOW_MS)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost:8090") as client:
        answer = (await client.get("/healthz")).json()
    assert answer["parts"] == {"broker": "ok", "signing": "degraded"}
    assert answer["said"] == {"signing": "the keys end. Make new ones"}


async def test_health_tells_the_version(client: httpx.AsyncClient, ledger: Ledger) -> None:
    ledger.record_ops([OFFER])
    answer = (await client.get("/healthz")).json()
    assert (answer["status"], answer["version"]) == ("ok", 1)


@pytest.mark.parametrize(
    "query",
    ["events?after=-1", "events?after=x", "events?after=99999999999999999999", "events?limit=0", "members?limit=5000"],
)
async def test_a_wrong_query_is_422(client: httpx.AsyncClient, query: str) -> None:
    answer = await client.get(f"/api/v1/{query}")
    assert answer.status_code == 422
    assert answer.json()["problems"][0]["expected"]


# --- writing ------------------------------------------------------------------------------------------------


async def test_ops_are_recorded(client: httpx.AsyncClient, ledger: Ledger) -> None:
    answer = await client.post("/api/v1/ops", json=[OFFER, MEMBER])
    assert answer.json() == {"version": 2}
    assert [row["offer_id"] for row in ledger.offers()] == ["o-1"]


async def test_withdrawing_some_or_all_purposes(client: httpx.AsyncClient, ledger: Ledger) -> None:
    ledger.record_ops([MEMBER, given("recognise_ble"), given("staff_advice", "e-2")])
    await client.post("/api/v1/members/m-1/withdraw", json={"purposes": ["recognise_ble"]})
    states = {purpose: record.state for purpose, record in ledger.consents("m-1").items()}
    assert states == {Purpose.RECOGNISE_BLE: "withdrawn", Purpose.STAFF_ADVICE: "given"}
    answer = await client.post("/api/v1/members/m-1/withdraw", json={"purposes": None})
    assert answer.json() == {"version": 4 + len(Purpose)}
    assert {record.state for record in ledger.consents("m-1").values()} == {"withdrawn"}


async def test_withdrawing_for_somebody_unknown_is_404(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/v1/members/m-9/withdraw", json={"purposes": None})
    assert (answer.status_code, answer.json()) == (404, {"error": "no such member"})


DEEP = "[" * 100_000 + "]" * 100_000


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("ops", "{}"),
        ("ops", "[]"),
        ("ops", "null"),
        ("ops", "[1]"),
        ("ops", '[{"op": "offer.put"}]'),
        ("ops", '[{"op": 7, "body": {}}]'),
        ("ops", '[{"op": "offer.put", "body": {"offer_id": "\\ud800", "title": {}, "text": {}}}]'),
        ("ops", '[{"\\ud800": 1}]'),
        ("ops", '[{"op": "member.put", "body": {"member_id": "m", "call_name": NaN}}]'),
        ("ops", '[{"op": "consent.add", "body": {"given_at_ms": 99999999999999999999999}}]'),
        ("ops", DEEP),
        ("ops", "not JSON"),
        ("ops", '"\xff"'),
        ("members/m-1/withdraw", "[]"),
        ("members/m-1/withdraw", "{}"),
        ("members/m-1/withdraw", '{"purposes": "all"}'),
        ("members/m-1/withdraw", '{"purposes": ["everything"]}'),
        ("members/m-1/withdraw", '{"purposes": [{}]}'),
    ],
)
async def test_wrong_input_is_refused_in_json(client: httpx.AsyncClient, ledger: Ledger, path: str, body: str) -> None:
    ledger.record_ops([MEMBER])
    answer = await client.post(f"/api/v1/{path}", content=body.encode("latin-1"), headers=JSON)
    assert answer.status_code in (400, 422)
    assert answer.json()["error"]
    assert ledger.version() == 1


async def test_too_many_or_too_large_posts_are_refused(client: httpx.AsyncClient, ledger: Ledger) -> None:
    many = await client.post("/api/v1/ops", json=[OFFER] * (web.MAX_POST_OPS + 1))
    large = await client.post("/api/v1/ops", content=b" " * (web.MAX_POST_BYTES + 1), headers=JSON)
    assert (many.status_code, large.status_code) == (422, 413)

    async def drip() -> AsyncIterator[bytes]:
        yield b"[]"

    assert (await client.post("/api/v1/ops", content=drip(), headers=JSON)).status_code == 411
    assert ledger.version() == 0


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost:8090", 200),
        ("https://evil.example", 403),
        ("http://localhost:9999", 403),
        ("null", 403),
        ("http://[", 403),
    ],
)
async def test_only_the_same_origin_may_post(client: httpx.AsyncClient, origin: str, status: int) -> None:
    answer = await client.post("/api/v1/ops", json=[OFFER], headers={"origin": origin})
    assert answer.status_code == status


@pytest.mark.parametrize("host", ["rebound.example", "localhost.evil.example", "10.0.0.1:8090", "", "[::"])
async def test_a_foreign_host_name_gets_nothing(client: httpx.AsyncClient, ledger: Ledger, host: str) -> None:
    ledger.record_ops([MEMBER])
    answer = await client.get("/api/v1/members", headers={"host": host})
    assert answer.status_code == 421
    assert "Ada" not in answer.text


async def test_a_full_disk_is_a_plain_503(client: httpx.AsyncClient, ledger: Ledger, monkeypatch) -> None:
    def full(*_: object) -> int:
        raise StoreError("/home/somebody/hq.db: disk full")

    monkeypatch.setattr(ledger, "record_ops", full)
    answer = await client.post("/api/v1/ops", json=[OFFER])
    assert answer.status_code == 503
    assert "somebody" not in answer.text


# --- the page -----------------------------------------------------------------------------------------------


async def test_every_answer_carries_the_security_headers(client: httpx.AsyncClient) -> None:
    for path in ("/", "/static/app.js", "/static/hq.css", "/api/v1/members", "/nowhere", "/api/v1/events?after=x"):
        headers = (await client.get(path)).headers
        assert headers["content-security-policy"].startswith("default-src 'self'")
        assert headers["x-content-type-options"] == "nosniff"
    assert (await client.get("/static/../web.py")).status_code == 404


async def test_the_page_has_no_inline_code_and_only_own_files(client: httpx.AsyncClient) -> None:
    page = (await client.get("/")).text
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:|<script(?![^>]*\ssrc=)", page)
    for link in re.findall(r'(?:src|href)="(/[^"]*)"', page):
        assert (await client.get(link)).status_code == 200
    assert "//" not in "".join(re.findall(r'(?:src|href)="([^"]*)"', page))


def test_both_languages_know_the_same_words() -> None:
    source = (web.STATIC / "words.js").read_text(encoding="utf-8")
    german, english = source.split("  en: {\n", 1)[0], source.split("  en: {\n", 1)[1].split("\n};", 1)[0]
    words = [set(re.findall(r"\b([a-zA-Z]+): (?=[\"`(])", part)) for part in (german, english)]
    assert words[0] == words[1]
    page = (web.STATIC / "index.html").read_text(encoding="utf-8")
    assert set(re.findall(r'data-t="(\w+)"', page)) <= words[0]


def test_every_purpose_has_a_chip() -> None:
    source = (web.STATIC / "words.js").read_text(encoding="utf-8")
    assert all(f"  {purpose.value}: {{ de:" in source for purpose in Purpose)


# --- the stream ---------------------------------------------------------------------------------------------


async def frames(lines: AsyncIterator[str]) -> AsyncIterator[tuple[str, Any]]:
    event = ""
    async for line in lines:
        if line.startswith("event: "):
            event = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield event, json.loads(line.removeprefix("data: "))


async def test_the_stream_tells_what_is_new(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "FLEET_MS", 0)
    ingest(ledger, 1)
    async with running(ledger) as (url, pulse, _), httpx.AsyncClient(base_url=url, timeout=20) as client:
        async with client.stream("GET", "/api/v1/stream") as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            news = frames(answer.aiter_lines())
            first = {name: data async for name, data in _take(news, 5)}
            assert [row["seq"] for row in first["rows"]] == [1]
            assert first["version"] == {"version": 0}
            assert first["fleet"]["rows"][0]["gateway"] == "gw-1" and first["commands"] == first["rollouts"] == []
            ingest(ledger, 2, member_id="m-1")
            ledger.record_ops([OFFER])
            pulse.ring()
            then = {name: data async for name, data in _take(news, 3)}
            assert [row["body"] for row in then["rows"]] == [{"member_id": "m-1"}]
            assert then["version"] == {"version": 1}
        last = first["rows"][0]["id"]
        async with client.stream("GET", "/api/v1/stream", headers={"last-event-id": str(last)}) as answer:
            again = {name: data async for name, data in _take(frames(answer.aiter_lines()), 1)}
            assert [row["seq"] for row in again["rows"]] == [2]


async def _take(source: AsyncIterator[tuple[str, Any]], n: int) -> AsyncIterator[tuple[str, Any]]:
    for _ in range(n):
        yield await anext(source)


async def test_a_quiet_stream_beats(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "BEAT_MS", 50)
    async with (
        running(ledger) as (url, _, _),
        httpx.AsyncClient(base_url=url, timeout=20) as client,
        client.stream("GET", "/api/v1/stream") as answer,
    ):
        names = []
        async for name, _ in frames(answer.aiter_lines()):
            names.append(name)
            if name == "beat":
                break
    assert names[-1] == "beat"


async def test_too_many_open_pages_are_told_so(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "MAX_STREAMS", 1)
    async with (
        running(ledger) as (url, _, _),
        httpx.AsyncClient(base_url=url, timeout=20) as client,
        client.stream("GET", "/api/v1/stream") as answer,
    ):
        await anext(answer.aiter_lines())
        assert (await client.get("/api/v1/stream")).status_code == 503


async def test_the_server_ends_with_open_streams(ledger: Ledger) -> None:
    async with running(ledger) as (url, _, task), httpx.AsyncClient(base_url=url, timeout=20) as client:
        async with client.stream("GET", "/api/v1/stream") as answer:
            lines = answer.aiter_lines()
            await anext(lines)
            task.cancel()
            async with asyncio.timeout(20):
                with pytest.raises(asyncio.CancelledError):
                    await task
            rest = [line async for line in lines]
            assert "traceback" not in " ".join(rest).lower()
        with pytest.raises(httpx.ConnectError):
            await client.get("/healthz")


async def test_a_failing_disk_ends_a_stream_without_fuss(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> int:
        raise StoreError("disk")

    monkeypatch.setattr(ledger, "version", broken)
    async with (
        running(ledger) as (url, _, _),
        httpx.AsyncClient(base_url=url, timeout=20) as client,
        client.stream("GET", "/api/v1/stream") as answer,
    ):
        assert [name async for name, _ in frames(answer.aiter_lines())] == ["fleet", "commands", "rollouts"]


async def test_a_taken_port_is_explained(ledger: Ledger) -> None:
    async with running(ledger) as (url, _, _):
        port = httpx.URL(url).port
        assert port is not None
        with pytest.raises(UnavailableError, match=f"port {port} on 127.0.0.1 is in use"):
            await web.serve(ledger, Pulse(), Health(), lambda: NOW_MS, ("127.0.0.1", port))


async def test_the_fleet_is_counted_whole_and_found_by_name(client: httpx.AsyncClient, ledger: Ledger) -> None:
    for store in ("munich-1", "berlin-2", "berlin-3"):
        where = Topics("acme", store, "gw-1")
        ledger.saw_state(where, messages.State(store != "berlin-3", 1, EPOCH, 0, b"k" * 32), NOW_MS)
    trouble = Trouble("receiver:bar", "down", NOW_MS, "unplugged")
    ledger.saw_report(Topics("acme", "munich-1", "gw-1"), Report("1.4.0", 0, 9, (trouble,)), NOW_MS)
    fleet = (await client.get("/api/v1/fleet")).json()
    assert [row["store"] for row in fleet["rows"]] == ["munich-1", "berlin-3", "berlin-2"]
    assert {key: fleet[key] for key in ("all", "found", "online", "bad", "warn", "good")} == {
        "all": 3, "found": 3, "online": 2, "bad": 1, "warn": 1, "good": 1
    }  # fmt: skip
    found = (await client.get("/api/v1/fleet?search=BERLIN")).json()
    assert (len(found["rows"]), found["found"], found["all"]) == (2, 2, 3)


async def test_roll_outs_are_shown_with_who_was_told(client: httpx.AsyncClient, ledger: Ledger) -> None:
    assert (await client.get("/api/v1/rollouts")).json() == []
    plan = Plan("config", ("all",), 0, "0", 90, 0, 3_000)
    number = ledger.begin_rollout(plan, {"op": "config.put", "body": {}}, 5)
    assert number is not None
    ledger.tell_ring(number, {SHOP.name: 1}, 6)
    (row,) = (await client.get("/api/v1/rollouts")).json()
    assert (row["id"], row["state"], row["rings"]) == (number, "running", [{"who": "all", "away": 1}])
    (one,) = (await client.get(f"/api/v1/rollouts/{number}")).json()
    assert (one["gateway"], one["outcome"]) == (SHOP.name, "away")
    assert (await client.get("/api/v1/rollouts/none")).status_code == 422


async def test_all_open_pages_share_a_look_at_the_fleet_and_a_long_one_is_seldom(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []

    def look(of: Ledger, now_ms: int) -> dict[str, int]:
        looks.append(now_ms)
        return {"all": len(looks)}

    monkeypatch.setattr(web, "_fleet", look)
    shared = web._Looks(ledger, lambda: 5)
    assert await asyncio.gather(*(shared.fleet() for _ in range(8))) == [{"all": 1}] * 8
    monkeypatch.setattr(web, "FLEET_MS", 0)
    monkeypatch.setattr(web, "FLEET_PAUSE", 1e9)
    again = web._Looks(ledger, lambda: 6)
    assert [await again.fleet() for _ in range(3)] == [{"all": 2}] * 3, "it took some time, and that is waited for"
    monkeypatch.setattr(web, "FLEET_PAUSE", 0)
    often = web._Looks(ledger, lambda: 7)
    assert [await often.fleet() for _ in range(2)] == [{"all": 3}, {"all": 4}]


async def test_commands_are_shown_with_what_became_of_them(client: httpx.AsyncClient, ledger: Ledger) -> None:
    ledger.saw_state(SHOP, messages.State(True, 1, EPOCH, 0, b"k" * 32), NOW_MS)
    ledger.order_command(SHOP, "c-1", "blink", {"screen": "coffee"}, NOW_MS, NOW_MS + 1)
    ledger.answered(SHOP, Answer("c-1", "refused", "screen.away"), NOW_MS)
    (row,) = (await client.get(f"/api/v1/commands?gateway={SHOP.name}")).json()
    assert (row["id"], row["gateway"], row["state"], row["reason"]) == ("c-1", SHOP.name, "refused", "screen.away")
    assert (await client.get("/api/v1/commands?gateway=acme/other/gw-1")).json() == []
