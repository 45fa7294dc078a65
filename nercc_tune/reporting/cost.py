"""What a search cost: forward passes, model evaluations, seconds, device."""

from __future__ import annotations

from collections.abc import Sequence

from nercc_tune.records import StudyHistory, TrialRecord
from nercc_tune.reporting.markdown import plain
from nercc_tune.reporting.passes import PassCount
from nercc_tune.selection import search_forwards
from nercc_tune.spec import StudySpec
from nercc_tune.text.seconds import describe_seconds

__all__ = ["cost_section", "model_evaluations"]

_SUFFIX = "_s"
_DEFERRED = "- device and seconds of the stages: not recorded before the study is judged"


def cost_section(history: StudyHistory) -> list[str]:
    """Return the parts that say what the search of a study cost, finished or not."""
    trials = [trial for cell in history.cells for trial in cell.trials]
    spec = StudySpec.model_validate(history.spec, strict=False)
    lines = [
        f"- trials: {PassCount.of(trials, spec)}",
        (
            f"- forward passes of the search: {round(search_forwards(history), 1):,g} over {_groups(spec)}, those of "
            "the reference (0, 0), of BACC and of the plain queries included"
        ),
        f"- model evaluations of the search: {model_evaluations(history):,}, each of one query",
        *_wall_lines(trials),
        *_provenance_lines(history),
    ]
    return ["## Cost", "\n".join(lines)]


def model_evaluations(history: StudyHistory) -> int:
    """Return how many queries the model answered in the search: N a group and pass, and K a group for the plain ones.

    Raises:
        pydantic.ValidationError: If the study file of the history is not a valid one.
    """
    spec = StudySpec.model_validate(history.spec, strict=False)
    coded = (search_forwards(history) - 1) * spec.code.workers
    return round(spec.evaluation.tuning_groups * (coded + spec.code.queries))


def _groups(spec: StudySpec) -> str:
    count, code = spec.evaluation.tuning_groups, spec.code
    return f"{count} groups of K = {code.queries} queries on N = {code.workers} workers"


def _wall_lines(trials: Sequence[TrialRecord]) -> list[str]:
    if not trials:
        return []
    spent = max(trial.finished_ms for trial in trials) - min(trial.started_ms for trial in trials)
    wall = f"{describe_seconds(spent / 1e3)}, pauses between launches included"
    return [f"- from the first trial's start to the last one's end: {wall}"]


def _provenance_lines(history: StudyHistory) -> list[str]:
    """Return the device, and the seconds of each stage, the longest first."""
    provenance = history.provenance
    if provenance is None:
        return [_DEFERRED]
    times = provenance.times.items()
    seconds = {name.removesuffix(_SUFFIX): value for name, value in times if isinstance(value, float | int)}
    stages = ", ".join(
        f"{plain(name)} {value:.1f}" for name, value in sorted(seconds.items(), key=lambda item: -item[1])
    )
    spent = (
        f"- seconds of the stages in the process that launched it last: {stages}; {sum(seconds.values()):.1f} in all"
    )
    return [
        f"- device: {plain(provenance.device)}, precision {plain(provenance.precision)}",
        *([spent] if stages else []),
    ]
