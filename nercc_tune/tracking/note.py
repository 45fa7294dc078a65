"""The notes on an experiment and on the cells' runs: short pages of markdown for somebody who opens MLflow first."""

from __future__ import annotations

from nercc_tune.records import CODE_NAMES, Cell, Goal, Heldout, Interval, StudyHistory, TrialRecord, TunedEntry
from nercc_tune.tracking.content import LOG10_OF_ZERO
from nercc_tune.tracking.links import explorer_link
from nercc_tune.tracking.views import view_links

_ERROR_NAMES = {"mse": "MSE", "prob_mse": "MSE in probabilities"}

_GLOSSARY = {
    "`lambda_enc`, `lambda_dec`": (
        "smoothing of the encoder and of the decoder: λ of Σ‖y − g(t)‖² + λ∫‖g″‖²; 0 interpolates"
    ),
    "`distrust_kind`, `distrust_level`": "how the decoder finds wrong answers, and beyond what it distrusts",
    "`ordering`, `nodes`, `assignment`": (
        "which query sits where, where queries and workers sit in [−1, 1], which worker computes where"
    ),
    "`decode_space`": "what the decoder works on: `probabilities` or `logits`",
    "`log10_lambda_…`": f"the same on a logarithmic axis, for comparisons; λ = 0 stands at {LOG10_OF_ZERO:g}",
    "`mse`": "mean squared distance of the estimates to the uncoded outputs, in the decode space",
    "`prob_mse`": "the same in probabilities, so comparable between decode spaces",
    "`rel_acc`": "accuracy of the estimates / accuracy of the uncoded model",
    "`agreement`": "share of queries whose estimate names the class that the uncoded output names",
    "`…_p95`, `…_p5`": "the bad end over the straggler masks: 95 % or 5 % quantile",
    "`best_…`": "the best trial up to each proposal, on the tuning draws",
    "`heldout_…`": "on queries and masks that the search never saw; `_low`, `_high`: 95 % interval",
    "`heldout_BASELINE_…`": "the same of a baseline, on the same draws: `bacc`, `nercc_ag` (NeRCC at (0, 0)) …",
    "`heldout_available_accuracy`, `heldout_degraded_accuracy`": (
        "accuracy where all workers answer, and of the queries of which no plain copy arrived"
    ),
    "`heldout_overall_accuracy`": "of all queries, where a tenth of the workers are late",
    "`wrong_found_KIND`, `wrong_accused_KIND`": (
        "of answers that are wrong in a way, the share that was distrusted; of the right ones likewise"
    ),
    "`wrong_prob_mse_KIND`, `wrong_ratio_KIND`": (
        "MSE in probabilities then, and its ratio to that of an oracle which is told the wrong answers"
    ),
    "`distrust_cost`, `false_alarms`": (
        "where no answer is wrong: what distrust adds to that MSE, as a share, and the share of answers distrusted"
    ),
    "`…_minus_…`": "paired difference to a baseline; negative: the tuned code is better",
    "`policy_…`": "one λ_enc for all S, which is what a deployed policy has",
    "`state` (tag)": "`complete`, `pruned` or `failed`",
    "`proposal`, `proposed_for` (tags)": "number of the proposal, and the S from whose results it was drawn",
}


def experiment_note(history: StudyHistory, experiment_id: str) -> str:
    """Return what the study is, links to its views, and what its parameters and metrics mean."""
    sizes = [f": K = {item.cell.queries} queries coded for N = {item.cell.workers} workers" for item in history.cells]
    stragglers = ", ".join(item.cell.title.removeprefix("S=") for item in history.cells)
    served = f"**{history.workload.model} on {history.workload.data}**{''.join(sizes[:1])}"
    return "\n".join(
        [
            f"{served}, of which S = {stragglers} straggle. {view_links(experiment_id)}",
            "",
            *_warning(history),
            "One run for each straggler count S, with its trials below it; the run's description says what was found.",
            "",
            "| name | what it is |",
            "|---|---|",
            *(f"| {name} | {meaning} |" for name, meaning in _GLOSSARY.items()),
        ]
    )


