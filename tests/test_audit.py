"""Advisories about pinned packages: what is known is said, and what nobody looked at is never called clean."""

import json
from pathlib import Path

import pytest

from tests.rigs.broker import free_port
from tools import audit

CLEAN = {"name": "h11", "version": "0.16.0", "vulns": []}
WEAK = {"name": "idna", "version": "3.20", "vulns": [{"id": "CVE-2030-1", "fix_versions": ["3.21"]}]}
UNASKED = {"name": "anyio", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("rows", "status", "said"),
    [
        ([CLEAN], audit.CLEAN, "All 1 packages were looked at; none"),
        ([CLEAN, WEAK], audit.FOUND, "idna 3.20: CVE-2030-1, mended in 3.21"),
        ([CLEAN, UNASKED], audit.NOT_ASKED, "1 of 2 packages were looked at. Not looked at: anyio."),
        ([UNASKED], audit.NOT_ASKED, "none of 1 packages was looked at"),
        ([WEAK, UNASKED], audit.FOUND, "Not looked at: anyio."),
        ([], audit.NOT_ASKED, "none of 0 packages"),
    ],
)
def test_what_was_not_looked_at_is_not_clean(rows: list[dict[str, object]], status: int, said: str) -> None:
    found, lines = audit.judged(json.dumps({"dependencies": rows, "fixes": []}))
    assert found == status
    assert said in "\n".join(lines)


@pytest.mark.parametrize("told", ["", "rubbish", "[]", "{}"])
def test_no_answer_is_no_answer(told: str) -> None:
    assert audit.judged(told)[0] == audit.NOT_ASKED


def test_without_a_source_it_says_so_and_ends_with_its_own_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pinned = tmp_path / "constraints.txt"
    pinned.write_text("h11==0.16.0\n")
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")  # where nobody listens
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert audit.main(["--timeout", "2", "--cache-dir", str(tmp_path / "cache")], pinned) == audit.NOT_ASKED
    assert "No advisory source is reachable from here" in capsys.readouterr().out
