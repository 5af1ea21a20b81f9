"""gateway.scanner: the program as it is shipped, over a real broker to a gateway; and what an eavesdropper finds."""

import asyncio
import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers import tags
from drivers.ears import Ears
from gateway import scanner
from gateway.__main__ import main
from gateway.clock import ShopClock
from gateway.core.identity import static_digest
from gateway.core.model import CredentialKind, Token
from gateway.errors import ConfigError
from gateway.health import Health
from gateway.scanner import FilterEars
from sync import ear_messages, sieve, topics
from sync.ear_messages import VALUE_BYTES, EarState, Frame, Heard
from tests.rigs.broker import Broker, free_port
from tests.rigs.earshot import (
    ANCHOR,
    PLACE,
    RECEIVER,
    SITE_KEY,
    Shop,
    advert,
    hearing,
    scanner_config,
    scanning,
    until,
    write_site_key,
)
from tests.rigs.leaks import contents, search
from tests.rigs.system import Process, System, get, wait_for
from tests.rigs.wiretap import Wiretap

FEAA = "0000feaa-0000-1000-8000-00805f9b34fb"
OTHERS = {
    "ear.find_hub": b"\x02\x01\x06\x19\x16\xaa\xfe\x40" + bytes(range(21)),
    "ear.ios_overflow": bytes.fromhex("02011a14ff4c000100000000000000020000000000000000"),
    "ear.not_ours": bytes.fromhex("0aff590001020304050607"),
}


@pytest.fixture
def broker() -> Iterator[Broker]:
    with Broker() as running:
        yield running


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """One advertisement that is nobody's."""
    path = tmp_path / "recording.jsonl"
    path.write_text(json.dumps({"t_ms": 0, "receiver": "r", "kind": "adv", "rssi": -60, "adv": "020106"}) + "\n")
    return path


class Listening:
    def __init__(self) -> None:
        self.health = Health()
        self.tokens: list[tuple[Token, int]] = []
        self.clock = ShopClock()
        self.ears = FilterEars(lambda *heard: self.tokens.append(heard), [ANCHOR], self.clock, self.health)


# --- the ears --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", sorted(VALUE_BYTES))
def test_tokens_of_every_kind_go_to_the_sieve(kind: CredentialKind) -> None:
    listening = Listening()
    token = Token(kind, bytes(range(VALUE_BYTES[kind])))
    listening.ears.heard("r", -61, advert(token), b"\x41" * 6)
    assert listening.tokens == [(token, -61)]
    assert listening.health.counts == {"ear.adverts": 1}


def test_fields_of_a_host_stack_do_the_same() -> None:
    listening = Listening()
    listening.ears.heard_fields("r", -61, {FEAA: b"\x30\xee" + bytes(8)}, {}, (), b"\x41" * 6)
    listening.ears.heard_fields("r", -61, {FEAA: b"\x30\xee" + bytes(9)}, {})
    listening.ears.heard_fields("r", -61, {}, {0x0059: b"1234"})
    assert listening.tokens == [(Token(CredentialKind.EID, bytes(8)), -61)]
    assert listening.health.counts == {"ear.adverts": 3, "ear.malformed.eid_length": 1, "ear.not_ours": 2}


def test_what_is_none_of_our_kinds_is_counted_and_gone() -> None:
    listening = Listening()
    for ad in OTHERS.values():
        listening.ears.heard("r", -61, ad)
    listening.ears.heard("r", -61, advert(Token(CredentialKind.EID, bytes(range(8))))[:-1])
    listening.ears.touched("r", tags.encode_uri("https://shop.example/c/1"))
    assert listening.tokens == []
    expected = dict.fromkeys(OTHERS, 1) | {"ear.adverts": 4, "ear.malformed.ad_length": 1, "ear.taps": 1}
    assert listening.health.counts == expected | {"ear.not_ours": 2}


def test_an_anchor_tells_each_receiver_when_it_last_heard_one() -> None:
    listening = Listening()
    assert listening.ears.has_anchors
    listening.ears.heard("r", -61, advert(Token(CredentialKind.UID, bytes(16))))
    assert listening.ears.last_anchor_ms("r") is None
    before_ms = listening.clock.now_ms()
    for number in range(scanner.MAX_RECEIVERS + 5):
        listening.ears.heard(f"r{number}", -61, advert(ANCHOR))
    last_ms = listening.ears.last_anchor_ms("r0")
    assert last_ms is not None
    assert last_ms >= before_ms
    assert listening.ears.last_anchor_ms(f"r{scanner.MAX_RECEIVERS}") is None  # a recording's names do not pile up


