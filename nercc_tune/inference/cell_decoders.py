"""The decoders of a cell: of every encoding and reading one for all of its masks."""

from __future__ import annotations

from torch import Tensor

from nercc_tune.coding import RationalCode, Sites
from nercc_tune.inference.calibration import Calibration
from nercc_tune.inference.cell_masks import CellMasks
from nercc_tune.inference.decoders import (
    Decoder,
    JoinedDecoder,
    KrigingDecoder,
    MatrixDecoder,
    SplineDecoder,
    TrainedDecoder,
)
from nercc_tune.inference.drawn_groups import DrawnGroups
from nercc_tune.inference.layout import Layout
from nercc_tune.records import DEGREES, DecodeSpace, Encoding, Reading

__all__ = ["CellDecoders"]


class CellDecoders:
    """Makes the decoders of a cell; a spline's is made once for a layout.

    Args:
        drawn: The groups.
        masks: Who arrives.
        calibration: The moments that calibrated decoders use.
    """

    def __init__(self, drawn: DrawnGroups, masks: CellMasks, calibration: Calibration) -> None:
        self._drawn = drawn
        self._masks = masks
        self._calibration = calibration
        self._splines: dict[tuple[str, str, str], JoinedDecoder] = {}

    def of(self, encoding: Encoding, reading: Reading) -> Decoder:
        """Return the decoder of a reading."""
        assignment, space, kind = reading
        if encoding.training is not None:
            return TrainedDecoder(self._drawn.trained.of(encoding.training), self._masks.batches)
        if kind == "spline":
            return self.spline(encoding, assignment)
        if kind in DEGREES:
            layout = self._drawn.layout(encoding)
            rational = RationalCode(layout.nodes, lambda_enc=encoding.lambda_enc, degree=DEGREES[kind])
            return MatrixDecoder(rational, self.positions(assignment, layout))
        return self.kriging(encoding, assignment, space, is_calibrated=kind == "calibrated")

    def spline(self, encoding: Encoding, assignment: str) -> JoinedDecoder:
        """Return a spline, whatever its λ_dec."""
        layout = self._drawn.layout(encoding)
        # Nodes that are the same for all groups are so for every ordering.
        key = (encoding.ordering if layout.nodes.alpha.ndim > 1 else "", encoding.nodes, assignment)
        if key not in self._splines:
            batches = self.positions(assignment, layout)
            self._splines[key] = JoinedDecoder([SplineDecoder(layout.nodes, batch) for batch in batches])
        return self._splines[key]

    def kriging(
        self, encoding: Encoding, assignment: str, space: DecodeSpace, *, is_calibrated: bool
    ) -> KrigingDecoder:
        """Return kriging, whatever its kernel."""
        layout = self._drawn.layout(encoding)
        folds = self._calibration.folds_for(self._drawn, encoding, space) if is_calibrated else ()
        positions, has_copies = self.positions(assignment, layout), encoding.lambda_enc == 0
        return KrigingDecoder.of(Sites.of(layout.nodes), positions, has_copies=has_copies, folds=folds)

    def positions(self, assignment: str, layout: Layout) -> list[Tensor]:
        """Return where those who arrived sit among β, [M, F] ascending, a tensor for each number F."""
        return self._masks.positions(assignment, layout.nodes.beta, rack=self._drawn.reference.rack)
