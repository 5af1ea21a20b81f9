"""`store-gateway snapshot` says how far it is, whether the service runs or not."""

from pathlib import Path

import pytest

from gateway.__main__ import main
from gateway.core.model import Purpose
from gateway.memberstate import STEPS, told
from tests.rigs.shop import member, open_shop
from tests.rigs.snapped import Headquarters, Snapped

PEOPLE = [one for number in range(30) for one in member(f"m{number:02}", Purpose.RECOGNISE_NFC)]


def test_a_box_that_never_ran_has_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text(f'[gateway]\ntenant = "t"\nstore = "s"\nid = "g"\ndata_dir = "{tmp_path / "data"}"\n')
    assert main(["snapshot", "--config", str(path)]) == 0
    assert capsys.readouterr().out == "members of version 0\nno snapshot is being taken\n"


async def test_each_step_has_its_words(tmp_path: Path) -> None:
    shop = await open_shop(tmp_path)
    box, hq = Snapped(shop, tmp_path), Headquarters(500, PEOPLE)
    await box.offer(hq)
    assert told(tmp_path) == ["members of version 1", f"snapshot of version 500: {STEPS['manifest']}"]
    await box.go(hq, "staging")
    for _ in range(8):
        await box.turn(hq)
    assert told(tmp_path)[1].endswith(" of 12 chunks are here, 33 %")
    for step in ("copying", "checking", "noting", "ready"):
        await box.go(hq, step)
        assert told(tmp_path)[1] == f"snapshot of version 500: {STEPS[step]}"
    await box.go(hq)
    assert told(tmp_path) == ["members of version 500", "no snapshot is being taken"]
    box.close()
    await shop.settle()
    shop.store.close()
