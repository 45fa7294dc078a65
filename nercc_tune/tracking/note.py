"""The note on a cell's run: a short page of markdown for somebody who opens MLflow before anything else."""

from __future__ import annotations

from nercc_tune.records import Cell, Heldout, Interval, StudyHistory, TunedEntry

_BASELINE_NAMES = {
    "bacc": "BACC (Berrut)",
    "nercc_ag": "NeRCC at (0, 0)",
    "replication": "replication",
    "uncoded": "uncoded",
    "bacc_same_design": "BACC in the same design",
    "frozen": "the pair tuned at another count",
}


def cell_note(history: StudyHistory, cell: Cell, entry: TunedEntry) -> str:
    """Return the chosen pair, the table of held-out figures, and how to get them again."""
    rows = [_row("**tuned**", entry.heldout)]
    rows += [_row(_BASELINE_NAMES.get(name, name), heldout) for name, heldout in entry.baselines.items()]
    differences = [
        f"- {_interval(difference)} to {_BASELINE_NAMES.get(name, name)}"
        for name, difference in entry.prob_mse_minus.items()
    ]
    commit = history.provenance.git_commit if history.provenance else None
    lines = [
        f"### λ_enc = {entry.lambda_enc:.6g}, λ_dec = {entry.lambda_dec:.6g}",
        "",
        (
            f"For K = {cell.queries} queries on N = {cell.workers} workers of which {cell.title} straggle: "
            f"{cell.model} on {cell.data}; code: {entry.design.label}. "
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
                "",
            ]
            if differences
            else []
        ),
        f"Again: `nercc-tune launch {history.name}.toml` (study file `{history.digest[:12]}`"
        + (f", commit `{commit[:12]}`)." if commit else ")."),
    ]
    return "\n".join(lines)


def _row(name: str, heldout: Heldout) -> str:
    figures = (heldout.mse, heldout.prob_mse, heldout.rel_acc, heldout.agreement)
    return f"| {name} | " + " | ".join("–" if figure is None else _interval(figure) for figure in figures) + " |"


def _interval(interval: Interval) -> str:
    return f"{interval.mean:.4g} [{interval.low:.4g}, {interval.high:.4g}]"
