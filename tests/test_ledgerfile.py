"""The file of a ledger: what is written is read, and torn ends, damage and full disks cost nothing else."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.changes import LedgerEntry
from gateway.errors import ConfigError, StoreError
from gateway.ledgerfile import ENTRY_BYTES, MAGIC_BYTES, Found, Ledger, LedgerKind, read

KIND = LedgerKind("some.ledger", b"SGTESTS1", "the ledger of tests", "nothing is lost")

digests = st.binary(min_size=16, max_size=16)
entries = st.lists(st.builds(LedgerEntry, digests, st.integers(0, 2**63 - 1), st.integers(0, 2**53)), max_size=8)


def one(number: int, seq: int = 0) -> LedgerEntry:
    return LedgerEntry(number.to_bytes(16, "big"), seq, 1_000 + number)


def found_in(folder: Path) -> Found:
    found = read(folder / KIND.name, KIND)
    assert found is not None
    return found


@given(entries)
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, written: list[LedgerEntry]) -> None:
    folder = tmp_path_factory.mktemp("ledger")
    ledger = Ledger(folder, KIND)
    assert (ledger.count, ledger.read()) == (0, None)
    ledger.append(written[:3])
    ledger.append(written[3:])
    if written:
        assert found_in(folder) == ledger.read() == Found(list(written), 0, 0)
    assert ledger.count == Ledger(folder, KIND).count == len(written)


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    Ledger(tmp_path, KIND).append([one(1, 7)])
    assert (tmp_path / KIND.name).stat().st_mode & 0o777 == 0o600
    assert (tmp_path / KIND.name).stat().st_size == MAGIC_BYTES + ENTRY_BYTES


@pytest.mark.parametrize("lost", [*range(1, ENTRY_BYTES), ENTRY_BYTES])
def test_a_torn_end_is_left_out_and_written_over(tmp_path: Path, lost: int) -> None:
    path = tmp_path / KIND.name
    Ledger(tmp_path, KIND).append([one(1), one(2), one(3)])
    os.truncate(path, path.stat().st_size - lost)
    assert found_in(tmp_path) == Found([one(1), one(2)], (ENTRY_BYTES - lost) % ENTRY_BYTES, 0)
    ledger = Ledger(tmp_path, KIND)
    assert ledger.count == 2
    ledger.append([one(4)])
    assert found_in(tmp_path) == Found([one(1), one(2), one(4)], 0, 0)


@pytest.mark.parametrize("size", range(MAGIC_BYTES))
def test_a_power_cut_in_the_very_first_entry(tmp_path: Path, size: int) -> None:
    (tmp_path / KIND.name).write_bytes(KIND.magic[:size])
    assert found_in(tmp_path) == Found([], size, 0)
    Ledger(tmp_path, KIND).append([one(1)])
    assert found_in(tmp_path) == Found([one(1)], 0, 0)


def test_a_damaged_entry_is_counted_and_costs_no_other(tmp_path: Path) -> None:
    path = tmp_path / KIND.name
    Ledger(tmp_path, KIND).append([one(1), one(2), one(3)])
    data = bytearray(path.read_bytes())
    data[MAGIC_BYTES + ENTRY_BYTES + 3] ^= 1
    path.write_bytes(data)
    assert found_in(tmp_path) == Found([one(1), None, one(3)], 0, 1)
    ledger = Ledger(tmp_path, KIND)
    ledger.replace([one(1), one(3)])
    assert found_in(tmp_path) == Found([one(1), one(3)], 0, 0)
    ledger.append([one(4)])
    assert found_in(tmp_path) == Found([one(1), one(3), one(4)], 0, 0)


def test_a_disk_that_takes_a_part_is_asked_for_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger, real = Ledger(tmp_path, KIND), os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: real(fd, data[:10], at))
    ledger.append([one(1), one(2)])
    assert found_in(tmp_path) == Found([one(1), one(2)], 0, 0)
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: 0)
    with pytest.raises(StoreError, match="full"):
        ledger.append([one(3)])
    assert ledger.count == 2


def test_a_file_that_was_taken_away_or_put_back_shorter_begins_anew(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, KIND)
    ledger.append([one(1), one(2)])
    (tmp_path / KIND.name).unlink()
    assert ledger.first is None
    ledger.append([one(3)])
    assert found_in(tmp_path) == Found([one(3)], 0, 0)
    assert (ledger.count, ledger.first) == (1, one(3))


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    Ledger(tmp_path, KIND).append([one(1)])
    other = LedgerKind(KIND.name, b"SGOTHER1", "the ledger of others", "all is lost")
    with pytest.raises(ConfigError, match=r"is no ledger of others.*all is lost"):
        Ledger(tmp_path, other)


def test_a_disk_that_refuses_takes_nothing_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger(tmp_path, KIND)
    ledger.append([one(1)])
    real = os.fsync

    def refuse(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(StoreError, match="full"):
        ledger.append([one(2)])
    monkeypatch.setattr(os, "fsync", real)
    ledger.append([one(3)])
    assert found_in(tmp_path) == Found([one(1), one(3)], 0, 0)
