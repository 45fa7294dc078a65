"""What can be told of trainings before anything is loaded."""

from __future__ import annotations

import torch

from nercc_tune.coding import MIXERS
from nercc_tune.errors import SpecError
from nercc_tune.spec import StudySpec

__all__ = ["check_mixers"]

_OF_ANY_MIXER = (1, 2, 2)


def check_mixers(spec: StudySpec, shape: tuple[int, ...] = _OF_ANY_MIXER) -> None:
    """Refuse mixers that a study lists and that cannot mix so many queries into so many parities.

    Args:
        spec: The study.
        shape: Of one query; by default one that every mixer takes.

    Raises:
        SpecError: If there is one.
    """
    code, kind = spec.code, spec.code.trained_kind
    where = f"in `training.mixers`, for {code.queries} queries and {code.workers} workers"
    for mixer in spec.training.mixers_of(kind) if kind is not None else ():
        try:
            with torch.device("meta"):  # large ones take no memory there
                MIXERS[mixer].build(queries=code.queries, parities=code.workers - code.queries, shape=shape)
        except ValueError as error:
            raise SpecError(f"{where}: {error}") from error
