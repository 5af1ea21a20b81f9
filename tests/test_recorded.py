"""What is kept with a decision makes it again and stays small; of who else stood there it says nothing.

What is written of 10,000 decisions, and how learning chooses in them, is the same on any machine and Python: beside a
golden file. Where it is meant to change, write the file anew: python -m tests.test_recorded
"""

import hashlib
import json
from dataclasses import asdict, fields, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.consent import Standing, may
from gateway.core.learning import Arm, Learning, Share, Tally, scores
from gateway.core.model import ConsentRecord, ConsentState, Contact, Proof, Purpose
from gateway.core.offers import Choose, Situation, decide, place_of
from gateway.core.recorded import (
    ELSEWHERE,
    MAX_BYTES,
    Inputs,
    as_then,
    choose_again,
    dump,
    inputs_of,
    known,
    load,
    settled_by_company,
    situation_of,
    unpriced,
)
from gateway.core.shelf import shelve
from gateway.core.spans import DAY_MS
from tests.test_golden_decisions import BLOCK, DECISIONS, a_situation

GOLDEN = Path(__file__).parent / "vectors" / "recorded.json"
GIVEN = ConsentRecord("e1", "m1", Purpose.STAFF_ADVICE, ConsentState.GIVEN, 1, hq_seq=1)
LEARNING = Learning(on=True, people={"coffee": 100, "tea": 60})


def row_of(situation: Situation, decision) -> dict[str, object]:
    """As gateway.tables.history gives it."""
    row = {name: getattr(situation, name) for name in ("decision_id", "at_ms", "trigger", "zone", "screen")}
    reasons = [[reason.candidate, reason.code] for reason in decision.reasons]
    return row | {"offer_id": decision.offer_id, "reasons": reasons}


def learned(situation: Situation) -> Choose:
    """A choice by what was learned of the first offers."""
    tallies = {Arm(f"o{number}"): Tally(40_000_000, number * 1_000_000, 20_000) for number in range(6)}

    def choose(offers):
        candidates = [(offer.offer_id, offer.priority) for offer in offers]
        return scores(LEARNING, tallies, candidates, "bar", ("coffee",), situation.decision_id.encode(), 20_000)

    return choose


def kept(situation: Situation, decision, chose: bool = False) -> Inputs:
    return load(dump(inputs_of(situation, decision, chose, "c" * 16, "p" * 16, 86_400_000)))


@pytest.mark.parametrize("with_learning", [False, True])
def test_decisions_are_made_again_from_what_was_kept(with_learning: bool) -> None:
    again, in_company, by_lot = 0, 0, 0
    for number in range(1_500):
        situation = a_situation(number)
        made = decide(situation, learned(situation) if with_learning else None)
        row = row_of(situation, made)
        inputs = kept(situation, made, with_learning)
        if settled_by_company(row):
            assert situation.others
            continue
        then = situation_of(row, inputs, situation.person, situation.offers, situation.shop)
        assert then.others == ()
        assert decide(then, choose_again(row, inputs, None)) == made
        again += 1
        in_company += bool(situation.others) and situation.trigger == "zone"
        by_lot += made.choice is not None and len(made.choice.shares) > 1
    assert again > 1_000
    assert in_company > 50
    assert (by_lot > 50) == with_learning


def test_every_field_of_a_situation_is_kept_or_stands_elsewhere() -> None:
    renamed = {"out": "stock", "unknown": "stock", "given": "counts"}
    here = {renamed.get(field.name, field.name) for field in fields(Inputs)}
    assert {field.name for field in fields(Situation)} <= here | set(ELSEWHERE)


def test_the_number_of_others_is_kept_and_nothing_else_of_them() -> None:
    situation = next(one for one in map(a_situation, range(99)) if one.others and one.trigger == "zone")
    text = dump(inputs_of(situation, decide(situation), False, "c", "p", 1)).decode()
    assert json.loads(text)["company"] == len(situation.others)
    for other in situation.others:
        assert other.member_id not in text
        assert other.profile.digest() not in text


def test_a_choice_is_drawn_by_the_shares_of_then_and_else_anew() -> None:
    inputs = Inputs("c", "p", "q", chose=True, shares=(Share("a", 400_000), Share("b", 600_000)), segment="tea")
    row = {"decision_id": "d1"}
    offers = tuple(replace(a_situation(3).offers[0], offer_id=name) for name in "abc")
    first = choose_again(row, inputs, None)(offers[:2])
    assert first.shares == inputs.shares
    assert first == choose_again(row, inputs, learned(a_situation(1)))(offers[:2])
    assert choose_again(row, inputs, None)(offers).order == ("a", "b", "c")  # nothing is learned now: the best
    assert len(choose_again(row, inputs, learned(a_situation(1)))(offers).shares) == 3
    assert choose_again(row, replace(inputs, chose=False), learned(a_situation(1))) is None


