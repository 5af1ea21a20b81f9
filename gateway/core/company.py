"""What members who stand in the same zone mean for an offer, told without telling anything of them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

WITHOUT_CONSENT = "company_without_consent"
DOES_NOT_FIT = "does_not_fit_company"
NAMES_SOMEBODY = "names_somebody"  # also where it is the person's own name

# Nobody's consent is told as a reason for another's offer, and nothing of what is known of them.
_TOLD = dict.fromkeys(("interests", "eligibility", "eligibility.unknown"), DOES_NOT_FIT)


def told(code: str) -> str:
    """The code that may be kept, for the reason why an offer is not for one of the others."""
    return _TOLD.get(code, WITHOUT_CONSENT)


@dataclass(frozen=True, slots=True)
class Company:
    """Who stood there, as a stored decision remembers them: how many, and the code of each offer that may have been
    kept from being shown because of them. Nothing says who they were."""

    count: int
    refused: Mapping[str, str]

    def misfit(self, offer_id: str) -> str | None:
        """Why the offer was not for everybody there, as far as is remembered."""
        code = self.refused.get(offer_id)
        return None if code == NAMES_SOMEBODY else code

    def names(self, offer_id: str) -> bool:
        """Whether it said a name of somebody there, as far as is remembered."""
        return self.refused.get(offer_id) == NAMES_SOMEBODY


CODES = frozenset({WITHOUT_CONSENT, DOES_NOT_FIT, NAMES_SOMEBODY})
