"""What the masks of a study need, checked for all of its parts before the first of them is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from nercc_tune.errors import SpecError, TraceError
from nercc_tune.spec import StudySpec
from nercc_tune.straggling import (
    Arrivals,
    Deadline,
    Liars,
    Part,
    RandomCountModel,
    Strata,
    TraceLatencies,
    make_strata,
    merge,
    occurring,
    reach,
)

Drawn = Literal["masks", "liars", "lies"]
"""What is drawn: who arrives, who of these lies, what they answer."""

PART_NAMES: dict[Part, str] = {"tuning": "tuning", "validation": "validation", "heldout": "held-out"}
"""The parts of a study, and what they are called in messages."""

_STREAMS: dict[Part | Literal["law"], int] = {"law": 0, "tuning": 1, "heldout": 2, "validation": 3}
_DRAWN: dict[Drawn, tuple[int, ...]] = {"masks": (), "liars": (1,), "lies": (2,)}
_LAW_DRAWS = 4096  # from which the ranges of a random count are made
_ASK = "is it in the unit of the latencies?"
_LEAST_USABLE = 2  # answers, from which a straight line goes on to the queries


def seed_of(spec: StudySpec, stream: Part | Literal["law"], *, drawn: Drawn = "masks") -> int:
    """Return the seed of the draws of a part, or of the law from which ranges are made; all are independent."""
    seeds = np.random.SeedSequence([spec.evaluation.seed, _STREAMS[stream], *_DRAWN[drawn]])
    return int(seeds.generate_state(1)[0])


def masks_of(spec: StudySpec, part: Part) -> int:
    """Return how many masks a part of a study has."""
    evaluation = spec.evaluation
    return {
        "tuning": evaluation.tuning_masks,
        "validation": evaluation.validation_masks,
        "heldout": evaluation.heldout_masks,
    }[part]


def feasible_strata(spec: StudySpec, models: Mapping[Part, RandomCountModel]) -> tuple[Strata, list[str]]:
    """Return ranges of the straggler count that occur in every part, and what was done so that they do, in lines."""
    notices: list[str] = []
    model = models["tuning"]
    law = model.draw(masks=min(_LAW_DRAWS, model.limit or _LAW_DRAWS), seed=seed_of(spec, "law"))
    strata = make_strata(law.stragglers, most=spec.straggling.strata)
    if isinstance(model, Deadline):
        notices += _check_deadline(spec, law)
    for part, model in models.items():
        occurs = occurring(model, strata, seed=seed_of(spec, part))
        if not occurs.all():
            absent = ", ".join(_span(strata, at) for at in np.flatnonzero(~occurs).tolist())
            strata = merge(strata, occurs)
            left = ", ".join(_span(strata, at) for at in range(len(strata.edges)))
            notices.append(
                f"no draw of the {PART_NAMES[part]} part has {absent} stragglers, so that these ranges are merged with "
                f"their neighbours: {left} are left"
            )
        most = int(model.draw(masks=model.limit, seed=0).stragglers.max()) if model.limit else 0
        if most > strata.edges[-1]:
            notices.append(
                f"up to {most} workers straggle in the {PART_NAMES[part]} part, and at most {strata.edges[-1]} before: "
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


def check_counts(spec: StudySpec, latencies: Mapping[Part, TraceLatencies]) -> list[str]:
    """Check that a trace has the masks of every part, and say where too few answers ever come.

    Raises:
        TraceError: If a part of it has too few iterations.
    """
    notices = []
    for part, latency in latencies.items():
        masks, limit = masks_of(spec, part), len(latency.latencies)
        if masks > limit:
            raise TraceError(
                f"The {PART_NAMES[part]} part of the trace has {limit} iterations, but `evaluation.{part}_masks` asks "
                f"for {masks}; ask for fewer masks, or record a longer trace."
            )
        answers = np.isfinite(latency.sample(masks, seed=seed_of(spec, part))).sum(axis=1)
        for stragglers in spec.code.stragglers:
            few = int((answers < spec.code.workers - stragglers).sum())
            if few:
                notices.append(
                    f"in {few} of the {masks} {PART_NAMES[part]} masks fewer than {spec.code.workers - stragglers} "
                    f"answers ever come: S = {stragglers} is judged there on those that do, and has no waiting time"
                )
    return notices


def check_usable(part: Part, arrivals: Mapping[int, Arrivals], liars: Mapping[int, Liars]) -> None:
    """Check that enough answers are right under every mask of a part, by straggler count.

    Raises:
        SpecError: If so many workers lie under one that hardly any answer is left.
    """
    for stragglers, of_cell in liars.items():
        usable = (arrivals[stragglers].arrived & ~of_cell.lying).sum(axis=1)
        few = int((of_cell.lying.any(axis=1) & (usable < _LEAST_USABLE)).sum())
        if few:
            raise SpecError(
                f"in `errors`: under {few} of the {len(usable)} {PART_NAMES[part]} masks of S = {stragglers} fewer "
                f"than {_LEAST_USABLE} answers are right; lower `errors.probability`."
            )
