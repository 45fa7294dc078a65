"""What each decoder makes of a search."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nercc_tune.records import CellHistory, Kernel, Option, StudyHistory, TrialRecord
from nercc_tune.reporting.decoders import best_by_decoder, figure_decoders, has_decoders
from nercc_tune.reporting.figures import draw_figures
from tests.builders import score, study_history

KERNEL = Kernel(range=1.0, nugget=1e-3, temperature=3.0)


def _with_kernels(cell: CellHistory) -> CellHistory:
    """Give each trial a kriging reading of half its error, and the first one a calibrated one of a quarter."""
    trials: list[TrialRecord] = []
    for trial in cell.trials:
        others: list[Option] = []
        if trial.score is not None:
            kriging = replace(trial.options[0], decoder="kriging", kernel=KERNEL, lambda_dec=0.0, profile=())
            others.append(replace(kriging, score=score(trial.score.mse / 2)))
            if not trials:
                kernel = replace(KERNEL, weight=0.8)
                others.append(replace(kriging, decoder="calibrated", kernel=kernel, score=score(trial.score.mse / 4)))
        trials.append(replace(trial, others=tuple(others)))
    return replace(cell, trials=tuple(trials))


def _history() -> StudyHistory:
    history = study_history()
    return replace(history, cells=tuple(map(_with_kernels, history.cells)))


def test_the_best_of_each_decoder_is_told_apart() -> None:
    cell = _history().cells[0]
    best = best_by_decoder(cell)
    scores = [trial.score.mse for trial in cell.trials if trial.score is not None]
    assert best["spline"].score.mse == min(scores)
    assert best["kriging"].score.mse == min(scores) / 2
    assert best["calibrated"].kernel == replace(KERNEL, weight=0.8)


def test_the_figure_is_drawn_where_there_is_another_decoder() -> None:
    assert not has_decoders(study_history())
    assert "decoders" not in draw_figures(study_history(), None)
    history = _history()
    assert "decoders" in draw_figures(history, None)
    panels = figure_decoders(history).axes
    assert [len(axes.lines) for axes in panels] == [4, 3, 3, 3]
    assert [axes.get_ylabel() for axes in panels[1:]] == [
        "range ℓ, in gaps",
        "weight w of the moments",
        "temperature κ",
    ]
    spline, kriging = (np.asarray(line.get_ydata()) for line in panels[0].lines[:2])
    assert np.array_equal(kriging, spline / 2)
