"""The root key changes at once and survives a kill at every step; one of systemd's is the operator's to change."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gateway import __main__, dbfile, keys, rekey
from gateway.core.model import Member
from gateway.errors import ConfigError
from gateway.store import Store
from tests.rigs.seeds import seed

KILLS = int(os.environ.get("ROOT_KILLS", "6"))
SEED = seed("ROOT_SEED")


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with a member."""
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    monkeypatch.setattr("gateway.logs.set_up", lambda: None)
    monkeypatch.setattr(keys, "UNIT", tmp_path / "store-gateway.service")
    folder = tmp_path / "data"
    store = Store(folder / "gateway.db", "e" * 32, rekey.root_key(folder))
    store._tx.put_member(Member("m1", "Muster"))
    store._db.conn.commit()
    store.close()
    return folder


def opens(data: Path) -> bool:
    """The data opens as the service opens it, and everything in it."""
    tx = dbfile.open_file(data / "gateway.db", rekey.root_key(data))
    try:
        return tx.member("m1") == Member("m1", "Muster")
    finally:
        tx.db.close()


def names(data: Path) -> set[str]:
    return {path.name for path in data.iterdir()}


def test_a_new_root_opens_the_data_and_the_old_one_nothing(data: Path) -> None:
    old, mac = keys.site_key(data), rekey.vault(data).mac("x")
    rekey.rotate_root(data)
    assert keys.site_key(data) != old
    assert rekey.vault(data).mac("x") == mac
    assert opens(data)
    assert names(data) == {"site.key", "gateway.db", "gateway.ballast", "gateway.run", "wrapped.key"}
    with pytest.raises(ConfigError, match="root key does not open it"):
        dbfile.open_file(data / "gateway.db", old)
    assert not any(old.hex().encode() in path.read_bytes() for path in data.iterdir())


def test_while_the_service_runs(data: Path) -> None:
    tx = dbfile.open_file(data / "gateway.db", rekey.root_key(data))
    rekey.rotate_root(data)
    assert tx.member("m1") == Member("m1", "Muster")
    tx.put_member(Member("m2"))
    tx.db.conn.commit()
    tx.db.close()
    assert opens(data)


class KilledError(Exception):
    """A kill, as far as a step goes."""


@pytest.mark.parametrize("step", ["make_next_root", "rewrap", "take_over"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_every_step_may_be_the_last(data: Path, monkeypatch: pytest.MonkeyPatch, step: str, when: str) -> None:
    where = dbfile if step == "rewrap" else keys
    real = getattr(where, step)

    def die(*arguments: object) -> None:
        if when == "after":
            real(*arguments)
        raise KilledError

    monkeypatch.setattr(where, step, die)
    with pytest.raises(KilledError):
        rekey.rotate_root(data)
    monkeypatch.setattr(where, step, real)
    found = keys.roots(data)
    assert dbfile.examined(data / "gateway.db", *(root.key for root in found)) == {}, "the doctor only looks"
    assert keys.roots(data) == found
    assert opens(data)
    assert names(data) == {"site.key", "gateway.db", "gateway.ballast", "gateway.run", "wrapped.key"}
    rekey.rotate_root(data)
    assert opens(data)


PROGRAM = """
import sys
from pathlib import Path
from gateway import keys, rekey
keys.UNIT = Path("/nowhere")
print("ready", flush=True)
while True:
    rekey.rotate_root(Path(sys.argv[1]))
"""


def test_kill_9_at_any_moment(data: Path) -> None:
    rng, half_done = random.Random(SEED), 0
    for _ in range(KILLS):
        process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(data)], stdout=subprocess.PIPE)
        assert process.stdout.readline() == b"ready\n"
        time.sleep(rng.uniform(0, 0.5))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        half_done += len(keys.roots(data)) > 1
        assert opens(data), f"ROOT_SEED={SEED}"
    print(f"ROOT_SEED={SEED}: {half_done} of {KILLS} kills met a change of the root half done")


