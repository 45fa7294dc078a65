"""The traces of real clusters, where they are there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nercc_tune.inference import MaskSource
from nercc_tune.straggling import read_trace
from tests.fakes import draw, tiny_spec

_JOBS = ("job1", "job4")
_WORKERS = "code={ queries = 4, workers = 10, rack = 5, decode_space = 'logits-softmax' }"


def _settings(root: Path, job: str, *more: str) -> tuple[str, ...]:
    return (_WORKERS, "straggling.model=trace", f"straggling.path={root / f'alibaba_pai_{job}.csv'}", *more)


@pytest.mark.parametrize("job", _JOBS)
def test_they_are_ten_workers_that_all_answer(trace_root: Path, job: str) -> None:
    trace = read_trace(trace_root / f"alibaba_pai_{job}.csv")
    assert trace.latencies.shape[1] == 10
    assert np.isfinite(trace.latencies).all()
    assert trace.remarks(workers=10) == ()


@pytest.mark.parametrize("job", _JOBS)
def test_both_rules_draw_every_part(trace_root: Path, job: str) -> None:
    first = tiny_spec(*_settings(trace_root, job), "code.stragglers=[2, 5]")
    late = tiny_spec(*_settings(trace_root, job), "straggling.rule=deadline", "straggling.deadline=300")
    for spec in (first, late):
        source = MaskSource.of(spec)
        for part in ("tuning", "validation", "heldout"):
            drawn = source.draw(part, masks=20)
            assert list(drawn) == [cell.stragglers for cell in source.cells]
            assert all(arrivals.waiting is not None for arrivals in drawn.values())


def test_half_of_the_workers_of_job_4_are_slow_and_lie_side_by_side(trace_root: Path) -> None:
    spec = tiny_spec(*_settings(trace_root, "job4"), "code.stragglers=[5]", "evaluation.heldout_masks=50")
    share = MaskSource.of(spec).draw("heldout", masks=200)[5].arrived.mean(axis=0)
    assert set(np.flatnonzero(share < 0.5).tolist()) == {0, 5, 6, 7, 8}
    evaluator = draw(spec, "heldout").evaluators[5]
    spread = replace(spec.reference, assignment="interleaved")
    errors = [evaluator.metrics(design, 0.0, 0.0).prob_mse.mean().item() for design in (spread, spec.reference)]
    assert errors[0] < errors[1]
