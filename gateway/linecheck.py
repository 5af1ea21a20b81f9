"""What the doctor finds of the line to headquarters: it goes in at the broker as the service does, under a name of its
own, so that nobody is thrown out.
"""

import asyncio
import random
from dataclasses import replace

from gateway import config as local
from gateway import doors, lines
from gateway.clock import world_ms
from gateway.errors import ConfigError, UnavailableError
from gateway.finding import Finding, moment
from gateway.origins import origins
from sync import pair, tlsfiles, topics
from sync.link import Transport
from sync.standing import PART
from sync.topics import Topics

WHAT = "Headquarters"
SPARE = "The broker of this file"
SERVICE = "The service's line"
SHOPS = "The shop's broker"
OTHER = "The other box"
# A broker that says nothing to MQTT 5 is asked in 3.1.1 after 15 s (sync.connection).
LOOK_S = 25.0

_STEP = "Check address, network and firewall. The shop works without; events wait on the disk."
_SHOPS_STEP = "Check [standby], network and broker. Without it neither of the shop's two boxes serves."
_SPARE_STEP = (
    "This box falls back to it where the other one is silent for ten minutes; correct [mqtt], or take it for lost."
)


async def line(config: local.Config) -> list[Finding]:
    """The broker that counts, beside it the one that the file names where headquarters moved the line, and what the
    service that runs here says of its own line; then the same of the line to the shop's other box, if there is one."""
    return [*await _to_hq(config), *await _to_other(config)]


async def _to_other(config: local.Config) -> list[Finding]:
    if config.standby is None:
        return []
    who = config.gateway
    topic = Topics(who.tenant, who.store, who.id).pair
    found = await _look(SHOPS, config, config.standby, topic=topic)
    found = replace(found, step=_SHOPS_STEP) if found.state == "wrong" else found
    return [found, *await _told(config, pair.PART, OTHER)]


async def _to_hq(config: local.Config) -> list[Finding]:
    if config.mqtt is None:
        return [Finding(WHAT, "missing", "no [mqtt] table", "Add the broker's address to work with HQ.")]
    found = origins(config)
    steered = None if found is None else found.config.mqtt
    if steered is None or (steered.host, steered.port, steered.protocol) == _where(config.mqtt):
        return [await _look(WHAT, config, config.mqtt), *await _told(config)]
    moved = await _look(WHAT, config, steered, ", which headquarters' settings name")
    own = await _look(SPARE, config, config.mqtt)
    own = own if own.state == "ok" else Finding(SPARE, "missing", own.found, own.step or _SPARE_STEP)
    return [moved, own, *await _told(config)]


async def _told(config: local.Config, part: str = PART, what: str = SERVICE) -> list[Finding]:
    return [
        Finding(what, "missing", f"{one.detail} (since {moment(one.since_ms)})", one.action)
        for one in await doors.troubles(config.http.host, config.http.port)
        if one.part == part
    ]


def _where(mqtt: local.MqttTable) -> tuple[str, int, str]:
    return mqtt.host, mqtt.port, mqtt.protocol


async def _look(
    what: str, config: local.Config, mqtt: local.MqttTable, named: str = "", topic: str | None = None
) -> Finding:
    who, where = config.gateway, f"{mqtt.host}:{mqtt.port}{named}"
    place, name = Topics(who.tenant, who.store, who.id), f"store-gateway-doctor_{who.tenant}_{who.store}_{who.id}"
    try:
        transport = Transport(lines.address(mqtt), name, random.Random())
    except ConfigError as error:
        return Finding(what, "wrong", str(error), "Correct the file named here; the service does not start with it.")
    try:
        async with asyncio.timeout(LOOK_S):
            await transport.connect()
            await transport.subscribe([topic or place.down(topics.HEAD)])
    except TimeoutError:
        return Finding(what, "wrong", f"{where}: the broker does not answer", _STEP)
    except UnavailableError as error:
        return Finding(what, "wrong", f"{where}: {error}", error.step or _STEP)
    finally:
        await transport.close()
    under = ", under TLS" if mqtt.ca_file is not None or mqtt.cert_file is not None else ""
    told = f"the broker at {where} lets this box in (MQTT {transport.protocol}{under})"
    ending = tlsfiles.remark(transport.certificate_ends_ms, world_ms())
    return Finding(what, "ok", told) if ending is None else Finding(what, "missing", f"{told}; {ending[0]}", ending[1])
