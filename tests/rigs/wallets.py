"""Keys, surroundings and a wire for conversations with emulated wallets."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric import ec

from drivers.talk import CardGoneError, Talk
from gateway.core.keyring import Held, Keyring, SmartTapKey, VasKey
from gateway.emulator.draw import draws

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "nfc.json").read_text())
NOW_MS = 1_700_000_000_000
EXCHANGES_MAX = 200  # no conversation comes near; a test that does would else never end

Tamper = Callable[[bytes, bytes], bytes]  # command, true reply -> reply


def key(text: str) -> ec.EllipticCurvePrivateKey:
    """The P-256 key that the vectors name by a text: SHA-256 as a number, modulo 2^255."""
    return ec.derive_private_key(int.from_bytes(hashlib.sha256(text.encode()).digest(), "big") % 2**255, ec.SECP256R1())


def talk(*keys: SmartTapKey | VasKey, apple_vas: bool = True, seed: str = "terminal", now_ms: int = NOW_MS) -> Talk:
    """A tap's surroundings; of `keys` the last is the newest."""
    held = [Held(str(at), at, None, one) for at, one in enumerate(keys)]
    return Talk(Keyring(held), "t/s", now_ms, draws(seed), apple_vas=apple_vas)


class Applet(Protocol):
    def answer(self, apdu: bytes) -> bytes: ...


class Wire:
    """An exchange with an applet that notes what passes; `tamper` may change a reply, `gone_after` ends it."""

    def __init__(self, applet: Applet, tamper: Tamper | None = None, gone_after: int | None = None) -> None:
        self.said: list[tuple[bytes, bytes]] = []
        self._applet = applet
        self._tamper = tamper
        self._gone_after = gone_after

    def __call__(self, apdu: bytes) -> bytes:
        assert len(self.said) < EXCHANGES_MAX
        if self._gone_after is not None and len(self.said) >= self._gone_after:
            raise CardGoneError
        reply = self._applet.answer(apdu)
        if self._tamper is not None:
            reply = self._tamper(apdu, reply)
        self.said.append((apdu, reply))
        return reply

    @property
    def commands(self) -> list[str]:
        """CLA INS P1 P2 of each command."""
        return [apdu[:4].hex() for apdu, _ in self.said]


def vector(kind: str, name: str) -> dict[str, Any]:
    """The published vector whose name begins so."""
    [found] = [one for one in VECTORS[kind] if one["name"].startswith(name)]
    return dict(found)
