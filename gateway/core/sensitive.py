"""What is nobody else's business: categories that no public screen, talking point or habit on a card may touch. Pure.

The list holds what Article 9 GDPR protects, what the Court of Justice counts to it (C-184/20, C-21/23: whoever buys
at a pharmacy tells something of their health), and what people hide or are ashamed of. Headquarters may add to it
(`ShopConfig.sensitive`) and never take away.
"""

from collections.abc import Iterable
from functools import lru_cache

CHILDREN = "children"

# Category -> why it is on the list.
BUILT_IN: dict[str, str] = {
    "health": "Health data is a special category, and a purchase can be enough to tell it.",
    "pharmacy": "What somebody takes from a pharmacy's shelf tells of an illness.",
    "disability": "An aid or a service for it tells of a disability.",
    "pregnancy": "Somebody may learn of it from a screen who was to hear it from the person.",
    "intimate": "Hygiene, contraception and the like are shown to nobody who did not ask.",
    "sexuality": "Sex life and orientation are special categories.",
    "alcohol": "It tells of a habit that people hide, or have just given up.",
    "tobacco": "It tells of a habit that harms health; many places also forbid its advertising.",
    "cannabis": "It tells of health or of a habit that people hide.",
    "gambling": "It tells of an addiction or leads back into one.",
    "weight": "Diet and size are felt as a judgement when somebody else reads them.",
    "religion": "Belief is a special category, and food or a holiday can tell it.",
    "politics": "Political opinion is a special category.",
    "union": "Membership of a trade union is a special category.",
    "ethnicity": "Origin is a special category, and food or language can tell it.",
    "genetics": "Genetic data is a special category; it tells of relatives too.",
    "biometrics": "Data of the body that tells who somebody is is a special category.",
    CHILDREN: "Who has children, and what they need, is a family's own business; and a child is not to be aimed at.",
    "household": "Who lives with whom, and who no longer does, is inferred and often wrong.",
    "income": "What somebody can spend is inferred, and shames in both directions.",
    "debt": "Credit and instalments tell of money troubles.",
    "crime": "Data on offences has rules of its own, Article 10 GDPR.",
    "death": "Mourning is no occasion for a screen.",
    "weapons": "They tell of fear or of force.",
}


@lru_cache(maxsize=8)  # one shop has one configuration, and a test a few
def categories(added: tuple[str, ...] = ()) -> frozenset[str]:
    """All that is sensitive here: the built-in categories and what headquarters added."""
    return frozenset(BUILT_IN) | {plain(one) for one in added}


def is_sensitive(category: str, sensitive: frozenset[str]) -> bool:
    """Whether a category names a sensitive one: "alcohol.wine" does, and so does "alcohol-free", because alcohol is."""
    words = plain(category)
    if "." not in words:
        return words in sensitive
    whole = f".{words}."
    return any(f".{one}." in whole for one in sensitive)


def aims_at_children(category: str) -> bool:
    """Whether what has this category is for children, so that it needs a known age."""
    return CHILDREN in plain(category).split(".")


def harmless(words: Iterable[str], sensitive: frozenset[str]) -> tuple[str, ...]:
    """Those words that name no sensitive category."""
    return tuple(word for word in words if not is_sensitive(word, sensitive))


def plain(category: str) -> str:
    """Its words, with a dot between two of them whatever stood there."""
    return category.strip().casefold().replace("_", ".").replace("-", ".")
