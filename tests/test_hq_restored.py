"""A headquarters that was restored from a backup gives shops nothing that have nothing yet, until somebody says so."""

from contextlib import closing
from pathlib import Path

import pytest

from gateway.__main__ import main
from gateway.health import Health
from sync.hq.ledger import Ledger
from sync.hq.restored import PART, Watch
from tests.rigs.orders import SHOP, member


@pytest.fixture
def ledger(tmp_path: Path):
    with closing(Ledger(tmp_path / "hq.db")) as made:
        made.record_ops([member("m-1")])
        yield made


@pytest.mark.parametrize("line", ["version", "erasure", "boot", "followed"])
async def test_whoever_shows_that_something_is_missing_makes_new_shops_wait(ledger: Ledger, line: str) -> None:
    health = Health()
    watch = Watch(ledger, health, lambda: 5)
    assert not await watch.look()
    assert (watch.keeps_back(0, 9), list(health.parts)) == (False, [])
    match line:
        case "version":
            assert ledger.overtake(SHOP, 40)
        case "erasure":
            assert ledger.overtake_erasures(SHOP, 40)
        case "boot":
            ledger._lead("boot", 40)
        case _:
            assert not ledger.overtake(SHOP, 2_000_000)
            assert not ledger.is_restored(), "nobody has believed it yet"
            assert ledger.settle_claims(SHOP.name, follow=True) == []
    await watch.found()
    assert health.counts["hq.restored_behind_a_gateway"] == 1
    (part,) = health.parts
    assert (part.name, part.state) == (PART, "degraded")
    assert "hq restored --done" in part.action
    assert watch.keeps_back(0, 9)
    assert not watch.keeps_back(1, 9), "it was there, and knows by itself who said no"
    assert health.counts["hq.kept_back"] == 1
    assert watch.keeps_back(10, 9)
    assert health.counts["hq.behind_a_gateway"] == 1


async def test_the_mark_outlives_a_restart_and_ends_with_an_operators_word(
    ledger: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    db = str(tmp_path / "hq.db")
    assert main(["hq", "restored", "--db", db]) == 0
    assert "new shops are served" in capsys.readouterr().out
    assert main(["hq", "restored", "--hold", "--db", db]) == 0
    assert main(["hq", "restored", "--db", db]) == 1
    told = " ".join(capsys.readouterr().err.split())
    assert "hq restored --done" in told
    assert main(["hq", "fleet", "--db", db]) == 1
    assert "hq restored" in capsys.readouterr().err
    health = Health()
    watch = Watch(ledger, health, lambda: 5)
    assert not await watch.look()
    assert watch.keeps_back(0, 9)
    assert main(["hq", "restored", "--done", "--db", db]) == 0
    assert await watch.look(), "those who wait are to be served"
    assert not watch.keeps_back(0, 9)
    assert not await watch.look()
    assert [part.state for part in health.parts] == ["ok"]
    assert main(["hq", "fleet", "--db", db]) == 0
