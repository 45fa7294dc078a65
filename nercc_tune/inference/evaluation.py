"""One cell on fixed draws: any code and every baseline, on the same groups and masks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from nercc_tune.coding import BASELINE_CODES
from nercc_tune.inference.cell_masks import CellMasks
from nercc_tune.inference.decoders import (
    Decoder,
    JoinedDecoder,
    SplineDecoder,
    best_parameter,
    decode_by_matrices,
    profile_of,
)
from nercc_tune.inference.device import threads_for
from nercc_tune.inference.drawn_groups import DrawnGroups
from nercc_tune.inference.layout import Layout
from nercc_tune.inference.metrics import MaskedMetrics, measure
from nercc_tune.records import Cell, Design, Encoding, Goal, Option, Reading
from nercc_tune.records.timings import Timings
from nercc_tune.straggling import Arrivals


class CellEvaluator:
    """Evaluates codes in one cell on fixed groups and masks."""

    def __init__(
        self, cell: Cell, arrivals: Arrivals, *, drawn: DrawnGroups, goal: Goal, grid: Sequence[float], timings: Timings
    ) -> None:
        self.cell = cell
        self.drawn = drawn
        self._goal = goal
        self._grid = tuple(grid)
        self._timings = timings
        self.masks = CellMasks(arrivals)
        self._decoders: dict[tuple[str, str, str], Decoder] = {}
        self._baselines: dict[tuple[str, Design], MaskedMetrics] = {}

    @property
    def waiting(self) -> float | None:
        """How long is waited on average, in the unit of the latencies; None without a latency model."""
        return self.masks.waiting

    def best(self, encoding: Encoding, readings: Sequence[Reading], *, block: int | None = None) -> tuple[Option, ...]:
        """Find the best λ_dec of each reading, on one forward pass, and return them best first.

        Args:
            encoding: What is sent.
            readings: The assignments and decode spaces to choose from.
            block: Look at the groups of one block only.

        Raises:
            OutputError: If the workers' answers are not finite.
        """
        answers = self.drawn.answers(encoding, block=block)
        with self._timed():
            options = [self._best_of(encoding, reading, answers, block) for reading in readings]
        return tuple(sorted(options, key=lambda option: self._goal.rank(option.score)))

    def option(self, design: Design, lambda_enc: float, lambda_dec: float) -> Option:
        """Evaluate one code, with the profile of its λ_dec.

        Raises:
            OutputError: As for `best`.
        """
        truth = self.drawn.truth(design, design.decode_space)
        read = truth.answers(self.drawn.answers(design.encoding(lambda_enc)))
        with self._timed():
            decoding = self.decoder(design, design.assignment).prepare(read)
            return Option(
                assignment=design.assignment,
                decode_space=design.decode_space,
                lambda_dec=lambda_dec,
                score=measure(decoding.estimates(lambda_dec), truth).score(),
                profile=profile_of(decoding, truth, self._goal, self._grid),
            )

    def metrics(self, design: Design, lambda_enc: float, lambda_dec: float) -> MaskedMetrics:
        """Return the metrics [G, M] of a code.

        Raises:
            OutputError: As for `best`.
        """
        return self.decoding(design, lambda_enc)(lambda_dec)

    def decoding(self, design: Design, lambda_enc: float) -> Callable[[float], MaskedMetrics]:
        """Return the metrics [G, M] of a code as a function of λ_dec; the answers are prepared once for all of them.

        Raises:
            OutputError: As for `best`.
        """
        answers = self.drawn.answers(design.encoding(lambda_enc))
        truth = self.drawn.truth(design, design.decode_space)
        with self._timed():
            decoding = self.decoder(design, design.assignment).prepare(truth.answers(answers))

        def metrics(smoothing: float) -> MaskedMetrics:
            with self._timed():
                return measure(decoding.estimates(smoothing), truth)

        return metrics

    def baseline_metrics(self, name: str, design: Design | None = None) -> MaskedMetrics:
        """Return the metrics [G, M] of a baseline of `nercc_tune.coding.BASELINE_CODES`, computed once.

        Args:
            name: Of the baseline.
            design: Its design; by default the study's own.

        Raises:
            OutputError: As for `best`.
        """
        key = (name, design or self.drawn.reference)
        if key not in self._baselines:
            self._baselines[key] = self._measure_baseline(*key)
        return self._baselines[key]

    def _measure_baseline(self, name: str, design: Design) -> MaskedMetrics:
        if name == "nercc_ag":
            return self.metrics(design, 0.0, 0.0)
        layout = self.drawn.layout(design)
        codes = [BASELINE_CODES[name](nodes) for nodes in layout.nodes.each()]
        encoder = codes[0].encoder_matrix if len(codes) == 1 else torch.stack([code.encoder_matrix for code in codes])
        answers = self.drawn.outputs.of(layout.unordered(encoder), networks=codes[0].networks)
        truth = self.drawn.truth(design, design.decode_space)
        with self._timed():
            positions = self._positions(design.assignment, layout)
            return measure(decode_by_matrices(codes, truth.answers(answers), positions), truth)

    def df_dec(self, design: Design, lambda_dec: float) -> float:
        """Return the decoder's effective degrees of freedom, averaged over the masks."""
        return float(self.decoder(design, design.assignment).df(lambda_dec).mean())

    def decoder(self, placed: Design | Encoding, assignment: str) -> Decoder:
        """Return the decoder of all masks at the nodes of a layout, made once."""
        key = (placed.ordering, placed.nodes, assignment)
        layout = self.drawn.layout(placed)
        if layout.nodes.alpha.ndim == 1:
            key = ("", placed.nodes, assignment)  # the same for every ordering
        if key not in self._decoders:
            batches = self._positions(assignment, layout)
            self._decoders[key] = JoinedDecoder([SplineDecoder(layout.nodes, batch) for batch in batches])
        return self._decoders[key]

    def _best_of(self, encoding: Encoding, reading: Reading, answers: Tensor, block: int | None) -> Option:
        assignment, space = reading
        groups = slice(None) if block is None else self.drawn.outputs.blocks[block]
        truth = self.drawn.truth(encoding, space).part(groups)
        decoding = self.decoder(encoding, assignment).prepare(truth.answers(answers), groups=groups)
        lambda_dec, score, profile = best_parameter(decoding, truth, self._goal, self._grid)
        return Option(assignment=assignment, decode_space=space, lambda_dec=lambda_dec, score=score, profile=profile)

    def _positions(self, assignment: str, layout: Layout) -> list[Tensor]:
        return self.masks.positions(assignment, layout.nodes.beta, rack=self.drawn.reference.rack)

    @contextmanager
    def _timed(self) -> Iterator[None]:
        reference = self.drawn.reference
        numbers = self.drawn.truth(reference, reference.decode_space).outputs.numel()
        with self._timings.measure("decode"), threads_for(numbers * len(self.masks)):
            yield
