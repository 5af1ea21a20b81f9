"""The configuration file: good ones load, each mistake is named with file, line, key and what was expected."""

from pathlib import Path

import pytest

from gateway.config import SOURCE_SCHEMES, Config, HttpTable, is_scanner, line_of, load, load_scanner
from gateway.errors import ConfigError

GOOD = """\
[gateway]
tenant = "muster"
store = "musterstadt"
id = "gw1"
data_dir = "/srv/data"

[mqtt]
host = "127.0.0.1"

[[source]]
path = "ble:hci0"
receiver = "entrance-ble"

[[receiver]]
id = "entrance-ble"
zone = "entrance"

[[receiver]]
id = "coffee-nfc"
zone = "coffee"
screen = "coffee"

[[screen]]
id = "coffee"
zone = "coffee"
"""

BROKEN = {
    "syntax": (GOOD.replace('host = "127.0.0.1"', "host = "), 8, "not valid TOML"),
    "missing key": (
        GOOD.replace('store = "musterstadt"\n', ""),
        1,
        "gateway.store: expected a value, but the key is missing",
    ),
    "missing table": (GOOD.replace("[gateway]", "[gatewai]"), 1, "gateway: expected a value, but the key is missing"),
    "unknown key": (GOOD.replace('id = "gw1"', 'id = "gw1"\nspeed = 3'), 5, "gateway.speed: expected no such key here"),
    "wrong type": (GOOD.replace('host = "127.0.0.1"', "host = 7"), 8, "mqtt.host: expected string, found 7"),
    "its own standby": (
        GOOD + '[standby]\nhost = "b"\nother = "gw1"\nsecret_file = "/s"\n',
        28,
        "standby.other: expected the id of the shop's other box",
    ),
    "a secret somewhere": (
        GOOD + '[standby]\nhost = "b"\nother = "gw2"\nsecret_file = "s"\n',
        29,
        "standby.secret_file: expected an absolute path",
    ),
    "bad id": (GOOD.replace('"musterstadt"', '"Muster/stadt"'), 3, "gateway.store: expected 1-24 lower-case letters"),
    "bad port": (GOOD.replace("[mqtt]", "[mqtt]\nport = 70000"), 8, "mqtt.port: expected less than or equal to 65535"),
    "bad scheme": (
        GOOD.replace("ble:hci0", "usb:hci0"),
        11,
        "source[1].path: expected a device path beginning with one of",
    ),
    "nameless radio": (GOOD.replace('receiver = "entrance-ble"\n', ""), 10, "expected a `receiver` id"),
    "second table": (
        GOOD.replace('zone = "coffee"\nscreen', "zone = 5\nscreen"),
        20,
        "receiver[2].zone: expected string",
    ),
    "twice": (
        GOOD.replace('id = "coffee-nfc"', 'id = "entrance-ble"'),
        19,
        "receiver[2].id: expected an id of its own; 'entrance-ble' stands twice",
    ),
    "no such screen": (
        GOOD.replace('screen = "coffee"', 'screen = "tea"'),
        21,
        "receiver[2].screen: expected the id of a [[screen]], found 'tea'",
    ),
    "half a place": (
        GOOD.replace('zone = "entrance"', 'zone = "entrance"\nx_m = 1'),
        14,
        "receiver[1]: expected `x_m` and `y_m` together, or neither",
    ),
    "half a place of an anchor": (
        GOOD + f'[[anchor]]\nid = "a"\nbeacon = "uid:{"0" * 32}"\ny_m = 1\n',
        26,
        "anchor[1]: expected `x_m` and `y_m` together, or neither",
    ),
    "no number": (GOOD.replace('zone = "entrance"', 'zone = "entrance"\nx_m = true\ny_m = 1'), 17, "receiver[1].x_m"),
    "one beacon as two anchors": (
        GOOD + "".join(f'[[anchor]]\nid = "{name}"\nbeacon = "uid:{"0" * 32}"\n' for name in "ab"),
        31,
        "anchor[2].beacon: expected a beacon of its own; 'a' has the same",
    ),
    "no such receiver": (
        GOOD.replace('receiver = "entrance-ble"', 'receiver = "door"'),
        12,
        "source[1].receiver: expected the id of a [[receiver]], found 'door'",
    ),
    "scanner without a broker": (
        GOOD.replace('[mqtt]\nhost = "127.0.0.1"\n', "").replace("ble:hci0", "mqtt:scanner/wine"),
        9,
        "source[1].path: expected a table [mqtt] beside it",
    ),
    "no scanner's path": (
        GOOD.replace("ble:hci0", "mqtt:wine"),
        11,
        "source[1].path: expected mqtt:scanner/ and the id",
    ),
    "one scanner twice": (
        GOOD.replace("ble:hci0", "mqtt:scanner/wine")
        + '[[source]]\npath = "mqtt:scanner/wine"\nreceiver = "coffee-nfc"\n',
        27,
        "source[2].path: expected each scanner once; 'mqtt:scanner/wine' stands twice",
    ),
    "port in quotes": (GOOD.replace("[mqtt]", '[mqtt]\nport = "1883"'), 8, "mqtt.port: expected integer, found '1883'"),
    "relative folder": (GOOD.replace("/srv/data", "data"), 5, "gateway.data_dir: expected an absolute path"),
    "no url": (
        GOOD.replace("[mqtt]", '[http]\npublic_url = "gateway"\n[mqtt]'),
        8,
        "http.public_url: expected an address such as",
    ),
    "no port": (
        GOOD.replace("[mqtt]", '[http]\npublic_url = "http://gw.shop:70000"\n[mqtt]'),
        8,
        "http.public_url: expected an address such as",
    ),
    "one name for phones and the shop": (
        GOOD.replace("[mqtt]", '[http]\npublic_url = "http://gw.shop"\nshop_url = "http://gw.shop:8080"\n[mqtt]'),
        7,
        "http: expected shop_url with another name than public_url, or a phones_port",
    ),
    "one port for phones and the shop": (
        GOOD.replace("[mqtt]", "[http]\nphones_port = 8080\n[mqtt]"),
        7,
        "http: expected phones_port to be another one than port",
    ),
}


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "gateway.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_good_file_loads(tmp_path: Path) -> None:
    config = load(write(tmp_path, GOOD))
    assert config.gateway.store == "musterstadt"
    assert config.mqtt.port == 1883
    assert config.source[0].scheme == "ble"
    assert config.source[0].target == "hci0"
    assert config.receiver[1].screen == "coffee"


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_names_line_key_and_expectation(tmp_path: Path, name: str) -> None:
    text, line, words = BROKEN[name]
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load(path)
    told = str(caught.value).splitlines()
    assert any(entry.startswith(f"{path}:{line}: ") and words in entry for entry in told), told


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    text = GOOD.replace('"gw1"', "1").replace('host = "127.0.0.1"', "host = 7")
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path, text))
    assert len(str(caught.value).splitlines()) == 2


