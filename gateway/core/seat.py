"""Which of a shop's two boxes serves: a lease that is renewed through the shop's one broker, under a term that only
grows. Pure: times are of each box's own monotonic clock, and no two clocks are ever compared.

What it rests on is what one MQTT broker does: all messages of a topic are in one order, and a connection that stands
brings all of them in it. So whoever gets its own message back has every one that came before it. A box serves no longer
than LEASE_MS after it sent a renewal that came back; the other one claims only after it heard none for WAIT_MS on a
connection that stood, and serves only once its claim came back without any renewal before it. Nothing else has to hold:
messages may be late, lost with their connection, or come twice. docs/standby.md has the whole of it.
"""

from dataclasses import dataclass
from typing import Literal

RENEW_MS = 2_000
# Three renewals may be late or lost with a connection, which is made anew meanwhile.
LEASE_MS = 7_000
# > LEASE_MS by a fifth: the clocks of two boxes drift apart by 0.01 %, those of the tests by 10 %. A box that dies said
# its last word up to RENEW_MS before, so a takeover takes 6.5 to 9 s with the claim on its way; 15 s are allowed.
WAIT_MS = 8_500
# At a fresh start, so that the box that is meant to serve comes first.
PREFER_MS = 1_500
# A proof that the line brings everything: one message of our own, sent so lately, came back.
PROOF_MS = 2 * RENEW_MS + 1_000
# A claim that has not come back by then is given up; its echo counts no more. < LEASE_MS.
CLAIM_MS = 4_000
# A claim so soon after our own was made before it was heard, and is given up there. < WAIT_MS by more than the drift.
CONTEST_MS = 7_000
# What has not come back by then went with a line that is dead; a new one is made. > CLAIM_MS.
SILENT_MS = 6_000
MAX_SENT = 32  # messages on their way; older ones came back, or never will

Kind = Literal["hello", "claim", "renew", "free"]


@dataclass(frozen=True, slots=True)
class Said:
    """One word of a box. `boot`: of its process; `n` grows with each word of it."""

    kind: Kind
    box: str
    boot: str
    n: int
    term: int


