"""From what a user writes for a rival to its scheme."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from nercc_tune.errors import SpecError
from nercc_tune.service.scheme import Hedge
from nercc_tune.service.scheme_settings import SCHEMES, SchemeSettings
from nercc_tune.text.one_line import one_line

__all__ = ["BenchCode", "read_codes"]

_MILLI = 1e-3


def _milliseconds(text: str) -> float:
    return float(text) * _MILLI


_READERS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "answers": ("answers", int),
    "deadline_ms": ("deadline_s", _milliseconds),
    "least": ("least", int),
    "error_bound": ("error_bound", float),
    "copies": ("copies", int),
    "quantile": ("quantile", float),
    "budget": ("budget", float),
}
"""What can be set of a scheme: the key, the field of `SchemeSettings` or of `Hedge`, and how it is read."""

_HEDGE = ("quantile", "budget")
_STUDY = "study"


@dataclass(frozen=True, kw_only=True)
class BenchCode:
    """A rival of a bench.

    Attributes:
        label: As it was written, by which tables and figures name it.
        settings: Its scheme.
        study: Whose table it decodes by; None for that of the target.
    """

    label: str
    settings: SchemeSettings
    study: str | None = None


def read_codes(texts: Sequence[str], *, workers: int | None, max_wait_s: float) -> tuple[BenchCode, ...]:
    """Read rivals, each once.

    ```
    rival = NAME { "," KEY "=" VALUE }      coded   parity,study=parity-mnist   coded,deadline_ms=60
    ```
    A name is one of `SCHEMES`; a key is `study`, or `answers`, `deadline_ms`, `least`, `error_bound`, `copies` of
    `SchemeSettings`, or `quantile`, `budget` of `Hedge`.

    Args:
        texts: Of the rivals.
        workers: The machines that each of them has.
        max_wait_s: As of `SchemeSettings`.

    Raises:
        SpecError: If one cannot be meant, or is there twice.
    """
    codes = tuple(_read(text.strip(), workers=workers, max_wait_s=max_wait_s) for text in texts)
    labels = [code.label for code in codes]
    if len(set(labels)) < len(labels):
        raise SpecError(f"the codes must differ, but got {', '.join(map(one_line, labels))}.")
    return codes


def _read(text: str, *, workers: int | None, max_wait_s: float) -> BenchCode:
    name, *items = (part.strip() for part in text.split(","))
    if name not in SCHEMES:
        raise SpecError(f"a code must be one of {', '.join(SCHEMES)}, but got `{one_line(name)}`.")
    given = dict(_pair(text, item) for item in items)
    if len(given) < len(items):
        raise SpecError(f"the code `{one_line(text)}` says something twice; say it once.")
    study = given.pop(_STUDY, None)
    try:
        values = {_READERS[key][0]: _READERS[key][1](value) for key, value in given.items()}
        hedge = {key: values.pop(key) for key in _HEDGE if key in values}
        settings = SchemeSettings(
            name=name,
            workers=workers,
            max_wait_s=max_wait_s,
            hedge=Hedge(**hedge) if hedge else None,
            **values,
        )
    except ValueError as error:
        raise SpecError(f"the code `{one_line(text)}` cannot be used: {one_line(error)}") from error
    return BenchCode(label=text, settings=settings, study=study)


def _pair(text: str, item: str) -> tuple[str, str]:
    key, _, value = (part.strip() for part in item.partition("="))
    if key not in (*_READERS, _STUDY) or not value:
        raise SpecError(
            f"the code `{one_line(text)}` must be NAME,KEY=VALUE… with keys of {', '.join((_STUDY, *_READERS))}."
        )
    return key, value
