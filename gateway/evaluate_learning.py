"""`store-gateway evaluate learning`: what learning costs and what its logs can tell, where the truth is known.

It prints and never judges. The catalogue is gateway.learnsim's; the Open Bandit sample is added where it is there.
"""

import time
from pathlib import Path

from gateway import learnsim, openbandit
from gateway.core.learning import FLOOR, MAX_CANDIDATES, WHOLE, Arm, Learning, Tally, scores, shown
from gateway.core.offpolicy import LEAST_EFFECTIVE, Estimate, Logged, estimate
from gateway.errors import ConfigError
from gateway.plot import line_chart
from gateway.results import Result, percentile

DECISIONS = 5_000
REGRET_SEEDS = 20
LATE = 1_000  # the last decisions of a run, when it has learned
TURN_AT = 2_500  # where tastes turn, in runs of their own
TURN_SEEDS = 5
COVERAGE_RUNS = 100
COVERAGE_DECISIONS = 1_200
TIMED = 500

# What is known of the Open Bandit sample: estimates of the one policy from the other's log, in percent, and how many
# decisions the log of Thompson sampling without a floor is worth.
GOLDEN_FORWARD = {"all": 0.525, "men": 0.574, "women": 0.583}
GOLDEN_BACKWARD = {"all": 0.233, "men": 0.319, "women": 0.237}
GOLDEN_EFFECTIVE = {"all": 340, "men": 656, "women": 2}


def learning(data: Path | None, plot: Path | None) -> list[Result]:
    """All figures; `data`: the folder of the Open Bandit sample, None = where it is installed, if it is.

    `plot`: where to write the chart. Raises ConfigError for a folder without the sample or a chart that can't be
    written.
    """
    figures = [*_regret(plot), *_turned(), *_coverage(), _cost()]
    folder = data if data is not None else openbandit.installed()
    return figures if folder is None else figures + open_bandit(folder)


def _regret(plot: Path | None) -> list[Result]:
    ratios, late, least = {}, [], WHOLE
    lines: dict[str, list[tuple[float, float]]] = {}
    plain = 0.0
    for seed in range(REGRET_SEEDS):
        made = learnsim.run(DECISIONS, seed)
        ours, even, ranked = learnsim.lost(made)
        ratios[f"seed {seed}"] = round(ours[-1] / even[-1], 3)
        late.append(_since(made, len(made) - LATE))
        least = min(least, *(share.ppm for one in made for share in one.choice.shares))
        if not lines:
            plain = ranked[-1] / even[-1]
            lines = {
                name: [(float(at + 1), lost) for at, lost in enumerate(line)]
                for name, line in (("learned", ours), ("evenly", even), ("plain rank", ranked))
            }
            lines["a third of evenly"] = [(x, y / 3) for x, y in lines["evenly"]]
    if plot is not None:
        _write(plot, line_chart("Acceptances missed against the best offer", "decisions", "missed", lines))
    worst = max(ratios.values())
    return [
        Result(
            "regret_ratio_worst",
            worst,
            "",
            "at most a third",
            ratios | {"plain rank": round(plain, 3), "the floor alone": FLOOR * len(learnsim.RATES) / WHOLE},
        ),
        Result("regret_ratio_late_worst", round(max(late), 3), "", "at most a third"),
        Result("least_share", least / WHOLE, "", f"at least {FLOOR / WHOLE}"),
    ]


def _turned() -> list[Result]:
    """What is missed after tastes turned, against even shares: until the end, and of the last decisions."""
    made = [learnsim.run(DECISIONS, seed, turn_at=TURN_AT) for seed in range(TURN_SEEDS)]
    ratios = {f"seed {seed}": round(_since(one, TURN_AT), 3) for seed, one in enumerate(made)}
    late = max(_since(one, len(one) - LATE) for one in made)
    return [
        Result("turned_regret_ratio_worst", max(ratios.values()), "", "-", ratios),
        Result("turned_regret_ratio_late_worst", round(late, 3), "", "at most a third"),
    ]


