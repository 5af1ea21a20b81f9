"""The verbs of `store-gateway hq` about what screens show between offers and how pages look."""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

from gateway.terminal import out, say
from sync.hq import publishing

Verb = Callable[[str, Callable[[argparse.Namespace], int], str], argparse.ArgumentParser]


def add_verbs(verb: Verb, now_ms: Callable[[], int]) -> None:
    """`verb` adds one to the parser (gateway.hqverbs)."""
    bundle = verb(
        "publish-content",
        partial(_content, now_ms),
        "put a folder of pictures, videos and words in the place of what screens show between offers",
    )
    bundle.add_argument("folder", type=Path, help="with a content.toml and the files that it names")
    bundle.add_argument("--empty", action="store_true", help="also a folder without items, which takes all away")
    brand = verb("publish-brand", _brand, "put a retailer's colours, fonts and logo over all pages")
    brand.add_argument("file", type=Path, help="a TOML file; an empty one brings the product's own look back")


def _content(now_ms: Callable[[], int], arguments: argparse.Namespace) -> int:
    count, version, doubts = publishing.publish_content(arguments.db, arguments.folder, now_ms(), empty=arguments.empty)
    items = "1 item stands" if count == 1 else f"{count} items stand"
    out.print(f"{items} in place of all others; version {version}", highlight=False)
    for doubt in doubts:
        say(f"perhaps not meant: {doubt}")
    return 0


def _brand(arguments: argparse.Namespace) -> int:
    out.print(f"recorded; version {publishing.publish_brand(arguments.db, arguments.file)}", highlight=False)
    return 0
