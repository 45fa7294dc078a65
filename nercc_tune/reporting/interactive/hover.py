"""What is said of a point where the pointer rests on it."""

from __future__ import annotations

from html import escape

from nercc_tune.records import Design, Score, TrialRecord
from nercc_tune.reporting.interactive.lambda_axis import LABELS
from nercc_tune.reporting.interactive.looks import MEASURE_LABELS

__all__ = ["pair_text", "score_text", "trial_text"]


def pair_text(lambda_enc: float, lambda_dec: float) -> str:
    """Return a pair in words."""
    return f"{LABELS['lambda_enc']} = {lambda_enc:.3g}, {LABELS['lambda_dec']} = {lambda_dec:.3g}"


def score_text(score: Score) -> str:
    """Return the figures of a score on the tuning draws that are defined, a line each."""
    figures = score.metrics()
    return "<br>".join(f"{label} {figures[name]:.4g}" for name, label in MEASURE_LABELS.items() if name in figures)


def trial_text(trial: TrialRecord, *, lambda_dec: float, design: Design, score: Score | None) -> str:
    """Return all there is to say of a trial under a design: its proposal, its state, its pair and its figures."""
    lines = [f"<b>proposal {trial.proposal}</b>, {_state(trial)}", pair_text(trial.lambda_enc, lambda_dec)]
    lines += [score_text(score)] if score else []
    return "<br>".join([*lines, escape(design.label)])


def _state(trial: TrialRecord) -> str:
    if trial.reason is not None:
        return f"failed: {escape(trial.reason)}"
    if trial.pruned_after is not None:
        return f"pruned after {trial.pruned_after} blocks of groups"
    return "complete"
