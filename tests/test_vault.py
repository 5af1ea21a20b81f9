"""A sealed value opens at its own place with its own key, and nowhere else."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.vault import SEAL_BYTES, KeyUse, Vault, WrappedKey, key_mark, unlock, unwrap, wrap
from gateway.errors import SealError

VAULT = Vault(bytes(range(32)))


@given(st.text(max_size=40), st.binary(max_size=2_000))
def test_what_was_sealed_opens_at_its_place(place: str, clear: bytes) -> None:
    sealed = VAULT.seal(place, clear)
    assert VAULT.open(place, sealed) == clear
    assert len(sealed) == len(clear) + SEAL_BYTES
    assert VAULT.seal(place, clear) != sealed


@given(st.binary(min_size=8, max_size=200), st.integers(0, 10_000))
def test_no_bit_may_change(clear: bytes, at: int) -> None:
    sealed = bytearray(VAULT.seal("member.body/m1", clear))
    assert clear not in bytes(sealed)
    sealed[at % len(sealed)] ^= 1 << at % 8
    with pytest.raises(SealError):
        VAULT.open("member.body/m1", bytes(sealed))


@pytest.mark.parametrize("sealed", [b"", b"x" * 11, b"x" * 12, b"x" * 27, b"x" * 100])
def test_rubbish_does_not_open(sealed: bytes) -> None:
    with pytest.raises(SealError):
        VAULT.open("member.body/m1", sealed)


def test_nothing_opens_elsewhere_or_under_another_key() -> None:
    sealed = VAULT.seal("member.body/m1", b"Mia")
    for vault, place in (
        (VAULT, "member.body/m2"),
        (VAULT, "credential.secret/m1"),
        (Vault(bytes(32)), "member.body/m1"),
    ):
        with pytest.raises(SealError) as caught:
            vault.open(place, sealed)
        assert "m1" not in str(caught.value)


def test_a_mac_depends_on_use_key_and_where_its_parts_end() -> None:
    macs = {
        VAULT.mac("chain", b"ab", b"c"),
        VAULT.mac("chain", b"a", b"bc"),
        VAULT.mac("chain", b"abc"),
        VAULT.mac("ledger", b"ab", b"c"),
        Vault(bytes(32)).mac("chain", b"ab", b"c"),
    }
    assert len(macs) == 5
    assert VAULT.mac("chain", b"ab", b"c") in macs


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Vault(b"short")


@given(st.binary(min_size=32, max_size=32), st.integers(1, 2**31), st.sampled_from(KeyUse))
def test_a_wrapped_key_opens_with_its_root_id_and_use_alone(key: bytes, key_id: int, use: KeyUse) -> None:
    root = bytes(range(32))
    row = wrap(root, key_id, use, key)
    assert unwrap(root, row) == key
    assert key not in row.wrapped
    (other,) = set(KeyUse) - {use}
    for changed in (replace(row, key_id=key_id + 1), replace(row, use=other), replace(row, wrapped=row.wrapped[:-1])):
        with pytest.raises(SealError):
            unwrap(root, changed)
    with pytest.raises(SealError):
        unwrap(bytes(32), row)


def rows(*uses: KeyUse, root: bytes = bytes(32)) -> list[WrappedKey]:
    return [wrap(root, number, use, bytes([number] * 32)) for number, use in enumerate(uses, 1)]


@pytest.mark.parametrize("uses", [[], [KeyUse.SITE], [KeyUse.FIELDS], [KeyUse.SITE, KeyUse.SITE, KeyUse.FIELDS]])
def test_keys_that_are_missing_or_twofold_make_no_vault(uses: list[KeyUse]) -> None:
    with pytest.raises(SealError):
        unlock(bytes(32), rows(*uses))


def test_the_newest_key_seals_and_all_open() -> None:
    first = unlock(bytes(32), rows(KeyUse.SITE, KeyUse.FIELDS))
    both = unlock(bytes(32), rows(KeyUse.SITE, KeyUse.FIELDS, KeyUse.FIELDS))
    old, new = first.seal("x/1", b"old"), both.seal("x/1", b"new")
    assert (old[:4], new[:4], both.newest) == (key_mark(2), key_mark(3), key_mark(3))
    assert (both.open("x/1", old), both.open("x/1", new)) == (b"old", b"new")
    assert both.mac("x", b"y") == first.mac("x", b"y")
    assert both.identifier_key == first.identifier_key
    with pytest.raises(SealError):
        first.open("x/1", new)
    first.hold_those_of(both)
    assert first.open("x/1", new) == b"new"
    assert first.marks == {key_mark(2), key_mark(3)}
