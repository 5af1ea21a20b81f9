"""The documentation names every configuration key, command, topic, route, change, event and counter family there is."""

import asyncio
import dataclasses
import json
import os
import re
import secrets
import subprocess
import sys
import types
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Literal, get_args, get_origin

import pytest
from fastapi.routing import APIRoute
from pydantic import BaseModel

from display.api import create_app
from display.hub import Hub
from display.wire import ART
from drivers.people import TRACKABLE_WORDING
from drivers.talk import Found, Terminal
from gateway import bench, broker, config
from gateway.config import SOURCE_SCHEMES, Config, ScannerConfig
from gateway.core.changes import CredentialPut
from gateway.core.gate import OFFER_PURPOSES
from gateway.core.keyring import HceKey, Held, Keyring, SunKey, reader_id
from gateway.core.model import AgeGate, ClockQuality, ConsentRecord, ConsentState, CredentialKind, Purpose
from gateway.emulator import hce
from gateway.health import Health
from gateway.verbs import parser
from sync import content, forms, ops, prices, segments, spent, stock, topics
from sync.hq import orders, service
from tests.rigs.broker import free_port
from tests.rigs.reading import Bench, StandingClock
from tests.rigs.shop import Clock
from tests.rigs.shopfront import FakePath

ROOT = Path(__file__).parents[1]


