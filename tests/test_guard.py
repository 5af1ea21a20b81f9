"""The door: bodies are bounded in size and time before any route sees them, and each answer carries the headers."""

import asyncio
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute

from display import guard
from display.guard import MAX_BODY, Guard, Names
from gateway.core.model import Purpose
from gateway.health import Health
from tests.rigs.own import own_shop
from tests.rigs.shop import member


async def echo(scope: Any, receive: Any, send: Any) -> None:
    event = await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": event["body"]})


async def post(
    chunks: list[bytes], origin: bytes | None = None, host: bytes = b"gateway.shop:8080", site: bytes | None = None
) -> tuple[list[Any], Health]:
    """Send `chunks` and then nothing more if the last one is empty; give what the client would see."""
    health, sent = Health(), []
    queue = list(chunks)

    async def receive() -> Any:
        if not queue:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": queue.pop(0), "more_body": bool(queue) or chunks[-1] == b""}

    async def send(event: Any) -> None:
        sent.append(event)

    headers = [(b"host", host), *([(b"origin", origin)] if origin is not None else [])]
    headers += [(b"sec-fetch-site", site)] if site is not None else []
    scope = {"type": "http", "method": "POST", "path": "/api/v1/me/end", "headers": headers}
    await Guard(echo, health, Names("gateway.shop"))(scope, receive, send)
    return sent, health


async def test_a_body_in_pieces_arrives_whole_with_headers() -> None:
    sent, _ = await post([b"ab", b"cd"])
    assert sent[1]["body"] == b"abcd"
    assert {name for name, _ in sent[0]["headers"]} >= {name.encode() for name in guard.HEADERS}


@pytest.mark.parametrize("chunks", [[b"x" * (MAX_BODY + 1)], [b"x" * MAX_BODY, b"x"]])
async def test_a_long_body_is_refused(chunks: list[bytes]) -> None:
    sent, health = await post(chunks)
    assert sent[0]["status"] == 413 and health.counts == {"http.refused": 1}


async def test_a_body_at_the_limit_passes() -> None:
    assert (await post([b"x" * MAX_BODY]))[0][0]["status"] == 200


async def test_a_body_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "BODY_S", 0)
    sent, health = await post([b"x", b""])
    assert sent[0]["status"] == 408 and health.counts == {"http.refused": 1}


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (None, 200),
        (b"http://gateway.shop:8080", 200),
        (b"https://GATEWAY.shop:8080", 200),
        (b"http://gateway.shop", 403),
        (b"http://evil.example", 403),
        (b"null", 403),
        (b"http://[broken", 403),
    ],
)
async def test_only_our_own_pages_may_post(origin: bytes | None, status: int) -> None:
    assert (await post([b"{}"], origin))[0][0]["status"] == status


@pytest.mark.parametrize(
    ("host", "status"),
    [
        (b"gateway.shop", 200),
        (b"localhost:8080", 200),
        (b"192.168.1.9:8080", 200),
        (b"[::1]:8080", 200),
        (b"evil.example", 421),
        (b"gateway.shop.evil.example", 421),
        (b"", 421),
        (b"[broken", 421),
    ],
)
async def test_a_foreign_name_that_leads_here_is_refused(host: bytes, status: int) -> None:
    assert (await post([b"{}"], host=host))[0][0]["status"] == status


@pytest.mark.parametrize(
    ("site", "status"),
    [(None, 200), (b"same-origin", 200), (b"none", 200), (b"same-site", 403), (b"cross-site", 403), (b"", 403)],
)
async def test_a_browser_that_says_another_site_asked_is_refused(site: bytes | None, status: int) -> None:
    assert (await post([b"{}"], site=site))[0][0]["status"] == status


# --- what is answered under which name ----------------------------------------------------------------------------

PHONES_PORT = 8081
ANSWERED = {"phone": "/api/v1/me", "screen": "/api/v1/screens/coffee/stream", "tablet": "/tablet", "till": "/till"}


async def asked(
    names: Names, path: str, host: str, client: str = "192.168.1.77", port: int = 8080
) -> tuple[int, Health]:
    health, sent = Health(), []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(event: Any) -> None:
        sent.append(event)

    scope = {"type": "http", "method": "GET", "path": path, "headers": [(b"host", host.encode())]}
    at = {"client": (client, 50_000), "server": ("192.168.1.2", port)}
    await Guard(echo, health, names)(scope | at, receive, send)
    return sent[0]["status"], health


@pytest.mark.parametrize("kind", ["screen", "tablet", "till"])
async def test_under_the_public_name_only_phones_pages_are_answered(kind: str) -> None:
    names = Names("shop.example", "gateway.shop")
    for host in ("shop.example", "shop.example:8080", "192.168.1.2:8080", "localhost:8080", "127.0.0.1"):
        assert (await asked(names, ANSWERED["phone"], host))[0] == 200
        status, health = await asked(names, ANSWERED[kind], host)
        assert (status, health.counts["http.outside"]) == (404, 1), host
    assert (await asked(names, ANSWERED[kind], "gateway.shop:8080"))[0] == 200
    for host in ("localhost:8080", "127.0.0.1:8080", "[::1]:8080"):
        assert (await asked(names, ANSWERED[kind], host, client="127.0.0.1"))[0] == 200, "a screen on the box itself"
    assert (await asked(names, ANSWERED[kind], "evil.example"))[0] == 421


