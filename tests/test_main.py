"""The command line: words and exit codes that a script and a person can rely on."""

import json
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC

from drivers.people import population
from gateway import __main__
from gateway.core import sealing
from gateway.core.changes import OutboxRow
from gateway.results import Result
from gateway.store import Store
from sync.event_messages import EventBatch
from sync.hq.ledger import Ledger
from sync.messages import State
from sync.topics import Topics

ROOT = Path(__file__).parents[1]
GOOD = '[gateway]\ntenant = "t"\nstore = "s"\nid = "g"\ndata_dir = "{data}"\n[http]\nport = 0\n'


@pytest.fixture(autouse=True)
def own_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test's process keeps its own log."""
    monkeypatch.setattr("gateway.logs.set_up", lambda: None)


def gateway(*arguments: object, **more: object) -> subprocess.CompletedProcess[str]:
    """The command as a process of its own."""
    command = [sys.executable, "-m", "gateway", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60, **more)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "gateway.toml"
    path.write_text(GOOD.format(data=tmp_path / "data"))
    return path


def test_a_good_file_is_ok(config: Path, capsys) -> None:
    assert __main__.main(["check-config", str(config)]) == 0
    assert "ok" in capsys.readouterr().out


def test_a_broken_file_is_named_and_exits_78(config: Path) -> None:
    config.write_text(config.read_text().replace('"t"', '"T T"').replace("port = 0", 'port = "x"'))
    done = gateway("check-config", config)
    assert done.returncode == 78
    assert done.stdout == ""
    assert f"{config}:2: gateway.tenant: expected 1-24" in done.stderr
    assert f"{config}:7: http.port: expected integer" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "break_it",
    [
        lambda data: (data / "gateway.db").write_bytes(b"rubbish" * 1_000),
        lambda data: (data / "site.key").write_text("short"),
        lambda data: newer(data / "gateway.db"),
    ],
    ids=["no database", "no key", "newer database"],
)
def test_what_the_operator_must_mend_exits_78(config: Path, tmp_path: Path, break_it) -> None:
    data = tmp_path / "data"
    data.mkdir()
    break_it(data)
    done = gateway("run", "--config", config)
    assert done.returncode == 78, done.stderr
    assert str(data) in done.stderr or "newer release" in done.stderr
    assert "Traceback" not in done.stderr


def newer(path: Path) -> None:
    Store(path, "e" * 32, bytes(32)).close()
    with sqlite3.connect(path) as db:
        db.execute("INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('gateway', 'of_2030', '')")
    db.close()


def test_a_recording_is_replayed_and_counted() -> None:
    done = gateway("replay", ROOT / "tests" / "recordings" / "shop_minute.jsonl", "--json")
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)["counts"]
    assert counts["ble.strangers"] + counts["ble.find_hub"] > 1_000
    assert gateway("replay", "absent.jsonl").returncode == 78


def test_what_needs_other_modules_is_named_with_its_line_too(config: Path) -> None:
    tables = '[mqtt]\nhost = "x"\nca_file = "/no/ca.pem"\n[[source]]\npath = "sim:abc"\n'
    config.write_text(config.read_text() + tables + '[[source]]\npath = "replay:f?speed=fast"\n')
    done = gateway("check-config", config)
    assert done.returncode == 78
    for line, words in ((10, "mqtt.ca_file: expected a file"), (12, "source[1].path: "), (14, "source[2].path: ")):
        assert f"{config}:{line}: {words}" in done.stderr, done.stderr
    assert gateway("run", "--config", config).returncode == 78


def test_what_is_heard_is_recorded_and_can_be_replayed(config: Path, tmp_path: Path) -> None:
    config.write_text(config.read_text() + '[[source]]\npath = "sim:1?members=5&strangers=50"\n')
    out = tmp_path / "out.jsonl"
    done = gateway("record", "--config", config, "--out", out, "--seconds", 4)
    assert done.returncode == 0, done.stderr
    assert "Stop the gateway's service first" in done.stderr
    assert "eid" in done.stdout
    assert gateway("replay", out).returncode == 0
    assert gateway("record", "--config", config, "--out", out).returncode == 78
    assert "there already" in gateway("record", "--config", config, "--out", out).stderr


def test_what_is_no_recording_fails(tmp_path: Path) -> None:
    (tmp_path / "letter").write_text("Dear shop,\n")
    done = gateway("replay", tmp_path / "letter")
    assert done.returncode == 1
    assert "holds no advertisement" in done.stderr


