"""One-time codes: their form, and a keyed hash that only this shop can make."""

from gateway.core.onetime import code_digest, is_code


def test_a_code_has_eight_digits() -> None:
    assert is_code("01234567")
    assert not any(map(is_code, ("", "1234567", "123456789", "1234567a", "1234567\n", "١٢٣٤٥٦٧٨")))


def test_the_digest_needs_the_site_key() -> None:
    keys = bytes(32), bytes(31) + b"\x01"
    digests = {code_digest(key, code) for key in keys for code in ("00000000", "00000001")}
    assert len(digests) == 4
    assert {len(digest) for digest in digests} == {16}
