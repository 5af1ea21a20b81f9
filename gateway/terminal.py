"""What the commands write: results on standard output, words beside them on standard error."""

import argparse
import io
import json
import shutil
import textwrap
from collections.abc import Callable, Iterable, Mapping

import segno
from rich.console import Console

out = Console()
err = Console(stderr=True)


class Defaults(argparse.ArgumentDefaultsHelpFormatter):
    """Help that names defaults, but for those that say nothing: without a value, a switch, an empty text."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default is None or action.default is False or action.default == "":
            return action.help
        return super()._get_help_string(action)


def say(text: str, style: str = "") -> None:
    """Words beside the output, on standard error, never wrapped or coloured by their content."""
    err.print(text, style=style, markup=False, highlight=False, soft_wrap=True)


def rows(listed: Iterable[Mapping[str, object]], nothing: str) -> None:
    """One JSON object a line; `nothing` is said beside the output where there is none."""
    found = False
    for row in listed:
        out.print(json.dumps(row, ensure_ascii=False), markup=False, highlight=False, soft_wrap=True)
        found = True
    if not found:
        say(nothing)


def laid_out(text: str, indent: int) -> str:
    """`text` broken between words at the terminal's width, later lines indented; no word is ever cut, so that a path
    or key of any length stays whole, in a pipe too."""
    width = max(shutil.get_terminal_size().columns - indent, 20)
    lines = textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)
    return ("\n" + " " * indent).join(lines)


def qr_code(text: str) -> str:
    """A QR code in half-block characters, two modules a line, dark on light."""
    drawing = io.StringIO()
    segno.make(text, error="l", micro=False).terminal(out=drawing, compact=True, border=2)
    return drawing.getvalue()


def grouped(key: str) -> str:
    """A public key's hex digits in groups of 8, as two people compare it; the same everywhere."""
    return " ".join(key[at : at + 8] for at in range(0, len(key), 8))


def whole(least: int, most: int) -> Callable[[str], int]:
    """An argument's type: a whole number between the two, both included."""

    def number(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"a whole number from {least} to {most}")
        return int(text)

    return number
