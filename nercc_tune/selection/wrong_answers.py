"""What a chosen code does about wrong answers, on held-out draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from nercc_tune.inference import MaskedDistrust, MaskedMetrics
from nercc_tune.records import Detection, Interval, WrongAnswers
from nercc_tune.selection.bootstrap import CrossedBootstrap
from nercc_tune.selection.heldout import expect, gain
from nercc_tune.selection.judged import Judged

__all__ = ["judge_distrust"]


def judge_distrust(
    tuned: Judged, measured: MaskedDistrust, *, kinds: Sequence[str], bound: int, seed: int
) -> WrongAnswers:
    """Summarise, kind by kind.

    Args:
        tuned: The code on the masks with liars.
        measured: Of the same masks.
        kinds: Those of the study, in its order; of one that no mask has there is nothing to tell.
        bound: How many wrong answers the search reckoned with.
        seed: Of the resamples of the masks of one kind.
    """
    honest = replace(tuned, metrics=measured.honest)
    trusting = replace(tuned, metrics=measured.honest_trusting)
    saved = gain([honest], [trusting], "prob_mse")
    return WrongAnswers(
        bound=bound,
        detections=tuple(_detection(kind, tuned, measured, seed=seed) for kind in kinds if kind in measured.kinds),
        none_wrong=expect([honest]).prob_mse,
        none_wrong_trusting=expect([trusting]).prob_mse,
        cost=None if saved is None else Interval(mean=-saved.mean, low=-saved.high, high=-saved.low),
        false_alarms=measured.false_alarms,
    )


def _detection(kind: str, tuned: Judged, measured: MaskedDistrust, *, seed: int) -> Detection:
    masks = torch.tensor([mask for mask, name in enumerate(measured.kinds) if name == kind])
    groups, resamples = tuned.metrics.mse.shape[0], len(tuned.bootstrap.groups)
    bootstrap = CrossedBootstrap.draw(groups=groups, masks=len(masks), resamples=resamples, seed=seed)
    mine = Judged(metrics=_part(tuned.metrics, masks), bootstrap=bootstrap)
    oracle = Judged(metrics=_part(measured.oracle, masks), bootstrap=bootstrap)
    saved = gain([mine], [oracle], "prob_mse")
    return Detection(
        kind=kind,
        wrong=groups * int(measured.wrong[masks].sum()),
        found=int(measured.found[:, masks].sum()),
        right=groups * int(measured.right[masks].sum()),
        accused=int(measured.accused[:, masks].sum()),
        prob_mse=expect([mine]).prob_mse,
        oracle=expect([oracle]).prob_mse,
        ratio=None if saved is None else Interval(mean=1 - saved.mean, low=1 - saved.high, high=1 - saved.low),
    )


def _part(metrics: MaskedMetrics, masks: torch.Tensor) -> MaskedMetrics:
    """Return metrics [G, M] of some masks."""
    return MaskedMetrics(
        mse=metrics.mse[:, masks],
        prob_mse=metrics.prob_mse[:, masks],
        accuracy=metrics.accuracy[:, masks],
        agreement=metrics.agreement[:, masks],
        uncoded_accuracy=metrics.uncoded_accuracy,
    )
