"""The floor plan of a shop as its installer drew it: sizes, walls, zones, and where things hang. Values only.

Lengths are metres from the corner at the upper left of the plan, to the right and downwards. Knows no person.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Place = tuple[float, float]
Kind = Literal["receivers", "screens", "anchors"]
Problem = Literal["size", "many", "outside", "zone"]
KINDS: tuple[Kind, ...] = ("receivers", "screens", "anchors")

MIN_SIDE_M, MAX_SIDE_M = 2.0, 200.0  # a kiosk; a large market's hall
# As many things of a kind as a configuration has: 64 receivers at most count in a radio map. All of them with their
# walls fill 14 KiB, less than the 16 KiB that a request may have.
MAX_THINGS = 64
MAX_ZONES = 48
MAX_WALLS = 96


@dataclass(frozen=True, slots=True)
class Area:
    """A zone on the plan: a rectangle from its upper left corner, or a circle (`radius_m` > 0) around `x_m`, `y_m`."""

    x_m: float
    y_m: float
    width_m: float = 0.0
    depth_m: float = 0.0
    radius_m: float = 0.0

    @property
    def centre(self) -> Place:
        return (self.x_m, self.y_m) if self.radius_m else (self.x_m + self.width_m / 2, self.y_m + self.depth_m / 2)


@dataclass(frozen=True, slots=True)
class Wall:
    x1_m: float
    y1_m: float
    x2_m: float
    y2_m: float


@dataclass(frozen=True, slots=True)
class Floor:
    """The plan. A thing that is not on it has no entry; ids are those of the configuration."""

    width_m: float = 20.0
    depth_m: float = 14.0
    receivers: Mapping[str, Place] = field(default_factory=dict)
    screens: Mapping[str, Place] = field(default_factory=dict)
    anchors: Mapping[str, Place] = field(default_factory=dict)
    zones: Mapping[str, Area] = field(default_factory=dict)
    walls: tuple[Wall, ...] = ()

    def of(self, kind: Kind) -> Mapping[str, Place]:
        return {"receivers": self.receivers, "screens": self.screens, "anchors": self.anchors}[kind]


def problem(floor: Floor) -> Problem | None:
    """What does not fit on this plan, as a word for its page; None for nothing."""
    if not all(MIN_SIDE_M <= side <= MAX_SIDE_M for side in (floor.width_m, floor.depth_m)):
        return "size"
    if any(len(floor.of(kind)) > MAX_THINGS for kind in KINDS):
        return "many"
    if len(floor.zones) > MAX_ZONES or len(floor.walls) > MAX_WALLS:
        return "many"
    places = [place for kind in KINDS for place in floor.of(kind).values()]
    places += [area.centre for area in floor.zones.values()]
    places += [end for wall in floor.walls for end in ((wall.x1_m, wall.y1_m), (wall.x2_m, wall.y2_m))]
    if not all(0 <= x <= floor.width_m and 0 <= y <= floor.depth_m for x, y in places):
        return "outside"
    for area in floor.zones.values():
        sides = (area.radius_m,) if area.radius_m else (area.width_m, area.depth_m)
        if not all(0.2 <= side <= MAX_SIDE_M for side in sides):
            return "zone"
    return None


def plain(floor: Floor) -> dict[str, Any]:
    """As JSON; `floor_of` reads it back."""
    found = asdict(floor)
    for kind in KINDS:
        found[kind] = {name: list(place) for name, place in floor.of(kind).items()}
    return found


def floor_of(body: Mapping[str, Any]) -> Floor:
    """What `plain` wrote."""
    things = {kind: {name: (float(x), float(y)) for name, (x, y) in body[kind].items()} for kind in KINDS}
    zones = {name: Area(**area) for name, area in body["zones"].items()}
    walls = tuple(Wall(**wall) for wall in body["walls"])
    return Floor(float(body["width_m"]), float(body["depth_m"]), **things, zones=zones, walls=walls)
