"""drivers.sun: published vectors, every mode against the emulated tag, and 10,000 messages that must not pass."""

import hashlib
import json
import random
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlite_utils import Database

from drivers import sun, tags, type4
from drivers.talk import Found, Refused, Talk
from gateway.core.identity import static_digest
from gateway.core.keyring import Held, Keyring, SunKey
from gateway.core.model import CredentialKind, Guard, Proof, Token, Trouble
from gateway.core.vault import Vault
from gateway.emulator import sun as emulated
from gateway.migrations import migrate
from gateway.records import Tx
from tests.rigs.seeds import many

VECTORS: dict[str, Any] = json.loads((Path(__file__).parent / "vectors" / "nfc.json").read_text())
SDM = {one["name"]: one for one in VECTORS["ntag424_sdm"]}
NOW_MS = 1_800_000_000_000
ZERO = SunKey(bytes(16), bytes(16))
SITE_KEY = bytes(range(32))


def key(name: str) -> bytes:
    """A test key of 16 bytes that nobody uses."""
    return hashlib.sha256(f"store-gateway test {name}".encode()).digest()[:16]


META, FILE = key("meta"), key("file")
OURS = SunKey(META, FILE)
DATA = b"table 7, bar    "

MODES = [
    pytest.param(emulated.HIDDEN_URL, "cmac", b"", id="hidden"),
    pytest.param(emulated.HIDDEN_URL, "picc", b"", id="hidden, MAC from the first mirror"),
    pytest.param(emulated.FILE_URL, "enc", DATA, id="hidden, file data"),
    pytest.param(emulated.FILE_URL, "enc only", DATA * 2, id="hidden, file data without the name"),
    pytest.param(emulated.FILE_URL, "picc", DATA, id="hidden, file data, MAC from the first mirror"),
    pytest.param(emulated.PLAIN_URL, "cmac", b"", id="plain"),
    pytest.param(emulated.PLAIN_URL, "uid", b"", id="plain, MAC from the first mirror"),
    pytest.param(emulated.PLAIN_URL.replace("&cmac", "&enc={enc}&cmac"), "enc", DATA, id="plain, file data"),
]


def talk(*keys: SunKey, uid: bytes = b"") -> Talk:
    ring = Keyring(Held(f"k{at}", -at, None, one) for at, one in enumerate(keys))
    return Talk(ring, "acme/bern", NOW_MS, bytes, uid)


def url_of(vector: dict[str, Any]) -> str:
    enc = f"&enc={vector['enc_file_data']}" if vector.get("enc_file_data") else ""
    return f"https://ntag.nxp.com/424?picc_data={vector['picc_data']}{enc}&cmac={vector['sdmmac']}"


# --- published vectors ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "vector", [one for one in VECTORS["ntag424_sdm"] if "picc_data" in one], ids=lambda v: v["name"]
)
def test_published_messages_are_read(vector: dict[str, Any]) -> None:
    keys = SunKey(bytes.fromhex(vector["meta_read_key"]), bytes.fromhex(vector["file_read_key"]))
    uid = bytes.fromhex(vector["uid"])
    file = bytes.fromhex(vector.get("file_data", ""))
    assert sun.read(url_of(vector), keys) == sun.Shown(uid, vector["read_ctr"], file)
    found = sun.judge(url_of(vector), talk(keys))
    assert found == Found(Token(CredentialKind.SUN, uid), Proof.PROVEN, count=vector["read_ctr"])


