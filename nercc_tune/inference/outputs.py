"""The answers of the workers for a set of groups: computed once for each encoder, counted, and kept."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nercc_tune.errors import OutputError
from nercc_tune.inference.forward import ForwardEngine
from nercc_tune.inference.store import OutputStore, tensor_key
from nercc_tune.timings import Timings


@dataclass(frozen=True, kw_only=True, eq=False)
class Groups:
    """Groups of real queries.

    Attributes:
        queries: [G, K, …] float32.
        labels: [G, K] int64.
        key: Identifies the workload and the drawn queries; outputs are kept under it.
    """

    queries: Tensor
    labels: Tensor
    key: str


class WorkerOutputs:
    """Answers [G, N, c] of the workers on fixed groups, for any encoder.

    They depend on the encoder alone, not on λ_dec, on who arrives, or on the decode space: one forward pass serves all
    of these. Attributes:

        forwards: Passes over the groups that were computed here.
        reused: Passes that were found in memory or on disk instead.
    """

    def __init__(self, groups: Groups, *, engine: ForwardEngine, store: OutputStore, timings: Timings) -> None:
        self.groups = groups
        self._engine = engine
        self._store = store
        self._timings = timings
        self.forwards = 0
        self.reused = 0

    def uncoded(self) -> Tensor:
        """Return the model's outputs [G, K, c] on the queries themselves.

        Raises:
            OutputError: If an output is not finite.
        """
        queries = self.groups.queries.shape[1]
        outputs = self._kept(torch.eye(queries, dtype=torch.float64))
        _check_finite(outputs, "the model's outputs on plain queries")
        return outputs

    def of(self, encoder: Tensor) -> Tensor:
        """Return the answers [G, N, c] to the coded queries of an encoder [N, K].

        An encoder that sends plain queries only (or nothing) needs no pass of its own: its answers are uncoded outputs.

        Raises:
            OutputError: If an answer is not finite.
        """
        if bool(((encoder == 0) | (encoder == 1)).all()) and bool((encoder.sum(-1) <= 1).all()):
            return encoder.to(torch.float32) @ self.uncoded()
        answers = self._kept(encoder)
        _check_finite(answers, "the model's outputs on coded queries")
        return answers

    def _kept(self, encoder: Tensor) -> Tensor:
        key = tensor_key(self.groups.key, str(tuple(encoder.shape)), encoder)
        answers = self._store.get(key)
        if answers is not None:
            self.reused += 1
            return answers
        answers = self._engine.run(self.groups.queries, encoder, self._timings)
        self.forwards += 1
        self._store.put(key, answers)
        return answers


def _check_finite(outputs: Tensor, what: str) -> None:
    if not bool(torch.isfinite(outputs).all()):
        bad = int((~torch.isfinite(outputs)).any(-1).sum())
        raise OutputError(f"{what} must be finite, but {bad} of {outputs[..., 0].numel()} are not.")
