"""display.trust: what the guide is told, which files devices get, and who may ask the secure port from a plain page."""

import plistlib
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509

from display.api import create_app
from display.guard import HEADERS, Names
from display.hub import Hub
from gateway.health import Health
from gateway.https import Https
from tests.rigs.secure import bring, secured, trusting
from tests.rigs.shopfront import KEY, FakePath, HandClock, window

PLAIN = "http://gw.shop:8080"


def client(tls: Https | None, names: Names | None = None, base: str = PLAIN) -> httpx.AsyncClient:
    clock, health = HandClock(), Health()
    app = create_app(
        FakePath(), Hub(clock, health), health, clock, KEY, "0", names=names or Names("gw.shop"), secure=tls,
        installable=tls is not None,
    )  # fmt: skip
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=base)


async def shop(folder: Path, **http: Any) -> Https:
    return await secured(folder, shop_url=PLAIN, **http)


async def test_the_guide_names_what_to_trust_and_where(tmp_path: Path) -> None:
    tls = await shop(tmp_path)
    answer = await client(tls).get("/trust")
    assert f'data-secure="https://gw.shop:{tls.port}"' in answer.text and 'data-state="ready"' in answer.text
    assert " ".join(tls.fingerprint[at : at + 4] for at in range(0, 64, 4)) in answer.text
    assert tls.title in answer.text


async def test_only_the_guide_may_ask_the_secure_port(tmp_path: Path) -> None:
    tls = await shop(tmp_path)
    async with client(tls) as asked:
        guide, other = await asked.get("/trust"), await asked.get("/notice")
    ours = HEADERS["content-security-policy"]
    policies = [value for name, value in guide.headers.multi_items() if name == "content-security-policy"]
    assert policies == [f"{ours}; connect-src 'self' https://gw.shop:{tls.port}"]
    assert other.headers["content-security-policy"] == ours


async def test_a_name_that_no_certificate_has_leads_to_one_that_it_has(tmp_path: Path) -> None:
    tls = await shop(tmp_path)
    answer = await client(tls, base="http://8.8.8.8:8080").get("/trust")
    assert f'data-secure="https://gw.shop:{tls.port}"' in answer.text


async def test_an_address_is_written_as_addresses_are(tmp_path: Path) -> None:
    tls = await shop(tmp_path)
    answer = await client(tls, base="http://[::1]:8080").get("/trust")
    assert f'data-secure="https://[::1]:{tls.port}"' in answer.text


@pytest.mark.parametrize("way", ["none", "waits", "own"])
async def test_the_guide_says_where_there_is_nothing_to_trust(way: str, tmp_path: Path) -> None:
    tls = None
    if way == "waits":
        tls = await secured(tmp_path, now=lambda: 60_000)
    elif way == "own":
        tls = await secured(tmp_path, **bring(tmp_path))
    async with client(tls) as asked:
        assert f'data-state="{way}"' in (await asked.get("/trust")).text
        for ending in ("crt", "mobileconfig"):
            assert (await asked.get(f"/trust/authority.{ending}")).status_code == 404


async def test_behind_a_proxy_with_tls_there_is_nothing_to_do() -> None:
    assert 'data-state="own"' in (await client(None, base="https://gw.shop").get("/trust")).text


async def test_the_files_are_the_authority(tmp_path: Path) -> None:
    tls = await shop(tmp_path)
    async with client(tls) as asked:
        file, profile = await asked.get("/trust/authority.crt"), await asked.get("/trust/authority.mobileconfig")
    assert file.headers["content-type"] == "application/x-x509-ca-cert"
    assert "attachment" in file.headers["content-disposition"]
    assert x509.load_der_x509_certificate(file.content).subject.rfc4514_string() == f"CN={tls.title}"
    assert profile.headers["content-type"] == "application/x-apple-aspen-config"
    assert "content-disposition" not in profile.headers
    assert plistlib.loads(profile.content)["PayloadContent"][0]["PayloadContent"] == file.content


async def test_the_code_is_of_the_plain_guide(tmp_path: Path) -> None:
    answer = await client(await shop(tmp_path)).get("/trust.svg")
    assert answer.headers["content-type"] == "image/svg+xml" and b"<svg" in answer.content


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        (PLAIN, True),
        ("http://192.168.1.5:8080", True),
        ("http://evil.example", False),
        ("http://[broken", False),
        ("null", False),
        ("", False),
    ],
)
async def test_only_pages_of_this_gateway_may_ask(tmp_path: Path, origin: str, allowed: bool) -> None:
    tls = await shop(tmp_path)
    headers = {"origin": origin} if origin else {}
    answer = await client(tls).get("/api/v1/ping", headers=headers)
    assert answer.json() == {"gateway": tls.fingerprint, "secure": False}
    assert answer.headers.get("access-control-allow-origin") == (origin if allowed else None)


async def test_over_tls_it_says_so_and_names_the_port_that_was_reached(tmp_path: Path) -> None:
    tls = await secured(tmp_path)
    async with window(tls=tls) as shop, httpx.AsyncClient(verify=trusting(tls)) as asked:
        assert (await asked.get(f"{shop.url}/api/v1/trust")).json() == {"ready": True, "reached": False}
        answer = (await asked.get(f"https://127.0.0.1:{tls.port}/api/v1/ping")).json()
        assert answer == {"gateway": tls.fingerprint, "secure": True}
        assert (await asked.get(f"{shop.url}/api/v1/trust")).json() == {"ready": True, "reached": True}


async def test_a_device_that_does_not_trust_us_has_reached_us(tmp_path: Path) -> None:
    tls = await secured(tmp_path)
    async with window(tls=tls) as shop, httpx.AsyncClient() as asked:
        with pytest.raises(httpx.ConnectError):
            await asked.get(f"https://127.0.0.1:{tls.port}/api/v1/ping")
        assert (await asked.get(f"{shop.url}/api/v1/trust")).json() == {"ready": True, "reached": True}


async def test_phones_are_never_asked_to_trust_anything(tmp_path: Path) -> None:
    """Neither at their port nor under their name."""
    tls = await shop(tmp_path)
    names = Names(public="shop.example", shop="gw.shop", phones_port=8081)
    paths = (
        "/trust",
        "/trust.svg",
        "/trust/authority.crt",
        "/api/v1/ping",
        "/sw.js",
        "/manifest.webmanifest",
        "/offline",
    )
    for base in ("http://shop.example:8080", "http://gw.shop:8081"):
        async with client(tls, names, base) as asked:
            assert {(await asked.get(path)).status_code for path in paths} == {404}


async def test_the_name_of_the_box_is_one_of_ours(tmp_path: Path) -> None:
    tls = await shop(tmp_path)
    names = Names("gw.shop", certified=frozenset({"gw.local"}))
    async with client(tls, names, "http://gw.local:8080") as asked:
        assert (await asked.get("/trust")).status_code == 200
    async with client(tls, names, "http://other.local:8080") as asked:
        assert (await asked.get("/trust")).status_code == 421
