"""`store-gateway hq ahead`: who claims to know more than headquarters, and what an operator says to it."""

from contextlib import closing
from pathlib import Path

import pytest

from gateway import __main__
from sync.hq.ledger import Ledger
from tests.rigs.orders import SHOP, member


def test_an_operator_sees_follows_and_strikes_claims(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    db = tmp_path / "hq.db"

    def hq(*arguments: str) -> tuple[int, str]:
        code = __main__.main(["hq", "ahead", "--db", str(db), *arguments])
        told = capsys.readouterr()
        return code, told.out + told.err

    def claim(version: int) -> None:
        with closing(Ledger(db)) as ledger:
            ledger.record_ops([member("m-1")])
            ledger.overtake(SHOP, version)

    claim(1)
    assert hq() == (0, "")
    claim(2_000_000)
    code, told = hq()
    assert code == 1
    assert f"{SHOP.name} claims versions up to 2000000" in told
    assert hq(SHOP.name)[0] == 78
    assert hq(SHOP.name, "--follow") == (0, "followed\n")
    assert hq() == (0, "")
    claim(2**60)
    assert hq(SHOP.name, "--follow")[0] == 78
    assert hq(SHOP.name, "--strike") == (0, "struck\n")
    assert hq(SHOP.name, "--strike")[0] == 78
