"""What the commands write: results on standard output, words beside them on standard error."""

import argparse
from collections.abc import Callable

from rich.console import Console

out = Console()
err = Console(stderr=True)
Defaults = argparse.ArgumentDefaultsHelpFormatter


def say(text: str, style: str = "") -> None:
    """Words beside the output, on standard error, never wrapped or coloured by their content."""
    err.print(text, style=style, markup=False, highlight=False, soft_wrap=True)


def whole(least: int, most: int) -> Callable[[str], int]:
    """An argument's type: a whole number between the two, both included."""

    def number(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"a whole number from {least} to {most}")
        return int(text)

    return number
