"""Designs that a study names, checked before anything is run."""

from __future__ import annotations

from dataclasses import replace

from nercc_tune.coding import FITTED_NODES, BerrutCode, GroupCode, Placement
from nercc_tune.errors import SpecError
from nercc_tune.spec import StudySpec


def check_designs(spec: StudySpec) -> None:
    """Refuse orderings, node sets and assignments that there are not, or not for so many queries and workers.

    Raises:
        SpecError: If one of those that the study names or lists cannot be had.
    """
    code = spec.code
    if code.nodes in FITTED_NODES:
        raise SpecError(
            f"in `code`: `nodes` must not depend on the group, since the baselines use them, but got {code.nodes!r}; "
            f"list it in `search.nodes`."
        )
    designs = [spec.reference]
    designs += [
        replace(spec.reference.with_encoding(encoding), assignment=assignment)
        for encoding in spec.encodings
        for assignment in {reading[0]: None for reading in spec.readings}
    ]
    try:
        for design in designs:
            placement = Placement.of(design)
            GroupCode(BerrutCode, queries=code.queries, workers=code.workers, placement=placement)
    except ValueError as error:
        raise SpecError(f"in the design (`code`, or the lists of `search`): {error}") from error