def test_a_flood_at_one_radio_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drivers.flood.MAX_PER_S", 10)
    listening = Listening()
    for _ in range(100):
        listening.ears.heard("r", -61, advert(ANCHOR))
        listening.ears.heard_fields("r", -61, {FEAA: b"\x30\xee" + bytes(8)}, {})
    assert 10 <= len(listening.tokens) <= 20  # the second may have changed meanwhile
    assert listening.health.counts["ear.flood"] == 200 - len(listening.tokens)


def test_every_public_method_of_the_ears_is_the_scanners_own() -> None:
    public = {name for name in vars(Ears) if not name.startswith("_")}
    assert "last_anchor_ms" in public
    gateways_own = {"heard_token"}  # no source calls it
    assert public - gateways_own <= set(vars(FilterEars))


# --- the file ---------------------------------------------------------------------------------------------------

FILE = """\
[scanner]
tenant = "acme"
store = "berlin"
gateway = "gw1"
id = "wine"
[mqtt]
host = "127.0.0.1"
port = {port}
[[source]]
path = "{path}"
"""


def write(folder: Path, path: str, more: str = "", port: int = 1883) -> Path:
    file = folder / "scanner.toml"
    file.write_text(FILE.format(path=path, port=port).replace('id = "wine"\n', f'id = "wine"\n{more}'))
    return file


@pytest.mark.parametrize(
    ("path", "more", "words"),
    [
        ("sim:x", "", ":10: source[1].path: sim:x: the seed must be a whole number"),
        ("sim:1?speed=10", "", ":10: source[1].path: sim:1?speed=10: a scanner hears in real time"),
        ("sim:1", 'site_key_file = "/absent/site.key"\n', ":6: scanner.site_key_file: /absent/site.key: is no key"),
    ],
)
def test_what_cannot_work_is_named_with_its_line(tmp_path: Path, path: str, more: str, words: str) -> None:
    file = write(tmp_path, path, more)
    with pytest.raises(ConfigError) as caught:
        scanner.load(file)
    assert words in str(caught.value)


def test_check_config_knows_a_scanners_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-config", str(write(tmp_path, "sim:1"))]) == 0
    assert "ok" in capsys.readouterr().out
    assert main(["check-config", str(write(tmp_path, "nfc:/dev/x"))]) == ConfigError.EXIT_STATUS


# --- end to end -------------------------------------------------------------------------------------------------


@pytest.mark.broker
@pytest.mark.parametrize("kind", [CredentialKind.EID, CredentialKind.IBEACON])
async def test_a_member_beside_the_scanner_is_sighted_by_the_gateway(
    broker: Broker, tmp_path: Path, recording: Path, kind: CredentialKind
) -> None:
    shop = Shop(broker.port, members=50)
    config = scanner_config(broker.port, write_site_key(tmp_path), recording)
    token = shop.eid(3) if kind is CredentialKind.EID else shop.ibeacon(3)
    async with hearing(shop), scanning(config) as ear:
        await until(shop.is_up)
        await until(lambda: shop.sightings, lambda: ear.ears.heard("r", -61, advert(token)))
    assert {sighting.member_id for sighting in shop.sightings} == {"m3"}
    assert {sighting.receiver for sighting in shop.sightings} == {RECEIVER}
    assert ear.health.counts["ear.unanswered"] >= 1


@pytest.mark.broker
async def test_an_anchor_passes_without_any_key(broker: Broker, recording: Path) -> None:
    shop = Shop(broker.port)
    async with hearing(shop), scanning(scanner_config(broker.port, None, recording)) as ear:
        await until(shop.is_up)
        await until(lambda: shop.tokens, lambda: ear.ears.heard("r", -61, advert(ANCHOR)))
        ear.ears.heard("r", -61, advert(shop.ibeacon(0)))
    assert set(shop.tokens) == {ANCHOR}
    assert ear.health.counts["ear.no_site_key"] == 1


@pytest.mark.broker
async def test_a_withdrawal_reaches_the_scanner(broker: Broker, tmp_path: Path, recording: Path) -> None:
    shop = Shop(broker.port, members=2)
    token = shop.eid(0)
    async with hearing(shop), scanning(scanner_config(broker.port, write_site_key(tmp_path), recording)) as ear:
        await until(shop.is_up)
        await until(lambda: shop.sightings, lambda: ear.ears.heard("r", -61, advert(token)))
        shop.withdraw(0)
        strangers = ear.health.counts.get("ear.strangers", 0)

        def still_there() -> None:
            ear.ears.heard("r", -61, advert(token))

        await until(lambda: ear.health.counts.get("ear.strangers", 0) > strangers, still_there)
        passed = ear.health.counts["ear.passed"]
        for _ in range(100):
            still_there()
        await until(lambda: shop.tokens and shop.tokens[-1] == ANCHOR, lambda: ear.ears.heard("r", -61, advert(ANCHOR)))
        forwarded = ear.health.counts["ear.passed"] - passed
        assert forwarded == shop.tokens.count(ANCHOR)
        assert all(sighting.member_id == "m0" for sighting in shop.sightings)


