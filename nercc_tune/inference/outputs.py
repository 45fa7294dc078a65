"""The answers of the workers for a set of groups: computed once for each encoder, counted, and kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import torch
from torch import Tensor

from nercc_tune.coding import BASE, TrainedCode
from nercc_tune.errors import OutputError
from nercc_tune.inference.forward import ForwardEngine
from nercc_tune.inference.store import OutputStore, tensor_key
from nercc_tune.records import OutputKind
from nercc_tune.records.timings import Timings


@dataclass(frozen=True, kw_only=True, eq=False)
class Groups:
    """Groups of real queries.

    Attributes:
        queries: [G, K, …] float32.
        labels: [G, K] int64.
        key: Identifies the workload and the drawn queries; outputs are kept under it.
        output_kind: What the model answers with.
    """

    queries: Tensor
    labels: Tensor
    key: str
    output_kind: OutputKind = "logits"


class WorkerOutputs:
    """Answers [G, N, c] of the workers on fixed groups, for any encoder.

    They depend on the encoder alone, not on λ_dec, on who arrives, on which worker is which, or on the decode space:
    one forward pass serves all of these. The groups are run in blocks, so that a hopeless encoder can be given up
    after some of them. All outputs lie on the engine's device. Attributes:

        blocks: The groups of each block.
        forwards: Passes over the groups that were computed here; a block counts by its share of the groups.
        reused: Passes that were found in memory or on disk instead.
    """

    def __init__(
        self, groups: Groups, *, engine: ForwardEngine, store: OutputStore, timings: Timings, blocks: int = 1
    ) -> None:
        self.groups = groups
        count = len(groups.queries)
        edges = [count * block // blocks for block in range(blocks + 1)]
        self.blocks = tuple(slice(low, high) for low, high in pairwise(edges))
        self._engine = engine
        self._store = store
        self._timings = timings
        self._latest: tuple[Tensor, Tensor] | None = None
        self._run_groups = 0
        self._found_groups = 0

    @property
    def forwards(self) -> float:
        """Passes over the groups that were computed here."""
        return self._run_groups / len(self.groups.queries)

    @property
    def networks(self) -> tuple[str, ...]:
        """The names of the networks that workers may run."""
        return self._engine.networks

    @property
    def reused(self) -> float:
        """Passes over the groups that were found in memory or on disk."""
        return self._found_groups / len(self.groups.queries)

    def uncoded(self) -> Tensor:
        """Return the model's outputs [G, K, c] on the queries themselves.

        Raises:
            OutputError: If an output is not finite.
        """
        queries = self.groups.queries.shape[1]
        outputs = self._all_blocks(torch.eye(queries, dtype=torch.float64), ())
        _check_finite(outputs, "the model's outputs on plain queries")
        return outputs

    def of(self, encoder: Tensor, *, networks: Sequence[str] | None = None, may_overflow: bool = False) -> Tensor:
        """Return the answers [G, N, c] to the coded queries of an encoder [N, K], or [G, N, K] of one for each group.

        An encoder that sends plain queries only (or nothing) to the model that is served needs no pass of its own: its
        answers are uncoded outputs.

        Args:
            encoder: What is sent.
            networks: The name of the network that each of the N workers runs; None where all run the model.
            may_overflow: Whether answers may be no numbers, as wrong ones may.

        Raises:
            OutputError: If an answer is not finite.
        """
        others = () if networks is None or set(networks) == {BASE} else tuple(networks)
        if self._latest is not None and encoder is self._latest[0] and not others:  # the next cell asks for the same
            self._found_groups += len(self.groups.queries)
            return self._latest[1]
        if _sends_plain(encoder) and not others:
            plain = self.uncoded()
            return encoder.to(plain) @ plain
        answers = self._all_blocks(encoder, others)
        whose = f"the outputs of {', '.join(dict.fromkeys(others))}" if others else "the model's outputs"
        if not may_overflow:
            _check_finite(answers, f"{whose} on coded queries")
        if not others:
            self._latest = encoder, answers
        return answers

    def of_trained(self, code: TrainedCode) -> Tensor:
        """Return the answers [G, N, c] of the workers of a trained code, of which the first K get plain queries.

        Raises:
            OutputError: If an answer is not finite.
        """
        key = tensor_key(self.groups.key, "trained", code.digest)
        answers = self._store.get(key, device=self._engine.device)
        if answers is None:
            answers = self._engine.run_parities(self._queries, code, self._timings)
            self._run_groups += len(answers)
            self._store.put(key, answers)
        else:
            self._found_groups += len(answers)
        _check_finite(answers, "the parity workers' outputs")
        return torch.cat([self.uncoded(), answers], 1)

    def holds(self, encoder: Tensor) -> bool:
        """Whether the answers to an encoder's coded queries are kept for all groups, so that the model need not run."""
        return _sends_plain(encoder) or all(self._key(encoder, block, ()) in self._store for block in self.blocks)

    def of_block(self, encoder: Tensor, block: int) -> Tensor:
        """Return the answers for the groups of one block only.

        Raises:
            OutputError: If an answer is not finite.
        """
        answers = self._kept(encoder, self.blocks[block], ())
        _check_finite(answers, "the model's outputs on coded queries")
        return answers

    def _all_blocks(self, encoder: Tensor, networks: tuple[str, ...]) -> Tensor:
        parts = [self._kept(encoder, block, networks) for block in self.blocks]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _kept(self, encoder: Tensor, block: slice, networks: tuple[str, ...]) -> Tensor:
        key = self._key(encoder, block, networks)
        answers = self._store.get(key, device=self._engine.device)
        if answers is not None:
            self._found_groups += len(answers)
            return answers
        queries = self._queries[block]
        answers = self._engine.run(queries, _own(encoder, block), self._timings, networks=networks or None)
        self._run_groups += len(queries)
        self._store.put(key, answers)
        return answers

    @cached_property
    def _queries(self) -> Tensor:
        """The queries, where the engine has them at hand."""
        return self._engine.resident(self.groups.queries)

    def _key(self, encoder: Tensor, block: slice, networks: tuple[str, ...]) -> str:
        own = _own(encoder, block)
        part = () if len(self.blocks) == 1 else (f"{block.start}:{block.stop}",)
        return tensor_key(self.groups.key, str(tuple(own.shape)), own, *part, *networks)


def _sends_plain(encoder: Tensor) -> bool:
    """Whether each worker gets one of the queries as it is, or nothing."""
    return bool(((encoder == 0) | (encoder == 1)).all()) and bool((encoder.sum(-1) <= 1).all())


def _own(encoder: Tensor, block: slice) -> Tensor:
    """Return the encoders of the groups of a block, where each group has one."""
    return encoder[block] if encoder.ndim > 2 else encoder


def _check_finite(outputs: Tensor, what: str) -> None:
    if not bool(torch.isfinite(outputs).all()):
        bad = int((~torch.isfinite(outputs)).any(-1).sum())
        raise OutputError(f"{what} must be finite, but {bad} of {outputs[..., 0].numel()} are not.")
