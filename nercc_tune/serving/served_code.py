"""A tuned code as a serving system runs it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import override

from nercc_tune.coding import (
    FITTED_NODES,
    DistrustingCode,
    GroupCode,
    LinearCode,
    Moments,
    NodeSet,
    PlacedCode,
    Placement,
    Typical,
    nodal_code,
    node_set,
)
from nercc_tune.records import (
    Design,
    Distrust,
    Distrusting,
    Parameter,
    trusting_of,
)
from nercc_tune.serving.by_answers import ByAnswers, Setting


class ServedCode(LinearCode):
    """A tuned code: `on(queries)` gives the code of a group, in which the group's order and nodes travel.

    A design that does not look at the queries is the same for all groups, and can also be used directly.

    Args:
        design: Ordering, nodes, assignment and decode space.
        queries: K.
        workers: N.
        lambda_enc: λ_enc.
        parameter: What the decoder is set to, λ_dec or a kernel, and how it distrusts; or all that by the number of
            answers.
        moments: What a calibrated decoder was calibrated to.
        typical: What right answers look like, for a distrust that looks at it.

    Attributes:
        design: The same. With `decode_space` "probabilities" the workers' softmax outputs are decoded, otherwise their
            logits; the estimates of "logits-softmax" still need the softmax. Where `table.workload.output_kind` is
            "probabilities", the workers' outputs are decoded as they are, or in place of logits their logarithms,
            `outputs.clamp_min(torch.finfo(torch.float32).tiny).log()`.
    """

    def __init__(  # noqa: PLR0913 - each is its own, and all but the design are named
        self,
        design: Design,
        *,
        queries: int,
        workers: int,
        lambda_enc: float,
        parameter: Setting,
        moments: Moments | None = None,
        typical: Typical | None = None,
    ) -> None:
        super().__init__(queries=queries, workers=workers)
        self.design = design
        self.lambda_enc = lambda_enc
        self.parameter = parameter
        self._moments = moments
        self._typical = typical
        self._group_code = GroupCode(self.at_nodes, queries=queries, workers=workers, placement=Placement.of(design))

    def on(self, queries: Tensor | NDArray[Any], *, features: Callable[[Tensor], Tensor] | None = None) -> LinearCode:
        """Return the code of one group of queries [K, …].

        Args:
            queries: The group, a tensor or a NumPy array.
            features: As in the launch, if one was given there.

        Raises:
            ValueError: If there are not K queries, or they are not finite.
        """
        return self._group_code.on(queries, features=features)

    def parameter_for(self, arrived: int) -> Parameter:
        """Return what the decoder is set to for a number F of answers."""
        return self.parameter(arrived) if isinstance(self.parameter, ByAnswers) else self.parameter

    @property
    @override
    def is_distrusting(self) -> bool:
        return isinstance(self.parameter, Distrusting) or (
            isinstance(self.parameter, ByAnswers) and self.parameter.is_distrusting
        )

    @override
    def read(self, answers: Tensor, workers: Tensor, *, dim: int) -> tuple[Tensor, tuple[int, ...]]:
        return self._same_for_all.read(answers, workers, dim=dim)

    def at_nodes(self, nodes: NodeSet) -> LinearCode:
        """Return the code at the nodes of a group, for queries in their order."""
        trusting = nodal_code(
            self.design.decoder,
            nodes,
            lambda_enc=self.lambda_enc,
            trusting=lambda arrived: trusting_of(self.parameter_for(arrived)),
            measured=self._moments,
        )
        if not self.is_distrusting:
            return trusting
        return DistrustingCode(trusting, self._distrust_for, typical=self._typical)

    def _distrust_for(self, arrived: int) -> Distrust | None:
        parameter = self.parameter_for(arrived)
        return parameter.distrust if isinstance(parameter, Distrusting) else None

    def _build_encoder(self) -> Tensor:
        return self._same_for_all.encoder_matrix

    def _build_decoder(self, arrived: Tensor) -> Tensor:
        return self._same_for_all.decoder_matrix(arrived)

    @cached_property
    def _same_for_all(self) -> LinearCode:
        if self.design.ordering != "arrival" or self.design.nodes in FITTED_NODES:
            raise ValueError(
                f"the code ({self.design.label}) differs from group to group; take `group = code.on(queries)`, "
                f"then `group.encode(queries)` and `group.decode(answers, arrived)`."
            )
        nodes = node_set(self.design.nodes, queries=self.queries, workers=self.workers)
        return PlacedCode(self.at_nodes(nodes), position=self._group_code.position)
