"""A retailer's brand: colours for the pages' tokens, fonts, a logo. What is not given is derived, and all can be read.

The names of colours are the roles of the design language (docs/brand.md); what a page looks like is in its own sheets.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Literal

from gateway.core.content import FileRef

Role = Literal["text", "display"]
Palette = Mapping[str, str]  # role -> "#rrggbb"

MAX_NAME = 60
MAX_FONTS = 4
MAX_LOGO_BYTES = 1024 * 1024
MAX_FONT_BYTES = 2 * 1024 * 1024  # a variable font of all European scripts has 0.3 MB
COLOUR = re.compile(r"#[0-9a-f]{6}")

# The colours of tokens.css (a test compares them), for what a brand leaves open.
LIGHT: Palette = {
    "surface": "#faf7f2",
    "raised": "#ffffff",
    "sunk": "#f1ebe1",
    "line": "#e2d9cb",
    "ink": "#221d18",
    "muted": "#645a4f",
    "accent": "#1f5d4c",
    "on-accent": "#ffffff",
    "accent-wash": "#e3eee8",
    "warn": "#b86a1d",
    "warn-ink": "#7d450f",
    "warn-wash": "#fbeeda",
    "focus": "#9a4f0f",
}
DARK: Palette = {
    "surface": "#161412",
    "raised": "#211e1b",
    "sunk": "#1b1816",
    "line": "#37322d",
    "ink": "#f3ede4",
    "muted": "#b8ad9f",
    "accent": "#7fc8ae",
    "on-accent": "#10241d",
    "accent-wash": "#1d302a",
    "warn": "#e0a05a",
    "warn-ink": "#ecb878",
    "warn-wash": "#33271a",
    "focus": "#f0b06a",
}
ROLES = tuple(LIGHT)

# Older names of the same roles, which sheets still use.
ALIASES = {
    "surface": "paper",
    "raised": "card",
    "muted": "soft",
    "accent": "green",
    "on-accent": "on-green",
    "accent-wash": "green-wash",
    "warn": "amber",
    "warn-ink": "amber-ink",
    "warn-wash": "amber-wash",
}

# Words on their ground: WCAG 2.2, 1.4.3 (level AA) for text of any size.
LEAST_CONTRAST = 4.5
PAIRS = (
    ("ink", "surface"),
    ("ink", "raised"),
    ("ink", "sunk"),
    ("muted", "surface"),
    ("muted", "raised"),
    ("muted", "sunk"),
    ("on-accent", "accent"),
    ("accent", "surface"),
    ("accent", "raised"),
    ("accent", "accent-wash"),
    ("ink", "accent-wash"),
    ("warn-ink", "warn-wash"),
    ("warn-ink", "surface"),
    ("ink", "warn-wash"),
)
# The frame round what has the focus: 1.4.11.
LEAST_FOCUS = 3.0
FOCUS_PAIRS = (("focus", "surface"), ("focus", "raised"))

_STEPS = 20  # from a colour to white or black, in search of one that is legible
_WASHES = (0.12, 0.09, 0.06, 0.03)  # how much of a colour its wash keeps, at most and at least
_STACK = {
    "text": '"Brand Text", system-ui, "Noto Sans", "Noto Sans Arabic", "Noto Sans Hebrew", sans-serif',
    "display": '"Brand Display", "Noto Serif", Georgia, "Noto Sans Arabic", "Noto Sans Hebrew", serif',
}


@dataclass(frozen=True, slots=True)
class Font:
    """A woff2 file for one role; `weight` is one weight or a range, "400" or "400 700"."""

    role: Role
    weight: str
    file: FileRef


@dataclass(frozen=True, slots=True)
class Brand:
    """What a retailer gives; each palette may name some roles only."""

    name: str = ""
    light: Palette = field(default_factory=dict)
    dark: Palette = field(default_factory=dict)
    logo: FileRef | None = None
    fonts: tuple[Font, ...] = ()


@dataclass(frozen=True, slots=True)
class BrandPut:
    """The brand of all shops; it replaces the former once its files are here. An empty one is the product's own."""

    brand: Brand


def files_of(brand: Brand) -> tuple[FileRef, ...]:
    """The files that a brand needs, each once."""
    logo = () if brand.logo is None else (brand.logo,)
    return tuple(dict.fromkeys((*logo, *(font.file for font in brand.fonts))))


def palettes(brand: Brand) -> tuple[Palette, Palette]:
    """All colours, light and dark: as given, else derived from what is given, else the pages' own."""
    light = _derived({**LIGHT, **brand.light}, brand.light, dark=False)
    dark_given = dict(brand.dark)
    for role in ("accent", "warn"):
        if role in brand.light and role not in dark_given:
            dark_given[role] = brand.light[role]
    dark = _derived({**DARK, **dark_given}, dark_given, dark=True, bend=frozenset(dark_given) - frozenset(brand.dark))
    return light, dark


def _derived(palette: dict[str, str], given: Palette, *, dark: bool, bend: frozenset[str] = frozenset()) -> Palette:
    """Fill what rests on `given`; roles in `bend` may be moved towards legibility."""
    towards = "#ffffff" if dark else "#000000"
    if "accent" in given:
        if "accent" in bend:
            palette["accent"] = _legible(given["accent"], towards, palette["surface"], palette["raised"])
        if "accent-wash" not in given:
            palette["accent-wash"] = _wash(palette["accent"], palette["surface"])
        if "accent" in bend:
            grounds = palette["surface"], palette["raised"], palette["accent-wash"]
            palette["accent"] = _legible(palette["accent"], towards, *grounds)
        if "on-accent" not in given:
            sides = "#ffffff", palette["surface"] if dark else palette["ink"]
            palette["on-accent"] = max(sides, key=lambda one: contrast(one, palette["accent"]))
    if "warn" in given:
        if "warn-wash" not in given:
            palette["warn-wash"] = mix(palette["warn"], palette["surface"], _WASHES[0])
        if "warn-ink" not in given:
            palette["warn-ink"] = _legible(palette["warn"], towards, palette["warn-wash"], palette["surface"])
    return palette


