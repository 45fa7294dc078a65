"""The masks of a study: for each of its cells, drawn from its straggler model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np

from nercc_tune.errors import SpecError, TraceError
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
    Part,
    RandomCountModel,
    Strata,
    Trace,
    WorstOf,
    make_strata,
    merge,
    occurring,
    reach,
    read_trace,
    stratified,
)

_PARTS: tuple[Part, ...] = ("tuning", "validation", "heldout")
_PART_NAMES: dict[Part, str] = {"tuning": "tuning", "validation": "validation", "heldout": "held-out"}
_STREAMS: dict[Part | Literal["law"], int] = {"law": 0, "tuning": 1, "heldout": 2, "validation": 3}
_LAW_DRAWS = 4096  # from which the ranges of a random count are made


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
            SpecError: If the straggler model cannot be had for so many workers.
        """
        settings = spec.straggling
        trace = None
        if settings.model == "trace" and settings.path is not None:
            trace = read_trace((data_dir or Path()) / settings.path, unit=settings.unit)
        try:
            models = {part: _model(spec, trace, part) for part in _PARTS}
            strata, notices = None, list(trace.remarks(workers=spec.code.workers)) if trace else []
            if settings.has_random_count:
                strata, more = _strata(spec, models)
                notices += more
            else:
                notices += _check_counts(spec, trace)
        except ValueError as error:
            raise SpecError(f"in `straggling`: {error}") from error
        return cls(spec=spec, cells=_cells(spec, strata), notices=tuple(notices), _strata=strata, _trace=trace)

    def draw(self, part: Part, *, masks: int) -> dict[int, Arrivals]:
        """Draw the masks of a part for every cell, by straggler count; different parts have different draws.

        The masks of listed counts are nested: mask m at a larger S loses the same workers and more.

        Raises:
            TraceError: If a trace has too few iterations.
        """
        seed = _seed(self.spec, part)
        model = self._model(part)
        if isinstance(model, CountedByStragglers):
            return {cell.stragglers: model.model.draw(cell.stragglers, masks=masks, seed=seed) for cell in self.cells}
        if self._strata is None:
            raise ValueError("a random number of stragglers must have strata, but got none.")
        drawn = stratified(model, self._strata, masks=masks, seed=seed)
        return {cell.stragglers: arrivals for cell, arrivals in zip(self.cells, drawn, strict=True)}

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


def _replayed(spec: StudySpec, trace: Trace | None, part: Part) -> LatencyModel:
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


def masks_of(spec: StudySpec, part: Part) -> int:
    """Return how many masks a part of a study has."""
    evaluation = spec.evaluation
    return {
        "tuning": evaluation.tuning_masks,
        "validation": evaluation.validation_masks,
        "heldout": evaluation.heldout_masks,
    }[part]


def _strata(spec: StudySpec, models: Mapping[Part, CountedByStragglers | RandomCountModel]) -> tuple[Strata, list[str]]:
    """Return ranges that occur in every part, and what was done so that they do."""
    notices: list[str] = []
    random = {part: model for part, model in models.items() if not isinstance(model, CountedByStragglers)}
    model = random["tuning"]
    law = model.draw(masks=min(_LAW_DRAWS, model.limit or _LAW_DRAWS), seed=_seed(spec, "law"))
    strata = make_strata(law.stragglers, most=spec.straggling.strata)
    if isinstance(model, Deadline):
        notices += _check_deadline(spec, law)
    for part, model in random.items():
        occurs = occurring(model, strata, seed=_seed(spec, part))
        if not occurs.all():
            absent = ", ".join(_span(strata, at) for at in np.flatnonzero(~occurs))
            strata = merge(strata, occurs)
            left = ", ".join(_span(strata, at) for at in range(len(strata.edges)))
            notices.append(
                f"no draw of the {_PART_NAMES[part]} part has {absent} stragglers, so that these ranges are merged with "
                f"their neighbours: {left} are left"
            )
        most = int(model.draw(masks=model.limit, seed=0).stragglers.max()) if model.limit else 0
        if most > strata.edges[-1]:
            notices.append(
                f"up to {most} workers straggle in the {_PART_NAMES[part]} part, and at most {strata.edges[-1]} before: "
                f"they belong to the last range; the load of the trace changes in time"
            )
            strata = reach(strata, most)
    return strata, notices


def _span(strata: Strata, at: int) -> str:
    least, most = (strata.edges[at - 1] + 1 if at else 0), strata.edges[at]
    return str(most) if least == most else f"{least}–{most}"


def _check_deadline(spec: StudySpec, law: Arrivals) -> list[str]:
    """Warn of a deadline that decides nothing, as one in another unit than the latencies."""
    deadline = f"the deadline {spec.straggling.deadline:g}{f' {spec.straggling.unit}' if spec.straggling.unit else ''}"
    if not law.stragglers.any():
        return [
            f"{deadline} catches nobody: every tuning draw has all answers by then; is it in the unit of the latencies?"
        ]
    if law.waiting is not None and (law.waiting > (spec.straggling.deadline or 0.0)).all():
        return [
            f"{deadline} catches everybody: no tuning draw has an answer by then; is it in the unit of the latencies?"
        ]
    return []


def _check_counts(spec: StudySpec, trace: Trace | None) -> list[str]:
    """Check that a trace has the masks of every part, and say where too few answers ever come.

    Raises:
        TraceError: If a part of it has too few iterations.
    """
    notices = []
    for part in _PARTS if trace else ():
        latency, masks = _replayed(spec, trace, part), masks_of(spec, part)
        if latency.limit is not None and masks > latency.limit:
            raise TraceError(
                f"The {_PART_NAMES[part]} part of the trace has {latency.limit} iterations, but "
                f"`evaluation.{part}_masks` asks for {masks}; ask for fewer masks, or record a longer trace."
            )
        answers = np.isfinite(latency.sample(masks, seed=_seed(spec, part))).sum(axis=1)
        for stragglers in spec.code.stragglers:
            few = int((answers < spec.code.workers - stragglers).sum())
            if few:
                notices.append(
                    f"in {few} of the {masks} {_PART_NAMES[part]} masks fewer than {spec.code.workers - stragglers} "
                    f"answers ever come: S = {stragglers} is judged there on those that do, and has no waiting time"
                )
    return notices


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


def _seed(spec: StudySpec, stream: Part | Literal["law"]) -> int:
    seeds = np.random.SeedSequence([spec.evaluation.seed, _STREAMS[stream]])
    return int(seeds.generate_state(1)[0])
