"""The contract as an AsyncAPI 3 document with JSON Schemas (draft 7), made from the forms by which messages are read.

`python -m sync.asyncapi > docs/asyncapi.json` in the repository's folder writes the published one.
"""

import json
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from gateway.core.fetching import PIECE_BYTES
from sync import catalogue, contract, ear_messages, forms, messages, offers, pieces, segments
from sync.contract import Channel, Spoken

_SCHEMAS = "#/components/schemas/"
_ROOT = "rg/1/{tenant}/{store}/{gateway}"
_PLACE_ID = "1 to 24 of a-z, 0-9 and -, not - first"
_SAID = (
    "What a store gateway and its headquarters say to each other over MQTT, seen from the gateway. MQTT 5 or 3.1.1; "
    f"nothing needs properties of MQTT 5. Payloads are at most {messages.MAX_PAYLOAD_BYTES} bytes of JSON in UTF-8, no "
    f"name twice in one object, at most {messages.MAX_NESTING} levels deep, numbers within 64 bit; a whole number has "
    "no fraction, not even .0. Sessions are clean, at most 20 publishes are without PUBACK, and what was missed is "
    "asked for with `req`. A message that is not of this form is dropped and counted. What no schema can say (numbers "
    "that rise, versions that follow each other, ids that stand once) and what the messages mean: mqtt.md beside this "
    "file, which also has what may stand round this JSON: `events` and `delta` may be one zstd frame, and what comes "
    "down may have an envelope of 84 bytes with a signature in front. Between a gateway and its scanners: scanner.md."
)


