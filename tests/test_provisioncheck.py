"""The doctor says whose a box is, and why its last file was refused."""

from pathlib import Path

from gateway import doctor, provisionfiles
from gateway.provisioncheck import provisioned
from gateway.provisionfiles import Result, Taken
from tests.rigs.provisioned import NOW_MS, WHO, box


async def test_a_box_that_waits_is_not_looked_at_further(tmp_path: Path) -> None:
    own = box(tmp_path)
    [found] = provisioned(own.config, own.folder)
    assert found.state == "missing" and "ABCD-EFGH" in found.found and "hq provision" in found.step
    last = (await doctor.examine(own.config, thorough=False))[-1]
    assert last.what == found.what


def test_a_refusal_is_told_with_what_to_do(tmp_path: Path) -> None:
    own = box(tmp_path)
    own.folder.mkdir()
    provisionfiles.tell(own.folder, Result("refused", NOW_MS, "config", WHO, "line 3: screen[1].id: expected"))
    [found] = provisioned(own.config, own.folder)
    assert "refused, 2026-11-" in found.found and "line 3" in found.found and "Tell headquarters" in found.step


def test_a_box_that_was_provisioned_or_set_up_by_hand(tmp_path: Path) -> None:
    own = box(tmp_path)
    own.config.write_text('[gateway]\ntenant = "muster"\nstore = "ulm"\nid = "gw1"\ndata_dir = "/x"\n')
    assert provisioned(own.config, own.folder) == []
    own.folder.mkdir()
    provisionfiles.tell(own.folder, Taken(WHO, "ab", NOW_MS, NOW_MS, known=False))
    [found] = provisioned(own.config, own.folder)
    assert found.state == "ok" and found.found.startswith(WHO) and "not synchronised" in found.found
    provisionfiles.tell(own.folder, Result("refused", NOW_MS, "already", WHO))
    [found] = provisioned(own.config, own.folder)
    assert "--reset" in found.step
    own.config.write_text("x = ")
    assert provisioned(own.config, own.folder) == []
