"""gateway.core.appleprofile: a profile with the certificate whole, the same one for the same certificate."""

import plistlib

from gateway.core.appleprofile import profile


def test_it_holds_the_certificate_as_a_root() -> None:
    made = plistlib.loads(profile(b"\x30\x82der", "Store gateway <munich-1> & more", "text"))
    (payload,) = made["PayloadContent"]
    assert made["PayloadType"] == "Configuration"
    assert payload["PayloadType"] == "com.apple.security.root"
    assert payload["PayloadContent"] == b"\x30\x82der"
    assert made["PayloadDisplayName"] == payload["PayloadDisplayName"] == "Store gateway <munich-1> & more"


def test_the_same_certificate_is_never_listed_twice() -> None:
    first, again, other = (plistlib.loads(profile(der, "t", "")) for der in (b"a", b"a", b"b"))
    assert first["PayloadUUID"] == again["PayloadUUID"] != other["PayloadUUID"]
    assert first["PayloadUUID"] != first["PayloadContent"][0]["PayloadUUID"]
