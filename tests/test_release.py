"""Releases: only the very bytes that a trusted key signed are one, and a box takes none that is older than its own."""

import hashlib
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import ed25519, release
from gateway.core.release import Package, Release
from gateway.core.spans import DAY_MS

NOW_MS = 1_800_000_000_000


def key(name: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())


def public(name: str) -> bytes:
    return key(name).public_key().public_bytes_raw()


def package(machine: str = "arm64", version: str = "1.2.3") -> Package:
    return release.package_of([b"pack", b"age"], f"store-gateway_{version}_{machine}.deb")


def made(version: str = "1.2.3", lowest: str = "0.1", until_ms: int | None = None) -> Release:
    return Release(version, lowest, {"arm64": package(), "amd64": package("amd64")}, NOW_MS, until_ms)


MANIFEST = release.signed(made(), key("ours"))


def test_what_was_signed_comes_back() -> None:
    assert release.read(MANIFEST, [public("ours")]) == made()
    assert made().packages["arm64"] == Package(
        "store-gateway_1.2.3_arm64.deb", 7, hashlib.sha256(b"package").hexdigest()
    )
    expiring = made(until_ms=NOW_MS + DAY_MS)
    assert release.read(release.signed(expiring, key("ours")), [public("ours")]) == expiring


def test_the_form_of_the_file_stays() -> None:
    """A vector: whoever signs elsewhere builds what the page says, byte by byte."""
    whole = json.loads(MANIFEST)
    assert list(whole["signed"]) == ["from", "made_ms", "packages", "product", "version"]
    text = json.dumps(whole["signed"], sort_keys=True, separators=(",", ":")).encode()
    assert whole["signatures"] == [
        {"key": public("ours").hex(), "signature": key("ours").sign(b"store-gateway release 1\0" + text).hex()}
    ]


def test_a_change_of_keys_needs_one_that_is_trusted() -> None:
    both = release.signed(made(), key("old"), key("new"))
    for trusted in ([public("old")], [public("new")], [public("theirs"), public("new")]):
        assert release.read(both, trusted) == made()
    assert release.read(both, [public("theirs")]) == "signature"
    assert release.read(both, []) == "keys"


def test_somebody_elses_name_on_a_signature_of_theirs_counts_nothing() -> None:
    whole = json.loads(release.signed(made(), key("theirs")))
    whole["signatures"][0]["key"] = public("ours").hex()
    assert release.read(json.dumps(whole).encode(), [public("ours")]) == "signature"


@pytest.mark.parametrize("field", ["version", "from", "made_ms", "product", "until_ms"])
def test_nothing_of_it_can_be_changed(field: str) -> None:
    whole = json.loads(MANIFEST)
    whole["signed"][field] = 7
    assert release.read(json.dumps(whole).encode(), [public("ours")]) == "signature"


@given(st.integers(0, len(MANIFEST) - 1), st.integers(1, 255))
def test_no_bit_of_it_can_be_changed(at: int, bits: int) -> None:
    changed = MANIFEST[:at] + bytes([MANIFEST[at] ^ bits]) + MANIFEST[at + 1 :]
    found = release.read(changed, [public("ours")])
    assert found in ("form", "signature") or (found == made() and json.loads(changed) is not None)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_rubbish_is_refused(rubbish: bytes) -> None:
    assert release.read(rubbish, [public("ours")]) == "form"


@pytest.mark.parametrize(
    "rubbish",
    [
        b"[" * 60_000,
        b'{"signed": NaN, "signatures": []}',
        b'{"signed": {}, "signatures": 7}',
        b'{"signed": {}, "signatures": {"a": 1}}',
        b'{"signed": {}, "signatures": [{"key": [], "signature": "00"}]}',
        b'{"signed": {}, "signatures": [{"key": "", "signature": "x"}]}',
        b"7" * 5_000,
        MANIFEST + b" " * release.MAX_MANIFEST_BYTES,
    ],
)
def test_rubbish_in_good_form_is_refused(rubbish: bytes) -> None:
    assert release.read(rubbish, [public("ours")]) == "form"


