"""Where the pages are: their addresses for people, and whether somebody answers there."""

import asyncio
from dataclasses import dataclass

from pydantic import BaseModel, ValidationError

from gateway.config import Config

LOOPBACK = ("127.0.0.1", "::1")
OPEN_TO_ALL = (
    "pages: whoever reaches this port, also through a proxy, finds the pages of screens, tablets and tills and can ask "
    "to be paired. Where phones reach it, set http.phones_port or http.shop_url (docs/configuration.md)."
)
HERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # where this machine itself finds them
_ASKED = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


ANSWER_S = 5.0
MAX_SAID = 64 * 1024  # an honest answer has 2 KB


class Trouble(BaseModel):
    """What /healthz tells this box of a part that is not ok (gateway.health.Part)."""

    part: str
    since_ms: int
    detail: str
    action: str


class _Said(BaseModel):
    troubles: list[Trouble]


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
    reader, writer = await asyncio.open_connection(HERE.get(host, host), port)
    try:
        writer.write(_ASKED)
        if not await reader.readline():
            raise ConnectionResetError
    finally:
        writer.close()


async def troubles(host: str, port: int) -> list[Trouble]:
    """What the service of this machine says that is wrong with it; none where nobody or somebody else answers."""
    try:
        reader, writer = await asyncio.open_connection(HERE.get(host, host), port)
    except OSError:
        return []
    try:
        writer.write(_ASKED)
        async with asyncio.timeout(ANSWER_S):
            said = await reader.readexactly(MAX_SAID)
    except asyncio.IncompleteReadError as whole:
        said = whole.partial
    except (OSError, TimeoutError):
        return []
    finally:
        writer.close()
    try:
        return _Said.model_validate_json(said.partition(b"\r\n\r\n")[2]).troubles
    except ValidationError:
        return []