@pytest.mark.broker
async def test_a_broker_that_dies_and_comes_back_is_survived(broker: Broker, tmp_path: Path, recording: Path) -> None:
    shop = Shop(broker.port)
    async with hearing(shop), scanning(scanner_config(broker.port, write_site_key(tmp_path), recording)) as ear:
        await until(shop.is_up)
        await until(lambda: shop.sightings, lambda: ear.ears.heard("r", -61, advert(shop.eid(0))))
        broker.kill()
        await until(lambda: ear.health.counts.get("ear.losses", 0))
        ear.ears.heard("r", -61, advert(shop.eid(0)))
        broker.start()
        before = len(shop.sightings)
        await until(lambda: len(shop.sightings) > before, lambda: ear.ears.heard("r", -61, advert(shop.eid(0))))
        await until(shop.is_up)
    assert ear.health.counts.get("supervisor.crashes", 0) == 0


@pytest.mark.broker
async def test_two_scanners_with_one_id_are_shown(
    broker: Broker, tmp_path: Path, recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sync.earshot.LAST_WORDS_MS", 100)
    monkeypatch.setattr("sync.ear.BEAT_S", 0.1)
    shop = Shop(broker.port)
    config = scanner_config(broker.port, write_site_key(tmp_path), recording)
    async with hearing(shop), scanning(config) as first:
        await until(shop.is_up)
        await until(lambda: shop.sightings, lambda: first.ears.heard("r", -61, advert(shop.eid(0))))
        async with scanning(config) as second:
            await until(lambda: shop.part is not None and "two scanners share the id wine" in shop.part.detail)
            await until(lambda: second.health.counts.get("ear.connections") == 1)
            assert first.health.counts["ear.connections"] == 1, "neither throws the other out"


def crowd(shop: Shop, dice: random.Random) -> tuple[list[bytes], list[bytes]]:
    """Strangers of all our kinds: what identifies them, and their advertisements; some lie in a member's bucket."""
    tokens = [Token(kind, dice.randbytes(VALUE_BYTES[kind])) for kind in sorted(VALUE_BYTES) for _ in range(60)]
    tokens += [Token(CredentialKind.EID, shop.eid(n).value[:2] + dice.randbytes(6)) for n in range(20)]
    digests = [
        static_digest(SITE_KEY, token.kind, token.value) for token in tokens if token.kind not in ear_messages.ROTATING
    ]
    return [token.value for token in tokens] + digests, [advert(token) for token in tokens]


@pytest.mark.broker
async def test_nothing_of_a_stranger_is_ever_on_the_wire(broker: Broker, tmp_path: Path, recording: Path) -> None:
    shop, dice = Shop(broker.port, members=20), random.Random(20_261_122)
    secrets, adverts = crowd(shop, dice)
    addresses = [dice.randbytes(6) for _ in adverts]
    members = [advert(token) for n in range(20) for token in (shop.eid(n), shop.ibeacon(n))]
    wire = Wiretap(broker.port)
    async with hearing(shop), scanning(scanner_config(broker.port, write_site_key(tmp_path), recording)) as ear:
        await until(shop.is_up)

        def pass_by() -> None:
            for ad, address in zip(adverts, addresses, strict=True):
                ear.ears.heard("r", dice.randint(-95, -40), ad, address)
            for ad in members:
                ear.ears.heard("r", -61, ad, dice.randbytes(6))

        def enough() -> bool:
            counts = ear.health.counts
            return len(set(shop.tokens)) == 40 and counts.get("ear.strangers", 0) > 5 * len(adverts)

        await until(enough, pass_by)
        await asyncio.sleep(0.5)
    wire.close()
    hay = {f"message {number}": payload for number, payload in enumerate(wire.payloads)}
    items = secrets + addresses + [item for ad in adverts for item in contents(ad) if len(item) >= 6]
    for kind in ("ear", "beat", "epoch", "ask", "answer", "heard"):
        assert any(f'"type":"{kind}"'.encode() in payload for payload in hay.values()), kind
    assert any(shop.eid(0).value.hex().encode() in payload for payload in hay.values()), "members do travel"
    assert search(hay, items) == []
    assert {sighting.member_id for sighting in shop.sightings} == {f"m{n}" for n in range(20)}
    # The search would find it: a scanner without its sieve.
    leak = Heard("5e" * 8, 1, 0, (Frame(Token(CredentialKind.EID, secrets[0][:8]), -61, 0),))
    planted = ear_messages.heard(leak.boot, leak.seq, leak.sent_ms, leak.frames)
    for item in (secrets[0], secrets[-1], addresses[0]):
        assert search({"planted": planted + item.hex().encode()}, [item])
    assert search({"planted": planted}, [secrets[0][:8]])


@pytest.mark.broker
async def test_without_its_sieve_the_wiretap_would_find_strangers(
    broker: Broker, tmp_path: Path, recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sieve.Sieve, "_is_members", lambda self, token, now_ms: True)
    shop = Shop(broker.port)
    stranger = Token(CredentialKind.EID, bytes.fromhex("5eed5eed00c0ffee"))
    wire = Wiretap(broker.port)
    async with hearing(shop), scanning(scanner_config(broker.port, write_site_key(tmp_path), recording)) as ear:
        await until(shop.is_up)
        await until(lambda: shop.tokens, lambda: ear.ears.heard("r", -61, advert(stranger)))
    wire.close()
    assert shop.sightings == [], "the gateway's ears know better"
    assert search({str(n): payload for n, payload in enumerate(wire.payloads)}, [stranger.value])


@pytest.mark.broker
def test_the_program_runs_writes_nothing_and_ends_with_a_signal(broker: Broker, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    file = write(tmp_path, "sim:1", port=broker.port)
    file.chmod(0o444)
    wire = Wiretap(broker.port)
    process = Process(["scanner", "--config", str(file)], tmp_path / "log", {"HOME": str(home), "TMPDIR": str(home)})
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    process.start()
    try:
        state = PLACE.ear(topics.EAR_STATE, "wine").encode()
        wait_for(lambda: any(payload.startswith(state) for payload in list(wire.payloads)), "the scanner's birth")
        wait_for(lambda: any(b'"type":"beat"' in payload for payload in list(wire.payloads)), "its heartbeat")
    finally:
        assert process.stop() == 0
    wait_for(lambda: len([p for p in list(wire.payloads) if p.startswith(state)]) == 2, "its will")
    wire.close()
    after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    log = after.pop(tmp_path / "log").decode()
    assert after == before
    assert "no site_key_file" in log
    assert "Traceback" not in log
    births = [p.partition(b"\n")[2] for p in wire.payloads if p.startswith(state)]
    first, last = (ear_messages.parse_ear_state(payload) for payload in births)
    assert first == EarState(True, first.boot, 1)
    assert last == EarState(False, first.boot, 1)


@pytest.mark.broker
def test_two_processes_a_scanner_and_a_gateway(tmp_path: Path) -> None:
    tables = (
        '[[source]]\npath = "mqtt:scanner/wine"\nreceiver = "wine-ble"\n'
        '[[receiver]]\nid = "wine-ble"\nzone = "wine"\n[[screen]]\nid = "wine"\nzone = "wine"\n'
    )
    with System(tmp_path, tables) as system:
        key = tmp_path / "copy.key"
        assert main(["scanner-key", "--config", str(system.config), "--out", str(key)]) == 0
        file = write(tmp_path, "sim:1?members=12", f'site_key_file = "{key}"\n', system.broker.port)
        place = file.read_text().replace('"acme"', '"test"').replace('"berlin"', '"musterstadt"')
        file.write_text(place)
        process = Process(["scanner", "--config", str(file)], tmp_path / "scanner.log")
        process.start()
        try:
            part = "receiver:wine-ble"
            wait_for(lambda: parts(system).get(part) == "ok", "the scanner in the gateway's health")
            wait_for(lambda: any(event["type"] == "visit.entered" for event in system.events()), "a visit")
        finally:
            assert process.stop() == 0
        wait_for(lambda: parts(system).get(part) == "down", "the scanner's end in the gateway's health")


def parts(system: System) -> dict[str, str]:
    status = get(f"{system.url}/api/v1/status") or {"parts": []}
    return {part["name"]: part["state"] for part in status["parts"]}


def test_a_scanner_without_a_broker_says_so_and_goes_on(tmp_path: Path) -> None:
    process = Process(["scanner", "--config", str(write(tmp_path, "sim:1", port=free_port()))], tmp_path / "log")
    process.start()
    try:
        wait_for(lambda: "gateway is down: no connection" in (tmp_path / "log").read_text(), "its word in the journal")
    finally:
        assert process.stop() == 0
