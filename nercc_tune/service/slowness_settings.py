"""From one line of settings to what makes workers slow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from nercc_tune.errors import SpecError
from nercc_tune.service.disturbance import Disturbance, DisturbedPairs
from nercc_tune.service.factors import LawSlowness, TraceSlowness
from nercc_tune.service.slowness import Slowness, Undisturbed
from nercc_tune.straggling import LAWS, Law, read_trace
from nercc_tune.text.one_line import one_line

_FORMS = "`none`, `disturbed:pairs=4,factor=2`, `law:NAME,…` or `trace:PATH`"


def make_slowness(settings: str, *, workers: int, seed: int) -> Slowness:
    """Return what makes workers slow, as a line says: see `read_slowness`.

    Args:
        settings: The line.
        workers: How many there are.
        seed: Decides all draws; each repeat has its own.

    Raises:
        SpecError: As for `read_slowness`, or if the line is not for so many workers.
        TraceError: If the trace cannot be used.
    """
    return read_slowness(settings)(workers, seed)


def read_slowness(settings: str, *, is_shuffled: bool = False) -> Callable[[int, int], Slowness]:
    """Return what makes workers slow, by how many there are and a seed; a trace is read once.

    ```
    settings  = "none" | "disturbed:" numbers | "law:" NAME "," numbers | ["trace:"] PATH
    numbers   = KEY "=" NUMBER { "," KEY "=" NUMBER }
    ```
    `disturbed` has the fields of `Disturbance` as keys: `pairs` and `factor`, and if wanted `variation`, `shortest_s`
    and `longest_s`. `law` names one of `nercc_tune.straggling.LAWS`, and has its parameters as keys; it says how many
    times as long a task takes, so that 1 is an undisturbed one: `law:pareto,scale=1,shape=2`. A trace is a file that
    `read_trace` takes. See `DisturbedPairs`, `LawSlowness` and `TraceSlowness` for what they do.

    Args:
        settings: The line.
        is_shuffled: As of `TraceSlowness`.

    Raises:
        SpecError: If the line cannot be meant; from what is returned, if it cannot be for so many workers.
        TraceError: If the trace cannot be used.
    """
    kind, _, rest = settings.strip().partition(":")
    try:
        if settings.strip() == "none":
            return lambda workers, seed: Undisturbed()  # noqa: ARG005 - nothing depends on them
        if kind == "disturbed":
            return _saying(settings, _disturbed(Disturbance(**_numbers(rest, Disturbance))))
        if kind == "law":
            _law(rest, workers=1)
            return _saying(settings, lambda workers, seed: LawSlowness(_law(rest, workers=workers), seed=seed))
    except ValueError as error:
        raise SpecError(f"Cannot use the slowness {one_line(settings)}: {error}") from error
    path = Path(rest if kind == "trace" else settings.strip())
    if not path.is_file():
        raise SpecError(f"Cannot use the slowness {one_line(settings)}: write {_FORMS}; there is no such file.")
    trace = read_trace(path)
    return lambda workers, seed: TraceSlowness(trace, workers=workers, seed=seed, is_shuffled=is_shuffled)


def _disturbed(disturbance: Disturbance) -> Callable[[int, int], Slowness]:
    return lambda workers, seed: DisturbedPairs(disturbance, workers=workers, seed=seed)


def _saying(settings: str, make: Callable[[int, int], Slowness]) -> Callable[[int, int], Slowness]:
    """Let errors say which line they are of."""

    def made(workers: int, seed: int) -> Slowness:
        try:
            return make(workers, seed)
        except ValueError as error:
            raise SpecError(f"Cannot use the slowness {one_line(settings)}: {error}") from error

    return made


def _law(text: str, *, workers: int) -> Law:
    name, _, numbers = text.partition(",")
    if name not in LAWS:
        raise ValueError(f"`law` must be one of {', '.join(LAWS)}, but got {name or 'none'}.")
    return LAWS[name](workers=workers, **_numbers(numbers, LAWS[name]))


def _numbers(text: str, kind: type) -> dict[str, Any]:
    """Read the numbers of a kind of dataclass, of which none is unknown, twice there or missing."""
    wanted = {field.name: field for field in fields(kind) if field.name != "workers"}
    readers: Mapping[str, Callable[[str], Any]] = {"int": int, "float": float}
    found: dict[str, Any] = {}
    for item in filter(None, text.split(",")):
        key, _, number = (part.strip() for part in item.partition("="))
        if key not in wanted or key in found:
            raise ValueError(f"its keys must be some of {', '.join(wanted)}, each once, but got {item}.")
        try:
            found[key] = readers[str(wanted[key].type)](number)
        except ValueError as error:
            raise ValueError(f"`{key}` must be a number, but got {number or 'none'}.") from error
    missing = [name for name, field in wanted.items() if field.default is MISSING and name not in found]
    if missing:
        raise ValueError(f"it must say {', '.join(f'`{name}=…`' for name in missing)}.")
    return found