@pytest.mark.parametrize("vector", [one for one in VECTORS["ntag424_sdm"] if "uid" in one], ids=lambda v: v["name"])
def test_published_intermediate_values(vector: dict[str, Any]) -> None:
    uid, file_key = bytes.fromhex(vector["uid"]), bytes.fromhex(vector["file_read_key"])
    if "ctr_le" in vector:
        counter = bytes.fromhex(vector["ctr_le"])
    elif "ctr_ascii_be" in vector:
        counter = bytes.fromhex(vector["ctr_ascii_be"])[::-1]
    else:
        counter = vector["read_ctr"].to_bytes(3, "little")
    session = sun.session_key(file_key, sun.FOR_MAC, uid, counter)
    if "ses_mac_key" in vector:
        assert session.hex() == vector["ses_mac_key"]
    if "ses_enc_key" in vector:
        assert sun.session_key(file_key, sun.FOR_FILE, uid, counter).hex() == vector["ses_enc_key"]
    if "cmac_full" in vector:
        assert sun.cmac(session, vector["mac_input"].encode()).hex() == vector["cmac_full"]
    if "sdmmac" in vector:
        assert sun.sdm_mac(session, vector.get("mac_input", "").encode()).hex().upper() == vector["sdmmac"]


def test_the_published_plain_mirror_is_read_with_its_counter_turned_round() -> None:
    vector = SDM["plain UID+counter mirror"]
    url = f"https://ntag.nxp.com/424?uid={vector['uid']}&ctr={vector['ctr_ascii_be']}&cmac={vector['sdmmac']}"
    assert sun.read(url, ZERO) == sun.Shown(bytes.fromhex(vector["uid"]), 6, b"")


@pytest.mark.parametrize("vector", VECTORS["aes_cmac"], ids=lambda v: v["msg"][:8])
def test_aes_cmac_of_rfc_4493(vector: dict[str, str]) -> None:
    assert sun.cmac(bytes.fromhex(vector["key"]), bytes.fromhex(vector["msg"])).hex() == vector["mac"]


@pytest.mark.parametrize("vector", VECTORS["lrp"], ids=lambda v: v["sdmmac"])
def test_lrp_is_refused_by_name(vector: dict[str, Any]) -> None:
    assert sun.judge(url_of(vector), talk(ZERO)) == Refused("sun.lrp")


def test_the_example_of_an10922() -> None:
    """NXP AN10922, section 2.2.1: master key, UID, AID 3042F5, system identifier "NXP Abu"."""
    master, uid = bytes.fromhex("00112233445566778899aabbccddeeff"), bytes.fromhex("04782e21801d80")
    derived = sun.diversified(master, uid + bytes.fromhex("3042f5") + b"NXP Abu")
    assert derived.hex() == "a8dd63a3b89d54b37ca802473fda9175"


@pytest.mark.parametrize("length", range(16, 32))
def test_from_16_bytes_on_an10922_is_a_plain_cmac(length: int) -> None:
    assert sun.diversified(META, bytes(length)) == sun.cmac(META, b"\x01" + bytes(length))


@pytest.mark.parametrize("length", range(1, 16))
def test_below_an10922_pads_to_two_blocks(length: int) -> None:
    assert sun.diversified(META, bytes(length)) != sun.cmac(META, b"\x01" + bytes(length))


@pytest.mark.parametrize("length", [0, 32])
def test_an10922_has_limits(length: int) -> None:
    with pytest.raises(ValueError, match="AN10922"):
        sun.diversified(META, bytes(length))


@pytest.mark.parametrize(
    "fields", [{"meta": b""}, {"file": bytes(15)}, {"system": bytes(18)}], ids=["meta", "file", "system"]
)
def test_a_key_that_no_tag_could_use_does_not_come_to_be(fields: dict[str, bytes]) -> None:
    with pytest.raises(ValueError, match="SUN key"):
        SunKey(**({"meta": META, "file": FILE} | fields))


# --- against the emulated tag --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("url", "mac_from", "data"), MODES)
def test_every_mode_of_the_emulated_tag(url: str, mac_from: str, data: bytes) -> None:
    tag = emulated.make(emulated.spec(meta=META, file=FILE, url=url, mac_from=mac_from, data=data, counter=255))
    text = tag.url()
    assert sun.read(text, OURS) == sun.Shown(tag.uid, 256, data)
    assert sun.judge(text, talk(OURS)) == Found(Token(CredentialKind.SUN, tag.uid), Proof.PROVEN, count=256)


