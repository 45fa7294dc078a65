"""One cell on fixed draws: any code and every baseline, on the same groups and masks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache

import numpy as np
import torch
from torch import Tensor

from nercc_tune.coding import BASELINE_CODES, LinearCode, worker_positions
from nercc_tune.inference.device import threads_for
from nercc_tune.inference.drawn_groups import DrawnGroups
from nercc_tune.inference.lambda_search import minimise_curve, minimise_rank
from nercc_tune.inference.metrics import MaskedMetrics, Truth, mean_error, measure
from nercc_tune.inference.spline_decoder import SplineDecoder
from nercc_tune.records import Cell, DecodeSpace, Design, Encoding, Goal, Option, Reading, Score
from nercc_tune.records.timings import Timings
from nercc_tune.straggling import Arrivals


class CellEvaluator:
    """Evaluates codes in one cell on fixed groups and masks.

    Masks with equally many answers are decoded together; a cell whose number of stragglers is random has several such
    batches.
    """

    def __init__(
        self, cell: Cell, arrivals: Arrivals, *, drawn: DrawnGroups, goal: Goal, grid: Sequence[float], timings: Timings
    ) -> None:
        self.cell = cell
        self.drawn = drawn
        self._goal = goal
        self._grid = tuple(grid)
        self._timings = timings
        self._waiting = arrivals.waiting
        self._batches = _equally_many(arrivals)
        self._decoders: dict[tuple[str, str, str], list[SplineDecoder]] = {}
        self._baselines: dict[tuple[str, Design], MaskedMetrics] = {}

    @property
    def waiting(self) -> float | None:
        """How long is waited on average, in the unit of the latencies; None without a latency model."""
        return None if self._waiting is None else float(self._waiting.mean())

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
        with self._decoding():
            options = [self._best_of(encoding, reading, answers, block) for reading in readings]
        return tuple(sorted(options, key=lambda option: self._goal.rank(option.score)))

    def option(self, design: Design, lambda_enc: float, lambda_dec: float) -> Option:
        """Evaluate one code, with the profile of its λ_dec.

        Raises:
            OutputError: As for `best`.
        """
        score = self.metrics(design, lambda_enc, lambda_dec).score()
        profile = self._profile(design, lambda_enc)
        return Option(
            assignment=design.assignment,
            decode_space=design.decode_space,
            lambda_dec=lambda_dec,
            score=score,
            profile=profile,
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
        with self._decoding():
            read = truth.answers(answers)
            decoders = self._spline_decoders(design, design.assignment)
            transformed = [decoder.transform(read) for decoder in decoders]

        def metrics(smoothing: float) -> MaskedMetrics:
            with self._decoding():
                return measure(_decoded(decoders, transformed, smoothing), truth)

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
        answers = self.drawn.outputs.of(layout.unordered(encoder))
        truth = self.drawn.truth(design, design.decode_space)
        with self._decoding():
            read = truth.answers(answers)
            at_once = max(1, _AT_ONCE // (read[0].numel() + len(codes) * self.cell.queries * self.cell.workers))
            parts = (part for batch in self._positions(design.assignment) for part in batch.split(at_once))
            return measure((_decode_all(codes, read, part) for part in parts), truth)

    def df_dec(self, design: Design, lambda_dec: float) -> float:
        """Return the decoder's effective degrees of freedom, averaged over the masks."""
        decoders = self._spline_decoders(design, design.assignment)
        return float(torch.cat([decoder.df(lambda_dec) for decoder in decoders]).mean())

    @contextmanager
    def _decoding(self) -> Iterator[None]:
        reference = self.drawn.reference
        numbers = self.drawn.truth(reference, reference.decode_space).outputs.numel()
        masks = sum(len(batch) for batch in self._batches)
        with self._timings.measure("decode"), threads_for(numbers * masks):
            yield

    def _best_of(self, encoding: Encoding, reading: Reading, answers: Tensor, block: int | None) -> Option:
        assignment, space = reading
        groups = slice(None) if block is None else self.drawn.outputs.blocks[block]
        truth = self.drawn.truth(encoding, space).part(groups)
        read = truth.answers(answers)
        decoders = self._spline_decoders(encoding, assignment)
        transformed = [decoder.transform(read) for decoder in decoders]

        @cache
        def error_at(smoothing: float) -> float:
            decoded = _decoded(decoders, transformed, smoothing, groups=groups)
            return mean_error(decoded, truth, self._goal.error)

        @cache
        def score_at(smoothing: float) -> Score:
            return measure(_decoded(decoders, transformed, smoothing, groups=groups), truth).score()

        if self._is_quadratic(decoders, space):
            lambda_dec, profile = minimise_curve(_mean_curve(decoders, read, truth), self._grid)
        else:
            is_error = self._goal.is_error
            lambda_dec = minimise_rank(
                lambda smoothing: (error_at(smoothing),) if is_error else self._goal.rank(score_at(smoothing)),
                self._grid,
            )
            errors = error_at if is_error else lambda smoothing: self._goal.error_of(score_at(smoothing))
            profile = tuple(errors(smoothing) for smoothing in self._grid)
        return Option(
            assignment=assignment,
            decode_space=space,
            lambda_dec=lambda_dec,
            score=score_at(lambda_dec),
            profile=profile,
        )

    def _profile(self, design: Design, lambda_enc: float) -> tuple[float, ...]:
        truth = self.drawn.truth(design, design.decode_space)
        decoders = self._spline_decoders(design, design.assignment)
        if not self._is_quadratic(decoders, design.decode_space):
            metrics = self.decoding(design, lambda_enc)
            return tuple(self._goal.error_of(metrics(smoothing).score()) for smoothing in self._grid)
        read = truth.answers(self.drawn.answers(design.encoding(lambda_enc)))
        with self._decoding():
            return tuple(_mean_curve(decoders, read, truth)(torch.tensor(self._grid, dtype=torch.float64)).tolist())

    def _is_quadratic(self, decoders: Sequence[SplineDecoder], space: DecodeSpace) -> bool:
        """Whether the least of the goal is the least of a squared error in the decode space itself."""
        in_space = space == "probabilities" or (space == "logits" and self._goal.error == "mse")
        return in_space and self._goal.is_error and all(decoder.is_shared for decoder in decoders)

    def _spline_decoders(self, placed: Design | Encoding, assignment: str) -> list[SplineDecoder]:
        key = (placed.ordering, placed.nodes, assignment)
        layout = self.drawn.layout(placed)
        if layout.nodes.alpha.ndim == 1:
            key = ("", placed.nodes, assignment)  # the same for every ordering
        if key not in self._decoders:
            self._decoders[key] = [SplineDecoder(layout.nodes, batch) for batch in self._positions(assignment)]
        return self._decoders[key]

    def _positions(self, assignment: str) -> list[Tensor]:
        """Return the positions in β of those who arrived, [M, F] ascending, a tensor for each number F."""
        reference = self.drawn.reference
        positions = worker_positions(assignment, workers=self.cell.workers, rack=reference.rack)
        return [positions[batch].sort(-1).values for batch in self._batches]


