"""A card behind nfcpy's simulated reader: text frames over UDP, such as `106A 3000`, without CRC."""

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

from gateway.emulator import cards

QUIET_S = 0.05  # how often it looks whether it should end


class UdpCard:
    """Answers on a free loopback port, `port`, as the card that is presented, or not at all."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(QUIET_S)
        self.port: int = self._socket.getsockname()[1]
        self._lock = threading.Lock()
        self._card: cards.Card | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._socket.close()

    def present(self, card: cards.Spec | None) -> None:
        """Hold a card in front of it; None = take it away."""
        with self._lock:
            self._card = None if card is None else cards.make(card)

    def _serve(self) -> None:
        while not self._ended.is_set():
            with suppress(TimeoutError):
                data, sender = self._socket.recvfrom(1024)
                words = data.decode().split()
                with self._lock:
                    reply = self._answer(bytes.fromhex(words[1])) if len(words) == 2 else self._off()
                if reply is not None:
                    self._socket.sendto(f"106A {reply.hex()}".encode(), sender)

    def _off(self) -> None:
        if self._card is not None:
            self._card.power_off()

    def _answer(self, frame: bytes) -> bytes | None:
        """Anticollision as ISO 14443-3 has it, with cascade tags, then the card's own frames."""
        card = self._card
        if card is None:
            return None
        parts = [card.uid] if len(card.uid) == 4 else [b"\x88" + card.uid[:3], card.uid[3:]]
        level = {0x93: 0, 0x95: 1}.get(frame[0])
        if frame == b"\x26":
            return card.sens_res[::-1]  # in the order of transmission
        if level is None or frame[1:2] not in (b"\x20", b"\x70"):
            return card.answer(frame)
        if frame[1] == 0x20:
            check = parts[level][0] ^ parts[level][1] ^ parts[level][2] ^ parts[level][3]
            return parts[level] + bytes([check])
        if level + 1 < len(parts):
            return b"\x04"
        card.select()
        return bytes([card.sel_res])
