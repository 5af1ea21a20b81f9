"""Small charts as SVG text: what `evaluate` writes beside its figures. No library, no clock, no file."""

from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT = 720, 420
LEFT, RIGHT, TOP, BOTTOM = 64, 150, 40, 48  # margins; names of the lines stand at the right
COLOURS = ("#1b6ca8", "#c1440e", "#4a7c3a", "#7a4b94", "#8a6d1d", "#555555")
APART = 14  # between the names of lines that end close together
MAX_POINTS = 200  # of a line; more cannot be told apart on 500 pixels
TICKS = 5
BAR, BAR_NAME = 14, 190  # a bar's height, and the room for its name
MAX_NAME = 28  # characters that fit into it
MAX_BARS = 24  # lines of one chart; what is left out stands in its last one


def line_chart(title: str, across: str, up: str, lines: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """One chart with both axes from 0. `lines`: points by rising x, by the line's name; at most six lines."""
    if len(lines) > len(COLOURS):
        raise ValueError("more lines than colours")
    points = [point for line in lines.values() for point in line]
    wide = max((x for x, _ in points), default=0) or 1
    high = max((y for _, y in points), default=0) or 1
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif"'
        f' font-size="12"><rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text x="{LEFT}" y="22" font-size="15">{escape(title)}</text>',
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">{escape(across)}</text>',
        f'<text transform="translate(14 {HEIGHT / 2}) rotate(-90)" text-anchor="middle">{escape(up)}</text>',
    ]
    for tick in range(TICKS + 1):
        x, y = _at(wide * tick / TICKS, wide), _up(high * tick / TICKS, high)
        parts += [
            f'<path d="M{LEFT} {y}H{WIDTH - RIGHT}" stroke="#ddd"/>',
            f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{high * tick / TICKS:.4g}</text>',
            f'<text x="{x}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{wide * tick / TICKS:.4g}</text>',
        ]
    names = []
    for (name, line), colour in zip(lines.items(), COLOURS, strict=False):
        thin = _thinned(line)
        if not thin:
            continue
        way = "L".join(f"{_at(x, wide)} {_up(y, high)}" for x, y in thin)
        parts.append(f'<path d="M{way}" fill="none" stroke="{colour}" stroke-width="2"/>')
        names.append((_up(thin[-1][1], high), escape(name), colour))
    lowest = 0.0
    for end, name, colour in sorted(names):
        lowest = max(end, lowest + APART)
        parts.append(f'<text x="{WIDTH - RIGHT + 6}" y="{lowest + 4}" fill="{colour}">{name}</text>')
    return "\n".join([*parts, "</svg>\n"])


def bar_chart(title: str, across: str, names: Sequence[str], bars: Mapping[str, Sequence[float]]) -> str:
    """One chart of bars that lie below each other, for each entry of `bars` one per name, in that order.

    Of more than MAX_BARS entries the rest is one, the sum.
    """
    if len(names) > len(COLOURS) or any(len(values) != len(names) for values in bars.values()):
        raise ValueError("each entry has one value per name, and there are six colours")
    rows = [(entry, list(values)) for entry, values in bars.items()]
    if len(rows) > MAX_BARS:
        rest = [sum(column) for column in zip(*(values for _, values in rows[MAX_BARS - 1 :]), strict=True)]
        rows = [*rows[: MAX_BARS - 1], (f"{len(rows) - MAX_BARS + 1} more", rest)]
    most = max((value for _, values in rows for value in values), default=0) or 1
    step = BAR * len(names) + 8
    bottom = TOP + 20 + step * len(rows)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom + 30}" font-family="sans-serif"'
        f' font-size="12"><rect width="{WIDTH}" height="{bottom + 30}" fill="#fff"/>',
        f'<text x="{LEFT}" y="22" font-size="15">{escape(title)}</text>',
        f'<text x="{WIDTH - LEFT}" y="{bottom + 20}" text-anchor="end">{escape(across)}</text>',
    ]
    for at, (name, colour) in enumerate(zip(names, COLOURS, strict=False) if len(names) > 1 else ()):
        parts.append(f'<text x="{LEFT + at * 120}" y="42" fill="{colour}">{escape(name)}</text>')
    for number, (entry, values) in enumerate(rows):
        top = TOP + 20 + step * number
        middle = top + BAR * len(names) / 2 + 4
        parts.append(f'<text x="{BAR_NAME - 6}" y="{middle}" text-anchor="end">{escape(_cut(entry))}</text>')
        for at, value in enumerate(values):
            long = round(value / most * (WIDTH - BAR_NAME - 90), 1)
            y = top + BAR * at
            parts.append(f'<rect x="{BAR_NAME}" y="{y}" width="{long}" height="{BAR - 2}" fill="{COLOURS[at]}"/>')
            parts.append(f'<text x="{BAR_NAME + long + 4}" y="{y + BAR - 3}" font-size="11">{value:,.10g}</text>')
    return "\n".join([*parts, "</svg>\n"])


def below(charts: Sequence[str]) -> str:
    """Several charts as one picture, below each other."""
    placed, down = [], 0
    for chart in charts:
        high = int(chart.split('viewBox="0 0 ', 1)[1].split('"', 1)[0].split()[1])
        placed.append(chart.replace("<svg ", f'<svg y="{down}" width="{WIDTH}" height="{high}" ', 1))
        down += high
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {down}">'
    return "\n".join([head, *placed, "</svg>\n"])


def _cut(name: str) -> str:
    return name if len(name) <= MAX_NAME else name[: MAX_NAME - 1] + "…"


def _at(x: float, wide: float) -> float:
    return round(LEFT + x / wide * (WIDTH - LEFT - RIGHT), 1)


def _up(y: float, high: float) -> float:
    return round(HEIGHT - BOTTOM - y / high * (HEIGHT - TOP - BOTTOM), 1)


def _thinned(line: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most MAX_POINTS of it, the last one among them."""
    step = max(1, -(-len(line) // (MAX_POINTS - 1)))
    thin = list(line[::step])
    return thin if not line or thin[-1] == line[-1] else [*thin, line[-1]]
