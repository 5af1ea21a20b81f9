"""nfcpy's own loop (`connect`) on the emulated chip: the peer that the bench of a tap runs beside ours.

As it comes: it raises the line to the highest rate and looks every so often with its own defaults.
"""

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import nfc
import nfc.clf.pn532
import nfc.clf.transport

from gateway.emulator.cards import Spec
from gateway.emulator.chip import Pn532Rig

LIMIT_S = 30.0
TRIES = 8  # of 25 openings 3 failed


def message_ms(shown: Callable[[int], Spec], taps: int, rest_s: float) -> list[float]:
    """Milliseconds from the card in the field until nfcpy has read its NDEF message, for each tap."""
    logging.getLogger("nfc").setLevel(logging.CRITICAL)  # else it prints what cards show
    with Pn532Rig() as rig, contextlib.closing(_opened(rig)) as loop:
        values = []
        for number in range(taps):
            time.sleep(rest_s)
            loop.read.clear()
            at_ms = rig.present(shown(number)) / 1e6
            if loop.read.wait(LIMIT_S):
                values.append(loop.read_ms - at_ms)
            rig.remove()
        return values


def _opened(rig: Pn532Rig) -> "_Loop":
    """Raising the rate fails now and then, because nfcpy drops its own acknowledgement: a fresh chip each time."""
    for _ in range(TRIES - 1):
        try:
            return _Loop(rig.path)
        except OSError:
            rig.unplug()
            rig.replug()
    return _Loop(rig.path)


class _Loop:
    """nfcpy in a thread, as its documentation shows."""

    def __init__(self, port: str) -> None:
        self.read = threading.Event()
        self.read_ms = 0.0
        self._ended = False
        self._clf = nfc.ContactlessFrontend()
        line = nfc.clf.transport.TTY(port)
        try:
            self._clf.device = nfc.clf.pn532.init(line)
        except OSError:
            line.tty.close()
            raise
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._ended = True
        self._thread.join(LIMIT_S)
        with contextlib.suppress(OSError):
            self._clf.close()

    def _run(self) -> None:
        while not self._ended:
            self._clf.connect(rdwr={"targets": ["106A"], "on-connect": self._take}, terminate=lambda: self._ended)

    def _take(self, tag: Any) -> bool:
        if tag.ndef is not None and len(tag.ndef.octets):
            self.read_ms = time.monotonic_ns() / 1e6
            self.read.set()
        return True  # until the card has left
