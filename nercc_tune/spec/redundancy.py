"""What a study file may say that a single study does not hold: a list of numbers of workers, and shares of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nercc_tune.errors import SpecError
from nercc_tune.text.one_line import show

__all__ = ["SHARES", "count_of", "listed_workers", "with_counts"]

SHARES = "straggler_shares"
_MOST_WORKERS = 10**6  # as in a table: a code of more would not fit in memory


def count_of(share: float, workers: int) -> int:
    """Return the number of stragglers that a share of N workers is: rounded, at least 1 and fewer than N.

    >>> [count_of(share, 60) for share in (0.001, 0.05, 0.2, 0.999)]
    [1, 3, 12, 59]
    """
    return min(max(1, round(share * workers)), workers - 1)


def listed_workers(values: Mapping[str, Any], *, source: str) -> tuple[int, ...] | None:
    """Return the numbers of workers that a study file lists, ascending; None where it gives no list.

    Raises:
        SpecError: If the list is empty, repeats a number, or holds something else than whole numbers from 2 to 1000000.
    """
    code = values.get("code")
    listed = code.get("workers") if isinstance(code, Mapping) else None
    if not isinstance(listed, list | tuple):
        return None
    if not (listed and all(map(_is_number_of_workers, listed)) and len(set(listed)) == len(listed)):
        raise SpecError(
            f"{source}: `code.workers` must be a whole number, or a list of different ones from 2 to {_MOST_WORKERS}, "
            f"but got {show(list(listed))}."
        )
    return tuple(sorted(listed))


def with_counts(values: Mapping[str, Any], *, source: str) -> Mapping[str, Any]:
    """Return the values of a study file with `code.straggler_shares` written as `code.stragglers`.

    Shares that give one count at this number of workers are one.

    Raises:
        SpecError: If both are given, or the shares are no list of numbers between 0 and 1.
    """
    code = values.get("code")
    if not isinstance(code, Mapping) or SHARES not in code:
        return values
    if "stragglers" in code:
        raise SpecError(f"{source}: only one of `code.stragglers` and `code.{SHARES}` may be given.")
    shares, workers = code[SHARES], code.get("workers")
    if not (isinstance(shares, list | tuple) and shares and all(map(_is_share, shares))):
        raise SpecError(f"{source}: `code.{SHARES}` must be a list of numbers between 0 and 1, but got {show(shares)}.")
    if workers is not None and not _is_number_of_workers(workers):
        raise SpecError(
            f"{source}: `code.workers` must be a whole number from 2 to {_MOST_WORKERS}, but got {show(workers)}."
        )
    rest = {key: value for key, value in code.items() if key != SHARES}
    counts = sorted({count_of(share, workers) for share in shares}) if workers is not None else []
    return {**values, "code": {**rest, "stragglers": counts}}  # that the number of workers is missing is said later


def _is_number_of_workers(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 2 <= value <= _MOST_WORKERS


def _is_share(value: object) -> bool:
    return isinstance(value, float) and 0 < value < 1
