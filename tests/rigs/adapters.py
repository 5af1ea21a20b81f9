"""FastAPI makes a validator for each parameter of each route, anew for every application: a tenth of a second, and the
same each time. Hundreds of tests have an application of their own, so here a process makes each validator once."""

from typing import Any

from fastapi._compat import v2
from pydantic import TypeAdapter

_made: dict[tuple[object, ...], TypeAdapter[Any]] = {}


def share() -> None:
    setattr(v2, "TypeAdapter", _once)  # noqa: B010 - it is called like the class, and the module lends its name to nobody


def _once(annotated: Any, *, config: Any = None) -> TypeAdapter[Any]:
    """Two that look alike in `repr` and hold the same type are the same: a class of one name may exist twice."""
    key = (annotated.__origin__, repr(annotated.__metadata__), repr(config))
    if key not in _made:
        _made[key] = TypeAdapter(annotated, config=config)
    return _made[key]
