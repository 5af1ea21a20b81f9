"""What a trial comes to, inside one transaction: kept, or taken back, and headquarters told. When is gateway.trials'
business."""

from collections.abc import Sequence
from dataclasses import replace

from pydantic import TypeAdapter

from gateway.apply import recognised
from gateway.core.model import Event, ShopConfig
from gateway.core.trial import Before, Fault, SettingsPut, Steered, Trial, parts_of, reasons_of
from gateway.records import Tx
from gateway.touched import Touched

_SHOP: TypeAdapter[ShopConfig] = TypeAdapter(ShopConfig)


def at_start(tx: Tx, now_ms: int, *, fresh: bool, failed: str = "") -> tuple[Trial, ...]:
    """What the service starts with on trial; what may not be begun again is taken back first.

    `fresh`: the process is new, so each trial was interrupted; else only settings that begin now count a beginning.
    `failed`: a reason, if the service could not run with the settings on trial.
    """
    for trial in tx.trials():
        settings = trial.what == "settings"
        why = failed if settings and failed else trial.ended_by(now_ms) if fresh else ""
        if why:
            undo(tx, trial, [Fault(why)], now_ms)
        elif not trial.begun:
            tx.put_trial(replace(trial, begun=1, until_ms=now_ms + trial.window_ms))
        elif fresh:
            until_ms = trial.until_ms if settings else now_ms + trial.window_ms
            tx.put_trial(replace(trial, begun=trial.begun + 1, until_ms=until_ms))
    return tx.trials()


def begin_settings(tx: Tx, put: SettingsPut, before: Before, local: int, now_ms: int) -> None:
    """Settings are tried with the next start."""
    tx.settle_wanted(put)
    tx.put_trial(Trial("settings", put.settings_id, put.document, put.window_ms, 0, 0, before))
    tx.tell_settings("trial", put.settings_id, (), now_ms, local=local)


def settle_settings(tx: Tx, put: SettingsPut, reason: str, place: str, local: int, now_ms: int) -> None:
    """Settings that are not tried: with a `reason` they are refused, without one they say what runs already."""
    tx.settle_wanted(put)
    if not reason:
        tx.put_steered(Steered(put.settings_id, put.document, now_ms))
    faults = [Fault(reason)] if reason else []
    tx.tell_settings("refused" if reason else "unchanged", put.settings_id, faults, now_ms, place, local)


def keep(tx: Tx, trial: Trial, now_ms: int) -> None:
    """It has shown that it is right."""
    tx.end_trial(trial.what)
    if trial.what == "settings":
        tx.put_steered(Steered(trial.name, trial.body, now_ms))
        tx.tell_settings("kept", trial.name, (), now_ms, local=tx.report().local)
    elif trial.what == "config":
        tx.emit(Event("config.kept", now_ms, {"version": int(trial.name)}))
    else:
        tx.forget_former()


def shop_before(trial: Trial) -> ShopConfig:
    """The configuration before this trial."""
    return _SHOP.validate_json(trial.body)


def undo(tx: Tx, trial: Trial, faults: Sequence[Fault], now_ms: int) -> Touched:
    """What was before counts again; what the surfaces and the resolver must follow."""
    touched = Touched()
    told: dict[str, object] = {"reasons": reasons_of(faults), "parts": parts_of(faults)}
    match trial.what:
        case "settings":
            tx.end_trial("settings")
            tx.tell_settings("undone", trial.name, faults, now_ms)
        case "config":
            tx.note_undone(tx.shop())
            tx.put_shop(_SHOP.validate_json(trial.body))
            tx.end_trial("config")
            touched.shop = True
            for member_id in tx.look_again(("notice",), now_ms):
                touched.recognised[member_id] = recognised(tx, member_id, now_ms)
            tx.emit(Event("config.undone", now_ms, {"version": int(trial.name)} | told))
        case "catalogue":
            tx.put_back_offers()
            if trial.name:
                tx.refuse_catalogue(trial.name)
            tx.end_trial("catalogue")
            touched.catalogue = True
            body = {"catalogue_id": trial.name, "version": int(trial.body)}
            tx.emit(Event("catalogue.undone", now_ms, body | told))
    return touched


def refit(tx: Tx, reason: str, place: str, now_ms: int) -> None:
    """The settings that count do not go with the local file any more, which runs alone then; told once."""
    report = tx.report()
    if (report.state, report.reasons, report.field) != ("refused", (reason,), place):
        tx.tell_settings("refused", report.given, [Fault(reason)], now_ms, place, runs=Steered(since_ms=now_ms))
