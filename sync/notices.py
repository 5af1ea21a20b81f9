"""The form of headquarters' privacy notice on the wire."""

from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints

from sync.fields import EXACT, Word

MAX_LINE = 2_000  # characters of controller and contact
MAX_NOTICE = 8_000  # characters of a privacy notice; some 3,000 of each language fit one printed page
MAX_NOTICE_LANGUAGES = 4  # 4 x 8,000 characters of up to two bytes are 64 KB of the message's 96 KiB

_Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2}$")]
# A browser would change a carriage return, and what is shown must have the hash of what was sent.
_NoticeText = Annotated[
    str, StringConstraints(pattern=r"^[^\x00-\x09\x0b-\x1f\x7f]*$", min_length=1, max_length=MAX_NOTICE)
]


class NoticeBody(BaseModel):
    """gateway.core.model.Notice, field by field."""

    model_config = EXACT
    version: Word
    controller: Annotated[str, StringConstraints(max_length=MAX_LINE)]
    contact: Annotated[str, StringConstraints(max_length=MAX_LINE)]
    notice_id: Annotated[str, StringConstraints(pattern=r"^(?:[A-Za-z0-9][A-Za-z0-9._:-]{0,63})?$")] = ""
    text: Annotated[dict[_Language, _NoticeText], Field(max_length=MAX_NOTICE_LANGUAGES)] = {}
    jurisdiction: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")] = "EU"
