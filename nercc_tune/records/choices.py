"""What is chosen beside λ."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from nercc_tune.records.strict_json import Strict

__all__ = ["DECODE_SPACES", "DecodeSpace", "Design", "Encoding", "OutputKind", "Reading"]

DecodeSpace = Literal["probabilities", "logits", "logits-softmax"]
DECODE_SPACES: tuple[DecodeSpace, ...] = ("probabilities", "logits", "logits-softmax")
"""Where the decoder works: on probabilities; on logits, with the MSE in logits; on logits with a softmax after it."""

OutputKind = Literal["logits", "probabilities"]
"""What a model's outputs are; log-probabilities are logits."""

Reading = tuple[str, DecodeSpace]
"""An assignment and a decode space: what may be chosen once the answers are there."""


@dataclass(frozen=True, kw_only=True)
class Encoding(Strict):
    """What decides the workers' outputs; everything else is decided after they are there."""

    ordering: str = "arrival"
    nodes: str = "chebyshev"
    lambda_enc: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Design(Strict):
    """All of a code but its smoothing.

    Attributes:
        ordering: Which query of a group goes to which α, a name of `nercc_tune.coding.ORDERINGS`.
        nodes: Where α and β lie, a name of `nercc_tune.coding.node_kinds`.
        chord_power: Power of the distance between consecutive queries by which `chord-length` spaces α.
        assignment: Which worker computes at which β, a name of `nercc_tune.coding.ASSIGNMENTS`.
        rack: Workers a rack, consecutive in number; for `interleaved`.
        decode_space: Where the decoder works.
    """

    ordering: str = "arrival"
    nodes: str = "chebyshev"
    chord_power: float = 0.5
    assignment: str = "identity"
    rack: int | None = None
    decode_space: DecodeSpace = "probabilities"

    def encoding(self, lambda_enc: float) -> Encoding:
        """Return what decides the workers' outputs at a λ_enc."""
        return Encoding(ordering=self.ordering, nodes=self.nodes, lambda_enc=lambda_enc)

    def with_encoding(self, encoding: Encoding) -> Design:
        """Return the design with another ordering and other nodes."""
        return replace(self, ordering=encoding.ordering, nodes=encoding.nodes)

    @property
    def is_in_logits(self) -> bool:
        """Whether the decoder reads logits."""
        return self.decode_space != "probabilities"

    @property
    def label(self) -> str:
        """The design in words: what differs from the paper's, or its nodes alone."""
        parts = [self.nodes]
        parts += [self.ordering] if self.ordering != "arrival" else []
        parts += [self.assignment] if self.assignment != "identity" else []
        return ", ".join([*parts, self.decode_space])