@given(
    st.binary(min_size=7, max_size=7),
    st.integers(0, 0xFFFFFE),
    st.binary(min_size=16, max_size=16),
    st.binary(min_size=16, max_size=16),
    st.sampled_from([one.values for one in MODES]),
    st.binary(max_size=17) | st.none(),
)
def test_any_tag_is_read_and_any_change_of_its_mirrors_is_not(
    uid: bytes, counter: int, meta: bytes, master: bytes, mode: tuple[str, str, bytes], system: bytes | None
) -> None:
    url, mac_from, data = mode
    file = master if system is None else sun.diversified(master, uid + sun.AID + system)
    tag = emulated.make(emulated.spec(uid.hex(), meta, file, url, mac_from, counter, data))
    ours = SunKey(meta, master, diversified=system is not None, system=system or b"")
    text = tag.url()
    assert sun.read(text, ours) == sun.Shown(uid, counter + 1, data)
    assert not isinstance(sun.read(text, SunKey(meta, key("other"))), sun.Shown)
    mac = text[-16:]
    assert sun.read(text[:-16] + f"{int(mac, 16) ^ 1:016X}", ours) == "sun.mac"


@given(st.text(max_size=200))
def test_any_text_ends_in_none_or_a_reason(text: str) -> None:
    assert sun.read("https://shop.test/?" + text, OURS) in (None, "sun.form", "sun.lrp", "sun.picc", "sun.mac")


def test_other_names_a_fragment_and_other_parameters_are_fine() -> None:
    names = SunKey(META, FILE, picc="p", enc="", cmac="m")
    url = "https://shop.test/#/t?shop=7&p={picc}&m={cmac}&lang=de"
    tag = emulated.make(emulated.spec(meta=META, file=FILE, url=url))
    assert sun.read(tag.url(), names) == sun.Shown(tag.uid, 1, b"")
    assert sun.read(tag.url(), OURS) is None


def test_every_reason_is_documented() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parents[1].glob("docs/tags*.md"))
    code = "".join(Path(module.__file__).read_text(encoding="utf-8") for module in (sun, tags, type4))
    reasons = set(re.findall(r'"(sun\.[a-z_]+|ndef_[a-z]+)"', code))
    assert len(reasons) == 11
    for reason in reasons:
        assert f"`{reason}`" in text, reason


# --- whose it is, and whose not ------------------------------------------------------------------------------------


def hidden(counter: int = 0, uid: str = "04c0ffee424200") -> str:
    return emulated.make(emulated.spec(uid, META, FILE, counter=counter, seed="phone")).url()


@pytest.mark.parametrize("text", ["https://foreign.example/?uid=5", "", "M-42", "https://shop.test/c/1", "picc_data=1"])
def test_what_has_none_of_our_parameters_is_not_ours(text: str) -> None:
    assert sun.judge(text, talk(OURS)) is None


@pytest.mark.parametrize("ring", [(), (SunKey(META, FILE, picc="p", cmac="m"),)], ids=["no key", "other names"])
def test_what_no_key_reads_is_refused_and_never_somebodys_fixed_text(ring: tuple[SunKey, ...]) -> None:
    for text in (
        hidden(),
        hidden().replace("picc_data=", "a=1&picc_data=") + "#top",
        f"https://shop.test/?picc_data={'A' * 48}&cmac=0123456789ABCDEF",
    ):
        assert sun.judge(text, talk(*ring)) == Refused("sun.no_key"), text
        assert tags.judge(tags.encode_uri(text), talk(*ring)) == Refused("sun.no_key"), text
    plain = "https://shop.test/?uid=04C0FFEE424200&ctr=000001&cmac=0123456789ABCDEF"
    assert sun.judge(plain, talk(*ring)) == Refused("sun.form" if ring else "sun.no_key")


@pytest.mark.parametrize(
    "text",
    [
        "https://shop.test/?picc_data=1&cmac=0123456789ABCDEF",
        f"https://shop.test/?picc_data={'A' * 32}",
        f"https://shop.test/?picc_data={'A' * 34}&cmac=0123456789ABCDEF",
        "https://shop.test/?uid=04C0FFEE424200&cmac=0123456789ABCDEF",
        f"https://shop.test/?picc_data={'A' * 32}&cmac=0123456789ABCDEF0",
    ],
)
def test_without_keys_another_form_is_not_ours(text: str) -> None:
    assert sun.judge(text, talk()) is None


