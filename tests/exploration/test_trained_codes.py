"""A study of trained codes beside the explorer, which decodes those of nodes alone."""

from __future__ import annotations

from dataclasses import replace

from nercc_tune.exploration import codes_to_send
from tests.builders import SPEC, searched, study
from tests.training.tasks import PARITY


def test_only_the_baselines_are_decoded_anew() -> None:
    cell = searched(40)
    trained = tuple(
        replace(trial, design=replace(trial.design, decoder="subtraction", training=PARITY)) for trial in cell.trials
    )
    history = replace(study(replace(cell, trials=trained)), spec=SPEC)
    assert list(codes_to_send(history, 40)) == ["nercc_ag", "bacc"]
    assert history.cells[0].smoothed is None
