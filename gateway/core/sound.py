"""Whether an offer that was kept can be handled at all: what no step of a decision may have to ask about it. Pure.

The wire checks more than this before an offer is kept (sync.offers). A row may come from a backup or another version.
"""

from gateway.core.eligible import COMPARES, GROUPS, MAX_DEPTH, MAX_TERMS, Rule, terms
from gateway.core.offer import Offer

LARGEST = 2**53  # what is added to or taken from a time; SQLite's integers hold both


def is_sound(offer: Offer) -> bool:
    """Whether nothing about its numbers and its rule can stop a decision."""
    pause = offer.pause
    numbers = [offer.value_cents, offer.valid_from_ms, offer.valid_until_ms or 0, offer.control_bp, offer.price_cents]
    numbers += [offer.cap_per_member or 0, pause.shown_ms, pause.dismissed_ms, pause.redeemed_ms]
    for cap in offer.caps:
        numbers += [cap.limit, cap.period_ms]
    if any(not 0 <= number <= LARGEST for number in numbers):
        return False
    return offer.eligibility is None or (_is_rule(offer.eligibility, 1) and terms(offer.eligibility) <= MAX_TERMS)


def _is_rule(rule: Rule, depth: int) -> bool:
    if depth > MAX_DEPTH:
        return False
    if rule.op in GROUPS or rule.op == "not":
        whole = len(rule.rules) == 1 if rule.op == "not" else bool(rule.rules)
        return whole and all(_is_rule(one, depth + 1) for one in rule.rules)
    return rule.op in COMPARES and bool(rule.values)