def test_an_article_or_budget_that_nobody_named_then_counts_as_there() -> None:
    situation = a_situation(5)
    offers = tuple(replace(situation.offers[0], stock_ref=ref) for ref in ("gone", "dark", "beans", "new"))
    inputs = Inputs("c", "p", "q", out=("gone",), unknown=("dark",), spent=("b1",))
    then = situation_of(row_of(situation, decide(situation)), inputs, situation.person, offers, situation.shop)
    assert then.stock == {"gone": 0, "beans": 1, "new": 1}
    assert then.spent == {"b1"}


def test_an_article_of_which_the_decision_says_nothing_was_named_by_nobody_at_that_place() -> None:
    situation = a_situation(5)
    plain = replace(situation.offers[0], zones=(), price_ref="")
    known, dark, new = (
        replace(plain, offer_id=name, price_ref=ref)
        for name, ref in (("known", "9520000000011"), ("dark", "9520000000028"), ("new", "9520000000035"))
    )
    elsewhere = replace(plain, offer_id="elsewhere", price_ref="9520000000035", zones=("nowhere",))
    here = shelve((known, dark, elsewhere), place_of(situation), situation.at_ms)
    inputs = Inputs("c", "p", "q", prices={"09520000000011": 499})
    row = {"reasons": [["dark", "price.unknown"]]}
    silent = {"reasons": [["dark", "cap.impressions"]]}
    wanted = (known, dark, new, plain)
    assert unpriced(silent, inputs, wanted, here, same=True) == {"09520000000035"}
    assert unpriced(row, inputs, wanted, here, same=False) == {"09520000000035"}
    assert unpriced(silent, inputs, wanted, here, same=False) == {"09520000000028", "09520000000035"}


def test_consents_are_judged_by_the_time_that_was_known_then() -> None:
    at_ms = 50 * DAY_MS
    now = Standing({Purpose.STAFF_ADVICE: GIVEN}, floor_ms=at_ms + DAY_MS)
    assert may(Purpose.STAFF_ADVICE, now, at_ms).reason == "consent.clock_in_doubt"
    assert may(Purpose.STAFF_ADVICE, as_then(now, at_ms), at_ms).ok
    assert as_then(now, at_ms + 9 * DAY_MS) == now
    assert as_then(now.records, at_ms) is now.records


def test_what_is_too_large_keeps_its_digests_and_says_so() -> None:
    much = replace(Inputs("c" * 16, "p" * 16, "q" * 16), spent=tuple(f"budget-{number}" for number in range(999)))
    text = dump(much)
    assert len(text) < 200
    assert load(text) == Inputs("c" * 16, "p" * 16, "q" * 16, cut=True)


WORDS = st.text("ab-ü", min_size=1, max_size=5)
INPUTS = st.builds(
    Inputs,
    catalogue=WORDS,
    policy=WORDS,
    profile=WORDS,
    contacts=st.integers(0, 1_000),
    company=st.integers(0, 20),
    store=WORDS,
    proof=st.sampled_from(Proof),
    facts=st.dictionaries(WORDS, st.one_of(WORDS, st.integers(0, 99), st.frozensets(WORDS, max_size=3)), max_size=4),
    out=st.lists(WORDS, max_size=3).map(tuple),
    spent=st.lists(WORDS, max_size=3).map(tuple),
    scores=st.dictionaries(WORDS, st.floats(0, 1), max_size=3),
    chose=st.booleans(),
    shares=st.lists(st.builds(Share, WORDS, st.integers(0, 1_000_000)), max_size=4).map(tuple),
    segment=WORDS,
)


@given(INPUTS)
def test_what_is_written_is_read_again(inputs: Inputs) -> None:
    text = dump(inputs)
    assert len(text) <= MAX_BYTES
    assert load(text) == inputs


def test_a_contact_from_the_future_was_no_contact_then() -> None:
    assert [one.offer_id for one in known((Contact(1, "a", True), Contact(3, "b", True)), 2)] == ["a"]


def golden() -> dict[str, object]:
    """What is kept of each decision and what it is when it is made again from that, hashed by the hundred."""
    blocks, by_lot = [], 0
    for first in range(0, DECISIONS, BLOCK):
        digest = hashlib.sha256()
        for number in range(first, first + BLOCK):
            situation = a_situation(number)
            made = decide(situation, learned(situation))
            text = dump(inputs_of(situation, made, True, "c" * 16, "p" * 16, 86_400_000))
            row, inputs = row_of(situation, made), load(text)
            then = situation_of(row, inputs, situation.person, situation.offers, situation.shop)
            again = made if settled_by_company(row) else decide(then, choose_again(row, inputs, None))
            digest.update(text + b"\n" + json.dumps(asdict(again), sort_keys=True).encode() + b"\n")
            by_lot += made.choice is not None and made.choice.why == "learned"
        blocks.append(digest.hexdigest())
    return {"learned": by_lot, "blocks": blocks}


def test_what_is_kept_of_ten_thousand_decisions_makes_them_again_everywhere() -> None:
    known, now = json.loads(GOLDEN.read_text(encoding="utf-8")), golden()
    assert now["learned"] == known["learned"] > 300
    assert now["blocks"] == known["blocks"]


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(golden(), indent=1) + "\n", encoding="utf-8")
