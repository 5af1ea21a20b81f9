"""The real pcscd with vsmartcard's virtual reader, and a card in it. Needs root, pcscd, vsmartcard-vpcd and pyscard.

A virtual reader has no radio: anticollision, UIDs of Type A and tags without APDUs are not there.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Self

PORT = 35963  # fixed in the Debian package's reader.conf.d/vpcd
SOCKET = Path("/run/pcscd/pcscd.comm")
DRIVER = Path("/usr/lib/pcsc/drivers/serial/libifdvpcd.so")
ISO_DEP_ATR = bytes.fromhex("3b80800101")
LIMIT_S = 20

Answer = Callable[[bytes], bytes]


def missing() -> str:
    """Why the rig can't run here, "" if it can."""
    if find_spec("smartcard") is None:
        return "pyscard is not installed (the extra pcsc)"
    if shutil.which("pcscd") is None or not DRIVER.exists():
        return "the Debian packages pcscd and vsmartcard-vpcd are not installed"
    if os.geteuid() != 0:
        return "pcscd needs root to make its socket"
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", PORT), 1):
        return "another pcscd with a virtual reader runs on this machine"
    return ""


class Pcscd:
    """pcscd as a context; `stop` and `start` restart it."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Returns once the virtual reader's port is open."""
        SOCKET.parent.mkdir(exist_ok=True)
        self._process = subprocess.Popen(
            ["pcscd", "--foreground"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until_s = time.monotonic() + LIMIT_S
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", PORT), 1).close()
                return
            if time.monotonic() > until_s or self._process.poll() is not None:
                raise RuntimeError("pcscd does not start")
            time.sleep(0.05)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()
        with contextlib.suppress(FileNotFoundError):
            SOCKET.unlink()


class Card:
    """A card in the virtual reader for as long as the context lasts."""

    def __init__(self, answer: Answer, atr: bytes = ISO_DEP_ATR) -> None:
        self._answer = answer
        self._atr = atr

    def __enter__(self) -> Self:
        self._line = socket.create_connection(("127.0.0.1", PORT), LIMIT_S)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._line.close()
        self._thread.join(LIMIT_S)

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            self._line.settimeout(None)
            while (head := self._take(2)) and (data := self._take(int.from_bytes(head, "big"))):
                reply = self._control(data) if len(data) == 1 else self._answer(data)
                if reply:
                    self._line.sendall(len(reply).to_bytes(2, "big") + reply)
        self._line.close()

    def _control(self, data: bytes) -> bytes:
        """00 off, 01 on, 02 reset, 04 "what is your ATR?"."""
        return self._atr if data == b"\x04" else b""

    def _take(self, n: int) -> bytes:
        data = b""
        while len(data) < n:
            more = self._line.recv(n - len(data))
            if not more:
                return b""
            data += more
        return data
