"""Frozen records to JSON and back, exactly: nothing unknown, nothing missing, nothing that is not finite."""

from __future__ import annotations

from functools import cache
from typing import Any, TypeVar, cast

from pydantic import ConfigDict, TypeAdapter

_Record = TypeVar("_Record")


class Strict:
    """Make pydantic refuse unknown keys and non-finite numbers when a record is read from JSON."""

    __pydantic_config__ = ConfigDict(extra="forbid", allow_inf_nan=False)


def to_json(record: object) -> Any:
    """Return a record as plain JSON values; `from_json` reads them back to an equal record."""
    return _adapter(cast("Any", type(record))).dump_python(record, mode="json")


def from_json(kind: type[_Record], values: Any) -> _Record:
    """Build a record of `kind` from JSON values.

    Raises:
        pydantic.ValidationError: If a field is missing, unknown, not finite or of another type.
    """
    adapter: TypeAdapter[_Record] = _adapter(cast("Any", kind))
    return adapter.validate_python(values)


@cache
def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    """Return the adapter of a kind of records; making one takes as long as a hundred uses."""
    return TypeAdapter(kind)
