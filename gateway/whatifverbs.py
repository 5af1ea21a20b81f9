"""`store-gateway replay-decisions`: a day made again with another catalogue or configuration, as a table, JSON, chart.

It only reads the gateway's file, so the service may run beside it. What is worked out is gateway.whatif's.
"""

import argparse
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from gateway import config, keys
from gateway.core.changes import CataloguePart, ConfigPut, LearningPut, OfferDrop, OfferPut
from gateway.core.localtime import day_between
from gateway.core.model import Offer
from gateway.core.reasons import sentence
from gateway.dbfile import DATABASE, read_opened
from gateway.errors import ConfigError
from gateway.plot import bar_chart, below
from gateway.records import Tx
from gateway.terminal import Defaults, out
from gateway.whatif import LEFT_OUT, NOTHING, Changes, Replay, Terms
from sync import ops
from sync.hq import orders

FIRST_YEAR, LAST_YEAR = 1970, 9998  # the shop's clock begins and ends there (core.localtime.LAST_MS)
_WORDS = {NOTHING: "(nothing)"}
LISTED = 30  # offers and reasons of the table; --json has all


def add_verb(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", default_config: Path) -> None:
    text = "a day's decisions made again with another catalogue or configuration: what would change; names nobody"
    sub = verbs.add_parser("replay-decisions", help=text, description=text, formatter_class=Defaults)
    sub.set_defaults(verb=_run)
    sub.add_argument("--day", type=_day, required=True, help="YYYY-MM-DD, of the shop's own time zone")
    sub.add_argument(
        "--catalogue",
        type=Path,
        help="a file as for hq publish-catalogue, in place of all offers; or as for publish-offers, applied to them",
    )
    sub.add_argument("--shop", type=Path, help="a file as for hq push-config, in place of the configuration")
    sub.add_argument("--config", type=Path, default=default_config, help="the configuration file of this gateway")
    sub.add_argument("--plot", type=Path, help="write a chart (SVG) to this file")
    sub.add_argument("--json", action="store_true", help="print JSON instead of a table")


def _day(text: str) -> date:
    """Raises as argparse wants it."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise argparse.ArgumentTypeError(
            f"expected a day as YYYY-MM-DD, from the year {FIRST_YEAR} to {LAST_YEAR}; found {text!r:.40}"
        )
    return day


def _run(arguments: argparse.Namespace) -> int:
    changes = replay(arguments.config, arguments.day, arguments.catalogue, arguments.shop)
    if arguments.plot is not None:
        try:
            arguments.plot.write_text(chart(changes, arguments.day), encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"{arguments.plot}: cannot be written ({error.strerror}); expected a file") from error
    if arguments.json:
        out.print_json(json.dumps({"day": arguments.day.isoformat()} | changes.as_dict()))
        return 0
    for line in told(changes, arguments.day):
        out.print(line, markup=False, highlight=False, soft_wrap=True)
    return 0


def replay(file: Path, day: date, catalogue: Path | None, shop: Path | None) -> Changes:
    """What would change of that day. Both files are read whole first: ConfigError names every line that is wrong."""
    changed = [] if catalogue is None else [ops.parse(op) for op in _read(catalogue)]
    configured = None
    if shop is not None:
        put = ops.parse(orders.read_config(shop))
        assert isinstance(put, ConfigPut)
        configured = put.config
    data_dir = config.load(file).gateway.data_dir

    def read(tx: Tx) -> Changes:
        terms = Terms(None if catalogue is None else _applied(tx.offers(), changed), configured)
        for one in changed:
            if isinstance(one, LearningPut):
                terms = replace(terms, learning=one.learning)
        return Replay(tx, terms).run(*day_between(day, tx.shop().restraint.time_zone))

    roots = keys.roots(data_dir, make=False)
    found = read_opened(data_dir / DATABASE, [root.key for root in roots], read) if roots else None
    if found is None:
        raise ConfigError(f"{data_dir / DATABASE}: no such file; expected the gateway's database")
    return found


def _read(catalogue: Path) -> list[dict[str, Any]]:
    """The ops of a file in either form. Raises ConfigError."""
    text = b"".join(orders.lines(catalogue))
    try:
        found = json.loads(text)
        whole = isinstance(found, dict) and "op" not in found
    except (ValueError, RecursionError):  # several lines, or a slip in what was meant as one object
        whole = b'"offers"' in text and b'"op"' not in text
    return orders.read_catalogue(catalogue) if whole else orders.read_ops(catalogue, orders.OFFER_OPS)


def _applied(offers: tuple[Offer, ...], changed: Sequence[object]) -> tuple[Offer, ...]:
    whole = any(isinstance(one, CataloguePart) for one in changed)
    by_id = {} if whole else {offer.offer_id: offer for offer in offers}
    for one in changed:
        if isinstance(one, CataloguePart):
            by_id |= {offer.offer_id: offer for offer in one.offers}
        elif isinstance(one, OfferPut):
            by_id[one.offer.offer_id] = one.offer
        elif isinstance(one, OfferDrop):
            by_id.pop(one.offer_id, None)
    return tuple(by_id[offer_id] for offer_id in sorted(by_id))


def told(changes: Changes, day: date) -> Iterator[str]:
    """The table, line by line."""
    if not changes.decisions:
        yield f"{day}: no decision is kept of that day."
        return
    yield f"{day}: {changes.decisions} decisions, {changes.again} of them made again."
    for why, count in sorted(changes.left_out.items()):
        yield f"  {count} left out: {LEFT_OUT[why]}"
    if changes.cut_off:
        yield "  There were more; only the first of them were looked at."
    for count, words in (
        (changes.other_catalogue, "were made with another catalogue than the one that is here now"),
        (changes.other_policy, "were made with another configuration than the one that is here now"),
        (changes.chosen_anew, "learned choices had other offers before them and were made from what is known now"),
        (changes.unjudged, "would show an offer of which nobody knows whether it fits who else stood there"),
        (changes.priced_today, "had offers before them for articles that none named then; today's prices were taken"),
    ):
        if count:
            yield f"  {count} {words}"
    if changes.nothing:
        yield "Nothing would change."
        return
    if changes.changed:
        yield (
            f"{changes.changed} would change: {changes.other_offer} another offer, {changes.newly_spoken} newly "
            f"spoken, {changes.newly_silent} newly silent."
        )
    else:
        yield "Everybody would be shown the same; offers would fall for other reasons."
    yield ""
    yield f"{'shown':40} {'before':>8} {'after':>8}"
    yield from _rows(changes.shown_before, changes.shown_after, _WORDS)
    yield ""
    yield f"{'reason, of offers and decisions':40} {'before':>8} {'after':>8}"
    yield from _rows(changes.reasons_before, changes.reasons_after, {})
    differing = sorted(_differing(changes.reasons_before, changes.reasons_after))
    if differing:
        yield ""
        yield "What a code means:"
    for code in differing:
        yield f"  {code}: {sentence(code)['en']}"


def chart(changes: Changes, day: date) -> str:
    """Shown before and after by offer, and reasons before and after, as SVG."""
    charts = []
    for title, before, after in (
        (f"Shown on {day}: before and after", changes.shown_before, changes.shown_after),
        ("Why offers and decisions fell: before and after", changes.reasons_before, changes.reasons_after),
    ):
        bars = {_WORDS.get(name, name): (float(before[name]), float(after[name])) for name in _names(before, after)}
        charts.append(bar_chart(title, "times", ("before", "after"), bars))
    return below(charts)


def _names(before: Counter[str], after: Counter[str]) -> list[str]:
    """What differs first, the largest difference before; then by how often."""
    return sorted(before | after, key=lambda name: (-abs(after[name] - before[name]), -before[name], name))


def _differing(before: Counter[str], after: Counter[str]) -> set[str]:
    return {name for name in before | after if before[name] != after[name]}


def _rows(before: Counter[str], after: Counter[str], words: dict[str, str]) -> Iterator[str]:
    names = _names(before, after)
    for name in names[:LISTED]:
        mark = "" if before[name] == after[name] else f"  {after[name] - before[name]:+}"
        yield f"{words.get(name, name):40} {before[name]:8} {after[name]:8}{mark}"
    if len(names) > LISTED:
        yield f"({len(names) - LISTED} more; --json has all)"
