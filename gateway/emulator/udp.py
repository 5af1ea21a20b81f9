"""A card behind nfcpy's `udp:` path, in a process of its own: no chip, no field, no times, the tag layer only.

One datagram is "106A" and a frame in hexadecimal without CRC; "RFOFF" is the field going off. An absent card is
silent, which costs nfcpy a second.
"""

import contextlib
import functools
import json
import operator
import select
import socket
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from gateway.emulator import cards
from gateway.emulator.field import cascaded

ROOT = Path(__file__).parents[2]
REPLY_LIMIT_S = 30  # a loaded CI machine may take seconds to start a process
TYPE_A, FIELD_OFF = b"106A", b"RFOFF"
SENS_REQ = b"\x26"
SEL_REQ = b"\x93\x95\x97"
SDD, SEL = 0x20, 0x70
CASCADE_BIT = 0x04


class UdpCard:
    """The test's side. `path` is what follows "nfc:"."""

    path: str

    def __init__(self, card: cards.Spec | None) -> None:
        """`card` None: nothing there yet."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "gateway.emulator.udp"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.path = f"udp:localhost:{self._read()}"
        self.present(card)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def present(self, card: cards.Spec | None) -> None:
        """Hold another card there, or with None take it away."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(card) + "\n")
        self._process.stdin.flush()
        self._read()

    def close(self) -> None:
        """End the process; harmless when it has ended."""
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        self._process.wait()

    def _read(self) -> int:
        pipe = self._process.stdout
        assert pipe is not None
        ready, _, _ = select.select([pipe], [], [], REPLY_LIMIT_S)
        line = pipe.readline() if ready else ""
        if not line:
            self.close()
            raise RuntimeError("the card's process does not answer")
        return int(line)


def reply(card: cards.Card, frame: bytes) -> bytes | None:
    """What a card answers on this path, anticollision included (ISO 14443-3, section 6.5)."""
    if frame == SENS_REQ:
        # Phones that wait for a polling frame never hear one here, so there is no time to tell.
        return card.sens_res[::-1] if card.polled(0) else None
    if len(frame) >= 2 and frame[0] in SEL_REQ and frame[1] in (SDD, SEL):
        uid, level = cascaded(card.uid), SEL_REQ.index(frame[0]) * 4
        part = uid[level : level + 4]
        part += bytes([functools.reduce(operator.xor, part, 0)])
        if frame[1] == SDD:
            return part if len(part) == 5 else None
        if frame[2:] != part:
            return None
        last = len(uid) == level + 4
        if last:
            card.select()
        return bytes([card.sel_res if last else CASCADE_BIT])
    return card.answer(frame) if frame else None


def main() -> None:
    """Serve one card until standard input ends; a spec or null a line in, a number a line out."""
    card: cards.Card | None = None
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.bind(("127.0.0.1", 0))
        _say(line.getsockname()[1])
        while True:
            ready, _, _ = select.select([line, sys.stdin], [], [])
            if sys.stdin in ready:
                text = sys.stdin.readline()
                if not text:
                    return
                spec = json.loads(text)
                card = None if spec is None else cards.make(spec)
                _say(0)
                continue
            datagram, sender = line.recvfrom(1024)
            if card is None:
                continue
            kind, _, frame = datagram.partition(b" ")
            if kind == FIELD_OFF:
                card.power_off()
            elif kind == TYPE_A and (answer := reply(card, bytes.fromhex(frame.decode("ascii")))) is not None:
                line.sendto(TYPE_A + b" " + answer.hex().encode(), sender)


def _say(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
