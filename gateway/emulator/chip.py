"""A PN532 in HSU mode on a pseudo-terminal, in a process of its own, with cards and phones to hold in front of it.

Use `with Pn532Rig() as rig:` and open `nfc:{rig.path}`. Times on the wire (UART and 106 kbit/s), of the firmware and
of phones that think are slept, so latencies are lower bounds of the real thing. What is not simulated stands in the
modules that would: `line` (UART), `pn532` (firmware), `field` (air), `iso_dep`, `type2` (cards).
"""

import contextlib
import json
import os
import select
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from gateway.emulator import cards
from gateway.emulator.field import Field
from gateway.emulator.line import Line
from gateway.emulator.pn532 import COMMAND_MS, Chip

POWER_ON_BAUD = 115_200
REPLY_LIMIT_S = 30  # the child answers in microseconds; a loaded CI machine may take seconds to start it
ROOT = Path(__file__).parents[2]
DEVICES = Path("/dev/shm")  # a folder below /dev that needs no rights: configured paths begin with /dev/


class Pn532Rig:
    """The test's side: starts the chip's process and tells it what happens in front of the antenna.

    `path`: a link in a temporary folder to the pseudo-terminal; the same for all the rig's life.
    """

    path: str

    def __init__(self, baud: int = POWER_ON_BAUD) -> None:
        """`baud` is the rate that the chip was left at; at 115,200 it was just powered on, and sleeps until woken."""
        self._folder = tempfile.TemporaryDirectory(
            prefix="pn532-", dir=DEVICES if DEVICES.is_dir() else None, ignore_cleanup_errors=True
        )
        self.path = str(Path(self._folder.name) / "reader")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "gateway.emulator.chip", str(baud), self.path],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._read()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- in front of the antenna -----------------------------------------------------------------------------

    def present(self, card: cards.Spec, drop_after: int | None = None) -> int:
        """Hold a card in front of the antenna; returns time.monotonic_ns() of the moment it is there.

        `drop_after` pulls it away again after so many frames have been exchanged with it.
        """
        return int(self._do("present", cards=[card], drop_after=drop_after))

    def present_both(self, one: cards.Spec, other: cards.Spec, garble: float = 0.0, seed: int = 0) -> int:
        """Two cards at once, of which each look finds one, drawn with `seed`; as `present`.

        `garble`: the share of looks in which they spoil each other's answers, so that none is found.
        """
        return int(self._do("present", cards=[one, other], garble=garble, seed=seed))

    def remove(self) -> int:
        """Take all cards away; returns time.monotonic_ns() of that moment."""
        return int(self._do("remove"))

    def drop_after(self, exchanges: int, torn: bool = False) -> None:
        """The card that is there now is pulled away after so many more frames have been exchanged with it.

        `torn`: it still hears the frame after those, but its answer is lost.
        """
        self._do("drop_after", n=exchanges, torn=torn)

    def noise(self, exchanges: int) -> None:
        """The next so many answers of a card arrive with a CRC error."""
        self._do("noise", n=exchanges)

    def trap(self, exchanges: int, what: str, **more: object) -> None:
        """Once so many more frames were exchanged with a card, "drop_after", "noise", "slow", "wedge" or "unplug"
        happens by itself, with its arguments, before the next one is heard; not after `remove`."""
        self._do("trap", n=exchanges, order={"do": what, **more})

    @property
    def sprung_ns(self) -> int | None:
        """time.monotonic_ns() at which the last trap sprang, None = not yet."""
        at_ns = self._do("sprung_ns")
        return None if at_ns is None else int(at_ns)

    # --- the reader itself -----------------------------------------------------------------------------------

    def unplug(self) -> None:
        """The serial device vanishes: its name is gone, and whoever has it open is hung up on."""
        self._do("unplug")

    def replug(self) -> None:
        """A freshly powered chip on a new pseudo-terminal, under the same name. The card stays where it is."""
        self._do("replug")

    def wedge(self, how: str) -> None:
        """A fault of the chip that lasts until the host does the right thing.

        "stuck": it acknowledges the command at hand or the next one, and answers nothing more until the host's ACK.
        "asleep": deaf until ten zero bytes come before a frame.
        "deaf": silent until the host has closed the port and opened it again. Real boards reset the chip by DTR,
        which a pseudo-terminal does not have.
        """
        self._do("wedge", how=how)

    def slow(self, ms: float) -> None:
        """The firmware's time for each command, also of the chip after `replug`."""
        self._do("slow", ms=ms)

    @property
    def baud(self) -> int:
        """The rate that the chip listens at now."""
        return int(self._do("baud"))

    # --- what was said ---------------------------------------------------------------------------------------

    def transcript(self) -> list[tuple[str, bytes]]:
        """Frames exchanged since the last card was presented: ("->" to it or "<-" from it, bytes without CRC)."""
        return [(way, bytes.fromhex(data)) for way, data in self._do("transcript")]

    def apdus(self) -> list[tuple[bytes, bytes]]:
        """The APDUs in them, each with its response."""
        return [(bytes.fromhex(command), bytes.fromhex(reply)) for command, reply in self._do("apdus")]

    def host_commands(self) -> dict[int, int]:
        """How often each host command came since the rig was started, by its code."""
        return {int(code): int(count) for code, count in self._do("host_commands").items()}

    @property
    def ecp(self) -> list[tuple[int, bytes]]:
        """Apple's polling frames since the rig was started: (time.monotonic_ns(), bytes with their CRC)."""
        return [(int(at_ns), bytes.fromhex(data)) for at_ns, data in self._do("ecp")]

    def close(self) -> None:
        """End the process; harmless when it has ended."""
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        self._process.wait()
        self._folder.cleanup()

    def _do(self, what: str, **more: object) -> Any:
        pipe = self._process.stdin
        assert pipe is not None
        pipe.write(json.dumps({"do": what, **more}) + "\n")
        pipe.flush()
        return self._read()

    def _read(self) -> Any:
        pipe = self._process.stdout
        assert pipe is not None
        ready, _, _ = select.select([pipe], [], [], REPLY_LIMIT_S)
        line = pipe.readline() if ready else ""
        if not line:
            self.close()
            raise RuntimeError("the PN532 rig's process does not answer")
        reply = json.loads(line)
        if "wrong" in reply:
            raise ValueError(reply["wrong"])
        return reply["value"]