def test_the_tablet_link_is_always_the_same(config: Path) -> None:
    first, second = gateway("tablet-link", "--config", config), gateway("tablet-link", "--config", config)
    assert first.stdout == second.stdout
    assert "/tablet?key=" in first.stdout.splitlines()[0]


def test_the_verbs_of_headquarters(tmp_path: Path, capsys) -> None:
    db, members = tmp_path / "hq.db", tmp_path / "members.jsonl"
    members.write_text("".join(json.dumps(op) + "\n" for op in population(1, 2)))

    def hq(verb: str, *arguments: object) -> str:
        assert __main__.main(["hq", verb, "--db", str(db), *map(str, arguments)]) == 0
        return capsys.readouterr().out

    assert __main__.main(["hq", "import-members", "--db", str(db), str(members)]) == 78
    assert "which hq serve makes" in capsys.readouterr().err
    assert not db.exists()
    Ledger(db).close()
    assert "changes recorded" in hq("import-members", members)
    assert "withdrawn" in hq("withdraw", "m-001", "--purpose", "staff_advice")
    assert "withdrawn" in hq("withdraw", "m-001")
    offers = tmp_path / "offers.jsonl"
    offers.write_text(json.dumps({"op": "offer.put", "body": {"offer_id": "o1", "title": {"en": "Tea"}, "text": {}}}))
    assert "1 change recorded" in hq("publish-offers", offers)
    assert __main__.main(["hq", "erase", "--db", str(db), "m-012"]) == 78, "a slip of the pen is not obeyed for good"
    assert "--even-unknown" in capsys.readouterr().err
    assert __main__.main(["hq", "erasures", "--db", str(db)]) == 0
    assert capsys.readouterr() == ("", "nobody was erased yet\n")
    assert "erased (order 1)" in hq("erase", "m-012", "--even-unknown")
    assert json.loads(hq("erasures"))["seq"] == 1
    assert hq("erasures", "--receipts", "1") == ""
    assert __main__.main(["hq", "erasures", "--db", str(db), "--pending"]) == 0
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", "nothing waits\n")
    assert __main__.main(["hq", "erasures", "--db", str(db), "--receipts", "99"]) == 78
    assert "no such order" in capsys.readouterr().err
    for verb in ("approve-erasure", "refuse-erasure"):
        assert __main__.main(["hq", verb, "--db", str(db), "m-012"]) == 78
    shop = tmp_path / "shop.json"
    shop.write_text('{"store_name": {"de": "Muster"}}')
    assert __main__.main(["hq", "push-config", "--db", str(db), str(shop)]) == 78
    assert "notice" in capsys.readouterr().err
    assert "recorded" in hq("push-config", shop, "--without-notice")
    beacon_public = "09" + "00" * 31
    line = hq("provision-beacon", beacon_public, "--member", "m-002", "--credential", "m-002-fob")
    (tmp_path / "beacon.jsonl").write_text(line)
    assert "1 change recorded" in hq("import-members", tmp_path / "beacon.jsonl")
    key = tmp_path / "sun.json"
    hq("make-key", "sun", "--out", key)
    for use, *own in (("hce",), ("tag",), ("smarttap", "--collector", "20180608"), ("vas", "--pass-type-id", "pass.x")):
        hq("make-key", use, *own, "--out", tmp_path / f"{use}.json")
    assert json.loads((tmp_path / "smarttap.json").read_text())["material"]["collector"] == "0133ee80"
    for missing in ("smarttap", "vas"):
        assert __main__.main(["hq", "make-key", missing, "--out", str(tmp_path / "not-made")]) == 78
    assert "expected --" in capsys.readouterr().err
    assert __main__.main(["hq", "push-key", "--db", str(db), str(key), "--gateway", "all"]) == 78
    assert "no such gateway" in capsys.readouterr().err
    show_key(db, 1)
    assert "sealed for 1 gateway" in hq("push-key", key, "--gateway", "t/s/g")
    other = show_key(db, 2)
    assert __main__.main(["hq", "push-key", "--db", str(db), str(key), "--gateway", "all"]) == 1
    assert "another public key" in capsys.readouterr().err
    line = json.loads(hq("gateways"))
    groups = line["pending_key"].split(" ")
    assert (line["gateway"], "".join(groups), len(line["keys"])) == ("t/s/g", other, 1)
    assert [len(group) for group in groups] == [8] * 8, "as the doctor shows it"
    assert __main__.main(["hq", "gateways", "--db", str(db)]) == 0
    said = capsys.readouterr().err
    assert "compare all eight groups" in said
    assert groups[0] not in said, "no command to paste: the key is to come from the box"
    assert __main__.main(["hq", "trust-gateway", "--db", str(db), "t/s/g", "ab" * 32]) == 78
    assert "the box itself shows" in capsys.readouterr().err
    assert "trusted" in hq("trust-gateway", "t/s/g", *groups)
    assert "taken from 1 gateway" in hq("drop-key", json.loads(key.read_text())["key_id"], "--gateway", "all")
    assert re.fullmatch(r"[0-9]{8}\n", hq("bind", "m-002", "--minutes", "5"))
    assert __main__.main(["hq", "bind", "--db", str(db), "m-002"]) == 0
    assert "recognise_nfc" not in capsys.readouterr().err
    hq("withdraw", "m-002")
    assert __main__.main(["hq", "bind", "--db", str(db), "m-002"]) == 0
    assert "agrees to recognise_nfc" in capsys.readouterr().err
    assert hq("erase", "m-001").startswith("erased (order 2); version ")
    assert hq("erase", "m-001") == "was erased before (order 2)\n"
    assert "1 change recorded" in hq("import-members", members)  # the configuration again, and nobody who was erased
    assert "known already" in hq("import-members", members)
    assert hq("events") == ""
    assert __main__.main(["hq", "events", "--db", str(tmp_path / "absent.db")]) == 78
    assert not (tmp_path / "absent.db").exists()
    assert __main__.main(["hq", "serve", "--mqtt-password-file", str(tmp_path / "absent")]) == 78
    capsys.readouterr()
    offers.write_text('{"op": "offer.put", "body": {"wrong": 1}}')
    assert __main__.main(["hq", "publish-offers", "--db", str(db), str(offers)]) == 78
    said = capsys.readouterr().err
    assert f"{offers}:1" in said
    assert "offer_id" in said


