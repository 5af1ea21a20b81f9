"""Not built on this branch: the contract of drivers.wallet alone."""

from drivers.talk import Exchange, Outcome, Talk


def converse(exchange: Exchange, talk: Talk) -> Outcome:
    """Nothing of ours."""
    return None
