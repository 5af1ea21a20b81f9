"""What the running service says of provisioning: a file that was refused since, and one that was taken by a clock that
nobody vouched for and had ended."""

import asyncio
from pathlib import Path

from gateway import provisionfiles
from gateway.clock import InstantClock, ShopClock
from gateway.core.provision import WHY
from gateway.core.spans import DAY_MS
from gateway.finding import moment
from gateway.health import Health
from gateway.provisionfiles import FOLDER

PART = "provisioning"
LOOK_S = 10.0
# A file that was refused is of interest to whoever still stands there; the doctor tells it for ever.
SHOWN_MS = DAY_MS
_LATE_STEP = (
    "Ask headquarters whether it is the file that it meant. If so, let root give the box a new one of the same name "
    "(store-gateway provision FILE); if not: store-gateway provision --reset (docs/provisioning.md)."
)


async def run(clock: ShopClock | InstantClock, health: Health) -> None:
    """Look now and then, until cancelled."""
    while True:
        look(clock, health)
        await asyncio.sleep(LOOK_S)


def look(clock: ShopClock | InstantClock, health: Health, folder: Path = FOLDER) -> None:
    """Say it in health; nothing of a box that was set up by hand and was given no file."""
    last, taken, now_ms = provisionfiles.result(folder), provisionfiles.taken(folder), clock.now_ms()
    if taken is not None and not taken.known and clock.trusted and now_ms >= taken.until_ms:
        said = f"this box was provisioned while its time was not known, by a file that ended {moment(taken.until_ms)}"
        health.set(PART, "degraded", now_ms, said, _LATE_STEP, "provisioning_late")
    elif last is not None and last.result == "refused" and now_ms - last.at_ms < SHOWN_MS:
        what, step = WHY[last.reason]
        health.set(PART, "ok", now_ms, f"a provisioning file was refused: {what}", step, "provisioning_refused")
    elif taken is not None:
        health.set(PART, "ok", now_ms, f"by a file for {taken.gateway}")
