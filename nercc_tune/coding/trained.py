"""Systematic codes whose parity workers, or whose encoder and decoder, are networks that were trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, overload

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nercc_tune.coding.arrived import Arrived, sound_answers, worker_numbers
from nercc_tune.coding.data import Data, like, to_tensor
from nercc_tune.coding.linear import BASE
from nercc_tune.coding.mixers import parity_weights

__all__ = ["TrainedCode", "subtraction_matrix"]


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainedCode:
    """Plain queries for the first K workers, and what a mixer makes of all of them for the R = N − K parity workers.

    Where the answer to a query arrived, it is the estimate. Others are reconstructed: with *parity models* by taking
    what is known off the answers of the parity workers, whose networks give the mix of the outputs from the mix of the
    queries; with a *learned code*, whose parity workers run the base model, by a network on all answers, zeros in place
    of those that are missing.

    All networks are in evaluation mode. Answers are logits.

    Attributes:
        queries: K.
        workers: N.
        mixer: Takes queries [B, K, …] to parity queries [B, R, …].
        parity_networks: Of each parity worker; none where they run the base model.
        decoder: Takes outputs [B, N, c] to estimates [B, K, c]; None for subtraction.
        digest: Of all that was trained.

    Raises:
        ValueError: If there is no parity worker, or there is neither a network for each nor a decoder.

    Reference:
        Kosaian, Rashmi, Venkataraman: Parity Models, SOSP 2019; Learning-Based Coded Computation, JSAIT 2020.
    """

    queries: int
    workers: int
    mixer: nn.Module
    parity_networks: Sequence[nn.Module] = ()
    decoder: nn.Module | None = None
    digest: str = ""

    def __post_init__(self) -> None:
        if not 1 <= self.queries < self.workers:
            raise ValueError(f"`1 <= queries < workers` must hold, but got {self.queries} and {self.workers}.")
        if self.decoder is None and len(self.parity_networks) != self.parities:
            raise ValueError(
                f"`parity_networks` must hold one for each of {self.parities} parity workers where there is no "
                f"`decoder`, but got {len(self.parity_networks)}."
            )

    @property
    def parities(self) -> int:
        """R, the number of parity workers."""
        return self.workers - self.queries

    @property
    def networks(self) -> tuple[str, ...]:
        """The name of the network that each of the N workers runs; `network` gives those that are not the base."""
        names = (f"parity-{number}" for number in range(1, self.parities + 1))
        return (BASE,) * self.queries + (tuple(names) if self.parity_networks else (BASE,) * self.parities)

    def network(self, name: str) -> nn.Module:
        """Return the network of a parity worker by its name in `networks`.

        Raises:
            ValueError: If there is none of this name, which is so of the base model.
        """
        known = [each for each in self.networks if each != BASE]
        if name not in known:
            raise ValueError(f"`name` must be one of {', '.join(known) or 'none at all'}, but got {name!r}.")
        return self.parity_networks[known.index(name)]

    def modules(self) -> dict[str, nn.Module]:
        """Return all networks of the code by name: `mixer`, `decoder`, `parity-1` and so on."""
        found = {"mixer": self.mixer} | ({} if self.decoder is None else {"decoder": self.decoder})
        return found | {f"parity-{number}": network for number, network in enumerate(self.parity_networks, start=1)}

    def parity_answers(self, queries: Tensor, base: Callable[[Tensor], Tensor]) -> Tensor:
        """Return what the parity workers answer, [B, R, c] float32, to queries [B, K, …].

        Args:
            queries: Of many groups, where the networks are.
            base: The model that is served, which they run if they have no networks of their own.
        """
        mixed: Tensor = self.mixer(queries)
        if not self.parity_networks:
            shared = base(mixed.flatten(0, 1)).float()
            return shared.reshape(*mixed.shape[:2], -1)
        answers = [network(mixed[:, at]).float() for at, network in enumerate(self.parity_networks)]
        return torch.stack(answers, 1)

    def on(
        self,
        queries: Tensor | NDArray[Any],  # noqa: ARG002 - other codes look at both
        *,
        features: Callable[[Tensor], Tensor] | None = None,  # noqa: ARG002
    ) -> TrainedCode:
        """Return the code of one group of queries [K, …], which is this one."""
        return self

    def encode(self, queries: Data, *, dim: int = 0) -> Data:
        """Return what the N workers are sent for the K queries of a group.

        Args:
            queries: Floating point, with the K queries of a group along `dim`; a tensor or a NumPy array.
            dim: The axis that holds the queries.

        Raises:
            ValueError: If the axis does not hold K queries, or the data is not floating point.
        """
        data = to_tensor("queries", queries)
        if data.shape[dim] != self.queries:
            raise ValueError(f"`queries` must hold {self.queries} queries along axis {dim}, but got {data.shape[dim]}.")
        if not data.is_floating_point():
            raise ValueError(f"the data must be floating point, but got {data.dtype}; convert and normalise it first.")
        plain = data.movedim(dim, 0)
        weights = next(self.mixer.parameters(), None)
        half = data.dtype in (torch.float16, torch.bfloat16)
        dtype = weights.dtype if weights is not None else torch.float32 if half else data.dtype
        there = data.device if weights is None else weights.device
        with torch.no_grad():
            parities = self.mixer(plain[None].to(device=there, dtype=dtype))[0].to(data)
        return like(queries, torch.cat([plain, parities]).movedim(0, dim))

    @overload
    def decode(
        self, answers: Data, arrived: Arrived, *, dim: int = 0, return_suspects: Literal[False] = False
    ) -> Data: ...

    @overload
    def decode(
        self, answers: Data, arrived: Arrived, *, dim: int = 0, return_suspects: Literal[True]
    ) -> tuple[Data, tuple[int, ...]]: ...

    def decode(
        self, answers: Data, arrived: Arrived, *, dim: int = 0, return_suspects: bool = False
    ) -> Data | tuple[Data, tuple[int, ...]]:
        """Estimate the K outputs from the answers of the workers that arrived; as `LinearCode.decode`.

        Args:
            answers: Logits, floating point, two axes: the F answers along `dim`, the outputs along the other.
            arrived: Worker numbers in the order of their answers, or a mask [N] of booleans.
            dim: The axis that holds the answers.
            return_suspects: Also return the numbers of the workers whose answers are not finite, and do not warn.

        Raises:
            ValueError: As for `LinearCode.decode`.
        """
        given, workers = to_tensor("answers", answers), worker_numbers(arrived, self.workers)
        if given.ndim != 2 or not given.is_floating_point():
            raise ValueError(
                f"`answers` must be floating point [F, c], but got {given.dtype} of shape {tuple(given.shape)}."
            )
        data, workers, suspects = sound_answers(given, workers, dim=dim, is_silent=return_suspects)
        rows, order = data.movedim(dim, 0), workers.argsort()
        estimates = self.reconstruct(rows[order][None], workers[order])[0].movedim(0, dim).to(given.dtype)
        decoded = like(answers, estimates)
        return (decoded, suspects) if return_suspects else decoded

    def reconstruct(self, answers: Tensor, arrived: Tensor) -> Tensor:
        """Return estimates [G, K, c] of many groups from the answers [G, F, c] of those who arrived [F], ascending."""
        if self.decoder is None:
            matrix = subtraction_matrix(arrived, queries=self.queries, workers=self.workers)
            dtype = torch.float32 if answers.dtype in (torch.float16, torch.bfloat16) else answers.dtype
            return matrix.to(device=answers.device, dtype=dtype) @ answers.to(dtype)
        given = answers.new_zeros(len(answers), self.workers, answers.shape[-1])
        given[:, arrived] = answers
        there = next(self.decoder.parameters()).device
        with torch.no_grad():
            estimates: Tensor = self.decoder(given.to(device=there, dtype=torch.float32)).to(answers)
        known = arrived[arrived < self.queries]
        estimates[:, known] = given[:, known]
        return estimates


def subtraction_matrix(arrived: Tensor, *, queries: int, workers: int) -> Tensor:
    """Return the matrix [K, F] float64 that takes the answers of those who arrived [F], ascending, to the estimates.

    Parity worker i gives `Σ_j w_ij f(x_j)` (`parity_weights`). What is known of it is taken off, and the missing
    outputs are the least-squares solution of what is left, of least norm where that does not determine them.
    """
    known, present = arrived[arrived < queries], arrived[arrived >= queries] - queries
    lost = torch.tensor([query for query in range(queries) if query not in set(known.tolist())], dtype=torch.int64)
    matrix = torch.zeros(queries, len(arrived), dtype=torch.float64)
    matrix[known, torch.arange(len(known))] = 1.0
    if len(lost) and len(present):
        weights = parity_weights(queries, workers - queries)[present]
        solved = torch.linalg.pinv(weights[:, lost])
        matrix[lost, : len(known)] = -solved @ weights[:, known]
        matrix[lost[:, None], torch.arange(len(known), len(arrived))] = solved
    return matrix
