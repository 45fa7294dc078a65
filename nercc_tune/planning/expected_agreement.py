"""How often decoded answers are what the model says without coding, by how many answers they were made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nercc_tune.export.table import TunedTable
from nercc_tune.service.commands import Source
from nercc_tune.service.expected_errors import ExpectedErrors
from nercc_tune.service.measured import SOURCES, Measured

__all__ = ["ExpectedAgreement"]

_DECODED = SOURCES.index(Source.DECODED)


@dataclass(frozen=True, kw_only=True, eq=False)
class ExpectedAgreement:
    """The agreement of estimates, with its 95 % interval from the table's held-out draws.

    A table's agreement A is over all K queries of a group. A query one of whose copies is among F answers agrees by
    definition; of the others, which are a share q of all on average over who answers, 1 − (1 − A) / q agree, cut off at
    0. Between the counts of a table that of the next larger number of stragglers is taken, and beyond them none agrees.

    Attributes:
        mean: [N + 1] for F = 0, …, N answers.
        low: [N + 1] its lower bound.
        high: [N + 1] its upper bound.
    """

    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    @classmethod
    def of(cls, table: TunedTable, bears: Sequence[int | None], *, gives_own: bool = True) -> ExpectedAgreement:
        """Return that of the policy of a table.

        It also holds for trained codes: the degraded accuracy that is kept of them is against labels.

        Args:
            table: What was held out.
            bears: Of each of N workers, the query that it is sent an exact copy of; None for a mix.
            gives_own: Whether a query is answered with a copy where there is one.
        """
        queries = table.entries[0].queries
        shares = {entry.stragglers: entry.heldout.agreement for entry in table.policy.entries}

        def decoded(agreements: dict[int, float]) -> NDArray[np.float64]:
            wrong = {stragglers: 1 - agreement for stragglers, agreement in agreements.items()}
            expected = ExpectedErrors.of(wrong, bears, queries=queries, gives_own=gives_own)
            return 1 - np.clip(expected.by_answers, 0.0, 1.0)

        return cls(
            mean=decoded({stragglers: share.mean for stragglers, share in shares.items()}),
            low=decoded({stragglers: share.low for stragglers, share in shares.items()}),
            high=decoded({stragglers: share.high for stragglers, share in shares.items()}),
        )

    def share_of(self, measured: Measured, *, bound: str = "mean") -> float:
        """Return the share of all answers of a simulation that agree: `mean`, `low` or `high`.

        Raises:
            ValueError: If nobody counted from how many tasks each was made, or nothing was answered.
        """
        if measured.answers is None or not measured.is_answered.any():
            raise ValueError("`measured` must hold answers, and from how many tasks each was made.")
        by_answers: NDArray[np.float64] = getattr(self, bound)
        agrees = np.ones(len(measured.sources))
        is_decoded = measured.sources == _DECODED
        agrees[is_decoded] = by_answers[measured.answers[is_decoded]]
        return float(agrees[measured.is_answered].mean())
