"""A shop with one remote scanner over a real broker: the gateway's end on a real resolver, the scanner as shipped."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from drivers import frames
from gateway.clock import ShopClock
from gateway.config import ScannerConfig
from gateway.core import eid
from gateway.core.identity import Resolver, static_digest
from gateway.core.model import Credential, CredentialKind, Sighting, Token
from gateway.health import Health, Part
from gateway.scanner import Scanner
from sync.link import Address, Transport
from sync.scanners import RemoteSource
from sync.topics import Topics

SITE_KEY = bytes(range(32))
PLACE = Topics("acme", "berlin", "gw1")
RECEIVER = "wine-ble"
ANCHOR = Token(CredentialKind.UID, bytes.fromhex("00112233445566778899aabbccddeeff"))
EXPONENT = 10

_ENCODERS: dict[CredentialKind, Callable[[bytes], bytes]] = {
    CredentialKind.EID: lambda value: frames.encode_eid(value, -18),
    CredentialKind.APP: frames.encode_app,
    CredentialKind.UID: lambda value: frames.encode_uid(value, -18),
    CredentialKind.IBEACON: lambda value: frames.encode_ibeacon(value, -59),
    CredentialKind.ALTBEACON: lambda value: frames.encode_altbeacon(value, -59),
}


def advert(token: Token) -> bytes:
    """The advertisement that shows `token`."""
    return _ENCODERS[token.kind](token.value)


class Shop:
    """The gateway's end. `tokens` and `sightings` are what its ears got; members are m0, m1, ..."""

    def __init__(self, port: int, members: int = 1) -> None:
        self.clock = ShopClock()
        self.health = Health()
        self.resolver = Resolver(SITE_KEY)
        self.tokens: list[Token] = []
        self.sightings: list[Sighting] = []
        self.arrived: Callable[[Token], None] = lambda token: None
        for number in range(members):
            self.join(number)
        transport = Transport(Address("127.0.0.1", port), "test-gateway-ears", random.Random(1))
        self.source = RemoteSource(
            RECEIVER, "wine", PLACE, transport, self, self.resolver, self.clock, self.health, random.Random(2)
        )

    def join(self, number: int) -> None:
        """Member `number` carries an EID beacon and an iBeacon."""
        beacon = static_digest(SITE_KEY, CredentialKind.IBEACON, self.ibeacon(number).value)
        credentials = (
            Credential(f"e{number}", f"m{number}", CredentialKind.EID, self._key(number), EXPONENT),
            Credential(f"b{number}", f"m{number}", CredentialKind.IBEACON, beacon),
        )
        now_ms = self.clock.now_ms()
        self.resolver.set_member(f"m{number}", [(credential, 0, None) for credential in credentials], now_ms)

    def withdraw(self, number: int) -> None:
        self.resolver.drop_member(f"m{number}")

    def eid(self, number: int) -> Token:
        """What the member's beacon shows now."""
        now_s = self.clock.now_ms() // 1000
        return Token(CredentialKind.EID, eid.eid(self._key(number), now_s, EXPONENT))

    @staticmethod
    def ibeacon(number: int) -> Token:
        return Token(CredentialKind.IBEACON, b"member-beacon" + number.to_bytes(7, "big"))

    @staticmethod
    def _key(number: int) -> bytes:
        return b"identity-key" + number.to_bytes(4, "big")

    def heard_token(self, receiver: str, rssi_dbm: int, token: Token, at_ms: int) -> None:
        """As the gateway's own ears: resolve, or forget."""
        self.tokens.append(token)
        self.arrived(token)
        member = self.resolver.resolve(token, self.clock.now_ms())
        if member is not None:
            self.sightings.append(Sighting(member, receiver, rssi_dbm, at_ms))

    @property
    def part(self) -> Part | None:
        return next((part for part in self.health.parts if part.name == f"receiver:{RECEIVER}"), None)

    def is_up(self) -> bool:
        return self.part is not None and self.part.state == "ok"


def scanner_config(port: int, site_key_file: Path | None, recording: Path) -> ScannerConfig:
    return ScannerConfig.model_validate(
        {
            "scanner": {
                "tenant": PLACE.tenant,
                "store": PLACE.store,
                "gateway": PLACE.gateway,
                "id": "wine",
                "site_key_file": site_key_file,
            },
            "mqtt": {"host": "127.0.0.1", "port": port},
            "source": [{"path": f"replay:{recording}"}],
            "anchor": [{"id": "door", "beacon": f"uid:{ANCHOR.value.hex()}"}],
        }
    )


def write_site_key(folder: Path) -> Path:
    path = folder / "site.key"
    path.write_text(SITE_KEY.hex() + "\n")
    path.chmod(0o600)
    return path


@asynccontextmanager
async def hearing(shop: Shop) -> AsyncIterator[Shop]:
    """The gateway's end runs, again after a loss as under its supervisor."""

    async def again() -> None:
        while True:
            with suppress(Exception):
                await shop.source.run()
            await asyncio.sleep(0.05)

    task = asyncio.create_task(again())
    try:
        yield shop
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def scanning(config: ScannerConfig) -> AsyncIterator[Scanner]:
    """The scanner runs until the block ends."""
    scanner, stop = Scanner(config), asyncio.Event()
    task = asyncio.create_task(scanner.run(stop))
    try:
        yield scanner
    finally:
        stop.set()
        await task


async def until(condition: Callable[[], object], meanwhile: Callable[[], None] = lambda: None) -> None:
    """Wait for `condition`, doing `meanwhile` fifty times a second."""
    for _ in range(3_000):
        if condition():
            return
        meanwhile()
        await asyncio.sleep(0.02)
    raise AssertionError("waited in vain")
