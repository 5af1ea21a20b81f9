"""Key files: made fresh and private, read with every mistake named and no secret said, sealed for who may have them."""

import base64
import hashlib
import json
import secrets
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_public_key

from gateway.core import keyring, sealing
from gateway.core.changes import KeyPut
from gateway.core.keyring import KeyUse
from gateway.errors import ConfigError
from sync import messages
from sync.hq import keyfiles
from tests.rigs.terminalkeys import PRIVATE, material, secret

NOW_MS = 1_800_000_000_000
OWN: dict[KeyUse, dict[str, Any]] = {
    KeyUse.SMARTTAP: {"collector": "0133ee80", "version": 1},
    KeyUse.VAS: {"pass_type_id": "pass.example.loyalty"},
    KeyUse.SUN: {"diversified": True},
}
every = pytest.mark.parametrize("use", KeyUse)


def random(size: int) -> bytes:
    return hashlib.shake_256(b"gateway test key file").digest(size)


def written(path: Path, **own: object) -> Path:
    row = {
        "key_id": "sun-1",
        "use": "sun",
        "from": "2027-01-15T08:00:00+00:00",
        "until": None,
        "material": json.loads(material(KeyUse.SUN, "file")),
    } | own
    path.write_text(json.dumps({name: value for name, value in row.items() if value is not ...}))
    path.chmod(0o600)
    return path


def gateway(name: str, key: str = sealing.public_key(PRIVATE).hex(), pending: str = "") -> dict[str, Any]:
    return {"tenant": "acme", "store": "munich-1", "gateway": name, "key": key, "pending_key": pending}


@every
def test_what_is_made_can_be_read_and_pushed(use: KeyUse, tmp_path: Path) -> None:
    path = tmp_path / "new.json"
    paths = keyfiles.write(keyfiles.make(use, NOW_MS, random, OWN.get(use, {})), path)
    assert [p.stat().st_mode & 0o777 for p in paths] == [0o600] * len(paths)
    key = keyfiles.read(path)
    assert (key.use, key.from_ms, key.until_ms) == (use, NOW_MS, None)
    assert key.key_id.startswith(f"{use}-")
    parsed = keyring.parse(use, key.material)
    other = json.loads(paths[1].read_text()) if len(paths) > 1 else {}
    if use is KeyUse.TAG:
        assert "private" not in path.read_text()
        name, private = keyfiles.read_issuing(paths[1])
        assert isinstance(parsed, keyring.TagKey)
        assert (parsed.key_id, parsed.public) == (name, private.public_key())
    elif isinstance(parsed, keyring.CouponKey):
        shown = parsed.private.public_key().public_bytes_raw().hex()
        assert other == {"key_id": parsed.key_id, "key": shown}, "as coupons.put takes it"
    elif use is KeyUse.SUN:
        assert other == {}
        assert isinstance(parsed, keyring.SunKey)
        assert parsed.diversified
    else:
        assert not isinstance(parsed, keyring.TagKey | keyring.SunKey)
        assert load_pem_public_key(other["pem"].encode()) == parsed.private.public_key()
        assert len(bytes.fromhex(other["public"])) == 33
        assert "private" not in other
    if use is KeyUse.VAS:
        der = base64.b64decode(other["encryption_public_key"], validate=True)
        assert load_der_public_key(der) == parsed.private.public_key()
        assert len(der) == 59, "a compressed point; an uncompressed one makes 91"
    if isinstance(parsed, keyring.HceKey):
        assert other["key_id"] == parsed.key_id.hex(), "as phones name it"


@every
def test_two_keys_differ(use: KeyUse) -> None:
    one, two = (keyfiles.make(use, NOW_MS, secrets.token_bytes, OWN.get(use, {})) for _ in range(2))
    assert one.push["key_id"] != two.push["key_id"]
    assert one.push["material"] != two.push["material"]


@pytest.mark.parametrize("use", [KeyUse.SMARTTAP, KeyUse.VAS])
def test_what_a_use_needs_is_asked_for(use: KeyUse) -> None:
    with pytest.raises(ConfigError, match="expected another form"):
        keyfiles.make(use, NOW_MS, random, {})


