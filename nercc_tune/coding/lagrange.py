"""Lagrange coded computing: exact where the workers compute a polynomial."""

from __future__ import annotations

import torch
from torch import Tensor

from nercc_tune.coding.arrived import Arrived
from nercc_tune.coding.berrut import berrut_matrix, check_degree
from nercc_tune.coding.linear import LinearCode
from nercc_tune.coding.nodes import NodeSet

__all__ = ["LagrangeCode"]


class LagrangeCode(LinearCode):
    """Queries are mixed by the polynomial through them, and answers read by one of the degree that they then have.

    With `u` of degree K − 1 and f of degree d, the answers `f(u(β_n))` lie on a polynomial of degree (K − 1) d. That of
    least squares through the answers that arrived is the same, so estimates are exact, up to rounding, where
    (K − 1) d + 1 of the nodes that arrived differ. A network is no polynomial: for it d only says how bent a curve is
    fitted.

    Rounding, and whatever else of the answers is no such polynomial, grows by at most `condition(arrived)`.

    Args:
        nodes: α and β.
        degree: d, the degree of what the workers compute.

    Raises:
        ValueError: If the degree is not a whole number of at least 1, or not even the answers of all workers suffice.

    Reference:
        Yu et al., Lagrange coded computing: optimal design for resiliency, security and privacy, AISTATS 2019.

    Example:
        >>> import torch
        >>> from nercc_tune.coding import node_set
        >>> code = LagrangeCode(node_set("chebyshev", queries=3, workers=9), degree=2)
        >>> answers = code.encode(torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64)).square()
        >>> code.decode(answers[[0, 2, 3, 5, 8]], [0, 2, 3, 5, 8]).round(decimals=6)
        tensor([ 1.,  4., 16.], dtype=torch.float64)
    """

    def __init__(self, nodes: NodeSet, *, degree: int) -> None:
        super().__init__(queries=nodes.queries, workers=nodes.workers)
        check_degree(degree, least=1)
        self.nodes = nodes
        self.degree = degree
        there = len(nodes.beta.unique())
        if not there >= self.needed:
            raise ValueError(f"`nodes` must have {self._bound()} worker nodes that differ, but got {there}.")

    @property
    def needed(self) -> int:
        """How many of the nodes of the arrived workers must differ: (K − 1) d + 1."""
        return (self.queries - 1) * self.degree + 1

    @property
    def threshold(self) -> int:
        """The least number of answers that suffices whoever gave them: `needed`, and more where nodes coincide."""
        count = self.nodes.beta.unique(return_counts=True)[1].sort(descending=True).values
        return int(count[: self.needed - 1].sum()) + 1

    def bears(self, arrived: int) -> int:
        """Return how many wrong answers E among so many can be located, whichever they are and whoever arrived.

        With the S stragglers of the N workers left out, `N − S ≥ (K − 1) d + 1 + 2 E` where all β differ; where some
        coincide, `threshold` takes the place of (K − 1) d + 1. Decoding does not locate them: it takes all answers.

        Args:
            arrived: F = N − S.

        Raises:
            ValueError: If they do not suffice without an error, or are more than N.

        Reference:
            Yu et al. (2019), theorem 1.
        """
        if not self.threshold <= arrived <= self.workers:
            raise ValueError(
                f"`arrived` must be from {self.threshold}, which are sure to have {self._bound()} nodes that differ, "
                f"to {self.workers}, but got {arrived}."
            )
        return (arrived - self.threshold) // 2

    def condition(self, arrived: Arrived) -> float:
        """Return the Lebesgue constant of decoding: the largest sum of absolute values of a row of the decoder.

        Errors of the answers by at most 1 become errors of the estimates by at most this, at least 1. It grows
        exponentially with how many neighbours are lost: at (N, K) = (200, 50), Chebyshev nodes and d = 1 it is about 4
        for 150 random answers, 4e8 without the 50 in the middle and 3e17 without 50 at an end. From 1e16 on nothing
        is left of float64 answers, and the figure itself may be too small.

        Args:
            arrived: As for `decoder_matrix`, of one set of workers.

        Raises:
            ValueError: As for `decoder_matrix`.
        """
        return float(self.decoder_matrix(arrived).abs().sum(-1).max())

    def _build_encoder(self) -> Tensor:
        return berrut_matrix(self.nodes.alpha, self.nodes.beta, degree=self.queries - 1)

    def _build_decoder(self, arrived: Tensor) -> Tensor:
        nodes = self.nodes.beta[arrived]
        there = int(((nodes.diff(dim=-1) > 0).sum(-1) + 1).min())
        if not there >= self.needed:
            raise ValueError(f"`arrived` must have {self._bound()} nodes that differ, but got {there}.")
        return _least_squares(nodes, self.nodes.alpha, degree=self.needed - 1)

    def _bound(self) -> str:
        return f"at least (K - 1) d + 1 = ({self.queries} - 1) {self.degree} + 1 = {self.needed}"


def _least_squares(nodes: Tensor, sites: Tensor, *, degree: int) -> Tensor:
    """Return the matrices [..., m, n] from values at nodes [..., n] to the polynomial of least squares at sites [m].

    Chebyshev's polynomials of the nodes' own interval, orthogonalised over the nodes.
    """
    first, last = nodes[..., :1], nodes[..., -1:]
    middle, half = (first + last) / 2, (last - first) / 2
    half = torch.where(half > 0, half, 1.0)
    basis, triangle = torch.linalg.qr(_chebyshev((nodes - middle) / half, degree))
    wanted = _chebyshev((sites - middle) / half, degree)
    matrix: Tensor = torch.linalg.solve_triangular(triangle, wanted, upper=True, left=False) @ basis.mT
    return matrix


def _chebyshev(points: Tensor, degree: int) -> Tensor:
    """Return Chebyshev's polynomials of the first kind up to a degree at points [..., p], [..., p, degree + 1]."""
    values = [torch.ones_like(points), points]
    for _ in range(degree - 1):
        values.append(2 * points * values[-1] - values[-2])
    return torch.stack(values[: degree + 1], dim=-1)
