"""The parts of the path at a shop's tills, and how they share what the flow lends: what is asked there, what a till's
page shows, and baskets that customers scanned for themselves. What each does stands in its own module.
"""

from collections.abc import Callable, Iterable

from gateway.baskets import Baskets, Trips
from gateway.checkout import Checkout
from gateway.choices import Lent
from gateway.config import ReceiverTable
from gateway.core.ports import Surfaces
from gateway.core.redemption import Times
from gateway.core.stage import Stage
from gateway.core.tills import Tills
from gateway.store import Store
from gateway.tilldesk import TillDesk


def open_counter(
    lent: Lent,
    tills: Tills,
    store: Store,
    times: Callable[[], Times],
    hq_there: Callable[[], bool],
    ears: Iterable[ReceiverTable],
    surfaces: Surfaces,
    stage: Stage,
    trips: Trips,
) -> tuple[Checkout, TillDesk, Baskets]:
    """What tills ask, what their pages show, and the baskets that are shown there."""
    clock, health, commit, begin, new_id = lent.clock, lent.health, lent.commit, lent.begin, lent.new_id
    checkout = Checkout(tills, store, clock, health, commit, begin, new_id, times, hq_there)
    shown = surfaces, stage, lent.show
    desk = TillDesk(tills, checkout, ears, store, clock, health, commit, new_id, *shown)
    where = tills, store, clock, health, commit, begin, new_id, times
    return checkout, desk, Baskets(*where, lent.site_key, lent.random, lambda: lent.shop().sale_ms, trips, hq_there)
