"""The diagnostic bundle: what a technician needs of a box, as one small ZIP file. No person, no identifier, no secret.

What goes into it is chosen value by value: versions, parts, counters, keys of the configuration that are known to be
harmless, the disk, the clock, our own log lines, the doctor's findings. Nothing is taken whole from anywhere.
"""

import asyncio
import io
import json
import platform
import re
import shutil
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway import logs
from gateway.config import Config
from gateway.dbfile import DATABASE
from gateway.health import Health, Part

MOST_BYTES = 90 * 1024  # it travels in one message (sync.command_messages holds that these are the same)
# Compressed, log lines are about 30 bytes each; with fewer than this nothing else would be left to leave out.
FEWEST_LINES = 50

# Whatever is as long as a key, a hash, a UUID or a beacon's number, and a device's address.
_HEX = re.compile(r"(?<![0-9A-Za-z])(?:(?:[0-9A-Fa-f]{2}[:_-]){5}[0-9A-Fa-f]{2}|[0-9A-Fa-f]{12,})(?![0-9A-Za-z])")
# "key=...": of a link that somebody wrote into an address.
_SECRET = re.compile(r"(?i)\b(key|token|secret|password|code|pin)=[^\s&\"']+")

Found = Sequence[Mapping[str, str]]  # the doctor's findings: what, state, found, step


@dataclass(frozen=True, slots=True)
class Clockwork:
    """How good the time is: `trusted` by the kernel, `state` of the reckoning (gateway.core.reckoning)."""

    now_ms: int
    surely_ms: int
    trusted: bool
    state: str


def clean(text: str) -> str:
    """Without what could name a device, a card or a key. The last of several nets: nothing of it should be there."""
    return _SECRET.sub(r"\1=...", _HEX.sub("...", text))


def make(files: Mapping[str, object], lines: Sequence[str]) -> bytes:
    """A ZIP of at most MOST_BYTES with these files (JSON) and `log.txt`, from which the oldest lines go first."""
    texts = {name: json.dumps(_cleaned(content), indent=1, ensure_ascii=False) for name, content in files.items()}
    kept = [clean(line) for line in lines]
    while True:
        data = _zipped({**texts, "log.txt": "\n".join(kept)})
        if len(data) <= MOST_BYTES:
            return data
        if len(kept) > FEWEST_LINES:
            kept = kept[len(kept) // 2 :]
        else:
            texts[max(texts, key=lambda name: len(texts[name]))] = json.dumps({"left_out": "too large"})


def _zipped(texts: Mapping[str, str]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for name, text in texts.items():
            made.writestr(zipfile.ZipInfo(name), text, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, Mapping):
        return {key: _cleaned(one) for key, one in value.items()}
    return [_cleaned(one) for one in value] if isinstance(value, list | tuple) else value


# --- what goes into it --------------------------------------------------------------------------------------------


def about(config: Config, version: str, clock: Clockwork | None) -> dict[str, object]:
    """Which box, which software, how good its time is."""
    who = config.gateway
    told: dict[str, object] = {
        "gateway": f"{who.tenant}/{who.store}/{who.id}",
        "version": version,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
    }
    if clock is not None:
        told["clock"] = {
            "now_ms": clock.now_ms,
            "surely_ms": clock.surely_ms,
            "synchronised": clock.trusted,
            "reckoning": clock.state,
        }
    return told


def configured(config: Config) -> dict[str, object]:
    """The local file's harmless keys: of files whether they are named, of beacons and sources' options nothing."""
    mqtt, http = config.mqtt, config.http
    return {
        "mqtt": None
        if mqtt is None
        else {
            "host": mqtt.host,
            "port": mqtt.port,
            "protocol": mqtt.protocol,
            "set": sorted(name for name in type(mqtt).model_fields if name.endswith("_file") and getattr(mqtt, name)),
            "has_username": mqtt.username is not None,
        },
        "http": {
            "host": http.host,
            "port": http.port,
            "phones_port": http.phones_port,
            "https_port": http.https_port,
            "set": sorted(name for name in ("public_url", "shop_url", "https_cert") if getattr(http, name) is not None),
        },
        "source": [{"path": f"{one.scheme}:{one.target}", "receiver": one.receiver} for one in config.source],
        "receiver": [
            {
                **{name: getattr(one, name) for name in ("id", "zone", "screen", "advice", "door", "till")},
                "placed": one.place is not None,
            }
            for one in config.receiver
        ],
        "screen": [{"id": one.id, "zone": one.zone} for one in config.screen],
        "anchor": [{"id": one.id, "placed": one.place is not None} for one in config.anchor],
        "nfc": config.nfc.model_dump(),
        "radio_map": config.presence.radio_map is not None,
        "update_command": config.gateway.update_command is not None,
    }


def disk(data_dir: Path) -> dict[str, object]:
    """Room on the disk, and how much of it is ours."""
    usage = shutil.disk_usage(next(path for path in (data_dir, *data_dir.parents) if path.exists()))
    ours = {path.name: path.stat().st_size for path in sorted(data_dir.glob(f"{DATABASE}*")) if path.is_file()}
    return {"total_mb": usage.total // 10**6, "free_mb": usage.free // 10**6, "database_bytes": ours}


def parts(health: Health) -> dict[str, object]:
    """How every part is, and how that changed."""
    return {
        "now": [_part(one, one.since_ms) for one in health.parts],
        "changes": [_part(one, at_ms) for at_ms, one in health.changes],
    }


def _part(one: Part, at_ms: int) -> dict[str, object]:
    return {"at_ms": at_ms, "name": one.name, "state": one.state, "detail": one.detail, "action": one.action}


async def collect(
    config: Config,
    version: str,
    health: Health,
    clock: Clockwork,
    waiting: int,
    examine: Callable[[], Found],
) -> bytes:
    """The bundle of a running service. `waiting`: events that headquarters has not confirmed; `examine`: the doctor's
    look, which takes a thread of its own. Strangers are counted as the pages tell them: by the minute and coarse."""
    found = await asyncio.to_thread(examine)
    files: dict[str, Any] = {
        "about.json": about(config, version, clock),
        "parts.json": parts(health),
        "counters.json": {"events_waiting": waiting, **health.told(clock.now_ms)},
        "configuration.json": configured(config),
        "disk.json": disk(config.gateway.data_dir),
        "doctor.json": [dict(one) for one in found],
    }
    return await asyncio.to_thread(make, files, logs.recent.lines)


def without_service(config: Config, version: str, found: Found) -> bytes:
    """The bundle of a box on which no service runs."""
    files = {
        "about.json": about(config, version, None),
        "configuration.json": configured(config),
        "disk.json": disk(config.gateway.data_dir),
        "doctor.json": [dict(one) for one in found],
    }
    return make(files, ())
