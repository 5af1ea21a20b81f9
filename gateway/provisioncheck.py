"""What the doctor finds of provisioning: whose this box is, and what became of the last file."""

from pathlib import Path

from gateway import ownership, provisionfiles
from gateway.core.provision import WHY, shown_code
from gateway.errors import ConfigError
from gateway.finding import Finding, moment

WHAT = "Whose this box is"
_STEP = "Have headquarters write its file (hq provision), and give it to the box: docs/provisioning.md."


def provisioned(config: Path, folder: Path = provisionfiles.FOLDER) -> list[Finding]:
    """Nothing of a box that was set up by hand, or of a file that is not there."""
    if not config.exists():
        return []
    last = provisionfiles.result(folder)
    refused = last is not None and last.result == "refused"
    told, step = "", _STEP
    if refused and last is not None:
        what, step = WHY[last.reason]
        told = f"\nthe last file was refused, {moment(last.at_ms)}: {what}{f' ({last.said})' if last.said else ''}"
    try:
        tables = ownership.nobodys(config)
    except ConfigError:
        return []  # said of the configuration itself
    if tables is not None:
        code = provisionfiles.code(ownership.data_dir(tables))
        shown = f"; its code is {shown_code(code)}" if code else ""
        return [Finding(WHAT, "missing", f"nobody's: it waits to be provisioned{shown}{told}", step)]
    taken = provisionfiles.taken(folder)
    if taken is None and not told:
        return []
    own = ownership.whose(config)
    known = "" if taken is None or taken.known else "; its clock was not synchronised then"
    by = f", by a file that counted until {moment(taken.until_ms)}{known}" if taken is not None else ""
    return [Finding(WHAT, "ok", f"{own}{by}{told}", step if told else "")]
