"""What a page keeps fits what the gateway takes."""

import re
from pathlib import Path

from display.guard import MAX_BODY
from display.plays import INT
from gateway.core import play
from gateway.plays import A_MINUTE, AT_ONCE

STATIC = Path(__file__).parents[1] / "display" / "static"


def constant(name: str, module: str) -> int:
    found = re.search(rf"^const {name} = ([\d_]+);", (STATIC / module).read_text(), re.MULTILINE)
    assert found is not None, name
    return int(found[1])


def test_a_page_keeps_and_sends_no_more_than_the_gateway_takes() -> None:
    assert constant("RING", "plays.js") == play.RING
    assert constant("PIECE", "plays.js") == play.MAX_PLAYS
    assert constant("PIECE_BYTES", "plays.js") + 100 < MAX_BODY
    assert play.RING + play.MAX_PLAYS <= AT_ONCE
    assert INT == 2**53 - 1


def test_no_item_stands_so_long_that_its_proof_is_refused_or_too_many_come() -> None:
    assert constant("LONGEST_S", "loop.js") * 1000 < play.MAX_VISIBLE_MS
    assert 60 / constant("SHORTEST_S", "loop.js") < A_MINUTE
