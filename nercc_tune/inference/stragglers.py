"""Straggler models: which workers arrive."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def exactly(stragglers: int, *, workers: int, masks: int, seed: int) -> Tensor:
    """Draw masks in which exactly S workers, uniformly chosen, straggle.

    The masks of one seed are nested in S: mask m loses the first S workers of its own random order. Curves over S are
    therefore compared on the same luck.

    Returns:
        [M, F] the numbers of the arrived workers, ascending, F = N − S.

    Raises:
        ValueError: If not 0 ≤ S < N.
    """
    if not 0 <= stragglers < workers:
        raise ValueError(f"`0 <= stragglers < workers` must hold, but got {stragglers} of {workers}.")
    rng = np.random.default_rng(seed)
    arrived = [np.sort(rng.permutation(workers)[stragglers:]) for _ in range(masks)]
    return torch.from_numpy(np.stack(arrived))
