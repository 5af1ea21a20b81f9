"""What the service does on a box that belongs to nobody: it shows the code and how the box becomes a shop's, takes the
file that is brought to its page, and ends once the box belongs to somebody. It can change nothing itself."""

import asyncio
import ipaddress
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from display.setup import create_setup
from gateway import ownership, provisionfiles
from gateway.clock import synchronised, uptime_ms, world_ms
from gateway.core import provision
from gateway.core.guesses import Guesses
from gateway.errors import ConfigError
from gateway.health import Health
from gateway.ownnames import addresses
from gateway.provisionfiles import FOLDER, Result
from gateway.serving import serve
from gateway.supervise import stop_on_signals
from gateway.watchdog import Systemd

log = logging.getLogger("gateway")

LOOK_S = 1.0
# Root's part takes a second, on a Pi with a slow card ten. After that nobody is there who takes it.
HELP_MS = 30_000
# Of 31^8 codes. An honest person mistypes twice; 40 guesses in ten minutes are two million a year.
WINDOW_MS = 600_000
GUESSES_EACH, GUESSES = 10, 40
PORT = 8080


class FirstBoot:
    """`path`: the configuration; `folder`: where root leaves what became of a file. Raises OSError where the data
    folder takes no code."""

    def __init__(self, path: Path, tables: Mapping[str, Any], folder: Path = FOLDER) -> None:
        self._path = path
        self._folder = folder
        self._data_dir = ownership.data_dir(tables)
        self.code = provisionfiles.own_code(self._data_dir)
        self._guesses = Guesses(window_ms=WINDOW_MS, at_one=GUESSES_EACH, in_all=GUESSES)
        self._asked_ms: int | None = None  # uptime at which a file was handed to root, None = none is on its way
        self._last = provisionfiles.result(folder)
        self._own: Result | None = None  # what this page refused since, and root never saw

    @property
    def address(self) -> str:
        found = [one for one in addresses() if _is_reachable(one)]
        best = next((one for one in found if ipaddress.ip_address(one).version == 4), found[0] if found else "")
        return f"http://{f'[{best}]' if ':' in best else best}:{self.port}/setup" if best else ""

    port = PORT

    def told(self) -> dict[str, Any]:
        """Of the last file: reason, whose it is, and what is on its way."""
        shown = self._own or self._last
        last = None if shown is None else {"result": shown.result, "reason": shown.reason, "gateway": shown.gateway}
        waits = None if self._asked_ms is None else uptime_ms() - self._asked_ms
        state = "waits" if waits is None else "asked" if waits < HELP_MS else "alone"
        return {"state": state, "last": last, "clock": synchronised()}

    async def take(self, data: bytes, code: str, sender: str) -> str:
        now_ms = uptime_ms()
        if not self._guesses.take(sender, now_ms):
            return "wait"
        if provision.plain_code(code) != self.code:
            log.warning("provisioning: a wrong code")
            return "wrong"
        self._guesses.give_back(sender)
        found = await asyncio.to_thread(provision.read, data, self.code)
        reason = found if isinstance(found, str) else provision.ended(found, world_ms(), known=synchronised())
        if not reason:
            try:
                await asyncio.to_thread(provisionfiles.ask, self._data_dir, data)
            except OSError:
                reason = "disk"
        if reason:
            self._own = Result("refused", world_ms(), reason, "" if isinstance(found, str) else found.gateway)
        else:
            self._own, self._asked_ms = None, now_ms
        return reason

    async def until_somebodys(self) -> None:
        """Returns once the box belongs to somebody."""
        systemd = Systemd()
        while True:
            last = provisionfiles.result(self._folder)
            if last != self._last:
                self._last, self._own, self._asked_ms = last, None, None
            try:
                if ownership.nobodys(self._path) is None:
                    return
            except ConfigError as error:
                log.error("%s", error)  # somebody writes it by hand just now
            systemd.tell("WATCHDOG=1", "STATUS=belongs to nobody yet, waits to be provisioned")
            await asyncio.sleep(LOOK_S)


async def run(
    path: Path,
    tables: Mapping[str, Any],
    version: str,
    ready: Callable[[str], None],
    folder: Path = FOLDER,
    stop: asyncio.Event | None = None,
) -> bool:
    """Wait until the box belongs to somebody: True; or until SIGTERM, SIGINT or `stop`: False."""
    stop = stop or asyncio.Event()
    stop_on_signals(stop)
    try:
        waiting = FirstBoot(path, tables, folder)
    except OSError as error:
        raise ConfigError(f"{error.filename}: cannot be written ({error.strerror}); expected a data folder") from error
    http = tables.get("http")
    said = http.get("port") if isinstance(http, dict) else None
    port = said if type(said) is int and 0 <= said <= 65_535 else PORT

    def on_ready(at: int) -> None:
        waiting.port = at
        Systemd().tell("READY=1")
        ready(f"http://localhost:{at}/")

    # All of the shop's network: whoever installs the box has a phone, and the file goes in by the code alone.
    app = create_setup(waiting, Health(), version)
    serving = asyncio.ensure_future(serve(app, "0.0.0.0", port, on_ready, lambda: None))
    done = asyncio.ensure_future(waiting.until_somebodys())
    stopped = asyncio.ensure_future(stop.wait())
    ends = {serving, done, stopped}
    try:
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            serving.result()
        return done.done()
    finally:
        for end in ends:
            end.cancel()
        await asyncio.wait(ends)


def _is_reachable(text: str) -> bool:
    number = ipaddress.ip_address(text)
    return not (number.is_loopback or number.is_link_local or number.is_unspecified)