def test_all_keys_are_tried_and_the_nearest_miss_speaks() -> None:
    others = [SunKey(key(f"meta {at}"), key(f"file {at}")) for at in range(sun.KEYS_MAX - 1)]
    assert isinstance(sun.judge(hidden(), talk(*others, OURS)), Found)
    assert sun.judge(hidden(), talk(*others, ZERO, OURS)) == Refused("sun.picc")  # beyond the bound
    assert sun.judge(hidden(), talk(SunKey(META, key("x")), *others)) == Refused("sun.mac")
    assert sun.judge(hidden(), talk(*others, SunKey(META, key("x")))) == Refused("sun.mac")


@pytest.mark.parametrize(
    ("uid", "accepted"),
    [
        pytest.param("", True, id="unknown"),
        pytest.param("04c0ffee424200", True, id="the same"),
        pytest.param("08a1b2c3", True, id="random"),
        pytest.param("04c0ffee424201", False, id="another chip"),
        pytest.param("5a6b7c8d", False, id="a chip with a short number"),
    ],
)
def test_the_chips_own_number_must_agree(uid: str, accepted: bool) -> None:
    outcome = sun.judge(hidden(), talk(OURS, uid=bytes.fromhex(uid)))
    assert isinstance(outcome, Found) if accepted else outcome == Refused("sun.uid", Trouble.REFUSED)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param(lambda url: url.replace("&cmac=", "&mac="), "sun.form", id="no MAC"),
        pytest.param(lambda url: url.replace("picc_data", "x"), "sun.form", id="MAC only"),
        pytest.param(lambda url: url + "&cmac=" + url[-16:], "sun.form", id="two MACs"),
        pytest.param(lambda url: url.lower(), "sun.form", id="small letters"),
        pytest.param(lambda url: url[:-1], "sun.form", id="half a byte short"),
        pytest.param(lambda url: url[:-2], "sun.form", id="a byte short"),
        pytest.param(lambda url: url[:-16], "sun.form", id="empty MAC"),
        pytest.param(lambda url: url.replace("data=", "data= "), "sun.form", id="a blank"),
        pytest.param(lambda url: url.replace("data=", "data=00"), "sun.form", id="a byte more"),
        pytest.param(lambda url: url.replace("&cmac", "&enc=00&cmac"), "sun.form", id="file data of a byte"),
        pytest.param(lambda url: url.replace("&cmac", f"&enc={'0' * 32}&cmac"), "sun.mac", id="file data put in"),
        pytest.param(
            lambda url: "https://shop.test/?cmac=" + url[-16:] + "&" + url[20:62], "sun.form", id="MAC goes first"
        ),
    ],
)
def test_our_form_but_wrong_is_refused(change: Any, reason: str) -> None:
    assert sun.judge(change(hidden()), talk(OURS)) == Refused(reason)


def test_file_data_cannot_be_taken_out() -> None:
    tag = emulated.make(emulated.spec(meta=META, file=FILE, url=emulated.FILE_URL, mac_from="enc", data=DATA))
    before, _, mac = tag.url().partition("&enc=")
    assert sun.judge(before + mac[mac.index("&cmac") :], talk(OURS)) == Refused("sun.mac")


# --- what must not pass -------------------------------------------------------------------------------------------

MESSAGES = many(2_000, 10_000)
SEED = 424
HEX = "0123456789ABCDEF"


