"""The masks of a study: for each of its cells, drawn from its straggler model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path

from nercc_tune.errors import SpecError
from nercc_tune.inference.mask_checks import (
    PART_NAMES,
    check_counts,
    check_usable,
    feasible_strata,
    masks_of,
    seed_of,
)
from nercc_tune.records import Cell
from nercc_tune.spec import StudySpec
from nercc_tune.straggling import (
    LAWS,
    Arrivals,
    Bursts,
    CountedModel,
    Deadline,
    Exactly,
    FirstArrivals,
    Independent,
    LatencyModel,
    Liars,
    Part,
    RandomCountModel,
    Strata,
    Trace,
    TraceLatencies,
    WorstOf,
    draw_liars,
    read_trace,
    stratified,
)


@dataclass(frozen=True, kw_only=True, eq=False)
class MaskSource:
    """Draws the masks of every cell of a study.

    Attributes:
        cells: One for each listed straggler count, or for each range of a random one; ascending.
        notices: What a user should know of the trace, the deadline and the ranges, a line each.
    """

    spec: StudySpec
    cells: tuple[Cell, ...]
    notices: tuple[str, ...] = ()
    _strata: Strata | None
    _trace: Trace | None

    @classmethod
    def of(cls, spec: StudySpec, data_dir: Path | None = None) -> MaskSource:
        """Prepare the straggler model of a study.

        Args:
            spec: The study.
            data_dir: Where the path of a trace is relative to.

        Raises:
            TraceError: If the study's trace cannot be used.
            SpecError: If the straggler model cannot be had for so many workers, or hardly any answer is a number under
                some mask.
        """
        settings = spec.straggling
        trace = None
        if settings.model == "trace" and settings.path is not None:
            trace = read_trace((data_dir or Path()) / settings.path, unit=settings.unit)
        try:
            models = {part: _model(spec, trace, part) for part in PART_NAMES}
            strata, notices = None, list(trace.remarks(workers=spec.code.workers)) if trace else []
            if settings.has_random_count:
                random = {part: of for part, of in models.items() if not isinstance(of, CountedByStragglers)}
                strata, more = feasible_strata(spec, random)
                notices += more
            elif trace:
                notices += check_counts(spec, {part: _replayed(spec, trace, part) for part in PART_NAMES})
        except ValueError as error:
            raise SpecError(f"in `straggling`: {error}") from error
        source = cls(spec=spec, cells=_cells(spec, strata), notices=tuple(notices), _strata=strata, _trace=trace)
        for part in PART_NAMES if spec.errors.are_given else ():
            arrivals = source.draw(part, masks=masks_of(spec, part))
            check_usable(part, arrivals, source.liars(part, arrivals))
        return source

    def draw(self, part: Part, *, masks: int) -> dict[int, Arrivals]:
        """Draw the masks of a part for every cell, by straggler count; different parts have different draws.

        The masks of listed counts are nested: mask m at a larger S loses the same workers and more.

        Raises:
            TraceError: If a trace has too few iterations.
        """
        seed = seed_of(self.spec, part)
        model = self._model(part)
        if isinstance(model, CountedByStragglers):
            return {cell.stragglers: model.model.draw(cell.stragglers, masks=masks, seed=seed) for cell in self.cells}
        if self._strata is None:
            raise ValueError("a random number of stragglers must have strata, but got none.")
        drawn = stratified(model, self._strata, masks=masks, seed=seed)
        return {cell.stragglers: arrivals for cell, arrivals in zip(self.cells, drawn, strict=True)}

    def liars(self, part: Part, arrivals: Mapping[int, Arrivals]) -> dict[int, Liars]:
        """Draw who lies under the masks of a part, by straggler count; nobody's where the study has no wrong answers.

        The same workers lie in all cells as far as the same arrived; different parts have different draws.
        """
        errors = self.spec.errors
        if not errors.are_given:
            return {}
        seed = seed_of(self.spec, part, drawn="liars")
        return {
            stragglers: draw_liars(
                of_cell,
                count=errors.count,
                probability=errors.probability,
                kinds=len(errors.kinds),
                sticky=errors.sticky,
                seed=seed,
            )
            for stragglers, of_cell in arrivals.items()
        }

    def _model(self, part: Part) -> CountedByStragglers | RandomCountModel:
        return _model(self.spec, self._trace, part)


@dataclass(frozen=True, kw_only=True)
class CountedByStragglers:
    """A model that is asked for a number of stragglers."""

    model: CountedModel


def _model(spec: StudySpec, trace: Trace | None, part: Part) -> CountedByStragglers | RandomCountModel:
    model = STRAGGLER_MODELS[spec.straggling.model](spec, trace, part)
    return model if isinstance(model, Independent | Deadline) else CountedByStragglers(model=model)


def _waiting(spec: StudySpec, latency: LatencyModel) -> FirstArrivals | Deadline:
    """Return who is waited for under the rule of a study."""
    if spec.straggling.rule == "deadline":
        return Deadline(latency=latency, deadline=spec.straggling.deadline or 0.0)
    return FirstArrivals(latency=latency)


def _law(spec: StudySpec) -> LatencyModel:
    """Return the latency law of a study, with those of its settings that the law has."""
    law = LAWS[spec.straggling.law]
    settings = {field.name: getattr(spec.straggling, field.name, None) for field in fields(law)}
    given = {name: value for name, value in settings.items() if value is not None}
    return law(**{**given, "workers": spec.code.workers})


def _replayed(spec: StudySpec, trace: Trace | None, part: Part) -> TraceLatencies:
    if trace is None:
        raise ValueError("a trace must have been read, but there is none.")
    return trace.model(workers=spec.code.workers, part=part)


STRAGGLER_MODELS: dict[str, Callable[[StudySpec, Trace | None, Part], CountedModel | Independent | Deadline]] = {
    "exactly": lambda spec, _trace, _part: Exactly(workers=spec.code.workers),
    "bursts": lambda spec, _trace, _part: Bursts(workers=spec.code.workers, rack=spec.code.rack or 1),
    "worst": lambda spec, _trace, _part: WorstOf(workers=spec.code.workers, sample=spec.straggling.sample),
    "independent": lambda spec, _trace, _part: Independent(
        workers=spec.code.workers, probability=spec.straggling.probability or 0.0
    ),
    "latency": lambda spec, _trace, _part: _waiting(spec, _law(spec)),
    "trace": lambda spec, trace, part: _waiting(spec, _replayed(spec, trace, part)),
}
"""Straggler models by name: each takes the study, its trace if it has one, and the part that is drawn."""


def _cells(spec: StudySpec, strata: Strata | None) -> tuple[Cell, ...]:
    counts = spec.code.stragglers
    spans = [(count, count, 1 / len(counts)) for count in counts]
    if strata is not None:
        fewest = [0, *(edge + 1 for edge, _ in pairwise(strata.edges))]
        spans = list(zip(fewest, strata.edges, strata.weights, strict=True))
    return tuple(
        Cell(
            study=spec.name,
            model=spec.workload.model,
            data=spec.workload.data,
            queries=spec.code.queries,
            workers=spec.code.workers,
            stragglers=most,
            fewest=least,
            weight=weight,
        )
        for least, most, weight in spans
    )
