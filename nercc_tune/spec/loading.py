"""Study files and overrides: from TOML text to a `StudySpec`, or one line that says what is wrong."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from nercc_tune.errors import SpecError
from nercc_tune.spec.study import StudySpec

_PLAIN_WORDS = {
    "tuple_type": "it must be a list",
    "model_type": "it must be a table of keys and values",
    "int_type": "it must be a whole number",
    "float_type": "it must be a number without quotes",
}


def load_study(path: str | Path, *, overrides: Sequence[str] = ()) -> StudySpec:
    """Read a study file.

    Args:
        path: A TOML file.
        overrides: Fields to replace, each as `section.field=value` with a TOML value, or plain text for a string.

    Raises:
        SpecError: If the file cannot be read, is not TOML, or a field is unknown, missing, or cannot be meant.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"cannot read the study file `{path}`: {error}.") from error
    return parse_study(text, overrides=overrides, source=str(path))


def parse_study(text: str, *, overrides: Sequence[str] = (), source: str = "study") -> StudySpec:
    """Read a study from TOML text; `source` names it in messages.

    Raises:
        SpecError: As for `load_study`.
    """
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SpecError(f"{source} is not valid TOML: {error}.") from error
    for override in overrides:
        _override(values, override)
    return build_study(values, source=source)


def build_study(values: Mapping[str, Any], *, source: str = "study") -> StudySpec:
    """Build a study from plain values, as they stand in TOML or JSON.

    Raises:
        SpecError: If a field is unknown, missing, or cannot be meant.
    """
    try:
        return StudySpec.model_validate(_with_tuples(values))
    except ValidationError as error:
        raise SpecError(f"{source}: {_first_problem(error)}") from error


def _override(values: dict[str, Any], override: str) -> None:
    path, separator, text = override.partition("=")
    if not separator or not path.strip():
        raise SpecError(f"an override must look like `search.trials=20`, but got `{override}`.")
    *sections, field = path.strip().split(".")
    target = values
    for section in sections:
        target = target.setdefault(section, {})
        if not isinstance(target, dict):
            raise SpecError(f"the override `{override}` goes into `{section}`, which is not a section.")
    target[field] = _toml_value(text.strip())


def _toml_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _with_tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values with lists as tuples, which is what the frozen models hold."""
    return {
        key: _with_tuples(value) if isinstance(value, Mapping) else tuple(value) if isinstance(value, list) else value
        for key, value in values.items()
    }


def _first_problem(error: ValidationError) -> str:
    problem = error.errors()[0]
    location = [str(part) for part in problem["loc"]]
    where = ".".join(location)
    if problem["type"] == "extra_forbidden":
        return f"unknown key `{where}`{_nearest(location)}"
    if problem["type"] == "missing":
        return f"the key `{where}` is missing."
    message = problem["msg"].removeprefix("Value error, ").rstrip(".")
    if problem["type"] == "value_error":
        return f"in `{where}`: {message}." if where else f"{message}."
    must = _PLAIN_WORDS.get(problem["type"], f"{message[0].lower()}{message[1:]}".replace("input should", "it must"))
    return f"`{where}`: {must}, but got {problem['input']!r}."


def _nearest(location: Sequence[str]) -> str:
    """Return a hint with the known key that is nearest to the last part of the location."""
    model: type[BaseModel] = StudySpec
    for part in location[:-1]:
        field = model.model_fields.get(part)
        if field is None or not isinstance(field.annotation, type) or not issubclass(field.annotation, BaseModel):
            return ""
        model = field.annotation
    close = difflib.get_close_matches(location[-1], model.model_fields, n=1, cutoff=0.5)
    known = ", ".join(model.model_fields)
    return f"; did you mean `{close[0]}`?" if close else f"; known here: {known}."
