"""Served codes as what they are, and tables of codes that distrust answers."""

from __future__ import annotations

from dataclasses import replace

import torch

from nercc_tune.coding import TrainedCode, Typical, measure_typical
from nercc_tune.export.table import TunedTable
from nercc_tune.records import Design, Distrust, Kernel, WrongAnswers
from nercc_tune.serving.served_code import ServedCode
from tests.builders import interval, tuned_table

__all__ = ["distrusting_table", "nodal", "screening_table", "typical_of", "wrong_answers"]


def nodal(code: ServedCode | TrainedCode) -> ServedCode:
    """Return a served code as one that has nodes, and no networks."""
    assert isinstance(code, ServedCode)
    return code


def distrusting_table(
    distrust: Distrust | None,
    *,
    kernel: Kernel | None = None,
    design: Design | None = None,
    stragglers: tuple[int, ...] = (20, 40),
    lambda_dec: float = 1e-8,
) -> TunedTable:
    """Return a table for K = 50 and N = 200 whose codes all distrust answers alike, a kernel's by kriging."""
    table = tuned_table(stragglers=stragglers)
    design = replace(design or Design(), decoder="spline" if kernel is None else "kriging")
    smoothing = lambda_dec if kernel is None else 0.0
    entries = tuple(
        replace(entry, design=design, lambda_enc=1e-10, lambda_dec=smoothing, kernel=kernel, distrust=distrust)
        for entry in table.entries
    )
    read = tuple(
        replace(entry, lambda_dec=smoothing, kernel=kernel, distrust=distrust) for entry in table.policy.entries
    )
    policy = replace(table.policy, design=design, lambda_enc=1e-10, entries=read)
    return replace(table, entries=entries, policy=policy)


def screening_table(distrust: Distrust, typical: Typical | None) -> TunedTable:
    """Return such a table of splines whose codes all look at what right answers look like, where that is given."""
    table, digest = distrusting_table(distrust), None if typical is None else typical.digest
    entries = tuple(replace(entry, typical=digest) for entry in table.entries)
    return replace(table, entries=entries, policy=replace(table.policy, typical=digest))


def typical_of(*, seed: int = 0, outputs: int = 3, classes: int = 3) -> Typical:
    """Return what answers look like of which one of the first outputs is the largest, at about 1."""
    generator = torch.Generator().manual_seed(seed)
    noise = 0.05 * torch.randn(300, outputs, dtype=torch.float64, generator=generator)
    measured = measure_typical(torch.eye(outputs, dtype=torch.float64)[torch.arange(300) % classes] + noise)
    assert measured is not None
    return measured.rounded()


def wrong_answers(false_alarms: float) -> WrongAnswers:
    """Return what a code does about wrong answers, of which none was tried."""
    return WrongAnswers(
        bound=3,
        detections=(),
        none_wrong=interval(0.02),
        none_wrong_trusting=interval(0.02),
        cost=None,
        false_alarms=false_alarms,
    )
