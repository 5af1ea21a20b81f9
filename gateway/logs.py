"""The log: our own words on standard error, for journald. Never what came over the air, from a card or from a page."""

import logging
import sys
import traceback
from types import TracebackType
from typing import Any


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


def set_up() -> None:
    """Log to standard error. Call it once, before anything else logs."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Discreet("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)  # it tells its own start and stop otherwise
