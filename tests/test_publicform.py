"""display.publicform: what real screens say fits, and whatever else somebody adds does not."""

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from display import wire
from display.hub import Hub
from display.publicform import ScreenForm, fits
from gateway.core.model import DialogueView, ScreenContent, Slide
from gateway.health import Health
from tests.rigs.shopfront import HandClock, slide, talking

MEDIA = {
    "id": "m", "kind": "image", "src": "/content/" + "a" * 64, "sha256": "a" * 64, "title": {}, "text": {}, "badge": {},
    "art": "bag", "alt": {}, "seconds": 10, "fit": "cover", "from_ms": None, "until_ms": None, "days": [],
    "from_minute": None, "until_minute": 600, "zones": [],
}  # fmt: skip
YOURS = Slide("s", {"de": "Ihr Kaffee"}, {"en": "ready"})


def body(content: ScreenContent) -> dict[str, Any]:
    return wire.screen(content, 9_000, 1.0)


def test_what_screens_say_fits() -> None:
    zone = ScreenContent("L2", (slide(),), None, "d")
    for content in (ScreenContent("L0"), ScreenContent("L1", (slide(),)), zone, talking(), talking(call_name=None)):
        assert fits(body(content))
    assert fits(body(ScreenContent("L1", (YOURS,))))  # the loop speaks to everybody
    assert fits({**body(zone), "media": [MEDIA]})


@pytest.mark.parametrize("field", ["name", "call_name", "member_id", "points", "usual", "history", "photo", "because"])
@pytest.mark.parametrize("where", ["", "slide", "dialogue", "media"])
def test_no_other_field_has_a_place(field: str, where: str) -> None:
    if (where, field) in (("dialogue", "call_name"), ("dialogue", "points")):
        return
    said = deepcopy({**body(talking()), "media": [MEDIA]})
    assert fits(said)
    place = {"": said, "slide": said["slides"][0], "dialogue": said["dialogue"], "media": said["media"][0]}[where]
    place[field] = None
    assert not fits(said)


@given(st.sampled_from(["L0", "L1", "L2", "L3"]), st.none() | st.just("Anna"), st.none() | st.just((5, 40)))
def test_a_name_and_points_have_a_place_at_l3_alone(
    level: str, name: str | None, points: tuple[int, int] | None
) -> None:
    said = body(talking(call_name="Anna"))
    said["level"] = level
    said["dialogue"] |= {"call_name": name, "points": {"change": 5, "now": 40} if points else None}
    personal = name is not None or points
    assert fits(said) == (level == "L3" or (level == "L1" and not personal))


def test_an_offer_for_somebodys_presence_speaks_to_nobody() -> None:
    assert not fits(body(ScreenContent("L2", (YOURS,), None, "d")))


def test_the_schema_is_closed_everywhere() -> None:
    schema = ScreenForm.model_json_schema()
    forms = [schema, *schema["$defs"].values()]
    assert len(forms) == 6
    assert all(form["additionalProperties"] is False for form in forms)


def hub_with(content: ScreenContent) -> tuple[Hub, Health]:
    health = Health()
    hub = Hub(HandClock(), health)
    hub.show("bar", content)
    return hub, health


def test_what_does_not_fit_is_kept_back_and_counted() -> None:
    hub, health = hub_with(ScreenContent("L2", (YOURS,), None, "d"))
    message = hub._screen_message("bar", "update")
    assert (message.body["level"], message.body["slides"], message.body["decision_id"]) == ("L0", [], None)
    assert health.counts["display.kept_back"] == 1


def test_a_page_that_is_loaded_anew_calls_nobody_by_name() -> None:
    hub, _ = hub_with(talking())
    assert hub._screen_message("bar", "update").body["dialogue"]["call_name"] == "Anna"  # type: ignore[index]  # a body is of plain JSON
    again = hub._screen_message("bar", "snapshot").body["dialogue"]
    assert (again["call_name"], again["step"]) == (None, "offer")  # type: ignore[index]  # a body is of plain JSON


def test_nor_does_it_say_points() -> None:
    view = DialogueView("d", "credited", "de", "Anna", None, {}, (), 9_000, points=(5, 40))
    hub, _ = hub_with(ScreenContent("L3", (slide(),), view))
    assert hub._screen_message("bar", "update").body["dialogue"]["points"] == {"change": 5, "now": 40}  # type: ignore[index]  # a body is of plain JSON
    said = hub._screen_message("bar", "snapshot").body
    assert (said["dialogue"], said["level"]) == (None, "L1")
