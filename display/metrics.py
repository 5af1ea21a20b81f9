"""What a monitoring system asks for: parts, counters and the process, as Prometheus' text. Nothing about people."""

import hmac
from collections.abc import Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from display.hub import Hub
from gateway.core.ports import Clock
from gateway.errors import ConfigError
from gateway.health import Health

TYPE = CONTENT_TYPE_LATEST
STATES = {"ok": 0, "degraded": 1, "down": 2}
TOKEN_BYTES_LEAST = 16  # of the text in the file; `openssl rand -hex 16` makes 32
TOKEN_BYTES_MOST = 256


class Metrics:
    """Asked once for each scrape, which costs about a millisecond."""

    def __init__(self, hub: Hub, health: Health, clock: Clock, version: str) -> None:
        self._hub = hub
        self._health = health
        self._clock = clock
        self._version = version
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def text(self) -> bytes:
        """The whole answer, of type TYPE."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """For the registry."""
        yield InfoMetricFamily("store_gateway", "What runs.", {"version": self._version})
        state = GaugeMetricFamily("store_gateway_part_state", "0 ok, 1 degraded, 2 down.", labels=["part"])
        since = GaugeMetricFamily("store_gateway_part_since_seconds", "Unix time of its last change.", labels=["part"])
        for part in self._health.parts:
            state.add_metric([part.name], STATES[part.state])
            since.add_metric([part.name], part.since_ms / 1000)
        counted = CounterMetricFamily(
            "store_gateway_counted", "Strangers' are a minute old and coarse (docs/privacy.md).", labels=["name"]
        )
        for name, count in self._health.told(self._clock.now_ms()).items():
            counted.add_metric([name], count)
        screens = GaugeMetricFamily("store_gateway_screen_connected", "Its open pages.", labels=["screen"])
        for screen in self._hub.screens:
            screens.add_metric([screen], self._hub.screens_connected(screen))
        tablets = GaugeMetricFamily("store_gateway_tablets_connected", "Open pages of tablets.")
        tablets.add_metric([], self._hub.tablets_connected)
        yield from (state, since, counted, screens, tablets)


def token_in(file: Path) -> str:
    """The token that lets a monitoring system in. Raises ConfigError; its text never holds the token."""
    try:
        with file.open("rb") as opened:
            found = opened.read(TOKEN_BYTES_MOST + 1).strip()
        token = found.decode("ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"expected a file with a token; {file} cannot be read") from error
    if not TOKEN_BYTES_LEAST <= len(token) <= TOKEN_BYTES_MOST or not token.isprintable() or " " in token:
        raise ConfigError(
            f"expected one word of {TOKEN_BYTES_LEAST} to {TOKEN_BYTES_MOST} characters in {file}, such as "
            "`openssl rand -hex 16` prints"
        )
    return token


def shows(authorization: str | None, token: str) -> bool:
    """Whether this header carries the token; nothing does where there is none."""
    scheme, _, shown = (authorization or "").partition(" ")
    return bool(token) and scheme.lower() == "bearer" and hmac.compare_digest(shown.strip().encode(), token.encode())
