"""One-time codes: their form, and the keyed hash under which a shop keeps them."""

from typing import Annotated

import pytest
from pydantic import StringConstraints, TypeAdapter, ValidationError

from gateway.core.identity import static_digest
from gateway.core.model import CredentialKind
from gateway.core.onetime import CODE_FORM, DIGEST_BYTES, code_digest

CODE = TypeAdapter(Annotated[str, StringConstraints(pattern=CODE_FORM)])


@pytest.mark.parametrize("text", ["00000000", "12345678"])
def test_eight_digits_are_a_code(text: str) -> None:
    assert CODE.validate_python(text) == text


@pytest.mark.parametrize("text", ["", "1234567", "123456789", "1234567a", " 1234567", "1234567\n", "١٢٣٤٥٦٧٨"])
def test_anything_else_is_none(text: str) -> None:
    with pytest.raises(ValidationError):
        CODE.validate_python(text)


def test_each_shop_has_its_own_hash_and_no_card_has_the_same() -> None:
    here = code_digest(b"a" * 32, "12345678")
    assert len(here) == DIGEST_BYTES
    assert here != code_digest(b"b" * 32, "12345678")
    assert here != code_digest(b"a" * 32, "12345679")
    assert here not in {static_digest(b"a" * 32, kind, b"12345678") for kind in CredentialKind}
