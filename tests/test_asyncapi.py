"""The published contract is current, and its schemas say what the code does: what one takes, so does the other."""

import copy
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from gateway.errors import PeerError
from sync import asyncapi, contract, messages, ops
from tests.rigs import seeds
from tests.test_contract import READERS, SPOKEN

DOCS = Path(__file__).parents[1] / "docs"
EXAMPLES = asyncapi.op_examples((DOCS / "mqtt.md").read_text(encoding="utf-8"))
DOCUMENT = asyncapi.document(EXAMPLES)
SCHEMAS = DOCUMENT["components"]["schemas"]
DRAWN = seeds.many(100, 2_000)  # changed copies of each example


def validator(name: str) -> Draft7Validator:
    return Draft7Validator({"$ref": f"#/components/schemas/{name}", "components": {"schemas": SCHEMAS}})


def test_the_published_document_is_current() -> None:
    published = json.loads((DOCS / "asyncapi.json").read_text(encoding="utf-8"))
    assert published == DOCUMENT, "write it anew: python -m sync.asyncapi > docs/asyncapi.json"


def references(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for one in node.values():
            yield from references(one)
    elif isinstance(node, list):
        for one in node:
            yield from references(one)


def test_every_reference_leads_somewhere_and_no_schema_stands_about_unused() -> None:
    used = set(references(DOCUMENT))
    for reference in used:
        node: Any = DOCUMENT
        for step in reference.removeprefix("#/").split("/"):
            node = node[step]
    assert {f"#/components/schemas/{name}" for name in SCHEMAS} <= used
    for schema in SCHEMAS.values():
        Draft7Validator.check_schema(schema)


def test_topics_directions_qos_and_retain_flags_are_those_of_the_table() -> None:
    for channel in contract.CHANNELS:
        name = f"{channel.way}-{channel.leaf}" if channel.leaf.isalpha() else channel.way
        operation, said = DOCUMENT["operations"][name], DOCUMENT["channels"][name]
        assert said["address"].endswith(f"{{gateway}}/{channel.way}/{channel.leaf}")
        assert set(said["parameters"]) == {part[1:-1] for part in said["address"].split("/") if part[0] == "{"}
        assert operation["action"] == channel.gateway
        assert operation["bindings"]["mqtt"]["retain"] is channel.retained
        assert operation["bindings"]["mqtt"]["qos"] == max(channel.qos)


def test_every_operation_has_an_example() -> None:
    assert {example["op"] for example in EXAMPLES} == contract.OPS.keys()


# --- code and schema, both ways ---------------------------------------------------------------------------------------


ODD = (None, True, 0, -1, 2**63, "", "x", "Ä", "\x00", "0" * 70, "x" * 3_000, [], {}, [None], {"x": 1}, {"": ""})


def changed(value: Any) -> Iterator[Any]:
    """Copies of a JSON value, each with one thing other than it should be, or than it was."""
    for path in paths(value):
        for odd in ODD:
            yield put(value, path, odd)
        at = get(value, path)
        if isinstance(at, dict):
            yield put(value, path, at | {"no_such_field": 1})
            for name in at:
                yield put(value, path, {other: one for other, one in at.items() if other != name})
        elif isinstance(at, list) and at:
            yield put(value, path, at + at[:1])
            yield put(value, path, at * 2_000)
            yield put(value, path, at[:-1])
        elif type(at) is int:
            for near in (at + 1, -at, at * 1_000_000):
                yield put(value, path, near)


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, one in below:
        yield from paths(one, (*path, step))


def get(value: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        value = value[step]
    return value


def put(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    whole = copy.deepcopy(value)
    get(whole, path[:-1])[path[-1]] = new
    return whole


def disagreements(example: Any, schema: Draft7Validator, read: Callable[[Any], object]) -> list[tuple[str, str, Any]]:
    """Where one takes what the other refuses: who refused, why, and what."""
    found = []
    rng = random.Random(seeds.seed("CONTRACT_SEED"))
    copies = list(changed(example))
    for one in rng.sample(copies, min(DRAWN, len(copies))):
        refused = ""
        try:
            read(one)
        except PeerError as error:
            refused = f"{error.reason} {error.field}"
        if not refused and not schema.is_valid(one):
            found.append(("schema", str(next(schema.iter_errors(one)).message)[:200], one))
        elif refused and schema.is_valid(one):
            found.append(("code", refused, one))
    return found


# What no schema can say: how numbers and ids of one message go together, and rules that are no form.
TOGETHER = {
    "req": ("range ",),
    "snapshot": ("range ",),
    "events": ("range ",),
    "ack": ("range ",),
    "cmd": ("range ",),
    "delta": ("range ",),
    "erase": ("range ",),
    "prices.put": ("fields articles",),
    "consent.restore": ("fields member_id",),
    "catalogue.put": ("range part", "twice "),
    "content.put": ("range part",),
    "staff.put": ("fields colleagues",),
    "learning.put": ("fields priors",),
    "coupons.put": ("fields $",),
    "scan.put": ("fields embedded",),
}
RULES = ("too_large ", "content ", "brand ", "segments ", "purpose ", "eligibility ", "cap ", "template ")


def left_to_code(name: str, why: str) -> bool:
    return f"{why}$".startswith((*RULES, *TOGETHER.get(name, ())))


def as_message(kind: str) -> Callable[[Any], object]:
    tail = b"\n" if SPOKEN[kind].tail else b""
    return lambda value: READERS[kind](json.dumps(value).encode() + tail)


@pytest.mark.parametrize("kind", SPOKEN)
def test_code_and_schema_take_and_refuse_the_same_messages(kind: str) -> None:
    schema, read = validator(kind), as_message(kind)
    for example in DOCUMENT["components"]["messages"][kind]["examples"]:
        assert list(schema.iter_errors(example["payload"])) == []
        read(example["payload"])
        apart = disagreements(example["payload"], schema, read)
        assert [one for one in apart if not left_to_code(kind, one[1])] == []


@pytest.mark.parametrize("example", EXAMPLES, ids=[f"{n}-{one['op']}" for n, one in enumerate(EXAMPLES)])
def test_code_and_schema_take_and_refuse_the_same_operations(example: dict[str, Any]) -> None:
    schema = validator(example["op"])
    assert list(schema.iter_errors(example)) == []
    ops.parse(example)
    apart = disagreements(example, schema, ops.parse)
    assert [one for one in apart if not left_to_code(example["op"], one[1])] == []
    inside = json.loads(messages.delta(1, 2, [example]))
    assert validator("delta").is_valid(inside)
