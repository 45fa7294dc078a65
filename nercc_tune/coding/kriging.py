"""Kriging: the linear decoder of least mean squared error for given second moments, and the code it makes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from nercc_tune.coding.fit import Fit
from nercc_tune.coding.linear import LinearCode
from nercc_tune.coding.moments import Moments, Sites, kernel_moments, mix
from nercc_tune.coding.nodes import NodeSet
from nercc_tune.records import Kernel
from nercc_tune.splines import smoothing_matrix

__all__ = ["KrigingCode", "Predictor", "Solved"]

# Added to the variance of every answer, in shares of the mean one. The moments are kept in float32, whose rounding of
# 6e-8 may make an eigenvalue negative; and neighbours of a smooth kernel are nearly the same.
_JITTER = 1e-6

_KEPT_MASKS = 64


@dataclass(frozen=True, kw_only=True, eq=False)
class Solved:
    """Decoders of masks, before any temperature.

    Attributes:
        matrices: [M, K, P].
        is_copied: [M, K] whether the estimate is an exact copy.
        predictor: That gave them.
    """

    matrices: Tensor
    is_copied: Tensor
    predictor: Predictor

    @cached_property
    def uncertainty(self) -> Tensor:
        """[M, K] the prediction variances v of the estimates, in shares of those of the outputs; 0 for copies."""
        moments = self.predictor.moments
        left = moments.variances - 2 * (self.matrices * moments.truths).sum(-1)
        left = left + ((self.matrices @ self.predictor.system) * self.matrices).sum(-1)
        return (left / moments.variances).clamp(min=0).masked_fill(self.is_copied, 0)

    def at(self, temperature: float) -> Tensor:
        """Return the decoders of logits whose softmax is the estimate: rows are divided by `√(1 + κ v)`.

        The mean of the softmax of a normal logit of variance v is about that of its mean over `√(1 + π v / 8)`.

        Reference:
            MacKay, The evidence framework applied to classification networks, Neural Computation 4 (1992), section 3.
        """
        if not temperature:
            return self.matrices
        return self.matrices / (1 + temperature * self.uncertainty).sqrt()[..., None]


@dataclass(frozen=True, kw_only=True, eq=False)
class Predictor:
    """The best linear decoder of any mask for given moments, around the group's own mean, which is not known.

    For the answers A that arrived, `D = Σ_TA Σ_AA⁻¹` and, since the mean is estimated too, so that rows sum to 1,
    `D + (1 − D 1) (1ᵀ Σ_AA⁻¹ 1)⁻¹ 1ᵀ Σ_AA⁻¹`. A query of which an exact copy arrived gets that copy.

    Attributes:
        moments: Of outputs and answers.
        noise: [P] what is added to the variances of the answers.
        copy: [K] the distinct node that is an exact copy of each query, −1 for none.
        temperature: κ, see `Kernel`.

    Reference:
        Chilès and Delfiner, Geostatistics (2012), section 3.4 (ordinary kriging).
    """

    moments: Moments
    noise: Tensor
    copy: Tensor
    temperature: float

    @classmethod
    def of(cls, sites: Sites, kernel: Kernel, *, measured: Moments | None, has_copies: bool) -> Predictor:
        """Return the predictor of a kernel.

        Args:
            sites: Where answers are read and outputs wanted.
            kernel: The parameters.
            measured: Moments of calibration groups; None for those of the kernel alone.
            has_copies: Whether a worker on a query gets the query itself, that is, whether λ_enc is 0.
        """
        structure = kernel_moments(sites, kernel)
        copy = sites.on_query if has_copies else torch.full_like(sites.on_query, -1)
        is_noisy = torch.ones_like(sites.answers)
        is_noisy[copy[copy >= 0]] = 0
        if measured is None:
            return cls(
                moments=structure,
                noise=kernel.nugget * is_noisy + _JITTER,
                copy=copy,
                temperature=kernel.temperature,
            )
        share = (1 - kernel.weight) * kernel.nugget + kernel.ridge
        return cls(
            moments=mix(structure, measured, kernel.weight),
            noise=measured.scale * (share * is_noisy + _JITTER),
            copy=copy,
            temperature=kernel.temperature,
        )

    @cached_property
    def system(self) -> Tensor:
        """[P, P] the second moments of all answers, noise included."""
        return self.moments.answers + torch.diag(self.noise)

    def matrices(self, arrived: Tensor) -> Tensor:
        """Return the decoders [M, K, P] of masks [M, P] of the distinct nodes, zero for what did not arrive.

        Raises:
            torch.linalg.LinAlgError: If the moments are not those of any outputs, beyond rounding.
        """
        return self.solve(arrived).at(self.temperature)

    def solve(self, arrived: Tensor) -> Solved:
        """Return the decoders as they are without a temperature, with what is uncertain about their estimates.

        Raises:
            torch.linalg.LinAlgError: As for `matrices`.
        """
        of, there, system = self._systems(arrived)
        truths = self.moments.truths.T[of] * there[..., None]
        solved = torch.cholesky_solve(torch.cat([truths, there[..., None]], -1), torch.linalg.cholesky(system))
        simple, mean = solved[..., :-1].mT, solved[..., -1]
        mean = mean / mean.sum(-1, keepdim=True)
        decoder = simple + (1 - simple.sum(-1, keepdim=True)) * mean[:, None, :]
        spread = decoder.new_zeros(*decoder.shape[:2], len(self.noise))
        spread.scatter_(-1, of[:, None, :].expand_as(decoder), decoder)
        is_copied = (self.copy >= 0) & arrived[:, self.copy.clamp(min=0)]
        unit = torch.nn.functional.one_hot(self.copy.clamp(min=0), len(self.noise)).to(decoder.dtype)
        spread = torch.where(is_copied[..., None], unit, spread)
        return Solved(matrices=spread, is_copied=is_copied, predictor=self)

    def df(self, arrived: Tensor) -> Tensor:
        """Return the effective degrees of freedom of masks [M, P], [M]: the trace of the smoother at the answers."""
        of, there, system = self._systems(arrived)
        precision = torch.cholesky_inverse(torch.linalg.cholesky(system)).diagonal(dim1=-2, dim2=-1)
        return (there * (1 - self.noise[of] * precision)).sum(-1)

    def _systems(self, arrived: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return which answers arrived [M, A], which of these entries are filled, and `Σ_AA` of each mask.

        A is the largest number of answers of a mask. The entries that others do not fill are decoupled, so that masks
        of all sizes are factorised together.
        """
        of = torch.argsort(arrived.to(torch.int8), dim=-1, descending=True, stable=True)[
            :, : int(arrived.sum(-1).max())
        ]
        there = arrived.gather(-1, of).to(self.moments.answers.dtype)
        system = self.system[of[:, :, None], of[:, None, :]] * (there[:, :, None] * there[:, None, :])
        return of, there, system + torch.diag_embed(1 - there)


