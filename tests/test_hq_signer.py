"""The files of the root key and of the signing keys, and what is signed with them."""

import json
import os
import stat
from pathlib import Path

import pytest

from gateway.errors import ConfigError
from gateway.health import Health, State
from sync import messages, signing
from sync.hq import signer
from sync.signing import Role
from sync.topics import Topics
from tests.rigs.signed import DAY_MS, NOW_MS, Believer

PLACE = Topics("acme", "berlin", "gw1")
HEAD = messages.head(7, 3, 5, NOW_MS)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "root.json"
    signer.make_root(path, os.urandom)
    return path


def make(root: Path, roles: list[Role] | None = None, days: int = 365, now_ms: int = NOW_MS) -> Path:
    path = root.with_name("signing.json")
    signer.make_keys(root, path, roles or [*Role], days, now_ms, os.urandom)
    return path


def root_key(root: Path) -> bytes:
    """Its public half."""
    return bytes.fromhex(json.loads(root.read_text())["public"])


def numbers(path: Path) -> dict[str, int]:
    return {one.role: one.number for one in signing.parse_keys(signer.read(path).keys)}


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_what_it_signs_a_gateway_with_its_root_believes(root: Path) -> None:
    signs = signer.read(make(root))
    believer = Believer(root=root_key(root))
    assert await believer.verifier.learn(signs.keys) == (len(Role), [])
    for leaf in signing.ROLE_OF:
        sent = signs.sign(PLACE.down(leaf), leaf, HEAD, NOW_MS)
        assert await believer.verifier.open(PLACE.down(leaf), leaf, sent) == HEAD


def test_both_files_are_for_their_owner_alone(root: Path) -> None:
    path = make(root)
    assert (mode(root), mode(path)) == (0o600, 0o600)
    assert not path.with_name("signing.json.new").exists()
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="others can read"):
        signer.read(path)


def test_a_root_key_is_never_overwritten(root: Path) -> None:
    before = root.read_bytes()
    with pytest.raises(ConfigError, match="cannot be written"):
        signer.make_root(root, os.urandom)
    assert root.read_bytes() == before


def test_each_rotation_has_higher_numbers_whatever_the_clock_says(root: Path) -> None:
    path = make(root)
    first = numbers(path)
    second = numbers(make(root, now_ms=NOW_MS - 400 * DAY_MS))
    assert all(second[role] == first[role] + 1 for role in Role)
    third = numbers(make(root, [Role.CHANGE], now_ms=NOW_MS + DAY_MS))
    assert third == {**second, "change": (NOW_MS + DAY_MS) // 1_000}


def test_a_file_has_keys_of_all_roles(root: Path) -> None:
    with pytest.raises(ConfigError, match="keys of all roles"):
        make(root, [Role.CHANGE])
    assert not root.with_name("signing.json").exists()


def test_another_root_key_does_not_take_over_a_file(root: Path, tmp_path: Path) -> None:
    path = make(root)
    before = path.read_bytes()
    other = tmp_path / "other.json"
    signer.make_root(other, os.urandom)
    with pytest.raises(ConfigError, match="another root key"):
        signer.make_keys(other, path, [*Role], 1, NOW_MS, os.urandom)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "spoil",
    [
        lambda row: row.pop("root"),
        lambda row: row.update(use="root"),
        lambda row: row["keys"].pop(),
        lambda row: row["keys"][0].update(number=row["keys"][0]["number"] + 1),
        lambda row: row["keys"][0].update(number=-1),
        lambda row: row["keys"][0].update(until_ms="never"),
        lambda row: row["keys"][0].update(private="00"),
        lambda row: row["keys"][0].update(role="gardening"),
        lambda row: row.update(keys=7),
    ],
)
def test_a_file_that_is_not_whole_is_refused(spoil, root: Path) -> None:
    path = make(root)
    row = json.loads(path.read_text())
    spoil(row)
    path.write_text(json.dumps(row))
    with pytest.raises(ConfigError, match=str(path)):
        signer.read(path)


def test_what_is_no_root_key_certifies_nothing(root: Path, tmp_path: Path) -> None:
    path = make(root)
    for wrong in (path, tmp_path / "missing.json"):
        with pytest.raises(ConfigError, match=r"root key|a key file"):
            signer.make_keys(wrong, tmp_path / "new.json", [*Role], 1, NOW_MS, os.urandom)


def test_headquarters_is_told_in_time_that_its_keys_end(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    signs = signer.read(make(root, days=100))
    assert signs.outlook(NOW_MS)[0] == "ok"
    state, detail, action = signs.outlook(NOW_MS + 71 * DAY_MS)
    assert state == "degraded"
    assert "end on 2027-02-2" in detail
    assert "make-signing-keys" in action
    assert signs.outlook(NOW_MS + 101 * DAY_MS)[0] == "down"
    health = Health()
    with caplog.at_level("WARNING"):
        told: list[State] = ["ok"]
        for _ in range(2):
            told.append(signs.tell(health, told[-1], NOW_MS + 101 * DAY_MS))
    assert told == ["ok", "down", "down"]
    assert len(caplog.records) == 1  # once for each state
    assert [part.state for part in health.parts] == ["down"]
