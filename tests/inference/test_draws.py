from __future__ import annotations

import pytest
import torch

from nercc_tune.records import Design, Encoding, Reading
from tests.fakes import draw, tiny_spec


def test_the_draws_of_a_part_share_groups_and_outputs() -> None:
    tuning, again, heldout = draw(tiny_spec()), draw(tiny_spec()), draw(tiny_spec(), "heldout")
    assert torch.equal(again.outputs.groups.queries, tuning.outputs.groups.queries)
    assert tuning.outputs.groups.key != heldout.outputs.groups.key
    truth = tuning.groups.truth(Design(), "probabilities")
    assert tuning.uncoded_accuracy == pytest.approx(float(truth.accuracy.mean()))
    readings: tuple[Reading, ...] = (("identity", "probabilities", "spline"),)
    tuning.evaluators[2].best(Encoding(lambda_enc=1e-3), readings)
    before = tuning.outputs.forwards
    tuning.evaluators[4].best(Encoding(lambda_enc=1e-3), readings)
    assert tuning.outputs.forwards == before