def test_the_newest_events_or_those_after_one_are_listed_in_their_order(tmp_path: Path, capsys) -> None:
    db = tmp_path / "hq.db"
    with closing(Ledger(db)) as ledger:
        rows = tuple(OutboxRow(number, number, "visit.entered", "{}") for number in range(1, 8))
        ledger.ingest(Topics("t", "s", "g"), EventBatch("ab" * 16, 1, 7, rows), 5)

    def listed(*more: str) -> list[int]:
        assert __main__.main(["hq", "events", "--db", str(db), *more]) == 0
        return [json.loads(line)["seq"] for line in capsys.readouterr().out.splitlines()]

    assert listed() == [1, 2, 3, 4, 5, 6, 7]
    assert listed("--last", "3") == [5, 6, 7]
    assert listed("--last", "99") == [1, 2, 3, 4, 5, 6, 7]
    assert listed("--after", "2", "--limit", "3") == [3, 4, 5]
    for wrong in (("--last", "3", "--after", "2"), ("--last", "0"), ("--limit", "-1")):
        with pytest.raises(SystemExit):
            listed(*wrong)
    capsys.readouterr()
    with pytest.raises(SystemExit):
        __main__.main(["hq", "events", "--help"])
    told = " ".join(capsys.readouterr().out.split())
    assert "the very newest at the end" in told
    assert "at most after --after" in told


def show_key(db: Path, seed: int) -> str:
    """A gateway connects and shows its public key."""
    key = sealing.public_key(bytes([seed]) * 32)
    with closing(Ledger(db)) as ledger:
        ledger.saw_state(Topics("t", "s", "g"), State(True, seed, "ab" * 16, 0, key), 1)
    return key.hex()


