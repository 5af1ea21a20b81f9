"""gateway.trustverbs: what to type on a tablet and what to compare there, and a new authority after a theft."""

from pathlib import Path

import pytest

from gateway import config as local
from gateway import keys, localca, rekey, trustverbs
from gateway.__main__ import main
from gateway.clock import world_ms
from gateway.core import certs
from gateway.errors import ConfigError
from tests.rigs.secure import bring

WHO = '[gateway]\ntenant = "acme"\nstore = "munich-1"\nid = "gw-1"\ndata_dir = "{data}"\n[http]\n'


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    monkeypatch.setattr(keys, "UNIT", tmp_path / "store-gateway.service")
    monkeypatch.setattr("gateway.logs.set_up", lambda: None)


def file(folder: Path, http: str = 'https_port = 8443\nshop_url = "http://gw.shop:8080"\n') -> Path:
    path = folder / "gateway.toml"
    path.write_text(WHO.format(data=folder / "data") + http)
    return path


def authority(folder: Path) -> certs.Pair:
    data = folder / "data"
    return localca.authority(
        data, [keys.site_key(data)], "Store gateway munich-1 gw-1", certs.hosts("gw.shop"), world_ms()
    )


def test_it_prints_what_people_type_and_compare(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path, made = file(tmp_path), authority(tmp_path)
    assert main(["trust", "--config", str(path)]) == 0
    told = capfd.readouterr().out
    assert "http://gw.shop:8080/trust" in told and made.certificate.subject.rfc4514_string()[3:] in told
    digits = certs.fingerprint(made.certificate)
    lines = [line.removeprefix("SHA-256").replace(" ", "") for line in told.splitlines()]
    assert digits in "".join(lines)
    assert "█" in told or "▀" in told


def test_before_the_first_start_it_says_so(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["trust", "--config", str(file(tmp_path))]) == 0
    assert "the service makes it at its next start" in capfd.readouterr().err


def test_without_a_port_it_says_what_to_do(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["trust", "--config", str(file(tmp_path, ""))]) == ConfigError.EXIT_STATUS
    assert "expected an https_port under [http]" in capfd.readouterr().err


def test_a_retailers_own_certificate_needs_none_of_it(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    files = bring(tmp_path)
    http = "https_port = 8443\n" + "".join(f'{key} = "{value}"\n' for key, value in files.items())
    assert main(["trust", "--new", "--config", str(file(tmp_path, http))]) == 0
    assert "nothing for devices to learn" in capfd.readouterr().err
    assert localca.known(tmp_path / "data") is None


def test_a_new_one_replaces_the_old_and_says_what_to_do(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path, old = file(tmp_path), authority(tmp_path)
    assert main(["trust", "--new", "--config", str(path)]) == 0
    told = capfd.readouterr()
    found = localca.known(tmp_path / "data")
    assert found is not None and found != old.certificate
    assert old.certificate.subject.rfc4514_string()[3:] in told.err
    assert certs.fingerprint(found)[:4] in told.out
    reopened = localca.authority(tmp_path / "data", rekey.root_keys(tmp_path / "data"), "t", certs.hosts(), world_ms())
    assert reopened.certificate == found


def test_where_systemd_has_the_root_key_the_service_makes_it(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = file(tmp_path)
    authority(tmp_path)

    def refused(_: Path) -> tuple[bytes, ...]:
        raise ConfigError("systemd brings it")

    monkeypatch.setattr(rekey, "root_keys", refused)
    assert main(["trust", "--new", "--config", str(path)]) == 0
    assert "Only the service can seal a new one" in capfd.readouterr().err
    assert localca.known(tmp_path / "data") is None


@pytest.mark.parametrize(
    ("http", "url"),
    [
        ('shop_url = "http://gw.shop:8080/"\n', "http://gw.shop:8080/trust"),
        ('shop_url = "https://gw.shop:8443"\n', "http://gw.shop:8080/trust"),
        ('shop_url = "https://gw.shop:8443"\nport = 80\n', "http://gw.shop:80/trust"),
        ('public_url = "http://gw.shop:8080"\n', "http://gw.shop:8080/trust"),
        ("", "http://localhost:8080/trust"),
    ],
)
def test_the_guide_is_reached_without_tls(http: str, url: str, tmp_path: Path) -> None:
    assert trustverbs.trust_url(local.load(file(tmp_path, "https_port = 8443\n" + http))) == url
