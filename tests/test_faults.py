"""drivers.faults: each fault of a reader has words and a next step."""

import errno
import termios

import pytest

from drivers import faults
from drivers.faults import LostError


@pytest.mark.parametrize(
    ("error", "words", "absent"),
    [
        (FileNotFoundError(errno.ENOENT, ""), "There is no card reader at tty", True),
        (OSError(errno.ENODEV, ""), "There is no card reader at tty", True),
        (PermissionError(errno.EACCES, ""), "may not be opened", False),
        (BlockingIOError(errno.EAGAIN, ""), "Another program", False),
        (OSError(errno.ETIMEDOUT, ""), "does not answer", False),
        (termios.error(errno.ENOENT, ""), "does not answer", False),  # its number means something else
        (ValueError(), "does not answer", False),
    ],
)
def test_a_reader_that_cannot_be_opened_says_why(error: Exception, words: str, absent: bool) -> None:
    lost = faults.not_opened("tty", error)
    assert words in str(lost)
    assert lost.absent is absent
    assert lost.action


@pytest.mark.parametrize(("lost", "absent"), [(faults.unplugged(), True), (faults.silent(), False)])
def test_a_reader_that_fails_has_a_next_step(lost: LostError, absent: bool) -> None:
    assert str(lost)
    assert lost.action
    assert lost.absent is absent