class Seat:
    """One box's view. `preferred`: comes first at a fresh start. `term`: the highest that is known, from the disk."""

    def __init__(self, box: str, boot: str, *, preferred: bool, term: int = 0) -> None:
        self.term = term
        self._box = box
        self._boot = boot
        self._preferred = preferred
        self._n = 0
        self._own_term = 0  # under which this box serves or claims
        self._quiet_ms: int | None = None  # since when the other one said nothing of serving; None = not connected
        self._alone = True  # the other one was not heard on this connection
        self._fresh = True  # nor was it heard that anybody serves
        self._proved_ms: int | None = None
        self._sent: dict[int, int] = {}
        self._claim: int | None = None  # its number
        self._claimed_ms = 0
        self._until_ms: int | None = None  # end of the lease, None = does not serve
        self._next_ms = 0
        self._other = ("", 0)  # boot and number of the other one's newest word

    def serves(self, now_ms: int) -> bool:
        """Whether this box serves at this instant; to be asked at each act and each answer, never remembered."""
        return self._until_ms is not None and now_ms < self._until_ms

    def stands(self, claim: Said) -> bool:
        """Whether this claim was not given up since it was due; one that was is not to be sent."""
        if self._claim != claim.n:
            self._sent.pop(claim.n, None)
        return self._claim == claim.n

    def is_silent(self, now_ms: int) -> bool:
        """Whether the line brings nothing although it seems to stand: nothing of our own came back for long."""
        if self._quiet_ms is None or not self._sent:
            return False
        return now_ms - min(self._sent.values()) > SILENT_MS

    @property
    def alone(self) -> bool:
        """Whether nothing was heard of the other one on this connection."""
        return self._alone

    def joined(self, now_ms: int) -> None:
        """Connected and subscribed, from now on without a gap. A lease goes on until its own end."""
        self._quiet_ms, self._proved_ms, self._claim = now_ms, None, None
        self._alone = self._fresh = True
        self._sent.clear()
        self._next_ms = now_ms

    def parted(self) -> None:
        """The connection is gone."""
        self._quiet_ms = self._claim = self._proved_ms = None
        self._sent.clear()

    def due(self, now_ms: int) -> Said | None:
        """What is to be sent now. The term of a claim has to be on the disk before that."""
        if self._until_ms is not None and now_ms >= self._until_ms:
            self._stop(now_ms)
        if self._quiet_ms is None:
            return None
        if self._claim is not None and now_ms - self._claimed_ms >= CLAIM_MS:
            self._claim, self._quiet_ms = None, now_ms
        if self._until_ms is None and self._claim is None and self._may_claim(now_ms, self._quiet_ms):
            self.term += 1
            self._own_term = self.term
            said = self._say("claim", now_ms)
            self._claim, self._claimed_ms = said.n, now_ms
            return said
        if now_ms < self._next_ms:
            return None
        return self._say("hello" if self._until_ms is None else "renew", now_ms)

    def leaves(self, now_ms: int) -> Said | None:
        """Serve no more, and say so; None = there is nothing to say."""
        was = self.serves(now_ms)
        self._stop(now_ms)
        return self._say("free", now_ms) if was and self._quiet_ms is not None else None

    def heard(self, said: Said, now_ms: int) -> None:
        """A word from the broker, in its order: one of our own that comes back, or the other one's."""
        if self._quiet_ms is None:
            return
        if said.box == self._box:
            if said.boot == self._boot:
                self._came_back(said, now_ms)
            return
        if said.boot == self._other[0] and said.n <= self._other[1]:
            return  # once more
        self._other, self._alone, self.term = (said.boot, said.n), False, max(self.term, said.term)
        self._fresh = self._fresh and said.kind == "hello"
        match said.kind:
            case "free" if self._until_ms is None:
                self._quiet_ms = now_ms - WAIT_MS
            case "claim" if self._until_ms is None or now_ms - self._claimed_ms >= CONTEST_MS:
                self._stop(now_ms)
            case "renew" if self._until_ms is None or self._yields(said):
                self._stop(now_ms)

    def _came_back(self, said: Said, now_ms: int) -> None:
        sent_ms = self._sent.pop(said.n, None)
        if sent_ms is None:
            return
        self._proved_ms = sent_ms
        if said.kind == "claim" and said.n == self._claim:
            self._claim = None
            self._until_ms = sent_ms + LEASE_MS
        elif said.kind == "renew" and self._until_ms is not None and now_ms < self._until_ms:
            self._until_ms = max(self._until_ms, sent_ms + LEASE_MS)

    def _may_claim(self, now_ms: int, quiet_ms: int) -> bool:
        wait_ms = WAIT_MS + (PREFER_MS if self._fresh and not self._preferred else 0)
        proved = self._proved_ms is not None and now_ms - self._proved_ms < PROOF_MS
        return proved and now_ms - quiet_ms >= wait_ms

    def _yields(self, said: Said) -> bool:
        """Two that serve cannot be with one broker; with whatever else stands there, the higher term wins."""
        return said.term > self._own_term or (said.term == self._own_term and said.box < self._box)

    def _stop(self, now_ms: int) -> None:
        """Serve and claim no more, and wait anew."""
        self._until_ms = self._claim = None
        if self._quiet_ms is not None:
            self._quiet_ms = now_ms

    def _say(self, kind: Kind, now_ms: int) -> Said:
        self._n += 1
        self._next_ms = now_ms + RENEW_MS
        if len(self._sent) >= MAX_SENT:
            del self._sent[min(self._sent)]
        self._sent[self._n] = now_ms
        return Said(kind, self._box, self._boot, self._n, self._own_term if kind == "renew" else self.term)
