"""Which root key of headquarters this box trusts, the keys that it certified, and how far headquarters' heads had come,
as they stand in its file.

What they mean is settled in sync.verifying.
"""

import re
from pathlib import Path

from gateway.core import ed25519
from gateway.dbfile import kept_meta
from gateway.errors import ConfigError
from gateway.records import Tx
from gateway.store import Store

EXPECTED = "a root key of headquarters: 64 hex digits, or the absolute path of a file with them alone"
_META, _MARK = "hq_keys", "hq_head"
_HEX = re.compile(r"[0-9a-f]{64}")
_MOST_BYTES = 256  # of such a file: the digits, and somebody's line ends


def root_of(said: str | None) -> bytes | None:
    """The root key that a configuration names, 32 bytes; None where it names none. Raises ConfigError."""
    if said is None:
        return None
    text = said
    if not _HEX.fullmatch(said):
        path = Path(said)
        try:
            if not path.is_absolute():
                raise ValueError
            with path.open("rb") as file:
                text = file.read(_MOST_BYTES).decode("ascii").strip()
        except (OSError, ValueError) as error:
            why = f" ({error.strerror})" if isinstance(error, OSError) else ""
            raise ConfigError(f"expected {EXPECTED}; found {said!r}{why}") from None
    if not _HEX.fullmatch(text) or ed25519.is_anybodys(bytes.fromhex(text)):
        raise ConfigError(f"expected {EXPECTED}; {said!r} is none")
    return bytes.fromhex(text)


def kept(path: Path) -> bytes | None:
    """The certificates in the file at `path`, for whoever only looks; None where there are none. Raises ConfigError."""
    found = kept_meta(path, _META)
    return None if found is None else found.encode()


class KeptKeys:
    """What is believed of headquarters, in the gateway's file: certificates as one message as it travels; the newest
    head."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def read(self) -> bytes | None:
        """What was kept last, None = nothing yet. Raises StoreError."""
        kept = await self._store.run(lambda tx: tx.meta(_META), vital=True)
        return None if kept is None else kept.encode()

    async def keep(self, certificates: bytes) -> None:
        """Keep these instead; committed on return. Raises StoreError."""

        def write(tx: Tx) -> None:
            tx.put_meta(_META, certificates.decode())

        await self._store.run(write, vital=True)

    async def mark(self) -> str | None:
        """How far headquarters' heads had come, None = none was believed yet. Raises StoreError."""
        return await self._store.run(lambda tx: tx.meta(_MARK), vital=True)

    async def put_mark(self, mark: str) -> None:
        """Keep this one; committed on return. Raises StoreError."""
        await self._store.run(lambda tx: tx.put_meta(_MARK, mark), vital=True)
