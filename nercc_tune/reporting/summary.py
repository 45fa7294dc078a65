"""A study as one page of Markdown."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from nercc_tune.export.blocks import write_count
from nercc_tune.export.markdown import to_markdown
from nercc_tune.export.table import TunedTable
from nercc_tune.records import CellHistory, StudyHistory
from nercc_tune.reporting.decisions import (
    candidates_section,
    deployment_section,
    describe_designs,
    describe_goal,
    describe_straggling,
)
from nercc_tune.reporting.figures import draw_figures

__all__ = ["summarise"]

_CAPTIONS = {
    "stragglers": "Held-out MSE, RelAcc and agreement against the number of stragglers, with 95 % intervals.",
    "waiting": "Held-out MSE and RelAcc against the mean time until F = N − S answers are there, with 95 % intervals.",
    "front": "RelAcc and MSE of the trials on the tuning draws, and of their front on held-out draws with intervals.",
    "smoothing": "MSE on the tuning draws against λ_dec at the best λ_enc, and against λ_enc at its best λ_dec.",
    "landscape": "MSE on the tuning draws over both parameters; 0 has a row and a column of its own.",
    "history": "Least MSE so far on the tuning draws, relative to (0, 0).",
    "coded_queries": "The queries of one group beside what each code sends to its workers.",
}
_NOT_RECORDED = "not recorded"
_PLACES = ("cache", "storage", "tracking")  # where things lie is no part of the result, and may hold a password


def summarise(history: StudyHistory, table: TunedTable | None, *, figures: Sequence[str] | None = None) -> str:
    """Return a static report in Markdown: results, what to deploy, figures, protocol, workload and how to repeat it.

    Args:
        history: The study, finished or not.
        table: Its table; None for an unfinished study, of which the best trials so far are listed instead.
        figures: Links to the figure files, relative to the report; by default the PNG files of `write_figures`.
    """
    links = [f"{name}.png" for name in draw_figures(history, table)] if figures is None else figures
    parts = [
        f"# Study `{history.name}`",
        _opening(history),
        to_markdown(table).strip().replace("## ", "## Results: ", 1) if table else _so_far(history),
        *(deployment_section(table) if table else []),
        *candidates_section(history),
        *(["## Figures", *map(_figure, links)] if links else []),
        "## Protocol",
        _protocol(history),
        "## Workload",
        _workload(history),
        "## Versions",
        _versions(history),
        "## Reproduce",
        f"Save as `{history.name}.toml` and run `nercc-tune launch {history.name}.toml`:",
        f"```toml\n{_toml(history.spec)}```",
    ]
    return "\n\n".join(parts) + "\n"


def _opening(history: StudyHistory) -> str:
    cells = [cell.cell for cell in history.cells]
    counts = ", ".join(map(write_count, cells)) or "none"
    shape = f"K = {cells[0].queries} queries to N = {cells[0].workers} workers, " if cells else ""
    state = (
        "finished" if history.is_finished else "**not finished**: no pair has been judged on held-out draws for all S"
    )
    return f"{history.workload.model} on {history.workload.data}, {shape}S = {counts} stragglers; {state}."


def _so_far(history: StudyHistory) -> str:
    lines = ["## Best trials so far (tuning draws)", "", "| S | trials | failed | λ_enc | λ_dec | MSE |"]
    lines.append("| --: | --: | --: | --: | --: | --: |")
    return "\n".join([*lines, *map(_best_line, history.cells)])


def _best_line(cell: CellHistory) -> str:
    best = cell.best
    failed = sum(trial.reason is not None for trial in cell.trials)
    pair = ["–", "–", "–"]
    if best is not None and best.score is not None:
        pair = [f"{best.lambda_enc:.3g}", f"{best.lambda_dec:.3g}", f"{cell.goal.error_of(best.score):.3g}"]
    return "| " + " | ".join([write_count(cell.cell), str(len(cell.trials)), str(failed), *pair]) + " |"


def _figure(link: str) -> str:
    name = link.rsplit("/", 1)[-1].rsplit(".", 1)[0]
    caption = _CAPTIONS.get(name, name)
    return f"![{caption}]({link})\n\n*{caption}*"


def _protocol(history: StudyHistory) -> str:
    trials = [trial for cell in history.cells for trial in cell.trials]
    proposals = len({trial.proposal for trial in trials})
    ended = {
        "failed": sum(trial.reason is not None for trial in trials),
        "were pruned": sum(trial.pruned_after is not None for trial in trials),
    }
    lost = " and ".join(f"{count} {how}" for how, count in ended.items() if count or how == "failed")

    def stated(section: str, name: str) -> object:
        return _stated(history.spec, section, name)

    return "\n".join(
        [
            f"- goal: {describe_goal(history.goal)}",
            f"- code: {describe_designs(history.spec)}",
            f"- stragglers: {describe_straggling(history.spec)}",
            (
                f"- search: {stated('search', 'strategy')} with the sampler {stated('search', 'sampler')}, "
                f"seed {stated('search', 'seed')}; {proposals} proposals, {len(trials)} trials of which {lost}"
            ),
            (
                f"- tuning draws: {stated('evaluation', 'tuning_groups')} groups of queries, "
                f"{stated('evaluation', 'tuning_masks')} masks, the same for every trial and baseline"
            ),
            (
                f"- validation draws: {stated('evaluation', 'validation_groups')} other groups, "
                f"{stated('evaluation', 'validation_masks')} fresh masks, for the best "
                f"{stated('evaluation', 'candidates')} trials of each cell"
            ),
            (
                f"- held-out draws: {stated('evaluation', 'heldout_groups')} other groups, "
                f"{stated('evaluation', 'heldout_masks')} fresh masks"
            ),
            f"- intervals: 95 %, {stated('evaluation', 'bootstrap')} bootstrap resamples over groups and masks",
            f"- seed of groups and masks: {stated('evaluation', 'seed')}",
        ]
    )


def _workload(history: StudyHistory) -> str:
    workload = history.workload
    return "\n".join(
        [
            f"- model: {workload.model}, weights {workload.weights_source}",
            f"- data: {workload.data}, a query is {' × '.join(map(str, workload.query_shape))}",
            f"- outputs: {workload.outputs}, uncoded accuracy {workload.uncoded_accuracy:.4f}",
            f"- fingerprint of weights, data and preprocessing: `{workload.fingerprint}`",
        ]
    )


def _versions(history: StudyHistory) -> str:
    if history.provenance is None:
        return f"{_NOT_RECORDED.capitalize()} yet."
    provenance = history.provenance
    versions = ", ".join(f"{name} {version}" for name, version in sorted(provenance.versions.items()))
    times = ", ".join(f"{name} {value}" for name, value in provenance.times.items()) or _NOT_RECORDED
    return "\n".join(
        [
            f"- {versions}",
            f"- device {provenance.device}, precision {provenance.precision}",
            f"- git commit {provenance.git_commit or _NOT_RECORDED}",
            f"- times: {times}",
            f"- digest of the study file: `{history.digest}`",
        ]
    )


def _stated(spec: Mapping[str, Any], section: str, name: str) -> object:
    return spec.get(section, {}).get(name, _NOT_RECORDED)


def _toml(spec: Mapping[str, Any]) -> str:
    plain = {name: value for name, value in spec.items() if not isinstance(value, dict) and value is not None}
    sections = {name: value for name, value in spec.items() if isinstance(value, dict) and name not in _PLACES}
    text = "".join(f"{name} = {_toml_value(value)}\n" for name, value in plain.items())
    for name, values in sections.items():
        lines = (f"{key} = {_toml_value(value)}\n" for key, value in values.items() if value is not None)
        text += f"\n[{name}]\n{''.join(lines)}"
    return text


def _toml_value(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml_value(item)}" for key, item in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False)