def by_hand(body: object) -> bytes:
    """A manifest that is signed and yet not ours."""
    text = json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
    signature = key("ours").sign(b"store-gateway release 1\0" + text).hex()
    signatures = [{"key": public("ours").hex(), "signature": signature}]
    return json.dumps({"signed": body, "signatures": signatures}).encode()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"product": "kettle"}, "product"),
        ({"version": "1.2.3-evil"}, "form"),
        ({"version": None}, "form"),
        ({"from": "../.."}, "form"),
        ({"made_ms": -1}, "form"),
        ({"made_ms": True}, "form"),
        ({"until_ms": 0.5}, "form"),
        ({"packages": []}, "form"),
        ({"packages": {}}, "form"),
        ({"packages": {"riscv": {}}}, "form"),
        ({"packages": {"arm64": 7}}, "form"),
        ({"packages": {"arm64": {"name": "../x.deb", "size": 1, "sha256": "0" * 64}}}, "form"),
        ({"packages": {"arm64": {"name": "store-gateway_/x.deb", "size": 1, "sha256": "0" * 64}}}, "form"),
        ({"packages": {"arm64": {"name": package().name, "size": 10**12, "sha256": "0" * 64}}}, "form"),
        ({"packages": {"arm64": {"name": package().name, "size": 1, "sha256": "0"}}}, "form"),
    ],
)
def test_what_is_signed_and_makes_no_sense_is_refused(change: dict[str, object], why: str) -> None:
    body = json.loads(MANIFEST)["signed"]
    assert release.read(by_hand(body), [public("ours")]) == made()
    assert release.read(by_hand(body | {"later": "a field of next year"}), [public("ours")]) == made()
    assert release.read(by_hand(body | change), [public("ours")]) == why
    assert release.read(by_hand(7), [public("ours")]) == "product"


def test_nobody_can_sign_what_no_box_would_take() -> None:
    with pytest.raises(ValueError, match="not as it has to be"):
        release.signed(made(version="1"), key("ours"))


@pytest.mark.parametrize(
    ("runs", "why", "why_older"),
    [
        ("1.2.2", "", ""),
        ("0.1", "", ""),
        ("0.1.0.0", "", ""),
        ("0.0.9", "from", "from"),
        ("1.2.3", "same", "same"),
        ("1.2.3.0", "old", ""),
        ("1.2.10", "old", ""),
        ("2.0", "old", ""),
        ("1.2.4.dev3", "old", ""),
    ],
)
def test_a_box_takes_what_is_newer(runs: str, why: str, why_older: str) -> None:
    assert release.refused(made(), runs, "arm64", NOW_MS) == why
    assert release.refused(made(), runs, "arm64", NOW_MS, older=True) == why_older


def test_a_box_takes_what_is_for_it_and_in_time() -> None:
    assert release.refused(made(), "1.0", "armhf", NOW_MS) == "machine"
    assert release.refused(made(until_ms=NOW_MS), "1.0", "arm64", NOW_MS) == ""
    assert release.refused(made(until_ms=NOW_MS), "1.0", "arm64", NOW_MS + 1) == "expired"


def test_versions_are_numbers_and_not_letters() -> None:
    assert release.order("1.10") > release.order("1.9.9") > release.order("1.9")
    with pytest.raises(ValueError, match="two to four"):
        release.order("1.x")


def test_public_keys_are_read_line_by_line() -> None:
    text = f"# ours\n\n{public('ours').hex()} the first\n  {public('new').hex()}\n"
    assert release.public_keys(text) == [public("ours"), public("new")]
    anybodys = min(ed25519.SMALL_ORDER).to_bytes(32, "little").hex()
    for wrong in ("x" * 64, public("ours").hex()[:-1], public("ours").hex().upper(), anybodys):
        with pytest.raises(ValueError, match="line 2"):
            release.public_keys(f"{public('ours').hex()}\n{wrong}\n")
    with pytest.raises(ValueError, match="at most 16"):
        release.public_keys("\n".join(public(str(n)).hex() for n in range(17)))


def test_every_reason_says_what_to_do() -> None:
    assert all(what and step.endswith(".") for what, step in release.WHY.values())
