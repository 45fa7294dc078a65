"""What a user chooses of a scheme."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from nercc_tune.records import Strict
from nercc_tune.service.scheme import Hedge

__all__ = ["SCHEMES", "SchemeName", "SchemeSettings"]

SchemeName = Literal["none", "equal-resources", "replication", "hedging", "parity", "coded", "bacc"]
SCHEMES: tuple[SchemeName, ...] = get_args(SchemeName)
"""No redundancy; the same machines as plain extra ones; each query sent twice, at once or when late; trained parity
workers; the table's policy; Berrut's code in the table's reference design."""

_CODED = ("parity", "coded", "bacc")


@dataclass(frozen=True, kw_only=True)
class SchemeSettings(Strict):
    """A scheme by its name, and what can be set of it; what is not given comes from the table.

    `answers`, `deadline_s`, `least` and `error_bound` say when queries that have no answer of their own are decoded:
    with F answers (the default), at a deadline or with F answers, or when the expected error is within a bound.

    Attributes:
        name: One of `SCHEMES`.
        workers: How many machines there are in all, N of the table if None. A coded scheme needs a multiple of N, which
            share the work of each of the N, unless `parity_workers` is given. `none` uses as many of them as it takes
            without redundancy, a share K / N.
        answers: F. By default N less the middle one of the table's straggler counts, or with a deadline N.
        deadline_s: After the group was sent.
        least: How many answers are enough at the deadline; as few as the table was tuned for if None.
        error_bound: The most that an estimate may be expected to err, squared, in probabilities.
        max_wait_s: How long a query waits for others to make a group.
        parity_workers: How many run each parity network, for `parity`; the others run the model.
        copies: Of each query, for `replication`.
        hedge: When late queries are sent again, for `hedging`.
        confirm: Whether queries wait for the decoder even where their own answer is there, since that may be wrong.

    Raises:
        ValueError: If a value is out of its range, two exclude each other, or one is of no use for the scheme.
    """

    name: SchemeName
    workers: int | None = None
    answers: int | None = None
    deadline_s: float | None = None
    least: int | None = None
    error_bound: float | None = None
    max_wait_s: float = 0.01
    parity_workers: int | None = None
    copies: int = 2
    hedge: Hedge | None = None
    confirm: bool = False

    def __post_init__(self) -> None:
        if self.name not in SCHEMES:
            raise ValueError(f"`name` must be one of {', '.join(SCHEMES)}, but got {self.name!r}.")
        for field in ("workers", "answers", "least", "parity_workers", "copies"):
            count = getattr(self, field)
            if count is not None and not count >= 1:
                raise ValueError(f"`{field}` must be at least 1, but got {count}.")
        for field in ("deadline_s", "error_bound"):
            value = getattr(self, field)
            if value is not None and not 0 < value < math.inf:
                raise ValueError(f"`{field}` must be positive and finite, but got {value}.")
        if not 0 <= self.max_wait_s < math.inf:
            raise ValueError(f"`max_wait_s` must be at least 0 and finite, but got {self.max_wait_s}.")
        self._check_combination()

    @property
    def is_coded(self) -> bool:
        """Whether something is decoded."""
        return self.name in _CODED

    def _check_combination(self) -> None:
        rules = ("answers", "deadline_s", "least", "error_bound")
        given = [field for field in rules if getattr(self, field) is not None]
        if not self.is_coded and (given or self.confirm):
            raise ValueError(f"`{(*given, 'confirm')[0]}` must be left out for `{self.name}`, which decodes nothing.")
        if self.error_bound is not None and len(given) > 1:
            raise ValueError(f"`error_bound` must be given alone, but got {', '.join(given)}.")
        if self.least is not None and self.deadline_s is None:
            raise ValueError("`least` must come with a `deadline_s`: it is how many answers are enough then.")
        if self.parity_workers is not None and self.name != "parity":
            raise ValueError(f"`parity_workers` must be left out for `{self.name}`, which has none.")
        if self.hedge is not None and self.name != "hedging":
            raise ValueError(f"`hedge` must be left out for `{self.name}`, which sends nothing again.")
