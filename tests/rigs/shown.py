"""Pages in their states as the tables of tests/test_every_*.py list them, and how each is looked at."""

import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from tests.rigs.everypage import Look, dress, leave, moved, picture, size_up, visit, wrongs
from tests.rigs.openers import Opener

ALL = os.environ.get("PAGES_ALL") == "1"
PANEL = ("wide", "upright", "small")
DESK = ("tablet", "portrait", "phone")
HAND = ("phone", "tablet")
_known: set[str] = set()  # kinds of pages that were opened without a file of theirs being there


@dataclass(frozen=True, slots=True)
class Shown:
    """A page in a state: how to get there and how it is looked at."""

    opener: Opener
    root: str = "body"
    sizes: tuple[str, ...] = HAND
    scrolls: bool = True
    themes: bool = True  # it has a dark side
    large: bool = False  # it has the switch for large text
    allowed: tuple[str, ...] = ()  # parts of complaints of the browser that belong to this state

    def looks(self, turn: int) -> Iterator[Look]:
        """All ways to look at it, or the one of the `turn` that a short run has time for."""
        themes = ("light", "dark") if self.themes else ("light",)
        texts = (False, True) if self.large else (False,)
        if ALL:
            for language, size, scheme, large in product(("de", "en"), self.sizes, themes, texts):
                yield Look(size, scheme, language, large)
            return
        yield Look(self.sizes[turn % len(self.sizes)], themes[turn % len(themes)], "de", texts[turn // 2 % len(texts)])


def panel(opener: Opener, root: str = ".talk", allowed: tuple[str, ...] = ()) -> Shown:
    return Shown(opener, root, PANEL, scrolls=False, themes=False, allowed=allowed)


def staff(opener: Opener, root: str = "body", scrolls: bool = True, allowed: tuple[str, ...] = ()) -> Shown:
    return Shown(opener, root, DESK, scrolls, large=True, allowed=allowed)


def mine(opener: Opener, allowed: tuple[str, ...] = ("401",)) -> Shown:
    return Shown(opener, "body", HAND, large=True, allowed=allowed)


def _anew(name: str) -> bool:
    """Whether nothing of it may be loaded before: the first of each kind, or in a long run each."""
    kind = name.partition("-")[0]
    first = ALL or kind not in _known
    _known.add(kind)
    return first


async def wrong_with(pages: dict[str, Shown], name: str, folder: Path) -> dict[str, list[str]]:
    """What is wrong with a page of a table, by look; {} when all is well. Keeps a picture of each."""
    shown = pages[name]
    looks = list(shown.looks(list(pages).index(name)))
    found: dict[str, list[str]] = {}
    for language in dict.fromkeys(look.language for look in looks):
        mine_now = [look for look in looks if look.language == language]
        await asyncio.to_thread((folder / language).mkdir)
        async with visit(shown.allowed, _anew(name)) as one:
            await size_up(one.page, mine_now[0])
            async with shown.opener(one.page, language, folder / language):
                found[f"{language} moved"] = await moved(one.page)
                for look in mine_now:
                    await dress(one.page, look)
                    found[str(look)] = await wrongs(one, shown.root, shown.scrolls)
                    await picture(one, name, look)
                await leave(one.page)
    return {look: wrong for look, wrong in found.items() if wrong}
