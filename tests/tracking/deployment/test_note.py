from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from nercc_tune.records import DecodeSpace
from nercc_tune.tracking.deployment.deployed import DeployedCode
from nercc_tune.tracking.deployment.note import deployment_note
from tests.builders import tuned_table


def _note(space: DecodeSpace = "probabilities", **workload: Any) -> str:
    table = tuned_table()
    design = replace(table.policy.design, decode_space=space)
    changed = replace(table, policy=replace(table.policy, design=design), workload=replace(table.workload, **workload))
    return deployment_note(changed, DeployedCode.of(changed), name="nercc")


@pytest.mark.parametrize(
    ("space", "kind", "answers"),
    [
        ("probabilities", "logits", "softmax outputs"),
        ("logits", "logits", "logits"),
        ("probabilities", "probabilities", "the model's outputs, as they are"),
        ("logits-softmax", "probabilities", "the logarithms of the model's probabilities"),
    ],
)
def test_the_note_says_what_the_workers_answer_with(space: DecodeSpace, kind: str, answers: str) -> None:
    assert f"; the workers answer with {answers}.\n" in _note(space, output_kind=kind)


def test_implausible_outputs_are_told_where_they_are_deployed() -> None:
    assert _note(warning="the plain outputs are implausible.").count("**Warning**: the plain outputs are im") == 1
    assert "Warning" not in _note()
