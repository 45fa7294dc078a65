"""What studies must share to stand side by side, and whether they were judged on the same draws."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

from pydantic import ValidationError

from nercc_tune.errors import TableError
from nercc_tune.export.table import TunedTable
from nercc_tune.records import DEFAULT_PREDICTION, Heldout, TunedEntry
from nercc_tune.spec import StragglingSettings
from nercc_tune.text.one_line import one_line

__all__ = ["Judged", "check_names", "check_straggling", "check_workload", "has_same_draws"]

Judged = tuple[TunedTable, TunedEntry]
"""A study with what it judged at one setting."""

_ROUNDING = 1e-6  # relative, of means of float32 figures on two machines; other draws differ by far more


def check_workload(first: TunedTable, other: TunedTable) -> None:
    """Refuse studies of two workloads.

    Raises:
        TableError: If weights, data or preprocessing differ.
    """
    if first.workload.fingerprint == other.workload.fingerprint:
        return
    served = [f"{table.workload.model} on {table.workload.data}" for table in (first, other)]
    how = f"`{served[0]}` and `{served[1]}`" if served[0] != served[1] else f"`{served[0]}` with other weights or data"
    raise TableError(
        f"{_name(first)} and {_name(other)} served {one_line(how)}, so that they cannot be compared; name studies of "
        "one workload."
    )


def check_straggling(first: Judged, other: Judged) -> None:
    """Refuse studies in which others straggle, though as many.

    Raises:
        TableError: If the straggler models differ, or their laws; or one is none of this version.
    """
    mine, its = (_straggling(table) for table, _ in (first, other))
    if mine != its:
        raise TableError(
            f"{_name(first[0])} and {_name(other[0])} differ in who straggles ({mine.model}, {its.model}), so that "
            "they cannot be compared; name studies with one section `straggling`."
        )


def check_names(pairs: Iterable[Judged]) -> None:
    """Refuse studies that could not be told apart.

    Raises:
        TableError: If two have one name.
    """
    counts = Counter(table.study for table, _ in pairs)
    twice = next((study for study, count in counts.items() if count > 1), None)
    if twice is not None:
        raise TableError(
            f"`{one_line(twice)}` is given twice for the same K, N and S; leave one out, or launch it as another name."
        )


def has_same_draws(first: Judged, other: Judged) -> bool:
    """Whether codes of which nothing was tuned are worth the same in both, as they are on the same groups and masks.

    In one decode space that is no coding. In two spaces its repair differs, but the class of the default prediction
    does not.
    """
    spaces = {table.reference.decode_space for table, _ in (first, other)}
    code = "uncoded" if len(spaces) == 1 else DEFAULT_PREDICTION
    found = [entry.baselines.get(code) for _, entry in (first, other)]
    mine, its = (None if heldout is None else _traces(heldout, with_errors=len(spaces) == 1) for heldout in found)
    if mine is None or its is None:
        return False
    return all(math.isclose(a, b, rel_tol=_ROUNDING) for a, b in zip(mine, its, strict=False))


def _traces(heldout: Heldout, *, with_errors: bool) -> list[float]:
    """Return the means that are equal where the draws are; those that older tables lack are last."""
    availability = heldout.availability
    figures = [heldout.agreement, heldout.prob_mse if with_errors else None]
    figures += [availability.available, availability.degraded] if availability is not None else []
    return [figure.mean for figure in figures if figure is not None]


def _straggling(table: TunedTable) -> StragglingSettings:
    try:
        return StragglingSettings.model_validate(table.straggling, strict=False)
    except ValidationError as error:
        raise TableError(
            f"the section `straggling` of {_name(table)} is none of this version; launch the study again with it."
        ) from error


def _name(table: TunedTable) -> str:
    return f"`{one_line(table.study)}`"
