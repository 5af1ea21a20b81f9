"""gateway.https: what serves is renewed while it serves; trouble is a state of health, never the end of the pages."""

import asyncio
import ssl
from collections.abc import Sequence
from pathlib import Path

import pytest

from gateway import https, localca, ownnames
from gateway.core import certs
from gateway.core.spans import DAY_MS
from gateway.health import Health, Part
from gateway.https import Https
from tests.rigs.secure import ROOT, bring, config
from tests.rigs.shopfront import HandClock

NOW_MS = 1_790_000_000_000


class Box:
    """TLS whose time, names and root keys a test sets."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, **http: object) -> None:
        self.at_ms = NOW_MS
        self.addresses: tuple[str, ...] = ("10.1.2.3",)
        self.names: tuple[str, ...] = ("gw", "gw.local")
        self.roots: Sequence[bytes] = (ROOT,)
        self.health = Health()
        self.folder = folder
        monkeypatch.setattr(ownnames, "addresses", lambda: self.addresses)
        monkeypatch.setattr(ownnames, "host_names", lambda: self.names)
        self.tls = Https(config(folder, **http), lambda: self.roots, lambda: self.at_ms, HandClock(), self.health)

    @property
    def part(self) -> Part:
        return next(part for part in self.health.parts if part.name == "https")

    @property
    def made(self) -> dict[str, int]:
        return {name.removeprefix("https.made."): n for name, n in self.health.counts.items() if "made" in name}

    async def after(self, days: float) -> None:
        self.at_ms += round(days * DAY_MS)
        await self.tls.look()


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Box:
    return Box(tmp_path, monkeypatch)


async def test_the_first_look_makes_and_serves_a_certificate(box: Box) -> None:
    assert box.tls.context() is None and box.tls.authority is None and box.tls.fingerprint == ""
    assert not box.tls.stands_for("gw.local")
    await box.tls.look()
    assert box.part.state == "ok" and box.made == {"first": 1}
    assert box.tls.context() is not None
    assert all(box.tls.stands_for(name) for name in ("gw", "gw.local", "10.1.2.3", "localhost"))
    assert not box.tls.stands_for("bank.example")
    assert len(box.tls.fingerprint) == 64
    assert box.tls.title.startswith("Store gateway munich-1 gw-1 2026-")


async def test_it_is_renewed_in_time_and_no_more_often(box: Box) -> None:
    await box.tls.look()
    first, authority = box.tls.context(), box.tls.authority
    for _ in range(13):
        await box.after(28)
    assert box.tls.context() is first
    for _ in range(26):
        await box.after(28)
        assert box.tls.served is not None
        assert box.tls.served.ends_ms - box.at_ms > https.WARN_MS
    assert box.made == {"first": 1, "end": 2}
    assert box.tls.context() is not first and box.tls.authority == authority


async def test_a_new_address_is_served_at_the_next_look_and_an_old_one_stays(box: Box) -> None:
    await box.tls.look()
    box.addresses = ("10.1.2.3", "10.7.7.7")
    await box.tls.look()
    assert box.tls.stands_for("10.7.7.7") and box.made == {"first": 1, "names": 1}
    box.addresses = ("10.7.7.7",)
    await box.tls.look()
    assert box.made == {"first": 1, "names": 1}


async def test_a_name_that_the_authority_is_not_for_is_told_and_stops_nothing(box: Box) -> None:
    await box.tls.look()
    box.names = ("till-box", "till-box.local")
    await box.tls.look()
    assert box.part.state == "degraded" and "till-box" in box.part.detail and "trust --new" in box.part.action
    assert box.tls.stands_for("10.1.2.3") and box.tls.context() is not None
    assert box.made == {"first": 1}
    before = box.tls.context()
    await box.tls.look()
    assert box.tls.context() is before


async def test_a_box_that_starts_in_1970_waits_for_the_time(box: Box) -> None:
    box.at_ms = 60_000
    await box.tls.look()
    assert box.part.state == "degraded" and "clock" in box.part.detail and "time server" in box.part.action
    assert box.tls.context() is None and localca.known(box.folder) is None
    box.at_ms = NOW_MS
    await box.tls.look()
    assert box.part.state == "ok" and box.tls.context() is not None


async def test_a_box_that_has_a_certificate_serves_it_in_1970(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    await box.tls.look()
    restarted = Box(box.folder, monkeypatch)
    restarted.at_ms = 60_000
    await restarted.tls.look()
    assert restarted.tls.context() is not None and restarted.made == {}


async def test_a_clock_that_was_ahead_leaves_nothing_behind(box: Box) -> None:
    box.at_ms = NOW_MS + 2_000 * DAY_MS
    await box.tls.look()
    authority = box.tls.authority
    box.at_ms = NOW_MS
    await box.tls.look()
    assert box.made == {"first": 1, "early": 1}
    assert box.tls.authority == authority and box.part.state == "ok"


async def test_a_new_authority_is_taken_up_while_it_serves(box: Box) -> None:
    await box.tls.look()
    old = box.tls.fingerprint
    localca.make_authority(box.folder, [ROOT], "t", https.names_of(config(box.folder).http), NOW_MS)
    await box.tls.look()
    assert box.tls.fingerprint != old and box.made == {"first": 1, "authority": 1}
    localca.forget(box.folder)
    await box.tls.look()
    assert box.made == {"first": 2, "authority": 1} and box.part.state == "ok"


async def test_a_file_that_does_not_open_is_told_and_the_old_certificate_serves_on(box: Box) -> None:
    await box.tls.look()
    before = box.tls.context()
    (box.folder / localca.FOLDER / localca.AUTHORITY).write_bytes(b"rubbish")
    await box.tls.look()
    assert box.part.state == "degraded" and "authority.pem" in box.part.detail
    assert box.tls.context() is before and before is not None


async def test_while_the_root_key_changes_either_opens_it(box: Box) -> None:
    await box.tls.look()
    box.roots = (b"n" * 32, ROOT)
    (box.folder / localca.FOLDER / localca.SERVER).touch()
    await box.tls.look()
    assert box.part.state == "ok"


async def test_an_authority_near_its_end_is_told(box: Box) -> None:
    await box.tls.look()
    await box.after(certs.AUTHORITY_DAYS - 60)
    assert box.part.state == "degraded" and "the authority ends in" in box.part.detail


async def test_a_retailers_own_certificate_is_served_and_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = Box(tmp_path, monkeypatch, **bring(tmp_path, NOW_MS))
    await box.tls.look()
    first = box.tls.context()
    assert box.part.state == "ok" and first is not None
    assert box.tls.authority is None and box.tls.stands_for("gw.retailer.example")
    assert not (tmp_path / localca.FOLDER).exists()
    await box.after(390)
    assert box.part.state == "degraded" and "ends in" in box.part.detail
    bring(tmp_path, box.at_ms)
    await box.tls.look()
    assert box.part.state == "ok" and box.tls.context() is not first


async def test_a_pair_that_does_not_fit_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = bring(tmp_path, NOW_MS)
    (other := tmp_path / "other").mkdir()
    box = Box(tmp_path, monkeypatch, https_cert=files["https_cert"], https_key=bring(other, NOW_MS)["https_key"])
    await box.tls.look()
    assert box.part.state == "degraded" and "do not fit" in box.part.detail and box.tls.context() is None


async def test_who_came_is_known_for_two_minutes_and_never_more_than_the_cap(box: Box) -> None:
    box.tls.came("10.0.0.9")
    assert box.tls.has_come("10.0.0.9") and not box.tls.has_come("10.0.0.8")
    box.at_ms += https.SEEN_MS
    assert not box.tls.has_come("10.0.0.9")
    for number in range(2 * https.MAX_SEEN):
        box.tls.came(f"10.0.{number // 256}.{number % 256}")
    assert len(box.tls._seen) == https.MAX_SEEN


async def test_it_looks_again_and_again(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(https, "LOOK_S", 0.01)
    running = asyncio.create_task(box.tls.run())
    box.at_ms = 60_000
    while box.tls.context() is None:
        await asyncio.sleep(0.01)
        box.at_ms = NOW_MS
    running.cancel()
    await asyncio.wait({running})


@pytest.mark.parametrize(
    ("http", "name"),
    [
        ({"host": "0.0.0.0", "shop_url": "http://gw.shop:8080"}, "gw.shop"),
        ({"host": "0.0.0.0", "public_url": "http://shop.example:8080"}, "shop.example"),
        ({"host": "0.0.0.0"}, "10.1.2.3"),
        ({"host": "10.1.2.3"}, "10.1.2.3"),
        ({}, "localhost"),
    ],
)
async def test_the_best_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, http: dict[str, object], name: str
) -> None:
    box = Box(tmp_path, monkeypatch, **http)
    await box.tls.look()
    assert box.tls.best_name == name
    assert box.tls.stands_for(name)


async def test_old_tls_is_refused(box: Box) -> None:
    await box.tls.look()
    context = box.tls.context()
    assert context is not None and context.minimum_version == ssl.TLSVersion.TLSv1_2


async def test_a_port_that_cannot_be_had_is_told_until_it_can(box: Box) -> None:
    box.tls.barred("port 8443 is in use")
    await box.tls.look()
    assert box.part.state == "degraded" and box.part.detail == "port 8443 is in use" and not box.tls.is_served
    box.tls.barred("")
    assert box.part.state == "ok" and box.tls.is_served
