"""Commands down, answers and diagnostic bundles up, to bytes and back. Pure.

A kind that this version does not know, or arguments that it cannot read, are no broken message: the command is refused,
and headquarters learns why. A bundle is one line of JSON and behind its line feed the bytes themselves.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StringConstraints

from gateway.core.command import (
    MAX_BLINK_S,
    MAX_LIFE_MS,
    MAX_LOG_MINUTES,
    REASONS,
    Answer,
    Blink,
    Bundle,
    Command,
    Level,
    LogLevel,
    Order,
    Rescan,
    Restart,
    Result,
    Update,
)
from gateway.errors import PeerError
from sync import messages
from sync.fields import EXACT, INT64_MAX, Id, Ms, validate

MAX_COMMAND_BYTES = 4 * 1024  # a kind, an id and a few words
MAX_TOLD = 16
# With its header a bundle stays below messages.MAX_PAYLOAD_BYTES.
MAX_BUNDLE_BYTES = 90 * 1024
MAX_HEADER_BYTES = 512

_Kind = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z_]{0,31}$")]
_Word = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_.]{0,31}$")]
_Hash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
_Text = Annotated[str, StringConstraints(max_length=120)]
_Number = Annotated[int, Field(ge=-INT64_MAX, le=INT64_MAX)]
# As it stands in /healthz: a word, or a word and an id.
_Part = Annotated[str, StringConstraints(pattern=r"^[a-z]{1,24}(?::[a-z0-9][a-z0-9-]{0,23})?$")]
_Screen = Annotated[str, StringConstraints(pattern=r"^(?:[a-z0-9][a-z0-9-]{0,23})?$")]
# No dash before it: a program that is given it as its argument would take it for an option.
_Version = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z][0-9A-Za-z.+_-]{0,63}$")]


class _Exact(BaseModel):
    model_config = EXACT


class _Restart(_Exact):
    part: _Part


class _Nothing(_Exact):
    pass


class _LogLevel(_Exact):
    level: Level
    minutes: Annotated[int, Field(ge=1, le=MAX_LOG_MINUTES)] = 60


class _Blink(_Exact):
    screen: _Screen = ""
    seconds: Annotated[int, Field(ge=1, le=MAX_BLINK_S)] = 20


class _Update(_Exact):
    version: _Version


class _Cmd(_Exact):
    id: Id
    kind: _Kind
    arguments: Annotated[dict[str, Any], Field(max_length=MAX_TOLD)]
    at_ms: Ms
    until_ms: Ms


class _Done(_Exact):
    id: Id
    result: Result
    reason: Literal[""] | _Word
    told: Annotated[dict[_Word, _Number | _Text], Field(max_length=MAX_TOLD)]


class _Bundle(_Exact):
    id: Id
    sha256: _Hash
    size: Annotated[int, Field(ge=1, le=MAX_BUNDLE_BYTES)]


_ORDERS: Mapping[str, tuple[type[BaseModel], type[Any]]] = {
    "restart": (_Restart, Restart),
    "rescan": (_Nothing, Rescan),
    "log_level": (_LogLevel, LogLevel),
    "bundle": (_Nothing, Bundle),
    "blink": (_Blink, Blink),
    "update": (_Update, Update),
}
KINDS = tuple(_ORDERS)

FORMS: Mapping[str, type[BaseModel]] = {"cmd": _Cmd, "done": _Done, "bundle": _Bundle}  # of the published contract


@dataclass(frozen=True, slots=True)
class Sent:
    """A bundle as it travels."""

    command_id: str
    data: bytes


def order_of(kind: str, arguments: Mapping[str, object]) -> Order:
    """What is asked for; what is left out has its default. Raises PeerError: "kind", or "arguments" with the words of
    what is wrong."""
    if kind not in _ORDERS:
        raise PeerError("kind")
    form, order = _ORDERS[kind]
    try:
        made: Order = order(**dict(validate(form, dict(arguments))))
    except PeerError as error:
        said = error.said
    else:
        return made
    raise PeerError("arguments", said=said)  # out here: the cause would hold what was given


def cmd(command_id: str, kind: str, arguments: Mapping[str, object], at_ms: int, until_ms: int) -> bytes:
    """Headquarters' command."""
    return messages.dump("cmd", id=command_id, kind=kind, arguments=dict(arguments), at_ms=at_ms, until_ms=until_ms)


def parse_cmd(payload: bytes) -> Command:
    """Raises PeerError; "range" for one that would live for no time, or for longer than MAX_LIFE_MS."""
    if len(payload) > MAX_COMMAND_BYTES:
        raise PeerError("too_large")
    wire = messages.parse(payload, "cmd", _Cmd)
    if not 0 < wire.until_ms - wire.at_ms <= MAX_LIFE_MS:
        raise PeerError("range")
    order: Order | Literal["kind", "arguments"]
    try:
        order = order_of(wire.kind, wire.arguments)
    except PeerError as error:
        order = "kind" if error.reason == "kind" else "arguments"
    return Command(wire.id, wire.kind, order, wire.at_ms, wire.until_ms)


def done(answer: Answer) -> bytes:
    """A gateway's answer."""
    assert answer.reason in REASONS or not answer.reason
    return messages.dump(
        "done", id=answer.command_id, result=answer.result, reason=answer.reason, told=dict(answer.told)
    )


def parse_done(payload: bytes) -> Answer:
    """Raises PeerError. Reasons of newer versions are taken: they are shown and decide nothing."""
    if len(payload) > MAX_COMMAND_BYTES:
        raise PeerError("too_large")
    wire = messages.parse(payload, "done", _Done)
    return Answer(wire.id, wire.result, wire.reason, wire.told)


def bundle(sent: Sent) -> bytes:
    """A gateway's diagnostic bundle. ValueError above MAX_BUNDLE_BYTES."""
    if len(sent.data) > MAX_BUNDLE_BYTES:
        raise ValueError(f"a bundle of {len(sent.data)} bytes, the limit is {MAX_BUNDLE_BYTES}")
    digest = hashlib.sha256(sent.data).hexdigest()
    return messages.dump("bundle", id=sent.command_id, sha256=digest, size=len(sent.data)) + b"\n" + sent.data


def parse_bundle(payload: bytes) -> Sent:
    """Raises PeerError; "range" where the bytes are not those that its header tells of. What is in them is not looked
    at."""
    header, _, data = payload.partition(b"\n")
    if len(payload) > messages.MAX_PAYLOAD_BYTES or len(header) > MAX_HEADER_BYTES:
        raise PeerError("too_large")
    wire = messages.parse(header, "bundle", _Bundle)
    if len(data) != wire.size or hashlib.sha256(data).hexdigest() != wire.sha256:
        raise PeerError("range")
    return Sent(wire.id, data)
