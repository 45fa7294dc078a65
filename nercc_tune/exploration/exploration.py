"""A study's draws, ready to be decoded anew."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch

from nercc_tune.coding import Moments, Typical
from nercc_tune.errors import WorkloadError
from nercc_tune.exploration.live_group import LiveGroup
from nercc_tune.exploration.sent_code import SentCode
from nercc_tune.home import Home
from nercc_tune.inference import CellEvaluator, Draws, Inference, MaskedMetrics, Truth, load_groups
from nercc_tune.launch.preparation import Preparation
from nercc_tune.records import MEASURES, Axis, Design, Heldout, Interval, Measure, Profile, StudyHistory, Surface
from nercc_tune.selection import CrossedBootstrap, judge
from nercc_tune.spec import StudySpec
from nercc_tune.straggling import Part

_POINTS_PER_DECADE = 4
Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True, eq=False)
class Exploration:
    """A study's worker outputs, decoded anew at any λ_dec; the model runs on single groups only.

    Not for several threads at a time.
    """

    history: StudyHistory
    inference: Inference

    @classmethod
    def open(
        cls,
        history: StudyHistory,
        home: Home,
        *,
        allow_code: bool = False,
        notify: Callable[[str], None] = lambda _: None,
    ) -> Exploration:
        """Load the workload of a study.

        Raises:
            NerccTuneError: If the model or the data cannot be used here.
            WorkloadError: Also if they are not those that the study was launched with.
        """
        spec = StudySpec.model_validate(history.spec, strict=False)
        preparation = Preparation(spec=spec, home=home, allow_code=allow_code, notify=notify)
        preparation.check()
        inference = preparation.load()
        if inference.workload.fingerprint != history.workload.fingerprint:
            raise WorkloadError(
                f"the weights, the data or the features of study `{history.name}` are not those at hand; "
                "name the ones it was launched with by --home and --data-dir."
            )
        return cls(history=history, inference=inference)

    @cached_property
    def _tuning(self) -> Draws:
        return self.inference.draw("tuning")

    @property
    def smoothings(self) -> tuple[float, ...]:
        """The λ_dec of surfaces and profiles: 0, then four a decade over the range that is searched."""
        bounds = self.inference.spec.search.lambda_dec
        low, high = math.log10(bounds.low), math.log10(bounds.high)
        steps = max(2, math.ceil((high - low) * _POINTS_PER_DECADE))
        return (0.0, *(10 ** (low + (high - low) * step / steps) for step in range(steps + 1)))

    def at_hand(self, design: Design, lambda_encs: Sequence[float]) -> tuple[float, ...]:
        """Return those λ_enc whose worker outputs are kept for all tuning groups, ascending."""
        layout, outputs = self._tuning.groups.layout(design), self._tuning.outputs
        return tuple(value for value in sorted(set(lambda_encs)) if outputs.holds(layout.encoder(value)))

    def surfaces(
        self,
        stragglers: int,
        design: Design,
        lambda_encs: Sequence[float],
        *,
        progress: Progress = lambda _done, _total: None,
    ) -> dict[Measure, Surface]:
        """Return every measure over both parameters, on the tuning groups and masks of a cell.

        Args:
            stragglers: Of the cell.
            design: Of all of the code but λ.
            lambda_encs: For the rows; what is not `at_hand` runs the model.
            progress: Called after each row.

        Raises:
            OutputError: If the workers' answers are not finite.
        """
        evaluator = self._evaluator(stragglers)
        rows = []
        for done, lambda_enc in enumerate(sorted(lambda_encs), start=1):
            metrics_at = evaluator.decoding(design, lambda_enc)
            rows.append([_means(metrics_at(smoothing)) for smoothing in self.smoothings])
            progress(done, len(lambda_encs))
        return {
            measure: Surface(
                metric=measure,
                design=design,
                lambda_encs=tuple(sorted(lambda_encs)),
                lambda_decs=self.smoothings,
                values=tuple(tuple(point[measure] for point in row) for row in rows),
            )
            for measure in MEASURES
        }

    def profiles(
        self,
        stragglers: int,
        design: Design,
        *,
        axis: Axis,
        other: float,
        smoothings: Sequence[float] | None = None,
        progress: Progress = lambda _done, _total: None,
    ) -> dict[Measure, Profile]:
        """Return every measure along one parameter with 95 % intervals over groups and masks.

        Args:
            stragglers: Of the cell.
            design: Of all of the code but λ.
            axis: The parameter that varies.
            other: The value of the other one.
            smoothings: Where; needed for `lambda_enc`, and by default `self.smoothings` for `lambda_dec`.
            progress: Called after each point.

        Raises:
            OutputError: If the workers' answers are not finite.
            ValueError: If `smoothings` is missing.
        """
        if smoothings is None and axis == "lambda_enc":
            raise ValueError("`smoothings` must be given along `lambda_enc`, where each needs worker outputs.")
        places = tuple(sorted(self.smoothings if smoothings is None else smoothings))
        evaluator = self._evaluator(stragglers)
        along_dec = evaluator.decoding(design, other) if axis == "lambda_dec" else None
        heldouts = []
        for done, place in enumerate(places, start=1):
            metrics = along_dec(place) if along_dec else evaluator.metrics(design, place, other)
            heldouts.append(self._with_intervals(metrics))
            progress(done, len(places))
        return {
            measure: Profile(
                metric=measure,
                axis=axis,
                other=other,
                smoothings=places,
                points=tuple(_point(heldout, measure) for heldout in heldouts),
            )
            for measure in MEASURES
        }

    def moments_of(self, design: Design, lambda_enc: float) -> Moments | None:
        """Return what a code's decoder was calibrated to, measured anew on the tuning groups; None where on nothing."""
        if design.decoder != "calibrated":
            return None
        return self._tuning.calibration.whole(design.encoding(lambda_enc), design.decode_space)

    def typical_of(self, design: Design, lambda_enc: float) -> Typical | None:
        """Return what a code's right answers look like, measured likewise; None where that cannot be told."""
        return self._tuning.calibration.typical(design.encoding(lambda_enc), design.decode_space)

    def group(self, part: Part, index: int, code: SentCode) -> LiveGroup:
        """Send one group of queries by a code and run the model on what its workers get.

        Args:
            part: Of the study's groups.
            index: Of the group in the part.
            code: What is sent.

        Raises:
            OutputError: If the model's answers are not finite.
            ValueError: If the part has no such group.
        """
        inference = self.inference
        indices = inference.split.of(part)
        if not 0 <= index < len(indices):
            raise ValueError(f"`index` must be from 0 to {len(indices) - 1}, but got {index}.")
        precision = inference.spec.workload.precision
        groups = load_groups(inference.workload, (indices[index],), precision=precision)
        queries = groups.queries[0]
        fitted = code.for_groups(queries=len(queries), workers=inference.spec.code.workers).on(
            queries, features=inference.features
        )
        plain = torch.eye(len(queries), dtype=torch.float64)
        uncoded, answers = (
            inference.engine.run(groups.queries, encoder, inference.timings).cpu()
            for encoder in (plain, fitted.encoder_matrix)
        )
        truth = Truth.of(uncoded, groups.labels, decode_space=code.design.decode_space, output_kind=groups.output_kind)
        return LiveGroup(
            queries=queries,
            code=fitted,
            coded=fitted.encode(queries),
            answers=truth.answers(answers)[0].contiguous(),
            truth=truth,
        )

    def _evaluator(self, stragglers: int) -> CellEvaluator:
        return self._tuning.evaluators[stragglers]

    def _with_intervals(self, metrics: MaskedMetrics) -> Heldout:
        evaluation = self.inference.spec.evaluation
        groups, masks = metrics.mse.shape
        bootstrap = CrossedBootstrap.draw(
            groups=groups, masks=masks, resamples=evaluation.bootstrap, seed=evaluation.seed
        )
        return judge(metrics, bootstrap)


def _means(metrics: MaskedMetrics) -> dict[Measure, float]:
    score = metrics.score()
    return {measure: _number(getattr(score, measure)) for measure in MEASURES}


def _point(heldout: Heldout, measure: Measure) -> Interval:
    point: Interval | None = getattr(heldout, measure)
    return point or Interval(mean=math.nan, low=math.nan, high=math.nan)


def _number(value: float | None) -> float:
    return math.nan if value is None else value
