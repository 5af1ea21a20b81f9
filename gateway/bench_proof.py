"""Measures the cryptography of a tap and of the keys behind it: `store-gateway bench proof`.

The phone speaks once and is played back, so that its own work is in no figure.
"""

import secrets
import time
from collections.abc import Callable

from drivers import hce
from drivers.talk import Found, Talk
from gateway.core import sealing
from gateway.core.keyring import HceKey, Held, Keyring, KeyUse, reader_id
from gateway.emulator import hce as phone
from gateway.results import Result, percentile

ROUNDS = 1_000
NOW_MS = 1_800_000_000_000
TENANT, PLACE, GATEWAY = "bench", "bench/shop", "bench/shop/gw"


def proof() -> list[Result]:
    """The median of opening a sealed key, and of checking a phone's answer by each of its algorithms, CPU time."""
    return [
        Result("unseal_key_us", _median_us(_sealed_key()), "us", "once a key"),
        Result("check_p256_us", _median_us(_answer(phone.P256)), "us", "once a tap"),
        Result("check_ed25519_us", _median_us(_answer(phone.ED25519)), "us", "once a tap"),
    ]


def _sealed_key() -> Callable[[], None]:
    """A reader's key as headquarters seals it for this gateway; opening it."""
    private, material = secrets.token_bytes(sealing.KEY_BYTES), secrets.token_bytes(64)
    bound = sealing.info(GATEWAY, "reader-1", KeyUse.HCE, 0, None)
    sealed = sealing.seal(sealing.public_key(private), material, bound)

    def opened() -> None:
        assert sealing.unseal(private, sealed, bound) == material

    return opened


def _answer(algorithm: str) -> Callable[[], None]:
    """A whole conversation with a phone that answers at once: what it takes is the reader's own work."""
    key = phone.p256_key("bench reader")
    held = Held("reader-1", 0, None, HceKey(reader_id(key.public_key()), key))
    talk = Talk(Keyring([held]), PLACE, NOW_MS, bytes)  # the same challenge each time, so that its answer stays true
    app = phone.make(phone.spec("bench phone", [phone.compressed(key)], algorithm, TENANT))
    said: dict[bytes, bytes] = {}

    def heard(apdu: bytes) -> bytes:
        if apdu not in said:
            said[apdu] = app.answer(apdu)
        return said[apdu]

    def checked() -> None:
        assert isinstance(hce.converse(heard, talk), Found)

    checked()
    return checked


def _median_us(work: Callable[[], None]) -> float:
    """The middle of ROUNDS runs."""
    taken_us = []
    for _ in range(ROUNDS):
        began_ns = time.thread_time_ns()
        work()
        taken_us.append((time.thread_time_ns() - began_ns) / 1e3)
    return percentile(taken_us, 0.5)
