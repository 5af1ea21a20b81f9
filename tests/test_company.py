"""Others who stand there are told of without telling anything of them."""

import pytest

from gateway.core.company import CODES, Company, told


@pytest.mark.parametrize("code", ["interests", "eligibility", "eligibility.unknown"])
def test_what_they_like_is_told_as_not_fitting(code: str) -> None:
    assert told(code) == "does_not_fit_company"


@pytest.mark.parametrize("code", ["consent.withdrawn", "consent.not_given", "age.under16", "anything"])
def test_anything_else_is_told_as_no_consent(code: str) -> None:
    assert told(code) == "company_without_consent"


def test_what_is_remembered_of_them_says_which_stage_they_stopped_an_offer_in() -> None:
    company = Company(1, {"a": "does_not_fit_company", "b": "company_without_consent", "c": "names_somebody"})
    assert [company.misfit(one) for one in "abcd"] == ["does_not_fit_company", "company_without_consent", None, None]
    assert [company.names(one) for one in "abcd"] == [False, False, True, False]
    assert set(company.refused.values()) == CODES
