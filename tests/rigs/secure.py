"""TLS for tests: a real authority in a folder of the test's own, and a Chromium that trusts it."""

import base64
import hashlib
import os
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from playwright.async_api import BrowserContext, async_playwright

from gateway import localca
from gateway.config import Config, GatewayTable
from gateway.core import certs
from gateway.health import Health
from gateway.https import Https
from gateway.httptable import HttpTable
from tests.rigs.broker import free_port
from tests.rigs.browser import chromium_path
from tests.rigs.shopfront import HandClock

ROOT = b"r" * 32


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def config(folder: Path, **http: object) -> Config:
    """A gateway's configuration with TLS at a free port."""
    table = HttpTable.model_validate({"port": 0, "https_port": free_port(), **http})
    who = GatewayTable(tenant="acme", store="munich-1", id="gw-1", data_dir=folder)
    return Config(gateway=who, http=table)


async def secured(folder: Path, now: Callable[[], int] = now_ms, **http: object) -> Https:
    """TLS after its first look at what it has."""
    tls = Https(config(folder, **http), lambda: (ROOT,), now, HandClock(), Health())
    await tls.look()
    return tls


def bring(folder: Path, at_ms: int | None = None, name: str = "gw.retailer.example") -> dict[str, Path]:
    """Files as a retailer's own authority makes them, under the keys of the configuration."""
    at_ms = now_ms() if at_ms is None else at_ms
    hosts = certs.hosts(name)
    leaf = certs.new_leaf(certs.new_authority("Retailer", hosts, at_ms), hosts, at_ms)
    cert, key = folder / "cert.pem", folder / "key.pem"
    cert.write_bytes(leaf.certificate.public_bytes(Encoding.PEM))
    key.write_bytes(leaf.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    for path in (cert, key):
        os.utime(path, ns=(at_ms * 1_000_000,) * 2)
    return {"https_cert": cert, "https_key": key}


def trusting(tls: Https) -> ssl.SSLContext:
    """What a device has that trusts this shop's authority and nobody else."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    assert tls.authority is not None
    context.load_verify_locations(cadata=tls.authority)
    return context


def pin_of(folder: Path) -> str:
    """The served key, as Chromium is told to trust it where there is no store of certificates to put it in."""
    served = certs.unpacked(localca.server_path(folder).read_bytes(), localca.password(ROOT)).certificate
    key = served.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(key).digest()).decode()


@asynccontextmanager
async def tablet(folder: Path, profile: Path, *, trusts: bool = True, at: str = "") -> AsyncIterator[BrowserContext]:
    """A browser with a profile of its own that trusts the shop of `folder`, or does not; `at` leads to it, too."""
    trust = [f"--ignore-certificate-errors-spki-list={pin_of(folder)}"] if trusts else []
    if at:
        trust.append(f"--host-resolver-rules=MAP {at} 127.0.0.1")
    async with async_playwright() as play:
        context = await play.chromium.launch_persistent_context(
            str(profile), executable_path=chromium_path(), args=["--no-sandbox", *trust], locale="de-DE"
        )
        try:
            yield context
        finally:
            await context.close()