@pytest.mark.parametrize("kind", ["screen", "tablet", "till"])
async def test_behind_a_proxy_on_this_box_no_stranger_is_taken_for_a_screen_on_it(kind: str) -> None:
    """It asks from this box and may say localhost, or the address that it was given, whoever asked it."""
    names = Names("shop.example", "gateway.shop", proxied=True)
    for host in ("localhost", "localhost:8080", "127.0.0.1:8080", "[::1]:8080", "shop.example"):
        assert (await asked(names, ANSWERED[kind], host, client="127.0.0.1"))[0] == 404, host
        assert (await asked(names, ANSWERED["phone"], host, client="127.0.0.1"))[0] == 200
    assert (await asked(names, ANSWERED[kind], "gateway.shop:8080", client="127.0.0.1"))[0] == 200


@pytest.mark.parametrize("kind", ["screen", "tablet", "till"])
async def test_at_the_phones_port_only_their_pages_are_answered_whatever_the_name(kind: str) -> None:
    for names in (Names("gateway.shop", "gateway.shop", PHONES_PORT), Names("", "", PHONES_PORT)):
        for host in ("gateway.shop:8081", "gateway.shop:8080", "localhost:8081", "192.168.1.2:8081"):
            if not names.are_ours(host.partition(":")[0]):
                continue
            assert (await asked(names, ANSWERED["phone"], host, port=PHONES_PORT))[0] == 200
            for client in ("192.168.1.77", "127.0.0.1"):
                assert (await asked(names, ANSWERED[kind], host, client, PHONES_PORT))[0] == 404
    assert (await asked(Names("gateway.shop", "gateway.shop", PHONES_PORT), ANSWERED[kind], "gateway.shop"))[0] == 200


@pytest.mark.parametrize("path", sorted(ANSWERED.values()))
async def test_without_a_name_of_the_shop_nothing_is_told_apart(path: str) -> None:
    for host in ("shop.example", "localhost", "192.168.1.2"):
        assert (await asked(Names("shop.example"), path, host))[0] == 200


async def test_the_public_name_alone_leads_to_the_notice() -> None:
    assert (await asked(Names("shop.example", "gateway.shop"), "/", "shop.example"))[0] == 303
    assert (await asked(Names("shop.example", "gateway.shop"), "/", "gateway.shop"))[0] == 200


@pytest.mark.parametrize(
    "path", ["/me/../tablet", "//me", "/me/", "/mee", "/scan/", "/scan/../till", "/api/v1/mean", "/h", ""]
)
def test_what_only_looks_like_a_phones_page_is_none(path: str) -> None:
    assert not guard.is_for_phones(path)


async def test_every_route_is_for_phones_or_for_the_shop(tmp_path: Path) -> None:
    """A new route is for the shop until it is named here and in the guard."""
    async with own_shop(tmp_path) as own:
        paths = {route.path for route in own.app.routes if isinstance(route, APIRoute)}
    phones = {path for path in paths if guard.is_for_phones(path)}
    assert {path for path in phones if not path.startswith(("/me", "/scan", "/api/v1/me", "/api/v1/scan"))} == {
        "/brand.css", "/brand/logo", "/brand/font/{number}",
        "/notice", "/notice.svg", "/join.svg", "/static/{build}/{name:path}",
        "/h/{token}", "/h/{token}.svg", "/o/{text}", "/o/{text}.png", "/o/{text}.svg",
    }  # fmt: skip
    assert {path for path in paths if re.match(r"(/api/v1)?/(me|scan)(/|$)", path)} <= phones
    for part in ("/screen", "/tablet", "/till", "/api/v1/status", "/api/v1/screens", "/api/v1/tablet", "/api/v1/tills"):
        ours = {path for path in paths if path == part or path.startswith((f"{part}/", f"{part}s/"))}
        assert ours and not ours & phones, part


async def test_a_stranger_who_knows_the_public_name_can_press_at_nobodys_dialogue(tmp_path: Path) -> None:
    """The same press is taken under the shop's own name: it is the name that is refused."""
    names = Names("shop.example", "gateway.shop")
    async with own_shop(tmp_path, *member("mia", *Purpose)) as own:
        await own.shop.tap("mia", "coffee-nfc")
        dialogue = own.shown().dialogue
        assert dialogue is not None
        pressed = {"dialogue_id": dialogue.dialogue_id, "choice": "my_data"}
        app = Guard(own.app, own.shop.health, names)
        for host, status in (("shop.example", 404), ("192.0.2.1", 404), ("gateway.shop", 200)):
            transport = httpx.ASGITransport(app, client=("192.0.2.77", 1))
            async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}:8080") as stranger:
                answer = await stranger.post("/api/v1/screens/bar/answer", json=pressed)
            assert answer.status_code == status, host
        assert own.shop.health.counts["http.outside"] == 2
