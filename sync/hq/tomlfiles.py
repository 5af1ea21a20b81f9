"""An operator's TOML file, read within bounds, so that no file takes long or brings a verb down: its size, how deep it
is nested, how many parts a key has, how long a number is.
"""

import re
import tomllib
from pathlib import Path
from typing import Any

from gateway.errors import ConfigError

MAX_TOML_BYTES = 1024 * 1024
MAX_DEPTH = 8  # an honest file has three: a list within an item
MAX_KEY_PARTS = 8  # tomllib's work grows with their square
MAX_NUMBER = 64  # characters; Python itself refuses to read or say a number of more than 4,300 digits

# Comments and strings, also such as have no end: nothing in them is a bracket, key or number (TOML 1.0.0).
_ASIDE = re.compile(
    r'#[^\n]*|"""(?:[^\\]|\\.)*?(?:"""|\Z)|' + r"'''.*?(?:'''|\Z)|" + r'"(?:[^"\\\n]|\\.)*"?|' + r"'[^'\n]*'?",
    re.DOTALL,
)
_BRACKET = re.compile(r"[\[\]{}]")
_KEY = re.compile(rf"(?<![\w-])[\w-]++(?:[ \t]*+\.[ \t]*+[\w-]++){{{MAX_KEY_PARTS}}}")
_NUMBER = re.compile(rf"(?<![\w.])\d\w{{{MAX_NUMBER}}}")


def read(path: Path, see: str) -> dict[str, Any]:
    """What stands in it. Raises ConfigError with the file, and where it can be told line and key; `see`: the pages of
    the documentation that say what belongs there."""
    try:
        if path.stat().st_size > MAX_TOML_BYTES:
            raise ConfigError(f"{path}: expected at most {MAX_TOML_BYTES // 1024} KiB")
        text = path.read_text(encoding="utf-8")
        _check(path, text)
        return tomllib.loads(text)
    except OSError:
        raise ConfigError(f"{path}: cannot be read; see {see}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from None


def _check(path: Path, text: str) -> None:
    # A string becomes one letter, so that a key with quoted parts still is a key; its lines stay lines.
    bare = _ASIDE.sub(lambda found: ("" if found[0][0] == "#" else "s") + "\n" * found[0].count("\n"), text)
    found = [(_deep(bare), f"expected at most {MAX_DEPTH} lists and tables in one another")]
    for pattern, what in (
        (_KEY, f"expected a key of at most {MAX_KEY_PARTS} parts"),
        (_NUMBER, f"expected a number of at most {MAX_NUMBER} digits"),
    ):
        match = pattern.search(bare)
        found.append((None if match is None else match.start(), what))
    for at, what in found:
        if at is not None:
            line = bare.count("\n", 0, at)
            key, is_pair, _ = text.split("\n")[line].partition("=")
            named = f" ({key.strip()[:64]})" if is_pair else ""
            raise ConfigError(f"{path}: line {line + 1}{named}: {what}")


def _deep(bare: str) -> int | None:
    """Where it is nested too deep."""
    depth = 0
    for found in _BRACKET.finditer(bare):
        depth += 1 if found[0] in "[{" else -1
        if depth > MAX_DEPTH:
            return found.start()
    return None
