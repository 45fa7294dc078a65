"""Node sets, and the smoothing spline to 50 digits by another road than the package's."""

from __future__ import annotations

from collections.abc import Sequence

import mpmath
import torch
from torch import Tensor

from nercc_tune.coding import node_set

SMOOTHINGS = (0.0, 1e-9, 1e-4, 1.0, 1e4, 1e8, 1e12)


def irregular(count: int, *, seed: int = 0) -> Tensor:
    """Return ascending nodes in [-1, 1] whose gaps differ by a factor of up to 40."""
    generator = torch.Generator().manual_seed(seed)
    gaps = 0.05 + 1.95 * torch.rand(count + 1, dtype=torch.float64, generator=generator)
    return 2 * gaps.cumsum(0)[:-1] / gaps.sum() - 1


def thinned_chebyshev(workers: int, arrived: int, *, seed: int = 0) -> Tensor:
    """Return the worker nodes of some random workers."""
    kept = torch.randperm(workers, generator=torch.Generator().manual_seed(seed))[:arrived].sort().values
    return node_set("chebyshev", queries=2, workers=workers).beta[kept]


def values(count: int, *, columns: int = 3, seed: int = 7) -> Tensor:
    """Return data without any smoothness, [count, columns]."""
    return torch.randn(count, columns, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def exact_matrix(nodes: Sequence[float], sites: Sequence[float], smoothing: float) -> Tensor:
    """Return the smoothing matrix, computed with 50 digits from kernels instead of bands, and rounded at the end.

    Every natural cubic spline is `a + b t + Σ c_i |t − t_i|³` with `Σ c_i = Σ c_i t_i = 0`; it is straight outside the
    nodes because of these two, and `∫ g''² = 12 Σ c_i g(t_i)`. The minimiser solves `(K + 12 λ I) c + T (a, b) = y`.
    """
    count = len(nodes)
    with mpmath.workdps(50):
        at = [mpmath.mpf(node) for node in nodes]
        system = mpmath.zeros(count + 2)
        for row in range(count):
            for column in range(count):
                system[row, column] = abs(at[row] - at[column]) ** 3
            system[row, row] += 12 * mpmath.mpf(smoothing)
            system[row, count] = system[count, row] = 1
            system[row, count + 1] = system[count + 1, row] = at[row]
        coefficients = mpmath.inverse(system)[:, :count]
        basis = mpmath.matrix([[*(abs(mpmath.mpf(s) - node) ** 3 for node in at), 1, s] for s in sites])
        rows = (basis * coefficients).tolist()
    return torch.tensor([[float(entry) for entry in row] for row in rows], dtype=torch.float64)
