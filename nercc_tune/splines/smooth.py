"""The natural cubic smoothing spline applied to data, without its matrix."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from nercc_tune.splines.equations import SplineEquations


def smooth(nodes: Tensor, values: Tensor, sites: Tensor, smoothing: float) -> Tensor:
    """Return the smoothing spline through the values at the nodes, read at the sites.

    The same as `smoothing_matrix(nodes, sites, smoothing) @ values`, in O((n + m) d) time and memory for d outputs.
    It is computed in float64 on the CPU, without gradients: detach values that have them.

    Args:
        nodes: [n], strictly ascending, n ≥ 1.
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
    equations = SplineEquations.of(nodes, sites, smoothing)
    if nodes.ndim != 1 or sites.ndim != 1:
        raise ValueError(
            f"`nodes` and `sites` must have one axis, but got shapes {[*nodes.shape]} and {[*sites.shape]}."
        )
    if values.ndim == 0 or len(values) != len(nodes) or not values.is_floating_point():
        raise ValueError(
            f"`values` must be {len(nodes)} of floating point, one for each node, "
            f"but got {values.dtype} of shape {[*values.shape]}."
        )
    n = len(nodes)
    if n == 1:
        return values.expand(len(sites), *values.shape[1:]).clone()
    fitted = values.to("cpu", torch.float64).reshape(n, -1).mT
    curvatures = torch.zeros_like(fitted)
    if n > 2:
        inner = equations.solve(equations.bend(fitted))
        fitted = fitted - equations.smoothing * equations.load(inner)
        curvatures = pad(inner, (1, 1))
    read = equations.taps().read(fitted, curvatures)
    return read.mT.reshape(len(sites), *values.shape[1:]).to(values)