class Shop:
    """The keys of a shop, and its store: what a message must pass before it opens anything."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx
        self.master = key("master")
        self._talk = talk(OURS, SunKey(key("old meta"), self.master, diversified=True, system=b"acme"))

    def take(self, text: str, uid: bytes = b"") -> str:
        """ "accepted", or why not."""
        around = Talk(self._talk.keyring, "acme/bern", NOW_MS, bytes, uid)
        outcome = tags.judge(tags.encode_uri(text), around)
        if isinstance(outcome, Refused):
            return outcome.reason
        if outcome is None or outcome.token.kind is not CredentialKind.SUN:
            return "not ours"
        assert outcome.count is not None
        digest = static_digest(SITE_KEY, outcome.token.kind, outcome.token.value)
        return "accepted" if self._tx.admit("m1", Guard(digest, outcome.count)) else "replayed"


def wrong_digit(dice: random.Random, text: str, spans: list[tuple[int, int]]) -> str:
    at = dice.randrange(*dice.choice(spans))
    return text[:at] + dice.choice(HEX.replace(text[at], "")) + text[at + 1 :]


def reordered(dice: random.Random, text: str) -> str:
    head, _, query = text.partition("?")
    fields = query.split("&")
    turned = fields[:]
    while turned == fields:
        dice.shuffle(turned)
    return head + "?" + "&".join(turned)


def spans_of(text: str) -> list[tuple[int, int]]:
    """Where the values of a URL stand."""
    spans, at = [], text.index("?") + 1
    for one in text[at:].split("&"):
        spans.append((at + one.index("=") + 1, at + len(one)))
        at += len(one) + 1
    return spans


def random_values(dice: random.Random, text: str) -> str:
    for start, end in spans_of(text):
        text = text[:start] + "".join(dice.choices(HEX, k=end - start)) + text[end:]
    return text


def mixed(dice: random.Random, text: str, other: str) -> str:
    """One value of another true message of this kind of URL."""
    start, end = dice.choice([span for span in spans_of(text) if text[slice(*span)] != other[slice(*span)]])
    return text[:start] + other[start:end] + text[end:]


def test_ten_thousand_false_messages_never_pass_and_a_true_one_passes_once() -> None:
    dice = random.Random(SEED)
    database = Database(memory=True)
    migrate(database)
    shop = Shop(Tx(database, Vault(bytes(32))))
    cards = []
    for number, mode in enumerate([one.values for one in MODES] * 2):
        url, mac_from, data = mode
        uid = bytes([4]) + dice.randbytes(6)
        own = (META, FILE) if number % 3 else (key("old meta"), sun.diversified(shop.master, uid + sun.AID + b"acme"))
        cards.append(emulated.make(emulated.spec(uid.hex(), *own, url, mac_from, number, data)))
    spent: dict[int, list[str]] = {number: [card.url()] for number, card in enumerate(cards)}
    for texts in spent.values():
        assert shop.take(texts[0]) == "accepted"
    reasons: Counter[str] = Counter()
    passed = 0
    for turn in range(MESSAGES):
        number = dice.randrange(len(cards))
        card, told = cards[number], spent[number]
        fresh, skipped = card.url(), card.url()  # two true ones, the second shown first
        uid = b""
        what = dice.randrange(8)
        if what == 0:
            forged = wrong_digit(dice, fresh, spans_of(fresh))
        elif what == 1:
            forged = random_values(dice, fresh)
        elif what == 2:
            forged = fresh[: dice.randrange(fresh.index("?") + 2, len(fresh))]
        elif what == 3:
            forged = reordered(dice, fresh)
        elif what == 4:
            forged = mixed(dice, fresh, skipped)
        elif what == 5:
            forged = dice.choice(told)
        elif what == 6:
            forged, uid = fresh, bytes([4]) + dice.randbytes(6)
        else:
            assert shop.take(skipped) == "accepted"
            told.append(skipped)
            passed += 1
            forged = fresh
        outcome = shop.take(forged, uid)
        assert outcome != "accepted", (turn, what)
        if outcome == "not ours":
            assert what == 2  # cut so early that no form of ours was left
            assert "picc_data=" not in forged and "ctr=" not in forged
        reasons[outcome] += 1
        del told[:-8]
    assert reasons.total() == MESSAGES
    assert set(reasons) == {"sun.form", "sun.picc", "sun.mac", "sun.uid", "replayed", "not ours"}
    assert passed > MESSAGES / 10
    print(f"seed {SEED}: {MESSAGES} false messages, {dict(reasons)}; {passed} true ones, each passed once")
    database.close()
