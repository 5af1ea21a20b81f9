"""Asks an advisory source about the pinned packages, through pip-audit, and never calls silence an all-clear.

`python -m tools.audit [pip-audit's own options]`. Status 0: every package was looked at and nothing is known; 1:
something is known; 3: no source answered for some package, so nothing may be concluded.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

PINNED = Path(__file__).parents[1] / "constraints.txt"
CLEAN, FOUND, NOT_ASKED = 0, 1, 3
PATIENCE_S = 600
_AUDITOR = (sys.executable, "-m", "pip_audit", "--no-deps", "--disable-pip", "--progress-spinner", "off", "-f", "json")


def judged(told: str) -> tuple[int, list[str]]:
    """The status, and sentences for a person, of what pip-audit printed. What it skipped was not looked at."""
    try:
        rows = json.loads(told)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return NOT_ASKED, ["No advisory source is reachable from here: nothing was looked at."]
    known = [row for row in rows if row.get("vulns")]
    skipped = [row["name"] for row in rows if "skip_reason" in row]
    lines = [
        f"{row['name']} {row['version']}: {one['id']}, mended in {', '.join(one['fix_versions']) or 'no version yet'}"
        for row in known
        for one in row["vulns"]
    ]
    looked_at = len(rows) - len(skipped)
    if not looked_at:
        lines.append(f"No advisory source is reachable from here: none of {len(rows)} packages was looked at.")
    elif skipped:
        lines.append(f"{looked_at} of {len(rows)} packages were looked at. Not looked at: {', '.join(skipped)}.")
    else:
        lines.append(f"All {len(rows)} packages were looked at; {len(known) or 'none'} with a known weakness.")
    return FOUND if known else NOT_ASKED if skipped or not rows else CLEAN, lines


def main(arguments: Sequence[str], pinned: Path = PINNED) -> int:
    """Ask about every package of the file of pins, say what came of it."""
    try:
        done = subprocess.run(
            [*_AUDITOR, "-r", str(pinned), *arguments], capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
    except subprocess.TimeoutExpired:
        print(f"No advisory source answered within {PATIENCE_S} s: nothing may be concluded.")
        return NOT_ASKED
    status, lines = judged(done.stdout)
    if status == NOT_ASKED and not done.stdout.strip():
        lines += done.stderr.strip().splitlines()[-1:]
    print("\n".join(lines))
    if status == NOT_ASKED:
        print("Run it again where a source is reachable, or give the bill (make sbom) to a scanner that has one.")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
