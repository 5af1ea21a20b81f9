"""Headquarters' price file as ops: read, checked, cut into the parts of the list, and only what changed is sent."""

from collections import defaultdict
from pathlib import Path

from gateway.core.changes import PricesPut
from gateway.core.gs1 import gtin_of
from gateway.core.prices import MAX_ARTICLES, MAX_PART, Article, part_of
from gateway.errors import ConfigError, PeerError
from sync import messages, prices
from sync.hq.file import Row
from sync.hq.orders import lines

EXPECTED = 'an article as {"gtin", "title", "cents", "unit", "category", "check"}'


def read(path: Path) -> list[Article]:
    """The articles of a JSON-lines file, by GTIN of 8, 12, 13 or 14 digits. Raises ConfigError with file and line."""
    found: dict[str, Article] = {}
    for number, line in enumerate(lines(path), start=1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        one = _read_line(where, line)
        if one.gtin in found:
            raise ConfigError(f"{where}: expected each article once; {one.gtin} stands above already")
        if len(found) >= MAX_ARTICLES:
            raise ConfigError(f"{where}: expected at most {MAX_ARTICLES} articles")
        found[one.gtin] = one
    return list(found.values())


def _read_line(where: str, line: bytes) -> Article:
    try:
        body = messages.load_object(line.strip())
        gtin = body.get("gtin")
        whole = gtin_of(gtin) if isinstance(gtin, str) else None
        if whole is None:
            raise PeerError("fields", "gtin")
        return prices.article(body | {"gtin": whole})
    except PeerError as error:
        place = f" ({error.field})" if error.field else ""
        raise ConfigError(f"{where}: expected {EXPECTED} with a right check digit; found none{place}") from None


def changes(articles: list[Article], before: dict[int, Row], *, empty: bool = False) -> list[Row]:
    """The ops that make the list these articles. `before`: bodies of what was sent, by part. `empty`: it may be that
    none is left. Raises ConfigError."""
    gone = sum(len(body["articles"]) for body in before.values())
    if gone and not articles and not empty:
        raise ConfigError(
            f"nothing was recorded: the file holds no article, and all {gone} would go from the list of every shop; "
            "expected one at least, or --empty"
        )
    version = 1 + max((int(body["list_version"]) for body in before.values()), default=0)
    parts: dict[int, list[Article]] = defaultdict(list)
    for one in sorted(articles, key=lambda article: article.gtin):
        parts[part_of(one.gtin)].append(one)
    ops = []
    for part in sorted(parts.keys() | before.keys()):
        if len(parts[part]) > MAX_PART:
            raise ConfigError(f"part {part} of the price list would hold more than {MAX_PART} articles")
        op = messages.op_of(PricesPut(version, part, tuple(parts[part])))
        sent = before.get(part, {"articles": []})
        if op["body"]["articles"] != sent["articles"]:
            ops.append(op)
    return ops
