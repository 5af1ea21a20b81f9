"""The chain over a consent log: what was written comes back, and every change to it shows."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import chain
from gateway.core.chain import Entry, Head, body_of, check, next_entry, open_head, record_of, seal_head
from gateway.core.model import AgeGate, ConsentRecord, ConsentState, Purpose
from gateway.core.vault import Vault
from tests.test_ops import records

VAULT = Vault(bytes(32))


def written(*log: ConsentRecord) -> tuple[list[Entry], Head]:
    head, entries = Head(AgeGate.OVER_16), []
    for record in log:
        entry, head = next_entry(VAULT, head, record)
        entries.append(entry)
    return entries, head


def some(number: int) -> list[ConsentRecord]:
    return [ConsentRecord(f"e{n}", "m-1", Purpose.STAFF_ADVICE, ConsentState.GIVEN, n, n + 9) for n in range(number)]


@given(records)
def test_a_record_comes_back_from_its_bytes(record: ConsentRecord) -> None:
    assert record_of(body_of(record)) == record


def test_what_says_nothing_takes_no_room() -> None:
    assert body_of(some(1)[0]) == b'[1,"e0","m-1","staff_advice","given",0,9]'


@given(st.lists(records, max_size=4))
def test_a_whole_log_is_read_back(log: list[ConsentRecord]) -> None:
    entries, head = written(*log)
    assert check(VAULT, "m-1", entries, head) == log
    assert open_head(VAULT, "m-1", *seal_head(VAULT, "m-1", head)) == head


def test_every_byte_of_every_entry_counts() -> None:
    entries, head = written(*some(3))
    for row, entry in enumerate(entries):
        for name, value in entry._asdict().items():
            if isinstance(value, bytes):
                spoiled = [value[:n] + bytes([value[n] ^ 1]) + value[n + 1 :] for n in range(len(value))]
                spoiled += [value[:-1], value + b" ", b"", value.decode("latin-1"), None]
            else:
                spoiled = [value + 1, -value, str(value), None, 2**70]
            for other in spoiled:
                changed = [*entries[:row], entry._replace(**{name: other}), *entries[row + 1 :]]
                assert check(VAULT, "m-1", changed, head) is None, (row, name, other)


def test_entries_taken_moved_added_or_handed_on_show() -> None:
    entries, head = written(*some(3))
    one, two, three = entries
    extra, _ = next_entry(VAULT, head, some(1)[0])
    for changed in (
        [one, two],
        [one, three],
        [two, three],
        [],
        [two, one, three],
        [*entries, extra],
        [*entries, three],
    ):
        assert check(VAULT, "m-1", changed, head) is None
    assert check(VAULT, "m-2", entries, head) is None
    assert check(Vault(b"x" * 32), "m-1", entries, head) is None
    assert check(VAULT, "m-1", entries, Head(head.age, 3, two.mac)) is None


def test_every_byte_of_the_head_counts() -> None:
    head = Head(AgeGate.UNDER_16, 7, bytes(range(32)))
    body, mac = seal_head(VAULT, "m-1", head)
    for n in range(len(body)):
        assert open_head(VAULT, "m-1", body[:n] + bytes([body[n] ^ 1]) + body[n + 1 :], mac) is None
    for n in range(len(mac)):
        assert open_head(VAULT, "m-1", body, mac[:n] + bytes([mac[n] ^ 1]) + mac[n + 1 :]) is None
    for other in (None, "", body.decode(), 5):
        assert open_head(VAULT, "m-1", other, mac) is None
        assert open_head(VAULT, "m-1", body, other) is None
    assert open_head(VAULT, "m-2", body, mac) is None


def test_what_is_no_entry_of_ours_is_an_error_and_never_a_record() -> None:
    for body in (
        b"",
        b"{}",
        b"[]",
        b"5",
        b"[2]",
        b"[1]",
        b'[1,"e","m","x","given",5]',
        b"[1" + b",5" * 40 + b"]",
        b"\xff",
    ):
        with pytest.raises((ValueError, LookupError, TypeError)):
            record_of(body)


def test_a_field_that_is_added_to_the_record_is_in_the_bytes() -> None:
    names = {field.name for field in dataclasses.fields(ConsentRecord)}
    assert {name for name, _ in chain._FIELDS} == names