def test_no_file_is_overwritten(tmp_path: Path) -> None:
    made = keyfiles.make(KeyUse.TAG, NOW_MS, random, {})
    (tmp_path / "tag.issuing.json").write_text("precious")
    with pytest.raises(ConfigError, match="expected a new file"):
        keyfiles.write(made, tmp_path / "tag.json")
    assert (tmp_path / "tag.issuing.json").read_text() == "precious"
    assert not (tmp_path / "tag.json").exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_key_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = written(tmp_path / "key.json")
    path.chmod(mode)
    with pytest.raises(ConfigError, match="chmod 600"):
        keyfiles.read(path)


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ({"use": "rsa"}, "a use is one of hce, smarttap, vas, sun, tag"),
        ({"use": []}, "a use is one of"),
        ({"from": 5}, "times such as"),
        ({"from": "2027-01-15T08:00:00"}, "times such as"),
        ({"from": "soon"}, "times such as"),
        ({"until": "2027-01-15T08:00:00+00:00"}, "after from"),
        ({"key_id": 7}, "a JSON object of key_id"),
        ({"key_id": "a b"}, "key_id: expected 1 to 64 letters"),
        ({"key_id": ""}, "key_id: expected 1 to 64 letters"),
        ({"key_id": "k" * 65}, "key_id: expected 1 to 64 letters"),
        ({"until": ...}, "a JSON object of key_id"),
        ({"more": 1}, "a JSON object of key_id"),
        ({"material": {}}, "expected the fields of sun"),
        ({"material": {"meta": secret("file"), "file": "x"}}, "see meta"),
        ({"material": secret("file")}, "see material"),
    ],
)
def test_a_mistake_is_named_and_nothing_of_the_key(tmp_path: Path, own: dict[str, Any], said: str) -> None:
    path = written(tmp_path / "key.json", **own)
    with pytest.raises(ConfigError) as caught:
        keyfiles.read(path)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)
    assert secret("file")[:16] not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b"{" * 9_000, b" " * 9_000])
def test_what_is_no_key_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key.json"
    path.write_bytes(content)
    path.chmod(0o600)
    for reading in (keyfiles.read, keyfiles.read_issuing):
        with pytest.raises(ConfigError):
            reading(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        keyfiles.read(tmp_path / "absent")


def test_each_gateway_gets_a_seal_of_its_own(tmp_path: Path) -> None:
    key = keyfiles.read(written(tmp_path / "key.json", until="2027-02-15T08:00:00+01:00"))
    ops, left_out = keyfiles.seal_for(key, [gateway("gw-1"), gateway("gw-2")])
    assert left_out == []
    for op, name in zip(ops, ("gw-1", "gw-2"), strict=True):
        change = messages.parse_op(op)
        assert isinstance(change, KeyPut)
        assert change.gateway == f"acme/munich-1/{name}"
        assert (change.until_ms or 0) - change.from_ms == 31 * 86_400_000 - 3_600_000
        bound = sealing.info(change.gateway, change.key_id, change.use, change.from_ms, change.until_ms)
        assert sealing.unseal(PRIVATE, change.sealed, bound) == key.material


def test_who_may_not_have_it_is_left_out_with_the_reason(tmp_path: Path) -> None:
    key = keyfiles.read(written(tmp_path / "key.json"))
    rows = [gateway("new", ""), gateway("swapped", pending="ab" * 32), gateway("odd", "00" * 32), gateway("good")]
    ops, left_out = keyfiles.seal_for(key, rows)
    assert [op["body"]["gateway"] for op in ops] == ["acme/munich-1/good"]
    assert [name for name, _ in left_out] == ["acme/munich-1/new", "acme/munich-1/swapped", "acme/munich-1/odd"]
    assert "trust-gateway" in left_out[1][1]


def test_what_is_printed_of_a_key_file_is_no_secret(tmp_path: Path) -> None:
    key = keyfiles.read(written(tmp_path / "key.json"))
    made = keyfiles.make(KeyUse.TAG, NOW_MS, random, {})
    assert secret("file")[:16] not in repr(key)
    assert made.other["private"] not in repr(made)
