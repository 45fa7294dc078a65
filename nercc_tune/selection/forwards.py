"""What a search cost."""

from __future__ import annotations

from nercc_tune.records import StudyHistory
from nercc_tune.spec import StudySpec


def search_forwards(history: StudyHistory) -> float:
    """Return how many forward passes of the tuning groups a study took.

    One for each encoder, or its share of the blocks where it was pruned; BACC's and the uncoded one.
    """
    spec = StudySpec.model_validate(history.spec, strict=False)
    passes = {spec.reference.encoding(0.0): 1.0}
    groups = spec.evaluation.tuning_groups
    for trial in (trial for cell in history.cells for trial in cell.trials):
        share = 1.0 if trial.pruned_after is None else groups * trial.pruned_after // spec.search.blocks / groups
        passes[trial.encoding] = max(passes.get(trial.encoding, 0.0), share)
    return sum(passes.values()) + 2
