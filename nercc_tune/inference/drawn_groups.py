"""Groups of queries that were drawn, with all that codes need of them: outputs, layouts and truths, each made once."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from nercc_tune.coding import Placement
from nercc_tune.inference.availability import find_carriers
from nercc_tune.inference.device import threads_for
from nercc_tune.inference.layout import Features, Layout
from nercc_tune.inference.metrics import Truth
from nercc_tune.inference.outputs import WorkerOutputs
from nercc_tune.inference.stale import find_stale
from nercc_tune.inference.trained_codes import TrainedCodes
from nercc_tune.records import DecodeSpace, Design, Encoding, ErrorKind
from nercc_tune.records.timings import Timings


class DrawnGroups:
    """The groups of one part of a study.

    Attributes:
        outputs: The workers' answers for any encoder.
        timings: Gets the seconds of what is done with them.
    """

    def __init__(
        self,
        outputs: WorkerOutputs,
        *,
        reference: Design,
        workers: int,
        features: Features | None,
        timings: Timings,
        trained: TrainedCodes | None = None,
    ) -> None:
        self.outputs = outputs
        self.reference = reference
        self.workers = workers
        self._features = features
        self._trained = trained
        self.timings = timings
        self._layouts: dict[tuple[str, str], Layout] = {}
        self._truths: dict[tuple[str, str, str], Truth] = {}
        self._latest: tuple[Encoding, Tensor] | None = None
        self._stale: dict[str, tuple[Encoding, Tensor]] = {}

    def layout(self, design: Design | Encoding) -> Layout:
        """Return the layout of an ordering and a kind of nodes; making one counts as encoding."""
        key = (design.ordering, design.nodes)
        if key not in self._layouts:
            placement = Placement.of(replace(self.reference, ordering=design.ordering, nodes=design.nodes))
            queries = self.outputs.groups.queries
            with self.timings.measure("encode"), threads_for(0):
                self._layouts[key] = Layout.of(queries, placement, workers=self.workers, features=self._features)
        return self._layouts[key]

    def truth(self, design: Design | Encoding, decode_space: DecodeSpace) -> Truth:
        """Return the truth in a decode space, in the order of a layout's nodes, on the device of the outputs."""
        key = (design.ordering, design.nodes, decode_space)
        if key not in self._truths:
            layout = self.layout(design)
            groups, uncoded = self.outputs.groups, self.outputs.uncoded()
            self._truths[key] = Truth.of(
                layout.ordered(uncoded),
                layout.ordered(groups.labels.to(uncoded.device)),
                decode_space=decode_space,
                output_kind=groups.output_kind,
            )
        return self._truths[key]

    def answers(self, encoding: Encoding, *, block: int | None = None) -> Tensor:
        """Return the workers' outputs [G, N, c] at an encoding, of all groups or of one block.

        Raises:
            OutputError: If an answer is not finite, or the training of an encoding diverges.
        """
        if encoding.training is not None:
            return self.outputs.of_trained(self.trained.of(encoding.training))
        encoder = self._encoder(encoding)
        return self.outputs.of(encoder) if block is None else self.outputs.of_block(encoder, block)

    def stale(self, encoding: Encoding, kind: ErrorKind) -> Tensor:
        """Return what all workers would answer at an encoding with the stale weights of a kind, [G, N, c].

        Raises:
            OutputError: If an answer is not finite.
            ValueError: If no network with these weights is run here.
        """
        latest = self._stale.get(kind.label)
        if latest is None or latest[0] != encoding:  # every mask of this kind asks for the same
            latest = encoding, self.stale_to(self._encoder(encoding), kind)
            self._stale[kind.label] = latest
        return latest[1]

    def stale_to(self, encoder: Tensor, kind: ErrorKind) -> Tensor:
        """Return the same for an encoder of queries in the order of arrival.

        Raises:
            OutputError: As for `stale`; likewise `ValueError`.
        """
        name = find_stale(kind, self.outputs.networks)
        return self.outputs.of(encoder, networks=(name,) * self.workers, may_overflow=True)

    @property
    def trained(self) -> TrainedCodes:
        """What gives the codes of trainings.

        Raises:
            ValueError: If nothing here trains codes.
        """
        if self._trained is None:
            raise ValueError("the code must be one that needs no training, for nothing here trains codes.")
        return self._trained

    def carriers(self, encoding: Encoding) -> Tensor:
        """Return who carries which query at an encoding, [K, N] or [G, K, N], queries and workers in nodes' order."""
        if encoding.training is not None:
            code = self.trained.of(encoding.training)
            return torch.eye(code.queries, code.workers, dtype=torch.bool)
        return self.layout(encoding).ordered(find_carriers(self._encoder(encoding)))

    def _encoder(self, encoding: Encoding) -> Tensor:
        """Return the encoder of all groups; the latest is kept, for each cell of a study asks for it in turn."""
        layout = self.layout(encoding)
        if self._latest is None or self._latest[0] != encoding:
            with self.timings.measure("encode"):
                self._latest = encoding, layout.encoder(encoding.lambda_enc)
        return self._latest[1]
