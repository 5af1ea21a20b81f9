"""The only things that a public screen's stream may say: an allow-list as a schema, checked before anything leaves.

What is not named here is refused, so a name, points or a history have no place but the two that a gesture opens (L3).
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gateway.core.inpublic import addresses

Texts = dict[str, str]  # language -> sentence
Minute = Field(ge=0, le=1_440)


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class SlideForm(_Form):
    """One full-screen message."""

    slide_id: str
    title: Texts
    text: Texts
    badge: Texts
    art: str


class MediaForm(_Form):
    """One piece of headquarters' content, the same for everybody."""

    id: str
    kind: Literal["image", "video", "template"]
    src: str
    sha256: str
    title: Texts
    text: Texts
    badge: Texts
    art: str
    alt: Texts
    seconds: int = Field(ge=5, le=30)
    fit: Literal["cover", "contain"]
    from_ms: int | None
    until_ms: int | None
    days: list[int]
    from_minute: int | None = Minute
    until_minute: int | None = Minute
    zones: list[str]


class LinkForm(_Form):
    """An address to scan; it opens once."""

    url: str
    code: str


class PointsForm(_Form):
    """What a redemption just changed, and what there is now."""

    change: int
    now: int


class DialogueForm(_Form):
    """What a gesture at this screen opened."""

    dialogue_id: str
    step: str
    language: str
    call_name: str | None
    slide: SlideForm | None
    more: Texts
    choices: list[str]
    ttl_ms: int = Field(ge=0)
    link: LinkForm | None
    digits: str | None
    points: PointsForm | None


class ScreenForm(_Form):
    """All that one screen shows."""

    placement: str
    kind: Literal["slides", "dialogue"]
    level: Literal["L0", "L1", "L2", "L3"]
    decision_id: str | None
    slides: list[SlideForm]
    dialogue: DialogueForm | None
    media: list[MediaForm] = []

    @model_validator(mode="after")
    def _as_its_level(self) -> "ScreenForm":
        """A name and points at L3 alone, no dialogue without a gesture, and nobody addressed for being near."""
        view = self.dialogue
        if (self.kind == "dialogue") != (view is not None):
            raise ValueError("kind and dialogue differ")
        if view is not None and self.level not in ("L1", "L3"):
            raise ValueError("a dialogue without a gesture")
        if view is None and self.level == "L3":
            raise ValueError("L3 without a dialogue")
        if view is not None and self.level != "L3" and (view.call_name is not None or view.points is not None):
            raise ValueError("personal below L3")
        texts = [text for slide in self.slides for text in (slide.title, slide.text, slide.badge)]
        if self.level == "L2" and addresses(sentence for text in texts for sentence in text.values()):
            raise ValueError("speaks to one person")
        return self


def fits(body: object) -> bool:
    """Whether this may leave for a public screen."""
    try:
        ScreenForm.model_validate(body)
    except ValidationError:
        return False
    return True
