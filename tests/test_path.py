"""The forms of requests take what they name, of the right type, and nothing else."""

import pytest
from pydantic import ValidationError

from display.path import Answer, Beside, Code


@pytest.mark.parametrize(
    ("form", "body"),
    [
        (Answer, {"dialogue_id": "d", "choice": "dance"}),
        (Answer, {"dialogue_id": 1, "choice": "yes"}),
        (Code, {"dialogue_id": "d", "code": "1234 5678"}),
        (Code, {"dialogue_id": "d", "code": 12345678}),
        (Beside, {}),
        (Beside, {"receiver": "a" * 25}),
        (Beside, {"receiver": None, "tablet": "another"}),
    ],
)
def test_a_wrong_form_is_refused(form, body) -> None:
    with pytest.raises(ValidationError):
        form.model_validate(body)


def test_the_right_forms() -> None:
    assert Answer.model_validate({"dialogue_id": "d", "choice": "cancel"}).choice == "cancel"
    assert Code.model_validate({"dialogue_id": "d", "code": "00000000"}).code == "00000000"
    assert Beside.model_validate({"receiver": None}).receiver is None
