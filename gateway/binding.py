"""Binding a new card or phone to a member: a one-time code typed at a screen, then the tap there, in this order.

The code shows that the member wants it, the tap that the card is there. Nothing of a card is kept before both are.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal

from gateway.apply import recognised
from gateway.core.consent import may
from gateway.core.guesses import Guesses
from gateway.core.identity import static_digest
from gateway.core.model import Credential, CredentialKind, Event, Purpose, Tap, Token, Trouble
from gateway.core.onetime import code_digest
from gateway.core.ports import Clock
from gateway.core.stage import END_MS, HOLD_MS, Stage, hint
from gateway.errors import StoreError
from gateway.health import Health
from gateway.recognition import Recognition
from gateway.records import Tx
from gateway.touched import Recognised
from gateway.works import Commit

# The code is no more; somebody has this card; anybody's things may say this text; its proof was spent before.
No = Literal["gone", "taken", "not_ours", "replayed"]


@dataclass(frozen=True, slots=True)
class _Held:
    """The code that was typed, as its id and keyed hash, in the dialogue that waits for the card."""

    dialogue_id: str
    binding_id: str
    digest: bytes


class Binding:
    """All screens' codes; every method runs on the event loop."""

    def __init__(
        self,
        stage: Stage,
        recognition: Recognition,
        clock: Clock,
        health: Health,
        commit: Commit,
        new_id: Callable[[], str],
        show: Callable[[str], None],
        site_key: bytes,
    ) -> None:
        self._stage = stage
        self._recognition = recognition
        self._clock = clock
        self._health = health
        self._commit: Commit = commit
        self._new_id = new_id
        self._show = show
        self._site_key = site_key
        self._guesses = Guesses()
        self._held: dict[str, _Held] = {}  # one per screen
        self._busy: set[str] = set()  # screens whose card is being bound

    def awaits(self, screen: str | None) -> bool:
        """Whether somebody typed a code at this screen and now shows what is to be bound."""
        dialogue = self._stage.dialogue_at(screen) if screen is not None else None
        return dialogue is not None and dialogue.step == "hold" and self._clock.now_ms() < dialogue.expires_at_ms

    async def on_code(self, screen: str, dialogue_id: str, code: str) -> Literal["ok", "wrong", "gone", "wait"]:
        """Somebody typed a code: "wait" after too many wrong ones, "gone" if the page is over.

        A code of a member who did not agree to be known by a card ends the page, which says that it did not work; it
        was no wrong guess.
        """
        now_ms = self._clock.now_ms()
        dialogue = self._stage.dialogue_at(screen)
        if dialogue is None or dialogue.dialogue_id != dialogue_id or dialogue.step != "code":
            return "gone"
        if not self._guesses.take(screen, now_ms):
            self._health.count("binding.wait")
            return "wait"
        digest = code_digest(self._site_key, code)
        try:
            found, agreed = await self._commit(lambda tx: _looked_up(tx, digest, now_ms))
        except StoreError:
            self._guesses.give_back(screen)
            raise
        if found is None:
            self._health.count("binding.wrong_code")
            return "wrong"
        self._guesses.give_back(screen)
        if not agreed:
            self._health.count("binding.no_consent")
            standing = self._stage.dialogue_at(screen)
            if standing is not None and (standing.dialogue_id, standing.step) == (dialogue_id, "code"):
                self._stage.end(screen, dialogue_id)
                self._hint(screen, Trouble.REFUSED)
            return "gone"
        binding_id, member_id = found
        if not self._stage.step_to(screen, dialogue_id, "hold", self._clock.now_ms() + HOLD_MS, member_id):
            return "gone"
        self._held[screen] = _Held(dialogue_id, binding_id, digest)
        self._show(screen)
        return "ok"

    async def on_tap(self, tap: Tap, screen: str) -> None:
        """What was shown while a screen waits for it: bound, or a hint, and then the screen waits on.

        Raises StoreError, after the screen was asked to say "again".
        """
        if screen in self._busy:
            return  # the same card once more
        if tap.trouble is not None or tap.token is None:
            self._hint(screen, tap.trouble or Trouble.REFUSED)
            return
        held, token, credential_id = self._held[screen], tap.token, self._new_id()
        self._busy.add(screen)
        try:
            done = await self._commit(lambda tx: self._bind(tx, tap, token, held.digest, credential_id))
        except StoreError:
            if self.awaits(screen):
                self._hint(screen, Trouble.AGAIN)
            raise
        finally:
            self._busy.discard(screen)
        if isinstance(done, str):
            self._health.count(f"binding.{done}")
            if done == "gone":
                self._stage.end(screen, held.dialogue_id)
            self._hint(screen, Trouble.REFUSED)
            return
        self._health.count("binding.bound")
        self._recognition.bound(*done)
        self._stage.step_to(screen, held.dialogue_id, "bound", self._clock.now_ms() + END_MS)
        self._show(screen)

    def drop(self, binding_ids: Collection[str]) -> None:
        """These codes count no more: whoever typed one and waits need not show anything."""
        for screen, held in list(self._held.items()):
            if held.binding_id in binding_ids:
                del self._held[screen]
                if self.awaits(screen):
                    self._stage.end(screen, held.dialogue_id)
                    self._show(screen)

    def shift(self, delta_ms: int) -> None:
        """Follow a step of the clock."""
        self._guesses.shift(delta_ms)

    def _hint(self, screen: str, trouble: Trouble) -> None:
        self._stage.cover(screen, hint(self._new_id(), trouble, self._clock.now_ms()))
        self._show(screen)

    def _bind(self, tx: Tx, tap: Tap, token: Token, digest: bytes, credential_id: str) -> tuple[str, Recognised] | No:
        """The credential, the event and the end of the code, in one transaction (in the writer thread)."""
        found, agreed = _looked_up(tx, digest, tap.at_ms)
        if found is None or not agreed:
            return "gone"
        binding_id, member_id = found
        secret = static_digest(self._site_key, token.kind, token.value)
        if tx.holder(secret) is not None:
            return "taken"
        if token.kind is CredentialKind.NDEF and not _is_ours(token.value.decode(), tx.shop().bind_prefixes):
            return "not_ours"
        if tap.guard is not None and not tx.admit(member_id, tap.guard):
            return "replayed"
        tx.spend_binding(binding_id)
        tx.put_credential(Credential(credential_id, member_id, token.kind, secret))
        body: dict[str, object] = {
            "binding_id": binding_id,
            "member_id": member_id,
            "credential_id": credential_id,
            "kind": token.kind,
            "proof": tap.proof,
        }
        if token.kind is not CredentialKind.CHIP:  # other shops know it again by its value, a chip's number stays here
            body["value"] = token.value.hex()
        tx.emit(Event("credential.bound", tap.at_ms, body))
        return member_id, recognised(tx, member_id, tap.at_ms)


def _looked_up(tx: Tx, digest: bytes, now_ms: int) -> tuple[tuple[str, str] | None, bool]:
    """(binding_id, member_id) of a code that is valid, and whether this member may be recognised by a card."""
    found = tx.binding(digest, now_ms)
    return found, found is not None and may(Purpose.RECOGNISE_NFC, tx.consents(found[1]), now_ms).ok


def _is_ours(text: str, prefixes: Collection[str]) -> bool:
    """Whether a plain text stands below an address of the retailer. Any other is on things of strangers too."""
    return any(text.startswith(prefix) and text != prefix for prefix in prefixes)
