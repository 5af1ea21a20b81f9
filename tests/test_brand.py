import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import brand
from gateway.core.brand import ALIASES, DARK, FOCUS_PAIRS, LEAST_CONTRAST, LEAST_FOCUS, LIGHT, PAIRS, Brand, Font
from gateway.core.content import FileRef

STATIC = Path(__file__).parents[1] / "display/static"
FACE = FileRef("f" * 64, 4_000)
colours = st.binary(min_size=3, max_size=3).map(lambda three: f"#{three.hex()}")


def test_contrast_is_that_of_the_guidelines() -> None:
    assert brand.contrast("#000000", "#ffffff") == pytest.approx(21)
    assert brand.contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)
    assert brand.contrast("#ffffff", "#777777") == brand.contrast("#777777", "#ffffff")
    assert brand.contrast("#123456", "#123456") == 1


def test_mixing() -> None:
    assert brand.mix("#ffffff", "#000000", 1) == "#ffffff"
    assert brand.mix("#ffffff", "#000000", 0) == "#000000"
    assert brand.mix("#ff0000", "#0000ff", 0.5) == "#800080"


def test_the_products_own_look_can_be_read() -> None:
    assert LIGHT.keys() == DARK.keys()
    assert brand.faults(Brand()) == ()
    assert brand.css(Brand(), "") == ""
    assert brand.look_of(Brand()) == ""


def test_every_role_is_a_token_of_the_pages() -> None:
    sheet = "".join(path.read_text() for path in STATIC.glob("*.css"))
    for role in LIGHT:
        names = [name for name in (role, ALIASES.get(role)) if name]
        assert any(f"--{name}:" in sheet for name in names) or role == "focus", role


def test_one_colour_is_enough() -> None:
    one = Brand("Laden", light={"accent": "#7a1f5c"})
    assert brand.faults(one) == ()
    light, dark = brand.palettes(one)
    assert light["accent"] == "#7a1f5c"
    assert light["on-accent"] == "#ffffff"
    assert light["accent-wash"] != LIGHT["accent-wash"]
    assert dark["accent"] not in ("#7a1f5c", DARK["accent"])
    assert light["warn"] == LIGHT["warn"]


@given(colours)
def test_what_is_derived_can_always_be_read_in_the_dark(accent: str) -> None:
    """However dark a brand is, its colour on dark pages is lifted until it can be read."""
    dark = brand.palettes(Brand(light={"accent": accent}))[1]
    for front, ground in (*PAIRS, ("on-accent", "accent")):
        assert brand.contrast(dark[front], dark[ground]) >= LEAST_CONTRAST, (front, ground)


@given(
    st.dictionaries(st.sampled_from(sorted(LIGHT)), colours, max_size=5),
    st.dictionaries(st.sampled_from(sorted(DARK)), colours, max_size=3),
)
def test_a_brand_without_faults_can_be_read(light: dict[str, str], dark: dict[str, str]) -> None:
    one = Brand("x", light, dark)
    if not brand.faults(one):
        for palette in brand.palettes(one):
            assert all(brand.contrast(palette[a], palette[b]) >= LEAST_CONTRAST for a, b in PAIRS)
            assert all(brand.contrast(palette[a], palette[b]) >= LEAST_FOCUS for a, b in FOCUS_PAIRS)


@pytest.mark.parametrize(
    ("one", "fault"),
    [
        (Brand(light={"accent": "#ffcc00"}), "light: accent on surface has a contrast of 1.4"),
        (Brand(light={"ink": "#999999"}), "light: ink on surface"),
        (Brand(dark={"muted": "#333333"}), "dark: muted on surface"),
        (Brand(light={"accent": "#7a1f5c", "on-accent": "#7a1f5d"}), "light: on-accent on accent"),
        (Brand(light={"focus": "#fffff0"}), "light: focus on surface"),
        (Brand(light={"glow": "#ffffff"}), "light.glow: no such colour"),
        (Brand(light={"ink": "red"}), "light.ink: expected #rrggbb"),
        (Brand(dark={"ink": "#FFF"}), "dark.ink: expected #rrggbb"),
        (Brand(logo=FileRef("a" * 64, brand.MAX_LOGO_BYTES + 1)), "logo: expected at most 1024 KiB"),
        (Brand(fonts=(Font("text", "400", FileRef("a" * 64, brand.MAX_FONT_BYTES + 1)),)), "fonts.0: expected at most"),
        (Brand(fonts=(Font("text", "700 400", FACE),)), "fonts.0.weight: expected one weight, or a range"),
        (Brand(fonts=(Font("text", "400", FACE),) * 2), "fonts: text 400 is there twice"),
        (Brand(fonts=tuple(Font("text", f"{n}00", FACE) for n in range(1, 6))), "fonts: expected at most 4"),
    ],
)
def test_faults(one: Brand, fault: str) -> None:
    assert any(found.startswith(fault) for found in brand.faults(one)), brand.faults(one)


def test_the_sheet_names_both_themes_and_nothing_of_the_retailers_words() -> None:
    fonts = (Font("text", "400 700", FACE), Font("display", "700", FACE))
    one = Brand("</style><script>", {"accent": "#7a1f5c"}, {}, None, fonts)
    sheet = brand.css(one, "0123456789abcdef")
    assert "script" not in sheet
    assert sheet.count("@font-face") == 2
    assert '/brand/font/1?v=0123456789abcdef"' in sheet
    assert "--font-text:" in sheet
    assert "--font:" in sheet
    light, dark_by_device, dark_by_choice = re.findall(r":root[^{]*\{([^}]*)\}", sheet)
    assert dark_by_device == dark_by_choice
    named = [set(re.findall(r"--([a-z-]+):#", block)) for block in (light, dark_by_device)]
    assert named[0] == named[1] == {"accent", "green", "on-accent", "on-green", "accent-wash", "green-wash"}


def test_the_look_changes_with_everything_that_is_shown() -> None:
    base = Brand("A", {"accent": "#7a1f5c"})
    others = [
        Brand("B", {"accent": "#7a1f5c"}),
        Brand("A", {"accent": "#7a1f5d"}),
        Brand("A", {"accent": "#7a1f5c"}, {"accent": "#e0a0d0"}),
        Brand("A", {"accent": "#7a1f5c"}, {}, FACE),
        Brand("A", {"accent": "#7a1f5c"}, {}, None, (Font("text", "400", FACE),)),
    ]
    looks = [brand.look_of(one) for one in (base, *others)]
    assert len(set(looks)) == len(looks)
    assert all(re.fullmatch(r"[0-9a-f]{16}", look) for look in looks)


def test_files_of_a_brand() -> None:
    logo = FileRef("1" * 64, 5)
    one = Brand("A", {}, {}, logo, (Font("text", "400", FACE), Font("display", "400", FACE)))
    assert brand.files_of(one) == (logo, FACE)
