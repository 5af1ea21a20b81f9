"""What of headquarters' changes is on trial, what was before it, and which settings count. What is made of it:
gateway.trialsteps."""

import json
from dataclasses import asdict, replace
from hashlib import sha256
from typing import Literal

from pydantic import TypeAdapter

from gateway.core.model import ShopConfig
from gateway.core.trial import Before, Report, SettingsPut, Steered, Trial, What
from gateway.tables.catalogue import Catalogue
from gateway.tables.rows import as_json

Tried = Literal["first", "same", "trial", "undone"]

# Values that stand alone, in `meta`.
_STEERED, _WANTED, _REPORT, _CONFIG_UNDONE = "settings", "settings_wanted", "settings_report", "config_undone"

_STEERED_FORM: TypeAdapter[Steered] = TypeAdapter(Steered)
_PUT: TypeAdapter[SettingsPut] = TypeAdapter(SettingsPut)
_REPORT_FORM: TypeAdapter[Report] = TypeAdapter(Report)
_BEFORE: TypeAdapter[Before] = TypeAdapter(Before)
_COLUMNS = "what, name, body, window_ms, begun, until_ms, before"


class TrialRows(Catalogue):
    """The tables `trial` and `offer_former`, and the settings that count."""

    def steered(self) -> Steered:
        """The settings that run when nothing is on trial."""
        body = self.meta(_STEERED)
        return Steered() if body is None else _STEERED_FORM.validate_json(body)

    def put_steered(self, steered: Steered) -> None:
        self.put_meta(_STEERED, as_json(asdict(steered)))

    def want_settings(self, put: SettingsPut) -> bool:
        """Settings came; they are looked at as soon as may be. False = what they are called was settled before."""
        given = self.report().given
        trial = self.trial("settings")
        if put.settings_id == given or (trial is not None and trial.name == put.settings_id):
            self.drop_meta(_WANTED)  # it is the newest again, so what waits is not
            return False
        self.put_meta(_WANTED, as_json(asdict(put)))
        return True

    def wanted_settings(self) -> SettingsPut | None:
        """What waits to be looked at."""
        body = self.meta(_WANTED)
        return None if body is None else _PUT.validate_json(body)

    def settle_wanted(self, put: SettingsPut) -> None:
        """These were looked at; what came meanwhile still waits."""
        if self.wanted_settings() == put:
            self.drop_meta(_WANTED)

    def report(self) -> Report:
        """What became of the settings that were given last."""
        body = self.meta(_REPORT)
        return Report() if body is None else _REPORT_FORM.validate_json(body)

    def put_report(self, report: Report) -> None:
        self.put_meta(_REPORT, as_json(asdict(report)))

    # --- what is on trial ------------------------------------------------------------------------------------

    def trials(self) -> tuple[Trial, ...]:
        """All that is on trial."""
        return tuple(_trial(row) for row in self._all(f"SELECT {_COLUMNS} FROM trial ORDER BY what"))

    def trial(self, what: What) -> Trial | None:
        row = self._one(f"SELECT {_COLUMNS} FROM trial WHERE what = ?", what)
        return None if row is None else _trial(row)

    def put_trial(self, trial: Trial) -> None:
        self._put("trial", **(asdict(trial) | {"before": as_json(asdict(trial.before))}))

    def end_trial(self, what: What) -> None:
        self._db.execute("DELETE FROM trial WHERE what = ?", [what])

    def try_shop(self, config: ShopConfig, version: int, now_ms: int) -> Tried:
        """What becomes of a configuration that came; for a trial what was before is kept for as long as it may take.

        The first one has nothing before it. One that was taken back is not tried again ("undone"). "same" is the one
        that counts; while that is on trial, the end of it will be told of this version.
        """
        before, under_way = self.meta("shop"), self.trial("config")
        if _digest(config) == self.meta(_CONFIG_UNDONE):
            return "undone"
        if before is None:
            return "first"
        if self.shop() == config:
            if under_way is None:
                return "same"
            self.put_trial(replace(under_way, name=str(version)))
            return "trial"
        body = under_way.body if under_way is not None else before
        self.put_trial(Trial("config", str(version), body, config.trial_ms, 1, now_ms + config.trial_ms))
        return "trial"

    def note_undone(self, config: ShopConfig) -> None:
        """This configuration was taken back."""
        self.put_meta(_CONFIG_UNDONE, _digest(config))

    def try_catalogue(self, name: str, version: int, now_ms: int) -> None:
        """Offers are about to change: from now on each keeps what it was. `name`: of a whole catalogue, "" = single
        offers."""
        window_ms, under_way = self.shop().trial_ms, self.trial("catalogue")
        if not name and under_way is not None:
            name = under_way.name
        self.put_trial(Trial("catalogue", name, str(version), window_ms, 1, now_ms + window_ms))

    def has_offers(self) -> bool:
        """Whether there is something before offers that come."""
        return self._one("SELECT 1 FROM offer LIMIT 1") is not None

    def put_back_offers(self) -> None:
        """The catalogue is again as it was before its trial, with what was counted of it."""
        for offer_id, body, counts in self._all("SELECT offer_id, body, counts FROM offer_former"):
            self.drop_offer(offer_id)
            if body is not None:
                self._put("offer", offer_id=offer_id, body=body)
            for what, quarter_ms, count in json.loads(counts):
                self._put("offer_count", offer_id=offer_id, what=what, quarter_ms=quarter_ms, count=count)
        self.forget_former()

    def forget_former(self) -> None:
        """What offers were before their trial is needed no more."""
        self._db.execute("DELETE FROM offer_former")


def _trial(row: tuple[What, str, str, int, int, int, str]) -> Trial:
    return Trial(*row[:6], _BEFORE.validate_json(row[6]))


def _digest(config: ShopConfig) -> str:
    return sha256(as_json(asdict(config)).encode()).hexdigest()[:32]
