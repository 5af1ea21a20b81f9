"""HQ's privacy notice as a page needs it: what a whole one has, and its text cut into headings and paragraphs."""

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from gateway.core.model import Notice

HEADING = "# "
_LINE = re.compile(r"[^\n]*\n|[^\n]+")


class Block(NamedTuple):
    """A heading (its text begins with "# "), a paragraph, or the empty lines between two of them."""

    kind: Literal["heading", "paragraph", "gap"]
    text: str


def missing(notice: Notice | None) -> tuple[str, ...]:
    """What a notice lacks before anybody may be recognised (controller, contact, version, text); () = it is whole."""
    if notice is None:
        return ("controller", "contact", "version", "text")
    has = {
        "controller": notice.controller.strip(),
        "contact": notice.contact.strip(),
        "version": notice.version.strip(),
        "text": any(text.strip() for text in notice.text.values()),
    }
    return tuple(name for name, value in has.items() if not value)


def blocks(text: str) -> Iterator[Block]:
    """The text in its parts; joined they are `text` again, to the byte, so that what is shown has the text's hash.

    An empty line ends a paragraph, a line that begins with "# " is a heading.
    """
    paragraph = ""
    for line in _LINE.findall(text):
        is_heading, is_empty = line.startswith(HEADING), not line.strip()
        if is_heading or is_empty:
            yield from _whole("paragraph", paragraph)
            paragraph = ""
        if is_heading:
            yield from _whole("heading", line)
        elif is_empty:
            yield Block("gap", line)
        else:
            paragraph += line
    yield from _whole("paragraph", paragraph)


def _whole(kind: Literal["heading", "paragraph"], lines: str) -> Iterator[Block]:
    words = lines.removesuffix("\n")
    if words:
        yield Block(kind, words)
    if words != lines:
        yield Block("gap", "\n")
