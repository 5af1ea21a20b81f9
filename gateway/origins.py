"""What this box is to run with, for people: each value, and whether the file or headquarters said it. Looks only."""

from contextlib import suppress
from dataclasses import dataclass

from gateway.config import Config
from gateway.core.trial import Steered
from gateway.dbfile import DATABASE, kept_settings
from gateway.errors import ConfigError
from gateway.merging import Merged, Misfit, of_steered
from gateway.trials import fitting

MISFIT = "The file counts alone. Correct it, or have headquarters send other settings (hq push-settings)."
_BY = {"file": "this file", "headquarters": "headquarters", "default": "default"}


@dataclass(frozen=True, slots=True)
class Origins:
    """`config`: what counts; `lines`: every value of it with who said it; `overruled`: what headquarters said and the
    file says otherwise; `misfit`: why headquarters' settings do not go with the file, which counts alone then, "" =
    they do."""

    settings_id: str
    config: Config
    lines: tuple[str, ...]
    overruled: tuple[str, ...]
    misfit: str = ""

    @property
    def told(self) -> str:
        """All of it, a line each."""
        first = f"{self.settings_id} do not go with the file: {self.misfit}" if self.misfit else self.settings_id
        return "\n".join((first, *self.lines, *(f"{one}: the file overrules headquarters" for one in self.overruled)))

    @property
    def step(self) -> str:
        """What to do about it."""
        return MISFIT if self.misfit else ""


def origins(local: Config) -> Origins | None:
    """None where headquarters steers nothing of this box, or the database can't be read, which others find out."""
    steered = None
    with suppress(ConfigError):
        steered = kept_settings(local.gateway.data_dir / DATABASE)
    if steered is None or not steered.settings_id:
        return None
    found = fitting(local, steered)
    misfit = ""
    if isinstance(found, Misfit):
        misfit = f"{found.reason} {found.place}".strip()
        found = of_steered(local, Steered())
    assert isinstance(found, Merged)  # the file alone is a configuration
    lines = tuple(f"{line.key}: {line.value} ({_BY[line.origin]})" for line in found.lines)
    return Origins(steered.settings_id, found.config, lines, found.overruled, misfit)