def test_a_root_that_systemd_brings_is_the_operators_to_change(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (data.parent / "store-gateway.service.d").mkdir()
    override = data.parent / "store-gateway.service.d" / "override.conf"
    override.write_text("[Service]\n# LoadCredentialEncrypted=site.key:/x\n")
    assert not keys.systemd_brings(keys.ROOT)
    override.write_text("[Service]\nLoadCredentialEncrypted=site.key:/etc/store-gateway/site.key.cred\n")
    before = keys.site_key(data)
    with pytest.raises(ConfigError, match=r"systemd-creds encrypt[\s\S]*site\.key\.next"):
        rekey.rotate_root(data)
    assert keys.site_key(data) == before


def credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **found: str) -> None:
    folder = tmp_path / "credentials"
    folder.mkdir(exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
    for name, text in found.items():
        (folder / name.replace("_", ".")).write_text(text)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder))


def test_the_operators_steps_change_it(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a file beside the data to a credential, and from that to the next one; a start after each step."""
    file, first, second = keys.site_key(data).hex(), "11" * 32, "22" * 32
    credentials(tmp_path, monkeypatch, site_key_next=first)
    assert opens(data)
    assert opens(data), "a second start before the operator went on"
    (data / "site.key").unlink()
    assert opens(data)
    credentials(tmp_path, monkeypatch, site_key=first)
    assert opens(data)
    with pytest.raises(ConfigError, match="only you can change that credential"):
        rekey.rotate_root(data)
    credentials(tmp_path, monkeypatch, site_key=first, site_key_next=second)
    assert opens(data)
    credentials(tmp_path, monkeypatch, site_key=second)
    assert opens(data)
    for old in (file, first):
        credentials(tmp_path, monkeypatch, site_key=old)
        with pytest.raises(ConfigError, match="root key does not open it"):
            opens(data)
    assert "site.key" not in names(data)


def test_a_next_file_does_not_follow_on_a_credential(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    credentials(tmp_path, monkeypatch, site_key=keys.site_key(data).hex())
    (data / "site.key").rename(data / "site.key.next")
    (data / "site.key.next").write_text("33" * 32)
    assert opens(data)
    assert (data / "site.key.next").exists()


def test_a_lost_root_is_not_made_anew(data: Path) -> None:
    (data / "site.key").unlink()
    with pytest.raises(ConfigError, match=r"site\.key: is not there, and the data beside it was sealed with it"):
        rekey.root_key(data)
    assert "site.key" not in names(data)


def test_the_root_may_lie_on_another_disk(data: Path, tmp_path: Path) -> None:
    (tmp_path / "stick").mkdir()
    (data / "site.key").rename(tmp_path / "stick" / "site.key")
    (data / "site.key").symlink_to(tmp_path / "stick" / "site.key")
    before = keys.site_key(data)
    rekey.rotate_root(data)
    assert (data / "site.key").is_symlink()
    assert keys.site_key(data) != before
    assert opens(data)


def test_nothing_to_change_before_the_first_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nothing to change before the first start"):
        rekey.rotate_root(tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_the_verbs(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "g.toml"
    config.write_text(f'[gateway]\ntenant = "t"\nstore = "s"\nid = "g"\ndata_dir = "{data}"\n')
    before = keys.site_key(data)
    assert __main__.main(["rotate-key", "--root", "--config", str(config)]) == 0
    assert keys.site_key(data) != before
    assert __main__.main(["rotate-key", "--config", str(config)]) == 0
    tx = dbfile.open_file(data / "gateway.db", keys.site_key(data))
    assert tx.rekey_asked()
    hashed = tx.identifier_key
    tx.db.close()
    copy = tmp_path / "copy.key"
    assert __main__.main(["scanner-key", "--config", str(config), "--out", str(copy)]) == 0
    assert keys.copied_identifier_key(copy) == hashed
    assert copy.stat().st_mode & 0o777 == 0o600
    assert __main__.main(["scanner-key", "--config", str(config), "--out", str(copy)]) == 78
    (data / "site.key").write_text("44" * 32)
    for verb in (["run"], ["rotate-key", "--root"], ["scanner-key", "--out", str(tmp_path / "other.key")]):
        assert __main__.main([*verb, "--config", str(config)]) == 78
    said = capsys.readouterr()
    assert "root key does not open it" in " ".join(said.err.split()) + " ".join(said.out.split())
    assert not (tmp_path / "other.key").exists()
    assert (data / "site.key").read_text() == "44" * 32
