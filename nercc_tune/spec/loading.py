"""Study files and overrides: from TOML text to a `StudySpec`, or one line that says what is wrong."""

from __future__ import annotations

import copy
import difflib
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from nercc_tune.errors import SpecError
from nercc_tune.spec.redundancy import listed_workers, with_counts
from nercc_tune.spec.study import StudySpec
from nercc_tune.text.one_line import one_line, show

_DEEPEST = 16
_LONGEST_REASON = 300
_LONGEST_VALUE = 80
_LONGEST_TEXT = 4096  # of a path, on most systems

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
        SpecError: If the file cannot be read, is not TOML, a field is unknown, missing, or cannot be meant, or it is a
            family of studies.
    """
    values, source = read_values(path)
    return build_study(values, overrides=overrides, source=source)


def read_values(path: str | Path) -> tuple[dict[str, Any], str]:
    """Read the values of a study file as they stand there, and what it is called in messages.

    Raises:
        SpecError: If the file cannot be read, or is not TOML.
    """
    told = one_line(path)
    try:
        text = Path(path).read_text(encoding="utf-8-sig")  # editors on Windows begin files with a mark
    except (OSError, ValueError) as error:
        raise SpecError(f"cannot read the study file `{told}`: {one_line(error)}.") from error
    return _parse(text, source=told), told


def parse_study(text: str, *, overrides: Sequence[str] = (), source: str = "study") -> StudySpec:
    """Read a study from TOML text; `source` names it in messages.

    Raises:
        SpecError: As for `load_study`.
    """
    return build_study(_parse(text, source=source), overrides=overrides, source=source)


def build_study(values: Mapping[str, Any], *, overrides: Sequence[str] = (), source: str = "study") -> StudySpec:
    """Build a study from plain values, as they stand in TOML or JSON.

    Raises:
        SpecError: If a field is unknown, missing, or cannot be meant, or the values are of a family of studies.
    """
    overridden = with_overrides(values, overrides, source=source)
    listed = listed_workers(overridden, source=source)
    if listed is not None:
        name = one_line(overridden.get("name", "NAME"), longest=_LONGEST_VALUE)
        raise SpecError(
            f"{source} is a family, with a study for each number of workers that it lists: `nercc-tune launch` and "
            f"`advise` take it, other commands one of its studies by name, such as `{name}-N{listed[0]}`."
        )
    return validate(overridden, source=source)


def with_overrides(values: Mapping[str, Any], overrides: Sequence[str], *, source: str) -> dict[str, Any]:
    """Return plain values with some fields replaced.

    Raises:
        SpecError: If an override cannot be read, or a text or the nesting cannot be meant.
    """
    _check_texts(values, source=source)
    overridden = copy.deepcopy(dict(values))
    for override in overrides:
        _override(overridden, override)
    _check_texts(overridden, source=source)
    return overridden


def validate(values: Mapping[str, Any], *, source: str) -> StudySpec:
    """Build one study from plain values that were overridden and checked for odd texts.

    Raises:
        SpecError: If a field is unknown, missing, or cannot be meant.
    """
    try:
        return StudySpec.model_validate(_with_tuples(with_counts(values, source=source)))
    except ValidationError as error:
        raise SpecError(f"{source}: {_first_problem(error)}") from error


def _parse(text: str, *, source: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # a number of thousands of digits is a plain ValueError
        raise SpecError(f"{source} is not valid TOML: {one_line(error)}.") from error


def _override(values: dict[str, Any], override: str) -> None:
    path, separator, text = override.partition("=")
    if not separator or not path.strip():
        raise SpecError(f"an override must look like `search.trials=20`, but got `{one_line(override)}`.")
    *sections, field = path.strip().split(".")
    target = values
    for section in sections:
        target = target.setdefault(section, {})
        if not isinstance(target, dict):
            told, where = one_line(override), one_line(section)
            raise SpecError(f"the override `{told}` goes into `{where}`, which is not a section.")
    target[field] = _toml_value(text.strip())


def _toml_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        return text


def _check_texts(values: object, *, source: str) -> None:
    """Refuse what nobody means before it reaches messages, file names and databases: odd texts, and deep nesting."""
    waiting: list[tuple[object, int]] = [(values, 0)]
    while waiting:
        value, depth = waiting.pop()
        if depth > _DEEPEST:
            raise SpecError(f"{source}: tables and lists must not lie more than {_DEEPEST} deep in each other.")
        if isinstance(value, Mapping):
            waiting += [(part, depth + 1) for part in (*value.keys(), *value.values())]
        elif isinstance(value, list | tuple):
            waiting += [(part, depth + 1) for part in value]
        elif isinstance(value, str) and not (len(value) <= _LONGEST_TEXT and value.isprintable()):
            raise SpecError(
                f"{source}: a text must have at most {_LONGEST_TEXT} characters that can be printed, "
                f"but got `{one_line(value, longest=_LONGEST_VALUE)}`."
            )


def _with_tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values with lists as tuples, which is what the frozen models hold."""
    return {key: _plain(value) for key, value in values.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return _with_tuples(value)
    if isinstance(value, float) and value == 0:
        return 0.0  # and not -0.0, which is equal but written differently
    return tuple(value) if isinstance(value, list) else value


def _first_problem(error: ValidationError) -> str:
    problem = error.errors()[0]
    location = [str(part) for part in problem["loc"]]
    where = one_line(".".join(location))
    if problem["type"] == "extra_forbidden":
        return f"unknown key `{where}`{_nearest(location)}"
    if problem["type"] == "missing":
        return f"the key `{where}` is missing."
    message = one_line(problem["msg"].removeprefix("Value error, "), longest=_LONGEST_REASON).rstrip(".")
    if problem["type"] == "value_error":
        return f"in `{where}`: {message}." if where else f"{message}."
    must = _PLAIN_WORDS.get(problem["type"], f"{message[0].lower()}{message[1:]}".replace("input should", "it must"))
    return f"`{where}`: {must}, but got {show(problem['input'], longest=_LONGEST_VALUE)}."


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
