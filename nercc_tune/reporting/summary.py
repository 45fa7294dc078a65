"""A study as one page of Markdown."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from nercc_tune.export.blocks import write_count
from nercc_tune.export.markdown import to_markdown
from nercc_tune.export.table import TunedTable
from nercc_tune.records import CellHistory, StudyHistory
from nercc_tune.reporting.captions import ALTERNATIVES, CAPTIONS
from nercc_tune.reporting.cost import cost_section
from nercc_tune.reporting.decisions import (
    candidates_section,
    deployment_section,
    describe_designs,
    describe_errors,
    describe_goal,
    describe_straggling,
)
from nercc_tune.reporting.figures import draw_figures
from nercc_tune.reporting.markdown import plain, table_of, verbatim
from nercc_tune.workloads.own_code import is_code
from nercc_tune.workloads.program import is_program

__all__ = ["summarise"]

_NOT_RECORDED = "not recorded"
_PLACES = ("cache", "storage", "tracking")  # where things lie is no part of the result, and may hold a password


def summarise(history: StudyHistory, table: TunedTable | None, *, figures: Sequence[str] | None = None) -> str:
    """Return a static report in Markdown: results, what to deploy, figures, protocol, workload, cost, how to repeat it.

    Args:
        history: The study, finished or not.
        table: Its table; None for an unfinished study, of which the best trials so far are listed instead.
        figures: Links to the figure files, relative to the report; by default the PNG files of `write_figures`.
    """
    links = [f"{name}.png" for name in draw_figures(history, table)] if figures is None else figures
    parts = [
        f"# Study `{history.name}`",
        _opening(history),
        *([f"**Warning**: {plain(history.workload.warning)}"] if history.workload.warning is not None else []),
        _in_brief(history),
        to_markdown(table).strip().replace("## ", "## Results: ", 1) if table else _so_far(history),
        *(deployment_section(table) if table else []),
        *candidates_section(history),
        *(["## Figures", *map(_figure, links)] if links else []),
        "## Protocol",
        _protocol(history),
        "## Seeds",
        _seeds(history),
        "## Workload",
        _workload(history),
        *cost_section(history),
        "## Versions",
        _versions(history),
        "## Reproduce",
        f"Save the study file as {verbatim(history.name + '.toml')} and run:",
        f"```sh\n{_command(history)}\n```",
        f"```toml\n{_toml(history.spec)}```",
    ]
    return "\n\n".join(parts) + "\n"


def _opening(history: StudyHistory) -> str:
    cells = [cell.cell for cell in history.cells]
    counts = ", ".join(map(write_count, cells)) or "none"
    shape = f"K = {cells[0].queries} queries to N = {cells[0].workers} workers, " if cells else ""
    state = (
        "finished"
        if history.is_finished
        else f"**not finished**: no pair has been judged on held-out draws for all S; {verbatim(_command(history))} "
        "goes on from here"
    )
    workload = f"{plain(history.workload.model)} on {plain(history.workload.data)}"
    return f"{workload}, {shape}S = {counts} stragglers; {state}."


def _in_brief(history: StudyHistory) -> str:
    """Return what it takes to repeat the study, in a line."""
    seeds = ", ".join(f"{seed} for {what}" for what, seed in _seeds_of(history).items())
    return f"Reproduced by {verbatim(_command(history))} with the study file [below](#reproduce); seeds {seeds}."


def _command(history: StudyHistory) -> str:
    model = str(_stated(history.spec, "workload", "model"))
    option = " --allow-code" if is_code(model) or is_program(model) else ""
    return f"nercc-tune launch {history.name}.toml{option}"


def _seeds(history: StudyHistory) -> str:
    return "\n".join(f"- {what}: {seed}" for what, seed in _seeds_of(history).items())


def _seeds_of(history: StudyHistory) -> dict[str, object]:
    """Return the seeds by what they decide."""
    return {
        "the search": _stated(history.spec, "search", "seed"),
        "groups and masks": _stated(history.spec, "evaluation", "seed"),
        "weights that are trained or drawn": _stated(history.spec, "workload", "seed"),
    }


def _so_far(history: StudyHistory) -> str:
    head = ["S", "trials", "failed", "λ_enc", "λ_dec", "MSE"]
    return "## Best trials so far (tuning draws)\n\n" + table_of(head, list(map(_best_row, history.cells)))


def _best_row(cell: CellHistory) -> list[str]:
    best = cell.best
    failed = sum(trial.reason is not None for trial in cell.trials)
    pair = ["–", "–", "–"]
    if best is not None and best.score is not None:
        pair = [f"{best.lambda_enc:.3g}", f"{best.lambda_dec:.3g}", f"{cell.goal.error_of(best.score):.3g}"]
    return [write_count(cell.cell), str(len(cell.trials)), str(failed), *pair]


def _figure(link: str) -> str:
    name = link.rsplit("/", 1)[-1].rsplit(".", 1)[0]
    caption = CAPTIONS.get(name, name)
    return f"![{ALTERNATIVES.get(name, caption)}]({link})\n\n*{caption}*"


def _protocol(history: StudyHistory) -> str:
    trials = [trial for cell in history.cells for trial in cell.trials]
    proposals = len({trial.proposal for trial in trials})
    ended = {
        "failed": sum(trial.reason is not None for trial in trials),
        "were pruned": sum(trial.pruned_after is not None for trial in trials),
    }
    lost = " and ".join(f"{count} {how}" for how, count in ended.items() if count or how == "failed")

    errors = describe_errors(history.spec)

    def stated(section: str, name: str) -> object:
        return _stated(history.spec, section, name)

    return "\n".join(
        [
            f"- goal: {describe_goal(history.goal)}",
            f"- code: {describe_designs(history.spec)}",
            f"- stragglers: {describe_straggling(history.spec)}",
            *([f"- wrong answers: {errors}"] if errors else []),
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
            f"- model: {plain(workload.model)}, weights {plain(workload.weights_source)}",
            f"- data: {plain(workload.data)}, a query is {' × '.join(map(str, workload.query_shape))}",
            f"- outputs: {workload.outputs} {workload.output_kind}, uncoded accuracy {workload.uncoded_accuracy:.4f}",
            f"- fingerprint of weights, data and preprocessing: {verbatim(workload.fingerprint)}",
        ]
    )


def _versions(history: StudyHistory) -> str:
    study_file = f"- digest of the study file: {verbatim(history.digest)}"
    if history.provenance is None:
        return f"{_NOT_RECORDED.capitalize()} yet.\n\n{study_file}"
    provenance = history.provenance
    versions = ", ".join(f"{name} {version}" for name, version in sorted(provenance.versions.items()))
    return "\n".join(
        [
            f"- {plain(versions)}",
            f"- git commit {plain(provenance.git_commit or _NOT_RECORDED)}",
            f"- judged at {plain(provenance.times.get('created', _NOT_RECORDED))}",
            study_file,
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