def test_an_absent_or_binary_file_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "absent.toml")
    path = tmp_path / "binary.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load(path)


@pytest.mark.parametrize(
    ("http", "proxied"),
    [
        ({}, False),
        ({"public_url": "http://shop.example:8080/", "shop_url": "http://gw.shop:8080"}, False),
        ({"public_url": "http://shop.example:8081", "shop_url": "http://gw.shop:8080", "phones_port": 8081}, False),
        ({"public_url": "http://[::1]", "port": 80}, False),
        ({"public_url": "http://shop.example:4711", "port": 0}, False),  # any free port
        ({"public_url": "https://shop.example:8080"}, True),
        ({"public_url": "https://shop.example", "phones_port": 8081}, True),
        ({"public_url": "http://shop.example"}, True),
        ({"public_url": "http://shop.example:8080", "shop_url": "https://gw.shop"}, True),
    ],
)
def test_an_address_that_the_gateway_does_not_serve_itself_tells_of_a_proxy(
    http: dict[str, object], proxied: bool
) -> None:
    assert HttpTable.model_validate(http).behind_proxy == proxied


def test_options_of_a_device_path() -> None:
    config = Config.model_validate(
        {
            "gateway": {"tenant": "t", "store": "s", "id": "g", "data_dir": "/d"},
            "source": [{"path": "sim:7?members=20&speed=10"}],
        }
    )
    source = config.source[0]
    assert (source.scheme, source.target, source.options) == ("sim", "7", {"members": "20", "speed": "10"})