def test_bench_prints_a_table_or_json(capsys, monkeypatch) -> None:
    monkeypatch.setattr("gateway.bench_ingest.ingest", lambda corpus: [Result("stranger_us", 1.5, "us", "at most 5")])
    assert __main__.main(["bench", "ingest", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert {"name", "value", "unit", "goal", "verdict", "peers", "absent"} == set(printed[0])
    assert __main__.main(["bench", "ingest"]) == 0
    printed = capsys.readouterr().out
    assert "stranger_us" in printed
    assert "at most 5: reached" in printed


def test_a_survey_in_files_becomes_a_radio_map(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recorded = Path(__file__).parent / "recordings" / "zones"
    files = [str(recorded / "receivers.csv"), str(recorded / "fingerprints.csv")]
    assert __main__.main(["calibrate", "--out", str(tmp_path / "map.json"), "--from-csv", *files]) == 0
    assert (tmp_path / "map.json").exists()
    assert "81 points" in capsys.readouterr().out


def test_an_old_map_does_not_stand_in_the_way_of_a_new_walk(config: Path, tmp_path: Path, capsys) -> None:
    config.write_text(config.read_text() + f'\n[presence]\nradio_map = "{tmp_path / "absent.json"}"\n')
    assert __main__.main(["check-config", str(config)]) == 78
    assert "absent.json" in capsys.readouterr().err
    walk = ["calibrate", "--config", str(config), "--out", str(tmp_path / "map.json"), "--beacon", "uid:" + "0" * 32]
    assert __main__.main(walk) == 78
    assert "no Bluetooth source" in capsys.readouterr().err


def test_evaluating_what_is_not_there_says_what_was_expected(tmp_path: Path) -> None:
    assert __main__.main(["evaluate", "zones", "--data", str(tmp_path)]) == 78
    assert __main__.main(["calibrate", "--out", str(tmp_path / "map.json")]) == 78


def test_the_key_of_one_tag_is_derived_from_the_file(tmp_path: Path, capsys) -> None:
    file, shared = tmp_path / "sun.json", tmp_path / "shared.json"
    uid, system = "04de5f1eacc040", "53484f50"
    assert __main__.main(["hq", "make-key", "sun", "--system", system, "--out", str(file)]) == 0
    capsys.readouterr()
    ask = ["hq", "tag-key", "--uid", uid, "--key"]
    assert __main__.main([*ask, str(file)]) == 0
    told = capsys.readouterr()
    material = json.loads(file.read_text())["material"]
    assert (material["diversified"], material["system"]) == (True, system)
    mac = CMAC(AES(bytes.fromhex(material["file"])))  # two blocks: from 16 bytes on AN10922 is a plain CMAC
    mac.update(bytes.fromhex("01" + uid + "d2760000850101" + system))
    assert told.out == mac.finalize().hex() + "\n"
    assert material["file"] not in told.out + told.err
    assert __main__.main(["hq", "tag-key", "--uid", "04de5f1e", "--key", str(file)]) == 78
    assert "14 hex digits" in capsys.readouterr().err
    assert __main__.main(["hq", "make-key", "sun", "--no-diversified", "--out", str(shared)]) == 0
    assert __main__.main([*ask, str(shared)]) == 78
    assert "not diversified" in capsys.readouterr().err
    assert __main__.main(["hq", "make-key", "hce", "--out", str(tmp_path / "hce.json")]) == 0
    assert __main__.main([*ask, str(tmp_path / "hce.json")]) == 78
    assert "a key of use sun" in capsys.readouterr().err
    assert __main__.main(["hq", "make-key", "sun", "--system", "SHOP", "--out", str(tmp_path / "no.json")]) == 78
    assert "make-key sun: system" in capsys.readouterr().err


def test_a_tag_is_signed_with_the_issuing_file(tmp_path: Path, capsys) -> None:
    assert __main__.main(["hq", "make-key", "tag", "--out", str(tmp_path / "tag.json")]) == 0
    sign = ["hq", "sign-tag", "--id", "4711", "--base", "https://join.example/t", "--uid", "04de5f1eacc040"]
    assert __main__.main([*sign, "--key", str(tmp_path / "tag.issuing.json")]) == 0
    assert capsys.readouterr().out.startswith("https://join.example/t?i=4711&k=")
    assert __main__.main([*sign, "--key", str(tmp_path / "tag.json")]) == 78
    assert "the issuing file" in capsys.readouterr().err


def test_the_key_of_a_shops_coupons_goes_to_its_own_gateway_only(tmp_path: Path, capsys) -> None:
    db, key = tmp_path / "hq.db", tmp_path / "till.json"
    assert __main__.main(["hq", "make-key", "coupon", "--out", str(key)]) == 0
    said = capsys.readouterr().err
    assert "--gateway TENANT/STORE/ID" in said
    assert "coupons.put" in said
    show_key(db, 1)
    push = ["hq", "push-key", "--db", str(db), str(key), "--gateway"]
    assert __main__.main([*push, "all"]) == 78
    assert "each shop signs coupons with a key of its own" in capsys.readouterr().err
    assert __main__.main([*push, "t/s/g"]) == 0