class Bench:
    """The process's side: one reader and its field, and what the rig may order."""

    def __init__(self, baud: int, link: Path) -> None:
        self._field = Field()
        self._counts: Counter[int] = Counter()
        self._link = link
        self._slow_ms = COMMAND_MS
        self._line: Line | None = None
        self._chip = Chip(self._field, baud, asleep=baud == POWER_ON_BAUD)
        self._plug()

    def obey(self, order: dict[str, Any]) -> object:
        """The order's answer. Raises ValueError, KeyError, ModuleNotFoundError for a wrong one."""
        field = self._field
        match order.pop("do"):
            case "present":
                return field.put([cards.make(card) for card in order.pop("cards")], **order)
            case "remove":
                return field.put([])
            case "drop_after":
                field.drop_after(order["n"], order["torn"])
            case "noise":
                field.make_noise(order["n"])
            case "trap":
                field.set_trap(order["n"], lambda: self._spring(order["order"]))
            case "sprung_ns":
                return field.sprung_ns
            case "transcript":
                return [(way, data.hex()) for way, data in field.transcript()]
            case "apdus":
                return [(command.hex(), reply.hex()) for command, reply in field.apdus()]
            case "ecp":
                return [(at_ns, data.hex()) for at_ns, data in field.ecp()]
            case "host_commands":
                return dict(self._counts.copy())
            case "baud":
                return self._chip.baud
            case "slow":
                self._slow_ms = self._chip.slow_ms = order["ms"]
            case "wedge":
                if self._line is None:
                    raise ValueError("the reader is not plugged in")
                self._line.wedge(order["how"])
            case "unplug":
                self._unplug()
            case "replug":
                self._unplug()
                self._chip = Chip(self._field, POWER_ON_BAUD, asleep=True)
                self._plug()
            case other:
                raise ValueError(f"no such order: {other}")
        return None

    def _spring(self, order: dict[str, Any]) -> None:
        """In the line's own thread, which cannot wait for its own end."""
        if order["do"] == "unplug":
            threading.Thread(target=self.obey, args=(order,), daemon=True).start()
        else:
            self.obey(order)

    def _plug(self) -> None:
        self._chip.slow_ms = self._slow_ms
        self._line = Line(self._chip, self._link, self._counts)

    def _unplug(self) -> None:
        if self._line is not None:
            self._line.unplug()
        self._line = None
        self._field.power_off()


def _end(failure: threading.ExceptHookArgs) -> None:
    """A line that fails must not look like a chip that is silent."""
    sys.__excepthook__(failure.exc_type, failure.exc_value or failure.exc_type(), failure.exc_traceback)
    os._exit(1)


def main(baud: int, link: Path) -> None:
    """Serve one reader until standard input ends; one JSON object a line in and out."""
    threading.excepthook = _end
    bench = Bench(baud, link)
    _say({"value": None})
    for text in sys.stdin:
        try:
            _say({"value": bench.obey(json.loads(text))})
        except (ValueError, KeyError, ModuleNotFoundError) as error:
            _say({"wrong": repr(error)})
    bench.obey({"do": "unplug"})


def _say(value: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