class KrigingCode(LinearCode):
    """A spline encoder with a kriging decoder, whose moments are those of a kernel, or measured.

    With a temperature it decodes logits whose softmax is the estimate, and its rows no longer sum to 1.

    Args:
        nodes: α and β, several of which may coincide.
        lambda_enc: λ_enc of the encoder, as of `NerccCode`.
        kernel: The decoder's parameters, or a function of the number F of answers.
        measured: Moments of calibration groups in the decode space; None for those of the kernel alone.

    Raises:
        ValueError: If λ_enc is negative or not finite, or the moments are for other nodes.

    Example:
        >>> import torch
        >>> from nercc_tune.coding import node_set
        >>> code = KrigingCode(node_set("copies-2", queries=3, workers=6), lambda_enc=0.0, kernel=Kernel(range=0.0))
        >>> answers = code.encode(torch.tensor([1.0, 5.0, 6.0]))
        >>> code.decode(answers[[0, 1, 4]], [0, 1, 4]).round(decimals=3)
        tensor([1.0000, 3.5000, 6.0000])
    """

    def __init__(
        self,
        nodes: NodeSet,
        *,
        lambda_enc: float,
        kernel: Kernel | Callable[[int], Kernel],
        measured: Moments | None = None,
    ) -> None:
        super().__init__(queries=nodes.queries, workers=nodes.workers)
        if not 0 <= lambda_enc < float("inf"):
            raise ValueError(f"`lambda_enc` must be finite and at least 0, but got {lambda_enc}.")
        self.nodes = nodes
        self.lambda_enc = lambda_enc
        self.kernel = kernel
        self._sites = Sites.of(nodes)
        shape = (len(self._sites.answers), len(self._sites.answers))
        if measured is not None and measured.answers.shape != shape:
            raise ValueError(f"`measured` must be of {shape} answers, but got {tuple(measured.answers.shape)}.")
        self._measured = measured
        self._kept: OrderedDict[bytes, Tensor] = OrderedDict()

    def kernel_for(self, arrived: int) -> Kernel:
        """Return the decoder's parameters for a number F of answers."""
        return self.kernel(arrived) if callable(self.kernel) else self.kernel

    def set_for(self, arrived: int) -> KrigingCode:
        """Return the code with the kernel of a number F of answers, whatever number it reads."""
        if not callable(self.kernel):
            return self
        kernel = self.kernel(arrived)
        return KrigingCode(self.nodes, lambda_enc=self.lambda_enc, kernel=kernel, measured=self._measured)

    def _build_encoder(self) -> Tensor:
        return smoothing_matrix(self.nodes.alpha, self.nodes.beta, self.lambda_enc)

    def _build_decoder(self, arrived: Tensor) -> Tensor:
        if arrived.ndim > 1:
            return self._solve(arrived)
        key = arrived.numpy().tobytes()
        if key not in self._kept:
            self._kept[key] = self._solve(arrived)
            if len(self._kept) > _KEPT_MASKS:
                self._kept.popitem(last=False)
        return self._kept[key]

    def fit(self, arrived: Tensor) -> Fit:
        """Return what the decoder expects of every answer, for batches of arrived workers [M, F], ascending.

        Raises:
            torch.linalg.LinAlgError: If the moments are not those of any outputs, beyond rounding.
        """
        predictor = self._predictor(arrived.shape[-1])
        solved = predictor.solve(self._sites.arrived(arrived))
        rank = self._sites.rank[arrived]
        system = predictor.system[rank[:, :, None], rank[:, None, :]]
        # Those at one node, who should answer the same, are granted a little noise of their own.
        is_shared = (rank[:, :, None] == rank[:, None, :]).sum(-1) > 1
        own = _JITTER * predictor.system.diagonal().mean() * is_shared
        inverse = torch.cholesky_inverse(torch.linalg.cholesky(system + torch.diag_embed(own)))
        drawn = inverse.sum(-1)
        precision = inverse - drawn[:, :, None] * drawn[:, None, :] / drawn.sum(-1)[:, None, None]
        return Fit(
            precision=precision,
            decoder=self._spread(solved.matrices, arrived),
            uncertainty=solved.uncertainty,
            variances=predictor.moments.variances,
            temperature=predictor.temperature,
        )

    def _solve(self, arrived: Tensor) -> Tensor:
        rows = arrived.reshape(-1, arrived.shape[-1])
        matrices = self._predictor(arrived.shape[-1]).matrices(self._sites.arrived(rows))
        return self._spread(matrices, rows).reshape(*arrived.shape[:-1], self.queries, arrived.shape[-1])

    def _predictor(self, arrived: int) -> Predictor:
        return Predictor.of(
            self._sites, self.kernel_for(arrived), measured=self._measured, has_copies=self.lambda_enc == 0
        )

    def _spread(self, matrices: Tensor, arrived: Tensor) -> Tensor:
        """Return decoders [M, K, P] of distinct nodes as those of workers [M, F], who share what is at their node."""
        rank = self._sites.rank[arrived]
        many = (rank[:, :, None] == rank[:, None, :]).sum(-1).to(torch.float64)
        spread: Tensor = matrices.gather(-1, rank[:, None, :].expand(-1, self.queries, -1)) / many[:, None, :]
        return spread
