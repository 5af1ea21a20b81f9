"""The log: our own words on standard error, for journald. Never what came over the air, from a card or from a page."""

import logging
import sys
import time
import traceback
from collections import deque
from types import TracebackType
from typing import Any, Literal

from gateway.health import Part
from gateway.journald import Journal, is_stderr

_log = logging.getLogger("gateway")

# Our own loggers; whatever a library says is not kept, at whatever level.
OURS = ("gateway", "sync", "drivers", "display")
Level = Literal["debug", "info", "warning"]
USUAL: Level = "info"
# What a diagnostic bundle has room for; 2,000 lines of 300 characters are 0.6 MB.
MAX_LINES = 2_000
MAX_LINE = 300


class Discreet(logging.Formatter):
    """Writes of an exception its type and place only: its message may quote a member's data or a stranger's bytes."""

    def formatException(self, ei: Any) -> str:  # noqa: N802 - the name is logging's
        """One line for an exception triple as `sys.exc_info()` gives it."""
        return place(ei[1], ei[2])


def place(error: BaseException | None, trace: TracebackType | None) -> str:
    """Type and innermost place of an exception, such as "ValueError at flow.py:12"."""
    frames = traceback.extract_tb(trace)
    where = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}"


class Recent(logging.Handler):
    """Keeps the newest lines of our own loggers in memory, with their time in UTC."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: deque[str] = deque(maxlen=MAX_LINES)
        form = Discreet("%(asctime)s %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%SZ")
        form.converter = time.gmtime
        self.setFormatter(form)

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.partition(".")[0] in OURS:
            self._lines.append(self.format(record)[:MAX_LINE].replace("\n", " "))

    @property
    def lines(self) -> tuple[str, ...]:
        """The oldest first."""
        return tuple(self._lines)


recent = Recent()


def set_level(level: Level) -> None:
    """Write from this level on; libraries stay as they are."""
    for name in OURS:
        logging.getLogger(name).setLevel(level.upper())


def set_up() -> None:
    """Log to standard error, or where that is systemd's journal with fields, and remember the newest lines. Call it
    once, before anything else logs."""
    handler: logging.Handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Discreet("%(levelname)s %(name)s: %(message)s"))
    if is_stderr():
        handler = Journal(handler)
        handler.setFormatter(Discreet("%(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler, recent], force=True)
    set_level(USUAL)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)  # it tells its own start and stop otherwise


def journal(part: Part, changed: bool = True) -> None:
    """A line in the log for a part that changed, or has something else to say; its words are the code's own and name no
    person."""
    level = {"ok": logging.INFO, "degraded": logging.INFO, "down": logging.WARNING}[part.state]
    level = level if changed else logging.DEBUG
    found = f"{part.name} is {part.state}" + (part.detail and f": {part.detail}")
    if part.action:
        found += f" {part.action}" if found.endswith((".", "?", "!")) else f". {part.action}"
    fields = {"STORE_GATEWAY_PART": part.name, "STORE_GATEWAY_STATE": part.state, "STORE_GATEWAY_CAUSE": part.cause}
    _log.log(level, "%s", found, extra={"fields": fields})
