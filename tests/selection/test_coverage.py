"""Intervals hold the truth as often as they say, also of a code that is calibrated on other groups."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nercc_tune.coding import KrigingCode, NodeSet, Sites, measure_moments, node_set
from nercc_tune.records import Kernel
from nercc_tune.selection import CrossedBootstrap
from nercc_tune.splines import smoothing_matrix
from tests.inference.fakes import exactly

K, N, S = 8, 20, 5
GROUPS, MASKS = 1500, 400
SIMULATIONS = 300


def _outputs(nodes: NodeSet, groups: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return answers [G, N, c] and outputs [G, K, c] of a model of curved outputs."""
    generator = torch.Generator().manual_seed(seed)
    queries = torch.randn(groups, K, 4, dtype=torch.float64, generator=generator)
    first = torch.randn(4, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    last = torch.randn(16, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2)) / 4
    coded = smoothing_matrix(nodes.alpha, nodes.beta, 0.0) @ queries
    return (coded @ first).tanh() @ last, (queries @ first).tanh() @ last


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["uniform", "copies-2"])
def test_intervals_keep_their_coverage_with_a_calibrated_decoder(kind: str) -> None:
    """The moments are fixed before, on groups of their own; what varies is who judges: the groups and the masks.

    The crossed bootstrap is a little wide where groups and masks differ by little beside single errors, and a little
    narrow for few heavy-tailed ones: 88 % to 99 % is what 20 groups and 20 masks give of 95 %.
    """
    nodes = node_set(kind, queries=K, workers=N)
    answers, outputs = _outputs(nodes, 60, 3)
    moments = measure_moments(Sites.of(nodes).distinct(answers), outputs)
    code = KrigingCode(nodes, lambda_enc=0.0, kernel=Kernel(range=1.0, nugget=1e-2, weight=0.8), measured=moments)
    answers, outputs = _outputs(nodes, GROUPS, 4)
    errors = np.stack(
        [
            (code.decoder_matrix(arrived) @ answers[:, arrived] - outputs).square().sum(-1).mean(-1).numpy()
            for arrived in exactly(S, workers=N, masks=MASKS, seed=0)
        ],
        axis=1,
    )
    truth, rng, held = errors.mean(), np.random.default_rng(0), 0
    for seed in range(SIMULATIONS):
        groups, masks = rng.choice(GROUPS, 20, replace=False), rng.choice(MASKS, 20, replace=False)
        bootstrap = CrossedBootstrap.draw(groups=20, masks=20, resamples=400, seed=seed)
        found = bootstrap.mean(errors[np.ix_(groups, masks)])
        held += found.low <= truth <= found.high
    assert 0.88 <= held / SIMULATIONS <= 0.99
