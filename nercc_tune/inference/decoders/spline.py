"""Smoothing-spline decoders of fixed masks, ready for every λ_dec."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from typing_extensions import override

from nercc_tune.coding import NodeSet
from nercc_tune.inference.decoders.decoder import Decoder, Decoding, ErrorCurve
from nercc_tune.inference.metrics import Truth
from nercc_tune.records import Parameter, smoothing_of
from nercc_tune.splines import SplineSpectrum

# Estimates decoded at once, in numbers: bounds the memory of masks × groups × queries × outputs.
_DECODED_NUMBERS = 2**25


class SplineDecoder(Decoder):
    """The decoders of masks with equally many answers, for all λ_dec after one eigendecomposition a mask.

    With the decoder `Φ diag(s) Vᵀ`, `s = 1 / (1 + λ d)`, the answers Y need `Vᵀ Y` once. Then a λ costs a scaling and
    a product; and the squared error alone, where all groups share their α, only a quadratic form (`error_curve`). The
    decompositions do not depend on the answers: one decoder serves every λ_enc.

    Args:
        nodes: β [N], and α [K] of all groups or [G, K] of each.
        arrived: [M, F] positions in β of the answers, ascending.
    """

    def __init__(self, nodes: NodeSet, arrived: Tensor) -> None:
        self.arrived = arrived
        self.is_shared = nodes.alpha.ndim == 1
        sites = nodes.alpha if self.is_shared else nodes.alpha[:, None, :]
        spectrum = SplineSpectrum.of(nodes.beta[arrived], sites)
        self._spectrum = spectrum
        self._basis = spectrum.basis.to(torch.float32)
        sites_of_masks = spectrum.sites if self.is_shared else spectrum.sites.transpose(0, 1)
        self._sites = sites_of_masks.mT.to(torch.float32).contiguous()

    @override
    def prepare(self, answers: Tensor, *, groups: slice = slice(None)) -> Decoding:
        return _SplineDecoding(decoder=self, answers=answers, transformed=self.transform(answers), groups=groups)

    def transform(self, answers: Tensor) -> Tensor:
        """Return `Yᵀ V`, [M, G, c, k] float32, k ≤ F, of answers [G, N, c] in the decode space."""
        groups, _, outputs = answers.shape
        picked = answers.transpose(0, 1).flatten(1)[self.arrived]
        return (picked.mT @ self._basis.to(picked.device)).reshape(len(self.arrived), groups, outputs, -1)

    def decode(self, transformed: Tensor, smoothing: float, *, groups: slice = slice(None)) -> Iterator[Tensor]:
        """Yield the estimates [m, G, K, c] of all masks in turn, a part at a time.

        In memory the queries stand last, which is what the metrics are quick on.

        Args:
            transformed: Of the answers of `groups`.
            smoothing: λ_dec.
            groups: Which of the groups the answers are of.
        """
        shrinkage, sites = self._shrinkage(smoothing).to(transformed.device), self._sites.to(transformed.device)
        count, outputs = transformed.shape[1:3]
        at_once = max(1, _DECODED_NUMBERS // (count * self._sites.shape[-1] * outputs))
        for part in range(0, len(self.arrived), at_once):
            masks = slice(part, part + at_once)
            shrunk = transformed[masks] * shrinkage[masks, None, None]
            if self.is_shared:
                yield (shrunk.flatten(1, 2) @ sites[masks]).unflatten(1, (count, outputs)).mT
            else:
                yield (shrunk @ sites[masks, groups]).mT

    def error_curve(self, answers: Tensor, truth: Truth) -> ErrorCurve:
        """Return the MSE as a function of λ [L]: [M, L] float64, exact for all λ ≥ 0.

        It is `sᵀ [(ΦᵀΦ) ∘ (VᵀGV)] s − 2 sᵀ diag(ΦᵀCV) + e` with the Gram matrices `G = Σ Y Yᵀ`, `C = Σ T Yᵀ`,
        `e = Σ ‖T‖²` of the answers Y and the true outputs T, summed once over groups and outputs.

        Raises:
            ValueError: If the groups do not share their α, or the MSE is measured after a softmax.
        """
        if not self.is_shared or truth.decode_space == "logits-softmax":
            raise ValueError("the error is a quadratic form only for shared α and in the decode space itself.")
        read = answers.to(torch.float64).transpose(0, 1).flatten(1)
        outputs = truth.outputs.to(torch.float64).transpose(0, 1).flatten(1)
        queries = truth.labels.numel()
        gram, cross = (read @ read.mT).cpu() / queries, (outputs @ read.mT).cpu() / queries
        arrived, basis, sites = self.arrived, self._spectrum.basis, self._spectrum.sites
        form = self._site_gram * (basis.mT @ gram[arrived[:, :, None], arrived[:, None, :]] @ basis)
        linear = (sites * (cross[:, arrived].transpose(0, 1) @ basis)).sum(1)
        constant = outputs.square().sum().cpu() / queries

        def curve(smoothing: Tensor) -> Tensor:
            shrinkage = self._spectrum.shrinkage(smoothing)
            return ((shrinkage @ form) * shrinkage).sum(-1) - 2 * (shrinkage @ linear[..., None])[..., 0] + constant

        return curve

    @override
    def df(self, parameter: Parameter) -> Tensor:
        return self._spectrum.shrinkage(torch.tensor([smoothing_of(parameter)], dtype=torch.float64)).sum(-1)[:, 0]

    @cached_property
    def _site_gram(self) -> Tensor:
        return self._spectrum.sites.mT @ self._spectrum.sites

    def _shrinkage(self, smoothing: float) -> Tensor:
        at = torch.tensor([smoothing], dtype=torch.float64)
        return self._spectrum.shrinkage(at)[:, 0].to(torch.float32)


@dataclass(frozen=True, kw_only=True, eq=False)
class _SplineDecoding(Decoding):
    decoder: SplineDecoder
    answers: Tensor
    transformed: Tensor
    groups: slice

    @override
    def estimates(self, parameter: Parameter) -> Iterator[Tensor]:
        return self.decoder.decode(self.transformed, smoothing_of(parameter), groups=self.groups)

    @override
    def error_curve(self, truth: Truth) -> ErrorCurve | None:
        if not self.decoder.is_shared or truth.decode_space == "logits-softmax":
            return None
        return self.decoder.error_curve(self.answers, truth)