_AT_ONCE = 2**24  # answers picked at once for a baseline: bounds the memory of masks × groups × workers × outputs


def _decoded(
    decoders: Sequence[SplineDecoder], transformed: Sequence[Tensor], smoothing: float, *, groups: slice = slice(None)
) -> Iterator[Tensor]:
    for decoder, answers in zip(decoders, transformed, strict=True):
        yield from decoder.decode(answers, smoothing, groups=groups)


def _decode_all(codes: Sequence[LinearCode], read: Tensor, arrived: Tensor) -> Tensor:
    """Return the estimates [m, G, K, c] of answers [G, N, c], with one code for all groups or one for each."""
    matrices = torch.stack([code.decoder_matrix(arrived) for code in codes]).to(read.dtype)
    return torch.einsum("gmkf,gmfc->mgkc", matrices.expand(len(read), *matrices.shape[1:]), read[:, arrived])


def _mean_curve(decoders: Sequence[SplineDecoder], read: Tensor, truth: Truth) -> Callable[[Tensor], Tensor]:
    """Return the mean squared error over all masks as a function of λ [L]."""
    curves = [decoder.error_curve(read, truth) for decoder in decoders]
    return lambda smoothing: torch.cat([curve(smoothing) for curve in curves]).mean(0)


def _equally_many(arrivals: Arrivals) -> list[Tensor]:
    """Return the numbers of the workers that arrived, [M, F], a tensor for each number F that occurs."""
    counts = arrivals.arrived.sum(1)
    return [
        torch.from_numpy(np.nonzero(arrivals.arrived[counts == count])[1].reshape(-1, count))
        for count in np.unique(counts)[::-1]
    ]
