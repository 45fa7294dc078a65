"""A spline encoder with a rational decoder."""

from __future__ import annotations

from torch import Tensor

from nercc_tune.coding.berrut import berrut_matrix, check_degree
from nercc_tune.coding.linear import LinearCode
from nercc_tune.coding.nodes import NodeSet
from nercc_tune.splines import smoothing_matrix

__all__ = ["RationalCode"]


class RationalCode(LinearCode):
    """Queries are mixed by a smoothing spline, and answers read off Floater and Hormann's rational interpolant.

    Args:
        nodes: α and β.
        lambda_enc: λ_enc of the encoder, as of `NerccCode`.
        degree: d of the decoder, as of `BerrutCode`.

    Raises:
        ValueError: If λ_enc is negative or not finite, or the degree is negative or not a whole number.
    """

    def __init__(self, nodes: NodeSet, *, lambda_enc: float, degree: int) -> None:
        super().__init__(queries=nodes.queries, workers=nodes.workers)
        if not 0 <= lambda_enc < float("inf"):
            raise ValueError(f"`lambda_enc` must be finite and at least 0, but got {lambda_enc}.")
        check_degree(degree, least=0)
        self.nodes = nodes
        self.lambda_enc = lambda_enc
        self.degree = degree

    def set_for(self, arrived: int) -> RationalCode:  # noqa: ARG002 - the degree is the same for all
        """Return the code as it is set for a number F of answers, which is this one."""
        return self

    def _build_encoder(self) -> Tensor:
        return smoothing_matrix(self.nodes.alpha, self.nodes.beta, self.lambda_enc)

    def _build_decoder(self, arrived: Tensor) -> Tensor:
        return berrut_matrix(self.nodes.beta[arrived], self.nodes.alpha, degree=self.degree)