def document(op_examples: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The whole document; `op_examples`: operations `{"op", "body"}`, each shown with its own schema."""
    schemas = _schemas(op_examples)
    spoken = {one.kind: one for channel in contract.CHANNELS for one in channel.spoken}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Store gateway and headquarters",
            "version": f"{messages.WIRE_VERSION}.0.0",
            "description": _SAID,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {"broker": _server()},
        "channels": {_name(channel): _channel(channel) for channel in contract.CHANNELS},
        "operations": {_name(channel): _operation(channel) for channel in contract.CHANNELS},
        "components": {
            "messages": {kind: _message(one, schemas) for kind, one in spoken.items()},
            "schemas": dict(sorted(schemas.items())),
        },
    }


def op_examples(page: str) -> list[dict[str, Any]]:
    """The operations that stand on a page, each as a line of JSON."""
    return [json.loads(line) for line in page.splitlines() if line.startswith('{"op"')]


def _name(channel: Channel) -> str:
    return f"{channel.way}-{channel.leaf}" if channel.leaf.isalpha() else channel.way


def _server() -> dict[str, Any]:
    will = {"topic": f"{_ROOT}/up/state", "qos": 1, "retain": True, "message": contract.STATE.examples[1].decode()}
    mqtt = {"cleanSession": True, "keepAlive": 30, "lastWill": will, "bindingVersion": "0.2.0"}
    return {
        "host": "broker.example:8883",
        "protocol": "mqtts",
        "protocolVersion": "5",
        "description": "A broker with TLS; each gateway has an account of its own and uses its own topics only.",
        "bindings": {"mqtt": mqtt},
    }


def _channel(channel: Channel) -> dict[str, Any]:
    parameters = {
        "tenant": {"description": f"The retailer: {_PLACE_ID}."},
        "store": {"description": f"The shop: {_PLACE_ID}."},
        "gateway": {"description": f"The box: {_PLACE_ID}."},
    }
    if not channel.leaf.isalpha():
        parameters["scanner"] = {"description": f"The remote scanner: {_PLACE_ID}."}
    return {
        "address": f"{_ROOT}/{channel.way}/{channel.leaf}",
        "description": f"{channel.summary}. {'Retained' if channel.retained else 'Not retained'}.",
        "messages": {one.kind: {"$ref": f"#/components/messages/{one.kind}"} for one in channel.spoken},
        "parameters": parameters,
    }


def _operation(channel: Channel) -> dict[str, Any]:
    name = _name(channel)
    binding = {"qos": max(channel.qos), "retain": channel.retained, "bindingVersion": "0.2.0"}
    return {
        "action": channel.gateway,
        "channel": {"$ref": f"#/channels/{name}"},
        "summary": channel.summary,
        "messages": [{"$ref": f"#/channels/{name}/messages/{one.kind}"} for one in channel.spoken],
        "bindings": {"mqtt": binding},
    }


def _message(one: Spoken, schemas: Mapping[str, Any]) -> dict[str, Any]:
    examples = [json.loads(example.partition(b"\n")[0]) for example in one.examples]
    said = {
        "name": one.kind,
        "title": one.kind,
        "summary": one.summary,
        "contentType": "application/octet-stream" if one.tail else "application/json",
        "payload": {"$ref": f"{_SCHEMAS}{one.kind}"},
        "examples": [{"payload": example} for example in examples],
    }
    if one.tail:
        said["description"] = f"The JSON object of this schema, a line feed, and {one.tail}."
    return said


# --- schemas ------------------------------------------------------------------------------------------------


def _schemas(op_examples: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """All schemas by name: a message's has the message's name, an operation's the operation's; the rest are forms."""
    spoken = {one.kind: one for channel in contract.CHANNELS for one in channel.spoken}
    models = [one.form for one in spoken.values()] + [form for bodies in contract.OPS.values() for form in bodies]
    names, whole = models_json_schema(
        [(form, "validation") for form in dict.fromkeys(models)], ref_template=f"{_SCHEMAS}{{model}}"
    )
    found: dict[str, Any] = whole["$defs"]

    def of(form: type[BaseModel]) -> dict[str, Any]:
        return names[form, "validation"]

    _refine(found, {form: of(form)["$ref"].removeprefix(_SCHEMAS) for form in dict.fromkeys(models)})
    shown: dict[str, list[Mapping[str, Any]]] = {}
    for example in op_examples:
        shown.setdefault(example["op"], []).append(example)
    for name, bodies in contract.OPS.items():
        body = of(bodies[0]) if len(bodies) == 1 else {"oneOf": [of(form) for form in bodies]}
        found[name] = _object({"op": {"const": name}, "body": body}) | {"examples": shown.get(name, [])}
    for kind, one in spoken.items():
        inner = found.pop(of(one.form)["$ref"].removeprefix(_SCHEMAS))
        head = {"v": {"const": messages.WIRE_VERSION}, "type": {"const": kind}}
        required = [*head, *inner.get("required", [])]
        found[kind] = _object(head | inner["properties"]) | {"required": required}
    found["delta"]["properties"]["ops"]["items"] = {"oneOf": [{"$ref": f"{_SCHEMAS}{name}"} for name in contract.OPS]}
    return {name.lstrip("_"): _draft_7(schema) for name, schema in found.items()}


def _refine(found: dict[str, Any], named: Mapping[type[BaseModel], str]) -> None:
    """What forms leave to code and a schema can say nevertheless."""
    for form, schema in ((forms.OfferBody, catalogue.schema()), (segments.SegmentsBody, segments.schema())):
        moved = json.loads(json.dumps(schema).replace("#/$defs/", _SCHEMAS))
        found |= moved.pop("$defs")
        found[named[form]] = {name: value for name, value in moved.items() if name != "$schema"}
    offer = {"$ref": _SCHEMAS + named[forms.OfferBody]}
    found[named[offers.PartBody]]["properties"]["offers"]["items"] = offer
    found[named[pieces.FORMS["want"]]]["properties"]["start"]["multipleOf"] = PIECE_BYTES
    found[named[ear_messages.FORMS["heard"]]]["properties"]["frames"]["items"] = {"oneOf": _frames()}
    buckets = {family: [{"const": family}, _hex(size)] for family, size in ear_messages.PREFIX_BYTES.items()}
    asked = [_row(*bucket) for bucket in buckets.values()]
    found[named[ear_messages.FORMS["ask"]]]["properties"]["buckets"]["items"] = {"oneOf": asked}
    hold = {"type": "integer", "minimum": 0, "maximum": ear_messages.MAX_HOLD_MS}
    told = [
        _row(*bucket, hold, {"type": "string", "pattern": f"^(?:[0-9a-f]{{{2 * ear_messages.REST_BYTES[family]}}})*$"})
        for family, bucket in buckets.items()
    ]
    found[named[ear_messages.FORMS["answer"]]]["properties"]["buckets"]["items"] = {"oneOf": told}


def _frames() -> list[dict[str, Any]]:
    levels, most_ms = ear_messages.RSSI_DBM, ear_messages.MAX_AGE_MS
    level = {"type": "integer", "minimum": levels[0], "maximum": levels[-1]}
    age = {"type": "integer", "minimum": 0, "maximum": most_ms}
    return [_row({"const": kind.value}, _hex(size), level, age) for kind, size in ear_messages.VALUE_BYTES.items()]


def _hex(size: int) -> dict[str, Any]:
    return {"type": "string", "pattern": f"^[0-9a-f]{{{2 * size}}}$"}


def _row(*items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "prefixItems": [*items], "items": False, "minItems": len(items), "maxItems": len(items)}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": [*properties], "additionalProperties": False}


_VALUES = ("const", "default", "enum", "examples")  # what stands in them is no schema


def _draft_7(schema: Any) -> Any:
    """The same in the words of draft 7, without the titles that only repeat a field's name, and under public names."""
    if isinstance(schema, list):
        return [_draft_7(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    said = {name: value if name in _VALUES else _draft_7(value) for name, value in schema.items()}
    if isinstance(said.get("title"), str):
        del said["title"]
    if "prefixItems" in said:
        said |= {"items": said.pop("prefixItems"), "additionalItems": said["items"]}
    if "patternProperties" in said:  # a name that no pattern fits is refused, which pydantic does not say
        said.setdefault("additionalProperties", False)
    reference = said.get("$ref")
    if isinstance(reference, str):
        said["$ref"] = re.sub(r"/_+", "/", reference)
        if len(said) > 1:  # beside a reference, draft 7 reads nothing
            said["allOf"] = [{"$ref": said.pop("$ref")}]
    return said


def _written() -> str:
    page = Path("docs/mqtt.md").read_text(encoding="utf-8")
    return json.dumps(document(op_examples(page)), ensure_ascii=False, indent=1) + "\n"


if __name__ == "__main__":
    sys.stdout.write(_written())
