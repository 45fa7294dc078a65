"""What is said of a point where the pointer rests on it."""

from __future__ import annotations

from html import escape

from nercc_tune.records import Score, TrialRecord
from nercc_tune.reporting.interactive.lambda_axis import LABELS
from nercc_tune.reporting.pictures.marks import ShownTrial
from nercc_tune.reporting.pictures.measures import MEASURE_LABELS

__all__ = ["pair_text", "score_text", "trial_text"]


def pair_text(lambda_enc: float, lambda_dec: float) -> str:
    """Return a pair in words."""
    return f"{LABELS['lambda_enc']} = {lambda_enc:.3g}, {LABELS['lambda_dec']} = {lambda_dec:.3g}"


def score_text(score: Score) -> str:
    """Return the figures of a score on the tuning draws that are defined, a line each."""
    figures = score.metrics()
    return "<br>".join(f"{label} {figures[name]:.4g}" for name, label in MEASURE_LABELS.items() if name in figures)


def trial_text(shown: ShownTrial) -> str:
    """Return all there is to say of a trial under a design: its proposal, its state, its pair and its figures."""
    lines = [f"<b>proposal {shown.trial.proposal}</b>, {_state(shown.trial)}", pair_text(*shown.pair)]
    lines += [score_text(shown.score)] if shown.score else []
    return "<br>".join([*lines, escape(shown.design.label)])


def _state(trial: TrialRecord) -> str:
    if trial.reason is not None:
        return f"failed: {escape(trial.reason)}"
    if trial.pruned_after is not None:
        return f"pruned after {trial.pruned_after} blocks of groups"
    return "complete"
