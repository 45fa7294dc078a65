"""One cell on fixed draws: any code and every baseline, on the same groups and masks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property

import numpy as np
from torch import Tensor

from nercc_tune.inference.baselines import Baseline
from nercc_tune.inference.calibration import Calibration
from nercc_tune.inference.cell_answers import CellAnswers
from nercc_tune.inference.cell_decoders import CellDecoders
from nercc_tune.inference.cell_masks import CellMasks
from nercc_tune.inference.decoders import (
    Decoder,
    Decoding,
    EitherDecoding,
    best_distrust,
    best_kernel,
    best_parameter,
    profile_of,
)
from nercc_tune.inference.device import threads_for
from nercc_tune.inference.drawn_groups import DrawnGroups
from nercc_tune.inference.layout import Layout
from nercc_tune.inference.metrics import MaskedMetrics, Truth, measure
from nercc_tune.records import (
    DECODERS,
    DEGREES,
    Cell,
    Design,
    DistrustKind,
    Encoding,
    Goal,
    Kernel,
    Option,
    Parameter,
    Reading,
    Score,
    Trusting,
    trusting_of,
)
from nercc_tune.straggling import Arrivals


class CellEvaluator:
    """Evaluates codes in one cell on fixed groups and masks."""

    def __init__(
        self,
        cell: Cell,
        masks: CellMasks,
        *,
        drawn: DrawnGroups,
        calibration: Calibration,
        goal: Goal,
        grid: Sequence[float],
    ) -> None:
        self.cell = cell
        self.drawn = drawn
        self._calibration = calibration
        self._goal = goal
        self._grid = tuple(grid)
        self.masks = masks
        self.errors = masks.errors
        self.given = CellAnswers(drawn=drawn, masks=masks, calibration=calibration)
        self._decoders = CellDecoders(drawn, masks, calibration)
        self._baselines: dict[tuple[str, Design], MaskedMetrics] = {}

    @property
    def waiting(self) -> float | None:
        """How long is waited on average, in the unit of the latencies; None without a latency model."""
        return self.masks.waiting

    def best(self, encoding: Encoding, readings: Sequence[Reading], *, block: int | None = None) -> tuple[Option, ...]:
        """Find the best λ_dec or kernel of each reading, on one forward pass, and return them best first.

        Args:
            encoding: What is sent.
            readings: The assignments, decode spaces and decoders to choose from; those with a kernel are left out where
                nodes are fitted to each group.
            block: Look at the groups of one block only.

        Raises:
            OutputError: If the workers' answers are not finite.
        """
        answers = self.drawn.answers(encoding, block=block)
        options: list[Option] = []
        for reading in self._possible(encoding, readings):
            # What a calibrated decoder starts from.
            plain = (*reading[:2], "kriging")
            structure = next((option.kernel for option in options if option.reading == plain), None)
            with self.timed():
                options.append(self._best_of(encoding, reading, answers, block, structure))
        return tuple(sorted(options, key=lambda option: self._goal.rank(option.score)))

    def best_trusting(self, encoding: Encoding, reading: Reading) -> Trusting:
        """Return the best λ_dec or kernel of a reading where nobody lies.

        Raises:
            OutputError: As for `best`.
        """
        return trusting_of(self._where_nobody_lies.best(encoding, [reading])[0].parameter)

    def best_distrusting(
        self, design: Design, lambda_enc: float, start: Trusting, *, distrusts: tuple[DistrustKind, ...]
    ) -> Parameter:
        """Return a setting with the distrust of some kinds that is best beside it, if any is better than none.

        Raises:
            OutputError: As for `best`.
        """
        if self.errors is None:
            return start
        encoding, truth = design.encoding(lambda_enc), self.drawn.truth(design, design.decode_space)
        lying = self.given.to_decoder(encoding, design.reading, self.drawn.answers(encoding), truth)
        errors = replace(self.errors, distrusts=distrusts)
        with self.timed():
            return best_distrust(lying, truth, self._goal, start=start, errors=errors)[0]

    def option(self, design: Design, lambda_enc: float, parameter: Parameter) -> Option:
        """Evaluate one code, with the profile of its λ_dec.

        Raises:
            OutputError: As for `best`.
        """
        encoding = design.encoding(lambda_enc)
        truth = self.drawn.truth(design, design.decode_space)
        with self.timed():
            decoding = self.prepared(encoding, design.reading, self.drawn.answers(encoding), truth)
            is_spline = design.decoder == "spline" and self.errors is None
            return Option.of(
                design.reading,
                parameter,
                measure(decoding.estimates(parameter), truth).score(),
                profile=profile_of(decoding, truth, self._goal, self._grid) if is_spline else (),
            )

    def metrics(self, design: Design, lambda_enc: float, parameter: Parameter) -> MaskedMetrics:
        """Return the metrics [G, M] of a code.

        Raises:
            OutputError: As for `best`.
        """
        return self.decoding(design, lambda_enc)(parameter)

    def decoding(self, design: Design, lambda_enc: float) -> Callable[[Parameter], MaskedMetrics]:
        """Return the metrics [G, M] of a code by what its decoder is set to; the answers are prepared once for all.

        Raises:
            OutputError: As for `best`.
        """
        encoding = design.encoding(lambda_enc)
        answers = self.drawn.answers(encoding)
        truth = self.drawn.truth(design, design.decode_space)
        with self.timed():
            decoding = self.prepared(encoding, design.reading, answers, truth)

        def metrics(parameter: Parameter) -> MaskedMetrics:
            with self.timed():
                return measure(decoding.estimates(parameter), truth)

        return metrics

    def baseline_metrics(self, name: str, design: Design | None = None) -> MaskedMetrics:
        """Return the metrics [G, M] of a baseline of `nercc_tune.inference.baselines`, computed once.

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
        baseline, truth = Baseline.of(name, self.drawn, design), self.drawn.truth(design, design.decode_space)
        with self.timed():
            return measure(baseline.estimates(self.given, truth), truth)

    @cached_property
    def everybody(self) -> CellEvaluator:
        """The same cell under a single mask, which misses nobody."""
        return self._under(CellMasks(Arrivals(arrived=np.ones((1, self.drawn.workers), dtype=np.bool_))))

    @cached_property
    def _where_nobody_lies(self) -> CellEvaluator:
        return self._under(self.masks.honest())

    def _under(self, masks: CellMasks) -> CellEvaluator:
        return CellEvaluator(
            self.cell,
            masks,
            drawn=self.drawn,
            calibration=self._calibration,
            goal=self._goal,
            grid=self._grid,
        )

    def df_dec(self, design: Design, lambda_enc: float, parameter: Parameter) -> float:
        """Return the decoder's effective degrees of freedom, averaged over the masks."""
        return float(self.decoder(design.encoding(lambda_enc), design.reading).df(trusting_of(parameter)).mean())

    def prepared(self, encoding: Encoding, reading: Reading, answers: Tensor, truth: Truth) -> Decoding:
        """Return the answers of all groups [G, N, c], prepared for every setting of a decoder, distrust included."""
        decoder = self.decoder(encoding, reading)
        if encoding.training is not None or self.drawn.layout(encoding).nodes.alpha.ndim > 1:
            return decoder.prepare(truth.answers(answers))
        distrusting = self.given.to_decoder(encoding, reading, answers, truth)
        if self.errors is not None:
            return distrusting
        return EitherDecoding(trusting=decoder.prepare(truth.answers(answers)), distrusting=distrusting)

    def decoder(self, encoding: Encoding, reading: Reading) -> Decoder:
        """Return the decoder of all masks; a spline's is made once for a layout."""
        return self._decoders.of(encoding, reading)

    def _possible(self, encoding: Encoding, readings: Sequence[Reading]) -> list[Reading]:
        """Return the readings that an encoding can have, kriging before what starts from it."""
        if encoding.training is not None:
            return list(readings)
        is_fitted = self.drawn.layout(encoding).nodes.alpha.ndim > 1
        possible = [reading for reading in readings if reading[-1] == "spline" or not is_fitted]
        return sorted(possible, key=lambda reading: DECODERS.index(reading[-1]))

    def _best_of(
        self, encoding: Encoding, reading: Reading, answers: Tensor, block: int | None, structure: Kernel | None
    ) -> Option:
        assignment, space, kind = reading
        groups = slice(None) if block is None else self.drawn.outputs.blocks[block]
        truth = self.drawn.truth(encoding, space).part(groups)
        read = truth.answers(answers)
        if encoding.training is not None:
            decoded = self.decoder(encoding, reading).prepare(read).estimates(0.0)
            return Option.of(reading, 0.0, measure(decoded, truth).score())
        profile: tuple[float, ...] = ()
        best: tuple[Trusting, Score]
        if kind == "spline":
            decoding = self._decoders.spline(encoding, assignment).prepare(read, groups=groups)
            smoothing, score, profile = best_parameter(decoding, truth, self._goal, self._grid)
            best = smoothing, score
        elif kind in DEGREES:
            best = 0.0, measure(self.decoder(encoding, reading).prepare(read).estimates(0.0), truth).score()
        else:
            decoder = self._decoders.kriging(encoding, assignment, space, is_calibrated=kind == "calibrated")
            best = best_kernel(decoder, read, truth, self._goal, start=structure)
        if self.errors is None:
            return Option.of(reading, *best, profile=profile)
        lying = self.given.to_decoder(encoding, reading, answers, truth)
        return Option.of(reading, *best_distrust(lying, truth, self._goal, start=best[0], errors=self.errors))

    def positions(self, assignment: str, layout: Layout) -> list[Tensor]:
        """Return where those who arrived sit among β, [M, F] ascending, a tensor for each number F."""
        return self._decoders.positions(assignment, layout)

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Count what is done within as decoding, on as many threads as it is worth."""
        reference = self.drawn.reference
        numbers = self.drawn.truth(reference, reference.decode_space).outputs.numel()
        with self.drawn.timings.measure("decode"), threads_for(numbers * len(self.masks)):
            yield