def test_line_of_finds_keys_in_repeated_tables() -> None:
    assert line_of(GOOD, ("receiver", 1, "screen")) == 21
    assert line_of(GOOD, ("mqtt", "nothing")) == 7
    assert line_of(GOOD, ()) == 1


def test_every_scheme_has_a_source() -> None:
    root = Path(__file__).parents[1]
    text = (root / "drivers" / "sources.py").read_text() + (root / "gateway" / "app.py").read_text()
    assert all(f'case "{scheme}"' in text for scheme in SOURCE_SCHEMES)


SCANNER = """\
[scanner]
tenant = "muster"
store = "musterstadt"
gateway = "gw1"
id = "wine"

[mqtt]
host = "gateway.example"

[[source]]
path = "ble:hci0"
receiver = "hci0"

[[anchor]]
id = "door"
beacon = "uid:00112233445566778899aabbccddeeff"
"""

BROKEN_SCANNERS = {
    "no broker": (SCANNER.replace('[mqtt]\nhost = "gateway.example"\n', ""), 1, "mqtt: expected a value, but the key"),
    "no source": (SCANNER.replace('[[source]]\npath = "ble:hci0"\nreceiver = "hci0"\n', "source = []\n"), 1, "source"),
    "a reader": (SCANNER.replace("ble:hci0", "nfc:/dev/x"), 11, "source[1].path: expected one of ble:, mgmt:, replay:"),
    "an ear's ear": (SCANNER.replace("ble:hci0", "mqtt:scanner/x"), 11, "source[1].path: expected one of ble:"),
    "a zone": (SCANNER.replace('id = "wine"', 'id = "wine"\nzone = "wine"'), 6, "scanner.zone: expected no such key"),
    "a bad id": (SCANNER.replace('"wine"', '"Wine/1"'), 5, "scanner.id: expected 1-24 lower-case letters"),
    "a relative key": (
        SCANNER.replace('id = "wine"', 'id = "wine"\nsite_key_file = "k"'),
        6,
        "expected an absolute path",
    ),
    "one beacon twice": (
        SCANNER + '[[anchor]]\nid = "wall"\nbeacon = "uid:00112233445566778899aabbccddeeff"\n',
        19,
        "anchor[2].beacon: expected a beacon of its own; 'door' has the same",
    ),
    "one name twice": (
        SCANNER + '[[source]]\npath = "mgmt:hci1"\nreceiver = "hci0"\n',
        19,
        "source[2].receiver: expected an id of its own; 'hci0' stands twice",
    ),
}


def test_a_scanners_file_loads_and_is_told_from_a_gateways(tmp_path: Path) -> None:
    path = write(tmp_path, SCANNER)
    assert is_scanner(path)
    assert load_scanner(path).scanner.id == "wine"
    assert not is_scanner(write(tmp_path, GOOD))
    with pytest.raises(ConfigError, match="cannot be read"):
        is_scanner(tmp_path / "absent.toml")


@pytest.mark.parametrize("name", BROKEN_SCANNERS)
def test_a_broken_scanners_file_names_line_key_and_expectation(tmp_path: Path, name: str) -> None:
    text, line, words = BROKEN_SCANNERS[name]
    assert text != SCANNER
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load_scanner(path)
    told = str(caught.value).splitlines()
    assert any(entry.startswith(f"{path}:{line}: ") and words in entry for entry in told), told
