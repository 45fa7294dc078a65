"""The natural cubic smoothing spline applied to data, without its matrix."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from nercc_tune.splines.coinciding import batches_of_distinct, coincide
from nercc_tune.splines.equations import SplineEquations


def smooth(nodes: Tensor, values: Tensor, sites: Tensor, smoothing: float) -> Tensor:
    """Return the smoothing spline through the values at the nodes, read at the sites.

    The same as `smoothing_matrix(nodes, sites, smoothing) @ values`, in O((n + m) d) time and memory for d outputs.
    It is computed in float64 on the CPU, without gradients: detach values that have them.

    Args:
        nodes: [n], ascending, n ≥ 1; values at nodes that coincide are averaged.
        values: [n, ...] floating point.
        sites: [m].
        smoothing: λ; 0 interpolates, λ → ∞ is the least-squares straight line.

    Returns:
        [m, ...] in the dtype and on the device of the values.

    Raises:
        ValueError: As for `smoothing_matrix`, or if the nodes or sites have more than one axis, or the values are not
            floating point or not one for each node.
        numpy.linalg.LinAlgError: As for `smoothing_matrix`.

    Example:
        >>> smooth(torch.tensor([0.0, 1.0, 2.0]), torch.tensor([1.0, 3.0, 5.0]), torch.tensor([-1.0, 0.5, 4.0]), 1e-3)
        tensor([-1.,  2.,  9.])

    Reference:
        Reinsch, Smoothing by spline functions, Numer. Math. 10 (1967); Green and Silverman (1994), section 2.3.3.
    """
    if nodes.ndim != 1 or sites.ndim != 1:
        raise ValueError(
            f"`nodes` and `sites` must have one axis, but got shapes {[*nodes.shape]} and {[*sites.shape]}."
        )
    if values.ndim == 0 or len(values) != len(nodes) or not values.is_floating_point():
        raise ValueError(
            f"`values` must be {len(nodes)} of floating point, one for each node, "
            f"but got {values.dtype} of shape {[*values.shape]}."
        )
    if len(nodes) == 0:
        raise ValueError("`nodes` must hold at least one node, but got none.")
    fitted, weights = values.to("cpu", torch.float64).reshape(len(nodes), -1).mT, None
    if coincide(nodes):
        (distinct,) = batches_of_distinct(nodes.to("cpu", torch.float64)[None])
        nodes, weights = distinct.nodes[0], distinct.count[0]
        fitted = fitted.new_zeros(len(fitted), len(nodes)).index_add_(-1, distinct.rank[0], fitted) / weights
    equations = SplineEquations.of(nodes, sites, smoothing, weights=weights)
    n = len(nodes)
    if n == 1:
        return fitted.mT.expand(len(sites), -1).reshape(len(sites), *values.shape[1:]).to(values)
    curvatures = torch.zeros_like(fitted)
    if n > 2:
        inner = equations.solve(equations.bend(fitted))
        fitted = fitted - equations.smoothing * equations.load(inner)
        curvatures = pad(inner, (1, 1))
    read = equations.taps().read(fitted, curvatures)
    return read.mT.reshape(len(sites), *values.shape[1:]).to(values)
