"""gateway.emulator.sun: it says what NXP published, counts taps as the chip does, and refuses what the chip refuses."""

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.emulator import sun

VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parent / "vectors" / "nfc.json").read_text())["ntag424_sdm"]
SDM = {one["name"]: one for one in VECTORS}
SELECT = bytes.fromhex("00a4040007d276000085010100")
CC, NDEF = bytes.fromhex("00a4000c02e103"), bytes.fromhex("00a4000c02e104")


def tag(vector: dict[str, Any], counter: int, **more: Any) -> sun.Sun:
    keys = {
        "file": bytes.fromhex(vector["file_read_key"]),
        "meta": bytes.fromhex(vector.get("meta_read_key", "00" * 16)),
    }
    return sun.make(json.loads(json.dumps(sun.spec(vector["uid"], **keys, counter=counter - 1, **more))))


def test_the_published_example() -> None:
    vector = SDM["AN12196 SUN example"]
    assert tag(vector, 61).url().endswith("&cmac=" + vector["sdmmac"])


@pytest.mark.parametrize(
    ("name", "mac_from"), [("AN12196 SUN + encrypted file data", "enc"), ("sdm-backend custom keys", "enc only")]
)
def test_the_published_examples_with_file_data(name: str, mac_from: str) -> None:
    vector = SDM[name]
    data = bytes.fromhex(vector["file_data"])
    url = tag(vector, vector["read_ctr"], url=sun.FILE_URL, mac_from=mac_from, data=data).url()
    assert url.endswith(f"&enc={vector['enc_file_data']}&cmac={vector['sdmmac']}")


def test_the_published_plain_mirror() -> None:
    vector = SDM["plain UID+counter mirror"]
    url = tag(vector, 6, url=sun.PLAIN_URL).url()
    assert url == f"https://shop.test/c?uid={vector['uid']}&ctr={vector['ctr_ascii_be']}&cmac={vector['sdmmac']}"


def opened(applet: sun.Sun) -> sun.Sun:
    assert [applet.answer(apdu) for apdu in (SELECT, NDEF)] == [b"\x90\x00"] * 2
    return applet


def test_a_tap_counts_with_its_first_reading_and_once() -> None:
    applet = opened(sun.make(sun.spec(counter=4)))
    assert applet.counter == 4  # a look that reads nothing does not count
    first = applet.answer(bytes.fromhex("00b0000040"))
    assert applet.answer(bytes.fromhex("00b0000040")) == first
    assert applet.counter == 5
    applet.select()
    assert applet.answer(NDEF) == b"\x6a\x82"  # nothing is selected any more
    assert opened(applet).answer(bytes.fromhex("00b0000040")) != first
    assert applet.counter == 6


def test_the_file_is_one_uri_record() -> None:
    applet = opened(sun.make(sun.spec(url=sun.PLAIN_URL)))
    whole = applet.answer(bytes.fromhex("00b0000000"))
    uri = b"shop.test/c?uid=04C0FFEE424200&ctr=000001&cmac="
    assert whole[:7] == bytes([0, len(uri) + 21, 0xD1, 0x01, len(uri) + 17, 0x55, 0x04])
    assert whole[7:].startswith(uri)
    assert len(whole) == sun.NDEF_BYTES + 2


@pytest.mark.parametrize(
    ("commands", "sw"),
    [
        pytest.param(["00a4040007d276000085010000"], "6a82", id="the old name"),
        pytest.param(["00a4040007a0000000041010"], "6a82", id="a bank card's name"),
        pytest.param(["00b0000010"], "6a82", id="not selected"),
        pytest.param([SELECT.hex(), "00b0000010"], "6986", id="no file selected"),
        pytest.param([SELECT.hex(), "00a4000c02e105"], "6a82", id="another file"),
        pytest.param([SELECT.hex(), NDEF.hex(), "00b001000f"], "6b00", id="behind the file"),
        pytest.param([SELECT.hex(), NDEF.hex(), "00b000ff02"], "6700", id="beyond the file"),
        pytest.param([SELECT.hex(), CC.hex(), "00b0000021"], "6700", id="beyond the container"),
        pytest.param([SELECT.hex(), "00d6000001ff"], "6d00", id="writing"),
    ],
)
def test_what_the_chip_refuses(commands: list[str], sw: str) -> None:
    applet = sun.make(sun.spec())
    answers = [applet.answer(bytes.fromhex(command)) for command in commands]
    assert answers[-1].hex() == sw


def test_the_settings_that_the_documentation_gives_fit_its_address() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parents[1].glob("docs/tags*.md"))
    applet = opened(sun.make(sun.spec(url="https://shop.example/c?picc_data={picc}&cmac={cmac}")))
    file = applet.answer(bytes.fromhex("00b0000000"))
    picc, mac = (file.index(name) + len(name) for name in (b"picc_data=", b"cmac="))
    offsets = " ".join(at.to_bytes(3, "little").hex().upper() for at in (picc, mac, mac))
    assert f"`40 00E0 C1 F121 {offsets}`" in text
    assert f"`{file[:2].hex().upper()} {file[2:7].hex().upper()}`" in text


def test_the_same_seed_gives_the_same_bytes() -> None:
    def shown(seed: str) -> str:
        return sun.make(sun.spec(seed=seed)).url()

    assert shown("a") == shown("a")
    assert len({shown("a"), shown("b"), shown(""), shown("")}) == 4