def _since(made: list[learnsim.Shown], number: int) -> float:
    """The ratio of what was missed from the decision of that number on."""
    ours, even, _ = learnsim.lost(made[max(0, number) :])
    return ours[-1] / even[-1]


def _coverage() -> list[Result]:
    """In how many of 100 runs the interval holds the truth, for each way to choose that is asked about."""
    covered = dict.fromkeys(learnsim.WAYS, 0)
    effective: dict[str, list[float]] = {name: [] for name in learnsim.WAYS}
    for seed in range(COVERAGE_RUNS):
        made = learnsim.run(COVERAGE_DECISIONS, 1_000 + seed)
        for name, way in learnsim.WAYS.items():
            found = _estimate(learnsim.log(made, way), seed)
            covered[name] += found.low <= learnsim.truth(way) <= found.high
            effective[name].append(found.effective)
    goal = f"at least {COVERAGE_RUNS * 9 // 10} of {COVERAGE_RUNS}"
    return [
        Result(
            f"covered.{name.replace(' ', '_')}",
            float(covered[name]),
            "runs",
            goal,
            {
                "effective decisions, least": round(min(effective[name])),
                "effective decisions, median": round(percentile(effective[name], 0.5)),
            },
        )
        for name in learnsim.WAYS
    ]


def _cost() -> Result:
    """Processor time of a choice among as many as take part, each after an outcome that changed one of them."""
    switched = Learning(on=True, people={"coffee": 100})
    offers = [(f"offer-{at:02}", 1) for at in range(MAX_CANDIDATES)]
    tallies: dict[Arm, Tally] = {}
    times = []
    for number in range(TIMED):
        began_s = time.process_time()
        choice = scores(switched, tallies, offers, "till", ("coffee",), str(number).encode(), learnsim.FIRST_DAY)
        times.append((time.process_time() - began_s) * 1e3)
        tallies |= shown(tallies, Arm(choice.order[0], "till", choice.segment), learnsim.FIRST_DAY, switched)
    peers = {"p99": round(percentile(times, 0.99), 2), "first of all": round(times[0], 2)}
    return Result(f"choose_{MAX_CANDIDATES}_ms", round(percentile(times, 0.5), 3), "ms", "below 1", peers)


def open_bandit(folder: Path) -> list[Result]:
    """Estimates from the sample beside what is known of it. Raises ConfigError."""
    figures = []
    for campaign in openbandit.CAMPAIGNS:
        even, thompson = (openbandit.read(folder, policy, campaign) for policy in openbandit.POLICIES)
        items = len({row.item for row in even})
        there = _estimate(openbandit.forward(even, thompson), seed=0)
        back = _estimate(openbandit.backward(thompson, items), seed=0)
        worth = "" if back.enough else f"; below {LEAST_EFFECTIVE} rows: not enough data yet"
        measured = 100 * sum(row.click for row in thompson) / len(thompson)
        ends = {"low": round(100 * there.low, 2), "high": round(100 * there.high, 2), "measured": round(measured, 3)}
        figures += [
            _golden(f"open_bandit_snips_pct.{campaign}", 100 * there.snips, "%", GOLDEN_FORWARD[campaign], ends),
            _golden(f"open_bandit_back_pct.{campaign}", 100 * back.snips, "%", GOLDEN_BACKWARD[campaign], {}),
            _golden(f"open_bandit_back_ess.{campaign}", back.effective, "rows", GOLDEN_EFFECTIVE[campaign], {}, worth),
        ]
    return figures


def _golden(name: str, value: float, unit: str, known: float, peers: dict[str, float], more: str = "") -> Result:
    return Result(name, round(value, 3 if unit == "%" else 0), unit, f"known: {known}{more}", peers)


def _estimate(log: list[Logged], seed: int) -> Estimate:
    found = estimate(log, seed)
    if found is None:
        raise ConfigError("the log holds nothing that the other way to choose would have chosen")
    return found


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
