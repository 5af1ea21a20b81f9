"""The privacy checklist, point by point: where each is shown to hold, and where it is shown to fail if it is broken."""

import ast
from pathlib import Path

import pytest

HERE = Path(__file__).parent
GATE, PAGE, SELF = "test_gate_points", "test_page_points", "test_self_rules"
LIFE, WITHDRAWAL = "test_checklist_life", "test_withdrawal_points"
BROKEN = "test_it_fails_where_its_rule_is_broken"

# point: what it asks; module and test that holds it; module and test that breaks it (a mutation or a planted leak)
POINTS = {
    1: (
        "strangers in no byte that leaves",
        ("test_leaks", "test_nothing_of_a_stranger_is_anywhere"),
        ("test_leaks", "test_the_search_finds_a_planted_leak"),
    ),
    2: (
        "an unknown identifier ends in the callback",
        ("test_ears", "test_strangers_are_counted_by_kind_and_leave_nothing"),
        ("test_nfc_leaks", "test_the_search_finds_a_planted_leak"),
        ("test_ears", "test_point_2_of_strangers_only_a_counter_by_the_minute_leaves"),
        ("test_ears", "test_point_2_is_seen_to_be_broken_by_counters_as_they_are"),
    ),
    3: (
        "no event without consent to be recognised",
        (WITHDRAWAL, "point_3_without_consent_to_be_recognised_no_event_names_the_member"),
        (WITHDRAWAL, BROKEN),
    ),
    4: (
        "a withdrawal clears everything",
        (WITHDRAWAL, "point_4_a_withdrawal_clears_every_surface_before_it_is_answered"),
        (WITHDRAWAL, BROKEN),
        ("test_segments", "test_a_withdrawal_in_the_visit_leaves_nothing_in_memory"),
        ("test_segments", "test_a_visit_that_is_not_forgotten_would_be_seen"),
    ),
    5: (
        "a withdrawal made offline stays",
        (WITHDRAWAL, "point_5_a_withdrawal_made_offline_survives_a_restart_and_a_stale_profile"),
        (WITHDRAWAL, BROKEN),
    ),
    6: (
        "each purpose refused alone",
        (GATE, "point_6_each_purpose_is_refused_alone_and_refusing_all_keeps_general_offers"),
        (GATE, BROKEN),
    ),
    7: (
        "nothing on by default, the hash of what is shown",
        (PAGE, "test_point_7_nothing_is_on_by_default_and_the_language_is_told"),
        (PAGE, "test_point_7_is_seen_to_be_broken_by_a_switch_that_is_on"),
    ),
    8: (
        "withdrawing as easy as giving",
        (PAGE, "test_point_8_withdrawing_takes_one_touch_as_giving_does"),
        (PAGE, "test_point_8_is_seen_to_be_broken_by_a_question_before_a_withdrawal"),
    ),
    9: (
        "no profile on public screens",
        ("test_public", "test_no_profile_string_leaves_for_a_public_screen"),
        ("test_public", "test_a_planted_leak_is_found"),
    ),
    10: (
        "two members, no offer of one",
        (GATE, "point_10_two_members_get_no_offer_that_fits_only_one"),
        (GATE, BROKEN),
    ),
    11: (
        "a name leaves the screen",
        (WITHDRAWAL, "point_11_a_name_leaves_the_screen_in_time_and_with_the_next_tap"),
        (WITHDRAWAL, BROKEN),
    ),
    12: (
        "sensitive categories",
        (GATE, "point_12_sensitive_things_cause_nothing_on_a_screen_and_are_no_talking_point"),
        (GATE, BROKEN),
    ),
    13: (
        "children",
        (GATE, "point_13_a_child_has_no_profile_and_a_product_for_children_needs_a_known_age"),
        (GATE, BROKEN),
    ),
    14: (
        "erasure to the last byte",
        (WITHDRAWAL, "point_14_an_erasure_leaves_no_byte_in_the_files"),
        (WITHDRAWAL, BROKEN),
    ),
    15: (
        "access to everything",
        (LIFE, "test_15_the_export_covers_every_table"),
        ("test_export", "test_every_table_is_in_the_export_or_has_a_reason_not_to_be"),
    ),
    16: (
        "retention, whatever the clock",
        (LIFE, "test_16_a_jump_of_the_clock_deletes_nothing"),
        (LIFE, "test_16_fails_for_a_shop_that_believes_its_clock"),
    ),
    17: (
        "views are noted",
        (LIFE, "test_17_no_view_without_its_note"),
        (LIFE, "test_17_fails_where_views_are_not_noted"),
    ),
    18: (
        "binding needs tap and code",
        (SELF, "test_rule_18_binding_needs_a_tap_and_the_one_time_code"),
        (SELF, "test_rule_18_is_seen_to_be_broken_where_any_code_will_do"),
    ),
    19: (
        "a whole notice or nobody",
        (PAGE, "test_point_19_nobody_is_recognised_without_a_whole_notice"),
        (PAGE, "test_point_19_is_seen_to_be_broken_where_recognition_asks_nobody"),
    ),
    20: (
        "profiles end without headquarters",
        (LIFE, "test_20_profiles_are_wiped_after_days_without_headquarters"),
        (LIFE, "test_20_fails_where_any_old_head_counts_as_headquarters"),
    ),
    21: (
        "nothing personal in topics",
        ("test_topics_of_a_day", "test_nothing_personal_is_in_topics_client_ids_or_retained_messages"),
        ("test_topics_of_a_day", "test_a_planted_leak_is_found"),
    ),
    22: ("held out of offers alone", (GATE, "point_22_nothing_but_offers_depends_on_offers"), (GATE, BROKEN)),
}


def test_there_are_twenty_two_points() -> None:
    assert list(POINTS) == list(range(1, 23))


@pytest.mark.parametrize("point", POINTS)
def test_the_point_has_its_test_and_is_seen_to_fail_where_it_is_broken(point: int) -> None:
    _, *places = POINTS[point]
    for module, name in places:
        tree = ast.parse((HERE / f"{module}.py").read_text())
        defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
        assert name in defined, f"tests/{module}.py has no {name}"
        if name == BROKEN:  # every point of such a module stands in its list of mutations
            listed = next(node for node in tree.body if isinstance(node, ast.Assign) and node.targets[0].id == "BROKEN")
            assert any(
                isinstance(element, ast.Name) and element.id.startswith(f"point_{point}_")
                for pair in listed.value.elts
                for element in pair.elts
            )
