"""The bench of decisions measures decisions: most of them say yes or no for a reason of one offer."""

import random
import secrets
from pathlib import Path

import pytest

from gateway import bench_decide
from gateway.core.presence import PresenceChange
from gateway.decisions import Decisions
from gateway.store import Store

FIGURES = {"decide_p99_ms", "decide_cpu_p99_ms", "decide_p50_ms", "decide_commit_p99_ms"}


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("MEMBERS", 60), ("VISITORS", 20), ("OFFERS", 60), ("DECISIONS", 20), ("PAST", 10)):
        monkeypatch.setattr(bench_decide, name, value)


def test_it_prints_its_figures() -> None:
    results = bench_decide.decide()
    assert {result.name for result in results} == FIGURES
    assert all(result.value > 0 for result in results)


async def test_its_shop_really_decides(tmp_path: Path) -> None:
    store = Store(tmp_path / "b.db", secrets.token_hex(16), bytes(32))
    await bench_decide._fill(store, random.Random(1))
    decisions = Decisions(lambda: secrets.token_hex(16))
    codes: set[str] = set()
    chosen = 0
    for number in range(20):
        change = PresenceChange(f"m{number}", "entered", "zone-3", None, bench_decide.NOW_MS)
        made = await store.run(lambda tx, change=change: decisions.arrive(tx, change, "v", ("zone-3",), ()))
        ((decision, _),) = made
        chosen += decision.offer_id is not None
        codes |= {reason.code for reason in decision.reasons}
    store.close()
    assert chosen >= 10
    assert {"zone", "ranked_lower", "chosen"} <= codes
    assert any(code.startswith(("cap.", "pause.")) for code in codes)
