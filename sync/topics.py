"""The names of the wire: `rg/1/{tenant}/{store}/{gateway}/up|down/{leaf}`. No subscriptions, no payloads.

`parse` is for headquarters' line. The topics of remote ears are only ever compared with the one that is expected.
"""

import re
from dataclasses import dataclass
from typing import Literal

from gateway.errors import PeerError

Way = Literal["up", "down"]

# Leaves of `up/`, from the gateway.
EVENTS = "events"
REQ = "req"
STATE = "state"
WANT = "want"  # a piece of a file
BUNDLE = "bundle"  # what a technician asked for
HEALTH = "health"  # how it does
# Leaves of `down/`, from HQ.
CMD = "cmd"
DELTA = "delta"
ERASE = "erase"
HEAD = "head"
KEYS = "keys"  # with which headquarters signs
PIECE = "piece"  # the answer
SNAP = "snap"  # which chunks a snapshot of members has
# On both sides: `up/ack` = applied, `down/ack` = committed at HQ.
ACK = "ack"

UP_LEAVES = (STATE, REQ, EVENTS, ACK, WANT, BUNDLE, HEALTH)
DOWN_LEAVES = (HEAD, DELTA, ERASE, ACK, PIECE, KEYS, CMD, SNAP)

# Remote ears, `rg/1/{tenant}/{store}/{gateway}/{way}/{scanner}`: the scanner's id takes the seventh and last level, so
# the way is in the sixth, and the type stands in the payload. Nothing of it is for headquarters.
EAR_UP: Literal["ear-up"] = "ear-up"
EAR_DOWN: Literal["ear-down"] = "ear-down"
EAR_STATE: Literal["ear-state"] = "ear-state"  # retained

# Between the two boxes of a shop, `rg/1/{tenant}/{store}/pair`: one topic, so that the broker has one order of all.
PAIR = "pair"

ALL_UP = "rg/1/+/+/+/up/+"  # HQ listens to every gateway; a gateway uses exact topics only
ALL_EVENTS = f"rg/1/+/+/+/up/{EVENTS}"
SHARED = "$share/"  # MQTT 5, 4.8.2: each message goes to one of those who share

# The portable contract allows 128 bytes and 7 levels (AWS: 256 bytes, 7 slashes). Three ids of 24
# characters and the fixed parts make at most 93, with a scanner's id 114.
MAX_TOPIC_BYTES = 128

_ID = r"[a-z0-9][a-z0-9-]{0,23}"  # the same rule as config.Id
_TOPIC = re.compile(
    rf"rg/1/(?P<tenant>{_ID})/(?P<store>{_ID})/(?P<gateway>{_ID})/"
    rf"(?:(?P<up>up)/(?:{'|'.join(UP_LEAVES)})|down/(?:{'|'.join(DOWN_LEAVES)}))"
)


@dataclass(frozen=True, slots=True)
class Topics:
    """One gateway's place on the wire; the three ids follow the rule of `gateway.config.Id`."""

    tenant: str
    store: str
    gateway: str

    @property
    def name(self) -> str:
        """How what is sealed for this gateway alone names it: "tenant/store/id"."""
        return f"{self.tenant}/{self.store}/{self.gateway}"

    def up(self, leaf: str) -> str:
        """The topic on which this gateway publishes `leaf`."""
        return f"rg/1/{self.tenant}/{self.store}/{self.gateway}/up/{leaf}"

    def down(self, leaf: str) -> str:
        """The topic on which HQ publishes `leaf` to this gateway."""
        return f"rg/1/{self.tenant}/{self.store}/{self.gateway}/down/{leaf}"

    def ear(self, way: Literal["ear-up", "ear-down", "ear-state"], scanner: str) -> str:
        """A topic between this gateway and one of its scanners, whose id follows the same rule."""
        return f"rg/1/{self.tenant}/{self.store}/{self.gateway}/{way}/{scanner}"

    @property
    def pair(self) -> str:
        """The topic that this gateway shares with the shop's other one."""
        return f"rg/1/{self.tenant}/{self.store}/{PAIR}"


def parse(topic: str) -> tuple[Topics, Way, str]:
    """Whose topic, which way, which leaf. Raises PeerError("topic") for every topic this version does not have."""
    match = _TOPIC.fullmatch(topic)
    if match is None:
        raise PeerError("topic")
    way: Way = "up" if match["up"] else "down"
    return Topics(match["tenant"], match["store"], match["gateway"]), way, topic.rpartition("/")[2]


def place(name: str) -> Topics:
    """The gateway "tenant/store/id". Raises PeerError("topic") for another form."""
    return parse(f"rg/1/{name}/up/{STATE}")[0]
