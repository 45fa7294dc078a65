"""NeRCC: both matrices are natural cubic smoothing splines."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from nercc_tune.coding.fit import Fit, spline_fit
from nercc_tune.coding.linear import LinearCode
from nercc_tune.coding.nodes import NodeSet
from nercc_tune.splines import effective_dof, smoothing_matrix


class NerccCode(LinearCode):
    """Nested-regression coded computing with smoothing λ_enc and λ_dec; (0, 0) is the paper's NeRCC^Ag.

    λ_dec is a number, or a function of the number F of answers, which is known only when they are there.

    The encoder reads the smoothing spline through the queries at the worker nodes; the decoder reads the smoothing
    spline through the answers that arrived at the query nodes.

    Raises:
        ValueError: If a smoothing parameter is negative or not finite.

    Example:
        >>> import torch
        >>> from nercc_tune.coding import node_set
        >>> code = NerccCode(node_set("chebyshev", queries=4, workers=9), lambda_enc=1e-6, lambda_dec=0.0)
        >>> queries = torch.linspace(0.0, 1.0, 4)[:, None]
        >>> code.encode(queries).shape, code.decode(code.encode(queries)[2:], range(2, 9)).shape
        (torch.Size([9, 1]), torch.Size([4, 1]))

    Reference:
        NeRCC, arXiv 2402.04377, equations 5 and 7 (where equation 7 prints x̃ for f(x̃)).
    """

    def __init__(self, nodes: NodeSet, *, lambda_enc: float, lambda_dec: float | Callable[[int], float]) -> None:
        super().__init__(queries=nodes.queries, workers=nodes.workers)
        given = {"lambda_enc": lambda_enc} | ({} if callable(lambda_dec) else {"lambda_dec": lambda_dec})
        for name, smoothing in given.items():
            if not 0 <= smoothing < float("inf"):
                raise ValueError(f"`{name}` must be finite and at least 0, but got {smoothing}.")
        self.nodes = nodes
        self.lambda_enc = lambda_enc
        self.lambda_dec = lambda_dec

    @classmethod
    def encoder(cls, lambda_enc: float) -> Callable[[NodeSet], NerccCode]:
        """Return what makes a code with this λ_enc on given nodes, for its encoder alone: λ_dec is 0."""
        return lambda nodes: cls(nodes, lambda_enc=lambda_enc, lambda_dec=0.0)

    @property
    def df_enc(self) -> float:
        """Effective degrees of freedom of the encoder, from 2 (a straight line) to K (interpolation)."""
        return float(effective_dof(self.nodes.alpha, self.lambda_enc))

    def df_dec(self, arrived: Tensor) -> float:
        """Return the decoder's effective degrees of freedom, averaged over a batch of arrived workers [..., F]."""
        return float(effective_dof(self.nodes.beta[arrived], self.lambda_dec_for(arrived.shape[-1])).mean())

    def lambda_dec_for(self, arrived: int) -> float:
        """Return λ_dec for a number F of answers."""
        return self.lambda_dec(arrived) if callable(self.lambda_dec) else self.lambda_dec

    def set_for(self, arrived: int) -> NerccCode:
        """Return the code with the λ_dec of a number F of answers, whatever number it reads."""
        if not callable(self.lambda_dec):
            return self
        return NerccCode(self.nodes, lambda_enc=self.lambda_enc, lambda_dec=self.lambda_dec(arrived))

    def fit(self, arrived: Tensor) -> Fit:
        """Return what the decoder expects of every answer, for batches of arrived workers [M, F], ascending."""
        return spline_fit(self.nodes.alpha, self.nodes.beta, arrived, self.lambda_dec_for(arrived.shape[-1]))

    def _build_encoder(self) -> Tensor:
        return smoothing_matrix(self.nodes.alpha, self.nodes.beta, self.lambda_enc)

    def _build_decoder(self, arrived: Tensor) -> Tensor:
        return smoothing_matrix(self.nodes.beta[arrived], self.nodes.alpha, self.lambda_dec_for(arrived.shape[-1]))
