"""Materials become keys or are refused without a word of them; the ring gives what serves now, newest first."""

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.keyring import (
    MAX_MATERIAL_BYTES,
    CouponKey,
    HceKey,
    Held,
    Keyring,
    KeyUse,
    SmartTapKey,
    SunKey,
    TagKey,
    VasKey,
    parse,
    reader_id,
)
from gateway.errors import PeerError

SECRET = hashlib.sha256(b"gateway test terminal key").hexdigest()
MATERIALS: dict[KeyUse, dict[str, Any]] = {
    KeyUse.HCE: {"private": SECRET},
    KeyUse.SMARTTAP: {"collector": "0133ee80", "version": 1, "private": SECRET},
    KeyUse.VAS: {"pass_type_id": "pass.example.loyalty", "private": SECRET},
    KeyUse.SUN: {"meta": SECRET[:32], "file": SECRET[32:]},
    KeyUse.TAG: {"key_id": "a1", "public": SECRET},
    KeyUse.COUPON: {"key_id": "m1", "private": SECRET},
}
every = pytest.mark.parametrize("use", KeyUse)


def material(use: KeyUse, **own: object) -> bytes:
    return json.dumps({name: value for name, value in (MATERIALS[use] | own).items() if value is not ...}).encode()


def test_each_use_has_its_key() -> None:
    kinds = {KeyUse.HCE: HceKey, KeyUse.SMARTTAP: SmartTapKey, KeyUse.VAS: VasKey, KeyUse.SUN: SunKey}
    kinds[KeyUse.COUPON] = CouponKey
    for use in KeyUse:
        assert isinstance(parse(use, material(use)), kinds.get(use, TagKey))


def test_the_fields_of_a_material_are_those_of_the_key() -> None:
    hce = parse(KeyUse.HCE, material(KeyUse.HCE))
    assert isinstance(hce, HceKey)
    assert hce.key_id == reader_id(hce.private.public_key())
    assert hce.private.private_numbers().private_value == int(SECRET, 16)
    smarttap = parse(KeyUse.SMARTTAP, material(KeyUse.SMARTTAP))
    assert isinstance(smarttap, SmartTapKey)
    assert (smarttap.collector.hex(), smarttap.version) == ("0133ee80", 1)
    tag = parse(KeyUse.TAG, material(KeyUse.TAG))
    assert isinstance(tag, TagKey)
    assert (tag.key_id, tag.public.public_bytes_raw().hex()) == ("a1", SECRET)
    plain = SunKey(bytes.fromhex(SECRET[:32]), bytes.fromhex(SECRET[32:]))
    assert parse(KeyUse.SUN, material(KeyUse.SUN)) == plain
    own = parse(KeyUse.SUN, material(KeyUse.SUN, diversified=True, picc="p", enc="", cmac="m", system="4e58"))
    assert own == SunKey(plain.meta, plain.file, True, "p", "", "m", b"NX")


@every
def test_what_is_printed_of_a_key_is_no_secret(use: KeyUse) -> None:
    shown = repr(parse(use, material(use)))
    if use is not KeyUse.TAG:
        assert SECRET[:32] not in shown
        assert repr(bytes.fromhex(SECRET[:32]))[2:-1] not in shown


@every
def test_every_field_is_needed_and_none_is_surplus(use: KeyUse) -> None:
    for name in MATERIALS[use]:
        with pytest.raises(PeerError) as caught:
            parse(use, material(use, **{name: ...}))
        assert (caught.value.reason, caught.value.field) == ("key_material", name)
    with pytest.raises(PeerError) as caught:
        parse(use, material(use, more=1))
    assert caught.value.field == "surplus"


@pytest.mark.parametrize(
    ("use", "own"),
    [
        (KeyUse.HCE, {"private": "00" * 32}),
        (KeyUse.HCE, {"private": "ff" * 32}),
        (KeyUse.HCE, {"private": SECRET.upper()}),
        (KeyUse.HCE, {"private": SECRET + "\n"}),
        (KeyUse.SMARTTAP, {"version": True}),
        (KeyUse.SMARTTAP, {"version": -1}),
        (KeyUse.SMARTTAP, {"version": 2**32}),
        (KeyUse.SMARTTAP, {"version": 1.0}),
        (KeyUse.VAS, {"pass_type_id": ""}),
        (KeyUse.VAS, {"pass_type_id": "p" * 129}),
        (KeyUse.VAS, {"pass_type_id": "pass.ex\u00e4mple"}),
        (KeyUse.SUN, {"meta": SECRET}),
        (KeyUse.SUN, {"diversified": 1}),
        (KeyUse.SUN, {"picc": "a&b"}),
        (KeyUse.SUN, {"picc": ""}),
        (KeyUse.SUN, {"cmac": ""}),
        (KeyUse.SUN, {"cmac": "a", "picc": "a"}),
        (KeyUse.SUN, {"cmac": "a", "enc": "a"}),
        (KeyUse.SUN, {"enc": "a", "picc": "a"}),
        (KeyUse.SUN, {"system": "00" * 18}),
        (KeyUse.SUN, {"system": "0"}),
        (KeyUse.TAG, {"key_id": "a" * 17}),
        (KeyUse.TAG, {"public": SECRET[:62]}),
        (KeyUse.TAG, {"public": "00" * 32}),
        (KeyUse.TAG, {"public": "01" + "00" * 31}),
        (KeyUse.TAG, {"public": "ff" * 32}),
    ],
)
def test_fields_of_another_form_are_refused_by_name(use: KeyUse, own: dict[str, object]) -> None:
    with pytest.raises(PeerError) as caught:
        parse(use, material(use, **own))
    assert (caught.value.reason, caught.value.field) == ("key_material", next(iter(own)))
    assert caught.value.__cause__ is None


@given(st.sampled_from(KeyUse), st.binary(max_size=80))
def test_any_bytes_are_a_peer_error(use: KeyUse, junk: bytes) -> None:
    with pytest.raises(PeerError, match="key_material"):
        parse(use, junk)


@every
@pytest.mark.parametrize("junk", [b"[" * MAX_MATERIAL_BYTES, b"[]", b"null", b'"a"', b"\xff"])
def test_what_is_no_object_is_refused(use: KeyUse, junk: bytes) -> None:
    with pytest.raises(PeerError, match="key_material"):
        parse(use, junk)


@every
def test_a_material_is_bounded(use: KeyUse) -> None:
    whole = material(use)
    parse(use, whole + b" " * (MAX_MATERIAL_BYTES - len(whole)))
    with pytest.raises(PeerError, match="key_material"):
        parse(use, whole + b" " * (MAX_MATERIAL_BYTES + 1 - len(whole)))


def test_the_ring_gives_what_serves_newest_first() -> None:
    first, second = (SunKey(bytes([n]) * 16, bytes(16)) for n in (1, 2))
    tag = parse(KeyUse.TAG, material(KeyUse.TAG))
    ring = Keyring([Held("a", 10, 50, first), Held("b", 40, None, second), Held("t", 0, None, tag)])
    assert [ring.of(SunKey, ms) for ms in (9, 10, 40, 49, 50)] == [
        (),
        (first,),
        (second, first),
        (second, first),
        (second,),
    ]
    assert ring.of(TagKey, 5) == (tag,)
    assert ring.of(HceKey, 45) == ()