def doc(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def keys(model: type[BaseModel]) -> set[str]:
    """Every key of every table."""
    found = set()
    for name, field in model.model_fields.items():
        found.add(name)
        stack = [field.annotation]
        while stack:
            kind = stack.pop()
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                found |= keys(kind)
            elif kind is not None and not isinstance(kind, type | types.NoneType):
                stack.extend(get_args(kind))
    return found


def test_every_configuration_key_is_documented() -> None:
    text = doc("docs/configuration.md")
    for key in keys(Config):
        assert re.search(rf"[`\[ ]{key}[`\] ,]", text), key
    for scheme in SOURCE_SCHEMES:
        assert f"`{scheme}:" in text


def test_every_key_of_a_scanner_is_documented_and_its_example_is_valid() -> None:
    text = doc("docs/scanner.md")
    for key in keys(ScannerConfig):
        assert re.search(rf"[`\[ ]{key}[`\] ,]", text), key
    example = config.load_scanner(ROOT / "systemd" / "scanner.toml.example")
    assert f"mqtt:scanner/{example.scanner.id}" in text


def test_a_scanners_topics_messages_and_counters_are_documented() -> None:
    text = doc("docs/scanner.md")
    for way in (topics.EAR_UP, topics.EAR_DOWN, topics.EAR_STATE):
        assert f"`{way}/" in text
        assert f"`{way}/" in doc("docs/mqtt.md")
    for kind in re.findall(r'_dump\(\s*"([a-z]+)"', (ROOT / "sync/ear_messages.py").read_text()):
        assert f'"type":"{kind}"' in text, kind
    code = "".join((ROOT / name).read_text() for name in ("gateway/scanner.py", "sync/sieve.py", "sync/ear.py"))
    code += "".join((ROOT / name).read_text() for name in ("sync/scanners.py", "sync/earshot.py"))
    names = set(re.findall(r'count\(f?"(?:ear|scanner)(\.[a-z_]+)', code))
    assert len(names) > 20
    for name in names:
        assert f"{name}`" in text or f"{name}." in text, name


def test_the_example_is_a_valid_configuration_once_it_is_somebodys(tmp_path: Path) -> None:
    text = (ROOT / "systemd" / "gateway.toml.example").read_text()
    (tmp_path / "gateway.toml").write_text(re.sub(r"^# (tenant|store|id) =", r"\1 =", text, flags=re.MULTILINE))
    assert config.load(tmp_path / "gateway.toml").gateway.store == "musterstadt"


def test_every_command_is_in_the_readme() -> None:
    text = doc("README.md")
    actions = next(a for a in parser()._actions if a.choices)
    for name, sub in actions.choices.items():
        assert f"store-gateway {name}" in text, name
        for inner in (a for a in sub._actions if isinstance(a.choices, dict)):
            for verb in inner.choices:
                assert f"`{verb}`" in text or f"hq {verb}" in text, verb


def test_every_measurement_and_every_page_is_in_the_readme() -> None:
    text = doc("README.md")
    for name in bench.BENCHES:
        assert re.search(rf"`store-gateway bench [^\n]*`{name}`", text), name
    for page in (ROOT / "docs").glob("*.md"):
        assert f"(docs/{page.name})" in text, page


def fenced(name: str, language: str) -> str:
    """The one block of a language on a page."""
    (block,) = re.findall(rf"^```{language}\n(.*?)^```$", doc(name), re.MULTILINE | re.DOTALL)
    return str(block)


def test_the_brokers_rules_allow_what_the_contract_needs_and_no_more() -> None:
    rules: dict[str, list[tuple[str, str]]] = {}
    for line in fenced("docs/mqtt.md", "acl").splitlines():
        match line.split():
            case ["user", name]:
                rows = rules.setdefault(name, [])
            case ["topic", way, pattern]:
                rows.append((way, re.escape(pattern).replace(r"\+", "[^/]+")))

    def may(name: str, way: str, topic: str) -> bool:
        return any(own == way and re.fullmatch(pattern, topic) for own, pattern in rules[name])

    gateway, ours = "acme-munich-1-gw-1", topics.Topics("acme", "munich-1", "gw-1")
    for leaf in topics.UP_LEAVES:
        assert may(gateway, "write", ours.up(leaf))
        assert may("headquarters", "read", ours.up(leaf))
        assert not may("headquarters", "write", ours.up(leaf))
    for leaf in topics.DOWN_LEAVES:
        assert may(gateway, "read", ours.down(leaf))
        assert may("headquarters", "write", ours.down(leaf))
        assert not may(gateway, "write", ours.down(leaf))
    assert may(gateway, "read", ours.ear("ear-up", "s-1"))
    assert may(gateway, "read", ours.ear("ear-state", "s-1"))
    assert may(gateway, "write", ours.ear("ear-down", "s-1"))
    other = topics.Topics("acme", "munich-1", "gw-2")
    for topic in (other.up("events"), other.down("delta"), other.ear("ear-up", "s-1")):
        assert not may(gateway, "read", topic)
        assert not may(gateway, "write", topic)


@pytest.mark.skipif(broker.mosquitto() is None, reason="needs Mosquitto")
def test_mosquitto_starts_with_the_pages_rules(tmp_path: Path) -> None:
    (tmp_path / "rules.acl").write_text(fenced("docs/mqtt.md", "acl"))
    (tmp_path / "passwords").touch()
    given = fenced("docs/mqtt.md", "conf").replace("/etc/mosquitto/store-gateway.acl", str(tmp_path / "rules.acl"))
    given = given.replace("/etc/mosquitto/passwords", str(tmp_path / "passwords"))
    left_out = (
        "listener",
        "cafile",
        "certfile",
        "keyfile",
        "allow_anonymous",
    )  # the rig's own, and no certificate here
    settings = "\n".join(line for line in given.splitlines() if not line.startswith(left_out))
    running = broker.Broker(tmp_path, free_port(), "mosquitto", settings)
    try:
        running.start()
    finally:
        running.stop()
    assert "Error" not in (tmp_path / "broker.log").read_text()


async def test_the_program_that_stands_in_for_a_reader_shows_what_it_says(tmp_path: Path) -> None:
    program = tmp_path / "try_nfc.py"
    program.write_text(fenced("docs/readers.md", "python"))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-u", program),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    path = (await process.stdout.readline()).decode().rpartition("path: ")[2].strip()
    seen = Bench(path)
    seen.ears.terminal = Terminal("acme/shop", StandingClock(), secrets.token_bytes)
    private = hce.p256_key("a reader key for trials")
    app = HceKey(reader_id(private.public_key()), private)
    tag = SunKey(bytes(16), bytes(16))
    seen.ears.terminal.keyring = Keyring([Held("hce-1", 0, None, app), Held("sun-1", 0, None, tag)])
    try:
        await seen.is_("ok")
        for number in (1, 2, 3):
            process.stdin.write(b"\n")
            await seen.taps(number)
            process.stdin.write(b"\n")
        assert await process.wait() == 0
    finally:
        await seen.stop()
        if process.returncode is None:
            process.kill()
            await process.wait()
    found = [one for one in seen.outcomes if isinstance(one, Found)]
    assert [(one.token.kind.value, one.proof.value) for one in found] == [
        ("ndef", "bearer"),
        ("hce", "proven"),
        ("sun", "proven"),
    ]
    assert found[0].token.value == b"https://card.example/1"
    assert found[2].token.value.hex() == "04c0ffee424200"


def test_every_topic_change_and_purpose_is_documented() -> None:
    text = doc("docs/mqtt.md")
    words = {value for name, value in vars(topics).items() if name.isupper() and isinstance(value, str)}
    leaves = {word for word in words if word.isalpha() and word != "rg"}
    assert len(leaves) >= 6
    for leaf in leaves:
        assert f"/{leaf}`" in text, leaf
    for name in re.findall(
        r'"((?:member|credential|consent|offer|config|key|binding|lease|coupons|segments|prices|scan|content|brand)\.[a-z]+)"',
        Path(ops.__file__).read_text(),
    ):
        assert f"`{name}`" in text, name
    for word in (*Purpose, *ConsentState):
        assert f"`{word}`" in text, word


def choices(model: type[BaseModel]) -> Iterator[tuple[str, set[str]]]:
    """Every field of a body, and of what is in it, that has one of a few words, with the words."""
    for name, field in model.model_fields.items():
        stack = [field.annotation]
        while stack:
            kind = stack.pop()
            if get_origin(kind) is Literal:
                yield name, {str(word) for word in get_args(kind)} - {""}
            elif isinstance(kind, type) and issubclass(kind, Enum):
                yield name, {str(word) for word in kind}
            elif isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from choices(kind)
            else:
                stack.extend(get_args(kind))


BODIES = (
    *(forms.OfferBody, forms.LearningBody, forms.LeaseBody, forms.CouponsBody),
    *(prices.PricesBody, prices.ScanBody, segments.SegmentsBody, stock.StockBody),
    *(content.ContentBody, content.BrandBody),
)


@pytest.mark.parametrize("form", BODIES, ids=lambda form: form.__name__)
def test_every_field_of_an_order_for_offers_and_tills_is_documented_with_its_words(form: type[BaseModel]) -> None:
    lines = doc("docs/mqtt.md").splitlines()
    for name in keys(form) - {"segments"}:
        assert any(f"`{name}`" in line for line in lines), name
    words = [*choices(form)]
    if form is forms.OfferBody:  # the gate and the pages narrow what the form lets through
        words = [one for one in words if one[0] != "purpose"]
        words += [("art", set(ART)), ("purpose", {str(one) for one in OFFER_PURPOSES})]
        assert {"audience", "channels", "what", "per", "calendar"} <= {name for name, _ in words}
    for name, known in words:
        assert any(f"`{name}`" in line and all(f"`{one}`" in line for one in known) for line in lines), name


def test_every_credential_kind_is_documented_and_every_example_is_an_op() -> None:
    text = doc("docs/mqtt.md")
    examples = [json.loads(line) for line in text.splitlines() if line.startswith('{"op"')]
    kinds = [change.kind for change in map(ops.parse, examples) if isinstance(change, CredentialPut)]
    assert {kind for kind in CredentialKind if kind.tapped} < set(kinds)
    assert {CredentialKind.EID, CredentialKind.APP, CredentialKind.IBEACON} < set(kinds)
    for kind in CredentialKind:
        assert re.search(rf"^\| (`\w+`, )*`{kind}`", text, re.MULTILINE), kind


def test_every_example_is_taken_from_a_file_or_named_as_one_that_is_not(tmp_path: Path) -> None:
    lines = [line for line in doc("docs/mqtt.md").splitlines() if line.startswith('{"op"')]
    (said,) = re.findall(r"stands in\nno file: ([^.]+(?:\.[a-z]+[^.]*)*)\. Texts", doc("docs/mqtt.md"))
    made = set(re.findall(r"`([a-z]+\.[a-z]+)`", said))
    known = set(re.findall(r'case "([a-z]+\.[a-z]+)"', doc("sync/ops.py"))) | {"scan.put", *spent.OPS}
    assert known == made | set(orders.ALL_OPS)
    assert not made & set(orders.ALL_OPS)
    file = tmp_path / "all.jsonl"
    file.write_text("\n".join(line for line in lines if json.loads(line)["op"] in orders.ALL_OPS))
    assert {op["op"] for op in orders.read_ops(file)} >= {"purchases.put", "config.put", "stock.put", "scan.put"}
    assert service.import_file(tmp_path / "hq.db", file)[0] > 10


def test_a_credentials_text_is_given_beside_its_hex() -> None:
    text = doc("docs/mqtt.md")
    for kind in ("ndef", "signed", "pass"):
        value = re.search(rf'"kind": "{kind}", "value": "([0-9a-f]+)"', text)
        said = re.search(rf"`{kind}` (?:is|the id|the pass's value) `([^`]+)`", text)
        assert value is not None
        assert said is not None
        assert bytes.fromhex(value[1]).decode() == said[1]


def test_the_console_shows_the_wording_that_the_privacy_page_gives() -> None:
    page = re.sub(r"\n(> )?", " ", doc("docs/privacy-details.md"))
    source = doc("sync/hq/static/words.js")
    assert f'"{TRACKABLE_WORDING}": {{' in source
    shown = re.findall(r'^    (?:de|en): "([^"]{200,})",$', source, re.MULTILINE)
    assert len(shown) == 2
    for wording in shown:
        assert wording in page
    assert page.count(f"Version {TRACKABLE_WORDING}") == 2


def test_every_proof_on_the_privacy_page_exists() -> None:
    named = set(re.findall(r"`(test_\w+\.py)`", doc("docs/privacy.md")))
    assert len(named) > 20
    assert [name for name in sorted(named) if not (ROOT / "tests" / name).exists()] == []
    for purpose in Purpose:
        assert f"| `{purpose}` |" in doc("docs/privacy.md")


def test_every_event_type_is_documented() -> None:
    text = doc("docs/mqtt.md")
    names = ("advice.py", "apply.py", "binding.py", "decisions.py", "taps.py", "visits.py", "tables/history.py")
    names += ("forgetting.py", "lapses.py", "records.py", "tables/consents.py", "tables/parked.py")
    names += ("contents.py",)
    source = "".join((ROOT / "gateway" / name).read_text() for name in names)
    kinds = "visit|decision|offer|handshake|consent|credential|sale|erasure|segment|segments"
    found = re.findall(rf'"((?:{kinds})\.[a-z]+)"', source)
    assert {"segment.changed", "segments.refused"} <= set(found)
    assert len(set(found)) > 10
    for name in found:
        assert f"`{name}`" in text, name


def test_every_route_is_documented() -> None:
    clock, health = Clock(), Health()
    app = create_app(FakePath(), Hub(clock, health), health, clock, "key", "0")
    text = doc("docs/api.md")
    routes = [route.path for route in app.routes if isinstance(route, APIRoute)]
    assert len(routes) > 8
    for route in routes:
        assert f"`{route}`" in text or f" {route}`" in text, route


def test_every_module_is_on_the_map() -> None:
    text = doc("ARCHITECTURE.md")
    for package in ("gateway", "drivers", "display", "sync"):
        for path in (ROOT / package).rglob("*.py"):
            if path.name != "__init__.py":
                assert path.name in text or path.name.removesuffix(".py") in text, path


@pytest.mark.parametrize("page", [*sorted(p.name for p in ROOT.glob("*.md")), "docs"])
def test_links_between_pages_lead_somewhere(page: str) -> None:
    files = sorted((ROOT / "docs").glob("*.md")) if page == "docs" else [ROOT / page]
    for file in files:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", file.read_text()):
            assert (file.parent / target).exists(), f"{file.name}: {target}"


def test_the_help_of_the_command_line_works() -> None:
    done = subprocess.run([sys.executable, "-m", "gateway", "--help"], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0
    assert "demo" in done.stdout


def test_every_field_of_a_consent_and_every_reason_is_documented() -> None:
    text = doc("docs/mqtt.md")
    for field in dataclasses.fields(ConsentRecord):
        assert f"`{field.name}`" in text, field.name
    for word in (*AgeGate, *ClockQuality):
        assert f"`{word}`" in text, word
    source = doc("gateway/core/consent.py")
    reasons = re.findall(r'"consent\.([a-z_]+)"', source) + re.findall(r'return "([a-z_]+)"', source)
    assert len(set(reasons)) > 8
    for reason in reasons:
        assert reason == "given" or f"`consent.{reason}`" in text, reason
    for reason in re.findall(r'return "([a-z]+)"', doc("sync/hq/consents.py")):
        assert f"`{reason}`" in text, reason