def cell_note(history: StudyHistory, cell: Cell, entry: TunedEntry | None, best: TrialRecord | None) -> str:
    """Return what is known of a cell: what was chosen and what it is worth, or before that the best trial so far."""
    text = _search_note(history.goal, cell, best) if entry is None else _result_note(cell, entry)
    heading, _, body = text.partition("\n\n")
    # The link comes early: MLflow's page shows the first lines of a description and folds the rest away.
    link = explorer_link(history.name, cell.name)
    return "\n\n".join(
        [heading, link, *filter(None, _warning(history)), body, _origin(history, is_judged=entry is not None)]
    )


def _warning(history: StudyHistory) -> list[str]:
    """Return what is implausible about the plain outputs as a paragraph, if anything."""
    warning = history.workload.warning
    return [] if warning is None else [f"**Warning**: {warning}", ""]


def _search_note(goal: Goal, cell: Cell, best: TrialRecord | None) -> str:
    if best is None or best.score is None:
        found = "No trial is complete yet."
    else:
        score = best.score
        figures = [f"{_ERROR_NAMES[goal.error]} {goal.error_of(score):.4g}"]
        figures += [] if score.rel_acc is None else [f"RelAcc {score.rel_acc:.4g}"]
        found = (
            f"Best so far: **{_parameters(best)}** (proposal "
            f"#{best.proposal}; {best.design.label}), with {', '.join(figures)} and agreement {score.agreement:.4g} "
            "on the tuning draws, by which it was found: on others it is a little worse."
        )
    return f"### Search not judged yet\n\n{_setting(cell)}. {found}"


def _parameters(code: TrialRecord | TunedEntry) -> str:
    pair = f"λ_enc = {code.lambda_enc:.6g}, λ_dec = {code.lambda_dec:.6g}"
    return pair if code.distrust is None else f"{pair}, {code.distrust.label}"


def _setting(cell: Cell) -> str:
    return (
        f"K = {cell.queries} queries on N = {cell.workers} workers of which {cell.title} straggle: "
        f"{cell.model} on {cell.data}"
    )


def _origin(history: StudyHistory, *, is_judged: bool) -> str:
    commit = history.provenance.git_commit if history.provenance else None
    source = f"study file `{history.digest[:12]}`" + (f", commit `{commit[:12]}`" if commit else "")
    command = f"`nercc-tune launch {history.name}.toml`"
    if is_judged:
        return f"Again: {command} ({source})."
    return f"If the run's status is not *Running*, the search was stopped: {command} goes on from there ({source})."


def _result_note(cell: Cell, entry: TunedEntry) -> str:
    rows = [_row("**tuned**", entry.heldout)]
    rows += [_row(CODE_NAMES[name], heldout) for name, heldout in entry.baselines.items()]
    differences = [
        f"- {_interval(difference)} to {CODE_NAMES[name]}" for name, difference in entry.prob_mse_minus.items()
    ]
    lines = [
        f"### {_parameters(entry)}",
        "",
        (
            f"For {_setting(cell)}; code: {entry.design.label}. "
            f"Effective degrees of freedom {entry.df_enc:.4g} of {cell.queries} in the encoder and "
            f"{entry.df_dec:.4g} of {cell.workers - cell.stragglers} in the decoder, after {entry.trials} trials."
        ),
        "",
        "On queries and straggler masks that the tuning did not see, with 95 % intervals:",
        "",
        "| code | MSE | MSE in probabilities | RelAcc | agreement |",
        "|---|---|---|---|---|",
        *rows,
        "",
        *(
            [
                "Paired difference in the MSE in probabilities (negative: the tuned code is better):",
                "",
                *differences,
            ]
            if differences
            else []
        ),
    ]
    return "\n".join(lines)


def _row(name: str, heldout: Heldout) -> str:
    figures = (heldout.mse, heldout.prob_mse, heldout.rel_acc, heldout.agreement)
    return f"| {name} | " + " | ".join("–" if figure is None else _interval(figure) for figure in figures) + " |"


def _interval(interval: Interval) -> str:
    return f"{interval.mean:.4g} [{interval.low:.4g}, {interval.high:.4g}]"
