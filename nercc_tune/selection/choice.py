"""The choice on the tuning draws: a pair for each cell, and one policy for all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nercc_tune.records import CellHistory

# A perfect code (no straggler, an exact copy of every query) has MSE 0; a ratio to it stays finite.
_TINY = 1e-300


@dataclass(frozen=True, kw_only=True)
class ChosenPolicy:
    """One λ_enc with the λ_dec of each straggler count."""

    lambda_enc: float
    lambda_dec: Mapping[int, float]


def choose_policy(
    cells: Sequence[CellHistory], profiled: Mapping[int, Mapping[float, tuple[float, float]]]
) -> ChosenPolicy:
    """Choose the λ_enc that is best over all cells.

    A λ_enc is judged by the mean over cells of its MSE, with the λ_dec that suits it best there, relative to the
    cell's least MSE: no straggler count outweighs the others by the mere size of its errors.

    Args:
        cells: The cells with their trials.
        profiled: By straggler count and λ_enc: the best λ_dec and its MSE.

    Raises:
        ValueError: If no λ_enc was evaluated in every cell.
    """
    counts = [cell.cell.stragglers for cell in cells]
    common = set.intersection(*(set(profiled[count]) for count in counts))
    if not common:
        raise ValueError("`profiled` must hold at least one λ_enc for every cell, but got none.")
    least = {count: min(mse for _, mse in profiled[count].values()) for count in counts}

    def regret(lambda_enc: float) -> tuple[float, float]:
        excess = sum(profiled[count][lambda_enc][1] / max(least[count], _TINY) for count in counts)
        return excess / len(counts), lambda_enc

    chosen = min(common, key=regret)
    return ChosenPolicy(lambda_enc=chosen, lambda_dec={count: profiled[count][chosen][0] for count in counts})
