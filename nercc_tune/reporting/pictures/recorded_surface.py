"""The surface that a search left behind."""

from __future__ import annotations

from nercc_tune.records import CellHistory, Surface

__all__ = ["recorded_surface"]


def recorded_surface(cell: CellHistory, *, grid: tuple[float, ...]) -> Surface | None:
    """Return the goal's error on the decoder grid for each λ_enc of the design of `CellHistory.smoothed`.

    Nothing is computed: the values are those of `TrialRecord.profile`. None where no trial has any.

    Args:
        cell: With its trials.
        grid: The λ_dec of the profiles, `StudyHistory.decoder_grid`.

    Raises:
        ValueError: If a profile is not of the grid's length.
    """
    chosen, profiles = cell.smoothed, cell.profiles
    if chosen is None or not profiles:
        return None
    lambda_encs = tuple(sorted(profiles))
    return Surface(
        metric=cell.goal.error,
        design=chosen.design,
        lambda_encs=lambda_encs,
        lambda_decs=grid,
        values=tuple(profiles[value] for value in lambda_encs),
    )
