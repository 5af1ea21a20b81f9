"""What the process wrote, as the kernel counts it."""

from pathlib import Path

from gateway.wear import BUDGET_BYTES, written_bytes

CARD_BYTES, YEARS, INSIDE, CELL_WRITES = 32_000_000_000, 5, 10, 100


def test_what_is_written_is_counted(tmp_path: Path) -> None:
    io = tmp_path / "io"
    io.write_text("rchar: 1\nwchar: 2\nread_bytes: 3\nwrite_bytes: 8192\ncancelled_write_bytes: 4\n")
    assert written_bytes(io) == 8_192


def test_a_kernel_that_does_not_count_is_none(tmp_path: Path) -> None:
    assert written_bytes(tmp_path / "io") is None
    (tmp_path / "io").write_text("rchar: 1\n")
    assert written_bytes(tmp_path / "io") is None
    (tmp_path / "io").write_text("write_bytes: many\n")
    assert written_bytes(tmp_path / "io") is None


def test_a_plain_card_bears_the_budget_for_five_years() -> None:
    assert BUDGET_BYTES * 365 * YEARS * INSIDE < CARD_BYTES * CELL_WRITES