def _legible(colour: str, towards: str, *grounds: str) -> str:
    """The first step from `colour` to `towards` that can be read on all grounds; `towards` if none can."""
    for step in range(_STEPS + 1):
        found = mix(towards, colour, step / _STEPS)
        if all(contrast(found, ground) >= LEAST_CONTRAST for ground in grounds):
            return found
    return towards


def _wash(colour: str, ground: str) -> str:
    """The strongest wash on which the colour itself can still be read."""
    washes = [mix(colour, ground, share) for share in _WASHES]
    return next((one for one in washes if contrast(colour, one) >= LEAST_CONTRAST), ground)


def faults(brand: Brand) -> tuple[str, ...]:
    """What is wrong with a brand whose fields have the right forms, each as "place: what was expected"."""
    found = [
        f"{theme}.{role}: no such colour; expected one of {', '.join(ROLES)}"
        for theme, given in (("light", brand.light), ("dark", brand.dark))
        for role in given
        if role not in LIGHT
    ]
    found += [
        f"{theme}.{role}: expected #rrggbb"
        for theme, given in (("light", brand.light), ("dark", brand.dark))
        for role, colour in given.items()
        if COLOUR.fullmatch(colour) is None
    ]
    faces = [(font.role, font.weight) for font in brand.fonts]
    found += [
        f"fonts: {role} {weight} is there twice"
        for role, weight in dict.fromkeys(faces)
        if faces.count((role, weight)) > 1
    ]
    if len(brand.fonts) > MAX_FONTS:
        found.append(f"fonts: expected at most {MAX_FONTS}")
    found += [
        f"fonts.{number}.weight: expected one weight, or a range from the lighter to the heavier"
        for number, font in enumerate(brand.fonts)
        if sorted(font.weight.split()) != font.weight.split()
    ]
    if brand.logo is not None and brand.logo.bytes > MAX_LOGO_BYTES:
        found.append(f"logo: expected at most {MAX_LOGO_BYTES // 1024} KiB")
    found += [
        f"fonts.{number}: expected at most {MAX_FONT_BYTES // 1024} KiB"
        for number, font in enumerate(brand.fonts)
        if font.file.bytes > MAX_FONT_BYTES
    ]
    return tuple(found) if found else illegible(brand)


def illegible(brand: Brand) -> tuple[str, ...]:
    """Pairs of colours that cannot be read, by theme and name."""
    return tuple(
        f"{theme}: {front} on {ground} has a contrast of {contrast(palette[front], palette[ground]):.2f}; "
        f"expected {least}"
        for theme, palette in zip(("light", "dark"), palettes(brand), strict=True)
        for pairs, least in ((PAIRS, LEAST_CONTRAST), (FOCUS_PAIRS, LEAST_FOCUS))
        for front, ground in pairs
        if contrast(palette[front], palette[ground]) < least
    )


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours, 1 to 21 (WCAG 2.2)."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def mix(one: str, other: str, share: float) -> str:
    """`share` of one colour and the rest of another, in sRGB."""
    parts = (round(a * share + b * (1 - share)) for a, b in zip(_channels(one), _channels(other), strict=True))
    return "#" + "".join(f"{part:02x}" for part in parts)


def _channels(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour[1:]))


def _luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    red, green, blue = (
        part / 255 / 12.92 if part / 255 <= 0.04045 else ((part / 255 + 0.055) / 1.055) ** 2.4
        for part in _channels(colour)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def look_of(brand: Brand) -> str:
    """16 hex digits that change with everything that a page shows of a brand; "" for the product's own look."""
    if brand == Brand():
        return ""
    logo = "" if brand.logo is None else brand.logo.sha256
    return sha256(f"{brand.name}\0{logo}\0{css(brand, '')}".encode()).hexdigest()[:16]


def css(brand: Brand, look: str) -> str:
    """The style sheet that lays a brand over the pages' tokens; `look` is in the addresses of the fonts. Of what a
    retailer wrote it holds checked colours and weights alone."""
    if brand == Brand():
        return ""
    light, dark = palettes(brand)
    faces = [
        f'@font-face{{font-family:"Brand {font.role.capitalize()}";font-weight:{font.weight};font-display:swap;'
        f'src:url("/brand/font/{number}?v={look or font.file.sha256[:16]}") format("woff2")}}'
        for number, font in enumerate(brand.fonts)
    ]
    roles = dict.fromkeys(font.role for font in brand.fonts)
    stacks = [
        f"--font-{role}:{_STACK[role]};" + (f"--font:{_STACK[role]};" if role == "text" else "") for role in roles
    ]
    roles_changed = [role for role in ROLES if (light[role], dark[role]) != (LIGHT[role], DARK[role])]
    lines = [*faces, f":root{{{''.join(stacks)}{_declared(light, roles_changed)}}}"]
    darker = _declared(dark, roles_changed)
    lines.append(f'@media screen and (prefers-color-scheme:dark){{:root:not([data-theme="light"]){{{darker}}}}}')
    lines.append(f'@media screen{{:root[data-theme="dark"]{{{darker}}}}}')
    return "\n".join(lines) + "\n"


def _declared(palette: Palette, roles: Sequence[str]) -> str:
    """Both themes name the same roles, so that the one never shines through the other."""
    return "".join(f"--{name}:{palette[role]};" for role in roles for name in (role, ALIASES.get(role, "")) if name)
