"""Streams: every event type that there is has its place, in code and on the page."""

import ast
import re
from pathlib import Path

import pytest

from gateway.core.spans import DAY_MS
from gateway.core.streams import TERMS, TYPES, Stream, stream_of, wait_ms

ROOT = Path(__file__).parents[1]
PLACED = {kind for kinds in TYPES.values() for kind in kinds}


def test_what_is_vital_waits_for_nobody_and_is_never_let_go() -> None:
    assert (TERMS[Stream.VITAL].wait_ms, TERMS[Stream.VITAL].keep_ms) == (0, None)
    assert stream_of("never.heard_of") is Stream.VITAL
    waits = [TERMS[stream].wait_ms for stream in Stream]
    assert waits == sorted(waits)
    assert wait_ms("screen.played", "visit.left") == TERMS[Stream.BUSINESS].wait_ms
    assert wait_ms("visit.left", "points.changed") == 0


def test_a_week_of_a_busy_shop_fits_and_all_budgets_fit_a_card() -> None:
    business = TERMS[Stream.BUSINESS]
    assert business.rows >= 7 * 100_000
    assert business.size_bytes >= 7 * 100_000 * 374
    assert business.keep_ms is not None
    assert business.keep_ms >= 90 * DAY_MS
    assert sum(terms.size_bytes for terms in TERMS.values()) < 700_000_000


def test_each_type_is_placed_once() -> None:
    assert len(PLACED) == sum(len(kinds) for kinds in TYPES.values())
    assert [stream.number for stream in Stream] == [0, 1, 2]


def spoken() -> dict[str, str]:
    """What the code calls its events: literals, and patterns of those that it puts together; with where."""
    found = {}
    for path in sorted((ROOT / "gateway").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Event"):
                continue
            match node.args[:1]:
                case [ast.Constant(value=str(kind))]:
                    found[re.escape(kind)] = path.name
                case [ast.JoinedStr(values=parts)]:
                    pieces = [re.escape(p.value) if isinstance(p, ast.Constant) else "[a-z_]+" for p in parts]
                    found["".join(pieces)] = path.name
    return found


def test_every_event_of_the_code_is_placed() -> None:
    patterns = spoken()
    assert len(patterns) > 30
    for pattern, where in patterns.items():
        assert any(re.fullmatch(pattern, kind) for kind in PLACED), f"{where}: {pattern}"


def outside_parentheses(text: str) -> str:
    while (less := re.sub(r"\([^()]*\)", "", text)) != text:
        text = less
    return text


def test_every_event_of_the_page_is_placed_and_the_other_way_round() -> None:
    page = (ROOT / "docs" / "mqtt.md").read_text()
    part = page.partition("**Event types:**")[2].partition("**Rubbish**")[0]
    assert set(re.findall(r"`([a-z]+\.[a-z_]+)`", outside_parentheses(part))) == PLACED


@pytest.mark.parametrize("stream", Stream)
def test_the_pages_table_says_which_stream(stream: Stream) -> None:
    page = (ROOT / "docs" / "mqtt.md").read_text()
    (row,) = re.findall(rf"^\| `{stream}` \|(.*)$", page, re.MULTILINE)
    named = set(re.findall(r"`([a-z]+\.[a-z_*]+)`", row))
    families = {name[:-1] for name in named if name.endswith("*")}
    assert {kind for kind in TYPES[stream] if kind not in named and not kind.startswith(tuple(families))} == set()
    others = PLACED - set(TYPES[stream])
    assert {kind for kind in others if kind in named} == set()
