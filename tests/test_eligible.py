"""Eligibility: three answers, precise refusals, and a cost that no tree exceeds."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.eligible import (
    FIELDS,
    MAX_DEPTH,
    MAX_TERMS,
    Rule,
    evaluate,
    fields,
    kind_of,
    parse,
    plain,
    schema,
    terms,
)
from gateway.errors import PeerError

WORDS = st.sampled_from(["coffee", "wine", "tea", "de"])
NUMBERS = st.integers(-3, 30)
OF_KIND = {
    "word": WORDS,
    "number": NUMBERS,
    "words": st.frozensets(WORDS),
}
NUMBER_FIELDS = [name for name, kind in FIELDS.items() if kind == "number"]
WORD_FIELDS = [name for name, kind in FIELDS.items() if kind == "word"]
WORDS_FIELDS = [name for name, kind in FIELDS.items() if kind == "words"]
LEAVES = st.one_of(
    st.builds(lambda f, v: {"is": [f, v]}, st.sampled_from(WORD_FIELDS), WORDS),
    st.builds(lambda f, v: {"in": [f, v]}, st.sampled_from(NUMBER_FIELDS), st.lists(NUMBERS, min_size=1, max_size=3)),
    st.builds(lambda f, v: {"has": [f, v]}, st.sampled_from(WORDS_FIELDS), st.lists(WORDS, min_size=1, max_size=3)),
    st.builds(
        lambda o, f, v: {o: [f, v]}, st.sampled_from(["at_least", "below"]), st.sampled_from(NUMBER_FIELDS), NUMBERS
    ),
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(lambda o, r: {o: r}, st.sampled_from(["all", "any"]), st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda r: {"not": r}, inner),
    ),
    max_leaves=6,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["all", "any", "not", "is", "in", "has", "at_least", "x"]), inner, max_size=2)
    ),
    max_leaves=10,
)


@st.composite
def all_facts(draw: st.DrawFn) -> dict[str, object]:
    return {name: draw(OF_KIND[kind]) for name, kind in FIELDS.items()}


def deep(levels: int) -> object:
    tree: object = {"is": ["zone", "coffee"]}
    for _ in range(levels - 1):
        tree = {"not": tree}
    return tree


def read(tree: object) -> Rule | None:
    try:
        return parse(tree)
    except PeerError:
        return None


@pytest.mark.parametrize(
    ("tree", "facts", "answer"),
    [
        ({"is": ["zone", "coffee"]}, {"zone": "coffee"}, True),
        ({"is": ["zone", "coffee"]}, {"zone": "wine"}, False),
        ({"is": ["zone", "coffee"]}, {}, None),
        ({"not": {"is": ["zone", "coffee"]}}, {}, None),
        ({"in": ["weekday", [6, 7]]}, {"weekday": 7}, True),
        ({"has": ["visit.zones", ["wine", "tea"]]}, {"visit.zones": frozenset({"tea"})}, True),
        ({"has": ["visit.zones", ["wine"]]}, {"visit.zones": frozenset()}, False),
        ({"at_least": ["basket.cents", 2000]}, {"basket.cents": 2000}, True),
        ({"below": ["basket.cents", 2000]}, {"basket.cents": 2000}, False),
        ({"all": [{"is": ["zone", "coffee"]}, {"below": ["hour", 9]}]}, {"zone": "wine"}, False),
        ({"all": [{"is": ["zone", "coffee"]}, {"below": ["hour", 9]}]}, {"zone": "coffee"}, None),
        ({"any": [{"is": ["zone", "coffee"]}, {"below": ["hour", 9]}]}, {"zone": "coffee"}, True),
        ({"any": [{"is": ["zone", "coffee"]}, {"below": ["hour", 9]}]}, {"zone": "wine"}, None),
        ({"is": ["hour", 9]}, {"hour": "9"}, None),  # another kind is not known, never an error
    ],
)
def test_what_is_not_known_is_neither_yes_nor_no(tree: object, facts: dict[str, object], answer: bool | None) -> None:
    assert evaluate(parse(tree), facts) is answer


@pytest.mark.parametrize(
    ("tree", "said"),
    [
        ([], "(the whole): expected an object with one operation"),
        ({}, "(the whole): expected an object with one operation"),
        ({"matches": ["zone", ".*"]}, "(the whole): expected one of all, any, not, is, in, has, at_least, below"),
        ({"all": []}, "all: expected a list of one or more conditions"),
        ({"all": [{"is": ["zone", "x"]}, {"not": 1}]}, "all.1.not: expected an object with one operation"),
        ({"is": ["zone"]}, "is: expected a field and a value"),
        ({"is": ["name", "x"]}, "is.0: expected a known field"),
        ({"has": ["zone", ["x"]]}, "has.0: expected a field of kind words"),
        ({"is": ["zone", 5]}, "is.1: expected a text of 1 to 64 characters"),
        ({"is": ["hour", True]}, "is.1: expected a whole number"),
        ({"in": ["hour", []]}, "in.1: expected a list of one or more values"),
        ({"in": ["zone", ["a", ""]]}, "in.1.1: expected a text of 1 to 64 characters"),
        ({"at_least": ["hour", 2**60]}, "at_least.1: expected a whole number"),
    ],
)
def test_a_refusal_says_where_and_what_was_expected(tree: object, said: str) -> None:
    with pytest.raises(PeerError) as refused:
        parse(tree)
    assert (refused.value.reason, refused.value.field) == ("eligibility", said)


def test_a_tree_has_bounds() -> None:
    assert parse(deep(MAX_DEPTH)).op == "not"
    assert read(deep(MAX_DEPTH + 1)) is None
    assert read(deep(5_000)) is None  # refused at the bound, long before Python's own
    many = ["w"] * (MAX_TERMS - 1)
    assert terms(parse({"in": ["zone", many]})) == MAX_TERMS
    assert read({"in": ["zone", [*many, "w"]]}) is None
    assert read({"all": [{"is": ["zone", "w"]}] * MAX_TERMS}) is None


@given(JSON)
def test_no_json_breaks_it_and_what_it_takes_is_bounded(tree: object) -> None:
    rule = read(tree)
    if rule is not None:
        assert terms(rule) <= MAX_TERMS
        assert evaluate(rule, {}) is None
        assert fields(rule) <= FIELDS.keys()


@given(TREES, st.dictionaries(st.sampled_from(sorted(FIELDS)), WORDS | NUMBERS | st.frozensets(WORDS)))
def test_it_never_raises_and_survives_the_wire(tree: object, facts: dict[str, object]) -> None:
    rule = read(tree)
    if rule is None:  # deeper or larger than the bounds
        return
    assert evaluate(rule, facts) in (True, False, None)
    assert plain(rule) == tree
    assert parse(json.loads(json.dumps(plain(rule)))) == rule


@given(TREES, all_facts(), st.sets(st.sampled_from(sorted(FIELDS))))
def test_knowing_more_never_turns_an_answer_round(tree: object, facts: dict[str, object], hidden: set[str]) -> None:
    rule = read(tree)
    if rule is None:
        return
    whole = evaluate(rule, facts)
    assert whole is not None
    part = evaluate(rule, {name: value for name, value in facts.items() if name not in hidden})
    assert part in (None, whole)


@given(TREES, all_facts(), st.sets(st.sampled_from(sorted(FIELDS))))
def test_not_is_its_own_opposite_and_one_of_a_group_is_the_group(
    tree: object, facts: dict[str, object], hidden: set[str]
) -> None:
    rule = read(tree)
    if rule is None:
        return
    seen = {name: value for name, value in facts.items() if name not in hidden}
    answer = evaluate(rule, seen)
    assert evaluate(Rule("not", rules=(Rule("not", rules=(rule,)),)), seen) is answer
    for group in ("all", "any"):
        assert evaluate(Rule(group, rules=(rule, rule)), seen) is answer
    opposite = Rule("not", rules=(rule,))
    assert evaluate(Rule("all", rules=(rule, opposite)), seen) in (None, False)
    assert evaluate(Rule("any", rules=(rule, opposite)), seen) in (None, True)


def test_the_schema_names_every_operation_and_field() -> None:
    text = json.dumps(schema())
    for name in FIELDS:
        assert f'"{name}"' in text
    ops = [next(iter(form["properties"])) for form in schema()["oneOf"]]
    assert set(ops) == {"all", "any", "not", "is", "in", "has", "at_least", "below"}


def test_minutes_in_a_zone_are_a_field_for_each_zone() -> None:
    rule = parse({"at_least": ["visit.minutes.wine-cellar", 5]})
    assert evaluate(rule, {"visit.minutes.wine-cellar": 5}) is True
    assert evaluate(rule, {"visit.minutes.wine": 5}) is None
    assert kind_of("visit.minutes") == kind_of("visit.minutes.wine") == "number"
    for name in ("visit.minutes.", "visit.minutes.Wein", "visit.minutes.a b", "visit.minutes." + "a" * 25):
        assert kind_of(name) is None
        with pytest.raises(PeerError):
            parse({"at_least": [name, 5]})
