"""What the workers of a cell answer, liars among them, and how a decoder that may distrust them reads it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from torch import Tensor

from nercc_tune.coding import nodal_code, worker_positions
from nercc_tune.coding.answer_reader import Placed
from nercc_tune.inference.calibration import Calibration
from nercc_tune.inference.cell_masks import CellMasks
from nercc_tune.inference.decoders import DistrustingDecoding
from nercc_tune.inference.drawn_groups import DrawnGroups
from nercc_tune.inference.layout import Layout
from nercc_tune.inference.metrics import Truth
from nercc_tune.inference.wrong_answers import GivenAnswers
from nercc_tune.records import Encoding, ErrorKind, Reading, Trusting
from nercc_tune.splines.coinciding import ranks

__all__ = ["CellAnswers"]


@dataclass(frozen=True, kw_only=True, eq=False)
class CellAnswers:
    """Gives the answers under the masks of a cell.

    Attributes:
        drawn: The groups.
        masks: Who arrives, and who of them lies.
        calibration: The moments that calibrated decoders use.
    """

    drawn: DrawnGroups
    masks: CellMasks
    calibration: Calibration

    def to_decoder(self, encoding: Encoding, reading: Reading, answers: Tensor, truth: Truth) -> DistrustingDecoding:
        """Return the answers to an encoding for a decoder that may distrust them.

        Args:
            encoding: What is sent, at nodes that all groups share.
            reading: How it is read.
            answers: [G, N, c] right outputs.
            truth: Of the same groups, in the decode space.
        """
        assignment, space, kind = reading
        layout = self.drawn.layout(encoding)
        folds = self.calibration.folds_for(self.drawn, encoding, space) if kind == "calibrated" else None

        def codes(trusting: Trusting) -> Sequence[tuple[slice, Placed]]:
            nodes, lambda_enc = layout.nodes, encoding.lambda_enc
            return [
                (groups, nodal_code(kind, nodes, lambda_enc=lambda_enc, trusting=trusting, measured=moments))
                for groups, moments in folds or [(slice(None), None)]
            ]

        stale = self.drawn.stale
        given = self.by(assignment, layout, answers, truth, lambda error: stale(encoding, error))
        typical = partial(self.calibration.typical, encoding, space)
        return DistrustingDecoding(given=given, codes=codes, typical=typical)

    def by(
        self,
        assignment: str,
        layout: Layout,
        answers: Tensor,
        truth: Truth,
        stale: Callable[[ErrorKind], Tensor],
    ) -> GivenAnswers:
        """Return the answers of workers that sit where an assignment puts them.

        Args:
            assignment: Which worker sits where in β.
            layout: Of the nodes.
            answers: [G, N, c] right outputs.
            truth: Of the same groups, in the decode space.
            stale: Gives the outputs of a model whose weights are off.
        """
        beta, rack = layout.nodes.beta, self.drawn.reference.rack
        errors = self.masks.errors
        return GivenAnswers(
            lies=None if errors is None else errors.lies,
            batches=self.masks.positions(assignment, beta, rack=rack),
            position=worker_positions(assignment, beta, rack=rack),
            outputs=answers,
            read=truth.answers,
            stale=stale,
            rank=ranks(beta),
        )
