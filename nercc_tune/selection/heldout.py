"""What a code is worth on queries and masks that the tuning never saw."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from nercc_tune.inference import MaskedMetrics
from nercc_tune.records import Heldout, Interval
from nercc_tune.selection.bootstrap import Array, CrossedBootstrap


def judge(metrics: MaskedMetrics, bootstrap: CrossedBootstrap) -> Heldout:
    """Summarise metrics [G, M] with 95 % intervals."""
    return Heldout(
        mse=bootstrap.mean(_array(metrics.mse)),
        prob_mse=bootstrap.mean(_array(metrics.prob_mse)),
        rel_acc=bootstrap.ratio(_array(metrics.accuracy), _array(metrics.uncoded_accuracy)),
        agreement=bootstrap.mean(_array(metrics.agreement)),
    )


def mse_difference(metrics: MaskedMetrics, other: MaskedMetrics, bootstrap: CrossedBootstrap) -> Interval:
    """Return the paired difference in MSE on the same groups and masks, negative where the first is better."""
    return bootstrap.mean(_array(metrics.mse) - _array(other.mse))


def _array(values: Tensor) -> Array:
    return values.numpy().astype(np.float64)
