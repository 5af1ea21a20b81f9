"""One design language: every sheet draws from tokens.css, every head leads to it, and its colours can be read."""

import re
from pathlib import Path

import pytest

from display.pages import ROOT
from display.wire import ART
from gateway.core import brand

HQ = ROOT.parents[1] / "sync" / "hq" / "static"
TOKENS = ROOT / "tokens.css"
SHEETS = sorted(path for folder in (ROOT, HQ) for path in folder.glob("*.css") if path != TOKENS)
HEADS = sorted(path for path in ROOT.glob("*.html") if "<head>" in path.read_text(encoding="utf-8"))
# A size is a step of a scale, or a part of the size around it.
SIZE = re.compile(r"(?:0|inherit|var\(--(?:text|screen|paper)-[\w-]+\)|(?:max\(\d+px, )?[\d.]+em\)?)$")
FONT = re.compile(r"inherit|(?:\d+ )?(?:var\(--text-[\w-]+\)|[\d.]+em)(?:/[\d.]+)? var\(--font(?:-\w+)?\)$")
COLOUR = re.compile(
    r"#[0-9a-fA-F]{3,8}\b|\b(?:rgba?|hsla?|hwb|lab|lch|oklab|oklch)\(|(?<![-.\w])(?:black|white|red|grey|gray)\b(?!-)"
)


def rules(path: Path) -> str:
    """The text of a sheet without its comments."""
    return re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)


def declared(block: str) -> dict[str, str]:
    return dict(re.findall(r"--([\w-]+):\s*([^;]+);", block))


def block(opening: str) -> str:
    """What stands between the braces that follow `opening` in the tokens."""
    _, found, rest = rules(TOKENS).partition(opening)
    assert found, opening
    return rest.partition("}")[0]


def day() -> dict[str, str]:
    return declared(block(":where(:root) {"))


def night() -> dict[str, str]:
    return declared(block(':where(:root[data-theme="dark"]) {'))


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda path: path.name)
def test_no_other_sheet_has_a_colour_or_a_size_of_its_own(sheet: Path) -> None:
    text = rules(sheet)
    assert COLOUR.findall(text) == []
    assert [size for size in re.findall(r"font-size:\s*([^;}]+)", text) if not SIZE.match(size.strip())] == []
    assert [font for font in re.findall(r"[\s{;]font:\s*([^;}]+)", text) if not FONT.match(font.strip())] == []
    assert [face for face in re.findall(r"font-family:\s*([^;}]+)", text) if not face.startswith("var(--font-")] == []


def test_a_brand_is_laid_over_the_colours_that_the_pages_have() -> None:
    for tokens, palette in ((day(), brand.LIGHT), (night(), brand.DARK)):
        assert {role: tokens[role] for role in palette} == palette


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda path: path.name)
def test_what_a_sheet_draws_from_is_defined_somewhere(sheet: Path) -> None:
    known = set(declared(rules(TOKENS)))
    known |= {name for one in SHEETS for name in re.findall(r"--([\w-]+)\s*:", rules(one))}
    set_by_pages = {
        name
        for one in [*ROOT.glob("*.js"), *HQ.glob("*.js")]
        for name in re.findall(r"\"--([\w-]+)\"", one.read_text())
    }
    used = set(re.findall(r"var\(--([\w-]+)\)", rules(sheet)))
    assert used - known - set_by_pages == set()


@pytest.mark.parametrize("head", HEADS, ids=lambda path: path.name)
def test_every_head_begins_with_the_tokens(head: Path) -> None:
    text = head.read_text(encoding="utf-8")
    sheets = re.findall(r'<link rel="stylesheet" href="([^"]+)"', text)
    assert sheets[0].endswith("/base.css"), "base.css imports the tokens"
    assert rules(ROOT / "base.css").lstrip().startswith('@import url("tokens.css");')
    assert "<style" not in text and " style=" not in text
    assert 'name="viewport"' in text and " lang=" in text


def test_the_night_is_told_twice_in_the_same_words() -> None:
    chosen, wished = night(), declared(block(':where(:root:not([data-theme="light"])) {'))
    assert chosen == wished
    assert len(chosen) >= 20
    assert set(chosen) < set(day())


def test_a_retailers_file_wins_in_every_theme() -> None:
    """Nothing in the tokens but the large text weighs more than `:root {}` of a sheet that comes later."""
    selectors = [one.strip() for one in re.findall(r"([^{};]+)\{", rules(TOKENS))]
    assert [one for one in selectors if not one.startswith(("@", ":where(", ':root[data-text="large"]'))] == []


def test_a_font_of_the_tokens_is_a_file_with_its_licence() -> None:
    fonts = re.findall(r'url\("(fonts/[^"]+)"\)', rules(TOKENS))
    assert len(fonts) == 4
    for font in fonts:
        assert (ROOT / font).read_bytes().startswith(b"wOF2")
    assert sum(path.stat().st_size for path in (ROOT / "fonts").glob("*.woff2")) < 250_000
    assert len(list((ROOT / "fonts").glob("*licence*"))) == 2


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two "#rrggbb" colours (WCAG 2.2, relative luminance)."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_text_can_be_read_on_every_colour_field() -> None:
    fields = re.findall(r"^:where\(\[data-art.*$", TOKENS.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(fields) == len(ART)
    for line in fields:
        colour = dict(re.findall(r"--([\w-]+): (#\w{6})", line))
        assert contrast(colour["ink"], colour["field"]) >= 7
        assert contrast(colour["ink"], colour["disc"]) >= 4.5
        assert contrast(colour["on-tag"], colour["tag"]) >= 4.5
        assert contrast(colour["focus"], colour["field"]) >= 3


@pytest.mark.parametrize("theme", [day, night], ids=["day", "night"])
def test_text_can_be_read_by_day_and_night(theme) -> None:
    colour = theme()
    for ground in ("surface", "raised", "sunk"):
        for ink in ("ink", "muted", "accent", "good", "bad"):
            assert contrast(colour[ink], colour[ground]) >= 4.5, (ink, ground)
        for mark in ("focus", "line-strong", "warn"):  # not text: WCAG 1.4.11 asks for three
            assert contrast(colour[mark], colour[ground]) >= 3, (mark, ground)
    for ink, ground in [
        ("on-accent", "accent"),
        ("on-bad", "bad"),
        ("accent", "accent-wash"),
        ("good", "good-wash"),
        ("warn-ink", "warn-wash"),
        ("bad", "bad-wash"),
        ("ink", "accent-wash"),
        ("muted", "accent-wash"),
    ]:
        assert contrast(colour[ink], colour[ground]) >= 4.5, (ink, ground)
