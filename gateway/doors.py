"""Where the pages are: their addresses for people, and whether somebody answers there."""

import asyncio
from dataclasses import dataclass

from gateway.config import Config

LOOPBACK = ("127.0.0.1", "::1")
OPEN_TO_ALL = (
    "pages: whoever reaches this port, also through a proxy, finds the pages of screens, tablets and tills and can ask "
    "to be paired. Where phones reach it, set http.phones_port or http.shop_url (docs/configuration.md)."
)
_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}
_ASKED = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Opened:
    """Where the pages are, once they are."""

    base_url: str
    tablet_url: str


def opened(config: Config, port: int, tablet_key: str) -> Opened:
    """The addresses of the pages, for people."""
    host = "localhost" if config.http.host in (*LOOPBACK, "0.0.0.0", "::") else config.http.host
    base_url = (config.http.shop_url or config.http.public_url or f"http://{host}:{port}").rstrip("/")
    return Opened(base_url, f"{base_url}/tablet?key={tablet_key}")


async def answered(host: str, port: int) -> None:
    """Returns once the pages on this machine have answered, whatever they say. Raises OSError if nobody does."""
    reader, writer = await asyncio.open_connection(_ANY.get(host, host), port)
    try:
        writer.write(_ASKED)
        if not await reader.readline():
            raise ConnectionResetError
    finally:
        writer.close()
